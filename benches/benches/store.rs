//! The disk: a batch into the log with its fsync, a batch into the state, one record out of it.
//!
//! The directory is made in the working directory, because `/tmp` is memory on many machines and an fsync there is free.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use futures::stream;
use openraft::{
    EntryPayload, LogId,
    entry::RaftEntry,
    storage::{IOFlushed, RaftLogStorage, RaftStateMachine},
    type_config::{TypeConfigExt, alias::EntryOf},
    vote::leader_id_adv::LeaderId,
};
use tokio::runtime::Runtime;
use xacminh_core::{
    apply::ItemOutcome,
    command::{Command, Item, OwnKey, Person, RecordChange, RecordKey, RecordRead, Ticket},
};
use xacminh_node::{
    raft::{CommandBytes, TypeConfig},
    store::{ApplySink, Options, Store},
};
use xacminh_proto::{transparency::Leaf, vocab::RequestId};

use crate::fixtures;

struct Nobody;

impl ApplySink for Nobody {
    fn applied(&self, _: u64, _: u64, _: u64, outcomes: Vec<(Ticket, ItemOutcome)>) {
        black_box(outcomes);
    }
}

type Entry = EntryOf<TypeConfig>;

pub(crate) fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(".").expect("a directory on a disk");
    let runtime = Runtime::new().expect("a runtime");
    let store = runtime.block_on(async { open(&folder) });
    append(criterion, &runtime, store.log.clone());
    apply(criterion, &runtime, store);
}

fn open(folder: &tempfile::TempDir) -> Store {
    let options = Options {
        directory: folder.path(),
        cluster: "bench",
        node: 1,
        incarnation: 7,
        block_cache_bytes: 64 * 1024 * 1024,
    };
    Store::open(&options, Arc::new(Nobody), Arc::new(|fatal| unreachable!("a bench on a whole disk: {fatal}")))
        .expect("an empty store opens")
}

fn entry(index: u64, command: &Command) -> Entry {
    let bytes = Bytes::from(command.encode().expect("fits"));
    let log_id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index };
    Entry::new(log_id, EntryPayload::Normal(CommandBytes(bytes)))
}

fn append(criterion: &mut Criterion, runtime: &Runtime, mut log: xacminh_node::store::LogStore) {
    let mut group = criterion.benchmark_group("store/batch of 256");
    group.throughput(Throughput::Elements(256)).measurement_time(Duration::from_secs(5));
    let command = Command::Batch(fixtures::batch(0, fixtures::NOW_MS, 0));
    let mut index = 0;
    group.bench_function("append and sync", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let entry = entry(index, &command);
                index += 1;
                let begun = Instant::now();
                runtime.block_on(async {
                    let (sender, synced) = TypeConfig::oneshot();
                    log.append([entry], IOFlushed::signal(sender)).await.expect("appended");
                    synced.await.expect("told").expect("synced");
                });
                spent += begun.elapsed();
            }
            spent
        });
    });
    group.finish();
}

/// People of the apply bench: a town, whose rows are more than the processor's caches hold.
const PEOPLE: u64 = 100_000;

fn apply(criterion: &mut Criterion, runtime: &Runtime, store: Store) {
    let Store { mut machine, state, .. } = store;
    let mut group = criterion.benchmark_group("store/batch of 256");
    group.throughput(Throughput::Elements(256)).measurement_time(Duration::from_secs(5));
    let mut index = 0;
    let mut template = fixtures::batch(0, fixtures::NOW_MS, 0);
    let mut next = |first: Option<u64>| {
        index += 1;
        template.at_ms = fixtures::NOW_MS + index;
        for (seq, item) in (0..).zip(&mut template.items) {
            let chance = *blake3::hash(&[index, seq].map(u64::to_be_bytes).concat()).as_bytes();
            let number = first.map_or_else(
                || u64::from_be_bytes(*chance.first_chunk().expect("32 bytes")) % PEOPLE,
                |first| first + seq,
            );
            let id = RequestId::new(template.at_ms, *chance.last_chunk().expect("32 bytes"));
            renew(item, (index, id, template.at_ms), number, first.is_some());
        }
        entry(index, &Command::Batch(template.clone()))
    };
    let mut run = |entry: Entry| {
        let begun = Instant::now();
        runtime.block_on(machine.apply(stream::iter([Ok((entry, None))]))).expect("applied");
        begun.elapsed()
    };
    // The people become known, so that later batches are about somebody.
    for first in (0..PEOPLE).step_by(256) {
        run(next(Some(first)));
    }
    state.flush().expect("a whole disk");
    group.bench_function("apply", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| run(next(None))).sum());
    });
    group.finish();
    let mut group = criterion.benchmark_group("store");
    let key = row_key(100);
    group.bench_function("record", |bencher| bencher.iter(|| state.record(black_box(&key))));
    group.bench_function("seen", |bencher| {
        let request = xacminh_core::command::RequestKey {
            id: fixtures::question(1).request_id,
            portal: fixtures::question(1).portal,
        };
        bencher.iter(|| state.seen(black_box(&request)));
    });
    group.finish();
}

/// The same item as a fresh question about the `number`-th person: apply would turn the old one away as a duplicate.
fn renew(item: &mut Item, (index, id, at_ms): (u64, RequestId, u64), number: u64, first: bool) {
    let mut leaf = Leaf::decode(&item.entry.leaf).expect("a leaf");
    leaf.request_id = id;
    leaf.time_ms = at_ms;
    item.entry.leaf = leaf.encode();
    item.entry.request.id = id;
    item.decided_at_ms = at_ms;
    let key = row_key(number);
    // Entries from 1 on made everybody's record and own key, 256 people each.
    let created = if first { 0 } else { number / 256 + 1 };
    let as_of = index - 1;
    item.read = Some(RecordRead { key, as_of });
    item.remember = first.then(|| RecordChange { key, as_of, sealed: vec![9; 400] });
    let own_key = if first { OwnKey::New { chain: key, sealed: vec![8; 60] } } else { OwnKey::Known { created } };
    item.entry.person = Some(Person { key, own_key });
}

/// Scattered as the keyed hashes of numbers are.
fn row_key(number: u64) -> RecordKey {
    *blake3::hash(&number.to_be_bytes()).as_bytes()
}
