//! Free text: what may stand in an address or a disclosed value.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Longest free text, in bytes: the longest addresses on file stay under 250 letters.
pub const TEXT_BYTES_MAX: usize = 300;

/// Why a text is refused; the text is never part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than any address.
    #[error("a text has at most {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// Something that cannot be seen, or that turns the order of what follows.
    #[error("a text has no control, bidirectional or invisible characters")]
    Character,
}

/// The text in NFC; nearly everybody writes it so, and it need not be made then.
pub(super) fn composed(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

/// Checks a free text.
///
/// # Errors
/// [`TextError`].
pub fn check(text: &str) -> Result<(), TextError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(TextError::TooLong);
    }
    if text.chars().any(is_invisible) { Err(TextError::Character) } else { Ok(()) }
}

/// Makes any text pass [`check`]: NFC, nothing invisible, single spaces, cut at the limit.
///
/// For texts an authority holds and nobody here can correct; what a caller types is checked instead.
#[must_use]
pub fn tidy(text: &str) -> String {
    let mut tidied = String::new();
    for word in text
        .nfc()
        .map(|character| if character.is_whitespace() { ' ' } else { character })
        .collect::<String>()
        .split(' ')
    {
        let visible: String = word.chars().filter(|character| !is_invisible(*character)).collect();
        let room = TEXT_BYTES_MAX.saturating_sub(tidied.len() + usize::from(!tidied.is_empty()));
        let kept = &visible[..visible.floor_char_boundary(room)];
        if !kept.is_empty() {
            if !tidied.is_empty() {
                tidied.push(' ');
            }
            tidied.push_str(kept);
        }
        if kept.len() < visible.len() {
            break;
        }
    }
    // Taking characters out can bring together what composes; composing never lengthens a composed text.
    tidied.nfc().collect()
}

/// Controls, line and bidirectional marks, joiners, fillers and selectors: two texts that differ in them look alike.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    // What Vietnamese is written with, at one look.
    if matches!(character, ' '..='~' | 'À'..='\u{24f}' | '\u{1e00}'..='\u{1eff}') {
        return false;
    }
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_hides_or_turns_is_refused() {
        for hidden in
            ["a\0b", "a\nb", "a\u{202e}b", "a\u{2066}b", "a\u{200b}b", "a\u{feff}b", "a\u{3164}b", "a\u{2028}b"]
        {
            assert_eq!(check(hidden), Err(TextError::Character), "{hidden:?}");
            assert_eq!(check(&tidy(hidden)), Ok(()), "{hidden:?}");
        }
        assert_eq!(check("Số 12/3 ngõ 45, đường Lê Lợi"), Ok(()));
        assert_eq!(check(&"a".repeat(TEXT_BYTES_MAX + 1)), Err(TextError::TooLong));
        assert_eq!(tidy("  Tổ\t7 \u{a0} thôn\r\nĐông "), "Tổ 7 thôn Đông");
        assert_eq!(tidy(&"ờ".repeat(200)).len(), TEXT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn a_tidied_text_passes_and_stays(text in "\\PC{0,120}|(?s).{0,400}") {
            let once = tidy(&text);
            prop_assert_eq!(check(&once), Ok(()));
            prop_assert_eq!(tidy(&once), once);
        }
    }
}
