//! The one place that knows bincode: every encoded byte of ours passes here.
//!
//! Sizes are bounded before anything is allocated, and bytes left over are an error, so that no two byte strings are
//! accepted for the same message by accident.
//! bincode is unmaintained (RUSTSEC-2025-0141): replacing it is this file's work, and golden files hold the bytes still.

use bincode::config::{self, Config};
use serde::{Serialize, de::DeserializeOwned};

/// What was wrong with bytes that should have been a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes are not an encoding of the expected type, or announce more than the limit allows.
    #[error("malformed or oversize message")]
    Malformed,
    /// The message ended before its bytes did.
    #[error("{0} bytes left over after the message")]
    TrailingBytes(usize),
    /// The value does not fit into the limit of its kind.
    #[error("message exceeds its limit of {0} bytes")]
    TooLarge(usize),
}

/// Encodes `value`, which must fit into `LIMIT` bytes.
///
/// # Errors
/// [`CodecError::TooLarge`] when it does not fit.
pub fn encode<const LIMIT: usize, T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    encode_into::<LIMIT, T>(value, &mut bytes)?;
    Ok(bytes)
}

/// Appends the encoding of `value`, which must fit into `LIMIT` bytes, to `bytes`.
///
/// # Errors
/// [`CodecError::TooLarge`] when it does not fit; `bytes` is then as it was.
pub fn encode_into<const LIMIT: usize, T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = bytes.len();
    let outcome = bincode::serde::encode_into_std_write(value, bytes, bounded::<LIMIT>());
    if outcome.is_err() || bytes.len() - start > LIMIT {
        bytes.truncate(start);
        return Err(CodecError::TooLarge(LIMIT));
    }
    Ok(())
}

/// Decodes exactly one `T` of at most `LIMIT` bytes from the whole of `bytes`.
///
/// # Errors
/// [`CodecError::Malformed`] or [`CodecError::TrailingBytes`].
pub fn decode<const LIMIT: usize, T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > LIMIT {
        return Err(CodecError::TooLarge(LIMIT));
    }
    #[expect(clippy::disallowed_methods, reason = "this is the codec; everybody else calls it")]
    let (value, used) =
        bincode::serde::decode_from_slice(bytes, bounded::<LIMIT>()).map_err(|_| CodecError::Malformed)?;
    match bytes.len() - used {
        0 => Ok(value),
        left_over => Err(CodecError::TrailingBytes(left_over)),
    }
}

/// Little-endian, variable-length integers, no more than `LIMIT` bytes in all.
fn bounded<const LIMIT: usize>() -> impl Config {
    config::standard().with_limit::<LIMIT>()
}
