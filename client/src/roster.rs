//! Which node to ask next: the one that answered last first, then round robin; never twice at once.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The nodes of a cluster by index, and which of them answered last.
#[derive(Debug)]
pub(crate) struct Roster {
    nodes: usize,
    preferred: AtomicUsize,
}

/// What one question has learnt about the nodes so far.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    roster: &'a Roster,
    states: Vec<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// May be asked.
    Fresh,
    /// Is being asked.
    Asked,
    /// Could not help just now; may be asked again after a pause.
    Tired,
    /// Will not help this question: wrong certificate, broken protocol.
    Hopeless,
}

impl Roster {
    pub(crate) const fn new(nodes: usize) -> Self {
        Self { nodes, preferred: AtomicUsize::new(0) }
    }

    /// Remembers a node that answered.
    pub(crate) fn prefer(&self, node: usize) {
        self.preferred.store(node, Ordering::Relaxed);
    }

    /// The node that answered last.
    pub(crate) fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    pub(crate) fn round(&self) -> Round<'_> {
        Round { roster: self, states: vec![State::Fresh; self.nodes] }
    }
}

impl Round<'_> {
    /// The next node to ask, which is then counted as asked.
    pub(crate) fn take(&mut self) -> Option<usize> {
        let first = self.roster.preferred();
        let node = (0..self.states.len())
            .map(|step| (first + step) % self.states.len())
            .find(|node| self.states[*node] == State::Fresh)?;
        self.states[node] = State::Asked;
        Some(node)
    }

    /// The node could not help just now.
    pub(crate) fn tire(&mut self, node: usize) {
        self.states[node] = State::Tired;
    }

    /// The node will not help this question.
    pub(crate) fn give_up(&mut self, node: usize) {
        self.states[node] = State::Hopeless;
    }

    /// Whether no node is left that could be asked now.
    pub(crate) fn is_over(&self) -> bool {
        !self.states.contains(&State::Fresh)
    }

    /// Whether no node will ever help this question.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.states.iter().all(|state| *state == State::Hopeless)
    }

    /// Lets tired nodes be asked again, for the pause has passed.
    pub(crate) fn rest(&mut self) {
        for state in &mut self.states {
            if *state == State::Tired {
                *state = State::Fresh;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_good_node_comes_first_and_the_others_follow_in_turn() {
        let roster = Roster::new(3);
        roster.prefer(1);
        let mut round = roster.round();
        assert_eq!([round.take(), round.take(), round.take(), round.take()], [Some(1), Some(2), Some(0), None]);
    }

    #[test]
    fn a_tired_node_returns_after_the_pause_and_a_hopeless_one_never() {
        let roster = Roster::new(2);
        let mut round = roster.round();
        assert_eq!([round.take(), round.take()], [Some(0), Some(1)]);
        round.tire(0);
        round.give_up(1);
        assert!(round.is_over());
        assert!(!round.is_hopeless());
        round.rest();
        assert_eq!([round.take(), round.take()], [Some(0), None]);
        round.give_up(0);
        assert!(round.is_hopeless());
    }
}
