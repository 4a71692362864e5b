//! What a question shows to alarms, told when its answer is durable.

use xacminh_core::{
    command::{Item, RecordKey},
    decide::Decision,
    question::Question,
    record::Known,
};
use xacminh_proto::{
    transparency::Leaf,
    vocab::{CitizenNumber, Outcome},
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

/// The head of the confirmed person's household and its members, the head first.
pub(super) fn household(decision: &Decision, known: Option<&Known>) -> Vec<CitizenNumber> {
    match (&decision.outcome, known.map(|known| &known.people[..])) {
        // Several people of one old number cannot be told apart here, and are rare.
        (Outcome::Confirmed { .. }, Some([person])) => {
            let household = person.household.iter();
            household
                .flat_map(|household| household.head.into_iter().chain(household.members.iter().copied()))
                .collect()
        }
        _ => Vec::new(),
    }
}
