//! The program as a clerk, an operator and an auditor run it: output and exit codes.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use xacminh_proto::{
    transparency::{Leaf, LeafKind, LeafVerdict},
    vocab::{Cause, ClaimVerdict, ErrorNumber, Outcome, PortalId, Reason, RequestId, Verdict},
    wire::{AuditEntries, AuditEntry, Failure, Reply, Request, Status},
};

use crate::fake::{AT_MS, Act, Authority, FakeNode, answer, failure, yes};

const NUMBER: &str = "048190000017";
const REQUEST_ID: &str = "0197a1b2-0000-7000-8000-000000000029";

/// A cluster of one fake node, and a folder with the user's files.
pub(crate) struct Desk {
    pub(crate) authority: Authority,
    pub(crate) node: FakeNode,
    pub(crate) folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new(script: impl Fn(usize, &Request) -> Act + Send + Sync + 'static) -> Self {
        let authority = Authority::new();
        let node = authority.node(script);
        let folder = tempfile::tempdir().unwrap();
        authority.files(folder.path(), &[node.addr]);
        Self { authority, node, folder }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command.current_dir(self.folder.path()).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn verify(&self, more: &[&str]) -> Output {
        let args = ["verify", "--number", NUMBER, "--name", "Trần Thị Hoa", "--birth", "17/05/1990"];
        let context = ["--procedure", "1.004222", "--official", "cb-001", "--dossier", "H17.26-0001"];
        self.run(&[&args[..], &context[..], &["--request-id", REQUEST_ID], more].concat())
    }
}

pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xacminh"));
    command.env_clear().env("LANG", "C").env("XACMINH_CONFIG", folder.join("client.toml")).stdin(Stdio::null());
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn saying(verdict: Verdict, reason: Reason) -> impl Fn(usize, &Request) -> Act {
    move |_, request| {
        Act::Reply(answer(request, |ask| Outcome::Confirmed {
            verdicts: ask.claims.iter().map(|claim| ClaimVerdict { kind: claim.kind(), verdict, reason }).collect(),
            attributes: vec![],
            as_of_ms: AT_MS,
            reissued: false,
        }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_speaks_the_clerks_language_and_ends_with_0() {
    let desk = Desk::new(|_, request| Act::Reply(yes(request)));
    let output = desk.verify(&["--full-name", "--age-at-least", "18", "--lang", "vi"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.starts_with("XÁC NHẬN"), "{told}");
    assert!(told.contains("Họ tên   KHỚP  đúng như đã ghi"), "{told}");
    assert!(told.contains("mục kiểm toán 41 · 2026-05-29T03:26:40+07:00"), "{told}");
    assert!(!told.contains(NUMBER), "{told}");
    let told = text(&desk.verify(&["--full-name", "--lang", "en"]).stdout);
    assert!(told.starts_with("CONFIRMED") && told.contains("Full name  MATCH  as recorded"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_documented_shape() {
    let desk = Desk::new(|_, request| Act::Reply(yes(request)));
    let output = desk.verify(&["--age-at-least", "18", "--attributes", "full_name,other_name", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = serde_json::json!({
        "request_id": REQUEST_ID,
        "outcome": "confirmed",
        "all_match": true,
        "verdicts": [{"claim": "age_at_least", "verdict": "match", "reason": "equal", "reason_number": 1}],
        "attributes": {"full_name": "Trần Thị Hoa", "other_name": null},
        "as_of_ms": AT_MS,
        "position": 41,
        "at_ms": AT_MS + 1,
    });
    assert_eq!(told, expected);

    desk.node.change(|_, request| Act::Reply(answer(request, |_| Outcome::Refused(ErrorNumber::ClaimNotAllowed))));
    let told: serde_json::Value = serde_json::from_slice(&desk.verify(&["--full-name", "--json"]).stdout).unwrap();
    assert_eq!(told["outcome"], "refused");
    assert_eq!(told["error"]["number"], 2007);
    assert_eq!(told["error"]["advice_vi"], "Thủ tục không cho phép xác minh nội dung này.");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_what_happened() {
    let desk = Desk::new(saying(Verdict::NoMatch, Reason::DiacriticsDiffer));
    assert_eq!(code(&desk.verify(&["--full-name"])), 1);
    desk.node.change(|_, request| Act::Reply(answer(request, |_| Outcome::NotConfirmed)));
    assert_eq!(code(&desk.verify(&["--full-name"])), 1);
    desk.node.change(saying(Verdict::Undetermined(Cause::DayUnknown), Reason::NothingRecorded));
    assert_eq!(code(&desk.verify(&["--full-name"])), 3);
    let unavailable = |_: usize, request: &Request| {
        Act::Reply(answer(request, |_| Outcome::Undetermined(Cause::AuthorityUnavailable)))
    };
    desk.node.change(unavailable);
    assert_eq!(code(&desk.verify(&["--full-name"])), 3);
    desk.node.change(|_, request| Act::Reply(answer(request, |_| Outcome::Refused(ErrorNumber::OfficialUnknown))));
    assert_eq!(code(&desk.verify(&["--full-name"])), 4);
    desk.node.change(|_, _| Act::Reply(failure(ErrorNumber::RoleNotAllowed)));
    assert_eq!(code(&desk.verify(&["--full-name"])), 4);
    desk.node.change(|_, _| Act::Reply(failure(ErrorNumber::RequestIdExpired)));
    assert_eq!(code(&desk.verify(&["--full-name"])), 2);
    desk.node.change(|_, _| Act::Reply(failure(ErrorNumber::Internal)));
    assert_eq!(code(&desk.verify(&["--full-name"])), 70);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_names_the_id_to_ask_again_under() {
    let desk = Desk::new(|_, _| Act::Silence);
    let output = desk.verify(&["--full-name", "--deadline", "600ms"]);
    assert_eq!(code(&output), 5);
    assert!(text(&output.stderr).contains(REQUEST_ID), "{}", text(&output.stderr));
    let output = desk.verify(&["--full-name", "--deadline", "600ms", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["error"]["kind"], "unknown");
    assert_eq!(told["error"]["request_id"], REQUEST_ID);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_files_and_certificates_have_their_codes() {
    let desk = Desk::new(|_, request| Act::Reply(yes(request)));
    assert_eq!(code(&desk.verify(&[])), 2, "it asks nothing");
    assert_eq!(code(&desk.verify(&["--sex", "khác"])), 2);
    assert_eq!(code(&desk.verify(&["--no-such-option"])), 2);
    assert_eq!(code(&desk.verify(&["--full-name", "--cluster", "hue"])), 7);
    assert_eq!(code(&desk.verify(&["--full-name", "--key", "/nowhere.key"])), 7);
    let stranger = Authority::new();
    stranger.files(desk.folder.path(), &[desk.node.addr]);
    assert_eq!(code(&desk.verify(&["--full-name"])), 7);
    desk.authority.files(desk.folder.path(), &[desk.node.addr]);
    std::fs::write(desk.folder.path().join("client.toml"), "clusters = 1\n").unwrap();
    assert_eq!(code(&desk.verify(&["--full-name"])), 6);
    assert_eq!(code(&desk.run(&["--help"])), 0);
    assert!(text(&desk.run(&["verify", "--help"]).stdout).contains("Exit codes:"));
    assert!(desk.node.asked().is_empty());
}

/// A claim that repeats a key is not what was typed wrong: the key is.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_told_by_its_own_name() {
    let desk = Desk::new(|_, request| Act::Reply(yes(request)));
    for (name, birth, told) in [
        ("Nguyễn 2", "1990", "name: character 8 is none that a name contains"),
        ("Trần Thị Hoa", "31/02/1990", "birth: no such day"),
    ] {
        let person = ["verify", "--number", NUMBER, "--name", name, "--birth", birth];
        let why =
            ["--procedure", "1.004222", "--official", "clerk-01", "--dossier", "H48.1", "--full-name", "--birth-date"];
        let output = desk.run(&[&person[..], &why[..]].concat());
        assert_eq!(code(&output), 2);
        assert!(text(&output.stderr).starts_with(&format!("error: {told}")), "{}", text(&output.stderr));
    }
    assert!(desk.node.asked().is_empty());
}

/// What is asked is logged: a receipt that could not be kept is looked for before, not after.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_seen_before_anything_is_asked() {
    let desk = Desk::new(|_, request| Act::Reply(yes(request)));
    std::fs::write(desk.folder.path().join("an.tlog-proof"), "another's evidence").unwrap();
    for (name, why) in [("an.tlog-proof", "is there already; name another file"), ("nowhere/an.tlog-proof", "nowhere")]
    {
        let output = desk.verify(&["--full-name", "--receipt", desk.folder.path().join(name).to_str().unwrap()]);
        assert_eq!(code(&output), 6);
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
    assert!(desk.node.asked().is_empty());
}

/// `xacminh … | head`: whoever has read enough leaves, and that is no error.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_is_no_error() {
    let desk = Desk::new(|_, request| Act::Reply(yes(request)));
    let (reading, writing) = std::io::pipe().unwrap();
    drop(reading);
    let args = ["verify", "--number", NUMBER, "--name", "Trần Thị Hoa", "--birth", "17/05/1990", "--full-name"];
    let context = ["--procedure", "1.004222", "--official", "cb-001", "--dossier", "H17.26-0001"];
    let mut command = program(desk.folder.path());
    let output = command.args(args).args(context).stdout(writing).output().unwrap();
    assert_eq!((code(&output), text(&output.stderr)), (0, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_need_not_stand_on_the_command_line() {
    let desk = Desk::new(|_, request| Act::Reply(yes(request)));
    let context = ["--procedure", "1.004222", "--official", "cb-001", "--dossier", "H17.26-0001"];
    let keys = ["--name", "Trần Thị Hoa", "--birth", "1990"];
    let lookup = |more: &[&str]| {
        let mut command = program(desk.folder.path());
        command.arg("lookup").args(context).args(["--attributes", "full_name"]).args(more);
        command
    };
    let from_env = lookup(&keys).env("XACMINH_NUMBER", NUMBER).output().unwrap();
    assert_eq!(code(&from_env), 0, "{}", text(&from_env.stderr));
    assert!(text(&from_env.stdout).contains("Full name  Trần Thị Hoa"));

    let piped = |mut command: Command, input: &str| {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let dash = piped(lookup(&[&keys[..], &["--number", "-"]].concat()), &format!("{NUMBER}\n"));
    assert_eq!(code(&dash), 0, "{}", text(&dash.stderr));
    let person = format!(r#"{{"number": "{NUMBER}", "name": "Trần Thị Hoa", "birth": "1990"}}"#);
    let file = piped(lookup(&["--person-file", "-"]), &person);
    assert_eq!(code(&file), 0, "{}", text(&file.stderr));
    let wrong = piped(lookup(&["--person-file", "-"]), &format!(r#"{{"number": {NUMBER}}}"#));
    assert_eq!(code(&wrong), 6);
    assert!(!text(&wrong.stderr).contains("4819"), "what was typed is not repeated");
    for request in desk.node.asked() {
        let Request::Ask(ask) = request else { panic!("a question was asked") };
        assert_eq!(ask.number, NUMBER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_the_nodes_and_puts_a_register() {
    let desk = Desk::new(|_, request| {
        Act::Reply(match request {
            Request::PutRegister(_) => Reply::RegisterAccepted { revision: 9 },
            _ => Reply::Status(Status {
                cluster: "da-nang".into(),
                node: 3,
                version: "0.1.0".into(),
                leader: Some(3),
                term: 12,
                applied: 34,
                leaves: 56,
                register_revision: 7,
                ready: true,
                members: vec![],
            }),
        })
    });
    let output = desk.run(&["cluster", "status"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains(&desk.node.addr.to_string()) && told.contains("yes"), "{told}");
    let told: serde_json::Value = serde_json::from_slice(&desk.run(&["cluster", "status", "--json"]).stdout).unwrap();
    assert_eq!(told[0]["leaves"], 56);

    let register = desk.folder.path().join("register.toml");
    std::fs::write(&register, "[register]\nrevision = 9\n").unwrap();
    let output = desk.run(&["cluster", "apply-register", register.to_str().unwrap()]);
    assert_eq!(text(&output.stdout), "register in force, revision 9\n");
    // Which line is wrong is what an operator needs, and the number does not tell.
    desk.node.change(|_, _| {
        Act::Reply(Reply::Failure(Failure { number: ErrorNumber::BadIdentifier, detail: "line 7: purpose".into() }))
    });
    let output = desk.run(&["cluster", "apply-register", register.to_str().unwrap(), "--lang", "vi"]);
    assert!(text(&output.stderr).ends_with(" (line 7: purpose)\n"), "{}", text(&output.stderr));
    std::fs::write(&register, "[[portals\n").unwrap();
    assert_eq!(code(&desk.run(&["cluster", "apply-register", register.to_str().unwrap()])), 6);

    desk.node.die();
    assert_eq!(code(&desk.run(&["cluster", "status", "--deadline", "300ms"])), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_the_last_entries() {
    let leaf = Leaf {
        kind: LeafKind::Disclosed,
        time_ms: AT_MS,
        request_id: RequestId::new(AT_MS, [1; 10]),
        portal: PortalId(7),
        official: [0xab; 16],
        purpose: 1,
        procedure: 2,
        register_revision: 3,
        fields: 1 << 36,
        verdict: LeafVerdict::Match,
        subject: [1; 32],
        attributes_root: [2; 32],
        addendum_digest: [3; 32],
        record_version: 4,
        previous: [0; 32],
    };
    let bytes = leaf.encode().to_vec();
    let desk = Desk::new(move |_, request| {
        let Request::Audit(page) = request else { panic!("an audit page was expected") };
        let positions = page.from..600.min(page.from.saturating_add(u64::from(page.limit).min(256)));
        let entries = positions.map(|position| AuditEntry { position, leaf: bytes.clone() }).collect();
        Act::Reply(Reply::Audit(AuditEntries { leaves: 600, entries }))
    });
    let told = text(&desk.run(&["audit", "tail", "--limit", "2"]).stdout);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with("entry  when                       kind       outcome  portal  procedure"), "{told}");
    assert!(lines[1].starts_with("598    2026-05-29T03:26:40+07:00  disclosed  match    7       2 "), "{told}");
    // One head, however many pages.
    let told = text(&desk.run(&["audit", "list", "--limit", "600"]).stdout);
    assert_eq!((told.lines().count(), told.matches("request id").count()), (601, 1));
    let output = desk.run(&["audit", "list", "--from", "600", "--lang", "vi"]);
    assert_eq!(
        (code(&output), text(&output.stdout), text(&output.stderr)),
        (0, String::new(), "không có mục nào\n".into())
    );
    let told = text(&desk.run(&["audit", "list", "--from", "100", "--limit", "1000", "--json"]).stdout);
    assert_eq!(told.lines().count(), 500);
    let (reading, writing) = std::io::pipe().unwrap();
    drop(reading);
    let mut command = program(desk.folder.path());
    let output = command.args(["audit", "list", "--csv"]).stdout(writing).output().unwrap();
    assert_eq!((code(&output), text(&output.stderr)), (0, String::new()), "a reader of CSV that left");
    let first: serde_json::Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!(first["position"], 100);
    assert_eq!(first["fields"], serde_json::json!(["age_at_least?"]));
    assert_eq!(first["official_pseudonym"], "ab".repeat(16));
}

#[test]
fn certificates_are_made_without_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("certs");
    let output = program(folder.path()).args(["cert", "ca", "--out", out.to_str().unwrap()]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(out.join("client-ca.pem").exists());
    let again = program(folder.path()).args(["cert", "ca", "--out", out.to_str().unwrap()]).output().unwrap();
    assert_eq!(code(&again), 7);
}
