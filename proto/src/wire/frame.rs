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
    let Ok(length) = u32::try_from(bytes.len() - start - PREFIX_BYTES) else {
        bytes.truncate(start);
        return Err(CodecError::TooLarge(LIMIT));
    };
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

/// The tag of a session frame's body, read alone.
///
/// When the rest is malformed, the frame itself still arrived whole: with its tag the caller can be told which of its
/// questions that was, and its others can go on (P10).
///
/// # Errors
/// [`CodecError`] when not even the tag is there.
pub fn tag(body: &[u8]) -> Result<u64, CodecError> {
    codec::decode_prefix(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{REQUEST_BYTES_MAX, Request, Tagged};

    #[test]
    fn a_length_is_refused_before_its_body_is_read() {
        assert_eq!(announced([0, 1, 0, 0], REQUEST_BYTES_MAX), Ok(REQUEST_BYTES_MAX));
        assert_eq!(announced([0, 1, 0, 1], REQUEST_BYTES_MAX), Err(CodecError::TooLarge(REQUEST_BYTES_MAX)));
        assert_eq!(announced([0xff; 4], REQUEST_BYTES_MAX), Err(CodecError::TooLarge(REQUEST_BYTES_MAX)));
        assert_eq!(announced([0; 4], 0), Ok(0));
    }

    #[test]
    fn a_frame_that_does_not_fit_leaves_the_buffer_alone() {
        let mut bytes = vec![7];
        let request = Request::PutRegister("x".repeat(REQUEST_BYTES_MAX));
        assert_eq!(append::<REQUEST_BYTES_MAX, _>(&request, &mut bytes), Err(CodecError::TooLarge(REQUEST_BYTES_MAX)));
        assert_eq!(bytes, [7]);
        append::<REQUEST_BYTES_MAX, _>(&Request::Status, &mut bytes).expect("it fits");
        assert_eq!(bytes, [7, 0, 0, 0, 1, 1]);
        assert_eq!(body::<REQUEST_BYTES_MAX, Request>(&bytes[5..]), Ok(Request::Status));
    }

    #[test]
    fn the_tag_is_read_from_a_malformed_body() {
        for tag_sent in [0, 250, 251, 70_000, u64::MAX] {
            let body = codec::encode::<64, _>(&Tagged { tag: tag_sent, body: Request::Status }).expect("it fits");
            let mut malformed = body.clone();
            *malformed.last_mut().expect("a body") = 0xee;
            assert!(codec::decode::<64, Tagged<Request>>(&malformed).is_err());
            assert_eq!(tag(&malformed), Ok(tag_sent));
            assert_eq!(tag(&body[..body.len() - 1]), Ok(tag_sent));
        }
        assert_eq!(tag(&[]), Err(CodecError::Malformed));
        assert_eq!(tag(&[253, 1]), Err(CodecError::Malformed));
    }
}
