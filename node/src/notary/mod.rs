//! The notary: signs the heads of this node's tree, and makes the receipts of its answers.
//!
//! ```text
//! Desk ── leaves after the entry ──▶ notary thread:  root ▶ consistent with what was signed? ▶ record, fsync ▶ sign
//!      ◀── SignedHead ──────────────┘                 many at once while the disk is busy: one fsync for all
//! receipt = leaf + openings + inclusion proof + SignedHead, verified here before it leaves
//! ```
//!
//! Every node is a notary under the same keys. What it signs is its own applied, and therefore committed, state, so that
//! any two heads of any two nodes are prefixes of one history, by Raft's safety and by the root each batch carries. It
//! obeys the rule of a witness of itself on top ([`Head::advance`]): a head that its last signed one does not grow into
//! is never signed, and stops the node.
//!
//! A receipt's head is that of the Raft entry which brought the leaf, and signatures are deterministic: whoever makes
//! the receipt, whenever, it has the same bytes.

mod record;
mod trail;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio::sync::{mpsc, oneshot};
use xacminh_core::{apply::Shard, draft};
use xacminh_proto::transparency::{
    Addendum, Checkpoint, Policy, Receipt, ReceiptError,
    merkle::{self, ProveError, prove_consistency, prove_inclusion},
    note::{KeyKind, Note, NoteError, Signature, VerifierKey},
    witness::{Head, Refusal},
};
use xacminh_proto::vocab::PersonNumber;

use crate::{keyring::Keyring, store::State, telemetry::ExitCode};
use record::Record;

/// Heads that may wait for the notary: one for each batch of questions in work, and those asked for again.
const WAITING_MAX: usize = 1024;

/// Heads kept signed: a batch's questions ask for the same one within a moment.
const KEPT_MAX: usize = 64;

/// A head of the log, signed.
#[derive(Clone)]
pub struct SignedHead {
    /// The shard.
    pub shard: Shard,
    /// Leaves in the shard's tree.
    pub size: u64,
    /// The checkpoint with its signatures.
    pub note: Note,
}

/// Why there is no signed head or no receipt.
#[derive(Debug, thiserror::Error)]
pub enum NotaryError {
    /// The log never had so many leaves, or has none yet.
    #[error("there is no tree of {0} leaves")]
    NoTree(u64),
    /// The state does not yet have what was signed before the node started.
    #[error("the state is behind what was signed before: the log is still being replayed")]
    Behind,
    /// What would be signed contradicts what was: the node must stop.
    #[error("the tree contradicts the head signed last: {0}")]
    Contradicts(Refusal),
    /// No key of the log is valid at the head's stamp.
    #[error("no key of the log signs heads stamped {0} ms: add one to the keyring")]
    NoKey(u64),
    /// Domain and province make no origin.
    #[error("`cluster.domain` and `cluster.province` make no origin of a log")]
    Origin,
    /// A checkpoint cannot be written.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The record of what is signed could not be made durable: the node must stop, and what it would have signed is not.
    #[error("the record of signed heads could not be made durable: {0}")]
    Record(io::Error),
    /// The receipt does not verify, and is withheld.
    #[error("a receipt does not verify: {0}")]
    Receipt(#[from] ReceiptError),
    /// The disk.
    #[error("notary: {0}")]
    Disk(#[from] io::Error),
    /// The notary has stopped.
    #[error("the notary has stopped")]
    Stopped,
}

impl NotaryError {
    /// The exit code of a process that must end because of it; none if it may go on.
    #[must_use]
    pub const fn exit_code(&self) -> Option<ExitCode> {
        match self {
            Self::Contradicts(_) => Some(ExitCode::InvariantBroken),
            Self::Record(_) => Some(ExitCode::StorageFailed),
            Self::NoTree(_)
            | Self::Behind
            | Self::NoKey(_)
            | Self::Origin
            | Self::Note(_)
            | Self::Receipt(_)
            | Self::Disk(_)
            | Self::Stopped => None,
        }
    }
}

/// What a notary signs with and under which name.
pub struct Authority {
    /// Domain that owns the log.
    pub domain: String,
    /// The province, two digits.
    pub province: String,
    /// The keys.
    pub keyring: Arc<Keyring>,
}

/// A head was signed before the node started, and its tree does not reach so far yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The year's shard.
    pub year: u16,
    /// Leaves in the head signed last.
    pub signed: u64,
    /// Leaves in the tree.
    pub here: u64,
}

/// The handle to a node's notary.
#[derive(Clone)]
pub struct Notary {
    authority: Arc<Authority>,
    state: State,
    thread: Arc<Thread>,
    /// What the record said when the notary started.
    recorded: Arc<BTreeMap<u16, Head>>,
    kept: Arc<Mutex<BTreeMap<u64, Arc<SignedHead>>>>,
    newest: Arc<arc_swap::ArcSwapOption<SignedHead>>,
}

/// The notary's thread, which ends with the last handle. It holds the state, whose database must be closed before the
/// process ends: RocksDB aborts a process that ends under it.
struct Thread {
    jobs: mpsc::Sender<Job>,
    running: Mutex<Option<thread::JoinHandle<()>>>,
}

/// Somebody who waits for a head.
type Waiting = oneshot::Sender<Result<Arc<SignedHead>, NotaryError>>;

/// What the thread is asked.
enum Job {
    /// A head that somebody waits for.
    Sign { leaves: u64, signed: Waiting },
    /// To end.
    Stop,
}

/// Called with an error that has an exit code: it must end the process.
pub type Alarm = Arc<dyn Fn(&NotaryError) + Send + Sync>;

impl Authority {
    /// The origin of a year's shard: the first line of its checkpoints, and the name of its keys.
    #[must_use]
    pub fn origin(&self, year: u16) -> String {
        format!("{}/{}/{year}", self.domain, self.province)
    }

    /// The verifier keys of a year's shard, the oldest first.
    ///
    /// # Errors
    /// [`NotaryError::Origin`] if domain or province make no key name.
    pub fn verifier_keys(&self, year: u16) -> Result<Vec<VerifierKey>, NotaryError> {
        let origin = self.origin(year);
        let key = |key: &crate::keyring::LogKey| VerifierKey::new(&origin, KeyKind::Ed25519, key.public());
        let keys = self.keyring.log_keys().iter().map(key).collect::<Result<_, _>>();
        keys.map_err(|_| NotaryError::Origin)
    }

    /// The checkpoint, signed by every key that is valid at its stamp. Believed by a policy of each of them alone.
    fn sign(&self, shard: Shard, head: Head, at_ms: u64) -> Result<Note, NotaryError> {
        let origin = self.origin(shard.year);
        let checkpoint = Checkpoint::new(origin, head.size, head.root).map_err(|_| NotaryError::Origin)?;
        let text = checkpoint.text();
        let mut signatures = Vec::new();
        let mut policies = Vec::new();
        for (key, public) in self.keyring.log_keys().iter().zip(self.verifier_keys(shard.year)?) {
            if key.signs_at(at_ms) {
                signatures.push(Signature::sign(&text, &public, |message| key.sign(message))?);
                policies.push(Policy::of_log(public).map_err(|_| NotaryError::Origin)?);
            }
        }
        if signatures.is_empty() {
            return Err(NotaryError::NoKey(at_ms));
        }
        let note = Note::new(text, signatures)?;
        // A signature that our own verifier refuses must not leave: rule 5 of the sequencing rules.
        for policy in &policies {
            policy.accept(&note).map_err(ReceiptError::from)?;
        }
        Ok(note)
    }
}

impl Notary {
    /// Starts the notary of a state, with its record in `folder`. Only a node that `is_new`, with neither leaves nor entries
    /// of a log, begins a record.
    ///
    /// # Errors
    /// If the record cannot be opened: what was signed last is unknown then.
    pub fn start(folder: &Path, is_new: bool, authority: Authority, state: State, alarm: Alarm) -> io::Result<Self> {
        Self::over(Record::open(folder, is_new)?, authority, state, alarm)
    }

    fn over(record: Record, authority: Authority, state: State, alarm: Alarm) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(WAITING_MAX);
        let recorded = Arc::new(record.heads().clone());
        let notary = Self {
            authority: Arc::new(authority),
            state,
            thread: Arc::new(Thread { jobs, running: Mutex::default() }),
            recorded,
            kept: Arc::default(),
            newest: Arc::default(),
        };
        let signer = Signer {
            authority: Arc::clone(&notary.authority),
            state: notary.state.clone(),
            record,
            kept: Arc::clone(&notary.kept),
            newest: Arc::clone(&notary.newest),
            alarm,
        };
        let running = thread::Builder::new().name("notary".into()).spawn(move || signer.run(queue))?;
        *notary.thread.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(notary)
    }

    /// Names and keys.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Ends the thread and waits for it; nothing is signed afterwards.
    pub fn stop(&self) {
        self.thread.stop();
    }

    /// Whether the tree ends before a head that was signed before the node started: while the log is being replayed, or
    /// because something signed was lost, and then the node must not go on.
    #[must_use]
    pub fn behind(&self) -> Option<Behind> {
        let (shards, leaves) = (self.state.shards(), self.state.meta().leaves);
        self.recorded.iter().find_map(|(year, head)| {
            let at = shards.iter().position(|shard| shard.year == *year);
            let here = at.map_or(0, |at| shards.get(at + 1).map_or(leaves, |next| next.first) - shards[at].first);
            (here < head.size).then_some(Behind { year: *year, signed: head.size, here })
        })
    }

    /// Compares the tree with every head that was signed before the start, once [`Self::behind`] is over: a tree that grew
    /// to the size of another history raises the alarm.
    pub async fn compare(&self) {
        for (year, head) in self.recorded.iter().filter(|(_, head)| head.size > 0) {
            let first = self.state.shards().iter().find(|shard| shard.year == *year).map(|shard| shard.first);
            let Some(first) = first else { continue };
            // To sign it again is to judge it; whatever else is in the way of a signature does not matter here.
            if let Err(error) = self.head(first + head.size).await {
                tracing::warn!(year, size = head.size, %error, "a head signed before the start was not signed again");
            }
        }
    }

    /// The newest head signed here since the start.
    #[must_use]
    pub fn newest(&self) -> Option<Arc<SignedHead>> {
        self.newest.load_full()
    }

    /// The signed head of the log as it was with so many leaves.
    ///
    /// # Errors
    /// [`NotaryError`].
    pub async fn head(&self, leaves: u64) -> Result<Arc<SignedHead>, NotaryError> {
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&leaves) {
            return Ok(Arc::clone(kept));
        }
        let (signed, waiting) = oneshot::channel();
        self.thread.jobs.send(Job::Sign { leaves, signed }).await.map_err(|_| NotaryError::Stopped)?;
        waiting.await.map_err(|_| NotaryError::Stopped)?
    }

    /// The receipt of the leaf at a position, with everything its addendum opens. Verified before it is given.
    ///
    /// # Errors
    /// [`NotaryError`].
    pub async fn receipt(&self, position: u64, leaves: u64, addendum: &Addendum) -> Result<String, NotaryError> {
        let head = self.head(leaves).await?;
        let leaf = self.state.leaf(position)?.ok_or(NotaryError::NoTree(leaves))?;
        let index = position.checked_sub(head.shard.first).ok_or(NotaryError::NoTree(leaves))?;
        let subject = PersonNumber::parse(&addendum.number).ok().map(|number| (addendum.subject_salt, number));
        let mut hashes = self.state.hashes(head.shard);
        let proof = prove_inclusion(&mut hashes, index, head.size).map_err(proved(leaves))?;
        // This recomputes leaf hash, openings, proof and root; the signature was verified once for the head.
        Ok(Receipt::issue(&leaf, subject, draft::openings(addendum), index, proof, head.note.clone())?)
    }

    /// The receipt of the leaf at a position, whenever it was answered: the same bytes as then.
    ///
    /// # Errors
    /// [`NotaryError`].
    pub async fn receipt_again(&self, position: u64, addendum: &Addendum) -> Result<String, NotaryError> {
        let (leaves, _) = self.state.batch_of(position)?.ok_or(NotaryError::NoTree(position))?;
        self.receipt(position, leaves, addendum).await
    }
}

/// The half of a notary that has the record.
struct Signer {
    authority: Arc<Authority>,
    state: State,
    record: Record,
    kept: Arc<Mutex<BTreeMap<u64, Arc<SignedHead>>>>,
    newest: Arc<arc_swap::ArcSwapOption<SignedHead>>,
    alarm: Alarm,
}

/// A head that may be signed once the record is durable.
struct Judged {
    leaves: u64,
    shard: Shard,
    head: Head,
    at_ms: u64,
}

impl Thread {
    fn stop(&self) {
        // A queue that is full is emptied soon, and the thread has ended if nobody takes the message.
        while let Err(mpsc::error::TrySendError::Full(_)) = self.jobs.try_send(Job::Stop) {
            thread::yield_now();
        }
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            drop(running.join());
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Signer {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::new();
        while queue.blocking_recv_many(&mut jobs, WAITING_MAX) > 0 {
            let mut waiting: BTreeMap<u64, Vec<Waiting>> = BTreeMap::new();
            let mut stops = false;
            for job in jobs.drain(..) {
                match job {
                    Job::Sign { leaves, signed } => waiting.entry(leaves).or_default().push(signed),
                    Job::Stop => stops = true,
                }
            }
            let signed = self.sign(waiting.keys().copied());
            waiting.into_values().zip(signed).for_each(|(senders, result)| self.tell(senders, result));
            if stops {
                return;
            }
        }
    }

    /// Gives everybody who waits for a head the head, or lets them know that there is none.
    fn tell(&self, senders: Vec<Waiting>, result: Result<Arc<SignedHead>, NotaryError>) {
        match result {
            // Whoever asked may have gone.
            Ok(head) => senders.into_iter().for_each(|sender| drop(sender.send(Ok(Arc::clone(&head))))),
            Err(error) => {
                if error.exit_code().is_some() {
                    (self.alarm)(&error);
                }
                tracing::error!(%error, "a head was not signed");
                // The error itself goes to one of them; the others learn that there is no signature.
                if let Some(first) = senders.into_iter().next() {
                    drop(first.send(Err(error)));
                }
            }
        }
    }

    /// Signs heads in ascending order: all are judged, the record is made durable once, then signatures are made.
    fn sign(&mut self, wanted: impl Iterator<Item = u64>) -> Vec<Result<Arc<SignedHead>, NotaryError>> {
        let mut newest = self.record.heads().clone();
        let judged: Vec<Result<Judged, NotaryError>> = wanted.map(|leaves| self.judge(leaves, &mut newest)).collect();
        for (year, head) in newest {
            if self.record.heads().get(&year) != Some(&head)
                && let Err(error) = self.record.keep(year, head)
            {
                // If we go on here, the next request for the head would find it kept and nothing on the disk.
                let failed = |_| Err(NotaryError::Record(io::Error::new(error.kind(), error.to_string())));
                return judged.iter().map(failed).collect();
            }
        }
        judged.into_iter().map(|judged| judged.and_then(|judged| self.signed(&judged))).collect()
    }

    /// Whether a head may be signed, by everything that was. `newest` moves on with it.
    fn judge(&self, leaves: u64, newest: &mut BTreeMap<u16, Head>) -> Result<Judged, NotaryError> {
        let shard = self.state.shard_at(leaves).ok_or(NotaryError::NoTree(leaves))?;
        let meta = self.state.meta();
        if leaves > meta.leaves {
            return Err(NotaryError::NoTree(leaves));
        }
        let size = leaves - shard.first;
        let mut hashes = self.state.hashes(shard);
        let root = merkle::root(&mut hashes, size)?;
        let (_, at_ms) = self.state.batch_of(leaves - 1)?.ok_or(NotaryError::NoTree(leaves))?;
        let head = Head { size, root };
        let last = newest.get(&shard.year).copied().unwrap_or_default();
        if size >= last.size {
            let proof = prove_consistency(&mut hashes, last.size, size).map_err(proved(leaves))?;
            last.advance(head, &proof).map_err(NotaryError::Contradicts)?;
            newest.insert(shard.year, head);
        } else {
            // An older head is signed again only if what was signed since grew out of it.
            let next = self.state.shards().iter().find(|next| next.first > shard.first).map(|next| next.first);
            if shard.first + last.size > next.unwrap_or(meta.leaves) {
                return Err(NotaryError::Behind);
            }
            let proof = prove_consistency(&mut hashes, size, last.size).map_err(proved(leaves))?;
            head.advance(last, &proof).map_err(NotaryError::Contradicts)?;
        }
        Ok(Judged { leaves, shard, head, at_ms })
    }

    fn signed(&self, judged: &Judged) -> Result<Arc<SignedHead>, NotaryError> {
        let note = self.authority.sign(judged.shard, judged.head, judged.at_ms)?;
        let head = Arc::new(SignedHead { shard: judged.shard, size: judged.head.size, note });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(judged.leaves, Arc::clone(&head));
        if kept.len() > KEPT_MAX {
            kept.pop_first();
        }
        let newest = self.newest.load();
        if newest.as_ref().is_none_or(|newest| newest.leaves() < judged.leaves) {
            self.newest.store(Some(Arc::clone(&head)));
        }
        Ok(head)
    }
}

impl SignedHead {
    /// Leaves in the whole log at this head.
    #[must_use]
    pub const fn leaves(&self) -> u64 {
        self.shard.first + self.size
    }
}

fn proved(leaves: u64) -> impl Fn(ProveError<io::Error>) -> NotaryError {
    move |error| match error {
        ProveError::Read(error) => NotaryError::Disk(error),
        _ => NotaryError::NoTree(leaves),
    }
}

impl fmt::Debug for Notary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notary").field("newest", &self.newest().map(|head| head.leaves())).finish()
    }
}

#[cfg(test)]
mod tests;
