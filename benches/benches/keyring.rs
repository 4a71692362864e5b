//! Keys at rest: what sealing and naming cost a question.

use std::hint::black_box;

use criterion::Criterion;
use xacminh_core::draft;
use xacminh_proto::transparency::Salt;

use crate::fixtures;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keyring");
    let (keyring, question) = (fixtures::keyring(), fixtures::question(1));
    let plain = fixtures::known().encode().expect("encoded");
    let key = keyring.row_key(question.person.number);
    let sealed = keyring.seal_record(&key, &plain).expect("sealed");
    group.bench_function("row key", |bencher| bencher.iter(|| keyring.row_key(black_box(question.person.number))));
    group.bench_function("official's pseudonym", |bencher| {
        bencher.iter(|| keyring.official_pseudonym(question.portal, black_box(&question.official)));
    });
    group.bench_function("record seal", |bencher| bencher.iter(|| keyring.seal_record(&key, black_box(&plain))));
    group.bench_function("record open", |bencher| bencher.iter(|| keyring.open_record(&key, black_box(&sealed))));
    let decision = fixtures::decided(&question, &fixtures::register(), &fixtures::known());
    let salts = draft::Salts { subject: Salt([1; 32]), statements: vec![Salt([2; 32]); 3] };
    let addendum = draft::addendum(&question, &decision, &salts, fixtures::NOW_MS);
    let (own, sealed_own) = keyring.new_person_key(&key).expect("sealed");
    group.bench_function("own key open", |bencher| {
        bencher.iter(|| keyring.open_person_key(&key, black_box(&sealed_own)));
    });
    let own = Some(&own);
    let envelope = keyring.seal_addendum(&addendum, own).expect("sealed");
    group.bench_function("addendum seal", |bencher| bencher.iter(|| keyring.seal_addendum(black_box(&addendum), own)));
    group.bench_function("addendum open", |bencher| bencher.iter(|| keyring.open_addendum(black_box(&envelope), own)));
    group.finish();
}
