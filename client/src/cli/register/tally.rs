//! What a draft would change of the questions of the past, counted.

use std::collections::{BTreeMap, HashMap, HashSet};

use xacminh_core::register::{Asker, Register, Terms};
use xacminh_proto::{
    transparency::{Leaf, LeafKind},
    vocab::{ErrorNumber, OfficialId},
};

/// Positions kept of each kind of change, to be looked at.
const EXAMPLES_MAX: usize = 5;

/// What would come of a question under the draft that does not come of it under the register compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    /// It would be refused, by this rule.
    Refused(ErrorNumber),
    /// It would be answered, which this rule forbids.
    Answered(ErrorNumber),
    /// Data must be younger: the authority is asked more often.
    Fresher,
    /// Data may be older.
    Older,
    /// Names are compared by another threshold.
    Names,
    /// The citizen sees it at another time.
    Visibility,
}

/// Who is behind the pseudonyms of leaves, at the portals that the two registers treat differently. At the others nobody
/// needs to be known: what both say of an official, both say.
#[derive(Debug, Default)]
pub(super) struct Askers {
    pub(super) portals: HashSet<u32>,
    pub(super) officials: HashMap<[u8; 16], OfficialId>,
}

impl Askers {
    fn of(&self, leaf: &Leaf) -> Asker<'_> {
        if self.portals.contains(&leaf.portal.0) {
            self.officials.get(&leaf.official).map_or(Asker::Stranger, Asker::Named)
        } else {
            Asker::Anybody
        }
    }
}

/// Whose questions: portal and number of the procedure.
type Whose = (u32, u32);

/// The questions of one portal for one procedure with one effect.
#[derive(Debug, Default)]
pub(super) struct Affected {
    pub(super) questions: u64,
    pub(super) officials: HashSet<[u8; 16]>,
    /// Positions of the first of them.
    pub(super) examples: Vec<u64>,
}

/// Counts while leaves are read.
pub(super) struct Tally<'a> {
    base: &'a Register,
    draft: &'a Register,
    askers: Askers,
    pub(super) questions: u64,
    /// Refused when their procedure was not in the register: the leaf does not name it.
    pub(super) unknown: u64,
    pub(super) affected: BTreeMap<(Whose, Effect), Affected>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(base: &'a Register, draft: &'a Register, askers: Askers) -> Self {
        Self { base, draft, askers, questions: 0, unknown: 0, affected: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, position: u64, leaf: &Leaf) {
        if !matches!(leaf.kind, LeafKind::Disclosed | LeafKind::Refused) {
            return;
        }
        self.questions += 1;
        let asker = self.askers.of(leaf);
        let (Some(base), Some(draft)) = (self.base.replay(leaf, asker), self.draft.replay(leaf, asker)) else {
            self.unknown += 1;
            return;
        };
        for effect in effects(base, draft) {
            let affected = self.affected.entry(((leaf.portal.0, leaf.procedure), effect)).or_default();
            affected.questions += 1;
            affected.officials.insert(leaf.official);
            if affected.examples.len() < EXAMPLES_MAX {
                affected.examples.push(position);
            }
        }
    }
}

fn effects(base: Result<Terms, ErrorNumber>, draft: Result<Terms, ErrorNumber>) -> Vec<Effect> {
    match (base, draft) {
        (Ok(_), Err(rule)) => vec![Effect::Refused(rule)],
        (Err(rule), Ok(_)) => vec![Effect::Answered(rule)],
        (Err(_), Err(_)) => Vec::new(),
        (Ok(base), Ok(draft)) => {
            let mut effects = Vec::new();
            if draft.max_age_ms < base.max_age_ms {
                effects.push(Effect::Fresher);
            } else if draft.max_age_ms > base.max_age_ms {
                effects.push(Effect::Older);
            }
            if draft.name_threshold != base.name_threshold {
                effects.push(Effect::Names);
            }
            if draft.visibility != base.visibility {
                effects.push(Effect::Visibility);
            }
            effects
        }
    }
}

impl Effect {
    /// A stable word.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Answered(_) => "answered",
            Self::Fresher => "fresher",
            Self::Older => "older",
            Self::Names => "names",
            Self::Visibility => "visibility",
        }
    }

    /// The rule, where one is the reason.
    pub(super) const fn rule(self) -> Option<ErrorNumber> {
        match self {
            Self::Refused(rule) | Self::Answered(rule) => Some(rule),
            _ => None,
        }
    }
}
