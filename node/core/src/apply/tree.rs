//! How leaves become the tree: positions, year shards, and the links of each person's trail.

use xacminh_proto::{
    transparency::{
        Hash, Leaf, LeafBytes, LeafKind, LeafVerdict, attributes_root,
        merkle::{Frontier, Subtree, leaf_hash},
    },
    vocab::{Date, PortalId, RequestId},
};

use super::{Meta, NewLeaf};

/// The part of the log that has an origin, a tree and a first position of its own: one year, as Vietnam counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Shard {
    /// The year; 0 before the first leaf.
    pub year: u16,
    /// Position of its first leaf.
    pub first: u64,
}

/// The tree while one command grows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// The tree of the shard in force, grown.
    pub frontier: Frontier,
    /// Every subtree that became complete, in the order of their completion.
    pub completed: Vec<(Subtree, Hash)>,
    /// The shard that the command opened.
    pub opened: Option<Shard>,
    /// New leaves; the first has position `meta.leaves - leaves.len()`.
    pub leaves: Vec<NewLeaf>,
}

impl Growth {
    /// Starts from the tree there is.
    #[must_use]
    pub fn of(frontier: Frontier) -> Self {
        Self { frontier, ..Self::default() }
    }

    /// Appends a leaf; gives its position and its hash.
    ///
    /// A leaf of a later year opens that year's shard first: its first leaf holds the last root of the shard before, so
    /// that the shards are one history.
    pub(super) fn append(&mut self, meta: &mut Meta, at_ms: u64, new: NewLeaf) -> (u64, Hash) {
        let year = Date::in_vietnam(at_ms).year();
        if meta.shard.year == 0 {
            self.open(meta, year);
        } else if year > meta.shard.year {
            let opening = opening(meta, at_ms, &self.frontier);
            self.open(meta, year);
            self.put(
                meta,
                NewLeaf { leaf: opening, envelope: Vec::new(), trail: None, previous: None, dossier: [0; 16] },
            );
        }
        self.put(meta, new)
    }

    fn open(&mut self, meta: &mut Meta, year: u16) {
        meta.shard = Shard { year, first: meta.leaves };
        self.frontier = Frontier::new();
        self.opened = Some(meta.shard);
    }

    fn put(&mut self, meta: &mut Meta, new: NewLeaf) -> (u64, Hash) {
        let hash = leaf_hash(&new.leaf);
        let completed = &mut self.completed;
        self.frontier.append_with(hash, |subtree, hash| completed.push((subtree, *hash)));
        self.leaves.push(new);
        let position = meta.leaves;
        meta.leaves += 1;
        (position, hash)
    }
}

/// The first leaf of a shard that follows another: every replica writes the same bytes.
///
/// `subject` holds the last root of the shard before, `record_version` its size and `purpose` its year.
fn opening(meta: &Meta, at_ms: u64, before: &Frontier) -> LeafBytes {
    let root = before.root();
    let random = *root.first_chunk().expect("a root begins with ten bytes");
    Leaf {
        kind: LeafKind::ShardOpen,
        time_ms: at_ms,
        request_id: RequestId::new(at_ms, random),
        portal: PortalId(0),
        official: [0; 16],
        purpose: meta.shard.year,
        procedure: 0,
        // A revision that a leaf cannot hold was refused where it was parsed.
        register_revision: u32::try_from(meta.register_revision).unwrap_or(u32::MAX),
        fields: 0,
        verdict: LeafVerdict::None,
        subject: root,
        attributes_root: attributes_root(&mut []),
        addendum_digest: [0; 32],
        record_version: before.size(),
        previous: [0; 32],
    }
    .encode()
}
