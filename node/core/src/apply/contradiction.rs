//! What no sound history brings: the node stops at it, with its evidence kept.

/// The replicated history contradicts itself: the node stops rather than go on from a state nobody can explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A leaf does not carry its batch's stamp.
    #[error("a leaf's time is not that of its batch")]
    Stamp,
    /// A leaf's request id is not that of its item.
    #[error("a leaf's request is not that of its item")]
    Request,
    /// A leaf cannot be read.
    #[error("a leaf that this version cannot read")]
    Leaf,
    /// A leaf names another register revision than its entry.
    #[error("a leaf's register revision is not that of its entry")]
    Revision,
    /// A leaf of the wrong kind for its command.
    #[error("every command has leaves of its own kinds")]
    Kind,
    /// An answer about nobody, or an administrative act about somebody.
    #[error("a leaf that answers has a person, and no other has")]
    Person,
    /// The proposer's tree is another one.
    #[error("the proposer's tree of {leaves} leaves has another root than ours")]
    Tree {
        /// Leaves in the tree.
        leaves: u64,
    },
}
