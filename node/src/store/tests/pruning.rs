//! Entries older than the register keeps them: gone on every replica at the same entry, and missed by no proof.

use xacminh_proto::transparency::{
    Hash,
    merkle::{check_inclusion, leaf_hash, prove_inclusion},
};

use super::*;

const DAY_MS: u64 = 24 * HOUR_MS;

/// Days that entries are kept in these tests, and the least a register may say.
const KEPT_DAYS: u32 = 730;

fn retention(at_ms: u64, entries_days: u32) -> Command {
    let request = item(1, at_ms).entry.request;
    let mut policy = Leaf::decode(&leaf(request, at_ms)).unwrap();
    (policy.kind, policy.register_revision) = (LeafKind::Policy, 1);
    Command::Register(RegisterChange {
        ticket: Ticket { node: 1, boot: 1, seq: 1 },
        at_ms,
        before: 0,
        revision: 1,
        entries_days,
        document: "[register]\nrevision = 1".into(),
        leaf: policy.encode(),
        envelope: b"sealed".to_vec(),
    })
}

/// Questions of revision 1 about people who were asked about before, so that trails grow.
fn again(at_ms: u64, numbers: std::ops::Range<u64>, created: impl Fn(u64) -> u64) -> Command {
    let items = numbers.map(|number| {
        let mut item = item(number, at_ms);
        item.remember = None;
        item.entry.register_revision = 1;
        let mut leaf = Leaf::decode(&item.entry.leaf).unwrap();
        leaf.register_revision = 1;
        item.entry.leaf = leaf.encode();
        let person = item.entry.person.as_mut().unwrap();
        person.own_key = command::OwnKey::Known { created: created(number) };
        item
    });
    batch(at_ms, items.collect())
}

/// Ten days of questions, fifty a day, about five hundred people; a policy; then, more than two years later, questions in
/// three hours. Year after year begins a shard.
fn commands(entries_days: u32) -> Vec<Command> {
    let days =
        (0..10).map(|day| batch(START_MS + day * DAY_MS, (0..50).map(|n| item(day * 50 + n, START_MS)).collect()));
    let mut commands: Vec<Command> = days.collect();
    commands.iter_mut().for_each(stamp);
    let policy_ms = START_MS + 11 * DAY_MS;
    commands.push(retention(policy_ms, entries_days));
    let late_ms = START_MS + (u64::from(KEPT_DAYS) + 30) * DAY_MS;
    for hour in 0..4 {
        commands.push(again(late_ms + hour * HOUR_MS, hour * 20..hour * 20 + 20, |number| number / 50 + 1));
    }
    commands
}

/// Items are made with one time; these are decided and stamped at their batch's.
fn stamp(command: &mut Command) {
    let Command::Batch(batch) = command else { return };
    for (seq, item) in (0_u64..).zip(&mut batch.items) {
        let id = RequestId::new(batch.at_ms, [&[1, 1], seq.to_be_bytes().as_slice()].concat().try_into().unwrap());
        item.decided_at_ms = batch.at_ms;
        item.entry.request.id = id;
        let mut leaf = Leaf::decode(&item.entry.leaf).unwrap();
        (leaf.request_id, leaf.time_ms) = (id, batch.at_ms);
        item.entry.leaf = leaf.encode();
    }
}

async fn applied(root: &Path, commands: &[Command]) -> Store {
    let mut store = open(root);
    let entries = (1..).zip(commands).map(|(index, command)| command_entry(index, command));
    apply(&mut store.machine, entries.collect()).await;
    store
}

#[tokio::test]
async fn what_is_older_than_the_register_keeps_goes_by_and_by() {
    let folder = tempfile::tempdir().unwrap();
    let all = commands(KEPT_DAYS);
    let mut seen = Vec::new();
    let mut store = open(folder.path());
    for (index, command) in (1..).zip(&all) {
        apply(&mut store.machine, vec![command_entry(index, command)]).await;
        seen.push(store.state.pruned());
    }
    // The clock jumps by two years with the twelfth entry, which prunes nothing: the one before it is of the policy's day.
    assert_eq!(&seen[..12], [0; 12]);
    // A year that has ended has its last tile, however full it is. Then whole rows of sixteen go.
    assert_eq!(seen[12..], [496; 3]);
    let state = &store.state;
    assert_eq!((state.leaf(495).unwrap(), state.leaf(496).unwrap().is_some()), (None, true));
}

/// A log in which a day is three tiles: what goes is seen.
async fn pruned(root: &Path) -> (Store, Vec<LeafBytes>) {
    let mut store = open(root);
    let mut kept = Vec::new();
    let mut index = 1;
    let mut commit = async |store: &mut Store, command: &Command| {
        let before = store.state.meta().leaves;
        apply(&mut store.machine, vec![command_entry(index, command)]).await;
        kept.extend(store.state.leaves(before, 1_000).unwrap());
        index += 1;
    };
    for tile in 0..12 {
        let at_ms = START_MS + tile / 3 * DAY_MS + tile;
        let mut command = batch(at_ms, (0..256).map(|number| item(tile * 256 + number, START_MS)).collect());
        stamp(&mut command);
        commit(&mut store, &command).await;
    }
    commit(&mut store, &retention(START_MS + 5 * DAY_MS, KEPT_DAYS)).await;
    let late_ms = START_MS + (u64::from(KEPT_DAYS) + 30) * DAY_MS;
    for hour in 0..3 {
        // Everybody of the first hundred is asked about once more, each hour.
        commit(&mut store, &again(late_ms + hour * HOUR_MS, 0..100, |_| 1)).await;
    }
    (store, kept)
}

#[tokio::test]
async fn proofs_and_trails_outlive_entries() {
    let folder = tempfile::tempdir().unwrap();
    let (store, leaves) = pruned(folder.path()).await;
    // The jump's own entry prunes nothing, the next hours a day each.
    assert_eq!(store.state.pruned(), 1536);
    store.state.flush().unwrap();
    for reopened in [false, true] {
        let copy = tempfile::tempdir().unwrap();
        let state = if reopened {
            crash_copy(folder.path(), copy.path());
            open(copy.path()).state
        } else {
            store.state.clone()
        };
        assert_eq!(state.leaves(1500, 100).unwrap(), Vec::<LeafBytes>::new());
        assert_eq!(state.leaf(1535).unwrap(), None);
        assert_eq!((state.addendum(1535).unwrap(), state.addendum(1536).unwrap().is_some()), (None, true));
        assert_eq!(state.leaf(1536).unwrap(), Some(leaves[1536]));
        for position in [0_u64, 255, 256, 1535, 1536, 3071, 3072] {
            let hash = leaf_hash(&leaves[usize::try_from(position).unwrap()]);
            assert_eq!(state.leaf_hash(position).unwrap(), Some(hash), "{position}");
            let shard = state.shard_at(position + 1).unwrap();
            let ends = state.shards().iter().map(|next| next.first).find(|first| *first > position);
            let size = ends.unwrap_or(state.meta().leaves) - shard.first;
            let root = root_of(&leaves[usize::try_from(shard.first).unwrap()..][..usize::try_from(size).unwrap()]);
            let proof = prove_inclusion(&mut state.hashes(shard), position - shard.first, size).unwrap();
            assert_eq!(check_inclusion(&hash, position - shard.first, size, &proof, &root), Ok(()), "{position}");
        }
        let trail = state.trail(&item(7, 0).entry.person.unwrap().key).unwrap().unwrap();
        let accesses = state.accesses(&trail).unwrap();
        assert_eq!((accesses.len(), accesses[0]), (4, 7), "its first leaf is gone, and still counted");
        assert_eq!(state.accesses(&trail).unwrap().last(), Some(&trail.last));
    }
}

fn root_of(leaves: &[LeafBytes]) -> Hash {
    let mut tree = xacminh_proto::transparency::merkle::Frontier::new();
    leaves.iter().for_each(|leaf| tree.append(leaf_hash(leaf)));
    tree.root()
}

#[tokio::test]
async fn replicas_prune_alike_and_a_register_without_retention_prunes_nothing() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let (one, _) = pruned(folders[0].path()).await;
    let (other, _) = pruned(folders[1].path()).await;
    assert_eq!(one.state.digest().unwrap(), other.state.digest().unwrap());
    let kept = applied(folders[2].path(), &commands(0)).await;
    assert_eq!(kept.state.pruned(), 0);
    assert_eq!(kept.state.meta().leaves, 10 * 50 + 1 + 1 + 4 * 20, "with the entry that opens the year");
}
