//! The few encodings that the text formats share, each with one spelling for each value.

use base64::{
    Engine,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig},
    },
};

use super::Hash;

/// RFC 4648 §4 with padding, and without stray bits behind the last byte: what is read is written the same.
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(false),
);

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(super) fn hash_from_base64(text: &str) -> Option<Hash> {
    from_base64(text)?.try_into().ok()
}

/// "an ASCII decimal with no leading zeroes (unless it is `0`)"
pub(super) fn from_decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    // Refuses leading zeroes and the `+` that `parse` accepts.
    (number.to_string() == text).then_some(number)
}

/// Lines of one hash each, up to the first empty line; then what follows it.
pub(super) fn hash_lines(text: &str, lines_max: usize) -> Option<(Vec<Hash>, &str)> {
    let (mut hashes, mut rest) = (Vec::new(), text);
    loop {
        let (line, after) = rest.split_once('\n')?;
        rest = after;
        if line.is_empty() {
            return Some((hashes, rest));
        }
        if hashes.len() == lines_max {
            return None;
        }
        hashes.push(hash_from_base64(line)?);
    }
}

/// What [`hash_lines`] reads.
pub(super) fn put_hash_lines(text: &mut String, hashes: &[Hash]) {
    for hash in hashes {
        text.push_str(&to_base64(hash));
        text.push('\n');
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(from_base64("AAE="), Some(vec![0, 1]));
        assert_eq!(from_base64(""), Some(vec![]));
        for text in ["AAE", "AAF=", "AA E=", "AAE=\n", "AAE==", "A-E=", "AAE=AAE="] {
            assert_eq!(from_base64(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_have_one_spelling() {
        assert_eq!(from_decimal("0"), Some(0));
        assert_eq!(from_decimal("18446744073709551615"), Some(u64::MAX));
        for text in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "18446744073709551616", "٣"] {
            assert_eq!(from_decimal(text), None, "{text}");
        }
    }

    #[test]
    fn hash_lines_are_bounded_and_end_with_an_empty_line() {
        let mut text = String::new();
        put_hash_lines(&mut text, &[[1; 32], [2; 32]]);
        text.push_str("rest");
        assert_eq!(hash_lines(&text, 2), Some((vec![[1; 32], [2; 32]], "rest")));
        assert_eq!(hash_lines(&text, 1), None);
        assert_eq!(hash_lines("\nrest", 0), Some((vec![], "rest")));
        assert_eq!(hash_lines("", 2), None);
        assert_eq!(hash_lines("AAE=\n\n", 2), None);
    }
}
