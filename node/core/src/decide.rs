//! The decision: question × what is known × register × now → what to answer, or to ask the authority first.

use xacminh_proto::vocab::Outcome;

/// What the desk has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Answer this.
    Answer(Outcome),
    /// Ask the authority first: nothing fresh enough is known, or a mismatch would be answered from memory.
    AskAuthority,
}

/// Whether the authority was asked for this question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Not yet: what is known comes from memory.
    NotYet,
    /// Yes, and what is known is what it said.
    Answered,
    /// Yes, and it could not be reached in time; what is known comes from memory.
    Unavailable,
}
