//! Bytes as hexadecimal digits, two a byte: for people, configuration files and text formats.

/// The bytes in small letters.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes of a text of digits, in letters of any size; none if it is anything else.
#[must_use]
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// The `N` bytes of a text of `2 × N` digits; none if it is anything else.
#[must_use]
pub fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut found = [0; N];
    for (byte, [high, low]) in found.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(found)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_digits() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&text(&all)), Some(all.clone()));
        assert_eq!(text(&[0x00, 0xab, 0x7f]), "00ab7f");
        assert_eq!(array("00AB7f"), Some([0x00, 0xab, 0x7f]));
        assert_eq!((bytes(""), array("")), (Some(Vec::new()), Some([])));
    }

    #[test]
    fn what_is_no_pair_of_digits_is_nothing() {
        for wrong in ["0", "00a", "0g", "+f", " 0", "0x", "đ"] {
            assert_eq!((bytes(wrong), array::<1>(wrong)), (None, None), "{wrong}");
        }
        assert_eq!((array::<1>(""), array::<1>("0000")), (None, None));
    }
}
