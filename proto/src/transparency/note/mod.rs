//! C2SP signed-note v1.0.0: a text with signature lines under it.
//!
//! ```text
//! <text, one line or more>
//! <empty line>
//! — <key name> base64(key id 4 ‖ signature)
//! …
//! ```
//!
//! A key says who may have signed, so whoever checks a note brings the keys; unknown ones are ignored, which is what
//! lets keys rotate and witnesses come and go. Bytes outside the text and the lines of known keys prove nothing.

mod key;

use std::fmt;

use super::encoding::{from_base64, to_base64};

pub(super) use key::is_name;
pub use key::{KeyError, KeyId, KeyKind, VerifierKey};

/// Largest note: sixteen signatures of five kilobytes (post-quantum) in base64 fit, beside a text ten times ours.
pub const NOTE_BYTES_MAX: usize = 128 * 1024;

/// Signatures a note may carry; "verifiers MUST accept at least up to 16".
pub const SIGNATURES_MAX: usize = 64;

const DASH: &str = "\u{2014} ";
const KEY_ID_BYTES: usize = 4;

/// A note as it was read: its text is believed only after [`Note::open`].
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: KeyId,
    bytes: Vec<u8>,
}

/// A signature that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'k> {
    /// Whose it is.
    pub key: &'k VerifierKey,
    /// When it was made, Unix seconds, if its kind says so.
    pub time_s: Option<u64>,
}

/// Why a note is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// More bytes, or signatures, than a note may have.
    #[error("the note is too large")]
    TooLarge,
    /// The text is not UTF-8, has control characters or does not end in a line feed.
    #[error("the note's text is malformed")]
    Text,
    /// A signature line is malformed, or there is none.
    #[error("the note's signature lines are malformed")]
    Signatures,
    /// A known key did not make the signature that bears its name: the whole note is refused.
    #[error("a signature of a known key is wrong")]
    BadSignature,
    /// No known key signed.
    #[error("no known key signed the note")]
    Unsigned,
    /// A key of this kind signs in another way.
    #[error("a key of this kind does not sign so")]
    Kind,
}

impl Note {
    /// A note of this text and these signatures.
    ///
    /// # Errors
    /// [`NoteError`] when no reader would take it.
    pub fn new(text: impl Into<String>, signatures: Vec<Signature>) -> Result<Self, NoteError> {
        let note = Self { text: text.into(), signatures };
        check_text(&note.text)?;
        if note.signatures.is_empty() {
            return Err(NoteError::Signatures);
        }
        if note.signatures.len() > SIGNATURES_MAX || note.to_string().len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        Ok(note)
    }

    /// Reads a note. What is accepted is written again with the same bytes.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        // "the text is separated from the signatures by the last empty line in the note"
        let (before, lines) = whole.rsplit_once("\n\n").ok_or(NoteError::Signatures)?;
        let text = whole.get(..=before.len()).ok_or(NoteError::Text)?;
        check_text(text)?;
        Ok(Self { text: text.to_owned(), signatures: Signature::parse_lines(lines)? })
    }

    /// What is signed, the last line feed included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The same note with more signature lines; those it has already are left out.
    ///
    /// # Errors
    /// [`NoteError::TooLarge`].
    pub fn with(mut self, more: impl IntoIterator<Item = Signature>) -> Result<Self, NoteError> {
        for signature in more {
            if !self.signatures.contains(&signature) {
                self.signatures.push(signature);
            }
        }
        Self::new(self.text, self.signatures)
    }

    /// Checks the signatures of known keys, and gives those that hold, in the order of their lines.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] when a known key's line is wrong, [`NoteError::Unsigned`] when there is no such line.
    pub fn open<'k>(&self, keys: impl IntoIterator<Item = &'k VerifierKey>) -> Result<Vec<Opened<'k>>, NoteError> {
        let keys: Vec<&VerifierKey> = keys.into_iter().collect();
        let mut opened = Vec::new();
        for signature in &self.signatures {
            // "The tuple of key name and key ID uniquely identifies the key": if two were given, either may have signed.
            let mut known = keys.iter().copied().filter(|key| signature.is_by(key)).peekable();
            if known.peek().is_none() {
                continue;
            }
            let holds =
                known.find_map(|key| Some(Opened { key, time_s: key.check(&self.text, &signature.bytes).ok()? }));
            opened.push(holds.ok_or(NoteError::BadSignature)?);
        }
        if opened.is_empty() { Err(NoteError::Unsigned) } else { Ok(opened) }
    }
}

impl Signature {
    /// The line of a key of kind [`KeyKind::Ed25519`] under a text. `sign` is given the message and must answer with the
    /// Ed25519 signature of it: the secret stays with whoever has it.
    ///
    /// # Errors
    /// [`NoteError::Kind`] for a key that cosigns, [`NoteError::Text`] for a text that no note may have.
    pub fn sign(text: &str, key: &VerifierKey, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<Self, NoteError> {
        if key.kind() != KeyKind::Ed25519 {
            return Err(NoteError::Kind);
        }
        check_text(text)?;
        Ok(Self { name: key.name().to_owned(), id: key.id(), bytes: sign(text.as_bytes()).to_vec() })
    }

    /// The line of a key of kind [`KeyKind::CosignatureV1`], which says since when the signer stands by the text.
    ///
    /// # Errors
    /// As [`Signature::sign`].
    pub fn cosign(
        text: &str,
        key: &VerifierKey,
        time_s: u64,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<Self, NoteError> {
        if key.kind() != KeyKind::CosignatureV1 {
            return Err(NoteError::Kind);
        }
        check_text(text)?;
        let signature = sign(key::cosigned_message(text, time_s).as_bytes());
        let bytes = [time_s.to_be_bytes().as_slice(), &signature].concat();
        Ok(Self { name: key.name().to_owned(), id: key.id(), bytes })
    }

    /// Reads signature lines, one or more, as a witness answers with them.
    ///
    /// # Errors
    /// [`NoteError::Signatures`], [`NoteError::TooLarge`].
    pub fn parse_lines(lines: &str) -> Result<Vec<Self>, NoteError> {
        if lines.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        let body = lines.strip_suffix('\n').ok_or(NoteError::Signatures)?;
        let mut signatures = Vec::new();
        for line in body.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::TooLarge);
            }
            signatures.push(Self::parse(line).ok_or(NoteError::Signatures)?);
        }
        Ok(signatures)
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = from_base64(encoded)?;
        let (id, signature) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        if !is_name(name) || signature.is_empty() || line.chars().any(is_control) {
            return None;
        }
        Some(Self { name: name.to_owned(), id: KeyId(*id), bytes: signature.to_vec() })
    }

    /// The name of the key that made it, if one believes the line.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of that key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What stands in base64 on the line: key id and signature.
    pub(super) fn id_and_bytes(&self) -> Vec<u8> {
        [self.id.0.as_slice(), &self.bytes].concat()
    }

    /// Whether the line names this key: by name and id both.
    #[must_use]
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        self.id == key.id() && self.name == key.name()
    }
}

/// "Signed notes MUST NOT contain any ASCII control characters (those below U+0020) other than newline."
fn check_text(text: &str) -> Result<(), NoteError> {
    let is_sound = text.ends_with('\n') && !text.chars().any(|letter| letter != '\n' && is_control(letter));
    if is_sound { Ok(()) } else { Err(NoteError::Text) }
}

fn is_control(letter: char) -> bool {
    letter < '\u{20}'
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| write!(f, "{signature}"))
    }
}

/// The line with its line feed.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{DASH}{} {}", self.name, to_base64(&self.id_and_bytes()))
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note").field("text", &self.text).field("signatures", &self.signatures).finish()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({} {:?}, {} bytes)", self.name, self.id, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    const TEXT: &str = "Sông Hàn\n\nmột dòng nữa\n";

    fn pair(name: &str, seed: u8, kind: KeyKind) -> (VerifierKey, SigningKey) {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        (VerifierKey::new(name, kind, secret.verifying_key().as_bytes()).expect("a key"), secret)
    }

    fn signed(text: &str, (key, secret): &(VerifierKey, SigningKey)) -> Signature {
        let by = |message: &[u8]| secret.sign(message).to_bytes();
        match key.kind() {
            KeyKind::Ed25519 => Signature::sign(text, key, by).expect("a sound text"),
            KeyKind::CosignatureV1 => Signature::cosign(text, key, 1_700_000_000, by).expect("a sound text"),
        }
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n";
        let line = "— quasimodo.example/salvatore \
                    NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
        let note = Note::parse(format!("{text}\n{line}").as_bytes()).expect("a note");
        assert_eq!(note.text(), text);
        assert_eq!(note.signatures().len(), 1);
        assert_eq!(note.signatures()[0].name(), "quasimodo.example/salvatore");
        assert_eq!(note.to_string(), format!("{text}\n{line}"));
    }

    #[test]
    fn known_keys_are_checked_and_unknown_ones_ignored() {
        let log = pair("xacminh.example/da-nang/2027", 1, KeyKind::Ed25519);
        let witness = pair("witness.example/w1", 2, KeyKind::CosignatureV1);
        let stranger = pair("stranger.example", 3, KeyKind::Ed25519);
        let note = Note::new(TEXT, vec![signed(TEXT, &stranger), signed(TEXT, &log), signed(TEXT, &witness)]);
        let note = Note::parse(note.expect("a note").to_string().as_bytes()).expect("a note");
        let by_log = Opened { key: &log.0, time_s: None };
        let by_witness = Opened { key: &witness.0, time_s: Some(1_700_000_000) };
        assert_eq!(note.open([&log.0, &witness.0]), Ok(vec![by_log, by_witness]));
        assert_eq!(note.open([&witness.0]), Ok(vec![by_witness]));
        assert_eq!(note.open([]), Err(NoteError::Unsigned));
        // The same name with another key, and the same key under another name, are strangers.
        let renamed = pair("xacminh.example/da-nang/2028", 1, KeyKind::Ed25519);
        let rotated = pair("xacminh.example/da-nang/2027", 4, KeyKind::Ed25519);
        assert_eq!(note.open([&renamed.0, &rotated.0]), Err(NoteError::Unsigned));
        // As is the same key as another kind: a cosignature is no signature.
        let other_kind = pair("witness.example/w1", 2, KeyKind::Ed25519);
        assert_eq!(note.open([&other_kind.0]), Err(NoteError::Unsigned));
    }

    #[test]
    fn one_bad_signature_of_a_known_key_refuses_the_whole_note() {
        let log = pair("xacminh.example/da-nang/2027", 1, KeyKind::Ed25519);
        let witness = pair("witness.example/w1", 2, KeyKind::CosignatureV1);
        for bad in [&log, &witness] {
            let mut line = signed(TEXT, bad);
            *line.bytes.last_mut().expect("a signature") ^= 1;
            let note = Note::new(TEXT, vec![signed(TEXT, &log), signed(TEXT, &witness), line]).expect("a note");
            assert_eq!(note.open([&log.0, &witness.0]), Err(NoteError::BadSignature));
        }
        // The time of a cosignature is signed, too.
        let mut early = signed(TEXT, &witness);
        early.bytes[7] ^= 1;
        let note = Note::new(TEXT, vec![signed(TEXT, &log), early]).expect("a note");
        assert_eq!(note.open([&log.0, &witness.0]), Err(NoteError::BadSignature));
        assert_eq!(note.open([&log.0]).map(|opened| opened.len()), Ok(1));
        // Another text under the same lines.
        let note = Note::new("Sông Hương\n", vec![signed(TEXT, &log)]).expect("a note");
        assert_eq!(note.open([&log.0]), Err(NoteError::BadSignature));
    }

    #[test]
    fn sixteen_signatures_are_taken_and_a_flood_is_not() {
        let keys: Vec<_> = (0..16).map(|seed| pair("w.example/w", seed, KeyKind::CosignatureV1)).collect();
        let lines: Vec<Signature> = keys.iter().map(|key| signed(TEXT, key)).collect();
        let note = Note::new(TEXT, lines.clone()).expect("sixteen");
        assert_eq!(note.open(keys.iter().map(|(key, _)| key)).map(|opened| opened.len()), Ok(16));
        assert_eq!(note.clone().with(lines.clone()).as_ref(), Ok(&note), "lines it has already");
        let flood = vec![lines[0].clone(); SIGNATURES_MAX + 1];
        assert_eq!(Note::new(TEXT, flood.clone()), Err(NoteError::TooLarge));
        let flood: String =
            std::iter::once(format!("{TEXT}\n")).chain(flood.iter().map(Signature::to_string)).collect();
        assert_eq!(Note::parse(flood.as_bytes()), Err(NoteError::TooLarge));
        let long = format!("{}\n\n{}", "x".repeat(NOTE_BYTES_MAX), lines[0]);
        assert_eq!(Note::parse(long.as_bytes()), Err(NoteError::TooLarge));
    }

    #[test]
    fn malformed_notes() {
        let line = signed(TEXT, &pair("w.example", 1, KeyKind::Ed25519)).to_string();
        let good = format!("a\n\n{line}");
        assert!(Note::parse(good.as_bytes()).is_ok());
        let spoiled = |from: &str, to: &str| good.replace(from, to);
        for bad in [
            String::new(),
            "a\n".to_owned(),
            "a\n\n".to_owned(),
            format!("\n\n{line}").replacen('\n', "", 1),
            line,
            spoiled("a\n\n", "a\n"),
            spoiled("a\n", "a\r\n"),
            spoiled("a\n", "\t\n"),
            spoiled("\u{2014}", "-"),
            spoiled("w.example ", "w.example  "),
            spoiled("w.example ", " "),
            spoiled("w.example", "w+example"),
            spoiled("w.example", "w\u{a0}example"),
            spoiled("w.example", "w\u{1}example"),
            good.trim_end().to_owned(),
            format!("{good} \n"),
            format!("{good}\n"),
            format!("a\n\n{DASH}w.example AAAA\n"),
            format!("a\n\n{DASH}w.example AAAAAA==\n"),
        ] {
            assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(Note::parse(&[good.as_bytes(), &[0xff, b'\n']].concat()), Err(NoteError::Text));
    }

    #[test]
    fn keys_sign_in_the_way_of_their_kind_only() {
        let (log, _) = pair("log.example", 1, KeyKind::Ed25519);
        let (witness, _) = pair("w.example", 1, KeyKind::CosignatureV1);
        assert_eq!(Signature::sign(TEXT, &witness, |_| [0; 64]), Err(NoteError::Kind));
        assert_eq!(Signature::cosign(TEXT, &log, 1, |_| [0; 64]), Err(NoteError::Kind));
        assert_eq!(Signature::sign("no line feed", &log, |_| [0; 64]), Err(NoteError::Text));
    }
}
