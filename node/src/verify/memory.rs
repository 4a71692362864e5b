//! What the desk remembers of people: read, and sealed to be written.

use xacminh_core::{command::RecordKey, record::Known};
use xacminh_proto::vocab::ErrorNumber;

use super::{Desk, internal};

impl Desk {
    /// Step ②: what is remembered, if anything is, and an entry after which it had not been changed when it was read.
    pub(super) fn recall(&self, key: &RecordKey) -> Result<(u64, Option<Known>), ErrorNumber> {
        // First: what is applied while the record is read may be in it or not.
        let applied = self.applied();
        let Some((version, sealed)) = self.state.record(key).map_err(internal)? else { return Ok((applied, None)) };
        let opened = self.keyring.open_record(key, &sealed).map_err(internal)?;
        let known = Known::decode(&opened).map_err(internal)?;
        Ok((applied.max(version), Some(known)))
    }

    /// Raft index of the last entry that the state shows.
    pub(super) fn applied(&self) -> u64 {
        self.state.applied().map_or(0, |applied| applied.index)
    }

    /// What the authority said, as it is remembered.
    pub(super) fn sealed(&self, key: &RecordKey, said: &Known) -> Result<Vec<u8>, ErrorNumber> {
        let plain = said.encode().map_err(internal)?;
        self.keyring.seal_record(key, &plain).map_err(internal)
    }
}
