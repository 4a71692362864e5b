//! `node/core`: what is computed for every question, and for every batch on every node.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use xacminh_core::{
    apply::{Loaded, apply, wanted},
    command::{Command, TreeHead},
    decide::{Asked, decide},
    draft,
    register::permit,
};
use xacminh_proto::transparency::{Envelope, Salt};

use crate::fixtures;

pub(crate) fn benches(criterion: &mut Criterion) {
    question(criterion);
    batch(criterion);
}

fn question(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core/question");
    let (register, known, question) = (fixtures::register(), fixtures::known(), fixtures::question(1));
    let now_ms = fixtures::NOW_MS;
    group.bench_function("permit", |bencher| bencher.iter(|| permit(black_box(&question), &register, now_ms)));
    let permitted = fixtures::permitted(&question, &register);
    group.bench_function("decide", |bencher| {
        bencher.iter(|| decide(black_box(&question), &permitted, Some(&known), Asked::NotYet, fixtures::NOW_MS));
    });
    let decision = fixtures::decided(&question, &register, &known);
    let salts = draft::Salts { subject: Salt([1; 32]), statements: vec![Salt([2; 32]); 3] };
    let context = draft::Context {
        official: [1; 16],
        grounds: permitted.grounds(),
        addendum_digest: Envelope::digest(&[0; 600]),
    };
    group.bench_function("leaf with commitments", |bencher| {
        bencher.iter(|| draft::leaf(black_box(&question), &decision, &salts, &context));
    });
    group.finish();
}

fn batch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core/batch of 256");
    group.throughput(Throughput::Elements(256));
    let command = Command::Batch(fixtures::batch(0, fixtures::NOW_MS, 7));
    let meta = fixtures::meta();
    group.bench_function("wanted", |bencher| bencher.iter(|| wanted(black_box(&command))));
    group.bench_function("apply", |bencher| {
        bencher.iter_batched(
            || Loaded { meta, root_at: Some(TreeHead::default().root), ..Loaded::default() },
            |loaded| apply(9, &command, loaded),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}
