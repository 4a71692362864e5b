//! Who was erased last, for questions that are under way: what the authority said about a person before their erasure is not
//! remembered after it, and what it said about anybody else is not asked for again.
//!
//! It is in memory alone, keyed hashes of a few people; the rules do not know of it.

use std::{
    collections::VecDeque,
    sync::{PoisonError, RwLock},
};

use xacminh_core::command::RecordKey;

/// Erasures of which it is known whose they were: those of minutes, where a question is under way for seconds.
const ERASURES_MAX: usize = 1024;

/// The newest erasures.
pub(super) struct Erasures(RwLock<Newest>);

struct Newest {
    /// Raft index of the last erasure of which it is not known whose it was.
    unknown: u64,
    /// The later ones, ascending.
    known: VecDeque<(u64, RecordKey)>,
}

impl Erasures {
    /// Those that come after the newest one so far.
    pub(super) fn after(newest: u64) -> Self {
        Self(RwLock::new(Newest { unknown: newest, known: VecDeque::new() }))
    }

    pub(super) fn add(&self, index: u64, person: RecordKey) {
        let mut newest = self.0.write().unwrap_or_else(PoisonError::into_inner);
        newest.known.push_back((index, person));
        if newest.known.len() > ERASURES_MAX
            && let Some((index, _)) = newest.known.pop_front()
        {
            newest.unknown = index;
        }
    }

    /// Raft index of the newest erasure that may have been of this person; 0 if none was.
    pub(super) fn newest_of(&self, person: &RecordKey) -> u64 {
        let newest = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let theirs = newest.known.iter().rev().find(|(_, erased)| erased == person);
        theirs.map_or(newest.unknown, |(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_it_was_is_known_for_a_while() {
        let erasures = Erasures::after(7);
        let (an, binh) = ([1; 32], [2; 32]);
        assert_eq!(erasures.newest_of(&an), 7, "it may have been theirs");
        erasures.add(9, an);
        erasures.add(12, an);
        assert_eq!([an, binh].map(|person| erasures.newest_of(&person)), [12, 7]);
        let others = 13..13 + u64::try_from(ERASURES_MAX).expect("few");
        others.clone().for_each(|index| erasures.add(index, [3; 32]));
        assert_eq!([an, binh].map(|person| erasures.newest_of(&person)), [12, 12], "by the last that was forgotten");
        assert_eq!(erasures.newest_of(&[3; 32]), others.end - 1);
    }
}
