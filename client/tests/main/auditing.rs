//! `xacminh audit` against a node that holds a log, and lies about it in one way at a time.

use std::{fs, path::PathBuf, process::Output, sync::Arc};

use xacminh_proto::{
    transparency::{
        Addendum, Leaf, LeafKind, LeafVerdict, Opening, Salt, attributes_root, note::KeyKind, statements,
        subject_commitment,
    },
    vocab::{Cause, Claim, ErrorNumber, Outcome, PortalId, RequestId},
    wire::{
        AuditEntries, AuditEntry, AuditFound, AuditOpened, AuditOrder, AuditQuery, CheckpointText, ConsistencyProof,
        Happened, Reply, Request,
    },
};

use crate::{
    commands::{program, text},
    fake::{Act, Authority, FakeNode, failure},
    log::Log,
};

/// The first millisecond of 2027 in Vietnam.
const NEW_YEAR_MS: u64 = 1_798_736_400_000;
const DAY_MS: u64 = 86_400_000;
const LEAVES: u64 = 600;

/// A node with a log, and the auditor's folder.
struct Scene {
    node: FakeNode,
    folder: tempfile::TempDir,
    _authority: Authority,
}

impl Scene {
    fn new(log: &Arc<Log>) -> Self {
        let authority = Authority::new();
        let shown = Arc::clone(log);
        let node = authority.node(move |_, request| Act::Reply(reply(&shown, request)));
        let folder = tempfile::tempdir().unwrap();
        authority.files(folder.path(), &[node.addr]);
        Self { node, folder, _authority: authority }
    }

    fn run(&self, args: &[&str]) -> Output {
        program(self.folder.path()).arg("audit").args(args).current_dir(self.folder.path()).output().unwrap()
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// The answer about which nothing could be told, whose addendum is opened below.
fn addendum() -> Addendum {
    Addendum {
        number: "048190000017".into(),
        official: "cb-0017".into(),
        dossier: "H17.1".into(),
        procedure: "1.004222".into(),
        decided_at_ms: NEW_YEAR_MS,
        as_of_ms: 0,
        subject_salt: Salt([7; 32]),
        salts: vec![Salt([8; 32])],
        claims: vec![Claim::HeadOfHousehold],
        outcome: Some(Outcome::Undetermined(Cause::AuthorityUnavailable)),
    }
}

/// Six hundred questions, two hundred a month, of two portals; every tenth could not be told.
fn log() -> Arc<Log> {
    let addendum = addendum();
    let openings = statements(addendum.outcome.as_ref().unwrap(), &addendum.claims).into_iter().zip(&addendum.salts);
    let opening = |((name, value), salt): (_, &Salt)| Opening { name, salt: *salt, value }.commitment();
    let mut commitments: Vec<_> = openings.map(opening).collect();
    let attributes_root = attributes_root(&mut commitments);
    let entry = |number: u64| {
        let time_ms = NEW_YEAR_MS + number * DAY_MS / 7;
        let leaf = Leaf {
            kind: LeafKind::Disclosed,
            time_ms,
            request_id: RequestId::new(time_ms, [1; 10]),
            portal: PortalId(7 + u32::from(number.is_multiple_of(3))),
            official: [0xab; 16],
            purpose: 1,
            procedure: 2,
            register_revision: 3,
            fields: 1 << 36,
            verdict: if number % 10 == 9 { LeafVerdict::Undetermined } else { LeafVerdict::Match },
            subject: subject_commitment(&addendum.subject_salt, addendum.number.as_bytes()),
            attributes_root,
            addendum_digest: [3; 32],
            record_version: 4,
            previous: [0; 32],
        };
        leaf.encode().to_vec()
    };
    Arc::new(Log::of((0..LEAVES).map(entry).collect()))
}

fn entry(log: &Log, position: u64) -> AuditEntry {
    AuditEntry { position, leaf: log.entries[usize::try_from(position).unwrap()].clone() }
}

/// What an honest node says.
fn reply(log: &Log, request: &Request) -> Reply {
    match request {
        Request::Audit(page) => {
            let until = log.size().min(page.from.saturating_add(u64::from(page.limit)));
            let entries = (page.from..until).map(|position| entry(log, position)).collect();
            Reply::Audit(AuditEntries { leaves: log.size(), entries })
        }
        Request::AuditQuery(query) => Reply::AuditFound(found(log, query)),
        Request::AuditOpen(position) => Reply::AuditOpened(Box::new(AuditOpened {
            position: *position,
            leaf: entry(log, *position).leaf,
            recorded: log.size(),
            addendum: addendum(),
        })),
        Request::Checkpoint => Reply::Checkpoint(CheckpointText::new(log.checkpoint(log.size()).to_string()).unwrap()),
        Request::Consistency(wish) => {
            assert_eq!(wish.year, 2027);
            Reply::Consistency(ConsistencyProof { hashes: log.consistency(wish.old, wish.new) })
        }
        other => panic!("{other:?}"),
    }
}

fn found(log: &Log, query: &AuditQuery) -> AuditFound {
    let newest_first = query.order == AuditOrder::NewestFirst;
    let fits = |position: &u64| {
        let leaf = Leaf::decode(&entry(log, *position).leaf).unwrap();
        query.portal.is_none_or(|portal| leaf.portal == portal)
            && query.happened.is_none_or(|happened| Happened::of(&leaf) == Some(happened))
            && query.from_ms.is_none_or(|from_ms| leaf.time_ms >= from_ms)
            && query.until_ms.is_none_or(|until_ms| leaf.time_ms < until_ms)
            && query.cursor.is_none_or(|cursor| if newest_first { *position <= cursor } else { *position >= cursor })
    };
    let mut positions: Vec<u64> = (0..log.size()).filter(fits).collect();
    if newest_first {
        positions.reverse();
    }
    let limit = usize::from(query.limit);
    let next = positions.get(limit).copied();
    let entries = positions.into_iter().take(limit).map(|position| entry(log, position)).collect();
    AuditFound {
        leaves: log.size(),
        pruned: 0,
        indexed: log.size() - 2,
        recorded: query.person.is_some().then_some(600),
        next,
        entries,
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_carries_its_words_and_goes_on_page_by_page() {
    let log = log();
    let scene = Scene::new(&log);
    let args = ["query", "--portal", "7", "--official", "cb-0017", "--procedure", "1.004222", "--dossier", "H17.1"];
    let more =
        ["--from", "2027-01-01", "--until", "2027-02-01", "--outcome", "match", "--oldest-first", "--limit", "9"];
    let output = scene.run(&[&args[..], &more[..]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 1 + 9, "a head, and nine entries");
    assert!(text(&output.stderr).contains("2 of the newest entries are not in the node's index yet"));
    let Some(Request::AuditQuery(query)) = scene.node.asked().pop() else { panic!("a query was sent") };
    let expected = AuditQuery {
        portal: Some(PortalId(7)),
        official: Some("cb-0017".into()),
        procedure: Some("1.004222".into()),
        dossier: Some("H17.1".into()),
        person: None,
        from_ms: Some(NEW_YEAR_MS),
        until_ms: Some(NEW_YEAR_MS + 31 * DAY_MS),
        happened: Some(Happened::Match),
        order: AuditOrder::OldestFirst,
        cursor: None,
        limit: 9,
    };
    assert!(*query == expected, "the query is what was typed");

    let told = text(&scene.run(&["query", "--portal", "7", "--limit", "1000", "--csv"]).stdout);
    let rows: Vec<&str> = told.lines().collect();
    assert!(rows[0].starts_with("position,time_ms,time,kind,verdict,portal"), "{}", rows[0]);
    assert_eq!(rows.len(), 401, "four hundred of portal 7, over two pages");
    assert!(rows[1].starts_with("599,") && rows[400].starts_with("1,"), "{} {}", rows[1], rows[400]);
    let output = scene.run(&["query", "--person", "048190000017", "--limit", "1"]);
    assert!(text(&output.stderr).contains("this query is recorded as entry 600"), "{}", text(&output.stderr));
    assert_eq!(code(&scene.run(&["query", "--from", "yesterday"])), 2);
    assert_eq!(code(&scene.run(&["query", "--csv", "--json"])), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_another_query_is_not_believed() {
    let log = log();
    let scene = Scene::new(&log);
    let honest = Arc::clone(&log);
    for lie in 0..4 {
        let honest = Arc::clone(&honest);
        scene.node.change(move |_, request| {
            let Reply::AuditFound(mut found) = reply(&honest, request) else { panic!("a query was expected") };
            match lie {
                0 => found.entries.swap(0, 1),
                1 => found.entries[0] = entry(&honest, 0),
                2 => found.entries.extend(found.entries.clone()),
                _ => found.next = Some(599),
            }
            Act::Reply(Reply::AuditFound(found))
        });
        let output = scene.run(&["query", "--portal", "7", "--limit", "5", "--deadline", "2s"]);
        assert_eq!(code(&output), 70, "lie {lie}: {}", text(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_log_passes_and_each_lie_has_its_place() {
    let log = log();
    let scene = Scene::new(&log);
    let old = scene.file("old.checkpoint", &log.checkpoint(41).to_string());
    let new = scene.file("new.checkpoint", &log.checkpoint(LEAVES).to_string());
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let output = scene.run(&["check", "--checkpoint", old, new, "--keep", "kept", "--json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["leaves"], &told["agreed"], &told["shards"][0]["size"]), (&600.into(), &3.into(), &600.into()));
    assert_eq!(fs::read_to_string(scene.folder.path().join("kept")).unwrap(), log.checkpoint(LEAVES).to_string());
    let piped = scene.run(&["check", "--keep", "-", "--lang", "en"]);
    assert_eq!((code(&piped), text(&piped.stdout)), (0, log.checkpoint(LEAVES).to_string()));
    assert!(!piped.stderr.is_empty() && !scene.folder.path().join("-").exists(), "the result stands beside it");
    assert_eq!(code(&scene.run(&["consistency", old, new])), 0);
    assert_eq!(code(&scene.run(&["consistency", new, old])), 2);

    // Another history from entry 5 on: what was held before does not fit it.
    let other = Arc::new(Log::of(
        log.entries
            .iter()
            .zip(0..)
            .map(|(leaf, at)| if at == 40 { log.entries[41].clone() } else { leaf.clone() })
            .collect(),
    ));
    let forked = Arc::clone(&other);
    scene.node.change(move |_, request| Act::Reply(reply(&forked, request)));
    let output = scene.run(&["check", "--checkpoint", old]);
    assert_eq!(code(&output), 8);
    assert!(text(&output.stderr).contains("entry 40: "), "{}", text(&output.stderr));
    let output = scene.run(&["consistency", old, new]);
    assert_eq!(code(&output), 8, "{}", text(&output.stderr));
    // Its own head is one of its own history, and the log alone cannot tell.
    assert_eq!(code(&scene.run(&["check"])), 0);

    // A node whose head is not that of its leaves.
    let (leaves, head) = (Arc::clone(&log), other);
    scene.node.change(move |_, request| {
        Act::Reply(reply(if matches!(request, Request::Checkpoint) { &head } else { &leaves }, request))
    });
    let output = scene.run(&["check", "--json"]);
    assert_eq!(code(&output), 8);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["error"]["kind"], "log");
    assert!(
        told["error"]["message"].as_str().unwrap().starts_with("entry 599: the node's newest checkpoint"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_verified_where_the_key_is_known() {
    let log = log();
    let scene = Scene::new(&log);
    let config = scene.folder.path().join("client.toml");
    let without = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{without}log_key = \"{}\"\n", log.key)).unwrap();
    let output = scene.run(&["check", "--json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["signatures_unchecked"], 0);
    // A policy that wants witnesses: the newest head has none yet, and the log is sound all the same.
    let (_, witness) = crate::log::key_pair("witness.example/a", KeyKind::CosignatureV1, 5);
    let policy = scene.file("policy", &format!("log {}\nwitness w {witness}\nquorum w\n", log.key));
    let output = scene.run(&["check", "--log-policy", policy.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("1 comparison agrees\n"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("not cosigned"), "{}", text(&output.stderr));
    let (_, stranger) = crate::log::key_pair(crate::log::ORIGIN, log.key.kind(), 9);
    fs::write(&config, format!("{without}log_key = \"{stranger}\"\n")).unwrap();
    assert_ne!(code(&scene.run(&["check", "--deadline", "2s"])), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_opened_must_be_what_the_leaf_commits_to() {
    let log = log();
    let scene = Scene::new(&log);
    let output = scene.run(&["open", "9"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains("048190000017") && told.contains("undetermined authority_unavailable"), "{told}");
    assert!(text(&output.stderr).contains("recorded as entry 600"));
    let told: serde_json::Value = serde_json::from_slice(&scene.run(&["open", "9", "--json"]).stdout).unwrap();
    assert_eq!((&told["official"], &told["cause"]), (&"cb-0017".into(), &"authority_unavailable".into()));

    // An erasure keeps its ground and who ordered it where a question has its procedure and dossier.
    assert!(told["ground"].is_null() && told["dossier"].is_string(), "{told}");
    let erased = Arc::clone(&log);
    scene.node.change(move |_, request| {
        let Reply::AuditOpened(mut opened) = reply(&erased, request) else { panic!("an opening was expected") };
        let leaf = Leaf { kind: LeafKind::Erased, ..Leaf::decode(&opened.leaf).unwrap() };
        opened.leaf = leaf.encode().to_vec();
        (opened.addendum.procedure, opened.addendum.dossier) = ("Luật 91/2025".into(), "QĐ 12".into());
        Act::Reply(Reply::AuditOpened(opened))
    });
    let told = text(&scene.run(&["open", "9"]).stdout);
    let row = |label: &str, value: &str| {
        told.lines().any(|line| line.trim_start().starts_with(label) && line.ends_with(value))
    };
    assert!(row("ground", "Luật 91/2025") && row("ordered by", "QĐ 12") && !told.contains("dossier"), "{told}");

    type Lie = fn(&mut Addendum);
    let lies: [Lie; 3] = [
        |addendum| addendum.number = "048190000018".into(),
        |addendum| addendum.outcome = Some(Outcome::NotConfirmed),
        |addendum| addendum.salts.clear(),
    ];
    for lie in lies {
        let honest = Arc::clone(&log);
        scene.node.change(move |_, request| {
            let Reply::AuditOpened(mut opened) = reply(&honest, request) else { panic!("an opening was expected") };
            lie(&mut opened.addendum);
            Act::Reply(Reply::AuditOpened(opened))
        });
        assert_eq!(code(&scene.run(&["open", "9"])), 8);
    }
    scene.node.change(|_, _| Act::Reply(failure(ErrorNumber::RequestUnknown)));
    let output = scene.run(&["open", "99999"]);
    assert!(code(&output) == 1 && text(&output.stderr).contains("the log has no entry 99999"), "{output:?}");
    scene.node.change(|_, _| Act::Reply(failure(ErrorNumber::Erased)));
    let output = scene.run(&["open", "9"]);
    assert!(code(&output) == 1 && text(&output.stderr).contains("1017"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_counts_by_portal_and_month_and_draws_itself() {
    let log = log();
    let scene = Scene::new(&log);
    let output = scene.run(&["report", "--until", "2027-02-01", "--open-causes", "--out", "report", "--csv"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let told = text(&output.stdout);
    let rows: Vec<&str> = told.lines().collect();
    // Seven a day for 31 days: every third of portal 8, every tenth a ticket.
    assert_eq!(
        rows[1..],
        ["2027-01,7,144,130,0,14,0,130,authority_unavailable:14", "2027-01,8,73,66,0,7,0,66,authority_unavailable:7",]
    );
    let folder = scene.folder.path().join("report");
    assert_eq!(fs::read_to_string(folder.join("report.csv")).unwrap(), told);
    for name in ["months.svg", "portals.svg", "causes.svg"] {
        let svg = fs::read_to_string(folder.join(name)).unwrap();
        assert!(svg.starts_with("<svg ") && !svg.contains("href"), "{name}");
    }
    let opened = scene.node.asked().iter().filter(|request| matches!(request, Request::AuditOpen(_))).count();
    assert_eq!(opened, 21);
    let told = text(&scene.run(&["report", "--lang", "vi"]).stdout);
    assert!(told.starts_with("tháng") && told.contains("giấy tờ đỡ phải nộp"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn following_shows_what_comes() {
    let log = log();
    let scene = Scene::new(&log);
    let growing = Arc::clone(&log);
    // The log seems to have one entry more with each look at it, up to 520.
    scene.node.change(move |number, request| {
        let Request::Audit(page) = request else { panic!("a page was expected") };
        let leaves = (500 + u64::try_from(number).unwrap()).min(520);
        let until = leaves.min(page.from.saturating_add(u64::from(page.limit)));
        let entries = (page.from..until).map(|position| entry(&growing, position)).collect();
        Act::Reply(Reply::Audit(AuditEntries { leaves, entries }))
    });
    let mut command = program(scene.folder.path());
    command.args(["audit", "tail", "--limit", "2", "--follow", "--json"]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let position = |line: String| {
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        told["position"].as_u64().unwrap()
    };
    let seen: Vec<u64> = tokio::task::spawn_blocking(move || {
        lines.map_while(Result::ok).map(position).take_while(|position| *position < 519).collect()
    })
    .await
    .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen, (499..519).collect::<Vec<_>>(), "each once, none left out");
}
