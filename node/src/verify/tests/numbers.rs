//! Numbers that were cancelled and issued anew, and grants that end.

use xacminh_core::record::NumberStatus;
use xacminh_proto::vocab::{Cause, CitizenNumber, Date};

use super::*;

/// The records of these people, each number cancelled and replaced by the next; the last is in force.
fn lineage(people: &[u64]) -> Vec<Record> {
    let number = |person: u64| CitizenNumber::try_from(48_090_000_000 + person).expect("twelve digits");
    let mut records: Vec<Record> = people.iter().copied().map(record).collect();
    for (record, next) in records.iter_mut().zip(&people[1..]) {
        record.status = NumberStatus::Cancelled { replaced_by: Some(number(*next)) };
    }
    records
}

async fn office_where(people: Vec<Record>, script: Vec<Step>) -> Office {
    office_of(people, script, REGISTER, (NOW_MS, NOW_MS - 1)).await
}

fn cause(answered: &Answered) -> Option<Cause> {
    if let Outcome::Undetermined(cause) = answered.outcome { Some(cause) } else { None }
}

#[tokio::test]
async fn a_number_issued_anew_is_followed_once_and_then_remembered() {
    let office = office_where(lineage(&[1, 2, 3]), Vec::new()).await;
    let answered = office.ask(&office.question(1, "clerk-01")).await.expect("answered");
    let Outcome::Confirmed { reissued: true, verdicts, .. } = &answered.outcome else { panic!("{answered:?}") };
    assert_eq!(verdicts[0].verdict, Verdict::Match);
    assert_eq!(office.authority.calls(), 3, "asked about each number on the way");
    let again = office.ask(&office.question(1, "clerk-02")).await.expect("answered");
    assert!(matches!(again.outcome, Outcome::Confirmed { reissued: true, .. }));
    assert_eq!(office.authority.calls(), 3, "the way is remembered under the number asked about");
    let direct = office.ask(&office.question(3, "clerk-01")).await.expect("answered");
    assert!(matches!(direct.outcome, Outcome::Confirmed { reissued: false, .. }));
    // The receipt says so too, about the number that was asked about.
    let receipt = Receipt::parse(answered.receipt.as_deref().expect("a receipt").as_bytes()).expect("a receipt");
    let verified = receipt.verify(&policy(&office)).expect("it verifies");
    assert!(matches!(verified.outcome(), Some(Stated::Confirmed { reissued: true, .. })));
    assert_eq!(verified.subject(), Some(keys(1).number));
}

/// P8: to who has not all three keys, a cancelled number looks like any other, and takes as long.
#[tokio::test]
async fn nobody_without_the_keys_is_led_anywhere() {
    let office = office_where(lineage(&[1, 2]), Vec::new()).await;
    let mut question = office.question(1, "clerk-01");
    question.person.name = FullName::parse("Trần Thị Khác").expect("a name");
    let answered = office.ask(&question).await.expect("answered");
    assert_eq!(answered.outcome, Outcome::NotConfirmed);
    assert_eq!(office.authority.calls(), 1);
}

#[tokio::test]
async fn a_way_that_does_not_end_well_is_told_as_such() {
    let first = |people: Vec<Record>, script| async move {
        let office = office_where(people, script).await;
        let answered = office.ask(&office.question(1, "clerk-01")).await.expect("answered");
        (cause(&answered), office.authority.calls())
    };
    let fails = vec![Step::Delay(0), Step::Fail(AuthorityError::Unavailable)];
    assert_eq!(first(lineage(&[1, 2]), fails).await, (Some(Cause::NumberReissued), 2), "the authority went away");
    let lies = vec![Step::Delay(0), Step::Lie(9)];
    assert_eq!(first(lineage(&[1, 2]), lies).await, (Some(Cause::NumberReissued), 2), "it told of somebody else");
    let lost = lineage(&[1, 2]).into_iter().take(1).collect();
    assert_eq!(first(lost, Vec::new()).await, (Some(Cause::NumberReissued), 2), "the next number is not there");
    let circle = lineage(&[1, 2, 1]).into_iter().take(2).collect();
    assert_eq!(first(circle, Vec::new()).await, (Some(Cause::NumberReissued), 2), "a circle ends");
    let long = lineage(&[1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(first(long, Vec::new()).await, (Some(Cause::NumberReissued), 5), "so does a way without end");
    let mut dead_end = lineage(&[1, 2]);
    dead_end[1].status = NumberStatus::Cancelled { replaced_by: None };
    assert_eq!(first(dead_end, Vec::new()).await, (Some(Cause::NumberCancelled), 2), "no number is in force");
}

/// The desk's clock says that the last day is not over, the leader's stamp that it is: the stamp decides, for every node.
#[tokio::test]
async fn no_answer_is_given_after_the_last_day_whatever_the_clock_says() {
    let end_ms = Date::new(2026, 12, 31).expect("a day").end_in_vietnam_ms();
    let ends = REGISTER.replacen("id = \"clerk-01\"", "id = \"clerk-01\"\nuntil = \"2026-12-31\"", 1);
    let asked = |now_ms, stamped_ms| {
        let ends = ends.clone();
        async move {
            let office = office_of(vec![record(1)], Vec::new(), &ends, (now_ms, stamped_ms)).await;
            let outcome = |official| {
                let office = &office;
                async move { office.ask(&office.question(1, official)).await.expect("answered").outcome }
            };
            [outcome("clerk-01").await, outcome("clerk-02").await].map(|outcome| match outcome {
                Outcome::Refused(number) => Err(number),
                _ => Ok(()),
            })
        }
    };
    assert_eq!(asked(end_ms - 1_000, end_ms - 2_000).await, [Ok(()), Ok(())]);
    assert_eq!(asked(end_ms, end_ms - 1).await, [Err(ErrorNumber::GrantEnded), Ok(())]);
    assert_eq!(asked(end_ms - 50, end_ms + 50).await, [Err(ErrorNumber::GrantEnded), Ok(())], "the stamp decides");
}
