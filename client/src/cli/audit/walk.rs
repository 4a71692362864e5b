//! The log computed anew: every leaf into the tree of its year, every head that anybody holds compared on the way.
//!
//! ```text
//! leaf ▶ time goes on? ▶ another year? then the last root stands in this very leaf ▶ tree ▶ a head of this size? same root
//! ```

use std::collections::BTreeMap;

use xacminh_proto::{
    transparency::{
        Hash, Leaf, LeafError, LeafKind,
        merkle::{Frontier, leaf_hash},
    },
    vocab::Date,
    wire::Pruned,
};

/// By year and size or index, who holds what.
type Held<T> = BTreeMap<(u16, u64), Vec<(String, T)>>;

/// What is held of a log, by year and size or index, and who holds it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    heads: Held<Hash>,
    leaves: Held<Vec<u8>>,
}

/// A log on its way.
#[derive(Debug, Default)]
pub(super) struct Walk {
    next: u64,
    last_ms: u64,
    shards: Vec<Shard>,
    wanted: Wanted,
    agreed: usize,
    /// Entries that are no longer kept, and were put in the tree by the hashes that the node gave.
    pruned: u64,
}

/// A log that was walked to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Walked {
    pub(super) shards: Vec<Shard>,
    /// Heads and leaves that somebody holds, and that are the log's.
    pub(super) agreed: usize,
    /// Entries that are no longer kept.
    pub(super) pruned: u64,
}

/// The tree of a year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) year: u16,
    pub(super) first: u64,
    pub(super) tree: Frontier,
}

/// Where a log breaks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Break {
    #[error("entry {position}: {error}")]
    Leaf { position: u64, error: LeafError },
    #[error("entry {position} is stamped before the entry before it")]
    Time { position: u64 },
    #[error("entry {position} is of {year}, and that year was not opened by an entry of its own")]
    Unopened { position: u64, year: u16 },
    #[error("entry {position} opens {year} without holding the last head of the year before")]
    Opening { position: u64, year: u16 },
    #[error("entry {position}: {source_name} has another root for the first {size} entries of {year}")]
    Head { position: u64, source_name: String, year: u16, size: u64 },
    #[error("entry {position} is not the one that {source_name} was issued for")]
    Receipt { position: u64, source_name: String },
    #[error("entry {position} is no longer kept, and one before it is")]
    Pruned { position: u64 },
    #[error("the log has only {has} entries of {year}; {source_name} has seen {size}")]
    Short { source_name: String, year: u16, size: u64, has: u64 },
}

impl Wanted {
    /// The root that somebody holds of the first `size` leaves of a year.
    pub(super) fn head(&mut self, source: impl Into<String>, year: u16, size: u64, root: Hash) {
        self.heads.entry((year, size)).or_default().push((source.into(), root));
    }

    /// The leaf that somebody holds at an index of a year.
    pub(super) fn leaf(&mut self, source: impl Into<String>, year: u16, index: u64, leaf: Vec<u8>) {
        self.leaves.entry((year, index)).or_default().push((source.into(), leaf));
    }
}

impl Walk {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// The next leaf.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), Break> {
        let position = self.next;
        if let Some(pruned) = Pruned::read(bytes) {
            return self.add_pruned(position, &pruned);
        }
        let leaf = Leaf::decode(bytes).map_err(|error| Break::Leaf { position, error })?;
        if leaf.time_ms < self.last_ms {
            return Err(Break::Time { position });
        }
        let year = Date::in_vietnam(leaf.time_ms).year();
        match self.shards.last() {
            None => self.open(year),
            Some(shard) if shard.year == year && leaf.kind != LeafKind::ShardOpen => {}
            Some(_) if leaf.kind != LeafKind::ShardOpen => return Err(Break::Unopened { position, year }),
            Some(before) => {
                let holds = leaf.subject == before.tree.root()
                    && leaf.record_version == before.tree.size()
                    && leaf.purpose == before.year
                    && year > before.year;
                if !holds {
                    return Err(Break::Opening { position, year });
                }
                self.open(year);
            }
        }
        self.last_ms = leaf.time_ms;
        self.append(position, leaf_hash(bytes))
    }

    /// What is left of an entry: that its hash is the right one shows in every root that anybody holds.
    fn add_pruned(&mut self, position: u64, pruned: &Pruned) -> Result<(), Break> {
        if position != self.pruned {
            return Err(Break::Pruned { position });
        }
        match (pruned.opens, self.shards.last()) {
            (Some(year), before) if before.is_none_or(|before| year > before.year) => self.open(year),
            (Some(year), _) => return Err(Break::Opening { position, year }),
            (None, Some(_)) => {}
            (None, None) => return Err(Break::Unopened { position, year: 0 }),
        }
        self.pruned += 1;
        self.append(position, pruned.hash)
    }

    fn append(&mut self, position: u64, hash: Hash) -> Result<(), Break> {
        let shard = self.shards.last_mut().expect("a shard was opened before");
        let index = shard.tree.size();
        shard.tree.append(hash);
        self.next = position + 1;
        self.compare(position, index, &hash)
    }

    /// The end: what anybody holds beyond it is missing.
    pub(super) fn finish(self) -> Result<Walked, Break> {
        let heads = self.wanted.heads.iter().map(|((year, size), held)| (*year, *size, &held[0].0));
        let leaves = self.wanted.leaves.iter().map(|((year, index), held)| (*year, index + 1, &held[0].0));
        for (year, size, source) in heads.chain(leaves) {
            let has = self.shards.iter().find(|shard| shard.year == year).map_or(0, |shard| shard.tree.size());
            // A tree of nothing is the beginning of every tree.
            if size > has {
                return Err(Break::Short { source_name: source.clone(), year, size, has });
            }
        }
        Ok(Walked { shards: self.shards, agreed: self.agreed, pruned: self.pruned })
    }

    fn open(&mut self, year: u16) {
        self.shards.push(Shard { year, first: self.next, tree: Frontier::new() });
    }

    fn compare(&mut self, position: u64, index: u64, hash: &Hash) -> Result<(), Break> {
        let Some(shard) = self.shards.last() else { return Ok(()) };
        let (year, size) = (shard.year, index + 1);
        if let Some(held) = self.wanted.leaves.get(&(year, index)) {
            for (source, leaf) in held {
                if leaf_hash(leaf) != *hash {
                    return Err(Break::Receipt { position, source_name: source.clone() });
                }
                self.agreed += 1;
            }
        }
        if let Some(held) = self.wanted.heads.get(&(year, size)) {
            let root = shard.tree.root();
            for (source, wanted) in held {
                if *wanted != root {
                    return Err(Break::Head { position, source_name: source.clone(), year, size });
                }
                self.agreed += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xacminh_proto::{
        transparency::LeafVerdict,
        vocab::{PortalId, RequestId},
    };

    use super::*;

    /// The last millisecond of 2026 in Vietnam.
    const NEW_YEAR_MS: u64 = 1_798_736_399_999;

    fn leaf(time_ms: u64) -> Leaf {
        Leaf {
            kind: LeafKind::Disclosed,
            time_ms,
            request_id: RequestId::new(time_ms, [1; 10]),
            portal: PortalId(7),
            official: [0xab; 16],
            purpose: 1,
            procedure: 2,
            register_revision: 3,
            fields: 1 << 36,
            verdict: LeafVerdict::Match,
            subject: [1; 32],
            attributes_root: [2; 32],
            addendum_digest: [3; 32],
            record_version: 4,
            previous: [0; 32],
        }
    }

    /// Year, size and root.
    type Heads = Vec<(u16, u64, Hash)>;

    /// So many leaves before the new year, and so many after it; with the roots of every size.
    fn log(before: u64, after: u64) -> (Vec<Vec<u8>>, Heads) {
        let (mut leaves, mut heads, mut tree) = (Vec::new(), Vec::new(), Frontier::new());
        let mut add = |leaves: &mut Vec<Vec<u8>>, tree: &mut Frontier, year, leaf: Leaf| {
            let bytes = leaf.encode().to_vec();
            tree.append(leaf_hash(&bytes));
            heads.push((year, tree.size(), tree.root()));
            leaves.push(bytes);
        };
        for number in 0..before {
            add(&mut leaves, &mut tree, 2026, leaf(NEW_YEAR_MS - before + number));
        }
        if after > 0 {
            let opening = Leaf {
                kind: LeafKind::ShardOpen,
                purpose: 2026,
                subject: tree.root(),
                record_version: tree.size(),
                ..leaf(NEW_YEAR_MS + 1)
            };
            tree = Frontier::new();
            add(&mut leaves, &mut tree, 2027, opening);
            for number in 1..after {
                add(&mut leaves, &mut tree, 2027, leaf(NEW_YEAR_MS + 1 + number));
            }
        }
        (leaves, heads)
    }

    fn walk(leaves: &[Vec<u8>], wanted: Wanted) -> Result<Walked, Break> {
        let mut walk = Walk::new(wanted);
        leaves.iter().try_for_each(|leaf| walk.add(leaf))?;
        walk.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Every head of every size agrees, and whichever bit of whichever leaf is changed, the walk breaks.
        #[test]
        fn a_changed_bit_breaks_the_walk(
            before in 1_u64..40, after in 0_u64..40, at in any::<prop::sample::Index>(), bit in 0_usize..201 * 8,
        ) {
            let (mut leaves, heads) = log(before, after);
            let wanted = || {
                let mut wanted = Wanted::default();
                heads.iter().for_each(|(year, size, root)| wanted.head("held", *year, *size, *root));
                wanted
            };
            let Walked { shards, agreed, .. } = walk(&leaves, wanted()).expect("a sound log");
            prop_assert_eq!(shards.iter().map(|shard| shard.tree.size()).sum::<u64>(), before + after);
            prop_assert_eq!(agreed, heads.len());
            let at = at.index(leaves.len());
            leaves[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(walk(&leaves, wanted()).is_err());
        }

        /// The hashes of the first entries stand for them, and a changed one breaks the walk as a changed leaf does.
        #[test]
        fn what_is_no_longer_kept_is_walked_by_its_hashes(
            before in 1_u64..40, after in 0_u64..40, gone in any::<prop::sample::Index>(), bit in 0_usize..32 * 8,
        ) {
            let (mut leaves, heads) = log(before, after);
            let wanted = || {
                let mut wanted = Wanted::default();
                heads.iter().for_each(|(year, size, root)| wanted.head("held", *year, *size, *root));
                (0_u64..).zip(&log(before, after).0).take(usize::try_from(before).unwrap()).for_each(|(index, leaf)| {
                    wanted.leaf("a receipt", 2026, index, leaf.clone());
                });
                wanted
            };
            let gone = gone.index(leaves.len()) + 1;
            for (position, leaf) in (0..).zip(&mut leaves).take(gone) {
                let opens = [(0, 2026), (before, 2027)].into_iter().find(|(first, _)| *first == position);
                *leaf = Pruned { hash: leaf_hash(leaf), opens: opens.map(|(_, year)| year) }.bytes();
            }
            let walked = walk(&leaves, wanted()).expect("a sound log");
            prop_assert_eq!(walked.pruned, u64::try_from(gone).unwrap());
            prop_assert_eq!(walked.agreed, heads.len() + usize::try_from(before).unwrap());
            leaves[gone - 1][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(walk(&leaves, wanted()).is_err());
        }
    }

    #[test]
    fn each_way_to_break_a_log_has_its_name() {
        let (leaves, heads) = log(5, 3);
        let without = |at: usize| [&leaves[..at], &leaves[at + 1..]].concat();
        assert_eq!(walk(&without(5), Wanted::default()), Err(Break::Unopened { position: 5, year: 2027 }));
        assert_eq!(walk(&without(4), Wanted::default()), Err(Break::Opening { position: 4, year: 2027 }));
        // The entry that opens a year holds root, size and number of the year before: each of them by itself.
        let spoilers: [fn(&mut Leaf); 3] =
            [|leaf| leaf.subject[0] ^= 1, |leaf| leaf.record_version -= 1, |leaf| leaf.purpose -= 1];
        for spoil in spoilers {
            let mut opening = Leaf::decode(&leaves[5]).expect("a leaf");
            spoil(&mut opening);
            let lying = [&leaves[..5], &[opening.encode().to_vec()], &leaves[6..]].concat();
            assert_eq!(walk(&lying, Wanted::default()), Err(Break::Opening { position: 5, year: 2027 }));
        }
        let mut swapped = leaves.clone();
        swapped.swap(1, 2);
        assert_eq!(walk(&swapped, Wanted::default()), Err(Break::Time { position: 2 }));
        let mut wanted = Wanted::default();
        wanted.head("a checkpoint", 2026, 3, heads[3].2);
        let head = Break::Head { position: 2, source_name: "a checkpoint".into(), year: 2026, size: 3 };
        assert_eq!(walk(&leaves, wanted), Err(head));
        let mut wanted = Wanted::default();
        wanted.head("a checkpoint", 2027, 4, [7; 32]);
        let short = Break::Short { source_name: "a checkpoint".into(), year: 2027, size: 4, has: 3 };
        assert_eq!(walk(&leaves, wanted), Err(short));
        let mut wanted = Wanted::default();
        wanted.leaf("a receipt", 2027, 1, leaves[6].clone());
        assert_eq!(walk(&leaves, wanted).map(|walked| walked.agreed), Ok(1));
        let mut wanted = Wanted::default();
        wanted.leaf("a receipt", 2027, 1, leaves[7].clone());
        let receipt = Break::Receipt { position: 6, source_name: "a receipt".into() };
        assert_eq!(walk(&leaves, wanted), Err(receipt));
        let mut wanted = Wanted::default();
        wanted.leaf("a receipt", 2028, 0, leaves[7].clone());
        assert!(matches!(walk(&leaves, wanted), Err(Break::Short { size: 1, has: 0, .. })));
        let gone = |at: usize, opens| Pruned { hash: leaf_hash(&leaves[at]), opens }.bytes();
        let after_a_kept_one = [leaves[0].clone(), gone(1, None)];
        assert_eq!(walk(&after_a_kept_one, Wanted::default()), Err(Break::Pruned { position: 1 }));
        assert_eq!(walk(&[gone(0, None)], Wanted::default()), Err(Break::Unopened { position: 0, year: 0 }));
        let backwards = [gone(0, Some(2026)), gone(1, Some(2026))];
        assert_eq!(walk(&backwards, Wanted::default()), Err(Break::Opening { position: 1, year: 2026 }));
    }
}
