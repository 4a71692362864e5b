//! Where a checkpoint is judged, remembered and cosigned, in one step that no other request gets into.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use tracing::{error, info, warn};
use xacminh_proto::transparency::{
    note::VerifierKey,
    witness::{AddCheckpoint, Refusal},
};

use super::{
    key::CosignerKey,
    memory::{Memory, Seen},
};

/// A clock: Unix seconds.
pub(super) type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// Everything a witness needs to answer.
pub(super) struct Desk {
    logs: Vec<VerifierKey>,
    key: CosignerKey,
    clock: Clock,
    /// None after a write failed: what is on disk is unknown, and nothing may be cosigned any more.
    memory: Mutex<Option<Memory>>,
}

/// Why the process must end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fatal {
    #[error("the newest head could not be written: what is on disk is unknown until the next start")]
    Write(#[source] io::Error),
    #[error("an earlier head could not be written")]
    Ended,
}

impl Desk {
    pub(super) fn new(logs: Vec<VerifierKey>, key: CosignerKey, memory: Memory, clock: Clock) -> Self {
        Self { logs, key, clock, memory: Mutex::new(Some(memory)) }
    }

    /// Answers one request body: the signature line, or why not. Blocks for as long as the disk needs.
    ///
    /// "Checking the old size against the latest checkpoint and persisting the new checkpoint must be performed
    /// atomically": the memory is held from before the check until the new head is on disk.
    pub(super) fn add_checkpoint(&self, body: &[u8]) -> Result<Result<String, Refusal>, Fatal> {
        let Ok(request) = AddCheckpoint::parse(body) else { return Ok(Err(Refusal::BadRequest)) };
        let mut held = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out, and put back only if its file and itself agree: neither an error nor a panic leaves it in use.
        let mut memory = held.take().ok_or(Fatal::Ended)?;
        let judged = request.judge(&self.logs, |origin| memory.seen(origin).map(|seen| seen.head));
        let (checkpoint, head) = match judged {
            Ok(judged) => judged,
            Err(refusal) => {
                *held = Some(memory);
                drop(held);
                tell(&request, refusal);
                return Ok(Err(refusal));
            }
        };
        let origin = checkpoint.origin();
        let last = memory.seen(origin);
        // A later cosignature is never stamped earlier: clocks are set back, and what was signed is not.
        let time_s = last.map_or(0, |seen| seen.time_s).max((self.clock)());
        memory.remember(origin, Seen { head, time_s }).map_err(Fatal::Write)?;
        *held = Some(memory);
        drop(held);
        info!(origin, size = head.size, grown = head.size - request.old, "cosigned");
        Ok(Ok(self.key.cosign(request.checkpoint.text(), time_s).to_string()))
    }
}

/// "If the origin is known, and the signature is valid, the witness MAY log the request", for it may be proof that the
/// log misbehaves. Another root of the same size is. A proof that does not hold need not be: anybody can send a signed
/// checkpoint with a wrong one.
fn tell(request: &AddCheckpoint, refusal: Refusal) {
    let note = request.checkpoint.to_string();
    match refusal {
        Refusal::Conflict { size } if request.old == size => {
            error!(size, note, "the log signed another root of the size that was cosigned: it has forked");
        }
        Refusal::Conflict { size } => info!(old = request.old, size, "asked from another size"),
        Refusal::Unprocessable => {
            warn!(old = request.old, note, "the proof does not hold");
        }
        refusal => warn!(status = refusal.status(), "refused: {refusal}"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::Path,
        sync::{Barrier, atomic::AtomicU64, atomic::Ordering},
        thread,
    };

    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use xacminh_proto::transparency::{
        Checkpoint, Hash,
        merkle::{HashReader, Subtree, leaf_hash, prove_consistency, root, root_of_leaf_hashes},
        note::{KeyKind, Note, Signature},
        witness::Head,
    };

    use super::*;

    const ORIGIN: &str = "log.example/1";
    const NOW_S: u64 = 1_803_859_210;

    struct Leaves;

    impl HashReader for Leaves {
        type Error = ();
        fn hash(&mut self, subtree: Subtree) -> Result<Hash, ()> {
            let leaves = (subtree.index << subtree.level)..((subtree.index + 1) << subtree.level);
            Ok(root_of_leaf_hashes(&leaves.map(|index| leaf_hash(&index.to_be_bytes())).collect::<Vec<_>>()))
        }
    }

    fn log_key() -> (VerifierKey, Ed25519KeyPair) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        (VerifierKey::new(ORIGIN, KeyKind::Ed25519, public).unwrap(), pair)
    }

    fn note(head: Head) -> Note {
        let (key, pair) = log_key();
        let checkpoint = Checkpoint::new(ORIGIN, head.size, head.root).unwrap();
        checkpoint.sign(&key, |message| pair.sign(message).as_ref().try_into().unwrap()).unwrap()
    }

    fn body(old: u64, new: u64) -> Vec<u8> {
        let head = Head { size: new, root: root(&mut Leaves, new).unwrap() };
        let proof = prove_consistency(&mut Leaves, old, new).unwrap();
        AddCheckpoint { old, proof, checkpoint: note(head) }.to_string().into_bytes()
    }

    fn desk(folder: &Path, clock: Clock) -> Desk {
        let key = CosignerKey::make("witness.example/w1", &folder.join("key")).unwrap();
        Memory::create(&folder.join("state"), key.public()).unwrap();
        let memory = Memory::open(&folder.join("state"), key.public()).unwrap();
        Desk::new(vec![log_key().0], key, memory, clock)
    }

    fn time_of(desk: &Desk, size: u64, line: &str) -> u64 {
        let note = note(Head { size, root: root(&mut Leaves, size).unwrap() });
        let note = note.with(Signature::parse_lines(line).unwrap()).unwrap();
        note.open([desk.key.public()]).unwrap()[0].time_s.unwrap()
    }

    /// The race of the specification: two requests checked against the same old size, the larger stored first.
    #[test]
    fn of_requests_from_one_size_one_wins() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let desk = desk(folder.path(), Box::new(|| NOW_S));
            let sizes = [40, 7, 300, 8];
            let (bodies, barrier) = (sizes.map(|size| body(0, size)), Barrier::new(sizes.len()));
            let answers: Vec<_> = thread::scope(|scope| {
                let asking = bodies.iter().map(|body| {
                    let (desk, barrier) = (&desk, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        desk.add_checkpoint(body).unwrap()
                    })
                });
                let asking: Vec<_> = asking.collect();
                asking.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let won: Vec<usize> = (0..sizes.len()).filter(|at| answers[*at].is_ok()).collect();
            let &[winner] = won.as_slice() else { panic!("{answers:?}") };
            for (at, answer) in answers.iter().enumerate().filter(|(at, _)| *at != winner) {
                assert_eq!(*answer, Err(Refusal::Conflict { size: sizes[winner] }), "{}", sizes[at]);
            }
            let seen = desk.memory.lock().unwrap().as_ref().unwrap().seen(ORIGIN).unwrap();
            assert_eq!(seen.head.size, sizes[winner]);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_sets_no_cosignature_back() {
        static NOW: AtomicU64 = AtomicU64::new(NOW_S);
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(folder.path(), Box::new(|| NOW.load(Ordering::SeqCst)));
        let mut times = Vec::new();
        for (old, new, now) in [(0, 7, NOW_S), (7, 7, NOW_S - 3600), (7, 9, NOW_S + 5)] {
            NOW.store(now, Ordering::SeqCst);
            let line = desk.add_checkpoint(&body(old, new)).unwrap().unwrap();
            times.push(time_of(&desk, new, &line));
        }
        assert_eq!(times, [NOW_S, NOW_S, NOW_S + 5]);
    }

    #[test]
    fn a_head_that_cannot_be_written_is_never_cosigned_and_nothing_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(folder.path(), Box::new(|| NOW_S));
        desk.add_checkpoint(&body(0, 7)).unwrap().unwrap();
        fs::remove_dir_all(folder.path().join("state")).unwrap();
        assert!(matches!(desk.add_checkpoint(&body(7, 9)), Err(Fatal::Write(_))));
        for (old, new) in [(7, 9), (7, 7), (9, 9)] {
            assert!(matches!(desk.add_checkpoint(&body(old, new)), Err(Fatal::Ended)));
        }
    }

    #[test]
    fn another_root_of_the_same_size_is_refused_and_the_memory_stays() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(folder.path(), Box::new(|| NOW_S));
        desk.add_checkpoint(&body(0, 7)).unwrap().unwrap();
        let forked = AddCheckpoint { old: 7, proof: vec![], checkpoint: note(Head { size: 7, root: [9; 32] }) };
        let refused = desk.add_checkpoint(forked.to_string().as_bytes()).unwrap();
        assert_eq!(refused, Err(Refusal::Conflict { size: 7 }));
        assert!(desk.add_checkpoint(&body(7, 9)).unwrap().is_ok());
        assert_eq!(desk.add_checkpoint(b"old 9\n").unwrap(), Err(Refusal::BadRequest));
    }
}
