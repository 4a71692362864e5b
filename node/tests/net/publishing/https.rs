//! The log server as readers meet it.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use xacminh_node::publish::Bounds;
use xacminh_proto::transparency::{
    Checkpoint, Leaf, LeafKind, Policy,
    note::Note,
    tiles::{audit, decode_bundle, tiles_of},
};

use super::{
    super::certs::Spec,
    log::{Log, NEXT_YEAR_MS},
    web::{BOUNDS, Site, Tiles, ask},
};

async fn checkpoint(site: &Site, year: u16) -> Note {
    let answer = site.get(None, &format!("/{year}/checkpoint")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("content-type: text/plain; charset=utf-8\r\n"), "{}", answer.head);
    assert!(answer.head.contains("cache-control: public, max-age=2\r\n"), "{}", answer.head);
    Note::parse(&answer.body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_walks_what_is_served_finds_the_tree_of_the_checkpoint() {
    let log = Log::of_two_years().await;
    let site = Site::open(&log, true, BOUNDS).await;
    for (year, size) in [(2026, 600), (2027, 4)] {
        let note = checkpoint(&site, year).await;
        let key = log.keys(year).remove(0);
        Policy::of_log(key.clone()).unwrap().accept(&note).unwrap();
        let head = Checkpoint::parse(note.text()).unwrap();
        assert_eq!((head.origin(), head.size()), (format!("log.example.vn/48/{year}").as_str(), size));
        let mut tiles = Tiles { site: &site, card: site.auditor(), year };
        audit(&mut tiles, size, head.root(), true).unwrap();
        // Another root is none of this tree: the walk can fail.
        assert!(audit(&mut tiles, size, &[0; 32], true).is_err());
    }
    // The shards are one history: the second begins with the last root of the first.
    let first = site.get(Some(&site.auditor()), "/2027/tile/entries/000.p/1").await;
    let leaf = Leaf::decode(decode_bundle(&first.body, 1).unwrap()[0]).unwrap();
    let before = Checkpoint::parse(checkpoint(&site, 2026).await.text()).unwrap();
    assert_eq!((leaf.kind, leaf.subject, leaf.record_version), (LeafKind::ShardOpen, *before.root(), 600));
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_of_every_size_that_the_tree_ever_had_is_served_and_none_beyond() {
    let log = Log::of_two_years().await;
    let site = Site::open(&log, true, BOUNDS).await;
    let auditor = site.auditor();
    let full = site.get(Some(&auditor), "/2026/tile/0/000").await;
    assert_eq!((full.status, full.body.len()), (200, 8192));
    assert!(full.head.contains("content-type: application/octet-stream\r\n"), "{}", full.head);
    assert!(full.head.contains("cache-control: private, max-age=31536000, immutable\r\n"), "{}", full.head);
    for size in [1, 2, 255, 256, 257, 511, 512, 599, 600] {
        for tile in tiles_of(size) {
            let answer = site.get(Some(&auditor), &format!("/2026/{tile}")).await;
            assert_eq!(answer.status, 200, "{tile} of {size}");
        }
    }
    let part = site.get(Some(&auditor), "/2026/tile/0/000.p/7").await;
    assert_eq!(part.body, full.body[..7 * 32], "a partial tile begins like the full one");
    for beyond in [
        "tile/0/002",
        "tile/0/002.p/89",
        "tile/0/003.p/1",
        "tile/1/000.p/3",
        "tile/2/000.p/1",
        "tile/63/000",
        "tile/entries/002",
        "tile/entries/002.p/89",
        "tile/entries/x001/000",
        "tile/1/x018/x446/x744/x073/x709/x551/615",
    ] {
        let answer = site.get(Some(&auditor), &format!("/2026/{beyond}")).await;
        assert_eq!(answer.status, 404, "{beyond}");
        assert!(
            answer.body.starts_with(b"no_such_tile: ") && answer.head.contains("cache-control: no-store"),
            "{answer:?}"
        );
    }
    for year in ["2025", "2028", "0000", "9999"] {
        let answer = site.get(Some(&auditor), &format!("/{year}/tile/0/000.p/1")).await;
        assert_eq!((answer.status, answer.body.starts_with(b"no_such_year: ")), (404, true), "{year}");
        assert_eq!(site.get(None, &format!("/{year}/checkpoint")).await.status, 404, "{year}");
    }
    // HEAD is GET without the bytes, and nothing else is taken.
    let head = site.ask(Some(&auditor), "HEAD /2026/tile/0/000").await.unwrap();
    assert!(head.status == 200 && head.head.contains("content-length: 8192") && head.body.is_empty(), "{head:?}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = site.ask(Some(&auditor), &format!("{method} /2026/checkpoint")).await.unwrap();
        assert!(answer.status == 405 && answer.head.contains("allow: get, head"), "{method}: {answer:?}");
    }
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_for_auditors_hashes_for_the_cluster_and_checkpoints_for_everybody() {
    let log = Log::of_two_years().await;
    let site = Site::open(&log, true, BOUNDS).await;
    let table = [
        ("auditor", "xacminh://dev/auditor/a", [200, 200]),
        ("portal", "xacminh://dev/portal/1", [403, 200]),
        ("operator", "xacminh://dev/operator/lan", [403, 200]),
        ("elsewhere", "xacminh://hue/auditor/a", [403, 403]),
        ("node", "xacminh://dev/node/1", [403, 200]),
        ("nobody", "https://example.vn/", [403, 403]),
    ];
    for (stem, uri, statuses) in table {
        let card = site.card(stem, uri);
        for (path, status) in ["/2026/tile/entries/000", "/2026/tile/0/000.p/3"].into_iter().zip(statuses) {
            assert_eq!(site.get(Some(&card), path).await.status, status, "{uri} {path}");
        }
        assert_eq!(site.get(Some(&card), "/2026/checkpoint").await.status, 200, "{uri}");
    }
    let answer = site.get(None, "/2026/tile/0/000").await;
    assert_eq!((answer.status, answer.body.starts_with(b"certificate: ")), (403, true));
    // A certificate that does not count does not even get a checkpoint: its holder should know.
    let expired = site.ca.issue("expired", &Spec { expired: true, ..Spec::of("xacminh://dev/auditor/a") });
    assert!(site.ask(Some(&expired), "GET /2026/checkpoint").await.is_err());
    let folder = tempfile::tempdir().unwrap();
    let stranger = super::super::certs::Ca::new(folder.path(), "other-ca");
    let stranger = stranger.issue("auditor", &Spec::of("xacminh://dev/auditor/a"));
    assert!(site.ask(Some(&stranger), "GET /2026/checkpoint").await.is_err());
    // Nobody is served in clear.
    let mut plain = TcpStream::connect(site.address).await.unwrap();
    plain.write_all(b"GET /2026/checkpoint HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_server_asks_nobody() {
    let log = Log::of_two_years().await;
    let site = Site::open(&log, false, BOUNDS).await;
    let answer = site.get(None, "/2026/tile/entries/000").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("cache-control: public, max-age=31536000, immutable\r\n"), "{}", answer.head);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_auditor_reads_nothing_from_the_next_request_on() {
    let log = Log::of_two_years().await;
    let site = Site::open(&log, true, BOUNDS).await;
    let revoked = site.ca.issue("revoked", &Spec { serial: 7, ..Spec::of("xacminh://dev/auditor/a") });
    let mut stream = site.connect(Some(&revoked)).await.unwrap();
    assert_eq!(ask(&mut stream, "GET /2026/tile/0/000", "").await.unwrap().status, 200);
    // The list is read where the configuration names it: a server whose files now have one.
    let mut files = site.server.clone();
    files.revoked = vec![site.ca.revoke("client.crl", &[7], false)];
    let other = Log::of_two_years().await;
    let strict = Site::open_with(&other, files.clone(), true, BOUNDS).await;
    let mut stream = strict.connect(Some(&site.auditor())).await.unwrap();
    assert_eq!(ask(&mut stream, "GET /2026/tile/0/000", "").await.unwrap().status, 200);
    assert!(strict.ask(Some(&revoked), "GET /2026/checkpoint").await.is_err(), "refused in the handshake");
    // While this connection lives, its certificate (serial 1) is revoked, too.
    site.ca.revoke("client.crl", &[1, 7], false);
    strict.tls.reload().unwrap();
    let answer = ask(&mut stream, "GET /2026/tile/0/000", "").await.unwrap();
    assert_eq!((answer.status, answer.body.starts_with(b"certificate: ")), (403, true));
    // A list that is none leaves everything as it was.
    std::fs::write(&files.revoked[0], "not a list").unwrap();
    assert!(strict.tls.reload().is_err());
    assert_eq!(ask(&mut stream, "GET /2026/checkpoint", "").await.unwrap().status, 200);
    strict.close().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_and_huge_requests_cost_their_sender_only() {
    let log = Log::of_two_years().await;
    let site = Site::open(&log, true, BOUNDS).await;
    let auditor = site.auditor();
    let long = format!("/2026/tile/0/{}", "x001/".repeat(2000));
    let longest = format!("/2026/{}", "a".repeat(100_000));
    for (path, statuses) in [
        ("/", &[404][..]),
        ("/2026/tile/0/0", &[400]),
        ("/2026/tile/entries/000?width=3", &[400]),
        ("/2026/tile/../../etc/passwd", &[400]),
        ("/%32026/checkpoint", &[404]),
        ("//2026/checkpoint", &[404]),
        (&long, &[400, 414, 431]),
    ] {
        let answer = site.get(Some(&auditor), path).await;
        assert!(statuses.contains(&answer.status), "{} bytes of path: {answer:?}", path.len());
    }
    // So much is cut off before it is read, and the answer may be lost with what was still being sent.
    if let Ok(answer) = site.ask(Some(&auditor), &format!("GET {longest}")).await {
        assert!([414, 431].contains(&answer.status), "{answer:?}");
    }
    let many: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    let mut stream = site.connect(None).await.unwrap();
    assert_eq!(ask(&mut stream, "GET /2026/checkpoint", &many).await.unwrap().status, 431);
    // A body is not read; and the server is well.
    let mut stream = site.connect(None).await.unwrap();
    let answer = ask(&mut stream, "POST /2026/checkpoint", "content-length: 99999999999\r\n").await.unwrap();
    assert_eq!(answer.status, 405);
    checkpoint(&site, 2026).await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_hold_their_own_places_and_no_longer_than_allowed() {
    let log = Log::of_two_years().await;
    let short = Duration::from_millis(400);
    let bounds =
        Bounds { connections_per_address_max: 3, handshake: short, header: short, connection: short, ..BOUNDS };
    let site = Site::open(&log, true, bounds).await;
    // One that does not shake hands, one that says nothing, one that asks letter by letter.
    let mut mute = TcpStream::connect(site.address).await.unwrap();
    let mut silent = site.connect(None).await.unwrap();
    let mut slow = site.connect(None).await.unwrap();
    slow.write_all(b"GET /20").await.unwrap();
    // All places of this address are taken: the next one is closed at once.
    assert!(site.connect(None).await.is_err());
    let mut rest = Vec::new();
    let ended = async {
        let _ = mute.read_to_end(&mut rest).await;
        let _ = silent.read_to_end(&mut rest).await;
        let _ = slow.read_to_end(&mut rest).await;
    };
    timeout(Duration::from_secs(20), ended).await.expect("they are let go");
    // The places are free again.
    let mut tries = 0;
    while site.ask(None, "GET /2026/checkpoint").await.is_err() {
        tries += 1;
        assert!(tries < 200, "no place became free");
        sleep(Duration::from_millis(50)).await;
    }
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_never_goes_back_and_follows_the_log() {
    let mut log = Log::of_two_years().await;
    let site = Site::open(&log, true, BOUNDS).await;
    let mut last = 0;
    for step in 1..=4 {
        log.grow(NEXT_YEAR_MS + step, 5).await;
        let size = Checkpoint::parse(checkpoint(&site, 2027).await.text()).unwrap().size();
        assert!(size >= last);
        last = size;
        sleep(Duration::from_millis(300)).await;
    }
    // One second after the last leaf, the newest is there.
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(Checkpoint::parse(checkpoint(&site, 2027).await.text()).unwrap().size(), 24);
    let text = log.shelf.newest().await.unwrap();
    assert!(text.starts_with("log.example.vn/48/2027\n24\n"), "{text}");
    site.close().await;
}
