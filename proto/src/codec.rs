//! The one place that knows bincode: every encoded byte of ours passes here.
//!
//! Sizes are bounded before anything is allocated, and bytes left over are an error.
//! An integer written longer than it need be still decodes, so two byte strings can mean one message: what is hashed
//! or signed is therefore never an encoding made again from a decoded value, but bytes as they arrived, or the
//! hand-written layouts of [`crate::transparency`].
//! A limit counts every integer at its full width, because that is how the decoder counts: [`encode`] holds a message
//! to the same count, so that nothing is written which could not be read back.
//! bincode is unmaintained (RUSTSEC-2025-0141): replacing it is this file's work, and golden files hold the bytes still.

use bincode::{
    config::{self, Config},
    enc::write::SizeWriter,
};
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
    /// The value breaks a bound of its own type, so that nobody could decode it again.
    #[error("a value breaks the bounds of its type")]
    OutOfBounds,
}

/// Encodes `value`, which must fit into `LIMIT` bytes.
///
/// # Errors
/// [`CodecError::TooLarge`] when it does not fit, [`CodecError::OutOfBounds`] when it breaks the bounds of its type.
pub fn encode<const LIMIT: usize, T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    encode_into::<LIMIT, T>(value, &mut bytes)?;
    Ok(bytes)
}

/// Appends the encoding of `value`, which must fit into `LIMIT` bytes, to `bytes`.
///
/// # Errors
/// As [`encode`]; `bytes` is then as it was.
pub fn encode_into<const LIMIT: usize, T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = bytes.len();
    let outcome = match bincode::serde::encode_into_std_write(value, bytes, bounded::<LIMIT>()) {
        Ok(written) if fits::<LIMIT, T>(value, written) => return Ok(()),
        Ok(_) => CodecError::TooLarge(LIMIT),
        Err(_) => CodecError::OutOfBounds,
    };
    bytes.truncate(start);
    Err(outcome)
}

/// Whether the decoder's own count of `value`, which has `written` bytes, stays within `LIMIT`.
fn fits<const LIMIT: usize, T: Serialize>(value: &T, written: usize) -> bool {
    // One byte stands for an integer of up to sixteen: messages this small need no second count.
    const WIDEST_INTEGER_BYTES: usize = 16;
    if written <= LIMIT / WIDEST_INTEGER_BYTES {
        return true;
    }
    let mut counter = SizeWriter::default();
    let full_width = config::standard().with_fixed_int_encoding();
    bincode::serde::encode_into_writer(value, &mut counter, full_width).is_ok() && counter.bytes_written <= LIMIT
}

/// Decodes exactly one `T` of at most `LIMIT` bytes from the whole of `bytes`.
///
/// # Errors
/// [`CodecError::TooLarge`] before anything is read, [`CodecError::Malformed`] or [`CodecError::TrailingBytes`].
pub fn decode<const LIMIT: usize, T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) = decode_start::<LIMIT, T>(bytes)?;
    match bytes.len() - used {
        0 => Ok(value),
        left_over => Err(CodecError::TrailingBytes(left_over)),
    }
}

/// Decodes one `T` from the start of at most `LIMIT` bytes; gives how many of them it took.
///
/// # Errors
/// [`CodecError::TooLarge`] before anything is read, or [`CodecError::Malformed`].
pub(crate) fn decode_start<const LIMIT: usize, T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    if bytes.len() > LIMIT {
        return Err(CodecError::TooLarge(LIMIT));
    }
    #[expect(clippy::disallowed_methods, reason = "this is the codec; everybody else calls it")]
    bincode::serde::decode_from_slice(bytes, bounded::<LIMIT>()).map_err(|_| CodecError::Malformed)
}

/// Decodes a `T` from the start of `bytes` and says nothing about the rest.
///
/// # Errors
/// [`CodecError::Malformed`].
pub(crate) fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    const PREFIX_BYTES_MAX: usize = 16;
    #[expect(clippy::disallowed_methods, reason = "this is the codec; everybody else calls it")]
    bincode::serde::decode_from_slice(bytes, bounded::<PREFIX_BYTES_MAX>())
        .map(|(value, _)| value)
        .map_err(|_| CodecError::Malformed)
}

/// Little-endian, variable-length integers, no more than `LIMIT` bytes in all.
fn bounded<const LIMIT: usize>() -> impl Config {
    config::standard().with_limit::<LIMIT>()
}
