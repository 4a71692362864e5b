//! The signature under the end of a person's trail.

use xacminh_proto::transparency::{Policy, ReceiptError, note::Note, trail::TrailEnd};

use super::{Notary, NotaryError, SignedHead};

impl Notary {
    /// Signs where a trail ends in a log of this head: by every key that is valid at the head's stamp, as the head itself
    /// is. `end` comes without origin and size, which are the head's.
    ///
    /// # Errors
    /// [`NotaryError`].
    pub fn trail_end(&self, head: &SignedHead, mut end: TrailEnd) -> Result<Note, NotaryError> {
        let (_, at_ms) = self.state.batch_of(head.leaves() - 1)?.ok_or(NotaryError::NoTree(head.leaves()))?;
        let origin = self.authority.origin(head.shard.year);
        (end.origin, end.size) = (origin, head.size);
        let mut signatures = Vec::new();
        let mut policies = Vec::new();
        let keys = self.authority.keyring.log_keys().iter().zip(self.authority.verifier_keys(head.shard.year)?);
        for (key, public) in keys.filter(|(key, _)| key.signs_at(at_ms)) {
            signatures.push(end.signature(&public, |message| key.sign(message))?);
            policies.push(Policy::of_log(public).map_err(|_| NotaryError::Origin)?);
        }
        if signatures.is_empty() {
            return Err(NotaryError::NoKey(at_ms));
        }
        let note = end.note(signatures)?;
        // A signature that our own verifier refuses must not leave.
        for policy in &policies {
            end.check_signed(&note, policy).map_err(ReceiptError::from)?;
        }
        Ok(note)
    }
}
