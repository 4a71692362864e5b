//! Asks witnesses to cosign: every few seconds, by the leader alone, and never on the way of an answer.
//!
//! A witness that hangs or errs costs its own cosignature of this round. One that says that it has seen another history,
//! or a longer one than there is, raises an alarm and is left alone for a while: asking again changes nothing, and
//! whoever reads the alarm has to find out which of the two is right.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use tokio::time::{Instant, sleep};
use xacminh_core::apply::Shard;
use xacminh_proto::transparency::{
    Hash,
    merkle::prove_consistency,
    note::{Signature, VerifierKey},
    witness::{Cosigned as Signed, Submission, SubmissionError},
};
use xacminh_web::{Http, HttpError, SubmitError, submit};

use super::{
    Cosigned,
    cosigned::Entry,
    shelf::{COSIGNED_MS_MAX, ends},
};
use crate::{
    env::Clock,
    notary::{Notary, NotaryError, SignedHead},
    store::State,
    telemetry::WitnessMetrics,
};

/// How long a witness is left alone after an alarm.
const ALARM_REST: Duration = Duration::from_secs(60);

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The submission prefix.
    pub url: String,
    /// Its key.
    pub key: VerifierKey,
}

/// Why no witness can be asked.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The file of CAs.
    #[error("cosigning: {0}")]
    Http(#[from] HttpError),
}

/// All witnesses, and what they are asked about.
pub struct Witnesses {
    http: Http,
    every: Duration,
    all: Vec<One>,
    state: State,
    notary: Notary,
    cosigned: Arc<Cosigned>,
    clock: Arc<dyn Clock>,
    metrics: WitnessMetrics,
}

/// One witness and what it is like.
struct One {
    witness: Witness,
    mind: Mutex<Mind>,
}

#[derive(Default)]
struct Mind {
    /// What it has cosigned last of each year, as far as is known; it says so itself if it is otherwise.
    sizes: BTreeMap<u16, u64>,
    resting_until: Option<Instant>,
    /// What went wrong last: the same trouble is told once.
    trouble: Option<String>,
}

/// Why a witness did not cosign.
type Refused = SubmitError<io::Error>;

impl Witnesses {
    /// Witnesses of a node's log. `timeout` is what each may take, `ca` whom to believe their addresses from.
    ///
    /// # Errors
    /// [`WitnessError`].
    #[expect(clippy::too_many_arguments, reason = "the rooms it stands between, named once at the start")]
    pub fn new(
        witnesses: Vec<Witness>,
        (every, timeout): (Duration, Duration),
        ca: Option<&Path>,
        state: State,
        notary: Notary,
        cosigned: Arc<Cosigned>,
        clock: Arc<dyn Clock>,
        metrics: WitnessMetrics,
    ) -> Result<Self, WitnessError> {
        let http = Http::new(timeout, ca)?;
        let all = witnesses.into_iter().map(|witness| One { witness, mind: Mutex::default() }).collect();
        Ok(Self { http, every, all, state, notary, cosigned, clock, metrics })
    }

    /// Asks all witnesses again and again while `leads` says so.
    pub async fn run(self: Arc<Self>, leads: impl Fn() -> bool) {
        if self.all.is_empty() {
            return;
        }
        let mut led = false;
        loop {
            sleep(self.every).await;
            let lead = leads();
            if lead != led {
                self.metrics.leads(lead, self.clock.now_ms());
                led = lead;
            }
            if lead {
                self.round().await;
            }
        }
    }

    /// Offers the newest head of the newest year, and the last one of the year before until somebody has cosigned it.
    pub async fn round(&self) {
        let leaves = self.state.meta().leaves;
        let ended = ends(&self.state.shards(), leaves);
        let Some(((newest, end), before)) = ended.split_last() else { return };
        if let Some((shard, end)) = before.last()
            && self.cosigned.of(shard.year).is_none_or(|cosigned| cosigned.size < end - shard.first)
        {
            self.offer(*end).await;
        }
        // A year that began between the two looks at the state has no leaf yet as far as we know.
        if newest.first < *end {
            self.offer(*end).await;
        }
    }

    async fn offer(&self, leaves: u64) {
        let head = match self.notary.head(leaves).await {
            Ok(head) => head,
            // The log is being replayed: there is nothing new to cosign.
            Err(NotaryError::Behind) => return,
            Err(error) => return tracing::warn!(%error, "there is no head to be cosigned"),
        };
        let asked = join_all(self.all.iter().map(|one| self.ask(one, &head))).await;
        let lines: Vec<Signature> = asked.into_iter().flatten().flat_map(|it| it.signatures().to_vec()).collect();
        if !lines.is_empty() {
            self.keep(&head, lines).await;
        }
    }

    async fn ask(&self, one: &One, head: &Arc<SignedHead>) -> Option<Signed> {
        let year = head.shard.year;
        let last = {
            let mind = one.mind();
            if mind.resting_until.is_some_and(|until| until > Instant::now()) {
                return None;
            }
            mind.sizes.get(&year).copied().unwrap_or(0)
        };
        let keys = vec![one.witness.key.clone()];
        let submission = Submission::new(head.note.clone(), keys, last).ok()?;
        let prove = |old, new| self.prove(head.shard, old, new);
        match submit(&self.http, &one.witness.url, submission, prove).await {
            Ok(cosigned) => {
                let mut mind = one.mind();
                mind.sizes.insert(year, head.size);
                if mind.trouble.take().is_some() {
                    tracing::info!(witness = one.name(), "the witness cosigns again");
                }
                self.metrics.cosigned(one.name(), self.clock.now_ms());
                Some(cosigned)
            }
            Err(refused) => {
                self.refused(one, head, &refused);
                None
            }
        }
    }

    async fn prove(&self, shard: Shard, old: u64, new: u64) -> Result<Vec<Hash>, io::Error> {
        let state = self.state.clone();
        let proved = tokio::task::spawn_blocking(move || prove_consistency(&mut state.hashes(shard), old, new));
        proved.await?.map_err(|error| io::Error::other(error.to_string()))
    }

    fn refused(&self, one: &One, head: &SignedHead, refused: &Refused) {
        let text = chain(refused);
        let is_alarm = match refused {
            SubmitError::Submission(SubmissionError::Forked { .. } | SubmissionError::Refused { status: 422 }) => true,
            // Another leader may have been ahead of what was offered, but not of what is here by now.
            SubmitError::Submission(SubmissionError::Behind { size }) => {
                let leaves = self.state.meta().leaves;
                let mut ended = ends(&self.state.shards(), leaves).into_iter();
                let now = ended.find(|(shard, _)| *shard == head.shard).map(|(shard, end)| end - shard.first);
                if now >= Some(*size) {
                    return;
                }
                true
            }
            _ => false,
        };
        let mut mind = one.mind();
        let is_new = mind.trouble.as_ref() != Some(&text);
        mind.trouble = Some(text.clone());
        if is_alarm {
            self.metrics.alarm(one.name());
            mind.resting_until = Some(Instant::now() + ALARM_REST);
            let (year, size) = (head.shard.year, head.size);
            tracing::error!(witness = one.name(), year, size, why = text, "a witness contradicts the log");
        } else if is_new {
            tracing::warn!(witness = one.name(), why = text, "a witness did not cosign");
        }
    }

    /// Keeps what was cosigned, unless what is kept has more cosigners and is fresh.
    async fn keep(&self, head: &SignedHead, lines: Vec<Signature>) {
        let note = match head.note.clone().with(lines) {
            Ok(note) => note,
            Err(error) => return tracing::warn!(%error, "cosignatures do not fit the checkpoint"),
        };
        let (year, at_ms) = (head.shard.year, self.clock.now_ms());
        let entry = Entry { size: head.size, at_ms, note };
        if let Some(kept) = self.cosigned.of(year)
            && (kept.size > entry.size
                || (self.cosigners(&kept) > self.cosigners(&entry)
                    && at_ms.saturating_sub(kept.at_ms) <= COSIGNED_MS_MAX))
        {
            return;
        }
        let cosigned = Arc::clone(&self.cosigned);
        let kept = tokio::task::spawn_blocking(move || cosigned.keep(year, entry)).await;
        if let Ok(Err(error)) = kept {
            tracing::error!(%error, "a cosigned checkpoint cannot be kept, and is not handed out");
        }
    }

    /// How many of the witnesses asked here stand under a checkpoint.
    fn cosigners(&self, entry: &Entry) -> usize {
        let lines = entry.note.signatures();
        self.all.iter().filter(|one| lines.iter().any(|line| line.is_by(&one.witness.key))).count()
    }

    /// Shows how old each witness's newest cosignature is.
    pub fn show(&self) {
        self.metrics.show(self.clock.now_ms());
    }
}

impl One {
    fn name(&self) -> &str {
        self.witness.key.name()
    }

    fn mind(&self) -> std::sync::MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl std::fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all.iter().map(One::name)).finish()
    }
}
