//! Every claim in every state of a record: a lawyer reads down a column, a clerk along a row.

use std::collections::BTreeSet;

use xacminh_core::{
    decide::{Asked, Next, decide},
    record::{NumberStatus, Record},
};
use xacminh_proto::vocab::{Cause, Claim, ClaimKind, Outcome, Verdict};

use crate::{
    decide_table::change,
    fixtures::{NOW_MS, an, citizen, claim, known, living, permitted, question, rows},
};

/// The record: Nguyễn Văn An, male, born 7 March 1985, married, head of a household of three in 12 Lê Lợi, Hải Châu, with a
/// card of 1 May 2021 that is valid until 7 March 2045. Asked on 21 November 2026.
///
/// Yes, no and ? stand for match, no match and undetermined. A dash stands where a record cannot be silent.
///
/// a claim that agrees | and why | one that disagrees | and why | what silences the record | and what is said then
/// | of the dead | where the year of birth is recorded alone
const CLAIMS: &str = "
    full_name Nguyễn Văn An       | yes Equal | full_name Trần Văn Bình | no Different | - | - | yes Equal | yes Equal
    birth_date 1985-03-07         | yes Equal | birth_date 1984-03-07 | no Different | birth 1985 | ? DayUnknown | yes Equal | ? DayUnknown
    sex male                      | yes Equal | sex female | no Different | sex unknown | ? NotRecorded | yes Equal | yes Equal
    nationality VN                | yes Equal | nationality LA | no Different | - | - | yes Equal | yes Equal
    age_at_least 18               | yes OldEnough | age_at_least 60 | no TooYoung | - | - | yes OldEnough | yes OldEnough
    age_at_least 41 on 2026-06-01 | yes OldEnough | age_at_least 42 on 2026-06-01 | no TooYoung | - | - | yes OldEnough | ? DayUnknown
    age_at_most 60                | yes YoungEnough | age_at_most 18 | no AgeAbove | - | - | yes YoungEnough | yes YoungEnough
    age_at_most 41 on 2026-06-01  | yes YoungEnough | age_at_most 40 on 2026-06-01 | no AgeAbove | - | - | yes YoungEnough | yes YoungEnough
    age_at_most 40 on 2026-03-06  | yes YoungEnough | age_at_most 0 on 1984-01-01 | no Different | - | - | yes YoungEnough | ? DayUnknown
    age_at_most 255               | yes YoungEnough | age_at_most 0 | no AgeAbove | - | - | yes YoungEnough | yes YoungEnough
    residence permanent 48/20194  | yes Equal | residence permanent 79 | no ElsewherePlace | permanent none | ? NotRecorded | yes Equal | yes Equal
    residence current 79/26734    | yes Equal | residence current 48 | no ElsewherePlace | current none | ? NotRecorded | yes Equal | yes Equal
    marital_status married        | yes Equal | marital_status single | no Different | marital unknown | ? NotRecorded | yes Equal | yes Equal
    living_status alive           | yes Equal | living_status missing | no Different | - | - | no Different | yes Equal
    old_number 201123456          | yes Equal | old_number 201123457 | no Different | old_number none | ? NotRecorded | yes Equal | yes Equal
    card_number 048085001234      | yes Equal | card_number 048085001235 | no Different | - | - | yes Equal | yes Equal
    card_issued 2021-05-01        | yes Equal | card_issued 2022-05-01 | no Different | card none | ? NotRecorded | yes Equal | yes Equal
    card_issued 2021-05-01        | yes Equal | card_issued 2016-02-01 | no CardReplaced | card none | ? NotRecorded | yes Equal | yes Equal
    card_issued 2021-05-01        | yes Equal | card_issued 1984-12-31 | no Different | card none | ? NotRecorded | yes Equal | yes Equal
    card_expires 2045-03-07       | yes Equal | card_expires 2025-03-07 | no Different | card none | ? NotRecorded | yes Equal | yes Equal
    card_valid                    | yes CardInForce | card_valid 2045-03-08 | no CardExpired | card none | ? NotRecorded | no CardNotInForce | yes CardInForce
    card_valid 2045-03-07         | yes CardInForce | card_valid 2046-01-01 | no CardExpired | card none | ? NotRecorded | no CardNotInForce | yes CardInForce
    card_valid 2021-05-01         | yes CardInForce | card_valid 2099-01-01 | no CardExpired | card none | ? NotRecorded | ? NotRecorded | yes CardInForce
    card_address 12 Lê Lợi, Hải Châu, Đà Nẵng | yes CardAddressAgrees | card_address 5 Nguyễn Huệ, Bến Nghé, Hồ Chí Minh | ? NotRecorded | permanent none | ? NotRecorded | yes CardAddressAgrees | yes CardAddressAgrees
    parent_of 048210000004        | yes Related | parent_of 048210000009 | no NotRelated | children none | ? NotRecorded | yes Related | yes Related
    child_of 048055000001         | yes Related | child_of 048055000009 | no NotRelated | father none | yes Related | yes Related | yes Related
    child_of 048157000002         | yes Related | child_of 048157000009 | no NotRelated | mother none | ? NotRecorded | yes Related | yes Related
    spouse_of 048187000003        | yes Related | spouse_of 048187000009 | no NotRelated | spouse none | ? NotRecorded | yes Related | yes Related
    guardian_of 048215000005      | yes Related | guardian_of 048215000009 | no NotRelated | wards none | ? NotRecorded | yes Related | yes Related
    head_of_household             | yes Related | - | - | household none | ? NotRecorded | yes Related | yes Related
    same_household 048187000003   | yes Related | same_household 048187000009 | no NotRelated | household none | ? NotRecorded | yes Related | yes Related
";

#[test]
fn every_claim_in_every_state() {
    for [agrees, why, disagrees, not, silence, silent, dead, year] in rows(CLAIMS) {
        assert_eq!(said(agrees, &an()), why, "{agrees}");
        if disagrees != "-" {
            assert_eq!(said(disagrees, &an()), not, "{disagrees}");
        }
        if silence != "-" {
            // With one parent alone recorded, the other's number is still that of a parent.
            let claimed = if silence == "father none" { "child_of 048157000002" } else { agrees };
            assert_eq!(said(claimed, &with(|record| change(record, silence))), silent, "{claimed}: {silence}");
        }
        assert_eq!(said(agrees, &with(|record| record.living = living("dead"))), dead, "{agrees} of the dead");
        assert_eq!(said(agrees, &with(|record| change(record, "birth 1985"))), year, "{agrees} of a year alone");
    }
}

/// Whatever is claimed: a record that is being corrected, and a number that is not in force, answer nothing; a number
/// issued anew answers by the new one.
#[test]
fn no_claim_is_answered_from_a_record_that_may_not_be_used() {
    for [agrees, why, disagrees, not, ..] in rows::<8>(CLAIMS) {
        for (claimed, why) in [(agrees, why), (disagrees, not)].into_iter().filter(|(claimed, _)| *claimed != "-") {
            let correcting = with(|record| record.under_correction = true);
            assert_eq!(outcome(claimed, vec![correcting]), Outcome::Undetermined(Cause::UnderCorrection), "{claimed}");
            let cancelled = with(|record| record.status = NumberStatus::Cancelled { replaced_by: None });
            assert_eq!(outcome(claimed, vec![cancelled]), Outcome::Undetermined(Cause::NumberCancelled), "{claimed}");
            let next = citizen("048085007777");
            let reissued = with(|record| record.status = NumberStatus::Cancelled { replaced_by: Some(next) });
            let alone = outcome(claimed, vec![reissued.clone()]);
            assert_eq!(alone, Outcome::Undetermined(Cause::NumberReissued), "{claimed}");
            // The household still names its head by the number of before.
            let last = with(|record| record.number = next);
            let Outcome::Confirmed { verdicts, reissued: true, .. } = outcome(claimed, vec![reissued, last]) else {
                panic!("{claimed}: followed to the number in force")
            };
            let why = if claimed == "card_number 048085001234" { "no CardReplaced" } else { why };
            assert_eq!(ruling(&verdicts[0].verdict, verdicts[0].reason), why, "{claimed} by the new number");
        }
    }
}

/// Children, wards and the household that name the person by a cancelled number; parents and spouse count as the record in
/// force has them.
#[test]
fn the_family_is_found_under_the_numbers_the_person_had() {
    let next = citizen("048085007777");
    let said_of = |changes: &[&str], claimed: &str| {
        let before = with(|record| record.status = NumberStatus::Cancelled { replaced_by: Some(next) });
        let mut last = with(|record| record.number = next);
        changes.iter().for_each(|text| change(&mut last, text));
        match outcome(claimed, vec![before, last]) {
            Outcome::Confirmed { verdicts, .. } => ruling(&verdicts[0].verdict, verdicts[0].reason),
            other => panic!("{claimed}: {other:?}"),
        }
    };
    for (changes, claimed, why) in [
        (&["children none"][..], "parent_of 048210000004", "yes Related"),
        (&["children none"], "parent_of 048210000009", "no NotRelated"),
        (&["wards none"], "guardian_of 048215000005", "yes Related"),
        (&[], "head_of_household", "yes Related"),
        (&["head 048085007777"], "head_of_household", "yes Related"),
        (&["head 048187000003"], "head_of_household", "no NotRelated"),
        (&[], "same_household 048085007777", "yes Related"),
        (&["head 048187000003"], "same_household 048085001234", "yes Related"),
        (&["spouse 048187000009"], "spouse_of 048187000003", "no NotRelated"),
        (&["father 048055000009"], "child_of 048055000001", "no NotRelated"),
    ] {
        assert_eq!(said_of(changes, claimed), why, "{claimed} {changes:?}");
    }
}

/// A kind of claim that is added gets its row here, or this fails.
#[test]
fn every_kind_of_claim_has_its_row() {
    let kinds: BTreeSet<ClaimKind> = rows::<8>(CLAIMS).map(|[agrees, ..]| claim(agrees).kind()).collect();
    assert_eq!(kinds, ClaimKind::ALL.into_iter().collect());
}

fn with(change: impl FnOnce(&mut Record)) -> Record {
    let mut record = an();
    change(&mut record);
    record
}

fn said(claimed: &str, record: &Record) -> String {
    match outcome(claimed, vec![record.clone()]) {
        Outcome::Confirmed { verdicts, reissued: false, .. } => ruling(&verdicts[0].verdict, verdicts[0].reason),
        other => panic!("{claimed}: {other:?}"),
    }
}

fn outcome(claimed: &str, people: Vec<Record>) -> Outcome {
    let claimed: Claim = claim(claimed);
    let mut question = question();
    question.claims = vec![claimed];
    question.person.birth = people[0].birth;
    match decide(&question, &permitted(&question), Some(&known(people)), Asked::Answered, NOW_MS) {
        Next::Answer(decision) => decision.outcome,
        Next::AskAuthority => panic!("the authority was asked already"),
    }
}

fn ruling(verdict: &Verdict, reason: impl std::fmt::Debug) -> String {
    match verdict {
        Verdict::Match => format!("yes {reason:?}"),
        Verdict::NoMatch => format!("no {reason:?}"),
        Verdict::Undetermined(cause) => format!("? {cause:?}"),
    }
}
