//! `xacminh audit trail` and `xacminh person erase` against a fake node, and a trail in a file without any.

use std::{
    io::Write,
    process::{Output, Stdio},
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use xacminh_proto::{
    transparency::note::{KeyKind, VerifierKey},
    vocab::ErrorNumber,
    wire::{ErasureOrder, Reply, Request, TrailGloss, TrailLine, TrailPage, TrailPart},
};

use crate::{
    commands::{program, text},
    fake::{Act, Authority, FakeNode, failure, question},
};

/// Four accesses in two years, the third of them withheld: the golden trail of the formats.
const GOLDEN: &str = include_str!("../../../proto/tests/golden/trail.hex");
const NUMBER: &str = "048203000015";

fn golden() -> String {
    let digits: String = GOLDEN.split_whitespace().collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    text(&digits.as_bytes().chunks(2).map(byte).collect::<Vec<_>>())
}

fn key(year: u16, seed: u8) -> String {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    let name = format!("xacminh.example/da-nang/{year}");
    VerifierKey::new(&name, KeyKind::Ed25519, public).unwrap().to_string()
}

struct Desk {
    _authority: Authority,
    node: FakeNode,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(script: impl Fn(usize, &Request) -> Act + Send + Sync + 'static) -> Self {
        let authority = Authority::new();
        let node = authority.node(script);
        let folder = tempfile::tempdir().unwrap();
        authority.files(folder.path(), &[node.addr]);
        Self { _authority: authority, node, folder }
    }

    fn run(&self, args: &[&str]) -> Output {
        program(self.folder.path()).current_dir(self.folder.path()).args(args).output().unwrap()
    }

    fn typed(&self, args: &[&str], input: &str) -> Output {
        let mut command = program(self.folder.path());
        let mut child =
            command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// With the keys of both years.
    fn trail(&self, args: &[&str]) -> Output {
        let keys = [key(2027, 1), key(2028, 2)];
        self.run(&[&["audit", "trail"], args, &["--log-key", &keys[0], "--log-key", &keys[1]]].concat())
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// A node that tells the golden trail two accesses at a time.
fn teller(spoil: impl Fn(&mut TrailPart) + Send + Sync + 'static) -> impl Fn(usize, &Request) -> Act + Send + Sync {
    move |_, request| {
        let Request::Trail(page) = request else { panic!("{request:?}") };
        let golden = golden();
        let lines: Vec<&str> = golden.split_inclusive('\n').collect();
        let (head, entries) = lines.split_at(lines.len() - 4);
        let gloss = TrailGloss {
            portal: "Một cửa Hải Châu".to_owned(),
            procedure: "1.004222".to_owned(),
            procedure_vi: "Đăng ký thường trú".to_owned(),
            procedure_en: "Registration of residence".to_owned(),
            official: Some("cb-0017".to_owned()),
            delayed_until: None,
        };
        let line = |line: &&str| TrailLine {
            line: (*line).to_owned(),
            gloss: (!line.starts_with("withheld")).then(|| gloss.clone()),
        };
        let from = usize::try_from(page.from).unwrap();
        let head = if from == 0 { head.concat() } else { String::new() };
        let accesses = entries[from..].iter().take(2).map(line).collect();
        let mut part = TrailPart { at: 70, count: 4, from: page.from, head, accesses };
        spoil(&mut part);
        Act::Reply(Reply::Trail(Box::new(part)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_is_fetched_in_parts_verified_shown_and_kept() {
    let desk = Desk::new(teller(|_| {}));
    let output = desk.trail(&["--number", NUMBER, "-o", "kept.trail"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains("Một cửa Hải Châu  cb-0017   1.004222 Registration of residence"), "{told}");
    assert!(told.contains("not to be seen yet") && told.contains("2028-05-30"), "{told}");
    assert!(
        told.ends_with("Verified: 4 accesses, and none left out up to entry 20 of xacminh.example/da-nang/2028.\n")
    );
    let pages: Vec<TrailPage> = desk
        .node
        .asked()
        .into_iter()
        .filter_map(|request| if let Request::Trail(page) = request { Some(*page) } else { None })
        .collect();
    let page = |at, from| TrailPage { number: NUMBER.to_owned(), at, from };
    assert_eq!(pages, [page(0, 0), page(70, 2)], "the second part is of the log that the first was of");

    // Without a network, and without a configuration.
    let kept = std::fs::read_to_string(desk.folder.path().join("kept.trail")).unwrap();
    assert_eq!(kept, golden());
    desk.node.die();
    let policy = format!("log {}\nlog {}\nquorum none\n", key(2027, 1), key(2028, 2));
    std::fs::write(desk.folder.path().join("policy"), policy).unwrap();
    let output = desk.run(&["audit", "trail", "verify", "kept.trail", "--log-policy", "policy", "--json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["verifies"], &told["count"], &told["withheld"]), (&true.into(), &4.into(), &1.into()));
    assert_eq!(told["accesses"][2], serde_json::json!({ "withheld_until": "2028-05-30" }));

    let less = kept.replacen("entries 4", "entries 3", 1);
    let less: String = less.split_inclusive('\n').filter(|line| !line.starts_with("shown 0 5 ")).collect();
    std::fs::write(desk.folder.path().join("less.trail"), less).unwrap();
    let output = desk.run(&["audit", "trail", "verify", "less.trail", "--log-policy", "policy"]);
    assert_eq!(code(&output), 8);
    assert!(text(&output.stderr).contains("something was left out"), "{}", text(&output.stderr));
    let output = desk.run(&["audit", "trail", "verify", "kept.trail"]);
    assert_eq!(code(&output), 2, "nobody is believed by default");
    // A policy that wants witnesses: no trail that leaves the log has them yet.
    let witness = crate::paper::witness_key(1).public;
    let policy = format!("log {}\nlog {}\nwitness w {witness}\nquorum w\n", key(2027, 1), key(2028, 2));
    std::fs::write(desk.folder.path().join("strict"), policy).unwrap();
    let output = desk.run(&["audit", "trail", "verify", "kept.trail", "--log-policy", "strict"]);
    assert_eq!((code(&output), text(&output.stderr).contains("no witnesses")), (0, true), "{}", text(&output.stderr));
    let one_year = key(2027, 1);
    let output = desk.run(&["audit", "trail", "verify", "kept.trail", "--log-key", &one_year]);
    assert_eq!(code(&output), 8, "the log of 2028 is not believed");
}

/// What a dishonest node does to a part of a trail.
type Spoil = fn(&mut TrailPart);

/// What a node leaves out, doubles or sends for another question is refused before it is shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_tells_less_is_not_believed() {
    let cases: [(Spoil, i32); 4] = [
        (|part| part.accesses.reverse(), 8),
        (|part| part.from += 1, 70),
        (|part| part.accesses.clear(), 70),
        (|part| part.accesses[0].line.push_str("shown"), 70),
    ];
    for (number, (spoil, expected)) in cases.into_iter().enumerate() {
        let desk = Desk::new(teller(spoil));
        let output = desk.trail(&["--number", NUMBER, "-o", "kept.trail", "--deadline", "2s"]);
        assert_eq!(code(&output), expected, "case {number}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "case {number}");
        assert!(!desk.folder.path().join("kept.trail").exists(), "case {number}");
    }
    let desk = Desk::new(teller(|_| {}));
    let output = desk.trail(&["--number", "048203000016"]);
    assert_eq!(code(&output), 70, "the trail of another person: {}", text(&output.stderr));
    let nobody = |_: usize, _: &Request| Act::Reply(Reply::Trail(Box::new(none())));
    let output = Desk::new(nobody).trail(&["--number", NUMBER]);
    assert_eq!((code(&output), text(&output.stdout).starts_with("Nobody asked")), (0, true));
}

fn none() -> TrailPart {
    TrailPart { at: 70, count: 0, from: 0, head: String::new(), accesses: Vec::new() }
}

/// Each of these leaves an entry, or does something, each time a node hears of it: a slow node is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_not_sent_twice_for_speed() {
    let authority = Authority::new();
    let slow = authority.node(|_, _| Act::Silence);
    let other = authority.node(|_, _| Act::Silence);
    let client = authority.client(&[slow.addr, other.addr]);
    let long = Duration::from_secs(1);
    let order = ErasureOrder { number: NUMBER.into(), ground: "Luật 91/2025".into(), ordered_by: "QĐ 12".into() };
    assert!(client.trail(NUMBER, long).await.is_err());
    assert!(client.erase(order, long).await.is_err());
    assert!(client.put_register("revision = 2".into(), long).await.is_err());
    assert!(other.asked().is_empty(), "{:?}", other.asked());
    // A question has an id: the second node is asked while the first is silent.
    assert!(client.ask(question(1), long).await.is_err());
    assert_eq!(other.asked().len(), 1);
}

/// A number on a command line is seen by everybody on the machine, and stays in the shell's history.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_read_from_standard_input() {
    let desk = Desk::new(teller(|_| {}));
    let (one, two) = (key(2027, 1), key(2028, 2));
    let keys = ["--log-key", &one, "--log-key", &two];
    let output = desk.typed(&[&["audit", "trail", "--number", "-"], &keys[..]].concat(), &format!("{NUMBER}\n"));
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let output = desk.run(&[&["audit", "trail"], &keys[..]].concat());
    assert!(code(&output) == 2 && text(&output.stderr).contains("$XACMINH_NUMBER"), "{output:?}");
    desk.node.change(|_, request| {
        let Request::Erase(order) = request else { panic!("{request:?}") };
        assert_eq!(order.number, NUMBER);
        Act::Reply(Reply::Erased { position: 41 })
    });
    let erase = ["person", "erase", "--number", "-", "--ground", "Luật 91/2025", "--ordered-by", "QĐ 12"];
    assert_eq!(code(&desk.typed(&erase, &format!("{NUMBER}\n048203000016\n"))), 2, "another number the second time");
    assert_eq!(code(&desk.typed(&erase, &format!("{NUMBER}\n{NUMBER}\n"))), 0);
    assert_eq!(code(&desk.typed(&[&erase[..], &["--yes"]].concat(), &format!("{NUMBER}\n"))), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_seen_before_a_trail_is_asked_for() {
    let desk = Desk::new(teller(|_| {}));
    std::fs::write(desk.folder.path().join("kept.trail"), "another").unwrap();
    assert_eq!(code(&desk.trail(&["--number", NUMBER, "-o", "kept.trail"])), 6);
    assert!(desk.node.asked().is_empty(), "each reading is logged");
}

/// What is kept may go through a pipe, and be verified at its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_trail_goes_through_standard_output_and_input() {
    let desk = Desk::new(teller(|_| {}));
    let piped = desk.trail(&["--number", NUMBER, "-o", "-"]);
    assert_eq!((code(&piped), text(&piped.stdout)), (0, golden()), "{}", text(&piped.stderr));
    assert!(text(&piped.stderr).contains("Verified: 4 accesses"), "{}", text(&piped.stderr));
    let keys = [key(2027, 1), key(2028, 2)];
    let verify = ["audit", "trail", "verify", "-", "--log-key", &keys[0], "--log-key", &keys[1]];
    let verified = desk.typed(&verify, &text(&piped.stdout));
    assert_eq!(code(&verified), 0, "{}", text(&verified.stderr));
    assert!(text(&verified.stdout).contains("Verified: 4 accesses"), "{}", text(&verified.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_wants_the_number_twice() {
    let script = |_: usize, request: &Request| {
        let Request::Erase(order) = request else { panic!("{request:?}") };
        assert_eq!((order.ground.as_str(), order.ordered_by.as_str()), ("Luật 91/2025", "QĐ 12"));
        Act::Reply(Reply::Erased { position: 41 })
    };
    let desk = Desk::new(script);
    let args = ["person", "erase", "--number", NUMBER, "--ground", "Luật 91/2025", "--ordered-by", "QĐ 12"];
    let typed = |answer: &str| desk.typed(&args, answer);
    assert_eq!(code(&typed("048203000016\n")), 2);
    assert_eq!(code(&typed("")), 2);
    assert!(desk.node.asked().is_empty(), "nothing was sent");
    let output = typed(&format!("{NUMBER}\n"));
    assert_eq!((code(&output), text(&output.stdout)), (0, "Erased; the log says so at position 41\n".to_owned()));
    assert_eq!(code(&desk.run(&[&args[..], &["--yes"]].concat())), 0);
    desk.node.change(|_, _| Act::Reply(failure(ErrorNumber::Erased)));
    let output = desk.run(&[&args[..], &["--yes"]].concat());
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("1017"), "{}", text(&output.stderr));
}
