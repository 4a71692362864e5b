//! Who asked about one person: every leaf of the person's trail with its proof, and the signed end of it.
//!
//! ```text
//! ① an administrative leaf: somebody reads a trail        durable on a quorum before anything leaves (promise P1)
//! ② walk      the person's leaves up to the log's size: chain, what is withheld, the page's lines
//! ③ notary    signs the heads of the shards, and the end   first page only
//! ```
//!
//! The leaf of ① is about nobody: one that were about the person would make the trail grow by being read. Its addendum
//! names the reader and the trail, not the number, so that an erasure need not reach it.

use std::sync::Arc;

use tokio::time::Instant;
use xacminh_core::{
    apply::{Shard, Trail},
    command::RecordKey,
    draft,
    register::{Register, Visibility},
};
use xacminh_proto::{
    hex,
    transparency::{
        Addendum, Disclosure, Leaf, LeafBytes,
        merkle::{leaf_hash, prove_inclusion},
        trail::{self, Chain, Place, Promises, TRAIL_ENTRIES_MAX, TrailEnd, TrailEntry},
    },
    vocab::{Date, ErrorNumber, PersonNumber},
};

use super::{Desk, administrative::Words, internal, unsigned};
use crate::{
    keyring::{Keyring, PersonKey},
    store::State,
};

/// Accesses on one page, and bytes of their lines: with the head far under the largest reply.
const PAGE_ACCESSES_MAX: usize = 256;
const PAGE_BYTES_MAX: usize = 160 * 1024;

/// Bytes of a name that is shown beside an access: registers do not bound theirs.
const NAME_BYTES_MAX: usize = 160;

/// Who reads a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrailReader {
    /// An auditor, who sees everything at once.
    Auditor(String),
    /// A service for citizens, from whom the register may hide an access for a while.
    CitizenService(String),
}

/// Which part of a trail is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailPart {
    /// Leaves in the log for which the trail is told; 0 for those there are.
    pub at: u64,
    /// Place of the first access.
    pub from: u64,
}

/// A part of a trail.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ToldTrail {
    /// Leaves in the log for which it is told.
    pub at: u64,
    /// Accesses in the whole trail.
    pub count: u64,
    /// Place of the first access told.
    pub from: u64,
    /// What stands before the accesses, on the first page of a trail that has any.
    pub head: String,
    /// The accesses.
    pub accesses: Vec<ToldAccess>,
}

/// One access: its line, and what makes it readable.
#[derive(Clone, PartialEq, Eq)]
pub struct ToldAccess {
    /// The line of the trail.
    pub line: String,
    /// None for what is withheld.
    pub gloss: Option<Gloss>,
}

/// What the register of then and the addendum say about an access.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Gloss {
    /// The portal's name.
    pub portal: String,
    /// The procedure's code.
    pub procedure: String,
    /// The procedure's name in Vietnamese.
    pub procedure_vi: String,
    /// The procedure's name in English.
    pub procedure_en: String,
    /// The official, for auditors.
    pub official: Option<String>,
    /// The day until which it is hidden from the citizen, for auditors.
    pub delayed_until: Option<Date>,
}

impl Desk {
    /// A part of the trail of a person's number.
    ///
    /// # Errors
    /// [`ErrorNumber::Erased`] if the person was erased meanwhile; those of the node.
    pub async fn trail(
        &self,
        reader: &TrailReader,
        number: PersonNumber,
        part: TrailPart,
        deadline: Instant,
    ) -> Result<ToldTrail, ErrorNumber> {
        let person = self.keyring.row_key(number);
        let named = self.state.trail(&person).map_err(internal)?.map(|trail| hex::text(&trail.id)).unwrap_or_default();
        let by = match reader {
            TrailReader::Auditor(name) => format!("auditor/{name}"),
            TrailReader::CitizenService(name) => format!("citizen-service/{name}"),
        };
        let settled = self.act(&Words { by: &by, dossier: &named, procedure: "trail" }, deadline).await?;
        let at = if part.at == 0 { settled.leaves } else { part.at };
        if at > self.state.meta().leaves {
            return Err(ErrorNumber::MalformedMessage);
        }
        let walk = Walk {
            state: self.state.clone(),
            keyring: Arc::clone(&self.keyring),
            person,
            at,
            from: part.from,
            sees_all: matches!(reader, TrailReader::Auditor(_)),
        };
        // A long trail is many reads: they must not hold up the answers of others.
        let walked = tokio::task::spawn_blocking(move || walk.run()).await.map_err(internal)??;
        let Some(walked) = walked else { return Ok(ToldTrail { at, ..ToldTrail::default() }) };
        let head = if part.from == 0 { self.trail_head(&walked).await? } else { String::new() };
        Ok(ToldTrail { at, count: walked.count, from: part.from, head, accesses: walked.lines })
    }

    /// The signed heads of every shard that is needed, and the signed end.
    async fn trail_head(&self, walked: &Walked) -> Result<String, ErrorNumber> {
        let mut notes = Vec::with_capacity(walked.shards.len());
        let mut newest = None;
        for (_, ends) in &walked.shards {
            let head = self.notary.head(*ends).await.map_err(unsigned)?;
            notes.push(head.note.clone());
            newest = Some(head);
        }
        let newest = newest.ok_or_else(|| internal("a trail has no shard"))?;
        let withheld = walked.promises.clone().finish();
        let Walked { count, chain, pruned, .. } = *walked;
        let end = TrailEnd { origin: String::new(), size: 0, count, chain, pruned, withheld };
        let end = self.notary.trail_end(&newest, end).map_err(unsigned)?;
        let count = usize::try_from(walked.count).map_err(internal)?;
        Ok(trail::head(&walked.seed, &notes, &end, count))
    }
}

/// The reading of a trail, which blocks.
struct Walk {
    state: State,
    keyring: Arc<Keyring>,
    person: RecordKey,
    at: u64,
    from: u64,
    sees_all: bool,
}

/// What a walk found.
struct Walked {
    seed: Chain,
    count: u64,
    chain: Chain,
    /// How many of the first are no longer kept.
    pruned: u64,
    promises: Promises,
    /// The shards that proofs are needed of and the newest, each with the leaves in the log at its end.
    shards: Vec<(Shard, u64)>,
    lines: Vec<ToldAccess>,
}

impl Walk {
    fn run(&self) -> Result<Option<Walked>, ErrorNumber> {
        let Some(trail) = self.state.trail(&self.person).map_err(internal)? else { return Ok(None) };
        let (_, seed, sealed) = self.state.person(&self.person).map_err(internal)?.ok_or(ErrorNumber::Erased)?;
        let own_key = self.keyring.open_person_key(&self.person, &sealed).map_err(internal)?;
        bounded(&trail)?;
        // Before the leaves are read: what is pruned meanwhile is missing, and the trail is asked for again.
        let kept_from = self.state.pruned();
        let mut positions = self.state.accesses(&trail).map_err(internal)?;
        positions.retain(|position| *position < self.at);
        if positions.is_empty() {
            return Ok(None);
        }
        let (_, now_ms) = self.state.batch_of(self.at - 1).map_err(internal)?.ok_or_else(|| internal("no batch"))?;
        let shards = self.shards(&positions)?;
        let mut registers = Registers { state: &self.state, parsed: None };
        let mut chain = seed;
        let mut promises = Promises::default();
        let mut lines = Vec::new();
        let mut bytes = 0;
        for (place, position) in (0_u64..).zip(&positions) {
            let on_page = place >= self.from && lines.len() < PAGE_ACCESSES_MAX && bytes < PAGE_BYTES_MAX;
            // Later pages need neither chain nor promises.
            if self.from > 0 && !on_page {
                if place >= self.from { break } else { continue }
            }
            if *position < kept_from {
                let hash = self.state.leaf_hash(*position).map_err(internal)?;
                let hash = hash.ok_or_else(|| internal("a leaf of a trail is in no tree"))?;
                chain = trail::extend(&chain, &hash);
                if on_page {
                    let line = TrailEntry::Pruned { place: self.place(*position, &shards)?, hash }.line();
                    bytes += line.len();
                    lines.push(ToldAccess { line, gloss: None });
                }
                continue;
            }
            let leaf_bytes = self.leaf(*position)?;
            let leaf = Leaf::decode(&leaf_bytes).map_err(internal)?;
            let register = registers.of(u64::from(leaf.register_revision))?;
            let hidden = hidden_until(&leaf, register.as_deref(), now_ms);
            if self.from == 0 {
                chain = trail::extend(&chain, &leaf_hash(&leaf_bytes));
                if let Some(until) = hidden.filter(|_| !self.sees_all) {
                    promises.add(place, until);
                }
            }
            if on_page {
                let told = self.told(*position, &leaf_bytes, &leaf, hidden, register.as_deref(), &shards, &own_key)?;
                bytes += told.line.len();
                lines.push(told);
            }
        }
        // The chain that apply kept must be the one that these leaves make: else one of them is not what it was.
        let is_whole = self.from == 0 && u64::try_from(positions.len()) == Ok(trail.count);
        if is_whole && chain != trail.chain {
            return Err(internal("a trail's leaves do not make its chain"));
        }
        let pruned = positions.partition_point(|position| *position < kept_from);
        let [count, pruned] = [positions.len(), pruned].map(|number| u64::try_from(number).unwrap_or(u64::MAX));
        Ok(Some(Walked { seed, count, chain, pruned, promises, shards, lines }))
    }

    fn leaf(&self, position: u64) -> Result<LeafBytes, ErrorNumber> {
        self.state.leaf(position).map_err(internal)?.ok_or_else(|| internal("a leaf of a trail is not in the state"))
    }

    /// The shards of these leaves and the newest, the oldest first.
    fn shards(&self, positions: &[u64]) -> Result<Vec<(Shard, u64)>, ErrorNumber> {
        let all = self.state.shards();
        let newest = self.state.shard_at(self.at).ok_or_else(|| internal("a log of leaves has no shard"))?;
        let shard_of = |position: u64| all.iter().rev().find(|shard| shard.first <= position).copied();
        let mut needed: Vec<Shard> = positions.iter().filter_map(|position| shard_of(*position)).collect();
        needed.push(newest);
        needed.dedup();
        let ends = |shard: &Shard| all.iter().map(|next| next.first).find(|first| *first > shard.first);
        Ok(needed.iter().map(|shard| (*shard, ends(shard).unwrap_or(self.at).min(self.at))).collect())
    }

    #[expect(clippy::too_many_arguments, reason = "what one line is made of, each computed by the walk already")]
    fn told(
        &self,
        position: u64,
        bytes: &LeafBytes,
        leaf: &Leaf,
        hidden: Option<Date>,
        register: Option<&Register>,
        shards: &[(Shard, u64)],
        own_key: &PersonKey,
    ) -> Result<ToldAccess, ErrorNumber> {
        if let Some(until) = hidden.filter(|_| !self.sees_all) {
            let line = TrailEntry::Withheld { until, hash: leaf_hash(bytes) }.line();
            return Ok(ToldAccess { line, gloss: None });
        }
        let place = self.place(position, shards)?;
        let addendum = self.addendum(position, own_key)?;
        let entry = match &addendum {
            Some(addendum) => TrailEntry::Shown { place, disclosure: opened(bytes, addendum)? },
            None => TrailEntry::Bare { place, leaf: bytes.to_vec() },
        };
        let official = addendum.filter(|_| self.sees_all).map(|addendum| addendum.official);
        let gloss = Gloss { official, delayed_until: hidden.filter(|_| self.sees_all), ..gloss(leaf, register) };
        Ok(ToldAccess { line: entry.line(), gloss: Some(gloss) })
    }

    /// Where a leaf is, with its proof, in the trees of these shards.
    fn place(&self, position: u64, shards: &[(Shard, u64)]) -> Result<Place, ErrorNumber> {
        let astray = || internal("a leaf of a trail is in no shard");
        let at = shards.iter().rposition(|(shard, _)| shard.first <= position).ok_or_else(astray)?;
        let (shard, ends) = shards[at];
        let index = position - shard.first;
        let proof = prove_inclusion(&mut self.state.hashes(shard), index, ends - shard.first).map_err(internal)?;
        Ok(Place { shard: at, index, proof })
    }

    /// The addendum, if it is still kept.
    fn addendum(&self, position: u64, own_key: &PersonKey) -> Result<Option<Addendum>, ErrorNumber> {
        let Some(envelope) = self.state.addendum(position).map_err(internal)? else { return Ok(None) };
        self.keyring.open_addendum(&envelope, Some(own_key)).map(Some).map_err(internal)
    }
}

/// A trail is walked whole, one row for each access: one longer than a trail may be is walked for nobody.
pub(super) fn bounded(trail: &Trail) -> Result<(), ErrorNumber> {
    let fits = usize::try_from(trail.count).is_ok_and(|count| count <= TRAIL_ENTRIES_MAX);
    if fits { Ok(()) } else { Err(ErrorNumber::MessageTooLarge) }
}

/// The registers of then, one at a time: a register may have megabytes and a trail any number of them, but leaves in the order
/// of the log name revisions in theirs, so that each is parsed once all the same.
struct Registers<'a> {
    state: &'a State,
    /// The revision asked for last, and its register.
    parsed: Option<(u64, Option<Arc<Register>>)>,
}

impl Registers<'_> {
    /// The register of a revision; none if there was none yet.
    fn of(&mut self, revision: u64) -> Result<Option<Arc<Register>>, ErrorNumber> {
        if let Some((_, known)) = self.parsed.as_ref().filter(|(parsed, _)| *parsed == revision) {
            return Ok(known.clone());
        }
        let text = self.state.document_of(revision).map_err(internal)?;
        let register = text.map(|text| Register::parse(&text).map(Arc::new)).transpose().map_err(internal)?;
        self.parsed = Some((revision, register.clone()));
        Ok(register)
    }
}

/// The day until which the register of the question hides it, if that day is still to come.
fn hidden_until(leaf: &Leaf, register: Option<&Register>, now_ms: u64) -> Option<Date> {
    let procedure = register?.procedure_numbered(leaf.procedure);
    let visibility = procedure.map_or(Visibility::Normal, |procedure| procedure.visibility);
    visibility.hidden_until_ms(leaf.time_ms).filter(|until_ms| now_ms < *until_ms).map(Date::in_vietnam)
}

/// The person and the outcome, opened; the other statements stay closed.
fn opened(leaf: &LeafBytes, addendum: &Addendum) -> Result<Disclosure, ErrorNumber> {
    let subject = PersonNumber::parse(&addendum.number).ok().map(|number| (addendum.subject_salt, number));
    let whole = Disclosure::new(leaf, subject, draft::openings(addendum)).map_err(internal)?;
    Ok(whole.redact(|name| matches!(name, "subject" | "outcome")))
}

fn gloss(leaf: &Leaf, register: Option<&Register>) -> Gloss {
    let portal = register.and_then(|register| register.portal(leaf.portal));
    let procedure = register.and_then(|register| register.procedure_numbered(leaf.procedure));
    let name = |name: &str| name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned();
    Gloss {
        portal: portal.map(|portal| name(&portal.name)).unwrap_or_default(),
        procedure: procedure.map(|procedure| procedure.code.to_string()).unwrap_or_default(),
        procedure_vi: procedure.map(|procedure| name(&procedure.name_vi)).unwrap_or_default(),
        procedure_en: procedure.map(|procedure| name(&procedure.name_en)).unwrap_or_default(),
        official: None,
        delayed_until: None,
    }
}

impl std::fmt::Debug for ToldAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ToldAccess({} bytes)", self.line.len())
    }
}

impl std::fmt::Debug for Gloss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gloss(…)")
    }
}
