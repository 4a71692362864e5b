//! A person's trail over two shards: two accesses in one, and in the next one that is withheld and one that is bare.

use xacminh_proto::{
    transparency::{
        Disclosure, Leaf,
        merkle::{leaf_hash, prove_inclusion},
        trail::{self, Place, Promises, TrailEnd, TrailEntry, TrailProof},
    },
    vocab::{Date, PersonNumber},
};

use super::log::{self, Key, Log};
use xacminh_proto::transparency::note::KeyKind;

/// The shard after [`log::ORIGIN`].
pub(crate) const NEXT_ORIGIN: &str = "xacminh.example/da-nang/2028";

const SEED: [u8; 32] = [0x5e; 32];

pub(crate) fn next_key() -> Key {
    Key::new(NEXT_ORIGIN, KeyKind::Ed25519, 2)
}

/// Where the accesses are: shard and index.
const PLACES: [(usize, u64); 4] = [(0, 5), (0, 41), (1, 3), (1, 9)];

/// The leaves of the trail, linked.
fn leaves(seed: &trail::Chain) -> (Vec<Disclosure>, trail::Chain) {
    let (addendum, openings) = (super::addendum(), log::openings());
    let number = PersonNumber::parse(&addendum.number).expect("a number");
    let mut chain = *seed;
    let mut disclosures = Vec::new();
    for time_ms in (1_803_859_200_456..).take(PLACES.len()) {
        let leaf = Leaf { previous: trail::link(&chain), time_ms, ..log::answered_leaf(&openings) }.encode();
        let subject = Some((addendum.subject_salt, number));
        disclosures.push(Disclosure::new(&leaf, subject, openings.clone()).expect("openings of this leaf"));
        chain = trail::extend(&chain, &leaf_hash(&leaf));
    }
    (disclosures, chain)
}

/// The trail, and those of its parts that a dishonest node could have left out: any of `PLACES`.
pub(crate) fn trail_without(left_out: &[usize], sign_what_is_left: bool) -> TrailProof {
    trail_of(left_out, sign_what_is_left, 0..0, 0)
}

/// The trail with the leaves of these places gone, and an end that says how many are.
#[allow(dead_code, reason = "golden files are of whole trails")]
pub(crate) fn pruned_trail(gone: std::ops::Range<usize>, told: u64) -> TrailProof {
    trail_of(&[], true, gone, told)
}

fn trail_of(left_out: &[usize], sign_what_is_left: bool, gone: std::ops::Range<usize>, pruned: u64) -> TrailProof {
    let (disclosures, whole_chain) = leaves(&SEED);
    let entry = |shard: usize, index: u64| {
        let place = PLACES.iter().position(|place| *place == (shard, index))?;
        Some(disclosures[place].leaf().to_vec())
    };
    let logs = [(0, 50), (1, 20)].map(|(shard, size)| Log::with(size, |index| entry(shard, index)));
    let checkpoints = [logs[0].checkpoint_as(&log::log_key()), logs[1].checkpoint_as(&next_key())];
    let mut promises = Promises::default();
    let (mut entries, mut chain, mut place_in_trail) = (Vec::new(), SEED, 0);
    for (number, ((shard, index), disclosure)) in PLACES.into_iter().zip(&disclosures).enumerate() {
        if left_out.contains(&number) {
            continue;
        }
        let size = logs[shard].frontier.size();
        let proof = prove_inclusion(&mut &logs[shard], index, size).expect("within the tree");
        let place = Place { shard, index, proof };
        let hash = leaf_hash(disclosure.leaf());
        chain = trail::extend(&chain, &hash);
        entries.push(match number {
            _ if gone.contains(&number) => TrailEntry::Pruned { place, hash },
            2 => {
                let until = Date::parse("2028-05-30").expect("a day");
                promises.add(place_in_trail, until);
                TrailEntry::Withheld { until, hash }
            }
            3 => TrailEntry::Bare { place, leaf: disclosure.leaf().to_vec() },
            _ => {
                TrailEntry::Shown { place, disclosure: disclosure.redact(|name| matches!(name, "subject" | "outcome")) }
            }
        });
        place_in_trail += 1;
    }
    let count = if sign_what_is_left { place_in_trail } else { 4 };
    let chain = if sign_what_is_left { chain } else { whole_chain };
    let end = TrailEnd { origin: NEXT_ORIGIN.into(), size: 20, count, chain, pruned, withheld: promises.finish() };
    let end = end.note(vec![next_key().signature(&end.text())]).expect("a note");
    TrailProof::new(SEED, checkpoints.to_vec(), end, entries)
}

pub(crate) fn trail() -> TrailProof {
    trail_without(&[], true)
}
