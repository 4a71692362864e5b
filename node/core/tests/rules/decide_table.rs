//! What is answered, claim by claim and case by case.

use xacminh_core::{
    decide::{ANSWERED_AGE_MS_MAX, Asked, Decision, Next, decide},
    matching::claims::check,
    matching::names::NameThreshold,
    record::{Known, NumberStatus, Record},
};
use xacminh_proto::vocab::{Attribute, AttributeSet, Cause, Date, Outcome, PersonNumber, Verdict};

use crate::fixtures::{
    HOUR_MS, NOW_MS, NUMBER, address, an, birth, citizen, claim, day, known, living, marital, name, old, permitted,
    question, rows, sex,
};

/// claim | what is different in the record | ruling
///
/// The record: Nguyễn Văn An, male, born 7 March 1985, married, head of a household of three in 12 Lê Lợi, Hải Châu.
const CLAIMS: &str = "
    full_name Nguyễn Văn An               |                          | Match Equal
    full_name NGUYỄN VĂN AN               |                          | Match EqualFolded
    full_name Nguyen Van An               |                          | NoMatch Unsigned
    full_name Nguyễn Văn Ân               |                          | NoMatch DiacriticsDiffer
    full_name Nguyễn Văn Bình             |                          | NoMatch Different
    full_name Nguyễn An                   |                          | NoMatch WordsDiffer
    full_name Nguyễn Văn Ản               |                          | NoMatch PartialDiacritics
    full_name Huỳnh Văn An                |                          | NoMatch Different

    birth_date 1985-03-07                 |                          | Match Equal
    birth_date 1985                       |                          | Match Equal
    birth_date 1985-03-08                 |                          | NoMatch YearOnly
    birth_date 1985-07-03                 |                          | NoMatch DayMonthSwapped
    birth_date 1985-01-01                 |                          | NoMatch FirstOfJanuary
    birth_date 1958-03-07                 |                          | NoMatch Different
    birth_date 1985-03-07                 | birth 1985               | Undetermined(DayUnknown) YearAlone
    birth_date 1985                       | birth 1985               | Match Equal

    sex male                              |                          | Match Equal
    sex female                            |                          | NoMatch Different
    sex male                              | sex unknown              | Undetermined(NotRecorded) NothingRecorded
    sex unknown                           | sex unknown              | Undetermined(NotRecorded) NothingRecorded
    nationality VN                        |                          | Match Equal
    nationality LA                        |                          | NoMatch Different

    # 21 November 2026
    age_at_least 41                       |                          | Match OldEnough
    age_at_least 42                       |                          | NoMatch TooYoung
    age_at_least 18                       | birth 2008-11-21         | Match OldEnough
    age_at_least 18                       | birth 2008-11-22         | NoMatch TooYoung
    age_at_least 18 on 2026-12-31         | birth 2008-11-22         | Match OldEnough
    age_at_least 18 on 2003-03-06         |                          | NoMatch TooYoung
    age_at_least 80                       | birth 1945               | Match OldEnough
    age_at_least 80                       | birth 1946               | Undetermined(DayUnknown) NothingRecorded
    age_at_least 80                       | birth 1947               | NoMatch TooYoung

    residence permanent 48                |                          | Match Equal
    residence permanent 48/20194          |                          | Match Equal
    residence permanent 48/20194 12 lê lợi|                          | Match EqualFolded
    # Hải Châu was in Đà Nẵng before July 2025 too, and never in Quảng Nam
    residence permanent 48/20194@2024-12-31|                         | Match SuccessorPlace
    residence permanent 49@2024-12-31     |                          | NoMatch ElsewherePlace
    residence permanent 48/20194 13 Lê Lợi|                          | NoMatch OtherDetail
    residence permanent 48/20195          |                          | NoMatch OtherCommune
    residence permanent 79                |                          | NoMatch ElsewherePlace
    residence current 79                  |                          | Match Equal
    residence current 48                  |                          | NoMatch ElsewherePlace
    residence temporary 48                |                          | Undetermined(NotRecorded) NothingRecorded
    residence permanent 48                | permanent none           | Undetermined(NotRecorded) NothingRecorded

    marital_status married                |                          | Match Equal
    marital_status single                 |                          | NoMatch Different
    marital_status single                 | marital unknown          | Undetermined(NotRecorded) NothingRecorded
    living_status alive                   |                          | Match Equal
    living_status alive                   | living dead              | NoMatch Different
    living_status dead                    | living dead              | Match Equal
    living_status missing                 | living dead              | NoMatch Different
    # a death on record silences no other claim
    marital_status married                | living dead              | Match Equal

    old_number 201123456                  |                          | Match Equal
    old_number 201123457                  |                          | NoMatch Different
    old_number 201123456                  | old_number none          | Undetermined(NotRecorded) NothingRecorded
    card_issued 2021-05-01                |                          | Match Equal
    card_issued 2021-05-02                |                          | NoMatch Different
    card_issued 2016-02-01                |                          | NoMatch CardReplaced
    card_expires 2045-03-07               |                          | Match Equal
    card_expires 2025-03-07               |                          | NoMatch Different
    card_expires 2045-03-07               | card for life            | NoMatch Different
    card_issued 2021-05-01                | card none                | Undetermined(NotRecorded) NothingRecorded
    card_expires 2045-03-07               | card none                | Undetermined(NotRecorded) NothingRecorded

    parent_of 048210000004                |                          | Match Related
    parent_of 048210000009                |                          | NoMatch NotRelated
    parent_of 048210000004                | children none            | Undetermined(NotRecorded) NothingRecorded
    child_of 048055000001                 |                          | Match Related
    child_of 048157000002                 |                          | Match Related
    child_of 048157000009                 |                          | NoMatch NotRelated
    child_of 048157000009                 | mother none              | Undetermined(NotRecorded) NothingRecorded
    child_of 048055000001                 | mother none              | Match Related
    spouse_of 048187000003                |                          | Match Related
    spouse_of 048187000009                |                          | NoMatch NotRelated
    spouse_of 048187000003                | spouse none              | Undetermined(NotRecorded) NothingRecorded
    spouse_of 048187000003                | spouse none, marital single | NoMatch NotRelated
    # the two fields contradict each other
    spouse_of 048187000003                | marital divorced_or_widowed | Undetermined(NotRecorded) NothingRecorded
    spouse_of 048187000003                | marital unknown          | Match Related
    guardian_of 048215000005              |                          | Match Related
    guardian_of 048215000009              |                          | NoMatch NotRelated
    guardian_of 048215000005              | wards none               | Undetermined(NotRecorded) NothingRecorded
    head_of_household                     |                          | Match Related
    head_of_household                     | head 048187000003        | NoMatch NotRelated
    head_of_household                     | head none                | Undetermined(NotRecorded) NothingRecorded
    head_of_household                     | household none           | Undetermined(NotRecorded) NothingRecorded
    same_household 048187000003           |                          | Match Related
    same_household 048085001234           |                          | Match Related
    same_household 048187000009           |                          | NoMatch NotRelated
    same_household 048055000001           | head 048055000001        | Match Related
    same_household 048187000003           | household none           | Undetermined(NotRecorded) NothingRecorded
";

#[test]
fn claim_by_claim() {
    for [claimed, different, ruling] in rows(CLAIMS) {
        let mut question = question();
        question.claims = vec![claim(claimed)];
        let mut record = an();
        different.split(',').map(str::trim).filter(|text| !text.is_empty()).for_each(|text| change(&mut record, text));
        question.person.birth = record.birth;
        let verdict = match answered(decide(
            &question,
            &permitted(&question),
            Some(&known(vec![record])),
            Asked::Answered,
            NOW_MS,
        )) {
            Outcome::Confirmed { verdicts, .. } => verdicts[0],
            other => panic!("{claimed}: {other:?}"),
        };
        assert_eq!(format!("{:?} {:?}", verdict.verdict, verdict.reason), ruling, "{claimed} | {different}");
    }
}

pub(crate) fn change(record: &mut Record, text: &str) {
    let (field, value) = text.split_once(' ').expect("field and value");
    let number = || (value != "none").then(|| citizen(value));
    match field {
        "birth" => record.birth = birth(value),
        "sex" => record.sex = sex(value),
        "permanent" => record.permanent = None,
        "current" => record.current = None,
        "father" => record.father = number(),
        "marital" => record.marital = marital(value),
        "living" => record.living = living(value),
        "old_number" => record.old_number = None,
        "card" if value == "none" => record.card = None,
        "card" => record.card.as_mut().expect("a card").expires = None,
        "children" => record.children.clear(),
        "wards" => record.wards.clear(),
        "mother" => record.mother = number(),
        "spouse" => record.spouse = number(),
        "head" => record.household.as_mut().expect("a household").head = number(),
        "household" => record.household = None,
        _ => panic!("no such change: {text}"),
    }
}

/// people on record | question | asked | what is done
const CASES: &str = "
    # nothing known, too old, from the future
    nothing                  | all right              | not yet     | ask the authority
    nothing                  | all right              | unavailable | Undetermined(AuthorityUnavailable)
    an, 23 hours old         | all right              | not yet     | confirmed
    an, 25 hours old         | all right              | not yet     | ask the authority
    an, 25 hours old         | all right              | unavailable | Undetermined(AuthorityUnavailable)
    an, 10 s ahead           | all right              | not yet     | confirmed
    an, 10 min ahead         | all right              | not yet     | ask the authority
    an, 10 min ahead         | all right              | unavailable | Undetermined(AuthorityUnavailable)

    # the three keys
    an                       | all right              | not yet     | confirmed
    an                       | all right              | answered    | confirmed
    an                       | all right              | unavailable | confirmed
    an                       | name NGUYỄN VĂN AN     | not yet     | confirmed
    an                       | birth 1985             | not yet     | confirmed
    an born 1985             | all right              | not yet     | confirmed
    an                       | by old number          | not yet     | confirmed

    # P8: unknown person, wrong name, wrong birth date, wrong number are one outcome
    nobody                   | all right              | not yet     | ask the authority
    an                       | name Nguyễn Văn Ân     | not yet     | ask the authority
    an                       | birth 1985-07-03       | not yet     | ask the authority
    an                       | number 048085001235    | not yet     | ask the authority
    nobody                   | all right              | answered    | not confirmed
    an                       | name Nguyễn Văn Ân     | answered    | not confirmed
    an                       | birth 1985-07-03       | answered    | not confirmed
    an                       | number 048085001235    | answered    | not confirmed
    nobody                   | all right              | unavailable | Undetermined(AuthorityUnavailable)
    an                       | name Nguyễn Văn Ân     | unavailable | Undetermined(AuthorityUnavailable)
    an                       | birth 1985-07-03       | unavailable | Undetermined(AuthorityUnavailable)
    an                       | number 048085001235    | unavailable | Undetermined(AuthorityUnavailable)

    # several people under one old number
    an and binh              | by old number          | not yet     | confirmed
    an and binh              | name Nguyễn Văn Ân     | answered    | not confirmed
    an and his double        | by old number          | not yet     | ask the authority
    an and his double        | by old number          | answered    | Undetermined(Ambiguous)
    an and his double        | by old number          | unavailable | Undetermined(Ambiguous)

    # known, and something stands against using the record; only the three keys open even that
    an under correction      | all right              | not yet     | ask the authority
    an under correction      | all right              | answered    | Undetermined(UnderCorrection)
    an under correction      | all right              | unavailable | Undetermined(UnderCorrection)
    an under correction      | name Nguyễn Văn Ân     | answered    | not confirmed
    an cancelled             | all right              | not yet     | ask the authority
    an cancelled             | all right              | answered    | Undetermined(NumberCancelled)
    an cancelled             | name Nguyễn Văn Ân     | answered    | not confirmed
    an cancelled             | name Nguyễn Văn Ân     | unavailable | Undetermined(AuthorityUnavailable)

    # cancelled and issued anew: followed to the number in force, by those alone who have the three keys
    an reissued              | all right              | not yet     | ask the authority
    an reissued              | all right              | answered    | Undetermined(NumberReissued)
    an reissued              | all right              | unavailable | Undetermined(NumberReissued)
    an reissued, followed    | all right              | not yet     | confirmed by another number
    an reissued, followed    | all right              | answered    | confirmed by another number
    an reissued, followed    | by old number          | answered    | confirmed by another number
    an reissued, followed    | claims married         | not yet     | confirmed by another number, Match Equal
    an reissued, followed    | name Nguyễn Văn Ân     | not yet     | ask the authority
    an reissued, followed    | name Nguyễn Văn Ân     | answered    | not confirmed
    an reissued, followed    | number 048085007777    | answered    | confirmed
    an reissued twice        | all right              | answered    | confirmed by another number
    an reissued in a circle  | all right              | answered    | Undetermined(NumberReissued)
    an reissued to himself   | all right              | answered    | Undetermined(NumberReissued)
    an reissued for ever     | all right              | answered    | Undetermined(NumberReissued)
    an reissued, then cancelled | all right           | answered    | Undetermined(NumberCancelled)
    an reissued, under correction | all right         | answered    | Undetermined(UnderCorrection)
    # what was corrected is not confirmed: the clerk is sent to the new number
    an reissued, born 1986   | all right              | answered    | Undetermined(NumberReissued)
    an reissued, born 1986   | birth 1986-03-07       | answered    | not confirmed

    # a claim that memory would deny
    an                       | claims single          | not yet     | ask the authority
    an                       | claims single          | answered    | confirmed, NoMatch Different
    an                       | claims single          | unavailable | confirmed, Undetermined(AuthorityUnavailable) NotChecked
    an                       | claims married         | unavailable | confirmed, Match Equal
";

#[test]
fn case_by_case() {
    for [people, asks, asked, done] in rows(CASES) {
        let mut question = question();
        match asks.split_once(' ') {
            Some(("name", text)) => question.person.name = name(text),
            Some(("birth", text)) => question.person.birth = birth(text),
            Some(("number", text)) => question.person.number = PersonNumber::Citizen(citizen(text)),
            Some(("by", _)) => question.person.number = PersonNumber::Old(old("201123456")),
            Some(("claims", status)) => question.claims = vec![claim(&format!("marital_status {status}"))],
            _ => assert_eq!(asks, "all right"),
        }
        let asked = match asked {
            "not yet" => Asked::NotYet,
            "answered" => Asked::Answered,
            _ => Asked::Unavailable,
        };
        let next = decide(&question, &permitted(&question), remembered(people).as_ref(), asked, NOW_MS);
        assert_eq!(told(&next), done, "{people} | {asks} | {asked:?}");
    }
}

fn remembered(people: &str) -> Option<Known> {
    if people.starts_with("an reissued") {
        return Some(known(lineage(people)));
    }
    let (people, age) = people.split_once(", ").map_or((people, ""), |(people, age)| (people, age));
    let other = |change: fn(&mut Record)| {
        let mut record = an();
        change(&mut record);
        record
    };
    let people = match people {
        "nothing" => return None,
        "nobody" => vec![],
        "an" => vec![an()],
        "an born 1985" => vec![other(|record| record.birth = birth("1985"))],
        "an and binh" => vec![other(|record| record.name = name("Trần Văn Bình")), an()],
        "an and his double" => vec![an(), other(|record| record.number = citizen("048085009999"))],
        "an under correction" => vec![other(|record| record.under_correction = true)],
        "an cancelled" => vec![other(|record| record.status = NumberStatus::Cancelled { replaced_by: None })],
        _ => panic!("nobody like this: {people}"),
    };
    let read_at_ms = match age {
        "" => NOW_MS,
        "23 hours old" => NOW_MS - 23 * HOUR_MS,
        "25 hours old" => NOW_MS - 25 * HOUR_MS,
        "10 s ahead" => NOW_MS + 10_000,
        "10 min ahead" => NOW_MS + 600_000,
        _ => panic!("no such age: {age}"),
    };
    Some(Known { people, read_at_ms })
}

/// What is remembered of An, whose number was cancelled and issued anew.
fn lineage(how: &str) -> Vec<Record> {
    const LATER: [&str; 6] =
        ["048085007777", "048085007778", "048085007779", "048085007780", "048085007781", "048085007782"];
    let cancelled = |number: &str, replaced_by: &str| {
        let status = NumberStatus::Cancelled { replaced_by: Some(citizen(replaced_by)) };
        Record { number: citizen(number), status, ..an() }
    };
    let first = cancelled(NUMBER, LATER[0]);
    let last = Record { number: citizen(LATER[0]), ..an() };
    match how.strip_prefix("an reissued").expect("an reissued") {
        "" => vec![first],
        ", followed" => vec![first, last],
        " twice" => {
            vec![first, cancelled(LATER[0], LATER[1]), Record { number: citizen(LATER[1]), ..an() }]
        }
        " in a circle" => vec![first, cancelled(LATER[0], LATER[1]), cancelled(LATER[1], NUMBER)],
        " to himself" => vec![cancelled(NUMBER, NUMBER)],
        " for ever" => {
            let mut people = vec![first];
            people.extend(LATER.windows(2).map(|pair| cancelled(pair[0], pair[1])));
            people
        }
        ", then cancelled" => {
            vec![first, Record { status: NumberStatus::Cancelled { replaced_by: None }, ..last }]
        }
        ", under correction" => vec![first, Record { under_correction: true, ..last }],
        ", born 1986" => vec![first, Record { birth: birth("1986-03-07"), ..last }],
        _ => panic!("no such lineage: {how}"),
    }
}

fn told(next: &Next) -> String {
    match next {
        Next::AskAuthority => "ask the authority".to_owned(),
        Next::Answer(Decision { outcome, .. }) => match outcome {
            Outcome::NotConfirmed => "not confirmed".to_owned(),
            Outcome::Confirmed { verdicts, reissued, .. } => {
                verdicts.iter().fold(confirmed(*reissued), |told, verdict| {
                    format!("{told}, {:?} {:?}", verdict.verdict, verdict.reason)
                })
            }
            other => format!("{other:?}"),
        },
    }
}

fn confirmed(reissued: bool) -> String {
    if reissued { "confirmed by another number" } else { "confirmed" }.to_owned()
}

#[test]
fn an_answer_of_the_authority_meets_a_contract_of_no_age_but_does_not_keep() {
    let mut question = question();
    question.max_age_ms = Some(0);
    let permit = permitted(&question);
    let at = |age_ms| {
        let known = Known { people: vec![an()], read_at_ms: NOW_MS - age_ms };
        [Asked::NotYet, Asked::Answered].map(|asked| told(&decide(&question, &permit, Some(&known), asked, NOW_MS)))
    };
    assert_eq!(at(0), ["confirmed", "confirmed"]);
    assert_eq!(at(1), ["ask the authority", "confirmed"]);
    assert_eq!(at(ANSWERED_AGE_MS_MAX), ["ask the authority", "confirmed"]);
    assert_eq!(at(ANSWERED_AGE_MS_MAX + 1), ["ask the authority", "Undetermined(TooOld)"]);
}

#[test]
fn a_confirmation_carries_what_was_asked_and_the_version_it_read() {
    let mut question = question();
    question.attributes = [Attribute::PermanentResidence, Attribute::FullName].into_iter().collect();
    let next = decide(&question, &permitted(&question), Some(&known(vec![an()])), Asked::NotYet, NOW_MS);
    let Next::Answer(decision) = next else { panic!("answered") };
    assert_eq!((decision.record_version, decision.is_miss, decision.as_of_ms()), (9, false, NOW_MS));
    let Outcome::Confirmed { attributes, as_of_ms, .. } = decision.outcome else { panic!("confirmed") };
    assert_eq!(as_of_ms, NOW_MS);
    let expected = [
        (Attribute::FullName, xacminh_proto::vocab::Value::Text("Nguyễn Văn An".to_owned())),
        (Attribute::PermanentResidence, xacminh_proto::vocab::Value::Address(address("48/20194", "12 Lê Lợi"))),
    ];
    assert!(attributes == expected, "in the order of their bits");
}

#[test]
fn every_attribute_has_its_value() {
    use xacminh_proto::vocab::{Living, Marital, Sex, Value};
    let mut question = question();
    question.attributes = Attribute::ALL.into_iter().collect();
    let mut record = an();
    record.other_name = Some(name("An Lớn"));
    let text = |text: &str| Value::Text(text.to_owned());
    let expected = vec![
        text("Nguyễn Văn An"),
        Value::Birth(birth("1985-03-07")),
        Value::Sex(Sex::Male),
        text("VN"),
        Value::Citizen(record.number),
        Value::Old(old("201123456")),
        text("An Lớn"),
        Value::Day(day("2021-05-01")),
        Value::Day(day("2045-03-07")),
        text("048"),
        Value::Address(address("48", "")),
        Value::Address(address("48/20194", "12 Lê Lợi")),
        Value::Absent,
        Value::Address(address("79/26734", "5 Nguyễn Huệ")),
        Value::Marital(Marital::Married),
        Value::Citizen(citizen("048055000001")),
        Value::Citizen(citizen("048157000002")),
        Value::Citizen(citizen("048187000003")),
        text("Chủ hộ"),
        Value::Living(Living::Alive),
        text("01"),
    ];
    let next = decide(&question, &permitted(&question), Some(&known(vec![record])), Asked::NotYet, NOW_MS);
    let Outcome::Confirmed { attributes, .. } = answered(next) else { panic!("confirmed") };
    let found: Vec<_> = attributes.iter().map(|(attribute, _)| *attribute).collect();
    assert_eq!(found, Attribute::ALL);
    for ((attribute, value), expected) in attributes.iter().zip(&expected) {
        assert!(value == expected, "{attribute:?}");
    }
}

#[test]
fn a_permit_for_less_discloses_less() {
    let mut question = question();
    question.attributes = AttributeSet::EMPTY.with(Attribute::FullName);
    let permit = permitted(&question);
    question.attributes = Attribute::ALL.into_iter().collect();
    let next = decide(&question, &permit, Some(&known(vec![an()])), Asked::NotYet, NOW_MS);
    let Outcome::Confirmed { attributes, .. } = answered(next) else { panic!("confirmed") };
    assert_eq!(attributes.iter().map(|(attribute, _)| *attribute).collect::<Vec<_>>(), [Attribute::FullName]);
}

#[test]
fn an_exact_procedure_wants_the_name_letter_for_letter() {
    let mut question = question();
    question.procedure = crate::fixtures::procedure("9.exact");
    question.person.name = name("NGUYỄN VĂN AN");
    let next = decide(&question, &permitted(&question), Some(&known(vec![an()])), Asked::Answered, NOW_MS);
    assert_eq!(told(&next), "not confirmed");
    question.person.name = name("Nguyễn Văn An");
    let next = decide(&question, &permitted(&question), Some(&known(vec![an()])), Asked::Answered, NOW_MS);
    assert_eq!(told(&next), "confirmed");
}

#[test]
fn today_is_the_day_in_vietnam() {
    // 17:00 UTC is midnight in Vietnam.
    let midnight_ms = NOW_MS - 12 * HOUR_MS;
    let of_age = |now_ms| {
        let mut record = an();
        record.birth = birth("2008-11-21");
        check(&claim("age_at_least 18"), &record, &[], NameThreshold::Folded, Date::in_vietnam(now_ms)).verdict
    };
    assert_eq!(of_age(midnight_ms - 1), Verdict::NoMatch);
    assert_eq!(of_age(midnight_ms), Verdict::Match);
}

#[test]
fn nothing_said_is_not_an_answer() {
    let question = question();
    let next = decide(&question, &permitted(&question), None, Asked::Answered, NOW_MS);
    assert_eq!(answered(next), Outcome::Undetermined(Cause::TooOld));
}

fn answered(next: Next) -> Outcome {
    match next {
        Next::Answer(decision) => decision.outcome,
        Next::AskAuthority => panic!("the authority is to be asked"),
    }
}
