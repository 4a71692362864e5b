//! Records of people who do not exist: a number of twelve digits and 500 bytes, both made from a counter.

/// Digits of a citizen number.
pub(crate) const KEY_BYTES: usize = 12;

/// Bytes of a record.
pub(crate) const VALUE_BYTES: usize = 500;

/// Bytes of the text of an audit entry, beside the number it is about.
const AUDIT_BYTES: usize = 138;

/// Texts begin at this many places of [`TEXT`], so that neighbours differ.
const TURNS: usize = 512;

/// What records are filled with: nothing that a system could make smaller.
static TEXT: [u8; TURNS + VALUE_BYTES] = text();

/// The number of a person; its century is one that nobody was born in.
pub(crate) fn number(person: u32) -> u64 {
    48_900_000_000 + u64::from(person)
}

/// The number as twelve digits.
pub(crate) fn key(person: u32) -> [u8; KEY_BYTES] {
    let mut left = number(person);
    let mut key = [b'0'; KEY_BYTES];
    for digit in key.iter_mut().rev() {
        *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
    }
    key
}

/// The record of a person: the number, then text.
pub(crate) fn value(person: u32) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    value[..KEY_BYTES].copy_from_slice(&key(person));
    value[KEY_BYTES..].copy_from_slice(filling(person));
    value
}

/// Whether an answer is the record of this person, every byte of it.
pub(crate) fn is_value_of(person: u32, answer: &[u8]) -> bool {
    answer.len() == VALUE_BYTES && answer[..KEY_BYTES] == key(person) && &answer[KEY_BYTES..] == filling(person)
}

/// The text of an audit entry.
pub(crate) fn audit() -> &'static [u8] {
    &TEXT[..AUDIT_BYTES]
}

fn filling(person: u32) -> &'static [u8] {
    let turn = person as usize % TURNS;
    &TEXT[turn..turn + VALUE_BYTES - KEY_BYTES]
}

/// Letters by `SplitMix64`.
const fn text() -> [u8; TURNS + VALUE_BYTES] {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
    let mut text = [0; TURNS + VALUE_BYTES];
    let mut state = 0_u64;
    let mut at = 0;
    while at < text.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        text[at] = LETTERS[(mixed >> 58) as usize];
        at += 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_its_persons_and_nobody_elses() {
        assert_eq!(&key(7), b"048900000007");
        assert_eq!(&value(7)[..KEY_BYTES], b"048900000007");
        assert!(is_value_of(7, &value(7)));
        for other in [6, 8, 7 + 512] {
            assert!(!is_value_of(7, &value(other)), "{other}");
        }
        let mut torn = value(7);
        torn[VALUE_BYTES - 1] ^= 1;
        assert!(!is_value_of(7, &torn) && !is_value_of(7, &value(7)[1..]) && !is_value_of(7, b""));
    }
}
