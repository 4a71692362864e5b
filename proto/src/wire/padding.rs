//! Replies in few sizes: what a reply says must not be read off its length (promise P8).
//!
//! ```text
//! body of a reply frame = bincode(Reply) ‖ zeros, up to the next of 128, 256, 512, 2048, 4096, 6144, … bytes
//! ```
//!
//! Refusals, misses and answers that cannot tell have 128 bytes, with their receipts 2048 while the log has fewer than
//! 10^9 leaves.
//! The zeros are checked: nothing else travels in them, and a reply that is not padded is malformed.

use serde::{Serialize, de::DeserializeOwned};

use crate::codec::{self, CodecError};

/// Sizes below the step: an answer without a receipt fits the first, one with values the others.
const SMALL_BYTES: [usize; 3] = [128, 256, 512];

/// Larger replies have a multiple of this: a receipt whose proof is somewhat longer stays the same.
const STEP_BYTES: usize = 2048;

/// The size to which a reply of `length` bytes is padded, within its limit.
#[must_use]
pub fn padded_bytes(length: usize, limit: usize) -> usize {
    let small = SMALL_BYTES.into_iter().find(|size| length <= *size);
    small.unwrap_or_else(|| length.next_multiple_of(STEP_BYTES)).min(limit.max(length))
}

/// Encodes a reply of at most `LIMIT` bytes, padded.
///
/// # Errors
/// As [`codec::encode`].
pub fn encode<const LIMIT: usize, T: Serialize>(reply: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(SMALL_BYTES[0]);
    codec::encode_into::<LIMIT, T>(reply, &mut bytes)?;
    bytes.resize(padded_bytes(bytes.len(), LIMIT), 0);
    Ok(bytes)
}

/// Decodes a padded reply of at most `LIMIT` bytes.
///
/// # Errors
/// [`CodecError::TooLarge`], [`CodecError::Malformed`], or [`CodecError::TrailingBytes`] when what follows the reply is
/// not its padding.
pub fn decode<const LIMIT: usize, T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (reply, used) = codec::decode_start::<LIMIT, T>(bytes)?;
    let rest = &bytes[used..];
    let is_padding = bytes.len() == padded_bytes(used, LIMIT) && rest.iter().all(|byte| *byte == 0);
    if is_padding { Ok(reply) } else { Err(CodecError::TrailingBytes(rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        vocab::{Cause, ErrorNumber, Outcome, RequestId},
        wire::{Answer, Failure, REPLY_BYTES_MAX, Reply, Tagged},
    };

    #[test]
    fn sizes_are_few_and_never_beyond_the_limit() {
        let sizes: std::collections::BTreeSet<usize> = (0..=6_000).map(|length| padded_bytes(length, 5_000)).collect();
        assert_eq!(
            sizes.iter().copied().take_while(|size| *size <= 5_000).collect::<Vec<_>>(),
            [128, 256, 512, 2048, 4096, 5000]
        );
        assert!((0..6_000).all(|length| padded_bytes(length, 5_000) >= length));
    }

    fn answer(outcome: Outcome, position: u64, receipt: Option<usize>) -> Reply {
        let at_ms = 1_795_237_200_000;
        let request_id = RequestId::new(at_ms, [1; 10]);
        let receipt = receipt.map(|length| "x".repeat(length));
        Reply::Answer(Box::new(Answer { request_id, outcome, position, at_ms, receipt }))
    }

    #[test]
    fn whatever_confirms_nothing_has_one_size_with_and_without_a_receipt() {
        let outcomes = Cause::ALL.into_iter().map(Outcome::Undetermined);
        let refusals = ErrorNumber::ALL.iter().map(|number| Outcome::Refused(*number));
        for outcome in outcomes.chain(refusals).chain([Outcome::NotConfirmed]) {
            for (position, tag) in [(0, 1), (1 << 40, u64::MAX)] {
                // From a log of one leaf to one of 10^8; see docs/RECEIPTS.md.
                for (receipt, size) in [(None, 128), (Some(700), 2048), (Some(1_868), 2048)] {
                    let body = answer(outcome.clone(), position, receipt);
                    let length = |bytes: Result<Vec<u8>, CodecError>| bytes.expect("it fits").len();
                    assert_eq!(length(encode::<REPLY_BYTES_MAX, _>(&body)), size, "{outcome:?}");
                    assert_eq!(length(encode::<REPLY_BYTES_MAX, _>(&Tagged { tag, body })), size, "{outcome:?}");
                }
            }
        }
        for number in ErrorNumber::ALL {
            let failure = Reply::Failure(Failure { number: *number, detail: "no request of version 1".to_owned() });
            assert_eq!(encode::<REPLY_BYTES_MAX, _>(&failure).expect("it fits").len(), 128);
        }
    }

    #[test]
    fn nothing_travels_in_the_padding() {
        let reply = answer(Outcome::NotConfirmed, 7, None);
        let bytes = encode::<REPLY_BYTES_MAX, _>(&reply).expect("it fits");
        assert_eq!(decode::<REPLY_BYTES_MAX, Reply>(&bytes), Ok(reply.clone()));
        let plain = codec::encode::<REPLY_BYTES_MAX, _>(&reply).expect("it fits");
        for at in plain.len()..bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[at] = 1;
            assert!(matches!(decode::<REPLY_BYTES_MAX, Reply>(&spoiled), Err(CodecError::TrailingBytes(_))), "{at}");
            assert!(decode::<REPLY_BYTES_MAX, Reply>(&bytes[..at]).is_err(), "cut to {at}");
        }
        assert!(decode::<REPLY_BYTES_MAX, Reply>(&[&bytes[..], &[0]].concat()).is_err());
        assert_eq!(decode::<64, Reply>(&bytes), Err(CodecError::TooLarge(64)));
    }
}
