//! `xacminh receipt` as a clerk runs it: without a cluster, without a configuration file.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use xacminh_proto::{
    transparency::{LeafVerdict, Policy, Receipt},
    vocab::{Cause, ErrorNumber, Outcome},
};

use crate::{
    commands::{program, text},
    fake::AT_MS,
    paper::{INDEX, Keep, ORIGIN, Paper, SUBJECT, log_alone, log_key, two_of_three},
};

/// A folder with receipts, and no configuration: nothing here needs a cluster.
struct Drawer(tempfile::TempDir);

impl Drawer {
    fn new() -> Self {
        let drawer = Self(tempfile::tempdir().unwrap());
        drawer.put("policy", two_of_three());
        drawer
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program(self.0.path());
        // A configuration file that is named and not there stops whatever would read it.
        command.current_dir(self.0.path()).arg("receipt").args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn piped(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn vkey() -> String {
    log_key().public.to_string()
}

#[test]
fn a_clerk_reads_what_a_receipt_proves() {
    let drawer = Drawer::new();
    drawer.put("hoa.tlog-proof", Paper::ordinary().receipt());
    let output = drawer.run(&["verify", "hoa.tlog-proof", "--log-policy", "policy", "--lang", "vi"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.starts_with("PHIẾU HỢP LỆ · KHỚP: hoa.tlog-proof\n"), "{told}");
    for line in [
        "\n  Trả lời      số, họ tên và ngày sinh là của một người",
        "\n  Họ tên       Trần Thị Hoa: KHỚP (đúng như đã ghi)",
        "\n  Đủ tuổi      ≥ 18 vào ngày 2026-05-29: KHỚP (đủ tuổi)",
        "\n  Về ai        048190000017",
        "Ai hỏi       cổng 17 · cán bộ (mã ẩn danh) a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
        "Để làm gì    mục đích 3 · thủ tục số 4222 · danh mục bản 5",
        "Hỏi gì       Họ tên?, Đủ tuổi?",
        "Dữ liệu lúc  2026-05-29T03:26:40+07:00",
        "Nhật ký      xacminh.example/da-nang/2026 · chỉ số 41 trong nhật ký 300 mục (đếm từ 0)",
        "Nhân chứng   W1 (2026-05-29T03:26:50+07:00), W2 (2026-05-29T03:26:50+07:00)",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
    let told = text(&drawer.run(&["verify", "hoa.tlog-proof", "--log-key", &vkey(), "--lang", "en"]).stdout);
    assert!(told.starts_with("RECEIPT VERIFIES · MATCH: hoa.tlog-proof\n"), "{told}");
    assert!(told.contains("· index 41 in a log of 300 entries (counted from 0)\n"), "{told}");
    assert!(told.contains("Cosigned by  no witness that the policy names"), "{told}");
}

#[test]
fn json_has_the_documented_shape() {
    let drawer = Drawer::new();
    drawer.put("hoa", Paper::ordinary().receipt());
    let output = drawer.run(&["verify", "hoa", "--log-policy", "policy", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = serde_json::json!({
        "file": "hoa",
        "verifies": true,
        "verdict": "match",
        "kind": "disclosed",
        "portal": 17,
        "official_pseudonym": "a1".repeat(16),
        "purpose": 3,
        "procedure_number": 4222,
        "register_revision": 5, "reissued": false,
        "request_id": "019e7044-8800-7929-a929-292929292929",
        "claims_asked": ["full_name", "age_at_least"],
        "attributes_asked": [],
        "subject": SUBJECT,
        "outcome": "confirmed",
        "cause": null,
        "error": null,
        "claims": [
            {"index": 0, "claim": "full_name", "claimed": "Trần Thị Hoa", "verdict": "match", "reason": "equal",
             "reason_number": 1, "cause": null},
            {"index": 1, "claim": "age_at_least", "claimed": "≥ 18 on 2026-05-29", "verdict": "match",
             "reason": "old_enough", "reason_number": 9, "cause": null},
        ],
        "attributes": {},
        "closed": 0,
        "as_of_ms": AT_MS,
        "at_ms": AT_MS + 1,
        "origin": ORIGIN,
        "index": INDEX,
        "log_size": 300,
        "cosigners": [
            {"name": "W1", "key": "witness.example/w1", "time_s": AT_MS / 1000 + 10},
            {"name": "W2", "key": "witness.example/w2", "time_s": AT_MS / 1000 + 10},
        ],
    });
    assert_eq!(told, expected);

    drawer.put("all", Paper::everything().receipt());
    let told: serde_json::Value =
        serde_json::from_slice(&drawer.run(&["verify", "all", "--log-policy", "policy", "--json"]).stdout).unwrap();
    assert_eq!(told["claims"][2]["cause"], "too_old");
    assert_eq!(
        told["claims"][6]["claimed"],
        "permanent, Số 12 <b> & \"ngõ\" 3, đường Lê Lợi, commune 20194, province 48"
    );
    assert_eq!(told["attributes"]["other_name"], serde_json::Value::Null);
    assert_eq!(told["attributes"]["permanent_residence"]["commune_before_2025"], "20195");

    let refused = Outcome::Refused(ErrorNumber::ClaimNotAllowed);
    drawer.put("no", Paper::answering(refused, LeafVerdict::Refused).receipt());
    let told: serde_json::Value =
        serde_json::from_slice(&drawer.run(&["verify", "no", "--log-policy", "policy", "--json"]).stdout).unwrap();
    assert_eq!((told["outcome"].as_str(), told["error"]["number"].as_u64()), (Some("refused"), Some(2007)));
}

#[test]
fn the_exit_code_is_the_verdict() {
    let drawer = Drawer::new();
    let cannot_tell = Outcome::Undetermined(Cause::AuthorityUnavailable);
    let refused = Outcome::Refused(ErrorNumber::OfficialUnknown);
    let papers = [
        ("match", Paper::ordinary(), 0),
        ("no-match", Paper::not_confirmed(), 1),
        ("mixed", Paper::everything(), 1),
        ("cannot-tell", Paper::answering(cannot_tell, LeafVerdict::Undetermined), 3),
        ("refused", Paper::answering(refused, LeafVerdict::Refused), 4),
    ];
    for (name, paper, expected) in papers {
        drawer.put(name, paper.receipt());
        let output = drawer.run(&["verify", name, "--log-policy", "policy"]);
        assert_eq!(code(&output), expected, "{name}: {}", text(&output.stdout));
    }
    let several = |files: &[&str]| code(&drawer.run(&[&["verify"], files, &["--log-policy", "policy"]].concat()));
    assert_eq!(several(&["match", "cannot-tell", "refused"]), 4);
    assert_eq!(several(&["match", "nowhere"]), 6);
    drawer.put("spoiled", Paper::ordinary().receipt().replace("index 41", "index 42"));
    let output = drawer.run(&["verify", "match", "spoiled", "nowhere", "--log-policy", "policy", "--lang", "vi"]);
    assert_eq!(code(&output), 8);
    let told = text(&output.stdout);
    assert!(told.contains("PHIẾU HỢP LỆ · KHỚP: match"), "{told}");
    let why = "PHIẾU KHÔNG HỢP LỆ: spoiled: phiếu không có trong nhật ký ở vị trí này (the proof";
    assert!(told.contains(why), "{told}");
}

#[test]
fn what_does_not_verify_says_why_and_ends_with_8() {
    let drawer = Drawer::new();
    let sound = Paper::ordinary().receipt();
    let other_log = crate::paper::Key::new("xacminh.example/hue/2026", log_key().public.kind(), 1);
    let other_key = crate::paper::Key::new(ORIGIN, log_key().public.kind(), 9);
    let not_asked = Paper { fields: Some(1 << 32), ..Paper::ordinary() };
    for (name, receipt, fault) in [
        ("nothing", String::new(), "malformed"),
        ("something", "không phải phiếu\n".to_owned(), "malformed"),
        ("cut", sound[..sound.len() - 1].to_owned(), "note"),
        ("elsewhere", sound.replace("index 41", "index 40"), "proof"),
        ("few", Paper::ordinary().witnessed_by(1).receipt(), "policy"),
        ("contradicts", not_asked.receipt(), "contradiction"),
        ("verdict", Paper::ordinary().saying(LeafVerdict::NoMatch).receipt(), "contradiction"),
    ] {
        drawer.put(name, receipt);
        let output = drawer.run(&["verify", name, "--log-policy", "policy", "--json"]);
        assert_eq!(code(&output), 8, "{name}");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((told["verifies"].as_bool(), told["fault"].as_str()), (Some(false), Some(fault)), "{name}: {told}");
    }
    drawer.put("sound", sound);
    for key in [other_log, other_key] {
        assert_eq!(code(&drawer.run(&["verify", "sound", "--log-key", &key.public.to_string()])), 8);
    }
}

/// The command line comes first, then the configuration; a text may hold the keys of several years, as `vkey` prints them.
#[test]
fn the_logs_keys_are_given_one_way() {
    let drawer = Drawer::new();
    drawer.put("sound", Paper::ordinary().receipt());
    let other = crate::paper::Key::new("xacminh.example/da-nang/2027", log_key().public.kind(), 9).public;
    let several = format!("{other}\n{}\n", vkey());
    assert_eq!(code(&drawer.run(&["verify", "sound", "--log-key", &several])), 0);
    for config in [
        format!("log_key = \"{}\"\n", vkey()),
        format!("log_key = [\"{other}\", \"{}\"]\n", vkey()),
        format!("log_key = \"\"\"\n{several}\"\"\"\n"),
        "log_policy = \"policy\"\n".to_owned(),
    ] {
        drawer.put("client.toml", &config);
        let output = drawer.run(&["verify", "sound"]);
        assert_eq!(code(&output), 0, "{config}: {}", text(&output.stderr));
        assert_eq!(code(&drawer.run(&["verify", "sound", "--log-key", &other.to_string()])), 8, "the flag decides");
    }
    drawer.put("client.toml", format!("log_key = \"{}\"\nlog_policy = \"policy\"\n", vkey()));
    assert_eq!(code(&drawer.run(&["verify", "sound"])), 2);
}

#[test]
fn bad_input_is_told_with_its_place() {
    let drawer = Drawer::new();
    drawer.put("sound", Paper::ordinary().receipt());
    drawer.put("torn", format!("{}quorum X\n", log_alone()));
    drawer.put("huge", vec![b'x'; 2_000_000]);
    drawer.put("client.toml", "");
    let told = |args: &[&str]| {
        let output = drawer.run(args);
        (code(&output), text(&output.stderr))
    };
    assert_eq!(told(&["verify", "sound"]).0, 2, "whom to believe must be said");
    assert_eq!(told(&["verify", "sound", "--log-key", &vkey(), "--log-policy", "policy"]).0, 2);
    let (exit, why) = told(&["verify", "sound", "--log-key", "client.pem"]);
    assert!(exit == 2 && why.contains("not a verifier key"), "{why}");
    let (exit, why) = told(&["verify", "sound", "--log-key", &crate::paper::witness_key(1).public.to_string()]);
    assert!(exit == 2 && why.contains("kind"), "{why}");
    let (exit, why) = told(&["verify", "sound", "--log-policy", "torn"]);
    assert!(exit == 6 && why.contains("torn line 3"), "{why}");
    assert_eq!(told(&["verify", "sound", "--log-policy", "nowhere"]).0, 6);
    assert_eq!(told(&["verify", "huge", "--log-policy", "policy"]).0, 6);
    assert_eq!(told(&["verify", "--log-policy", "policy"]).0, 2);
}

#[test]
fn a_receipt_comes_through_a_pipe_and_out_of_a_scanner() {
    let drawer = Drawer::new();
    let sound = Paper::ordinary().receipt();
    drawer.put("sound", &sound);
    assert_eq!(code(&drawer.piped(&["verify", "-", "--log-policy", "policy"], &sound)), 0);
    let packed = text(&drawer.run(&["pack", "sound"]).stdout);
    assert!(packed.starts_with("XACMINH1:") && packed.trim_end().len() < sound.len() * 2, "{packed}");
    assert_eq!(code(&drawer.piped(&["verify", "-", "--log-policy", "policy"], &packed)), 0);
    let link = format!("https://xacminh.example/verify.html#{packed}");
    assert_eq!(code(&drawer.piped(&["verify", "-", "--log-policy", "policy"], &link)), 0);
    assert_eq!(text(&drawer.piped(&["unpack", "-"], &link).stdout), sound, "byte for byte");
    assert_eq!(code(&drawer.piped(&["verify", "-", "--log-policy", "policy"], &packed.replacen('7', "8", 1))), 8);
}

#[test]
fn redacting_shows_less_and_verifies_all_the_same() {
    let drawer = Drawer::new();
    drawer.put("whole", Paper::everything().receipt());
    let listed = drawer.run(&["redact", "whole", "--list"]);
    let names: Vec<String> = text(&listed.stdout).lines().map(str::to_owned).collect();
    assert_eq!(names.len(), 1 + 1 + 16 + 11);
    assert_eq!(names[..3], ["subject", "outcome", "claim/0/full_name"]);
    assert_eq!(text(&listed.stderr), "0 closed already\n");

    let output = drawer.run(&["redact", "whole", "--keep", "outcome", "attribute/sex", "-o", "less"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let verified = drawer.run(&["verify", "less", "--log-policy", "policy", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((told["subject"].is_null(), told["closed"].as_u64()), (true, Some(26)));
    assert_eq!(told["attributes"], serde_json::json!({"sex": "female"}));
    let less = drawer.read("less");
    let policy = Policy::parse(two_of_three().as_bytes()).unwrap();
    let expected = Paper::everything().read().redact(|name| name == "outcome" || name == "attribute/sex");
    assert_eq!(Receipt::parse(less.as_bytes()).unwrap(), expected);
    assert!(expected.verify(&policy).is_ok());

    let dropped = drawer.run(&["redact", "whole", "--drop", "subject,claim/0/full_name"]);
    let kept = Receipt::parse(&dropped.stdout).unwrap().opened();
    assert_eq!(
        kept,
        names.iter().filter(|it| !["subject", "claim/0/full_name"].contains(&it.as_str())).cloned().collect::<Vec<_>>()
    );
    let told = text(&drawer.run(&["verify", "less", "--log-policy", "policy", "--lang", "vi"]).stdout);
    assert!(told.contains("Về ai        (không mở)") && told.contains("26 mục trả lời được giữ kín"), "{told}");
}

#[test]
fn a_redacted_receipt_is_written_whole_or_not_at_all() {
    let drawer = Drawer::new();
    drawer.put("whole", Paper::everything().receipt());
    drawer.put("there", "something else");
    let redact = |more: &[&str]| drawer.run(&[&["redact", "whole"], more].concat());
    let output = redact(&["--keep", "outcome", "-o", "there"]);
    assert_eq!(code(&output), 6);
    assert!(text(&output.stderr).contains("--force"), "{}", text(&output.stderr));
    assert_eq!(drawer.read("there"), "something else");
    assert_eq!(code(&redact(&["--keep", "outcome", "-o", "there", "--force"])), 0);
    assert!(drawer.read("there").starts_with("c2sp.org/tlog-proof@v1\n"));
    assert_eq!(code(&redact(&["--keep", "outcome", "-o", "nowhere/less"])), 6);
    let output = redact(&["--keep", "outcom", "-o", "less"]);
    assert!(code(&output) == 2 && text(&output.stderr).contains("open are: subject, outcome"), "{output:?}");
    assert_eq!(code(&redact(&["-o", "less"])), 2);
    drawer.put("spoiled", Paper::everything().receipt().replace("index 41", "index 42"));
    assert_eq!(code(&drawer.run(&["redact", "spoiled", "--keep", "outcome", "-o", "less"])), 8);
    let names = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!(names(drawer.0.path()), 4, "policy, whole, there, spoiled: no file was left half written");
}

/// The code is read by a program that is not ours.
fn scanned(svg: &str) -> String {
    let side: usize = svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let path = svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut dark = vec![false; side * side];
    for run in path.split('M').skip(1) {
        let (x, rest) = run.split_once(' ').unwrap();
        let (y, rest) = rest.split_once('h').unwrap();
        let (length, _) = rest.split_once('v').unwrap();
        let (x, y, length): (usize, usize, usize) = (x.parse().unwrap(), y.parse().unwrap(), length.parse().unwrap());
        dark[y * side + x..][..length].fill(true);
    }
    // Eight pixels a module, as a camera sees it.
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * 8, side * 8, |x, y| {
        if dark[y / 8 * side + x / 8] { 0 } else { 255 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

#[test]
fn a_scanner_reads_the_code_and_the_code_is_the_receipt() {
    let drawer = Drawer::new();
    for (name, paper) in [("ordinary", Paper::ordinary().at(41, 100_000_000)), ("everything", Paper::everything())] {
        drawer.put(name, paper.receipt());
        let svg = text(&drawer.run(&["qr", name, "--svg"]).stdout);
        assert_eq!(scanned(&svg), paper.read().pack().unwrap());
        assert!(code(&drawer.piped(&["verify", "-", "--log-key", &vkey()], &scanned(&svg))) < 2);
    }
    assert_eq!(
        code(&drawer.run(&["qr", "ordinary", "--page", "https://a.example/verify.html#old", "-o", "code.svg"])),
        0
    );
    let packed = Paper::ordinary().at(41, 100_000_000).read().pack().unwrap();
    assert_eq!(scanned(&drawer.read("code.svg")), format!("https://a.example/verify.html#{packed}"));
    let shown = text(&drawer.run(&["qr", "ordinary"]).stdout);
    let widths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
    assert!(widths.len() == widths[0].div_ceil(2) && widths.iter().all(|width| *width == widths[0]), "{widths:?}");
}

#[test]
fn a_receipt_too_large_for_a_code_says_what_to_close() {
    let drawer = Drawer::new();
    let paper = Paper::everything().at(41, 100_000_000).witnessed_by(3);
    drawer.put("whole", paper.receipt());
    let output = drawer.run(&["qr", "whole"]);
    assert_eq!(code(&output), 6, "{}", text(&output.stdout).len());
    let told = text(&output.stderr);
    let names = told.split("--drop ").nth(1).unwrap().split('`').next().unwrap();
    assert_eq!(code(&drawer.run(&["redact", "whole", "--drop", names, "-o", "less"])), 0, "{told}");
    assert_eq!(code(&drawer.run(&["qr", "less"])), 0);
    assert!(drawer.read("less").len() < paper.receipt().len());
}

#[test]
fn a_page_to_file_holds_the_facts_and_the_code() {
    let drawer = Drawer::new();
    drawer.put("whole", Paper::everything().receipt());
    let output = drawer.run(&["print", "whole", "--log-policy", "policy", "--lang", "vi", "-o", "page.svg"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let page = drawer.read("page.svg");
    for part in [
        "xml:lang=\"vi\"",
        ">PHIẾU XÁC MINH<",
        ">PHIẾU HỢP LỆ · KHÔNG KHỚP<",
        ">Nguyễn Thị Ánh Tuyết<",
        "&lt;b&gt; &amp; &quot;ngõ&quot; 3",
        ">048190000017<",
        "chỉ số 41 trong",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<b>") && !page.contains("href") && !page.contains("<script"));
    let code_of_page = page.split("shape-rendering=\"crispEdges\"").nth(1).unwrap();
    let side = Paper::everything().read().pack().unwrap();
    let alone = text(&drawer.run(&["qr", "whole", "--svg"]).stdout);
    let path = |svg: &str| svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(path(code_of_page), path(alone.split("#fff").nth(1).unwrap()), "{}", side.len());

    drawer.put("few", Paper::everything().witnessed_by(1).receipt());
    assert_eq!(code(&drawer.run(&["print", "few", "--log-policy", "policy", "-o", "few.svg"])), 8);
    assert!(!drawer.0.path().join("few.svg").exists());
    let told = text(&drawer.run(&["print", "whole", "--log-policy", "policy", "--lang", "en"]).stdout);
    assert!(told.contains(">VERIFICATION RECEIPT<"));
    // What the page tells to run is what the program takes: `--key` is the caller's private key.
    for page in [page, told] {
        let page = page.split(">").map(|part| part.split('<').next().unwrap()).collect::<Vec<_>>().join(" ");
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains("xacminh receipt verify - --log-key K"), "{page}");
    }
}

/// The figures of docs/RECEIPTS.md.
#[test]
fn sizes_are_those_of_the_documentation() {
    let document = include_str!("../../../docs/RECEIPTS.md");
    let mut missing = String::new();
    let everything = |_: &str| true;
    let outcome = |name: &str| name == "outcome";
    let answers: [(&str, Paper, Keep); 4] = [
        ("not confirmed", Paper::not_confirmed(), everything),
        ("two claims", Paper::ordinary(), everything),
        ("16 claims, 11 values", Paper::everything(), everything),
        ("the same, outcome alone open", Paper::everything(), outcome),
    ];
    for (name, paper, keep) in answers {
        for (leaves, shown) in [(10_000, "10^4"), (1_000_000, "10^6"), (100_000_000, "10^8")] {
            for witnesses in [0, 3] {
                let paper = paper.clone().at(leaves / 3, leaves).witnessed_by(witnesses);
                let receipt = paper.read().redact(keep);
                let (hashes, text) = (paper.proof().0.len(), receipt.encode().unwrap().len());
                let (digits, version) = (receipt.pack().unwrap().len(), version_of_code(&receipt));
                let row = format!("| {name} | {shown} | {hashes} | {witnesses} | {text} | {digits} | {version} |\n");
                if !document.contains(&row) {
                    missing.push_str(&row);
                }
            }
        }
    }
    assert!(missing.is_empty(), "not in docs/RECEIPTS.md:\n{missing}");
}

fn version_of_code(receipt: &Receipt) -> String {
    let drawer = Drawer::new();
    drawer.put("receipt", receipt.encode().unwrap());
    let output = drawer.run(&["qr", "receipt", "-o", "code.svg", "--json"]);
    if code(&output) != 0 {
        return "none".to_owned();
    }
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    told["version"].to_string()
}
