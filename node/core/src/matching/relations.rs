//! Relatives and households.
//!
//! The database lists the relatives that were declared; a list that is empty says that nobody declared any, not that
//! there are none. So an empty field is *cannot tell*, and only a filled one can deny.
//!
//! The person's own cancelled numbers count as theirs: children, wards and the household were often registered under an
//! earlier one. What the earlier records say of parents and spouses does not count: the record in force has them. A
//! relative's cancelled number is not followed: nobody is looked up by a number alone (decision 17).

use xacminh_proto::vocab::{Cause, CitizenNumber, Marital, Reason};

use crate::record::Record;

use super::Finding;

/// The person is a parent of `child`; `earlier` are the person's records under cancelled numbers.
#[must_use]
pub fn parent_of(child: CitizenNumber, record: &Record, earlier: &[&Record]) -> Finding {
    listed(child, record, earlier, |record| &record.children)
}

/// The person is the legal guardian of `ward`.
#[must_use]
pub fn guardian_of(ward: CitizenNumber, record: &Record, earlier: &[&Record]) -> Finding {
    listed(ward, record, earlier, |record| &record.wards)
}

/// The person is a child of `parent`. With one parent recorded only, another number may be the other parent's.
#[must_use]
pub fn child_of(parent: CitizenNumber, record: &Record) -> Finding {
    let parents = [record.father, record.mother];
    if parents.contains(&Some(parent)) {
        Finding::yes(Reason::Related)
    } else if parents.contains(&None) {
        Finding::NOT_RECORDED
    } else {
        Finding::no(Reason::NotRelated)
    }
}

/// The person is married to `spouse`. A spouse on record beside a status that denies any marriage proves nothing:
/// one of the two fields was not brought up to date.
#[must_use]
pub fn spouse_of(spouse: CitizenNumber, record: &Record) -> Finding {
    let may_be_married = matches!(record.marital, Marital::Married | Marital::Unknown);
    match record.spouse {
        Some(recorded) if recorded != spouse => Finding::no(Reason::NotRelated),
        Some(_) if may_be_married => Finding::yes(Reason::Related),
        Some(_) => Finding::cannot_tell(Cause::NotRecorded, Reason::NothingRecorded),
        None if may_be_married => Finding::NOT_RECORDED,
        None => Finding::no(Reason::NotRelated),
    }
}

/// The person is the head of their household.
#[must_use]
pub fn head_of_household(record: &Record, earlier: &[&Record]) -> Finding {
    match record.household.as_ref().and_then(|household| household.head) {
        None => Finding::NOT_RECORDED,
        Some(head) if is_own(head, record, earlier) => Finding::yes(Reason::Related),
        Some(_) => Finding::no(Reason::NotRelated),
    }
}

/// The person is registered in the same household as `other`.
#[must_use]
pub fn same_household(other: CitizenNumber, record: &Record, earlier: &[&Record]) -> Finding {
    let Some(household) = &record.household else { return Finding::NOT_RECORDED };
    if is_own(other, record, earlier) || household.head == Some(other) || household.members.contains(&other) {
        Finding::yes(Reason::Related)
    } else if household.head.is_none() && household.members.is_empty() {
        Finding::NOT_RECORDED
    } else {
        Finding::no(Reason::NotRelated)
    }
}

/// The record in force and those of before.
fn of_all<'a>(record: &'a Record, earlier: &'a [&'a Record]) -> impl Iterator<Item = &'a Record> + Clone {
    std::iter::once(record).chain(earlier.iter().copied())
}

fn is_own(number: CitizenNumber, record: &Record, earlier: &[&Record]) -> bool {
    of_all(record, earlier).any(|record| record.number == number)
}

fn listed(
    number: CitizenNumber,
    record: &Record,
    earlier: &[&Record],
    list: impl Fn(&Record) -> &[CitizenNumber],
) -> Finding {
    let mut records = of_all(record, earlier);
    if records.clone().any(|record| list(record).contains(&number)) {
        Finding::yes(Reason::Related)
    } else if records.all(|record| list(record).is_empty()) {
        Finding::NOT_RECORDED
    } else {
        Finding::no(Reason::NotRelated)
    }
}
