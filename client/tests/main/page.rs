//! `docs/verify.html` in a real browser: on every receipt of a large corpus it says what Rust says, word for word.
//!
//! Needs Chromium, which `.ci/setup test` installs; without it these tests are skipped unless `CI` is set.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use xacminh_proto::transparency::{Policy, Receipt};

use crate::{
    commands::{program, text},
    corpus::{self, Case},
    paper::{Paper, base64, from_base64, log_alone, log_key, two_of_three},
};

/// A browser that has not answered by then never will; a run takes seconds.
const BROWSER_WAIT: Duration = Duration::from_secs(180);

/// Looks at where a browser waits no more often than this.
const BROWSER_POLL: Duration = Duration::from_millis(50);

fn page() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/verify.html")).unwrap()
}

/// The browser, or `None` if the test is to be skipped.
fn chromium() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|it| it.exists());
    assert!(found.is_some() || env::var_os("CI").is_none(), "CI needs Chromium: run .ci/setup test");
    found
}

/// A started browser, ended with its page's document or with the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the document of this address has become when the browser has nothing left to do.
fn dumped(chromium: &Path, folder: &Path, address: &str) -> String {
    let dump = folder.join("dump.html");
    let profile = tempfile::tempdir_in(folder).unwrap();
    let browser = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(address)
        .stdin(Stdio::null())
        .stdout(File::create(&dump).unwrap())
        .stderr(File::create(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap();
    let mut browser = Browser(browser);
    let until = Instant::now() + BROWSER_WAIT;
    while browser.0.try_wait().unwrap().is_none() {
        let said = || fs::read_to_string(folder.join("stderr")).unwrap_or_default();
        assert!(Instant::now() < until, "the browser does not end: {}", said());
        thread::sleep(BROWSER_POLL);
    }
    fs::read_to_string(dump).unwrap()
}

/// The verdict of the page's own verifier on each case: its script as it stands in the page, without the page.
fn verdicts_of_the_page(chromium: &Path, cases: &[Case]) -> Vec<Value> {
    let page = page();
    let part = |start: &str| {
        let body = page.split_once(start).unwrap().1.split_once("</script>").unwrap().0;
        format!("{start}{body}</script>\n")
    };
    let cases: Vec<Value> =
        cases.iter().map(|case| json!({ "policy": case.policy, "receipt": base64(&case.receipt) })).collect();
    let harness = format!(
        "<!doctype html><meta charset=\"utf-8\">\n{}{}<script type=\"application/json\" id=\"cases\">{}</script>\n{HARNESS}",
        part("<script type=\"application/json\" id=\"words\">"),
        part("<script id=\"verifier\">"),
        Value::from(cases).to_string().replace('<', "\\u003c"),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("harness.html");
    fs::write(&path, harness).unwrap();
    let document = dumped(chromium, folder.path(), &format!("file://{}", path.display()));
    let result = document
        .split_once("<output>")
        .unwrap_or_else(|| panic!("the harness did not run: {document:.300}"))
        .1
        .split_once("</output>")
        .unwrap()
        .0;
    serde_json::from_slice(&from_base64(result)).unwrap()
}

const HARNESS: &str = r#"<body><script>
(async () => {
  const verdicts = [];
  for (const { policy, receipt } of JSON.parse(document.getElementById("cases").textContent)) {
    try {
      const bytes = Uint8Array.from(atob(receipt), (letter) => letter.charCodeAt(0));
      const { statements, ...facts } = await verifyReceipt(bytes, await parsePolicy(policy));
      verdicts.push(facts);
    } catch (error) {
      verdicts.push({ verifies: false, fault: error instanceof Fault ? error.word : String(error.stack) });
    }
  }
  const plain = (_, value) => (typeof value === "bigint" ? JSON.rawJSON(`${value}`) : value);
  const output = document.createElement("output");
  output.append(toBase64(bytesOf(JSON.stringify(verdicts, plain))));
  document.body.replaceChildren(output);
})();
</script>
"#;

/// The same from Rust: the command line's own JSON, file by file.
fn verdicts_of_rust(cases: &[Case]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut verdicts = vec![Value::Null; cases.len()];
    let mut policies: Vec<&str> = cases.iter().map(|case| case.policy.as_str()).collect();
    policies.sort_unstable();
    policies.dedup();
    for policy in policies {
        let of_policy: Vec<usize> = (0..cases.len()).filter(|number| cases[*number].policy == policy).collect();
        if Policy::parse(policy.as_bytes()).is_err() {
            of_policy.iter().for_each(|it| verdicts[*it] = json!({ "verifies": false, "fault": "policy_file" }));
            continue;
        }
        fs::write(path("policy"), policy).unwrap();
        // A command line holds so many files.
        for numbers in of_policy.chunks(1000) {
            numbers.iter().for_each(|it| fs::write(path(&it.to_string()), &cases[*it].receipt).unwrap());
            let mut command = program(folder.path());
            command.current_dir(folder.path()).args(["receipt", "verify", "--json", "--log-policy", "policy"]);
            let output = command.args(numbers.iter().map(usize::to_string)).output().unwrap();
            let told = text(&output.stdout);
            assert_eq!(told.lines().count(), numbers.len(), "{}", text(&output.stderr));
            for (number, line) in numbers.iter().zip(told.lines()) {
                let mut verdict: Value = serde_json::from_str(line).unwrap();
                let object = verdict.as_object_mut().unwrap();
                object.remove("file");
                object.remove("why");
                verdicts[*number] = verdict;
            }
        }
    }
    verdicts
}

#[test]
fn the_page_and_rust_give_one_verdict_on_every_receipt() {
    let Some(chromium) = chromium() else { return };
    let cases = corpus::all();
    let (theirs, ours) = (verdicts_of_the_page(&chromium, &cases), verdicts_of_rust(&cases));
    assert_eq!(theirs.len(), cases.len());
    let mut wrong = Vec::new();
    for ((case, theirs), ours) in cases.iter().zip(theirs).zip(ours) {
        if theirs != ours || ours["verifies"] != case.is_sound {
            wrong.push(format!("{}:\n  the page {theirs}\n  Rust     {ours}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let sound = cases.iter().filter(|case| case.is_sound).count();
    assert!(sound > 300 && cases.len() > 3_000, "{sound} sound of {}", cases.len());
}

/// The page as it is published, with the province's key filled in, opened by the link of a QR code.
#[test]
fn the_page_shows_what_a_scanned_code_proves() {
    let Some(chromium) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let shown = |name: &str, policy: &str, receipt: &Receipt| {
        let path = folder.path().join(name);
        fs::write(&path, page().replacen("</textarea>", &format!("{policy}</textarea>"), 1)).unwrap();
        let document =
            dumped(&chromium, folder.path(), &format!("file://{}#{}", path.display(), receipt.pack().unwrap()));
        document.split_once("<section id=\"results\"").unwrap().1.split_once("</section>").unwrap().0.to_owned()
    };
    let receipt = Paper::everything().read();
    let told = shown("sound.html", &two_of_three(), &receipt);
    for part in [
        "<article class=\"unmet\"><h2>PHIẾU HỢP LỆ · KHÔNG KHỚP · <i>RECEIPT VERIFIES · NO MATCH</i></h2>",
        "<dt>Về ai · <i>About</i></dt><dd>048190000017</dd>",
        "<dd>Nguyễn Thị Ánh Tuyết: KHỚP (đúng như đã ghi) · <i>Nguyễn Thị Ánh Tuyết: MATCH (as recorded)</i></dd>",
        "thường trú, Số 12 &lt;b&gt; &amp; \"ngõ\" 3, đường Lê Lợi, xã 20194, tỉnh 48: KHỚP (",
        "<dd>nữ · <i>female</i></dd>",
        "<dd>cổng 17 · cán bộ (mã ẩn danh) a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
        "chỉ số 41 trong nhật ký 300 mục (đếm từ 0) · <i>",
        "W1 (2026-05-29T03:26:50+07:00), W2",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let redacted = shown("redacted.html", &log_key().public.to_string(), &receipt.redact(|_| false));
    assert!(redacted.contains("(không mở)") && redacted.contains("28 mục trả lời được giữ kín"), "{redacted}");
    let few = shown("few.html", &two_of_three(), &Paper::ordinary().witnessed_by(1).read());
    assert!(few.contains("<article class=\"wrong\"><h2>PHIẾU KHÔNG HỢP LỆ"), "{few}");
    let no_key = shown("no-key.html", "", &receipt);
    assert!(no_key.contains("PHIẾU KHÔNG HỢP LỆ") && !no_key.contains("048190000017"), "{no_key}");
    let log_of_its_own = shown("log.html", &log_alone(), &receipt);
    assert!(
        log_of_its_own.contains("chưa có nhân chứng nào mà chính sách nêu tên · <i>no witness that the policy names"),
        "{log_of_its_own}"
    );
}

/// The corpus says for itself what is sound; a harness that accepted everything would be seen.
#[test]
fn the_comparison_barks() {
    let sound = Paper::ordinary().receipt();
    let spoiled = sound.replace("index 41", "index 42");
    let case = |receipt: &str| Case::new("one", &two_of_three(), receipt.as_bytes(), true);
    let verdicts = verdicts_of_rust(&[case(&sound), case(&spoiled)]);
    assert_eq!((&verdicts[0]["verifies"], &verdicts[1]["verifies"]), (&json!(true), &json!(false)));
    assert_eq!(verdicts[1]["fault"], "proof");
}
