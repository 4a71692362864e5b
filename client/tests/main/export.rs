//! The log written down as files, from the pages of a node.

use std::{
    collections::HashMap,
    fs,
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use xacminh_proto::{
    transparency::{
        Checkpoint, Hash, Leaf, LeafKind, LeafVerdict,
        merkle::leaf_hash,
        note::Note,
        tiles::{Tile, TileSource, audit},
    },
    vocab::{ErrorNumber, PortalId, RequestId},
    wire::{AuditEntries, AuditEntry, CheckpointText, Failure, Pruned, Reply, Request},
};

use crate::{
    commands::{program, text},
    fake::{Act, Authority, FakeNode},
    log::{Log, ORIGIN},
    witness::Witness,
};

/// In June of 2027, and of the year before.
const AT_MS: u64 = 1_812_000_000_000;
const YEAR_BEFORE_MS: u64 = 1_781_000_000_000;
/// Leaves of the year before, which are of another log.
const BEFORE: u64 = 70;

fn leaf(index: u64, time_ms: u64) -> Vec<u8> {
    leaf_of(LeafKind::Disclosed, index, time_ms)
}

fn leaf_of(kind: LeafKind, index: u64, time_ms: u64) -> Vec<u8> {
    let leaf = Leaf {
        kind,
        time_ms,
        request_id: RequestId::new(time_ms, [1; 10]),
        portal: PortalId(1),
        official: [1; 16],
        purpose: 1,
        procedure: 1,
        register_revision: 1,
        fields: 1,
        verdict: LeafVerdict::Match,
        subject: [2; 32],
        attributes_root: [3; 32],
        addendum_digest: [4; 32],
        record_version: index,
        previous: [0; 32],
    };
    leaf.encode().to_vec()
}

fn log(size: u64) -> Log {
    Log::of((0..size).map(|index| leaf(index, AT_MS + index)).collect())
}

/// What a node of this log says; `spoil` changes an entry.
fn script(
    log: &Log,
    checkpoint: String,
    spoil: Option<u64>,
) -> impl Fn(usize, &Request) -> Act + Send + Sync + 'static {
    let before: Vec<Vec<u8>> = (0..BEFORE).map(|index| leaf(index, YEAR_BEFORE_MS + index)).collect();
    let last = Log::named("log.example/da-nang/2026", before.clone()).checkpoint(BEFORE).to_string();
    let mut entries: Vec<Vec<u8>> = before.into_iter().chain(log.entries.iter().cloned()).collect();
    if let Some(at) = spoil {
        entries[usize::try_from(BEFORE + at).unwrap()] = leaf(9_999, AT_MS + at);
    }
    move |_, request| {
        Act::Reply(match request {
            Request::CheckpointOf(2027) => Reply::Checkpoint(CheckpointText::new(checkpoint.clone()).expect("short")),
            Request::CheckpointOf(2026) => Reply::Checkpoint(CheckpointText::new(last.clone()).expect("short")),
            Request::Audit(page) => {
                let from = usize::try_from(page.from).unwrap_or(usize::MAX).min(entries.len());
                let found = entries[from..].iter().take(usize::from(page.limit)).zip(page.from..);
                let entries_of = found.map(|(leaf, position)| AuditEntry { position, leaf: leaf.clone() }).collect();
                Reply::Audit(AuditEntries { leaves: u64::try_from(entries.len()).unwrap(), entries: entries_of })
            }
            other => panic!("{other:?}"),
        })
    }
}

struct Desk {
    folder: tempfile::TempDir,
    node: FakeNode,
    _authority: Authority,
}

impl Desk {
    fn new(log: &Log) -> Self {
        let authority = Authority::new();
        let node = authority.node(script(log, log.checkpoint(log.size()).to_string(), None));
        let folder = tempfile::tempdir().unwrap();
        authority.files(folder.path(), &[node.addr]);
        Self { folder, node, _authority: authority }
    }

    fn export(&self, log: &Log) -> (i32, String) {
        let key = log.key.to_string();
        let directory = self.folder.path().join("log");
        let args = ["audit", "export", directory.to_str().unwrap(), "--log-key", &key];
        let output = program(self.folder.path()).args(args).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    }

    fn file(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join("log/2027").join(path)
    }
}

struct Files<'a>(&'a Desk);

impl TileSource for Files<'_> {
    type Error = std::io::Error;
    fn tile(&mut self, tile: Tile) -> std::io::Result<Vec<u8>> {
        fs::read(self.0.file(&tile.path()))
    }
}

fn exported(desk: &Desk) -> (u64, Hash) {
    let note = Note::parse(&fs::read(desk.file("checkpoint")).unwrap()).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    assert_eq!(checkpoint.origin(), ORIGIN);
    (checkpoint.size(), *checkpoint.root())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_written_down_grows_and_is_asked_for_only_once() {
    let small = log(600);
    let desk = Desk::new(&small);
    let (code, said) = desk.export(&small);
    assert!(code == 0 && said.contains("600 entries, 600 of them new"), "{said}");
    assert!(said.contains("left out, no key of the log of 2026 was given"), "{said}");
    let (size, root) = exported(&desk);
    audit(&mut Files(&desk), size, &root, true).unwrap();
    // It grew: the two full bundles are not asked for again.
    let large = log(1_000);
    desk.node.change(script(&large, large.checkpoint(1_000).to_string(), None));
    let (code, said) = desk.export(&large);
    assert!(code == 0 && said.contains("1000 entries, 488 of them new"), "{said}");
    let (size, root) = exported(&desk);
    audit(&mut Files(&desk), size, &root, true).unwrap();
    // A smaller one is not written over it.
    desk.node.change(script(&small, small.checkpoint(600).to_string(), None));
    let (code, said) = desk.export(&small);
    assert!(code == 3 && said.contains("1000 leaves, this one fewer: try again later"), "{said}");
    assert_eq!(exported(&desk).0, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_gets_no_checkpoint() {
    let log = log(600);
    let desk = Desk::new(&log);
    // An entry is not the one that was signed.
    desk.node.change(script(&log, log.checkpoint(600).to_string(), Some(301)));
    let (code, said) = desk.export(&log);
    assert!(code == 8 && said.contains("do not lead to the checkpoint"), "{said}");
    assert!(!desk.file("checkpoint").exists());
    // The checkpoint is another log's.
    let note = log.checkpoint(600).to_string().replace("/2027\n600\n", "/2027\n599\n");
    desk.node.change(script(&log, note, None));
    let (code, said) = desk.export(&log);
    assert!(code == 8 && said.contains("does not verify"), "{said}");
    assert!(!desk.file("checkpoint").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_history_is_not_written_over_the_one_before() {
    let old = log(300);
    let desk = Desk::new(&old);
    assert_eq!(desk.export(&old).0, 0);
    let mut entries = old.entries;
    entries[299] = leaf(1, AT_MS + 299);
    entries.extend((300..400).map(|index| leaf(index, AT_MS + index)));
    let forked = Log::of(entries);
    desk.node.change(script(&forked, forked.checkpoint(400).to_string(), None));
    let (code, said) = desk.export(&forked);
    assert!(code == 8 && said.contains("not of this log's history"), "{said}");
    assert_eq!(exported(&desk).0, 300);
}

/// Witnesses are asked by the node that leads; whoever is asked first may not be it.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_witnesses_cosigned_is_looked_for_at_every_node() {
    let log = log(600);
    let witness = Witness::new("witness.example/a");
    let cosigned = log.checkpoint(500).with(witness.cosigned(&log, 500).await.signatures().to_vec()).unwrap();
    let authority = Authority::new();
    let follower = authority.node(script(&log, log.checkpoint(600).to_string(), None));
    let leader = authority.node(script(&log, cosigned.to_string(), None));
    let folder = tempfile::tempdir().unwrap();
    authority.files(folder.path(), &[follower.addr, leader.addr]);
    let policy = folder.path().join("policy");
    fs::write(&policy, format!("log {}\nwitness w {}\nquorum w\n", log.key, witness.key)).unwrap();
    let directory = folder.path().join("log");
    let args = ["audit", "export", directory.to_str().unwrap(), "--log-policy", policy.to_str().unwrap()];
    let run = || program(folder.path()).args(args).output().unwrap();
    // The leader has it in the end, whoever is asked first; without it, not yet.
    for _ in 0..4 {
        let output = run();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    let note = Note::parse(&fs::read(directory.join("2027/checkpoint")).unwrap()).unwrap();
    assert_eq!(Checkpoint::parse(note.text()).unwrap().size(), 500);
    leader.change(script(&log, log.checkpoint(600).to_string(), None));
    let output = run();
    assert!(output.status.code() == Some(3) && text(&output.stderr).contains("cosignatures"), "{output:?}");
}

/// Any static web server will do: Python's, where there is Python.
#[tokio::test(flavor = "multi_thread")]
async fn a_static_web_server_serves_what_was_exported() {
    let log = log(600);
    let desk = Desk::new(&log);
    assert_eq!(desk.export(&log).0, 0);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let args = ["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1", "--directory"];
    let server = Command::new("python3").args(args).arg(desk.folder.path().join("log")).stderr(Stdio::null()).spawn();
    let Ok(mut server) = server else { return };
    let http = xacminh_web::Http::new(Duration::from_secs(10), None).unwrap();
    let files = xacminh_web::LogFiles::at(&format!("http://127.0.0.1:{port}/2027"), http);
    let mut note = files.checkpoint().await;
    for _ in 0..200 {
        if note.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        note = files.checkpoint().await;
    }
    let head = note.map(|note| Checkpoint::parse(note.text()).unwrap());
    let mut tiles = files.tiles();
    let walked = tokio::task::spawn_blocking(move || {
        let head = head.unwrap();
        audit(&mut tiles, head.size(), head.root(), true).map(|frontier| frontier.size())
    });
    let walked = walked.await.unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(walked.unwrap(), 600);
}

/// Three years of a log, as a node has them.
struct Years {
    logs: Vec<(u16, Log)>,
    desk: Desk,
}

/// What a node says of these years; entries before a position are no longer kept.
fn years_script(logs: &[(u16, Log)], pruned: u64) -> impl Fn(usize, &Request) -> Act + Send + Sync + use<> + 'static {
    let note = |(year, log): &(u16, Log)| (*year, log.checkpoint(log.size()).to_string());
    let notes: HashMap<u16, String> = logs.iter().map(note).collect();
    let mut entries: Vec<Vec<u8>> = logs.iter().flat_map(|(_, log)| log.entries.iter().cloned()).collect();
    let mut opens = HashMap::new();
    let mut first = 0;
    for (year, log) in logs {
        opens.insert(first, *year);
        first += log.size();
    }
    for (position, entry) in (0..pruned).zip(&mut entries) {
        *entry = Pruned { hash: leaf_hash(entry), opens: opens.get(&position).copied() }.bytes();
    }
    move |_, request| {
        let checkpoint = |year: u16| match notes.get(&year) {
            Some(note) => Reply::Checkpoint(CheckpointText::new(note.clone()).expect("short")),
            None => Reply::Failure(Failure::new(ErrorNumber::RequestUnknown, "")),
        };
        Act::Reply(match request {
            Request::CheckpointOf(year) => checkpoint(*year),
            Request::Audit(page) => {
                let from = usize::try_from(page.from).unwrap_or(usize::MAX).min(entries.len());
                let found = entries[from..].iter().take(usize::from(page.limit)).zip(page.from..);
                let entries_of = found.map(|(leaf, position)| AuditEntry { position, leaf: leaf.clone() }).collect();
                Reply::Audit(AuditEntries { leaves: u64::try_from(entries.len()).unwrap(), entries: entries_of })
            }
            other => panic!("{other:?}"),
        })
    }
}

impl Years {
    /// Of 2024, of 2026 and of 2027: in 2025 nobody asked anything.
    fn new() -> Self {
        const DAY_MS: u64 = 24 * 3_600_000;
        let year = |year: u16, days_before: u64, size: u64| {
            let at_ms = AT_MS - days_before * DAY_MS;
            let opens = leaf_of(if year == 2024 { LeafKind::Disclosed } else { LeafKind::ShardOpen }, 0, at_ms);
            let entries = (1..size).map(|index| leaf(index, at_ms + index));
            (year, Log::named(&format!("log.example/da-nang/{year}"), [opens].into_iter().chain(entries).collect()))
        };
        let logs = vec![year(2024, 3 * 365, 300), year(2026, 365, 600), year(2027, 0, 100)];
        let authority = Authority::new();
        let node = authority.node(years_script(&logs, 0));
        let folder = tempfile::tempdir().unwrap();
        authority.files(folder.path(), &[node.addr]);
        Self { logs, desk: Desk { folder, node, _authority: authority } }
    }

    /// Exports with the keys of some years.
    fn export(&self, directory: &str, known: &[u16], more: &[&str]) -> (i32, String) {
        let keys = self.logs.iter().filter(|(year, _)| known.contains(year)).map(|(_, log)| format!("{}\n", log.key));
        let keys: String = keys.collect();
        let directory = self.desk.folder.path().join(directory);
        let mut program = program(self.desk.folder.path());
        program.args(["audit", "export", directory.to_str().unwrap(), "--log-key", &keys]).args(more);
        let output = program.output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    }

    /// How many entries of a year lie in a directory, all of which verify; none if there is no checkpoint.
    fn lies(&self, directory: &str, year: u16) -> Option<u64> {
        struct Files(std::path::PathBuf);
        impl TileSource for Files {
            type Error = std::io::Error;
            fn tile(&mut self, tile: Tile) -> std::io::Result<Vec<u8>> {
                fs::read(self.0.join(tile.path()))
            }
        }
        let folder = self.desk.folder.path().join(directory).join(year.to_string());
        let note = Note::parse(&fs::read(folder.join("checkpoint")).ok()?).unwrap();
        let head = Checkpoint::parse(note.text()).unwrap();
        assert_eq!(head.origin(), format!("log.example/da-nang/{year}"));
        audit(&mut Files(folder), head.size(), head.root(), true).unwrap();
        Some(head.size())
    }

    fn all(&self, directory: &str) -> [Option<u64>; 3] {
        [2024, 2026, 2027].map(|year| self.lies(directory, year))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_year_is_written_beside_the_others_and_one_if_one_is_wanted() {
    let years = Years::new();
    let (code, said) = years.export("log", &[2024, 2026, 2027], &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(years.all("log"), [Some(300), Some(600), Some(100)], "{said}");
    let (code, said) = years.export("log", &[2024, 2026, 2027], &[]);
    assert!(code == 0 && said.matches("entries, 0 of them new; all verify").count() == 3, "{said}");

    let (code, said) = years.export("one", &[2026], &["--year", "2026"]);
    assert_eq!((code, years.all("one")), (0, [None, Some(600), None]), "{said}");
    for (wanted, known) in [("2025", 2026), ("2028", 2027), ("2001", 2027)] {
        let (code, said) = years.export("none", &[2024, known], &["--year", wanted]);
        assert!(code == 2 && said.contains(&format!("the log has no year {wanted}")), "{said}");
    }
    // What is not verified is not written: said of a past year, and an error of one that was asked for.
    let (code, said) = years.export("some", &[2024, 2027], &[]);
    assert_eq!((code, years.all("some")), (0, [Some(300), None, Some(100)]), "{said}");
    assert!(said.contains("left out, no key of the log of 2026 was given"), "{said}");
    let (code, said) = years.export("some", &[2024, 2027], &["--year", "2026"]);
    assert!(code == 8 && said.contains("no known log has this origin"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_that_is_no_longer_kept_stays_as_it_was_exported() {
    let years = Years::new();
    let known = [2024, 2026, 2027];
    assert_eq!(years.export("before", &known, &[]).0, 0);
    // All of 2024 and the first bundle of 2026 went.
    years.desk.node.change(years_script(&years.logs, 300 + 256));
    let (code, said) = years.export("before", &known, &[]);
    assert!(code == 0 && said.matches("entries, 0 of them new; all verify").count() == 3, "{said}");
    let (code, said) = years.export("after", &known, &[]);
    assert_eq!((code, years.all("after")), (0, [None, None, Some(100)]), "{said}");
    assert_eq!(said.matches("left as it is").count(), 2, "{said}");
    let (code, said) = years.export("after", &known, &["--year", "2024"]);
    assert!(code == 6 && said.contains("no longer kept"), "{said}");
}

/// A checkpoint that is not of the year's end does not say where the year begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_past_year_is_written_when_its_last_checkpoint_is_there() {
    let years = Years::new();
    let whole = &years.logs[1].1;
    let short = Log::named(whole.key.name(), whole.entries[..599].to_vec());
    let serve = |log: &Log| {
        let (script, note) = (years_script(&years.logs, 0), log.checkpoint(log.size()).to_string());
        move |at: usize, request: &Request| match request {
            Request::CheckpointOf(2026) => Act::Reply(Reply::Checkpoint(CheckpointText::new(note.clone()).unwrap())),
            other => script(at, other),
        }
    };
    years.desk.node.change(serve(&short));
    let (code, said) = years.export("log", &[2027], &[]);
    assert!(code == 3 && said.contains("not the year's last one yet"), "{said}");
    let (code, said) = years.export("log", &[2027], &["--year", "2027"]);
    assert!(code == 0, "the newest is there all the same: {said}");
    years.desk.node.change(serve(whole));
    let (code, said) = years.export("log", &[2027], &[]);
    assert!(code == 0, "{said}");
}
