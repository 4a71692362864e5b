//! The log written down as files, from the pages of a node.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use xacminh_proto::{
    transparency::{
        Checkpoint, Hash, Leaf, LeafKind, LeafVerdict,
        note::Note,
        tiles::{Tile, TileSource, audit},
    },
    vocab::{PortalId, RequestId},
    wire::{AuditEntries, AuditEntry, CheckpointText, Reply, Request},
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
    let leaf = Leaf {
        kind: LeafKind::Disclosed,
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
    let before = (0..BEFORE).map(|index| leaf(index, YEAR_BEFORE_MS + index));
    let mut entries: Vec<Vec<u8>> = before.chain(log.entries.iter().cloned()).collect();
    if let Some(at) = spoil {
        entries[usize::try_from(BEFORE + at).unwrap()] = leaf(9_999, AT_MS + at);
    }
    move |_, request| {
        Act::Reply(match request {
            Request::Checkpoint => Reply::Checkpoint(CheckpointText::new(checkpoint.clone()).expect("short")),
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
