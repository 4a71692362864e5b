//! Witnesses that cosign, that are away, and that say that the log lies.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use xacminh_node::{
    publish::{Witness, Witnesses},
    telemetry::{Metrics, WitnessMetrics},
};
use xacminh_proto::transparency::{
    Checkpoint,
    note::{KeyKind, Note, Signature, VerifierKey},
    witness::{AddCheckpoint, Head},
};

use super::log::{Log, NEXT_YEAR_MS, START_MS};

/// What a witness does with the next requests.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mood {
    Honest,
    Says(u16, String),
}

/// A witness as its operator would run it, with moods.
struct Scripted {
    key: VerifierKey,
    url: String,
    heads: Arc<Mutex<std::collections::BTreeMap<String, Head>>>,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    async fn start(log: &Log, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let key = VerifierKey::new(&format!("witness.example/w{seed}"), KeyKind::CosignatureV1, public).unwrap();
        let (heads, mood) = (Arc::default(), Arc::new(Mutex::new(Mood::Honest)));
        let asked = Arc::new(AtomicUsize::new(0));
        let logs: Vec<VerifierKey> = [2026, 2027].into_iter().flat_map(|year| log.keys(year)).collect();
        let (heads_in, mood_in, asked_in): (Arc<Mutex<std::collections::BTreeMap<String, Head>>>, _, _) =
            (Arc::clone(&heads), Arc::clone(&mood), Arc::clone(&asked));
        let cosigner = key.clone();
        let add = move |body: Bytes| {
            asked_in.fetch_add(1, Ordering::SeqCst);
            let mood: Mood = mood_in.lock().unwrap().clone();
            let answer = match mood {
                Mood::Says(status, body) => (StatusCode::from_u16(status).unwrap(), body),
                Mood::Honest => {
                    let request = AddCheckpoint::parse(&body).unwrap();
                    let mut heads = heads_in.lock().unwrap();
                    match request.judge(&logs, |origin| heads.get(origin).copied()) {
                        Ok((checkpoint, head)) => {
                            heads.insert(checkpoint.origin().to_owned(), head);
                            let by = |message: &[u8]| pair.sign(message).as_ref().try_into().unwrap();
                            let line = Signature::cosign(request.checkpoint.text(), &cosigner, 1_800_000_000, by);
                            (StatusCode::OK, line.unwrap().to_string())
                        }
                        Err(refusal) => (StatusCode::from_u16(refusal.status()).unwrap(), refusal.body()),
                    }
                }
            };
            async move { answer }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/w/", listener.local_addr().unwrap());
        let routes = Router::new().route("/w/add-checkpoint", post(add));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { key, url, heads, mood, asked }
    }

    fn says(&self, status: u16, body: &str) {
        *self.mood.lock().unwrap() = Mood::Says(status, body.to_owned());
    }

    fn size(&self, year: u16) -> Option<u64> {
        self.heads.lock().unwrap().get(&format!("log.example.vn/48/{year}")).map(|head| head.size)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn signs(&self, note: &str) -> bool {
        Note::parse(note.as_bytes()).unwrap().open([&self.key]).is_ok()
    }
}

fn witnesses(log: &Log, all: &[&Scripted], metrics: &Metrics) -> Witnesses {
    let names: Vec<&str> = all.iter().map(|one| one.key.name()).collect();
    let shown = WitnessMetrics::new(&names, metrics).unwrap();
    shown.leads(true, START_MS);
    let all = all.iter().map(|one| Witness { url: one.url.clone(), key: one.key.clone() }).collect();
    let times = (Duration::from_millis(10), Duration::from_secs(5));
    let clock = Arc::new(log.clock.clone());
    let (state, notary, cosigned) = (log.state.clone(), log.notary.clone(), Arc::clone(&log.cosigned));
    Witnesses::new(all, times, None, state, notary, cosigned, clock, shown).unwrap()
}

fn size_of(text: &str) -> u64 {
    Checkpoint::parse(Note::parse(text.as_bytes()).unwrap().text()).unwrap().size()
}

/// What is handed out once the last one is not handed out again.
async fn newest(log: &Log, year: u16) -> String {
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    log.shelf.checkpoint(year).await.unwrap().to_string()
}

fn shows(metrics: &Metrics, line: &str) -> bool {
    metrics.render().lines().any(|shown| shown == line)
}

#[tokio::test]
async fn heads_are_cosigned_kept_and_handed_out() {
    let mut log = Log::new();
    log.grow(START_MS, 200).await;
    let (first, second) = (Scripted::start(&log, 1).await, Scripted::start(&log, 2).await);
    let metrics = Metrics::new();
    let asking = witnesses(&log, &[&first, &second], &metrics);
    assert!(!first.signs(&newest(&log, 2026).await), "nobody was asked yet");
    asking.round().await;
    let text = newest(&log, 2026).await;
    assert!(first.signs(&text) && second.signs(&text) && size_of(&text) == 200, "{text}");

    // It grew: the consistency proof from the last size is accepted, and until then the cosigned one is handed out.
    log.grow(START_MS + 1, 100).await;
    assert_eq!(size_of(&newest(&log, 2026).await), 200);
    asking.round().await;
    let text = newest(&log, 2026).await;
    assert!(first.signs(&text) && second.signs(&text) && size_of(&text) == 300, "{text}");
    assert_eq!((first.asked(), second.asked()), (2, 2), "nobody was asked twice");

    // Another process reads the same from the disk, and so does another leader, who learns the size from the witness.
    let kept = log.cosigned_again();
    let again = xacminh_node::publish::Shelf::new(
        log.state.clone(),
        log.notary.clone(),
        Arc::new(kept),
        Arc::new(log.clock.clone()),
    );
    assert_eq!(*again.checkpoint(2026).await.unwrap(), text);
    let other = witnesses(&log, &[&first], &Metrics::new());
    log.grow(START_MS + 2, 1).await;
    other.round().await;
    assert_eq!((first.size(2026), first.asked()), (Some(301), 4));

    // A new year: the old one's last head is offered until somebody has cosigned it.
    log.grow(NEXT_YEAR_MS, 2).await;
    asking.round().await;
    asking.round().await;
    assert_eq!((second.size(2026), second.size(2027)), (Some(300), Some(3)));
    assert_eq!(second.asked(), 4, "200, 300, and the new year twice: the old one's last head has its cosignature");
    log.clock.set_wall_ms(START_MS + 5_000);
    asking.show();
    assert!(
        shows(&metrics, "xacminh_witness_cosignature_age_seconds{witness=\"witness.example/w1\"} 5"),
        "{}",
        metrics.render()
    );
    assert!(shows(&metrics, "xacminh_witness_alarms_total{witness=\"witness.example/w1\"} 0"));
}

#[tokio::test]
async fn a_silent_witness_costs_its_own_line_and_for_a_minute_the_newest() {
    let mut log = Log::new();
    log.grow(START_MS, 10).await;
    let (first, second) = (Scripted::start(&log, 1).await, Scripted::start(&log, 2).await);
    let metrics = Metrics::new();
    let asking = witnesses(&log, &[&first, &second], &metrics);
    asking.round().await;
    // One is away: what both signed is worth more than what is newer.
    second.says(503, "");
    log.grow(START_MS + 1, 10).await;
    asking.round().await;
    let text = newest(&log, 2026).await;
    assert!(second.signs(&text) && size_of(&text) == 10, "{text}");
    // After a minute it is not.
    log.clock.advance_ms(61_000);
    asking.round().await;
    let text = newest(&log, 2026).await;
    assert!(first.signs(&text) && !second.signs(&text) && size_of(&text) == 20, "{text}");
    // All are away: for a minute the cosigned one is handed out, then the log's own word, and never an older one again.
    first.says(503, "");
    log.grow(START_MS + 2, 10).await;
    asking.round().await;
    assert_eq!(size_of(&newest(&log, 2026).await), 20);
    log.clock.advance_ms(61_000);
    assert_eq!(size_of(&newest(&log, 2026).await), 30);
    log.clock.set_wall_ms(START_MS);
    assert_eq!(size_of(&newest(&log, 2026).await), 30, "whatever the clock says");
    assert!(shows(&metrics, "xacminh_witness_alarms_total{witness=\"witness.example/w2\"} 0"));
}

#[tokio::test]
async fn a_contradiction_is_an_alarm_once_and_no_storm() {
    for (status, body) in [(422, ""), (409, "4000\n"), (409, "10\n")] {
        let mut log = Log::new();
        log.grow(START_MS, 10).await;
        let witness = Scripted::start(&log, 1).await;
        let metrics = Metrics::new();
        let asking = witnesses(&log, &[&witness], &metrics);
        asking.round().await;
        witness.says(status, body);
        for _ in 0..5 {
            asking.round().await;
        }
        assert_eq!(witness.asked(), 2, "{status} {body:?}: left alone after the alarm");
        let alarm = "xacminh_witness_alarms_total{witness=\"witness.example/w1\"} 1";
        assert!(shows(&metrics, alarm), "{status} {body:?}: {}", metrics.render());
    }
    // Trouble that is none of the log's is no alarm.
    let mut log = Log::new();
    log.grow(START_MS, 10).await;
    let witness = Scripted::start(&log, 1).await;
    let metrics = Metrics::new();
    let asking = witnesses(&log, &[&witness], &metrics);
    for (status, body) in [(404, ""), (403, ""), (500, ""), (200, "nonsense\n"), (200, "— w AAAAAAAA\n"), (409, "x")]
    {
        witness.says(status, body);
        asking.round().await;
    }
    assert_eq!(witness.asked(), 6);
    assert!(shows(&metrics, "xacminh_witness_alarms_total{witness=\"witness.example/w1\"} 0"));
    assert!(!witness.signs(&newest(&log, 2026).await));
}

#[tokio::test]
async fn what_is_kept_is_believed_only_under_the_logs_own_key() {
    let mut log = Log::new();
    log.grow(START_MS, 10).await;
    let witness = Scripted::start(&log, 1).await;
    witnesses(&log, &[&witness], &Metrics::new()).round().await;
    let path = log.folder.path().join("data/notary/cosigned-2026");
    let sound = std::fs::read_to_string(&path).unwrap();
    let read = async |log: &Log| {
        let shelf = xacminh_node::publish::Shelf::new(
            log.state.clone(),
            log.notary.clone(),
            Arc::new(log.cosigned_again()),
            Arc::new(log.clock.clone()),
        );
        shelf.checkpoint(2026).await.unwrap().to_string()
    };
    assert!(witness.signs(&read(&log).await));
    for damaged in [sound.replace("\n10\n", "\n9\n"), sound.replace("received ", "recieved "), String::new()] {
        std::fs::write(&path, damaged).unwrap();
        assert!(!witness.signs(&read(&log).await), "the log's own word stands in");
    }
}
