//! Entry bundles: the entries of a tile, each behind its length.

use super::TILE_WIDTH;

/// Longest entry: its length stands in sixteen bits.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Why entries make no bundle, or bytes are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// None, or more than 256.
    #[error("a bundle has 1 to 256 entries, not {0}")]
    Count(usize),
    /// An entry longer than its length can say.
    #[error("an entry of {0} bytes is too long")]
    TooLong(usize),
    /// The bytes end within an entry, or go on after the last.
    #[error("the bundle's bytes are not those of {0} entries")]
    Malformed(u16),
}

/// The bytes of a bundle.
///
/// # Errors
/// [`BundleError::Count`] and [`BundleError::TooLong`].
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, BundleError> {
    if !(1..=usize::from(TILE_WIDTH)).contains(&entries.len()) {
        return Err(BundleError::Count(entries.len()));
    }
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.as_ref().len()).sum());
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle of `width`.
///
/// # Errors
/// [`BundleError::Malformed`].
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let malformed = BundleError::Malformed(width);
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(BundleError::Count(usize::from(width)));
    }
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bytes;
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk().ok_or(malformed)?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(malformed)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_bundle() {
        let bytes = encode_bundle(&[&b"ab"[..], b"", b"c"]).expect("three entries");
        assert_eq!(bytes, [0, 2, b'a', b'b', 0, 0, 0, 1, b'c']);
        assert_eq!(decode_bundle(&bytes, 3), Ok(vec![&b"ab"[..], b"", b"c"]));
        for width in [1, 2, 4, 256] {
            assert_eq!(decode_bundle(&bytes, width), Err(BundleError::Malformed(width)));
        }
        for end in 0..bytes.len() {
            assert_eq!(decode_bundle(&bytes[..end], 3), Err(BundleError::Malformed(3)));
        }
    }

    #[test]
    fn bounds() {
        let longest = vec![7; ENTRY_BYTES_MAX];
        let bytes = encode_bundle(&[&longest]).expect("the longest entry");
        assert_eq!(decode_bundle(&bytes, 1), Ok(vec![longest.as_slice()]));
        assert_eq!(encode_bundle(&[vec![7; ENTRY_BYTES_MAX + 1]]), Err(BundleError::TooLong(ENTRY_BYTES_MAX + 1)));
        assert_eq!(encode_bundle::<&[u8]>(&[]), Err(BundleError::Count(0)));
        assert_eq!(encode_bundle(&vec![b"x"; 257]), Err(BundleError::Count(257)));
        assert_eq!(decode_bundle(&[], 0), Err(BundleError::Count(0)));
    }
}
