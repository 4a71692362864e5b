//! What holds of every decision, whatever is asked and whatever is known.

use proptest::prelude::*;
use xacminh_core::{
    decide::{Asked, Decision, Next, decide},
    draft::statement_count,
    question::Question,
    record::{Card, Household, Known, NumberStatus, Record},
};
use xacminh_proto::{
    transparency::statements,
    vocab::{Attribute, AttributeSet, Cause, CitizenNumber, Claim, FullName, Outcome, PersonNumber, Reason, Verdict},
};

use crate::fixtures::{NOW_MS, address, an, birth, citizen, claim, day, name, old, permitted, procedure, question};

const NUMBERS: [&str; 4] = ["048085001234", "048085001235", "048187000003", "000000000000"];
const NAMES: [&str; 5] = ["Nguyễn Văn An", "NGUYỄN VĂN AN", "Nguyen Van An", "Nguyễn Văn Ân", "Trần Thị Bình"];
const BIRTHS: [&str; 4] = ["1985-03-07", "1985-07-03", "1985", "2008-11-22"];
const CLAIMS: [&str; 20] = [
    "full_name Nguyễn Văn An",
    "birth_date 1985-03-07",
    "birth_date 1985",
    "sex male",
    "nationality VN",
    "age_at_least 18",
    "age_at_least 41",
    "residence permanent 48",
    "residence current 48/20194 12 Lê Lợi",
    "marital_status married",
    "living_status alive",
    "old_number 201123456",
    "card_issued 2021-05-01",
    "card_expires 2045-03-07",
    "parent_of 048085001235",
    "child_of 048085001235",
    "spouse_of 048187000003",
    "guardian_of 048187000003",
    "head_of_household",
    "same_household 048187000003",
];

fn one_of<T: Clone + std::fmt::Debug + 'static>(
    texts: &'static [&'static str],
    parse: fn(&str) -> T,
) -> impl Strategy<Value = T> {
    prop::sample::select(texts).prop_map(parse)
}

fn number() -> impl Strategy<Value = CitizenNumber> {
    one_of(&NUMBERS, citizen)
}

/// Names of a few people, and of anybody.
fn any_name() -> impl Strategy<Value = FullName> {
    let anybody =
        "[A-Za-zĐđàảãáạăằơờớưừêễôộýỳ' .-]{1,40}".prop_filter_map("a name", |text| FullName::parse(&text).ok());
    prop_oneof![8 => one_of(&NAMES, name), 1 => anybody]
}

fn record() -> impl Strategy<Value = Record> {
    let person = (number(), any_name(), one_of(&BIRTHS, birth), prop::option::of(Just(old("201123456"))), 0..4_u8);
    let kin = (
        prop::option::of(number()),
        prop::option::of(number()),
        prop::collection::vec(number(), 0..3),
        prop::option::of((prop::option::of(number()), prop::collection::vec(number(), 0..3))),
    );
    let rest = (any::<[bool; 4]>(), prop::sample::select(&["single", "married", "unknown"][..]), any::<u64>());
    (person, kin, rest).prop_map(|((number, name, birth, old_number, status), kin, (has, marital, version))| {
        let (father, spouse, children, household) = kin;
        Record {
            number,
            name,
            birth,
            old_number,
            status: if status == 0 { NumberStatus::Cancelled { replaced_by: father } } else { NumberStatus::Active },
            under_correction: status == 1,
            father,
            mother: spouse,
            spouse,
            wards: children.clone(),
            children,
            household: household.map(|(head, members)| Household { head, relation: "Con".to_owned(), members }),
            permanent: has[0].then(|| address("48/20194", "12 Lê Lợi")),
            current: has[1].then(|| address("48", "")),
            card: has[2].then(|| Card { issued: day("2021-05-01"), expires: has[3].then(|| day("2045-03-07")) }),
            marital: crate::fixtures::marital(marital),
            version,
            ..an()
        }
    })
}

fn memory() -> impl Strategy<Value = Option<Known>> {
    let hour = i64::try_from(crate::fixtures::HOUR_MS).expect("small");
    let age = prop_oneof![4 => 0..2 * hour, 1 => -2 * hour..1, 1 => 0..100 * hour];
    prop::option::weighted(0.9, (prop::collection::vec(record(), 0..4), age))
        .prop_map(|known| known.map(|(people, age)| Known { people, read_at_ms: NOW_MS.saturating_add_signed(-age) }))
}

fn asks() -> impl Strategy<Value = Question> {
    let keys = (number(), any::<bool>(), any_name(), one_of(&BIRTHS, birth));
    let wants = (prop::collection::vec(one_of(&CLAIMS, claim), 0..6), 0..1_u64 << Attribute::ALL.len());
    (keys, wants, prop::option::of(0..100 * crate::fixtures::HOUR_MS)).prop_map(
        |((number, by_old, name, birth), (claims, bits), max_age_ms)| {
            let mut question = question();
            question.person.number =
                if by_old { PersonNumber::Old(old("201123456")) } else { PersonNumber::Citizen(number) };
            question.person.name = name;
            question.person.birth = birth;
            question.claims = claims;
            question.attributes = AttributeSet::try_from(bits).expect("known attributes");
            question.max_age_ms = max_age_ms;
            question
        },
    )
}

fn how_asked() -> impl Strategy<Value = Asked> {
    prop::sample::select(&[Asked::NotYet, Asked::Answered, Asked::Unavailable][..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// "A mismatch is never answered from the cache alone": neither before asking nor when asking failed.
    #[test]
    fn memory_alone_denies_nothing(question in asks(), known in memory()) {
        let permit = permitted(&question);
        for asked in [Asked::NotYet, Asked::Unavailable] {
            let Next::Answer(decision) = decide(&question, &permit, known.as_ref(), asked, NOW_MS) else {
                prop_assert_eq!(asked, Asked::NotYet, "who was asked in vain is not asked again");
                continue;
            };
            prop_assert_ne!(&decision.outcome, &Outcome::NotConfirmed);
            prop_assert!(!decision.is_miss);
            if let Outcome::Confirmed { verdicts, .. } = &decision.outcome {
                prop_assert!(verdicts.iter().all(|verdict| verdict.verdict != Verdict::NoMatch));
            }
            if asked == Asked::NotYet {
                let confirmed = matches!(decision.outcome, Outcome::Confirmed { .. });
                prop_assert!(confirmed, "memory sends nobody for paper while the authority can be asked");
            }
        }
    }

    /// P8: who is unknown, wrongly named or wrongly dated gets one and the same decision.
    #[test]
    fn what_was_wrong_with_the_keys_does_not_show(question in asks(), people in prop::collection::vec(record(), 0..4), asked in how_asked()) {
        let permit = permitted(&question);
        let nobody = Known { people: vec![], read_at_ms: NOW_MS };
        let unknown = decide(&question, &permit, Some(&nobody), asked, NOW_MS);
        let mut wrong_name = question.clone();
        wrong_name.person.name = name("Lê Văn Không");
        let mut wrong_birth = question;
        wrong_birth.person.birth = birth("1901-01-01");
        let somebody = Known { people, read_at_ms: NOW_MS };
        for question in [wrong_name, wrong_birth] {
            prop_assert_eq!(&decide(&question, &permit, Some(&somebody), asked, NOW_MS), &unknown);
        }
        match asked {
            Asked::NotYet => prop_assert_eq!(&unknown, &Next::AskAuthority),
            Asked::Answered => {
                let miss = Decision { outcome: Outcome::NotConfirmed, record_version: 0, is_miss: true };
                prop_assert_eq!(&unknown, &Next::Answer(miss));
            }
            Asked::Unavailable => {
                let outcome = Outcome::Undetermined(Cause::AuthorityUnavailable);
                prop_assert_eq!(&unknown, &Next::Answer(Decision { outcome, record_version: 0, is_miss: false }));
            }
        }
    }

    /// P9: what is disclosed was asked for and permitted, once each and in order; every claim has its verdict.
    #[test]
    fn no_more_than_asked_and_permitted(question in asks(), wider in asks(), known in memory(), asked in how_asked()) {
        let permit = permitted(&question);
        let asks_more = Question { attributes: wider.attributes, ..question };
        if let Next::Answer(decision) = decide(&asks_more, &permit, known.as_ref(), asked, NOW_MS) {
            if let Outcome::Confirmed { verdicts, attributes, .. } = &decision.outcome {
                let disclosed: Vec<Attribute> = attributes.iter().map(|(attribute, _)| *attribute).collect();
                let both = |attribute: &Attribute| {
                    asks_more.attributes.contains(*attribute) && permit.attributes.contains(*attribute)
                };
                prop_assert_eq!(disclosed, Attribute::ALL.into_iter().filter(both).collect::<Vec<_>>());
                prop_assert!(verdicts.iter().map(|verdict| verdict.kind).eq(asks_more.claims.iter().map(Claim::kind)));
            } else {
                prop_assert_eq!(decision.record_version, 0);
            }
            let count = statement_count(&decision.outcome, &asks_more.claims);
            prop_assert_eq!(count, statements(&decision.outcome, &asks_more.claims).len());
        }
    }

    /// P7: what an older record confirms, a fresher one with the same content confirms too.
    #[test]
    fn a_fresher_record_answers_no_less(question in asks(), known in memory(), asked in how_asked(), fresher_ms in 0..u64::MAX / 2) {
        let permit = permitted(&question);
        let Some(older) = known.filter(|known| known.read_at_ms <= NOW_MS) else { return Ok(()) };
        let fresher = Known { read_at_ms: older.read_at_ms.saturating_add(fresher_ms).min(NOW_MS), ..older.clone() };
        let (of_older, of_fresher) = (
            decide(&question, &permit, Some(&older), asked, NOW_MS),
            decide(&question, &permit, Some(&fresher), asked, NOW_MS),
        );
        if let Next::Answer(Decision { outcome: Outcome::Confirmed { verdicts, attributes, as_of_ms, .. }, .. }) = of_older {
            prop_assert_eq!(as_of_ms, older.read_at_ms);
            prop_assert!(NOW_MS - as_of_ms <= permit.max_age_ms || asked == Asked::Answered);
            let Next::Answer(Decision { outcome: Outcome::Confirmed { verdicts: same, attributes: alike, .. }, .. }) = of_fresher else {
                return Err(TestCaseError::fail("the fresher record does not confirm"));
            };
            prop_assert!(same == verdicts && alike == attributes);
        }
    }

    /// Nothing a caller, an authority or a clock can say stops the node.
    #[test]
    fn nothing_panics(question in asks(), known in memory(), asked in how_asked(), now_ms in any::<u64>(), read_at_ms in any::<u64>(), exact in any::<bool>()) {
        let mut question = question;
        if exact {
            question.procedure = procedure("9.exact");
            question.claims.retain(|claim| matches!(claim, Claim::FullName(_)));
            question.attributes = AttributeSet::EMPTY;
        }
        let permit = permitted(&question);
        let known = known.map(|known| Known { read_at_ms, ..known });
        let _ = decide(&question, &permit, known.as_ref(), asked, now_ms);
    }

    /// The reason never says more than the verdict: what memory could not settle says that it was not checked.
    #[test]
    fn an_authority_away_leaves_no_reason_behind(question in asks(), known in memory()) {
        let permit = permitted(&question);
        let next = decide(&question, &permit, known.as_ref(), Asked::Unavailable, NOW_MS);
        if let Next::Answer(Decision { outcome: Outcome::Confirmed { verdicts, .. }, .. }) = next {
            let unsettled = Verdict::Undetermined(Cause::AuthorityUnavailable);
            let all_silent = verdicts
                .iter()
                .filter(|verdict| verdict.verdict == unsettled)
                .all(|verdict| verdict.reason == Reason::NotChecked);
            prop_assert!(all_silent);
        }
    }
}
