//! Snapshots: an empty node becomes equal, and nothing half or changed is ever in force.

use openraft::storage::RaftSnapshotBuilder;

use xacminh_core::command::Erasure;

use super::*;
use crate::store::snapshot::SnapshotMetaOf;

async fn snapshot_of(store: &mut Store) -> (SnapshotMetaOf, SnapshotDir) {
    let built = store.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    (built.meta, built.snapshot)
}

fn send(snapshot: &SnapshotDir, incoming: &Path, change: impl Fn(&str, &mut Vec<u8>)) -> io::Result<SnapshotDir> {
    let mut receiving = SnapshotDir::receive(incoming, snapshot.manifest().clone())?;
    for file in &snapshot.manifest().files {
        let mut bytes = fs::read(snapshot.path().join(&file.name)).unwrap();
        change(&file.name, &mut bytes);
        for chunk in bytes.chunks(1000) {
            receiving.write(&file.name, chunk)?;
        }
    }
    receiving.finish()
}

#[tokio::test]
async fn a_snapshot_makes_an_empty_node_equal() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = open(one.path());
    apply(&mut first.machine, entries(0..30)).await;
    let (meta, snapshot) = snapshot_of(&mut first).await;
    assert_eq!(first.state.flushed_next(), 30, "a snapshot is a flush");
    let digest = first.state.digest().unwrap();

    let mut second = try_open(two.path(), 2, Arc::new(Notes::default()), unexpected()).unwrap();
    let early_reader = second.state.clone();
    let received = send(&snapshot, &second.incoming(), |_, _| ()).unwrap();
    let arrived = received.path().to_owned();
    second.machine.install_snapshot(&meta, received).await.unwrap();
    assert_eq!(second.state.digest().unwrap(), digest);
    assert_eq!(early_reader.digest().unwrap(), digest, "handles follow the generation in force");
    assert_eq!(second.state.flushed_next(), 30);
    assert!(!arrived.exists(), "nothing stays in the folder for arrivals");
    assert!(!two.path().join("state/1").exists() && two.path().join("state/2").exists());
    let current = second.machine.get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(current.meta, meta);

    apply(&mut second.machine, entries(30..35)).await;
    apply(&mut first.machine, entries(30..35)).await;
    assert_eq!(second.state.digest().unwrap(), first.state.digest().unwrap());
    drop((second, early_reader));
    let mut again = try_open(two.path(), 2, Arc::new(Notes::default()), unexpected()).unwrap();
    assert_eq!(again.state.digest().unwrap(), first.state.digest().unwrap());
    assert_eq!(again.machine.get_current_snapshot().await.unwrap().unwrap().meta, meta);
}

#[tokio::test]
async fn only_the_newest_snapshot_is_kept_and_one_in_use_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    apply(&mut store.machine, entries(0..10)).await;
    let (_, old) = snapshot_of(&mut store).await;
    let (_, same) = snapshot_of(&mut store).await;
    assert_eq!(old.path(), same.path(), "nothing was applied in between");
    drop(same);
    apply(&mut store.machine, entries(10..20)).await;
    let (_, new) = snapshot_of(&mut store).await;
    let old_path = old.path().to_owned();
    assert!(old_path.exists() && new.path().exists());
    drop(old);
    assert!(!old_path.exists() && new.path().exists());
}

#[tokio::test]
async fn a_changed_cut_or_padded_file_is_refused_and_leaves_nothing() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(folder.path());
    apply(&mut store.machine, entries(0..10)).await;
    let (_, snapshot) = snapshot_of(&mut store).await;
    let incoming = elsewhere.path().join("incoming");
    for file in &snapshot.manifest().files {
        let flip = |name: &str, bytes: &mut Vec<u8>| {
            if name == file.name {
                *bytes.last_mut().unwrap() ^= 1;
            }
        };
        let cut = |name: &str, bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - usize::from(name == file.name));
        let pad = |name: &str, bytes: &mut Vec<u8>| bytes.resize(bytes.len() + usize::from(name == file.name), 0);
        assert!(send(&snapshot, &incoming, flip).is_err());
        assert!(send(&snapshot, &incoming, cut).is_err());
        assert!(send(&snapshot, &incoming, pad).is_err());
    }
    let mut receiving = SnapshotDir::receive(&incoming, snapshot.manifest().clone()).unwrap();
    assert!(receiving.write("../../escape", b"x").is_err());
    drop(receiving);
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 0);
}

#[tokio::test]
async fn a_crash_between_staging_and_pointer_keeps_the_old_state() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = open(one.path());
    apply(&mut first.machine, entries(0..30)).await;
    let (meta, snapshot) = snapshot_of(&mut first).await;
    let mut second = try_open(two.path(), 2, Arc::new(Notes::default()), unexpected()).unwrap();
    apply(&mut second.machine, entries(0..3)).await;
    second.state.flush().unwrap();
    let before = second.state.digest().unwrap();
    drop(send(&snapshot, &second.incoming(), |_, _| ()).unwrap());
    let received = send(&snapshot, &second.incoming(), |_, _| ()).unwrap();
    // What install has done when it is about to write the pointer.
    crash_copy(received.path(), &two.path().join("state/2"));
    let crashed = tempfile::tempdir().unwrap();
    crash_copy(two.path(), crashed.path());
    let again = try_open(crashed.path(), 2, Arc::new(Notes::default()), unexpected()).unwrap();
    assert_eq!(again.state.digest().unwrap(), before);
    assert!(!crashed.path().join("state/2").exists());
    assert_eq!(fs::read_dir(again.incoming()).unwrap().count(), 0, "half an install is begun anew");

    second.machine.install_snapshot(&meta, received).await.unwrap();
    // What install has done when the pointer is written and the snapshot not yet kept.
    let crashed = tempfile::tempdir().unwrap();
    crash_copy(two.path(), crashed.path());
    fs::remove_dir_all(crashed.path().join("snapshots")).unwrap();
    let again = try_open(crashed.path(), 2, Arc::new(Notes::default()), unexpected()).unwrap();
    assert_eq!(again.state.digest().unwrap(), first.state.digest().unwrap());
}

#[tokio::test]
async fn a_snapshot_that_is_not_what_it_says_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = open(one.path());
    apply(&mut first.machine, entries(0..30)).await;
    let (mut meta, snapshot) = snapshot_of(&mut first).await;
    let mut second = try_open(two.path(), 2, Arc::new(Notes::default()), unexpected()).unwrap();
    let mut manifest = snapshot.manifest().clone();
    manifest.leaves += 1;
    let mut receiving = SnapshotDir::receive(&second.incoming(), manifest).unwrap();
    for file in &snapshot.manifest().files {
        receiving.write(&file.name, &fs::read(snapshot.path().join(&file.name)).unwrap()).unwrap();
    }
    let lying = receiving.finish().unwrap();
    assert!(second.machine.install_snapshot(&meta, lying).await.is_err());
    meta.last_log_id = Some(log_id(31));
    let other = send(&snapshot, &second.incoming(), |_, _| ()).unwrap();
    assert!(second.machine.install_snapshot(&meta, other).await.is_err());
    assert_eq!(second.state.applied(), None, "the state in force was not touched");
    assert!(!two.path().join("state/2").exists());
}

#[tokio::test]
async fn a_damaged_snapshot_is_an_error_and_never_no_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    apply(&mut store.machine, entries(0..10)).await;
    let (_, snapshot) = snapshot_of(&mut store).await;
    let manifest = snapshot.path().join("snapshot.manifest");
    drop((store, snapshot));
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[3] ^= 1;
    fs::write(&manifest, bytes).unwrap();
    let error = try_open(folder.path(), 1, Arc::new(Notes::default()), unexpected()).err().unwrap();
    assert!(matches!(error, StoreError::Snapshot { .. }), "{error}");
}

/// An entry that erases a person who was asked about at the beginning.
fn erasure(index: u64, number: u64) -> Entry {
    let at_ms = START_MS + HOUR_MS;
    let item = item(number, at_ms);
    let mut leaf = Leaf::decode(&item.entry.leaf).unwrap();
    leaf.kind = LeafKind::Erased;
    let person = item.entry.person.unwrap().key;
    let (leaf, envelope) = (leaf.encode(), b"sealed ground".to_vec());
    command_entry(index, &Command::Erase(Erasure { ticket: item.ticket, at_ms, person, created: 1, leaf, envelope }))
}

/// Whether bytes stand in a table below a folder.
fn in_tables(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .any(|path| if path.is_dir() { in_tables(&path, bytes) } else { contains(&fs::read(&path).unwrap(), bytes) })
}

fn contains(content: &[u8], bytes: &[u8]) -> bool {
    content.windows(bytes.len()).any(|window| window == bytes)
}

/// A snapshot that was made between an erasure and the scrubbing stands after the erasure and links to tables of before it.
/// It is not taken for a clear one, and another is made although nothing was applied since.
#[tokio::test]
async fn a_snapshot_of_tables_that_were_not_scrubbed_is_made_again() {
    // Bytes that no table makes shorter.
    let sealed = |number: u64| blake3::hash(&number.to_be_bytes()).as_bytes().to_vec();
    let (gone, kept) = (sealed(7), sealed(8));
    let folder = tempfile::tempdir().unwrap();
    let snapshots = folder.path().join("snapshots");
    let mut store = open(folder.path());
    let remembered = |number| {
        let mut item = item(number, START_MS);
        item.remember.as_mut().unwrap().sealed = sealed(number);
        item
    };
    let asked = batch(START_MS, (0..9).map(remembered).collect());
    apply(&mut store.machine, vec![command_entry(1, &asked), batch_entry(2, START_MS + 1, 9..19)]).await;
    store.state.flush().unwrap();
    apply(&mut store.machine, vec![erasure(3, 7)]).await;
    assert_eq!(store.state.meta().erased, 3);
    let (meta, before) = snapshot_of(&mut store).await;
    assert!(meta.last_log_id.is_some_and(|log_id| log_id.index == 3));
    assert!(in_tables(&snapshots, &gone), "the tables are those of before");
    assert!(store.state.snapshot_is_clear(3).is_err(), "nothing was scrubbed");

    // As after a stop in between: everything begins anew, with the snapshot that there is.
    drop((store, before));
    let mut store = open(folder.path());
    assert!(store.state.snapshot_is_clear(3).is_err());
    store.state.scrub().unwrap();
    assert!(!store.state.snapshot_is_clear(3).unwrap());
    assert!(in_tables(&snapshots, &gone));
    let sent = store.machine.get_current_snapshot().await.unwrap().unwrap().snapshot;
    let (again, after) = snapshot_of(&mut store).await;
    assert_eq!(again, meta);
    assert!(sent.path() != after.path() && !store.state.snapshot_is_clear(3).unwrap(), "somebody sends the old one");
    drop(sent);
    assert!(store.state.snapshot_is_clear(3).unwrap());
    assert!(!store.state.snapshot_is_clear(4).unwrap(), "of an erasure to come");
    assert!(!in_tables(&snapshots, &gone) && in_tables(&snapshots, &kept));
    assert!(!in_tables(&folder.path().join("state"), &gone));
    let (_, same) = snapshot_of(&mut store).await;
    assert_eq!(same.path(), after.path(), "and not again");

    // What another node sends was not scrubbed here: what was noted as cleared is not any more, also after a stop.
    let cleared = Cleared { index: 3, generation: store.state.scrub().unwrap() };
    assert_eq!(store.state.uncleared(cleared), None);
    assert_eq!(store.state.uncleared(Cleared::default()), Some(3));
    let received = send(&after, &store.incoming(), |_, _| ()).unwrap();
    store.machine.install_snapshot(&again, received).await.unwrap();
    assert!(store.state.snapshot_is_clear(3).is_err());
    assert_eq!(store.state.uncleared(cleared), Some(3));
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.state.uncleared(cleared), Some(3));
    let cleared = Cleared { index: 3, generation: store.state.scrub().unwrap() };
    assert_eq!(store.state.uncleared(cleared), None);
}
