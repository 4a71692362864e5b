//! The fuzz targets over seeded random and mutated bytes: what every run of the tests can afford.
//!
//! `proto/fuzz` runs the same functions under libFuzzer for as long as one likes.

#[allow(dead_code, reason = "each test takes what it needs of the fixed values")]
mod common;
#[expect(unreachable_pub, reason = "the same file is the library of the fuzz crate")]
#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Inputs of each kind for each target: some seconds in all.
const INPUTS: u64 = 20_000;

#[test]
fn random_bytes() {
    for seed in 0..INPUTS {
        let mut random = Random(seed);
        let length = random.below(400);
        let bytes: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        run_all(&bytes, seed);
    }
}

#[test]
fn mutated_messages() {
    let seeds: Vec<Vec<u8>> = seeds();
    for seed in 0..INPUTS {
        let mut random = Random(seed ^ 0x5eed);
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        run_all(&bytes, seed);
    }
}

#[test]
fn huge_lengths_everywhere() {
    for message in seeds() {
        // Long messages are texts, which know no bincode: a sample of their places is enough.
        for at in (0..=message.len()).step_by(1 + message.len() / 500) {
            for announced in [u64::MAX, 1 << 40, 1 << 32, 1 << 24, 70_000] {
                // bincode's mark of an eight-byte integer.
                let mut bytes = message[..at].to_vec();
                bytes.push(253);
                bytes.extend_from_slice(&announced.to_le_bytes());
                bytes.extend_from_slice(&message[(at + 1).min(message.len())..]);
                run_all(&bytes, announced);
            }
        }
    }
}

#[test]
fn every_truncation_of_every_message() {
    for message in seeds() {
        for end in (0..message.len()).step_by(1 + message.len() / 1000) {
            run_all(&message[..end], 0);
        }
    }
}

fn run_all(bytes: &[u8], seed: u64) {
    for (name, target) in targets::ALL {
        let run = catch_unwind(AssertUnwindSafe(|| target(bytes)));
        assert!(run.is_ok(), "target {name}, seed {seed}, bytes {bytes:02x?}");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let typed = [
        "048203000015",
        "201234567",
        "Nguyễn Thị Ánh Tuyết",
        "H'Hen Niê",
        "29/02/2004",
        "1950-07-01",
        "1950",
        "xacminh://da-nang/portal/17",
        "xacminh://da-nang/auditor/thanh-tra",
        "tile/0/x001/x234/067",
        "tile/entries/x070/000.p/112",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "claim/15/same_household",
    ];
    let id = common::request_id().to_string();
    let typed = typed.into_iter().map(str::to_owned).chain([id]).map(String::into_bytes);
    common::messages().into_iter().map(|(_, bytes)| bytes).chain(typed).collect()
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(6) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.byte()),
        2 => bytes.extend_from_within(at..),
        3 if at < bytes.len() => bytes[at] = [0, 1, 250, 251, 252, 253, 254, 255][random.below(8)],
        4 if at < bytes.len() => {
            bytes.remove(at);
        }
        _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        _ => {}
    }
}

/// SplitMix64: the same inputs on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("a small bound");
        usize::try_from(self.next() % bound).expect("less than a small bound")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
