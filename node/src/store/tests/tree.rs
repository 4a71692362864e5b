//! The tree on the disk: proofs of old leaves after a start, other trees, years.

use std::collections::BTreeSet;

use xacminh_proto::transparency::{
    Hash,
    merkle::{Frontier, check_consistency, check_inclusion, leaf_hash, prove_consistency, prove_inclusion},
};

use super::*;

const DAY_MS: u64 = 24 * HOUR_MS;

/// The roots of a tree at every size, from its leaves alone.
fn roots(leaves: &[LeafBytes]) -> Vec<Hash> {
    let mut tree = Frontier::new();
    let mut roots = vec![tree.root()];
    for leaf in leaves {
        tree.append(leaf_hash(leaf));
        roots.push(tree.root());
    }
    roots
}

/// Sizes and positions around everything that changes at a power of two or a tile.
fn edges(most: u64) -> BTreeSet<u64> {
    let near = |at: u64| [at.saturating_sub(1), at, at + 1];
    let all = (0..64).map(|bits| 1_u64 << bits).chain((1..4).map(|tiles| tiles * 256)).chain([257 * 256, most]);
    all.flat_map(near).filter(|edge| *edge <= most).collect()
}

#[tokio::test]
async fn every_proof_can_be_made_from_what_a_start_finds() {
    const LEAVES: u64 = 66_000;
    let folder = tempfile::tempdir().unwrap();
    {
        let mut store = open(folder.path());
        let starts = (0..LEAVES).step_by(250);
        let commands =
            (1_u64..).zip(starts).map(|(index, from)| batch_entry(index, START_MS + index, from..from + 250));
        for chunk in commands.collect::<Vec<_>>().chunks(32) {
            apply(&mut store.machine, chunk.to_vec()).await;
        }
        assert_eq!(store.state.meta().leaves, LEAVES);
    }
    let store = open(folder.path());
    let state = &store.state;
    let shard = state.shard_at(LEAVES).unwrap();
    let roots = roots(&state.leaves(0, usize::try_from(LEAVES).unwrap()).unwrap());
    assert_eq!(state.tree().root, roots[usize::try_from(LEAVES).unwrap()]);
    let root = |size: u64| &roots[usize::try_from(size).unwrap()];
    let mut hashes = state.hashes(shard);
    for index in edges(LEAVES - 1) {
        let leaf = state.leaf(index).unwrap().unwrap();
        for size in edges(LEAVES).into_iter().filter(|size| *size > index) {
            let proof = prove_inclusion(&mut hashes, index, size).unwrap();
            assert_eq!(
                check_inclusion(&leaf_hash(&leaf), index, size, &proof, root(size)),
                Ok(()),
                "{index} in {size}"
            );
        }
    }
    for old in edges(LEAVES) {
        for new in edges(LEAVES).into_iter().filter(|new| *new >= old) {
            let proof = prove_consistency(&mut hashes, old, new).unwrap();
            assert_eq!(check_consistency((old, root(old)), (new, root(new)), &proof), Ok(()), "{old} to {new}");
        }
    }
    // The batch that brought a leaf, wherever in it the leaf is.
    for (position, end) in [(0, 250), (249, 250), (250, 500), (LEAVES - 1, LEAVES)] {
        assert_eq!(state.batch_of(position).unwrap().unwrap().0, end);
    }
    assert_eq!(state.batch_of(LEAVES).unwrap(), None);
}

#[tokio::test]
async fn proofs_of_new_leaves_need_no_disk_and_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    apply(&mut store.machine, entries(0..71)).await;
    let state = &store.state;
    let shard = state.shard_at(1).unwrap();
    let roots = roots(&state.leaves(0, 1_000).unwrap());
    for index in 0..700 {
        let leaf = leaf_hash(&state.leaf(index).unwrap().unwrap());
        for size in [index + 1, 700] {
            let proof = prove_inclusion(&mut state.hashes(shard), index, size).unwrap();
            let root = &roots[usize::try_from(size).unwrap()];
            assert_eq!(check_inclusion(&leaf, index, size, &proof, root), Ok(()), "{index} in {size}");
        }
    }
}

#[tokio::test]
async fn another_tree_than_the_proposers_stops_the_node_and_is_kept_as_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Arc::new(Mutex::new(Vec::new()));
    let hook: FatalHook = {
        let faults = Arc::clone(&faults);
        Arc::new(move |fault: Fatal| faults.lock().unwrap().push(fault.to_string()))
    };
    let mut store = try_open(folder.path(), 1, Arc::new(Notes::default()), hook).unwrap();
    apply(&mut store.machine, entries(0..4)).await;
    let mut tree = store.state.tree();
    tree.root[7] ^= 1;
    let items = vec![item(90, START_MS + 9)];
    let claimed = Command::Batch(Batch { at_ms: START_MS + 9, clock_ms: START_MS + 9, tree, items });
    let entry = command_entry(4, &claimed);
    assert!(store.machine.apply(stream::iter([Ok((entry, None))])).await.is_err());
    assert!(faults.lock().unwrap()[0].contains("another root"), "{faults:?}");
    assert_eq!(store.state.meta().leaves, 30, "nothing of it was written");
    let report = fs::read_to_string(folder.path().join("evidence/entry-4.toml")).unwrap();
    assert!(report.contains("leaves = 30") && report.contains("another root"), "{report}");
    assert_eq!(fs::read(folder.path().join("evidence/entry-4.command")).unwrap(), claimed.encode().unwrap());
    // An earlier head of the right history is what a leader that is a little behind claims.
    let earlier = TreeHead { leaves: 20, root: roots(&store.state.leaves(0, 20).unwrap())[20] };
    let items = vec![item(90, START_MS + 9)];
    let sound = Command::Batch(Batch { at_ms: START_MS + 9, clock_ms: START_MS + 9, tree: earlier, items });
    apply(&mut store.machine, vec![command_entry(4, &sound)]).await;
    assert_eq!(store.state.meta().leaves, 31);
}

#[tokio::test]
async fn a_new_year_begins_a_tree_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    // START_MS is in October 2026.
    let next_year = START_MS + 90 * DAY_MS;
    {
        let mut store = open(folder.path());
        let old = (0..3).map(|index| batch_entry(index + 1, START_MS + index, index * 100..index * 100 + 100));
        apply(&mut store.machine, old.collect()).await;
        let new = (3..6).map(|index| batch_entry(index + 1, next_year + index, index * 100..index * 100 + 100));
        apply(&mut store.machine, new.collect()).await;
    }
    let store = open(folder.path());
    let state = &store.state;
    let [old, new] = state.shards().as_slice().try_into().unwrap();
    assert_eq!([(old.year, old.first), (new.year, new.first)], [(2026, 0), (2027, 300)]);
    assert_eq!([1, 300, 301, 601].map(|leaves| state.shard_at(leaves).unwrap().year), [2026, 2026, 2027, 2027]);
    let opening = Leaf::decode(&state.leaf(300).unwrap().unwrap()).unwrap();
    let before = roots(&state.leaves(0, 300).unwrap());
    assert_eq!((opening.kind, opening.subject, opening.record_version), (LeafKind::ShardOpen, before[300], 300));
    for (shard, first, size) in [(old, 0, 300), (new, 300, 301)] {
        let leaves = state.leaves(first, usize::try_from(size).unwrap()).unwrap();
        let roots = roots(&leaves);
        for index in [0, 1, 255, 256, size - 1] {
            let leaf = leaf_hash(&leaves[usize::try_from(index).unwrap()]);
            let proof = prove_inclusion(&mut state.hashes(shard), index, size).unwrap();
            let root = &roots[usize::try_from(size).unwrap()];
            assert_eq!(check_inclusion(&leaf, index, size, &proof, root), Ok(()), "{} {index}", shard.year);
        }
    }
}
