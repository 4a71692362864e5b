//! What a question shows to alarms, told when its answer is durable.

use xacminh_core::{
    command::{Item, RecordKey},
    decide::Decision,
    question::Question,
    record::{Known, NumberStatus},
};
use xacminh_proto::{
    transparency::Leaf,
    vocab::{CitizenNumber, Outcome, PersonNumber},
};

use crate::alarms::{Sight, Told, is_blank_dossier};

use super::Desk;

/// The official, the person and the dossier, under the names they have at rest.
pub(super) type Seen = ([u8; 16], RecordKey, [u8; 16]);

impl Desk {
    /// What alarms look at, of an item that is about to leave for the log.
    pub(super) fn seen(item: &Item) -> Option<Seen> {
        let leaf = Leaf::decode(&item.entry.leaf).ok()?;
        Some((leaf.official, item.entry.person.as_ref()?.key, item.entry.dossier))
    }

    pub(super) fn tell_alarms(
        &self,
        question: &Question,
        seen: Option<Seen>,
        position: u64,
        at_ms: u64,
        household: Vec<CitizenNumber>,
    ) {
        let Some((official, person, dossier)) = seen else { return };
        let sight = Sight { at_ms, position, portal: question.portal, official, person, dossier };
        let is_blank_dossier = is_blank_dossier(question.dossier.as_str());
        self.alarms.answered(Told { sight, is_blank_dossier, household });
    }
}

/// The head of the confirmed person's household and its members, the head first; and the person's own number, if they were
/// asked about by another one.
pub(super) fn household(decision: &Decision, asked: PersonNumber, known: Option<&Known>) -> Vec<CitizenNumber> {
    let (Outcome::Confirmed { .. }, Some(known)) = (&decision.outcome, known) else { return Vec::new() };
    let mut in_force = known.people.iter().filter(|person| person.status == NumberStatus::Active);
    // Several people of one old number cannot be told apart here, and are rare.
    let (Some(person), None) = (in_force.next(), in_force.next()) else { return Vec::new() };
    let household = person.household.iter();
    let family = household.flat_map(|household| household.head.iter().chain(&household.members));
    // Under another number nobody would see that it is the official's own record.
    let own = (asked != PersonNumber::Citizen(person.number)).then_some(&person.number);
    family.chain(own).copied().collect()
}

#[cfg(test)]
mod tests {
    use xacminh_core::record::{Household, Record};
    use xacminh_proto::vocab::OldNumber;

    use super::*;
    use crate::upstream::scripted::record;

    fn confirmed(asked: PersonNumber, people: Vec<Record>) -> Vec<CitizenNumber> {
        let outcome = Outcome::Confirmed { verdicts: Vec::new(), attributes: Vec::new(), as_of_ms: 1, reissued: false };
        let decision = Decision { outcome, record_version: 1, is_miss: false };
        household(&decision, asked, Some(&Known { people, read_at_ms: 1 }))
    }

    /// Whoever asks about themselves by an old or a cancelled number is seen all the same.
    #[test]
    fn the_own_number_is_told_where_it_was_not_asked_by() {
        let (head, member) = (record(2).number, record(3).number);
        let family = Household { head: Some(head), relation: "Con".to_owned(), members: vec![member] };
        let person = Record { household: Some(family), ..record(1) };
        let by_number = PersonNumber::Citizen(person.number);
        let old = PersonNumber::Old(OldNumber::parse("201123456").expect("an old number"));
        assert_eq!(confirmed(by_number, vec![person.clone()]), [head, member]);
        assert_eq!(confirmed(old, vec![person.clone()]), [head, member, person.number]);
        assert_eq!(confirmed(old, vec![Record { household: None, ..person.clone() }]), [person.number]);
        let status = NumberStatus::Cancelled { replaced_by: Some(person.number) };
        let cancelled = Record { status, ..record(4) };
        let by_cancelled = PersonNumber::Citizen(cancelled.number);
        assert_eq!(confirmed(by_cancelled, vec![cancelled, person.clone()]), [head, member, person.number]);
        // Two people of one old number are not told apart here.
        assert_eq!(confirmed(old, vec![person, record(5)]), []);
    }
}
