//! The desk: the story of one question.
//!
//! ```text
//! ① register   may this portal, official, procedure ask this?      refuse, or go on
//! ② store      what do we remember, and is it fresh enough?        miss, stale or mismatch → ③
//! ③ upstream   ask the authority; what it says is remembered in the same entry as the leaf
//! ④ decide     question × record × register × now → outcome        (pure)
//! ⑤ raft       the leaf travels with those of other questions
//! ⑥ apply      checks again what was read; changed in between → ① once more
//! ```
//!
//! Only after ⑥ is there anything to answer: no byte of a decision exists outside this room before (promise P1).
//!
//! Architecture invariant: no wire type, no socket and no clock of its own.

mod administrative;
mod ask;
mod auditing;
mod crowd;
mod entry;
mod erasure;
mod lineage;
mod memory;
mod receipts;
mod sights;
mod sweep;
mod trail;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;
use xacminh_core::{
    apply::{Budget, BudgetKey, CLOCK_SKEW_MS_MAX, ItemOutcome, REQUEST_WINDOW_MS, spent},
    command::{Miss, MissLimits, OwnKey, Person, RecordChange, RecordKey, RecordRead, RequestKey},
    decide::{self, Asked, Decision, Next},
    question::Question,
    record::Known,
    register::{self, Grounds, Register},
};
use xacminh_proto::{
    transparency::{Addendum, Leaf},
    vocab::{CitizenNumber, ErrorNumber, Outcome},
};

use crate::{
    alarms,
    env::{self, Clock},
    keyring::{Keyring, KeyringError, PersonKey},
    notary::{Notary, NotaryError},
    raft::submit::{Settled, SubmitError, Submitter},
    store::State,
    telemetry::{CacheResult, Metrics, Stage, Stopwatch},
    upstream::Upstream,
};

use entry::Marks;

pub use auditing::{Inquired, Opened};
pub use crowd::Crowd;
pub use entry::Terms;
pub use erasure::{ErasureReason, PreparedErasure};
pub use receipts::ReceiptHolder;
pub use sweep::{SweepMoment, SweepPosition};
pub use trail::{Gloss, ToldAccess, ToldTrail, TrailPart, TrailReader};

/// How often a question is decided again because something it read was changed by another.
/// Each round loses to a change that won, so that many rounds mean a record that never rests.
const ROUNDS_MAX: usize = 8;

/// A request id older than this may be a retry, whose first answer is looked for before anything else is done.
const RETRY_AGE_MS_MIN: u64 = 200;

/// Questions in work from a portal that the register does not know, or suspends: each of them is refused and leaves a leaf.
const STRANGERS_IN_FLIGHT_MAX: u32 = 4;

/// The desk of one node.
pub struct Desk {
    /// Wall clock of decisions.
    pub clock: Arc<dyn Clock>,
    /// Keys at rest.
    pub keyring: Arc<Keyring>,
    /// What is remembered.
    pub state: State,
    /// The authority.
    pub upstream: Arc<Upstream>,
    /// The way into the log.
    pub submitter: Submitter,
    /// Signs the log and makes receipts.
    pub notary: Notary,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The register in force, parsed; none before the first question.
    pub register: ArcSwapOption<Register>,
    /// Questions in work, by portal.
    pub crowd: Crowd,
    /// Who is told what nobody should ask.
    pub alarms: alarms::Feed,
}

/// A decided question whose leaf is durable on a quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What was decided.
    pub outcome: Outcome,
    /// Position of the leaf.
    pub position: u64,
    /// The leader's stamp, Unix milliseconds.
    pub at_ms: u64,
    /// The receipt, if it was wished for.
    pub receipt: Option<String>,
}

/// What one question has learnt so far, kept from round to round.
#[derive(Default)]
struct Learnt {
    /// What the authority said, if it was asked.
    said: Option<Known>,
    /// The newest entry that may have erased the person before it was asked.
    erased: u64,
    /// It was asked and could not be reached.
    unavailable: bool,
    /// A budget of misses is spent: the question is to be refused.
    over_budget: Option<Budget>,
    /// The leader's stamp at which a grant had ended, Unix milliseconds: this node's clock may be a little behind.
    stamped_ms: u64,
}

/// A decision on its way into the log.
struct Decided {
    decision: Decision,
    grounds: Grounds,
    /// How many misses there may be, where a miss counts.
    misses: Option<MissLimits>,
    /// What was read, or what is to be remembered with the leaf.
    basis: Basis,
    /// When what was granted to portal and official ends, Unix milliseconds.
    granted_until_ms: Option<u64>,
    /// The head and the members of the household, if a person was confirmed.
    household: Vec<CitizenNumber>,
}

enum Basis {
    /// No record was looked at.
    Nothing,
    /// A remembered record, or its absence.
    Read(RecordRead),
    /// What the authority said just now.
    Said(RecordChange),
}

impl Desk {
    /// Answers a question, or says why nothing can be answered.
    ///
    /// `canonical` are the question's bytes, by which a retry is told from another question under the same id.
    ///
    /// # Errors
    /// The number of what went wrong; there may be a leaf all the same, and a retry then gets its answer.
    pub async fn answer(
        &self,
        question: &Question,
        canonical: &[u8],
        terms: Terms,
        watch: &mut Stopwatch,
    ) -> Result<Answered, ErrorNumber> {
        let Terms { receipt, deadline, urgency } = terms;
        let most = self.in_flight_max(question)?;
        let _place = self.crowd.enter(question.portal, most).ok_or(ErrorNumber::TooManyInFlight)?;
        let digest = self.keyring.question_digest(canonical);
        if let Some(seen) = self.answered_earlier(question, digest)? {
            return self.answered_before(seen, receipt).await;
        }
        let marks = self.marks(question, digest);
        let mut learnt = Learnt::default();
        for _ in 0..ROUNDS_MAX {
            let mut decided = self.decide(question, &marks, &mut learnt, deadline, watch).await?;
            let household = std::mem::take(&mut decided.household);
            let (item, outcome, addendum) = self.item(question, &marks, decided, urgency)?;
            watch.lap(Stage::Decide, &self.metrics);
            let seen = Self::seen(&item);
            let settled = self.submitter.submit(item, deadline).await.map_err(submit_error)?;
            watch.lap(Stage::Commit, &self.metrics);
            match settled.outcome {
                ItemOutcome::Appended { position } => {
                    self.tell_alarms(question, seen, position, settled.at_ms, household);
                    let receipt = self.receipt(receipt, position, settled.leaves, &addendum).await?;
                    watch.lap(Stage::Receipt, &self.metrics);
                    return Ok(Answered { outcome, position, at_ms: settled.at_ms, receipt });
                }
                ItemOutcome::Duplicate { position } => {
                    return self.answered_before(position, receipt).await;
                }
                ItemOutcome::Stale => {}
                ItemOutcome::OverBudget(budget) => learnt.over_budget = Some(budget),
                ItemOutcome::GrantEnded => learnt.stamped_ms = settled.at_ms,
                ItemOutcome::Conflict => return Err(ErrorNumber::RequestIdReused),
                ItemOutcome::Expired => return Err(ErrorNumber::RequestIdExpired),
                ItemOutcome::ClockSkewed => return Err(self.skewed(settled)),
            }
        }
        tracing::warn!(rounds = ROUNDS_MAX, "a question met a change in every round");
        Err(ErrorNumber::Overloaded)
    }

    /// Steps ① to ④.
    async fn decide(
        &self,
        question: &Question,
        marks: &Marks,
        learnt: &mut Learnt,
        deadline: Instant,
        watch: &mut Stopwatch,
    ) -> Result<Decided, ErrorNumber> {
        let register = self.register()?;
        let permit = match register::permit(question, &register, self.clock.now_ms().max(learnt.stamped_ms)) {
            Ok(permit) => permit,
            Err(number) => return Ok(Decided::refused(number, register.grounds(&question.procedure))),
        };
        // Before anything is looked up: how long a refusal takes must not tell what it refuses to say.
        if let Some(budget) = self.spent(question, marks, &permit.misses, learnt)? {
            return Ok(Decided::refused(refusal_of(budget), permit.grounds()));
        }
        watch.lap(Stage::Register, &self.metrics);
        let key = marks.person;
        let (as_of, remembered) = self.recall(&key)?;
        if learnt.said.is_some() {
            learnt.forget_before(self.state.newest_erasure_of(&key));
        }
        watch.lap(Stage::Store, &self.metrics);
        loop {
            let now_ms = self.clock.now_ms();
            let (asked, known) = learnt.basis(remembered.as_ref(), now_ms);
            match decide::decide(question, &permit, known, asked, now_ms) {
                Next::Answer(decision) => {
                    self.count_cache(asked, remembered.is_some());
                    let basis = match learnt.newer_than(remembered.as_ref(), now_ms) {
                        Some(said) => Basis::Said(RecordChange { key, as_of, sealed: self.sealed(&key, said)? }),
                        None => Basis::Read(RecordRead { key, as_of }),
                    };
                    let household = sights::household(&decision, question.person.number, known);
                    let (grounds, misses, granted_until_ms) =
                        (permit.grounds(), Some(permit.misses), permit.granted_until_ms);
                    return Ok(Decided { decision, grounds, misses, basis, granted_until_ms, household });
                }
                Next::AskAuthority => {
                    // Boxed, so that those who need not ask do not carry it.
                    Box::pin(self.ask(question, &permit, &key, learnt, now_ms, deadline)).await;
                    watch.lap(Stage::Upstream, &self.metrics);
                }
            }
        }
    }

    /// Step ①: the register in force, parsed once for each revision. Without one nobody may ask anything yet.
    fn register(&self) -> Result<Arc<Register>, ErrorNumber> {
        let document = self.state.document();
        if document.revision == 0 {
            return Err(ErrorNumber::NotReady);
        }
        if let Some(known) = self.register.load_full().filter(|known| known.revision == document.revision) {
            return Ok(known);
        }
        let parsed = Arc::new(Register::parse(&document.text).map_err(internal)?);
        self.register.store(Some(Arc::clone(&parsed)));
        Ok(parsed)
    }

    /// How many questions the portal may have in work here.
    fn in_flight_max(&self, question: &Question) -> Result<u32, ErrorNumber> {
        let register = self.register()?;
        let portal = register.portal(question.portal).filter(|portal| !portal.suspended);
        Ok(portal.map_or(STRANGERS_IN_FLIGHT_MAX, |portal| portal.questions_in_flight_max))
    }

    /// The budget that is spent, as far as this node knows: who can only be refused does not cost the authority anything.
    /// Apply counts for everybody, and has the last word.
    fn spent(
        &self,
        question: &Question,
        marks: &Marks,
        limits: &MissLimits,
        learnt: &Learnt,
    ) -> Result<Option<Budget>, ErrorNumber> {
        if learnt.over_budget.is_some() {
            return Ok(learnt.over_budget);
        }
        let now_ms = self.clock.now_ms();
        let official = marks.official;
        let mut keys: Vec<BudgetKey> = BudgetKey::all(now_ms, official, question.portal).collect();
        keys.sort_unstable();
        let points = self.state.points(&keys).map_err(internal)?;
        let counted = |key: &BudgetKey| keys.binary_search(key).map_or(0, |at| points[at]);
        Ok(spent(&Miss { official, limits: *limits, points: 0 }, question.portal, now_ms, counted))
    }

    /// Where the answer of a request is that has one already, without asking anybody: also while the authority is away.
    fn answered_earlier(&self, question: &Question, digest: [u8; 16]) -> Result<Option<u64>, ErrorNumber> {
        let age_ms = self.clock.now_ms().saturating_sub(question.request_id.unix_ms());
        if !(RETRY_AGE_MS_MIN..=REQUEST_WINDOW_MS).contains(&age_ms) {
            return Ok(None);
        }
        let request = RequestKey { id: question.request_id, portal: question.portal };
        match self.state.seen(&request).map_err(internal)? {
            None => Ok(None),
            Some(seen) if seen.question == digest => Ok(Some(seen.position)),
            Some(_) => Err(ErrorNumber::RequestIdReused),
        }
    }

    /// A retry gets what the first one got: the addendum beside the only leaf holds it.
    async fn answered_before(&self, position: u64, receipt: bool) -> Result<Answered, ErrorNumber> {
        let missing = || internal("a leaf that was seen is not in the state");
        let leaf = self.state.leaf(position).map_err(internal)?.ok_or_else(missing)?;
        // By the leaf's own trail: the person may have been erased since, and been asked about again.
        let addendum = self.opened(position)?;
        let outcome = addendum.outcome.clone().ok_or_else(missing)?;
        let (leaves, at_ms) = self.state.batch_of(position).map_err(internal)?.ok_or_else(missing)?;
        if at_ms != Leaf::stamped_ms(&leaf) {
            return Err(internal("a leaf has another stamp than its batch"));
        }
        let receipt = self.receipt(receipt, position, leaves, &addendum).await?;
        Ok(Answered { outcome, position, at_ms, receipt })
    }

    /// The opened addendum of any leaf.
    fn opened(&self, position: u64) -> Result<Addendum, ErrorNumber> {
        let trail = self.state.mark(position).map_err(internal)?.and_then(|mark| mark.trail);
        let owner = trail.map(|trail| self.state.owner(&trail)).transpose().map_err(internal)?.flatten();
        match (trail, owner) {
            (Some(_), None) => Err(ErrorNumber::Erased),
            (_, Some(person)) => self.addendum(position, &person),
            (None, None) => {
                let envelope = self.state.addendum(position).map_err(internal)?.ok_or(ErrorNumber::RequestUnknown)?;
                self.keyring.open_addendum(&envelope, None).map_err(internal)
            }
        }
    }

    /// The opened addendum of a leaf about a person.
    fn addendum(&self, position: u64, person: &RecordKey) -> Result<Addendum, ErrorNumber> {
        let missing = || internal("a leaf's addendum is not in the state");
        let envelope = self.state.addendum(position).map_err(internal)?.ok_or_else(missing)?;
        let own_key = self.own_key(person)?.map(|(_, key)| key);
        self.keyring.open_addendum(&envelope, own_key.as_ref()).map_err(|error| match error {
            KeyringError::Erased => ErrorNumber::Erased,
            other => internal(other),
        })
    }

    /// The key of a person who was asked about before, and the entry that made it.
    fn own_key(&self, person: &RecordKey) -> Result<Option<(u64, PersonKey)>, ErrorNumber> {
        let Some((created, _, sealed)) = self.state.person(person).map_err(internal)? else { return Ok(None) };
        let key = self.keyring.open_person_key(person, &sealed).map_err(internal)?;
        Ok(Some((created, key)))
    }

    /// The key that an addendum about a person is sealed under, made if there is none.
    fn person(&self, key: RecordKey) -> Result<(Person, PersonKey), ErrorNumber> {
        if let Some((created, opened)) = self.own_key(&key)? {
            return Ok((Person { key, own_key: OwnKey::Known { created } }, opened));
        }
        let (fresh, sealed) = self.keyring.new_person_key(&key).map_err(internal)?;
        Ok((Person { key, own_key: OwnKey::New { chain: env::random(), sealed } }, fresh))
    }

    async fn receipt(
        &self,
        wished: bool,
        position: u64,
        leaves: u64,
        addendum: &Addendum,
    ) -> Result<Option<String>, ErrorNumber> {
        if !wished {
            return Ok(None);
        }
        self.notary.receipt(position, leaves, addendum).await.map(Some).map_err(unsigned)
    }

    fn skewed(&self, settled: Settled) -> ErrorNumber {
        let apart_ms = self.clock.now_ms().abs_diff(settled.at_ms);
        tracing::error!(apart_ms, "this node's clock is too far from the leader's: its decisions are not accepted");
        ErrorNumber::NotReady
    }

    fn count_cache(&self, asked: Asked, remembered: bool) {
        self.metrics.cache(match (asked, remembered) {
            (Asked::NotYet, _) => CacheResult::Hit,
            (_, true) => CacheResult::Stale,
            (_, false) => CacheResult::Miss,
        });
    }
}

impl Learnt {
    /// Forgets what the authority said before the person was erased.
    fn forget_before(&mut self, erased: u64) {
        if self.erased != erased {
            self.said = None;
        }
    }

    /// What to decide from: the newer of what is remembered and what the authority said for this question.
    fn basis<'a>(&'a self, remembered: Option<&'a Known>, now_ms: u64) -> (Asked, Option<&'a Known>) {
        match (&self.said, self.unavailable) {
            (Some(_), _) => (Asked::Answered, self.newer_than(remembered, now_ms).or(remembered)),
            (None, true) => (Asked::Unavailable, remembered),
            (None, false) => (Asked::NotYet, remembered),
        }
    }

    /// What the authority said, unless another question brought something newer meanwhile. A time that has not come yet is
    /// that of a clock that ran ahead, and no reason to keep what it stands beside.
    fn newer_than(&self, remembered: Option<&Known>, now_ms: u64) -> Option<&Known> {
        let newest_ms = now_ms.saturating_add(CLOCK_SKEW_MS_MAX);
        let is_older = |known: &Known, said: &Known| known.read_at_ms < said.read_at_ms || known.read_at_ms > newest_ms;
        self.said.as_ref().filter(|said| remembered.is_none_or(|known| is_older(known, said)))
    }
}

impl Decided {
    fn refused(number: ErrorNumber, grounds: Grounds) -> Self {
        Self {
            decision: Decision::refused(number),
            grounds,
            misses: None,
            basis: Basis::Nothing,
            granted_until_ms: None,
            household: Vec::new(),
        }
    }
}

/// What the refusal of a spent budget says: whose it is, so that its owner is asked and not everybody.
const fn refusal_of(budget: Budget) -> ErrorNumber {
    match budget {
        Budget::OfficialHour | Budget::OfficialDay => ErrorNumber::MissBudgetSpent,
        Budget::PortalHour | Budget::PortalDay => ErrorNumber::PortalMissesSpent,
        Budget::ClusterHour | Budget::ClusterDay => ErrorNumber::ClusterMissesSpent,
    }
}

fn submit_error(error: SubmitError) -> ErrorNumber {
    match error {
        SubmitError::Overloaded => ErrorNumber::Overloaded,
        SubmitError::Deadline => ErrorNumber::DeadlineExceeded,
        SubmitError::Stopping => ErrorNumber::ShuttingDown,
    }
}

/// Without its receipt no answer leaves that was to bring one; a retry gets both once the notary can sign.
fn unsigned(error: NotaryError) -> ErrorNumber {
    match error {
        NotaryError::Behind | NotaryError::Stopped => ErrorNumber::NotReady,
        other => internal(other),
    }
}

/// A defect or a damaged disk: logged once, here, by its kind; the caller learns that it is ours.
fn internal(error: impl std::fmt::Display) -> ErrorNumber {
    tracing::error!(%error, "a question could not be answered");
    ErrorNumber::Internal
}

#[cfg(test)]
mod tests;
