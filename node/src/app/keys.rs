//! What the operator does with keys: new ones, and telling verifiers.

use std::path::Path;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use xacminh_proto::{
    hex,
    vocab::{Date, PersonNumber},
};

use super::{Refusal, setup};
use crate::{
    config::Config,
    env::{Clock, SystemClock},
    keyring::{KekSource, KeyringError, KeyringFile},
    notary::{Authority, NotaryError},
};

/// Why a key command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum KeyCommandError {
    /// Not a citizen number.
    #[error("line {0} is no citizen number of 12 digits, nor an old one of 9")]
    Number(usize),
    /// Not a moment.
    #[error("`{0}` is no moment: write it like 2027-01-01T00:00:00+07:00")]
    Moment(String),
    /// The new key would sign heads that were signed without it already.
    #[error(
        "--from lies in the past: heads stamped since then were signed without the new key, and receipts would change"
    )]
    Past,
    /// There would be a time without a key, or none with both.
    #[error("--until must lie after --from: in between, both keys sign, so that verifiers can learn the new one")]
    NoOverlap,
    /// The keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The keyring that a configuration names.
    #[error(transparent)]
    Start(#[from] Refusal),
    /// The log's name.
    #[error(transparent)]
    Notary(#[from] NotaryError),
}

/// The marks of citizen numbers, one a line, as the register's `honey` and `own_number` want them.
///
/// # Errors
/// [`KeyCommandError`]; a line that is no number is named by its place and not repeated.
pub fn marks(config: &Config, numbers: impl std::io::BufRead) -> Result<Vec<String>, KeyCommandError> {
    let keyring = setup::keyring(config)?;
    let mut marks = Vec::new();
    for (line, text) in (1..).zip(numbers.lines()) {
        let number = text.ok().and_then(|text| PersonNumber::parse(text.trim()).ok());
        let key = keyring.row_key(number.ok_or(KeyCommandError::Number(line))?);
        marks.push(hex::text(&key));
    }
    Ok(marks)
}

/// Writes a keyring with one more sealing key, which is the one that seals; gives its id.
///
/// # Errors
/// [`KeyCommandError`]. The keyring read is left as it was.
pub fn rotate_sealing(from: &Path, to: &Path, kek: &KekSource) -> Result<u32, KeyCommandError> {
    let mut file = KeyringFile::read(from, kek)?;
    let id = file.rotate()?;
    file.write(to, kek)?;
    Ok(id)
}

/// Writes a keyring with one more key of the log, which signs from one moment on; those before it sign until another.
///
/// # Errors
/// [`KeyCommandError`]. The keyring read is left as it was.
pub fn rotate_signing(
    from: &Path,
    to: &Path,
    kek: &KekSource,
    (begins, ends): (&str, &str),
) -> Result<(), KeyCommandError> {
    rotate_signing_at(SystemClock::new().now_ms(), from, to, kek, (moment(begins)?, moment(ends)?))
}

fn rotate_signing_at(
    now_ms: u64,
    from: &Path,
    to: &Path,
    kek: &KekSource,
    (from_ms, until_ms): (u64, u64),
) -> Result<(), KeyCommandError> {
    let mut file = KeyringFile::read(from, kek)?;
    // A keyring that never had a key of the log has signed nothing that could change.
    if from_ms <= now_ms && file.signs() {
        return Err(KeyCommandError::Past);
    }
    if until_ms <= from_ms {
        return Err(KeyCommandError::NoOverlap);
    }
    file.rotate_signing(from_ms, until_ms)?;
    file.write(to, kek)?;
    Ok(())
}

/// The verifier keys of a year of the log, this one's if none is given, the oldest first.
///
/// # Errors
/// [`KeyCommandError`].
pub fn verifier_keys(config: &Config, year: Option<u16>) -> Result<Vec<String>, KeyCommandError> {
    let keyring = setup::keyring(config)?;
    let cluster = &config.cluster;
    let log = Authority { domain: cluster.domain.clone(), province: cluster.province.clone(), keyring };
    let year = year.unwrap_or_else(|| Date::in_vietnam(SystemClock::new().now_ms()).year());
    Ok(log.verifier_keys(year)?.iter().map(ToString::to_string).collect())
}

/// Unix milliseconds of a moment in RFC 3339.
fn moment(text: &str) -> Result<u64, KeyCommandError> {
    let wrong = || KeyCommandError::Moment(text.to_owned());
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::Keyring;

    const NOW_MS: u64 = 1_793_000_000_000;

    #[test]
    fn moments_are_read_with_their_zone() {
        assert_eq!(moment("2027-01-01T00:00:00+07:00").expect("a moment"), 1_798_736_400_000);
        assert_eq!(moment("2026-12-31T17:00:00Z").expect("a moment"), 1_798_736_400_000);
        for wrong in ["", "2027-01-01", "2027-01-01T00:00:00", "tomorrow", "1960-01-01T00:00:00Z"] {
            assert!(matches!(moment(wrong), Err(KeyCommandError::Moment(_))), "{wrong}");
        }
    }

    #[test]
    fn a_new_key_of_the_log_begins_later_and_overlaps() {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join("old.toml"), folder.path().join("new.toml"));
        Keyring::generate(&old, &KekSource::None).expect("a keyring");
        let rotate = |from_ms, until_ms| rotate_signing_at(NOW_MS, &old, &new, &KekSource::None, (from_ms, until_ms));
        assert!(matches!(rotate(NOW_MS, NOW_MS + 9), Err(KeyCommandError::Past)));
        assert!(matches!(rotate(NOW_MS + 5, NOW_MS + 5), Err(KeyCommandError::NoOverlap)));
        assert!(!new.exists());
        rotate(NOW_MS + 5, NOW_MS + 9).expect("rotated");
        let keyring = Keyring::load(&new, &KekSource::None).expect("a keyring");
        let signing = |at_ms| keyring.log_keys().iter().filter(|key| key.signs_at(at_ms)).count();
        assert_eq!([4, 5, 8, 9].map(|ms| signing(NOW_MS + ms)), [1, 2, 2, 1]);
        // A keyring is never overwritten: its keys would be lost.
        assert!(matches!(rotate(NOW_MS + 5, NOW_MS + 9), Err(KeyCommandError::Keyring(_))));
    }

    #[test]
    fn a_new_sealing_key_is_current_and_the_old_one_opens() {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join("old.toml"), folder.path().join("new.toml"));
        let before = Keyring::generate(&old, &KekSource::None).expect("a keyring");
        assert_eq!(rotate_sealing(&old, &new, &KekSource::None).expect("rotated"), 2);
        let after = Keyring::load(&new, &KekSource::None).expect("a keyring");
        assert_eq!((before.current_id(), after.current_id()), (1, 2));
    }
}
