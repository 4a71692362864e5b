//! Length-prefixed frames: u32 big-endian length, then the body.

use serde::{Serialize, de::DeserializeOwned};

use crate::codec::{self, CodecError};

/// Bytes of the length prefix.
pub const PREFIX_BYTES: usize = 4;

/// The length a prefix announces, if it stays within `limit`.
///
/// # Errors
/// [`CodecError::TooLarge`] before anything is allocated.
pub fn announced(prefix: [u8; PREFIX_BYTES], limit: usize) -> Result<usize, CodecError> {
    let length = usize::try_from(u32::from_be_bytes(prefix)).map_err(|_| CodecError::TooLarge(limit))?;
    if length <= limit { Ok(length) } else { Err(CodecError::TooLarge(limit)) }
}

/// Appends `value` as a frame of at most `LIMIT` body bytes.
///
/// # Errors
/// [`CodecError::TooLarge`]; `bytes` is then as it was.
pub fn append<const LIMIT: usize, T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; PREFIX_BYTES]);
    if let Err(error) = codec::encode_into::<LIMIT, T>(value, bytes) {
        bytes.truncate(start);
        return Err(error);
    }
    let length = u32::try_from(bytes.len() - start - PREFIX_BYTES).map_err(|_| CodecError::TooLarge(LIMIT))?;
    bytes[start..start + PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Decodes the body of a frame.
///
/// # Errors
/// [`CodecError`].
pub fn body<const LIMIT: usize, T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    codec::decode::<LIMIT, T>(bytes)
}
