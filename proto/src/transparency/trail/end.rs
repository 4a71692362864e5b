//! What a node says of a trail's newest end, under the log's signature.
//!
//! ```text
//! <origin>/trail
//! <leaves in the shard of that origin, decimal>
//! <leaves in the trail, decimal>
//! <the chain after the last of them, hex>
//! [pruned <how many, decimal>]
//! [withheld <how many, decimal> <digest of what is withheld until when, hex>]
//! ```
//!
//! It is the text of a signed note, by the log's key under the log's name. No checkpoint begins like it or has a number
//! in its third line, so that neither can be taken for the other.

use sha2::{Digest, Sha256};

use crate::{
    hex,
    transparency::{
        Hash,
        encoding::from_decimal,
        note::{Note, NoteError, Signature, VerifierKey, is_name},
        policy::{Policy, PolicyError},
    },
    vocab::Date,
};

use super::Chain;

const SUFFIX: &str = "/trail";

/// The newest end of one person's trail, in a log of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailEnd {
    /// The log's name: that of the newest shard.
    pub origin: String,
    /// Leaves in that shard.
    pub size: u64,
    /// Leaves of the trail, over all shards.
    pub count: u64,
    /// The chain after the last of them.
    pub chain: Chain,
    /// How many of the first are no longer kept; 0 if all are.
    pub pruned: u64,
    /// How many are withheld, and what [`Promises`] come to; none if none is.
    pub withheld: Option<(u64, Hash)>,
}

/// Collects which leaves are withheld until when, so that the signature covers each promise.
#[derive(Clone, Default)]
pub struct Promises {
    count: u64,
    hasher: Sha256,
}

impl Promises {
    /// The leaf of this place in the trail, from 0, is shown on `until` at the latest.
    pub fn add(&mut self, place: u64, until: Date) {
        if self.count == 0 {
            self.hasher.update(b"xacminh/trail-withheld/v1");
        }
        self.count += 1;
        self.hasher.update(place.to_be_bytes());
        self.hasher.update(until.to_string());
    }

    /// What the end says of them.
    #[must_use]
    pub fn finish(self) -> Option<(u64, Hash)> {
        (self.count > 0).then(|| (self.count, self.hasher.finalize().into()))
    }
}

impl TrailEnd {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { origin, size, count, chain, pruned, withheld } = self;
        let mut text = format!("{origin}{SUFFIX}\n{size}\n{count}\n{}\n", hex::text(chain));
        if *pruned > 0 {
            text.push_str(&format!("pruned {pruned}\n"));
        }
        if let Some((count, digest)) = withheld {
            text.push_str(&format!("withheld {count} {}\n", hex::text(digest)));
        }
        text
    }

    /// Reads the text of a note; none if it is another one. Nothing of it is to be believed before the note was opened.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.strip_suffix('\n')?.split('\n').collect();
        let (first, rest) = lines.split_first_chunk::<4>()?;
        let [origin, size, count, chain] = *first;
        let many = |text: &str| from_decimal(text).filter(|count| *count > 0);
        let (pruned, rest) =
            match rest.split_first().and_then(|(line, rest)| Some((line.strip_prefix("pruned ")?, rest))) {
                Some((count, rest)) => (many(count)?, rest),
                None => (0, rest),
            };
        let withheld = match rest {
            [] => None,
            [line] => {
                let (count, digest) = line.strip_prefix("withheld ")?.split_once(' ')?;
                Some((many(count)?, from_hex(digest)?))
            }
            _ => return None,
        };
        Some(Self {
            origin: origin.strip_suffix(SUFFIX).filter(|origin| is_name(origin))?.to_owned(),
            size: from_decimal(size)?,
            count: from_decimal(count)?,
            chain: from_hex(chain)?,
            pruned,
            withheld,
        })
    }

    /// The end's signature by a key of the log.
    ///
    /// # Errors
    /// [`NoteError::Kind`] unless the key is one a log signs with.
    ///
    /// # Panics
    /// When the key has another name than the origin: no verifier would find it.
    pub fn signature(&self, key: &VerifierKey, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<Signature, NoteError> {
        assert_eq!(key.name(), self.origin, "a log signs under its origin");
        Signature::sign(&self.text(), key, sign)
    }

    /// Checks that the log signed the note of an end: one of the policy's logs with this origin. Witnesses do not cosign
    /// such notes.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn check_signed(&self, note: &Note, policy: &Policy) -> Result<(), PolicyError> {
        let keys: Vec<&VerifierKey> = policy.logs().iter().filter(|key| key.name() == self.origin).collect();
        if keys.is_empty() {
            return Err(PolicyError::Origin);
        }
        if note.open(keys)?.is_empty() { Err(PolicyError::Unsigned) } else { Ok(()) }
    }

    /// The end as a note.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn note(&self, signatures: Vec<Signature>) -> Result<Note, NoteError> {
        Note::new(self.text(), signatures)
    }
}

/// In small letters, the one spelling.
fn from_hex(text: &str) -> Option<Hash> {
    hex::array(text).filter(|hash| hex::text(hash) == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transparency::Checkpoint;

    fn end() -> TrailEnd {
        TrailEnd {
            origin: "xacminh.example/48/2027".into(),
            size: 300,
            count: 3,
            chain: [0xa7; 32],
            pruned: 0,
            withheld: None,
        }
    }

    #[test]
    fn an_end_is_read_as_written_and_is_no_checkpoint() {
        let mut promises = Promises::default();
        promises.add(2, Date::in_vietnam(1_803_859_200_000));
        for end in [end(), TrailEnd { withheld: promises.finish(), ..end() }] {
            let text = end.text();
            assert_eq!(TrailEnd::parse(&text), Some(end));
            assert!(Checkpoint::parse(&text).is_err());
            for at in 0..text.len() {
                // Without the line of what is withheld it is the whole of another end.
                assert!(TrailEnd::parse(&text[..at]).is_none_or(|end| end.text() == text[..at]), "{at}");
            }
        }
        let checkpoint = Checkpoint::new("xacminh.example/48/2027/trail", 7, [7; 32]).expect("a checkpoint");
        assert_eq!(TrailEnd::parse(&checkpoint.text()), None);
    }

    #[test]
    fn other_spellings_are_no_ends() {
        let text = end().text();
        for (from, to) in [("/trail", ""), ("300", "0300"), ("\n3\n", "\n+3\n"), ("a7", "A7"), ("\n3\n", "\n3\n\n")] {
            assert_eq!(TrailEnd::parse(&text.replacen(from, to, 1)), None, "{from} {to}");
        }
        assert_eq!(TrailEnd::parse(&format!("{text}withheld 0 {}\n", "00".repeat(32))), None);
        assert_eq!(TrailEnd::parse(&format!("{text}more\n")), None);
    }
}
