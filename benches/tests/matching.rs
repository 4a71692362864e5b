//! The figures of docs/MATCHING.md are those of the corpus, and the corpus says that nobody is taken for somebody else.

use std::{fs, path::Path};

use xacminh_benches::{
    corpus::{Kind, Maker},
    matching::{PAIRS_EACH, Row, SEED, Share, errors_table, measure, page, plot},
};
use xacminh_core::matching::names::{NameThreshold, key_matches};
use xacminh_proto::vocab::FullName;

fn row(rows: &[Row], kind: Kind) -> &Row {
    rows.iter().find(|row| row.kind == kind).expect("every kind has a row")
}

#[test]
fn nobody_is_taken_for_somebody_else_and_hardly_anybody_is_refused() {
    let rows = measure(SEED, PAIRS_EACH);
    assert!(rows.iter().map(|row| row.pairs).sum::<u64>() >= 200_000);
    for kind in [Kind::Variant, Kind::Mark] {
        for (threshold, accepted) in NameThreshold::ALL.into_iter().zip(row(&rows, kind).accepted) {
            // A name whose last mark went is an unsigned one; see below.
            let may_pass = threshold == NameThreshold::Unsigned && kind == Kind::Mark;
            assert!(accepted == 0 || may_pass, "{}: {accepted} under {threshold:?}", kind.text());
        }
    }
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_one_name()) {
        let refused = Share::of(row(&rows, kind).wrong(), PAIRS_EACH);
        assert!(refused.high < 0.001, "{}: up to {} refused", kind.text(), refused.high);
    }
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_one_name()) {
        assert_eq!(row(&rows, kind).wrong(), 0, "{}", kind.text());
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let told = fs::read_to_string(docs.join("MATCHING.md")).expect("docs/MATCHING.md");
    assert!(page(&told, &rows).as_ref() == Some(&told), "docs/MATCHING.md is not of today: see its section on figures");
    let drawn = fs::read_to_string(docs.join("matching.svg")).expect("docs/matching.svg");
    assert!(plot(&rows) == drawn, "docs/matching.svg is not of today");
}

/// N8 passes nowhere but where it cannot be told from N4: under `unsigned`, of a name without any mark.
#[test]
fn of_one_mark_changed_only_a_name_without_any_passes() {
    let mut maker = Maker::new(SEED);
    let mut unsigned = 0;
    for _ in 0..PAIRS_EACH {
        let pair = maker.pair(Kind::Mark);
        let [asked, recorded] = [&pair.asked, &pair.recorded].map(|text| FullName::parse(text).expect("a name"));
        if key_matches(&asked, &recorded, NameThreshold::Unsigned) {
            assert!(pair.asked.is_ascii(), "{} for {}", pair.asked, pair.recorded);
            unsigned += 1;
        }
    }
    assert!(unsigned > 0, "the corpus has such pairs");
}

#[test]
fn another_seed_gives_other_pairs_and_the_same_answer() {
    let (one, same, other) = (measure(7, 500), measure(7, 500), measure(8, 500));
    assert_eq!(errors_table(&one), errors_table(&same));
    let scores = |rows: &[Row]| rows.iter().flat_map(|row| row.scores.clone()).collect::<Vec<_>>();
    assert_eq!(scores(&one), scores(&same));
    assert_ne!(scores(&one), scores(&other));
    for row in one.iter().chain(&other) {
        assert_eq!(row.wrong(), 0, "{}", row.kind.text());
    }
}

#[test]
fn intervals_are_those_of_wilson() {
    // The worked figures of Newcombe (1998), table I: 81 of 263, and 0 of 20.
    for (part, whole, low, high) in [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)] {
        let share = Share::of(part, whole);
        assert!((share.low - low).abs() < 1e-4 && (share.high - high).abs() < 1e-4, "{part} of {whole}: {share:?}");
    }
}

/// What the test above would say of rules that accept too much: the checker is seen to bark.
#[test]
fn a_wrong_acceptance_is_counted() {
    let mut rows = measure(7, 50);
    let row = rows.iter_mut().find(|row| row.kind == Kind::Mark).expect("every kind has a row");
    row.accepted[NameThreshold::default() as usize] += 1;
    assert_eq!(row.wrong(), 1);
    let row = rows.iter_mut().find(|row| row.kind == Kind::TonePlace).expect("every kind has a row");
    row.accepted[NameThreshold::default() as usize] -= 1;
    assert_eq!(row.wrong(), 1);
}
