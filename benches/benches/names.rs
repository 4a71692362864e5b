//! `node/core/matching/names`: what a comparison costs, from the same text to the longest there can be.

use std::hint::black_box;

use criterion::Criterion;
use xacminh_core::matching::names::{NameThreshold, compare, rule};
use xacminh_proto::vocab::FullName;

/// What is compared, and how it differs.
pub(crate) const PAIRS: [(&str, &str, &str); 12] = [
    ("the same", "Nguyễn Thị Ngọc Hân", "Nguyễn Thị Ngọc Hân"),
    ("case", "NGUYỄN THỊ NGỌC HÂN", "Nguyễn Thị Ngọc Hân"),
    ("place of the tone mark", "Nguyễn Thị Minh Hoà", "Nguyễn Thị Minh Hòa"),
    ("i and y", "Lí Thị Mĩ", "Lý Thị Mỹ"),
    ("no diacritics", "NGUYEN THI NGOC HAN", "Nguyễn Thị Ngọc Hân"),
    ("no spaces either", "NGUYENTHINGOCHAN", "Nguyễn Thị Ngọc Hân"),
    ("a variant", "Huỳnh Thị Ngọc Hân", "Hoàng Thị Ngọc Hân"),
    ("another order", "Hân Nguyễn Thị Ngọc", "Nguyễn Thị Ngọc Hân"),
    ("a word missing", "Nguyễn Ngọc Hân", "Nguyễn Thị Ngọc Hân"),
    ("a minority name", "Hơ Hen Niê Kdăm", "H'Hen Niê Kdăm"),
    ("another", "Trần Văn Bình", "Nguyễn Thị Ngọc Hân"),
    (
        "eight words in another order",
        "Trân Bảo Quỳnh Hoàng Thị Nguyễn Nữ Tôn",
        "Tôn Nữ Nguyễn Thị Hoàng Quỳnh Bảo Trân",
    ),
];

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core/names");
    let name = |text: &str| FullName::parse(text).expect("a name");
    for (case, asked, recorded) in PAIRS {
        let (asked, recorded) = (name(asked), name(recorded));
        group.bench_function(case, |bencher| bencher.iter(|| compare(black_box(&asked), black_box(&recorded))));
    }
    // The most work that 200 bytes can ask for: eight long words that are all alike, in another order.
    let long: Vec<String> = (0..8).map(|at| format!("Nghiênghuỳnhnghuỳ{}", char::from(b'a' + at))).collect();
    let turned: Vec<&str> = long.iter().rev().map(String::as_str).collect();
    let (asked, recorded) = (name(&turned.join(" ")), name(&long.join(" ")));
    group.bench_function("the longest", |bencher| bencher.iter(|| compare(black_box(&asked), black_box(&recorded))));
    let (asked, recorded) = (name("NGUYỄN THỊ NGỌC HÂN"), name("Nguyễn Thị Ngọc Hân"));
    group.bench_function("case, and the ruling", |bencher| {
        bencher.iter(|| rule(black_box(&asked), black_box(&recorded), NameThreshold::default()));
    });
    group.finish();
}
