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
