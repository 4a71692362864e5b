//! `proto`: questions, answers and batches as bytes.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use xacminh_core::command::Command;
use xacminh_proto::{
    codec,
    transparency::{Leaf, Salt, attribute_commitment, attributes_root},
    wire::{Answer, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request, Tagged, frame},
};

use crate::fixtures;

pub(crate) fn benches(criterion: &mut Criterion) {
    messages(criterion);
    batch(criterion);
    leaf(criterion);
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let ask = Tagged { tag: 7, body: Request::Ask(Box::new(fixtures::ask())) };
    let mut bytes = Vec::new();
    frame::append::<REQUEST_BYTES_MAX, _>(&ask, &mut bytes).expect("fits");
    group.bench_function("ask encode", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            frame::append::<REQUEST_BYTES_MAX, _>(black_box(&ask), &mut bytes)
        });
    });
    let body = &bytes[frame::PREFIX_BYTES..];
    group.bench_function("ask decode", |bencher| {
        bencher.iter(|| codec::decode::<REQUEST_BYTES_MAX, Tagged<Request>>(black_box(body)));
    });
    let question = fixtures::question(1);
    let decision = fixtures::decided(&question, &fixtures::register(), &fixtures::known());
    let answer = Answer {
        request_id: question.request_id,
        outcome: decision.outcome,
        position: 1,
        at_ms: fixtures::NOW_MS,
        receipt: None,
    };
    let reply = Tagged { tag: 7, body: Reply::Answer(Box::new(answer)) };
    group.bench_function("answer encode", |bencher| {
        bencher.iter(|| codec::encode::<REPLY_BYTES_MAX, _>(black_box(&reply)));
    });
    let bytes = codec::encode::<REPLY_BYTES_MAX, _>(&reply).expect("fits");
    group.bench_function("answer decode", |bencher| {
        bencher.iter(|| codec::decode::<REPLY_BYTES_MAX, Tagged<Reply>>(black_box(&bytes)));
    });
    group.finish();
}

fn batch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/batch of 256");
    let command = Command::Batch(fixtures::batch(0, fixtures::NOW_MS, 7));
    let bytes = command.encode().expect("fits");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(&command).encode()));
    group.bench_function("decode", |bencher| bencher.iter(|| Command::decode(black_box(&bytes))));
    group.finish();
}

fn leaf(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/leaf");
    let batch = fixtures::batch(0, fixtures::NOW_MS, 7);
    let bytes = &batch.items[0].entry.leaf;
    let leaf = Leaf::decode(bytes).expect("a leaf");
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(&leaf).encode()));
    group.bench_function("decode", |bencher| bencher.iter(|| Leaf::decode(black_box(bytes))));
    group.bench_function("commitment", |bencher| {
        bencher.iter(|| {
            attribute_commitment(black_box("attribute/full_name"), &Salt([3; 32]), "Nguyễn Văn An".as_bytes())
        });
    });
    group.bench_function("root of four", |bencher| {
        bencher.iter(|| attributes_root(black_box(&mut [[4; 32], [3; 32], [2; 32], [1; 32]])));
    });
    group.finish();
}
