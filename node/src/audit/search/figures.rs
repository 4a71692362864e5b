//! What the index and its queries cost, over many leaves: `cargo test -p xacminh-node --lib -- --ignored audit::search::figures
//! --nocapture`, with `XACMINH_AUDIT_LEAVES` of them (ten million if not said otherwise). A temporary folder takes about
//! 500 bytes a leaf.

use std::time::{Duration, Instant};

use super::{tests::*, *};
use crate::audit::{ROUND_LEAVES_MAX, Stepped, step};

const LEAVES: u64 = 10_000_000;
const PORTALS: u64 = 40;
const OFFICIALS: u64 = 5_000;
const PROCEDURES: u64 = 300;
const PEOPLE: u64 = 200_000;

/// Memory for blocks of the state's tables.
const BLOCK_CACHE_BYTES: usize = 256 * 1024 * 1024;

/// Queries of each kind.
const QUERIES: usize = 2_000;

/// Entries on a page.
const PAGE: usize = 50;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20
    }
}

fn mark(number: u64) -> [u8; 16] {
    let mut mark = [0x5a; 16];
    mark[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    mark[8..].copy_from_slice(&number.to_be_bytes());
    mark
}

fn many(number: u64, numbers: &mut Numbers) -> Many {
    let official = numbers.next() % OFFICIALS;
    Many {
        portal: u32::try_from(official % PORTALS + 1).expect("a few"),
        official: mark(official),
        procedure: u32::try_from(numbers.next() % PROCEDURES + 1).expect("a few"),
        // A dossier has three questions, one after the other.
        dossier: mark(number / 3 + 1),
        person: numbers.next() % PEOPLE,
    }
}

#[tokio::test]
#[ignore = "takes many minutes and some gigabytes: run by hand, on a quiet machine"]
async fn figures() {
    let leaves = std::env::var("XACMINH_AUDIT_LEAVES").ok().and_then(|typed| typed.parse().ok()).unwrap_or(LEAVES);
    let mut scene = Scene::with_cache(BLOCK_CACHE_BYTES).await;
    let (mut numbers, mut known) = (Numbers(7), vec![0; usize::try_from(PEOPLE).expect("a few")]);
    let (mut applied, mut indexed, mut rounds) = (Duration::ZERO, Duration::ZERO, Vec::new());
    while scene.state.meta().leaves < leaves {
        let from = scene.state.meta().leaves;
        let batch: Vec<Many> = (from..from + 256).map(|number| many(number, &mut numbers)).collect();
        let began = Instant::now();
        scene.append_many(&batch, &mut known).await;
        applied += began.elapsed();
        // As behind a busy node: now and then a round.
        let behind = scene.state.meta().leaves - scene.index.progress().leaves;
        if behind >= u64::try_from(ROUND_LEAVES_MAX).expect("small") {
            let began = Instant::now();
            assert!(matches!(step(&scene.index, &scene.state), Ok(Stepped::Added(_))));
            rounds.push(began.elapsed());
            indexed += began.elapsed();
        }
    }
    scene.level();
    scene.index.flush().expect("flushed");
    let all = scene.state.meta().leaves;
    let per_leaf = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(u32::try_from(all).expect("millions"));
    println!("{all} leaves: {:.2} µs a leaf to apply, {:.2} µs to index", per_leaf(applied), per_leaf(indexed));
    println!("a round of {ROUND_LEAVES_MAX}: {}", quantiles(&mut rounds));
    println!("index: {} MiB on disk, {} bytes a leaf", scene.index.disk_bytes() >> 20, scene.index.disk_bytes() / all);

    let search =
        |groups: Vec<Vec<Term>>| Search { groups, trail: None, within: 0..u64::MAX, newest_first: true, limit: PAGE };
    let mut ask = |what: &str, make: &mut dyn FnMut(&mut Numbers) -> Search| {
        let (mut times, mut found) = (Vec::with_capacity(QUERIES), 0);
        for _ in 0..QUERIES {
            let search = make(&mut numbers);
            let began = Instant::now();
            let page = find(&scene.index, &scene.state, &search).expect("found");
            times.push(began.elapsed());
            found += page.entries.len();
        }
        println!("{what}: {}, {} entries a page", quantiles(&mut times), found / QUERIES);
    };
    ask("by official", &mut |numbers| search(vec![vec![Term::Official(mark(numbers.next() % OFFICIALS))]]));
    ask("by dossier", &mut |numbers| search(vec![vec![Term::Dossier(mark(numbers.next() % (all / 3) + 1))]]));
    ask("by portal and time", &mut |numbers| {
        let at_ms = stamp_of(numbers.next() % (all / 256));
        let portal = u32::try_from(numbers.next() % PORTALS + 1).expect("a few");
        let from = scene.state.position_at(at_ms).expect("read");
        let until = scene.state.position_at(at_ms + 1_000 * BATCH_MS).expect("read");
        Search { within: from..until, ..search(vec![vec![Term::Portal(portal)]]) }
    });
    ask("by official and procedure", &mut |numbers| {
        let procedure = u32::try_from(numbers.next() % PROCEDURES + 1).expect("a few");
        search(vec![vec![Term::Official(mark(numbers.next() % OFFICIALS))], vec![Term::Procedure(procedure)]])
    });
    ask("by person", &mut |numbers| {
        let person = numbers.next() % PEOPLE;
        let trail = scene.state.trail(&row_key(person)).expect("read");
        let within = if trail.is_some() { 0..u64::MAX } else { 0..0 };
        Search { trail, within, ..search(Vec::new()) }
    });
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |hundredth: usize| times.get(times.len() * hundredth / 100).copied().unwrap_or_default();
    format!("p50 {:?}, p99 {:?}", at(50), at(99))
}
