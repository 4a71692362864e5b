//! Every access to one person, in a file that can be checked without the log: nothing in it was changed, and nothing
//! was left out.
//!
//! ```text
//! xacminh/trail@v1
//! seed <base64 of chain_0>
//! checkpoints <how many, decimal>
//! entries <how many, decimal>
//! <empty line>
//! <a signed checkpoint, verbatim, of each shard that is needed, the oldest first; the last is the newest shard's>
//! <empty line>, after each
//! <the signed end, verbatim>
//! <empty line>
//! pruned <shard> <index> <base64 of the leaf's hash> <base64 of a hash of the inclusion proof> …
//! shown <shard> <index> <base64 of the disclosure> <base64 of a hash of the inclusion proof> …
//! bare <shard> <index> <base64 of the leaf> <base64 of a hash of the inclusion proof> …
//! withheld <day by which it is shown> <base64 of the leaf's hash>
//! ```
//!
//! One line for each access, in the order of the log; `shard` is the place of its checkpoint in this file. An entry is
//! `bare` when what it commits to can no longer be opened, and `withheld` while the register delays it: its hash alone is
//! enough for the chain, and tells nothing. The first ones are `pruned` when their leaves are no longer kept; the signed
//! end counts them, so that nobody else can take a leaf away.

use std::fmt;

use crate::{
    transparency::{
        Checkpoint, CheckpointError, Hash, Leaf, LeafError, Policy,
        disclosure::{Disclosure, DisclosureError},
        encoding::{from_base64, from_decimal, hash_from_base64, to_base64},
        merkle::{PROOF_HASHES_MAX, ProofError, check_inclusion, leaf_hash},
        note::{Note, NoteError},
        policy::PolicyError,
        statement::Statement,
        verified::{Contradiction, contradiction},
    },
    vocab::{Date, PersonNumber},
};

use super::{Chain, Promises, TrailEnd, extend, link};

/// The first line of every trail.
pub const TRAIL_HEADER: &str = "xacminh/trail@v1";

/// Accesses of one trail: a lifetime of one a day is under half of it.
pub const TRAIL_ENTRIES_MAX: usize = 64 * 1024;

/// Shards of one trail: one for each year of a lifetime.
pub const TRAIL_SHARDS_MAX: usize = 128;

/// Largest trail: it is read into memory, and every access with its proof takes some 1,500 bytes.
pub const TRAIL_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A trail as it was read: nothing of it is believed before [`TrailProof::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct TrailProof {
    seed: Chain,
    checkpoints: Vec<Note>,
    end: Note,
    entries: Vec<TrailEntry>,
}

/// One access.
#[derive(Clone, PartialEq, Eq)]
pub enum TrailEntry {
    /// A leaf that is no longer kept; only the first entries of a trail can be.
    Pruned {
        /// Where it was.
        place: Place,
        /// The leaf's hash.
        hash: Hash,
    },
    /// A leaf with what may be opened of it.
    Shown {
        /// Where it is.
        place: Place,
        /// The leaf and its openings.
        disclosure: Disclosure,
    },
    /// A leaf alone.
    Bare {
        /// Where it is.
        place: Place,
        /// Its bytes.
        leaf: Vec<u8>,
    },
    /// Not to be seen yet.
    Withheld {
        /// The day by which it will be.
        until: Date,
        /// The leaf's hash.
        hash: Hash,
    },
}

/// Where a leaf is, and the proof of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// Which of the trail's checkpoints.
    pub shard: usize,
    /// The leaf's index in that shard.
    pub index: u64,
    /// The inclusion proof, the leaf's sibling first.
    pub proof: Vec<Hash>,
}

/// A trail that holds: only [`TrailProof::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTrail {
    /// What the log said of its end.
    pub end: TrailEnd,
    /// Every access, in the order of the log.
    pub accesses: Vec<Access>,
    /// Whose trail it is, if that was opened.
    pub subject: Option<PersonNumber>,
    /// Whether each of its checkpoints has the cosignatures that the policy wants. A trail leaves the log before any
    /// witness has seen its newest one, so a trail without them holds, on the word of the log alone.
    pub is_cosigned: bool,
}

/// An access of a verified trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// There was one, and it is no longer kept.
    Pruned {
        /// The log's name.
        origin: String,
        /// Where it was in it.
        index: u64,
    },
    /// What the leaf says.
    Shown {
        /// The log's name.
        origin: String,
        /// Where it is in it.
        index: u64,
        /// The leaf.
        leaf: Box<Leaf>,
        /// What was opened.
        statements: Vec<Statement>,
    },
    /// There was one, and it is shown by this day.
    Withheld(Date),
}

/// Why a trail is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrailError {
    /// The text is not one of the format.
    #[error("malformed trail")]
    Malformed,
    /// A note is malformed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A note that should be a checkpoint is none.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The policy does not accept a checkpoint, or the end is not signed by the log.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The end is not that of the newest checkpoint.
    #[error("the signed end belongs to another checkpoint")]
    End,
    /// A leaf is not at its place.
    #[error("access {place}: {why}")]
    Proof {
        /// Which, from 0.
        place: usize,
        /// Why.
        why: ProofError,
    },
    /// Openings are not those of a leaf.
    #[error("access {place}: {why}")]
    Disclosure {
        /// Which, from 0.
        place: usize,
        /// Why.
        why: DisclosureError,
    },
    /// The bytes are no leaf.
    #[error("access {place}: {why}")]
    Leaf {
        /// Which, from 0.
        place: usize,
        /// Why.
        why: LeafError,
    },
    /// A leaf contradicts what it commits to.
    #[error("access {place} contradicts its own statements: {why}")]
    Contradiction {
        /// Which, from 0.
        place: usize,
        /// How.
        why: Contradiction,
    },
    /// A leaf does not follow the one before it.
    #[error("access {place} does not follow the one before it: something was left out, added or moved")]
    Broken {
        /// Which, from 0.
        place: usize,
    },
    /// The last leaf is not the one that the log signed.
    #[error("the trail does not end where the log says: something was left out at its end")]
    Incomplete,
    /// What is missing as no longer kept is not what the log signed.
    #[error("what is told to be no longer kept is not what the log signed")]
    Pruned,
    /// What is withheld is not what the log promised to show.
    #[error("what is withheld is not what the log signed")]
    Promise,
    /// The accesses are to several people.
    #[error("access {place} is to another person")]
    Subject {
        /// Which, from 0.
        place: usize,
    },
}

impl TrailProof {
    /// A trail by its parts, not yet verified.
    #[must_use]
    pub fn new(seed: Chain, checkpoints: Vec<Note>, end: Note, entries: Vec<TrailEntry>) -> Self {
        Self { seed, checkpoints, end, entries }
    }

    /// Reads a trail. What is accepted is written again with the same bytes.
    ///
    /// # Errors
    /// [`TrailError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TrailError> {
        if bytes.len() > TRAIL_BYTES_MAX {
            return Err(TrailError::Malformed);
        }
        let text = str::from_utf8(bytes).map_err(|_| TrailError::Malformed)?;
        let (seed, counts, mut rest) = read_head(text).ok_or(TrailError::Malformed)?;
        let (checkpoint_count, entry_count) = counts;
        let mut notes = Vec::with_capacity(checkpoint_count + 1);
        for _ in 0..=checkpoint_count {
            let (note, after) = split_note(rest).ok_or(TrailError::Malformed)?;
            notes.push(Note::parse(note.as_bytes())?);
            rest = after;
        }
        let end = notes.pop().ok_or(TrailError::Malformed)?;
        let mut entries = Vec::new();
        for line in rest.split_terminator('\n') {
            entries.push(TrailEntry::parse(line).ok_or(TrailError::Malformed)?);
        }
        // Whatever has a second spelling, a last line without its end among them, is not written as it was read.
        let proof = Self { seed, checkpoints: notes, end, entries };
        if proof.entries.len() == entry_count && proof.encode() == text {
            Ok(proof)
        } else {
            Err(TrailError::Malformed)
        }
    }

    /// The bytes of the trail.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = head(&self.seed, &self.checkpoints, &self.end, self.entries.len());
        for entry in &self.entries {
            text.push_str(&entry.line());
        }
        text
    }

    /// Recomputes everything: signatures of the policy's logs, places, openings, links, the chain up to its signed end.
    ///
    /// # Errors
    /// [`TrailError`]: the first thing that is wrong.
    pub fn verify(&self, policy: &Policy) -> Result<VerifiedTrail, TrailError> {
        let checkpoints = self.checkpoints.iter().map(|note| Ok(Checkpoint::parse(note.text())?));
        let checkpoints: Vec<Checkpoint> = checkpoints.collect::<Result<_, TrailError>>()?;
        let end = TrailEnd::parse(self.end.text()).ok_or(TrailError::Malformed)?;
        // One log has its shards in the order of their years, each once.
        let in_order = checkpoints.is_sorted_by(|before, after| before.origin() < after.origin());
        let newest = checkpoints.last().filter(|_| in_order).ok_or(TrailError::End)?;
        if newest.origin() != end.origin || newest.size() != end.size {
            return Err(TrailError::End);
        }
        let mut walk = Walk { checkpoints: &checkpoints, chain: self.seed, last: None, subject: None };
        let mut promises = Promises::default();
        let mut accesses = Vec::with_capacity(self.entries.len());
        for (place, entry) in self.entries.iter().enumerate() {
            if let TrailEntry::Withheld { until, .. } = entry {
                promises.add(u64::try_from(place).map_err(|_| TrailError::Malformed)?, *until);
            }
            accesses.push(walk.step(place, entry)?);
        }
        if walk.chain != end.chain || u64::try_from(self.entries.len()) != Ok(end.count) {
            return Err(TrailError::Incomplete);
        }
        if promises.finish() != end.withheld {
            return Err(TrailError::Promise);
        }
        let is_pruned = |entry: &TrailEntry| matches!(entry, TrailEntry::Pruned { .. });
        let pruned = self.entries.iter().filter(|entry| is_pruned(entry)).count();
        if u64::try_from(pruned) != Ok(end.pruned) || !self.entries.iter().take(pruned).all(is_pruned) {
            return Err(TrailError::Pruned);
        }
        let of_logs = policy.without_quorum();
        for checkpoint in &self.checkpoints {
            of_logs.accept(checkpoint)?;
        }
        let is_cosigned = self.checkpoints.iter().all(|checkpoint| policy.accept(checkpoint).is_ok());
        end.check_signed(&self.end, policy)?;
        Ok(VerifiedTrail { end, accesses, subject: walk.subject, is_cosigned })
    }

    /// The accesses, unverified.
    #[must_use]
    pub fn entries(&self) -> &[TrailEntry] {
        &self.entries
    }
}

/// What stands before the entries: with their lines after it, it is a trail.
#[must_use]
pub fn head(seed: &Chain, checkpoints: &[Note], end: &Note, entry_count: usize) -> String {
    let seed = to_base64(seed);
    let mut text = format!("{TRAIL_HEADER}\nseed {seed}\ncheckpoints {}\nentries {entry_count}\n\n", checkpoints.len());
    for note in checkpoints.iter().chain([end]) {
        text.push_str(&note.to_string());
        text.push('\n');
    }
    text
}

/// The walk along the chain.
struct Walk<'a> {
    checkpoints: &'a [Checkpoint],
    chain: Chain,
    /// Shard and index of the last leaf that has them.
    last: Option<(usize, u64)>,
    subject: Option<PersonNumber>,
}

impl Walk<'_> {
    fn step(&mut self, place: usize, entry: &TrailEntry) -> Result<Access, TrailError> {
        let (hash, access) = match entry {
            TrailEntry::Withheld { until, hash } => (*hash, Access::Withheld(*until)),
            TrailEntry::Pruned { place: at, hash } => {
                let origin = self.origin_of(place, at, hash)?;
                (*hash, Access::Pruned { origin, index: at.index })
            }
            TrailEntry::Bare { place: at, leaf: bytes } => {
                let leaf = Leaf::decode(bytes).map_err(|why| TrailError::Leaf { place, why })?;
                (leaf_hash(bytes), self.shown(place, at, leaf, bytes, Vec::new())?)
            }
            TrailEntry::Shown { place: at, disclosure } => {
                let disclosed = disclosure.check().map_err(|why| TrailError::Disclosure { place, why })?;
                if let Some(why) = contradiction(&disclosed) {
                    return Err(TrailError::Contradiction { place, why });
                }
                if self.subject.is_some() && disclosed.subject.is_some() && self.subject != disclosed.subject {
                    return Err(TrailError::Subject { place });
                }
                self.subject = self.subject.or(disclosed.subject);
                let bytes = disclosure.leaf();
                (leaf_hash(bytes), self.shown(place, at, disclosed.leaf, bytes, disclosed.statements)?)
            }
        };
        self.chain = extend(&self.chain, &hash);
        Ok(access)
    }

    fn shown(
        &mut self,
        place: usize,
        at: &Place,
        leaf: Leaf,
        bytes: &[u8],
        statements: Vec<Statement>,
    ) -> Result<Access, TrailError> {
        if leaf.previous != link(&self.chain) {
            return Err(TrailError::Broken { place });
        }
        let origin = self.origin_of(place, at, &leaf_hash(bytes))?;
        Ok(Access::Shown { origin, index: at.index, leaf: Box::new(leaf), statements })
    }

    /// The log that has a leaf of this hash at its place, after the leaves before.
    fn origin_of(&mut self, place: usize, at: &Place, hash: &Hash) -> Result<String, TrailError> {
        let checkpoint = self.checkpoints.get(at.shard).ok_or(TrailError::Malformed)?;
        let here = Some((at.shard, at.index));
        if self.last >= here {
            return Err(TrailError::Broken { place });
        }
        self.last = here;
        check_inclusion(hash, at.index, checkpoint.size(), &at.proof, checkpoint.root())
            .map_err(|why| TrailError::Proof { place, why })?;
        Ok(checkpoint.origin().to_owned())
    }
}

impl TrailEntry {
    /// The entry's line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            // A disclosure that was made or read is within its bounds.
            Self::Shown { place, disclosure } => place.line("shown", &disclosure.encode().unwrap_or_default()),
            Self::Bare { place, leaf } => place.line("bare", leaf),
            Self::Pruned { place, hash } => place.line("pruned", hash),
            Self::Withheld { until, hash } => format!("withheld {until} {}\n", to_base64(hash)),
        }
    }

    /// Reads a line without its end.
    fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        if kind == "withheld" {
            let (until, hash) = rest.split_once(' ')?;
            return Some(Self::Withheld { until: Date::parse(until).ok()?, hash: hash_from_base64(hash)? });
        }
        let mut words = rest.split(' ');
        let shard = from_decimal(words.next()?)?.try_into().ok()?;
        let index = from_decimal(words.next()?)?;
        let content = from_base64(words.next()?)?;
        let mut proof = Vec::new();
        for word in words {
            if proof.len() == PROOF_HASHES_MAX {
                return None;
            }
            proof.push(hash_from_base64(word)?);
        }
        let place = Place { shard, index, proof };
        match kind {
            "shown" => Some(Self::Shown { place, disclosure: Disclosure::decode(&content).ok()? }),
            "bare" => Some(Self::Bare { place, leaf: content }),
            "pruned" => Some(Self::Pruned { place, hash: content.try_into().ok()? }),
            _ => None,
        }
    }
}

impl Place {
    fn line(&self, kind: &str, content: &[u8]) -> String {
        let mut line = format!("{kind} {} {} {}", self.shard, self.index, to_base64(content));
        for hash in &self.proof {
            line.push(' ');
            line.push_str(&to_base64(hash));
        }
        line.push('\n');
        line
    }
}

/// Seed, how many checkpoints and entries, and what follows.
fn read_head(text: &str) -> Option<(Chain, (usize, usize), &str)> {
    let rest = text.strip_prefix(TRAIL_HEADER)?.strip_prefix("\nseed ")?;
    let (seed, rest) = rest.split_once("\ncheckpoints ")?;
    let (checkpoints, rest) = rest.split_once("\nentries ")?;
    let (entries, rest) = rest.split_once("\n\n")?;
    let count = |text: &str, max: usize| {
        let count = usize::try_from(from_decimal(text)?).ok()?;
        (count <= max).then_some(count)
    };
    let counts = (count(checkpoints, TRAIL_SHARDS_MAX)?, count(entries, TRAIL_ENTRIES_MAX)?);
    Some((hash_from_base64(seed)?, counts, rest))
}

/// A note, and what follows the empty line after its signatures.
fn split_note(text: &str) -> Option<(&str, &str)> {
    let signatures = text.find("\n\n")? + 2;
    let end = signatures + text.get(signatures..)?.find("\n\n")? + 1;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

impl fmt::Debug for TrailProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrailProof({} entries, {:?})", self.entries.len(), self.end.text())
    }
}

impl fmt::Debug for TrailEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown { place, .. } => write!(f, "Shown({} in {})", place.index, place.shard),
            Self::Bare { place, .. } => write!(f, "Bare({} in {})", place.index, place.shard),
            Self::Pruned { place, .. } => write!(f, "Pruned({} in {})", place.index, place.shard),
            Self::Withheld { until, .. } => write!(f, "Withheld({until})"),
        }
    }
}
