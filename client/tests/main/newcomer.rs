//! What somebody meets who tries the program for the first time: words, exit codes, and `-`.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use xacminh_proto::{
    vocab::{Cause, ClaimVerdict, ErrorNumber, Outcome, Reason, RequestId, Verdict},
    wire::{Failure, Reply, Status},
};

use crate::{
    commands::{Desk, text},
    fake::{AT_MS, Act, answer, failure, yes},
    paper::Paper,
};

const REQUEST_ID: &str = "0197a1b2-0000-7000-8000-000000000029";
const WHY: [&str; 6] = ["--procedure", "1.004222", "--official", "clerk-01", "--dossier", "H48.1"];

impl Desk {
    fn piped(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    fn verify_born(&self, birth: &str, more: &[&str]) -> Output {
        let person = ["verify", "--number", "048190000017", "--name", "Trần Thị Hoa", "--birth", birth];
        self.run(&[&person[..], &WHY, more].concat())
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// People are invented, drawn as questions, and asked about, with nothing typed in between.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_population_prints_can_be_asked_as_a_batch() {
    let desk = Desk::new(|_, request| Act::Reply(yes(request)));
    let generate = ["population", "generate", "--citizens", "300", "--province", "48", "--to", "sqlite:people.sqlite"];
    let loud = desk.run(&generate);
    assert_eq!(code(&loud), 0, "{}", text(&loud.stderr));
    assert!(text(&loud.stderr).contains("300 citizens written"), "{}", text(&loud.stderr));
    for quiet in ["-q", "--quiet"] {
        let output = desk.run(&[&generate[..], &["--replace", quiet]].concat());
        assert_eq!((code(&output), text(&output.stderr)), (0, String::new()), "{quiet}");
    }

    let sample = ["population", "sample", "--from", "sqlite:people.sqlite", "--count", "20"];
    let questions = desk.run(&[&sample[..], &["--batch"]].concat());
    assert_eq!(code(&questions), 0, "{}", text(&questions.stderr));
    desk.write("questions.csv", &questions.stdout);
    desk.write("people.csv", &desk.run(&sample).stdout);
    let batch = |file| desk.run(&["batch", file, "--out", "answers.csv", WHY[0], WHY[1], WHY[2], WHY[3]]);
    let output = batch("questions.csv");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("rows 20 · all match 20 · "), "{}", text(&output.stdout));

    // The same people as what is recorded of them are no questions, and it is told what is.
    let output = batch("people.csv");
    assert_eq!(code(&output), 6);
    assert!(text(&output.stderr).contains("`xacminh population sample --batch`"), "{}", text(&output.stderr));
    let output = batch("-");
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains("name a file, not standard input"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_of_a_batch_read_as_those_of_one_answer() {
    let desk = Desk::new(|_, request| {
        Act::Reply(answer(request, |ask| {
            let verdicts = [
                (Verdict::NoMatch, Reason::DiacriticsDiffer),
                (Verdict::Undetermined(Cause::DayUnknown), Reason::NothingRecorded),
            ];
            let verdicts = ask.claims.iter().zip(verdicts);
            let verdicts =
                verdicts.map(|(claim, (verdict, reason))| ClaimVerdict { kind: claim.kind(), verdict, reason });
            Outcome::Confirmed { verdicts: verdicts.collect(), attributes: vec![], as_of_ms: AT_MS, reissued: false }
        }))
    });
    let row = "number,name,birth,dossier,full_name,birth_date\n048190000017,Trần Thị Hoa,1990,H48.1,=,=\n";
    desk.write("in.csv", row.as_bytes());
    let output = desk.run(&["batch", "in.csv", "--out", "out.csv", WHY[0], WHY[1], WHY[2], WHY[3]]);
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let result = std::fs::read_to_string(desk.folder.path().join("out.csv")).unwrap();
    let cell = "\"full_name: no_match (diacritics_differ); birth_date: undetermined (nothing_recorded, day_unknown)\"";
    assert!(result.contains(&cell.replace('"', "")), "{result}");
}

/// `-` is no file of that name: the receipt stands on standard output alone, and can be piped.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_goes_to_standard_output_and_the_answer_beside_it() {
    let id = RequestId::parse(REQUEST_ID).unwrap();
    let paper = Paper { request_id: id, ..Paper::ordinary() };
    let (receipt, at_ms, outcome) = (paper.receipt(), paper.leaf().time_ms, paper.outcome);
    let given = receipt.clone();
    let desk = Desk::new(move |_, request| {
        let Reply::Answer(mut answer) = answer(request, |_| outcome.clone()) else { panic!("an answer was expected") };
        (answer.receipt, answer.position, answer.at_ms) = (Some(given.clone()), 41, at_ms);
        Act::Reply(Reply::Answer(answer))
    });
    for (more, begins) in [(&["--lang", "en"][..], "CONFIRMED"), (&["--json"], "{\"request_id\"")] {
        let claims = ["--full-name", "--age-at-least", "18", "--on", "2026-05-29"];
        let args = [&claims[..], &["--request-id", REQUEST_ID, "--receipt", "-"], more].concat();
        let output = desk.verify_born("1990", &args);
        assert_eq!((code(&output), text(&output.stdout)), (0, receipt.clone()), "{}", text(&output.stderr));
        assert!(text(&output.stderr).starts_with(begins), "{}", text(&output.stderr));
    }
    assert!(!desk.folder.path().join("-").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_read_may_be_standard_input() {
    let desk = Desk::new(|_, _| Act::Reply(Reply::RegisterAccepted { revision: 9 }));
    let register = "[register]\nrevision = 9\n";
    for verb in [["register", "check", "-"], ["register", "apply", "-"]] {
        let output = desk.piped(&verb, register);
        assert_eq!(code(&output), 0, "{verb:?}: {}", text(&output.stderr));
        let output = desk.piped(&verb, "[[portals\n");
        assert_eq!(code(&output), 6);
        assert!(text(&output.stderr).starts_with("error: standard input line 1: "), "{}", text(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_no_misuse() {
    let desk = Desk::new(|_, _| Act::Reply(failure(ErrorNumber::RequestUnknown)));
    let get = ["receipt", "get", "--request-id", REQUEST_ID];
    for number in [ErrorNumber::RequestUnknown, ErrorNumber::NoLongerKept, ErrorNumber::Erased] {
        desk.node.change(move |_, _| Act::Reply(failure(number)));
        let output = desk.run(&get);
        assert_eq!((code(&output), output.stdout.len()), (1, 0), "{number:?}");
        let told = format!("error: {}: {}\n", number.number(), number.advice_en());
        assert_eq!(text(&output.stderr), told);
    }
    assert_eq!(code(&desk.run(&["receipt", "get", "--request-id", "nobody"])), 2);
}

/// The number says what is not allowed; the node adds which role it has, and nothing stands twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_says_its_text_once() {
    let desk = Desk::new(|_, _| {
        let detail = "role: portal".to_owned();
        Act::Reply(Reply::Failure(Failure { number: ErrorNumber::RoleNotAllowed, detail }))
    });
    let output = desk.run(&["audit", "tail"]);
    assert_eq!(code(&output), 4);
    let advice = ErrorNumber::RoleNotAllowed.advice_en();
    assert_eq!(text(&output.stderr), format!("error: 1012: {advice} (role: portal)\n"));
    let told: serde_json::Value = serde_json::from_slice(&desk.run(&["audit", "tail", "--json"]).stdout).unwrap();
    let message = format!("request refused with number 1012: {advice} (role: portal)");
    assert_eq!(told["error"]["message"], message);
    desk.node.change(|_, _| Act::Reply(failure(ErrorNumber::RoleNotAllowed)));
    let told: serde_json::Value = serde_json::from_slice(&desk.run(&["audit", "tail", "--json"]).stdout).unwrap();
    assert_eq!(told["error"]["message"], format!("request refused with number 1012: {advice}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_ends_before_it_begins_is_an_error() {
    let desk = Desk::new(|_, _| Act::Silence);
    for (verb, from, until) in [
        ("query", "2026-02-01", "2026-01-01"),
        ("query", "2026-02-01", "2026-02-01"),
        ("report", "2027-01-01", "2026-01-01"),
    ] {
        let output = desk.run(&["audit", verb, "--from", from, "--until", until]);
        assert_eq!(code(&output), 2, "{verb}");
        let told = format!("error: --from {from}T00:00:00+07:00 is not before --until {until}T00:00:00+07:00");
        assert!(text(&output.stderr).starts_with(&told), "{}", text(&output.stderr));
    }
    assert!(desk.node.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_birth_date_is_told_with_what_is_right() {
    let desk = Desk::new(|_, request| Act::Reply(yes(request)));
    let accepted = "accepted: YYYY-MM-DD, DD/MM/YYYY or, if only the year is known, YYYY, 1800 to 2399\n";
    for (typed, why) in [
        ("5/17/1990", "no such day"),
        ("17-05-1990", "not a date"),
        ("1990/05/17", "not a date"),
        ("1790", "no such day"),
    ] {
        let output = desk.verify_born(typed, &["--full-name"]);
        assert_eq!((code(&output), text(&output.stderr)), (2, format!("error: birth: {why}; {accepted}")), "{typed}");
        let output = desk.verify_born("1990", &["--birth-date", typed]);
        assert_eq!((code(&output), text(&output.stderr)), (2, format!("error: birth-date: {why}; {accepted}")));
    }
    assert!(desk.node.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_node_is_shown_as_unreachable() {
    let desk = Desk::new(|_, _| {
        Act::Reply(Reply::Status(Status {
            cluster: "da-nang".into(),
            node: 1,
            version: "0.1.0".into(),
            leader: Some(1),
            term: 12,
            applied: 34,
            leaves: 56,
            register_revision: 7,
            ready: true,
            members: vec![],
        }))
    });
    let other = desk.authority.node(|_, _| Act::Silence);
    desk.authority.files(desk.folder.path(), &[desk.node.addr, other.addr]);
    other.die();
    let status = ["cluster", "status", "--deadline", "1s"];
    let output = desk.run(&status);
    assert_eq!(code(&output), 5, "{}", text(&output.stderr));
    let told = text(&output.stdout);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cells(lines[2]), [other.addr.to_string(), "-".to_owned(), "UNREACHABLE".to_owned()]);
    assert!(lines[3].starts_with(&format!("  {} UNREACHABLE: ", other.addr)), "{told}");
    assert!(lines[3].ends_with("(the node is stopped, or the way to it is closed)"), "{told}");
    assert_eq!(lines[0].find("leader"), lines[1].find("1       12"), "no sentence tears the columns apart: {told}");

    desk.node.die();
    let output = desk.run(&[&status[..], &["--lang", "vi"]].concat());
    assert_eq!(code(&output), 5);
    assert_eq!(text(&output.stdout).matches("KHÔNG LIÊN LẠC ĐƯỢC: ").count(), 2, "{}", text(&output.stdout));
}

#[test]
fn every_program_says_first_what_it_is_for() {
    for (program, begins) in [
        (env!("CARGO_BIN_EXE_xacminh"), "Ask a province's Xác Minh cluster who somebody is"),
        (env!("CARGO_BIN_EXE_xacminh-witness"), "Cosign the checkpoints of transparency logs"),
    ] {
        let output = Command::new(program).arg("--help").output().unwrap();
        assert!(text(&output.stdout).starts_with(begins), "{}", text(&output.stdout));
    }
}
