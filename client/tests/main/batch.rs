//! A batch: answered in any order, killed, run again, with rows that are wrong.

use std::{collections::HashSet, path::Path, process::Output};

use xacminh_proto::{
    vocab::{ErrorNumber, Outcome, RequestId},
    wire::{Reply, Request, STREAM_BACKGROUND, STREAM_SESSION},
};

use crate::{
    commands::{program, text},
    fake::{Act, Authority, FakeNode, answer, failure, until, yes},
    paper::Paper,
};

const ROWS: usize = 40;

fn desk(script: impl Fn(usize, &Request) -> Act + Send + Sync + 'static) -> (FakeNode, tempfile::TempDir) {
    let authority = Authority::new();
    let node = authority.node(script);
    let folder = tempfile::tempdir().unwrap();
    authority.files(folder.path(), &[node.addr]);
    (node, folder)
}

fn questions(folder: &Path) {
    let mut csv = "number,name,birth,dossier,full_name,age_at_least\n".to_owned();
    for row in 0..ROWS {
        csv += &format!("0481900{row:05},Trần Thị Hoa,17/05/1990,H17.{row},=,18\n");
    }
    std::fs::write(folder.join("in.csv"), csv).unwrap();
}

fn command(folder: &Path, out: &str) -> std::process::Command {
    let mut command = program(folder);
    command.current_dir(folder).args(["batch", "in.csv", "--out", out, "--in-flight", "8"]);
    command.args(["--procedure", "1.004222", "--official", "cb-001"]);
    command
}

fn run(folder: &Path, out: &str) -> Output {
    command(folder, out).args(["--deadline", "20s"]).output().unwrap()
}

fn dossiers(node: &FakeNode) -> Vec<String> {
    let dossier = |request: Request| if let Request::Ask(ask) = request { Some(ask.dossier) } else { None };
    node.asked().into_iter().filter_map(dossier).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_in_the_order_of_its_file_and_a_second_run_asks_nothing() {
    let (node, folder) = desk(|_, request| Act::Gather(8, yes(request)));
    questions(folder.path());
    let output = run(folder.path(), "out.csv");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("rows 40 · all match 40"), "{}", text(&output.stdout));
    let result = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    let lines: Vec<&str> = result.lines().collect();
    assert_eq!(lines.len(), 1 + ROWS);
    assert!(
        lines[1].starts_with("2,H17.0,confirmed,true,full_name: match (equal); age_at_least: match (equal),"),
        "{}",
        lines[1]
    );
    assert!(lines[ROWS].starts_with("41,H17.39,"), "{}", lines[ROWS]);
    assert!(!result.contains("0481900"), "numbers stay in the questions");
    assert_eq!(node.asked().len(), ROWS);

    assert_eq!(run(folder.path(), "out.csv").status.code(), Some(0));
    assert_eq!(node.asked().len(), ROWS);
    assert_eq!(std::fs::read_to_string(folder.path().join("out.csv")).unwrap(), result);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_batch_goes_on_under_the_same_ids() {
    // Ten rows are answered, the others are in flight when the process dies.
    let (node, folder) = desk(|number, request| if number <= 10 { Act::Reply(yes(request)) } else { Act::Silence });
    questions(folder.path());
    let mut child = command(folder.path(), "out.jsonl").args(["--deadline", "20s"]).spawn().unwrap();
    let journal = folder.path().join("out.jsonl.journal");
    let answered = || std::fs::read_to_string(&journal).map_or(0, |text| text.matches("\"answer\"").count());
    until(|| node.asked().len() == 18 && answered() == 10).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.path().join("out.jsonl").exists());
    let (first_ids, first_dossiers) = (node.request_ids(), dossiers(&node));

    node.change(|_, request| Act::Reply(yes(request)));
    let output = run(folder.path(), "out.jsonl");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let ids: HashSet<_> = node.request_ids().into_iter().collect();
    assert_eq!(ids.len(), ROWS, "every row has one id in both runs");
    assert_eq!(node.asked().len(), 18 + 30, "answered rows are not asked again");
    let again: HashSet<_> = node.request_ids().into_iter().skip(18).collect();
    assert!(first_ids[10..].iter().all(|id| again.contains(id)), "{first_dossiers:?}");
    let result = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    assert_eq!(result.lines().count(), ROWS);
    let last: serde_json::Value = serde_json::from_str(result.lines().last().unwrap()).unwrap();
    assert_eq!((last["line"].as_u64(), last["outcome"].as_str()), (Some(41), Some("confirmed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_told_by_line_and_stop_nobody() {
    let (node, folder) = desk(|_, request| Act::Reply(yes(request)));
    let csv = "\u{feff}number;name;birth;dossier;sex\n\
        048190000017;Trần Thị Hoa;17/05/1990;H17.1;nữ\n\
        04819000001;Trần Thị Hoa;17/05/1990;H17.2;nữ\n\
        048190000017;Trần Thị Hoa;31/02/1990;H17.3;nữ\n\
        048190000017;Trần Thị Hoa;17/05/1990;H17.4\n\
        048190000017;Trần Thị Hoa;17/05/1990;H17.5;khác\n\
        048190000017;Trần Thị Hoa;17/05/1990;;nữ\n\
        048190000017;Trần Thị Hoa;17/05/1990;H17.7;nữ\n";
    std::fs::write(folder.path().join("in.csv"), csv).unwrap();
    let output = run(folder.path(), "out.csv");
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(dossiers(&node), ["H17.1", "H17.7"]);
    let told = text(&output.stderr);
    for line in 3..=7 {
        assert!(told.contains(&format!("line {line}: ")), "{told}");
    }
    assert!(!told.contains("0481900") && !told.contains("khác"), "{told}");
    let problems = std::fs::read_to_string(folder.path().join("out.csv.problems.csv")).unwrap();
    assert_eq!(problems.lines().count(), 6, "{problems}");
    assert!(problems.contains("3,H17.2,bad_row,\"number: "), "{problems}");

    // The clerk corrects the rows: only they are asked.
    let fixed = "number,name,birth,dossier,sex\n\
        048190000017,Trần Thị Hoa,17/05/1990,H17.1,nữ\n\
        048190000018,Trần Thị Hoa,17/05/1990,H17.2,nữ\n";
    std::fs::write(folder.path().join("in.csv"), fixed).unwrap();
    assert_eq!(run(folder.path(), "out.csv").status.code(), Some(0));
    assert_eq!(dossiers(&node), ["H17.1", "H17.7", "H17.2"]);
    assert!(!folder.path().join("out.csv.problems.csv").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_answer_decides_the_exit_code() {
    let (node, folder) = desk(|_, request| Act::Reply(yes(request)));
    questions(folder.path());
    node.change(|number, request| match number {
        1 => Act::Reply(answer(request, |_| Outcome::NotConfirmed)),
        2 => Act::Reply(answer(request, |_| Outcome::Refused(ErrorNumber::ClaimNotAllowed))),
        _ => Act::Reply(yes(request)),
    });
    let output = run(folder.path(), "out.csv");
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));

    // What the node calls wrong without deciding it is asked again next time.
    node.change(|_, _| Act::Reply(failure(ErrorNumber::BadPlace)));
    let output = run(folder.path(), "other.csv");
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    node.change(|_, request| Act::Reply(yes(request)));
    assert_eq!(run(folder.path(), "other.csv").status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_stops_the_batch_early() {
    let (node, folder) = desk(|_, _| Act::Silence);
    questions(folder.path());
    node.die();
    let mut command = command(folder.path(), "out.csv");
    command.args(["--deadline", "200ms", "--json"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("run the same command again"), "{}", text(&output.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["unanswered"], 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_json_are_rows_and_a_line_that_is_none_stops_nobody() {
    let (node, folder) = desk(|_, request| Act::Reply(yes(request)));
    let keys = r#""number": "048190000017", "name": "Trần Thị Hoa", "birth": "1990-05-17""#;
    let lines = [
        format!(r#"{{{keys}, "dossier": "H17.1", "age_at_least": 18}}"#),
        String::new(),
        format!(r#"{{{keys}, "dossier": "H17.3", "sex": "nữ"}}"#),
        r#"{"number": "048190000017", "name": "Trần Thị Hoa", "birth": "1990-05-17"}"#.to_owned(),
        format!(r#"{{{keys}, "dossier": "H17.5", "Trần Thị Hoa": "?"}}"#),
        format!(r#"{{{keys}, "dossier": ["H17.6"], "sex": "nữ"}}"#),
        r#"["048190000017"]"#.to_owned(),
        format!(r#"{{"dossier": "H17.1", "age_at_least": "18", {keys}}}"#),
    ];
    std::fs::write(folder.path().join("in.jsonl"), lines.join("\n")).unwrap();
    let run = || {
        let mut command = program(folder.path());
        command.current_dir(folder.path()).args(["batch", "in.jsonl", "--out", "out.jsonl", "--in-flight", "8"]);
        command.args(["--procedure", "1.004222", "--official", "cb-001", "--deadline", "20s"]).output().unwrap()
    };
    let output = run();
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    let mut asked = dossiers(&node);
    asked.sort_unstable();
    assert_eq!(asked, ["H17.1", "H17.1", "H17.3"], "the order of names in an object says nothing");
    let told = text(&output.stderr);
    for line in 4..=7 {
        assert!(told.contains(&format!("line {line}: ")), "{told}");
    }
    assert!(!told.contains("Hoa") && !told.contains("0481900"), "{told}");
    let result = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let line = |at: usize| -> u64 {
        let answer: serde_json::Value = serde_json::from_str(result.lines().nth(at).unwrap()).unwrap();
        answer["line"].as_u64().unwrap()
    };
    assert_eq!([line(0), line(1), line(2)], [1, 3, 8]);
    assert_eq!(run().status.code(), Some(6));
    assert_eq!(dossiers(&node).len(), 3, "nothing is asked twice");
}

fn receipt_of(request_id: RequestId) -> String {
    Paper { request_id, ..Paper::ordinary() }.receipt()
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_kept_once_for_each_answer_and_a_second_run_fetches_what_is_missing() {
    let script = |request: &Request| match request {
        Request::Receipt(id) => Act::Reply(Reply::Receipt(receipt_of(*id))),
        _ => Act::Reply(yes(request)),
    };
    let (node, folder) = desk(move |_, request| script(request));
    questions(folder.path());
    let receipts = folder.path().join("receipts");
    let run = || command(folder.path(), "out.csv").args(["--deadline", "20s", "--receipts", "receipts"]).output();
    let output = run().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("receipts 40 · receipts missing 0"), "{}", text(&output.stdout));
    let result = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    for row in result.lines().skip(1) {
        let id = row.split(',').nth_back(2).unwrap();
        let kept = std::fs::read_to_string(receipts.join(format!("{id}.receipt"))).unwrap();
        assert_eq!(kept, receipt_of(RequestId::parse(id).unwrap()));
    }
    assert_eq!(std::fs::read_dir(&receipts).unwrap().count(), ROWS, "and no draft is left");
    let asked = node.asked().len();
    assert_eq!(asked, 2 * ROWS);

    // One is lost, and one was cut off by a power cut.
    let kept: Vec<_> = std::fs::read_dir(&receipts).unwrap().map(|entry| entry.unwrap().path()).collect();
    std::fs::remove_file(&kept[0]).unwrap();
    std::fs::write(&kept[1], "").unwrap();
    node.change(|_, _| Act::Reply(failure(ErrorNumber::Erased)));
    let output = run().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("receipts 38 · receipts missing 2"), "{}", text(&output.stdout));
    node.change(move |_, request| script(request));
    assert_eq!(run().unwrap().status.code(), Some(0));
    assert_eq!(node.asked().len(), asked + 4, "only what is missing is asked for");
    assert!(std::fs::read_to_string(&kept[1]).unwrap().starts_with("c2sp.org/tlog-proof@v1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_begins_with_few_questions_in_the_background_unless_it_need_not_give_way() {
    let table = [(&[][..], 8, STREAM_BACKGROUND), (&["--full-speed"][..], ROWS, STREAM_SESSION)];
    for (flags, under_way, kind) in table {
        let (node, folder) = desk(|_, _| Act::Silence);
        questions(folder.path());
        let mut command = program(folder.path());
        command.current_dir(folder.path()).args(["batch", "in.csv", "--out", "out.csv", "--deadline", "20s"]);
        let mut child = command.args(["--procedure", "1.004222", "--official", "cb-001"]).args(flags).spawn().unwrap();
        until(|| node.asked().len() >= under_way).await;
        // Longer than a question takes to be sent, and shorter than the first is asked elsewhere.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(node.asked().len(), under_way, "{flags:?}");
        assert_eq!(node.kinds(), [kind].into(), "{flags:?}: the node is told whether anybody waits");
    }
}

#[test]
fn columns_are_checked_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new().files(folder.path(), &["127.0.0.1:9".parse().unwrap()]);
    for (header, told) in [
        ("number,name,birth\n", "line 1: column `dossier` is missing"),
        ("number,name,birth,dossier,colour\n", "line 1: column `colour` is not known"),
        ("number,name,birth,dossier,sex,sex\n", "line 1: column `sex` stands twice"),
    ] {
        std::fs::write(folder.path().join("in.csv"), header).unwrap();
        let output = run(folder.path(), "out.csv");
        assert_eq!(output.status.code(), Some(6));
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
    assert_eq!(run(folder.path(), "out.txt").status.code(), Some(2));
}
