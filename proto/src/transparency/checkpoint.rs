//! C2SP tlog-checkpoint v1.0.0: what a log says about itself, in the text of a signed note.
//!
//! ```text
//! <origin>
//! <size, decimal>
//! <root, base64>
//! [<extension lines: tolerated, never written>]
//! ```

use super::{
    Hash,
    encoding::{from_decimal, hash_from_base64, to_base64},
    merkle,
    note::{Note, NoteError, Signature, VerifierKey, is_name},
};

/// A log's size and root under its name.
///
/// Two checkpoints are equal when they say the same of the tree, whatever extension lines stand under them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

/// Why a text is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The first line is no origin.
    #[error("the checkpoint's origin is malformed")]
    Origin,
    /// The second line is no size.
    #[error("the checkpoint's size is malformed")]
    Size,
    /// The third line is no root, or not the one root of an empty tree.
    #[error("the checkpoint's root is malformed")]
    Root,
    /// An extension line is empty.
    #[error("the checkpoint's extension lines are malformed")]
    Extension,
}

impl Checkpoint {
    /// A checkpoint by its parts.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        let origin = origin.into();
        if !is_name(&origin) {
            return Err(CheckpointError::Origin);
        }
        if size == 0 && root != merkle::empty_root() {
            return Err(CheckpointError::Root);
        }
        Ok(Self { origin, size, root })
    }

    /// Reads the text of a note. Nothing of it is to be believed before the note was opened.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let (origin, rest) = text.split_once('\n').ok_or(CheckpointError::Origin)?;
        let (size, rest) = rest.split_once('\n').ok_or(CheckpointError::Size)?;
        let (root, rest) = rest.split_once('\n').ok_or(CheckpointError::Root)?;
        let size = from_decimal(size).ok_or(CheckpointError::Size)?;
        let root = hash_from_base64(root).ok_or(CheckpointError::Root)?;
        // "An extension line is a non-empty line": each ends in a line feed and holds something before it.
        if !rest.is_empty() && !rest.strip_suffix('\n').is_some_and(|lines| lines.split('\n').all(|it| !it.is_empty()))
        {
            return Err(CheckpointError::Extension);
        }
        Self::new(origin, size, root)
    }

    /// The log's name: `<domain>/<province>/<year>`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, to_base64(&self.root))
    }

    /// The checkpoint as a note signed by the log's key. Whether it may be signed, given what was signed before, is the
    /// notary's business.
    ///
    /// # Errors
    /// [`NoteError::Kind`] unless the key is one a log signs with.
    ///
    /// # Panics
    /// When the key has another name than the origin: no verifier would find it.
    pub fn sign(&self, key: &VerifierKey, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<Note, NoteError> {
        assert_eq!(key.name(), self.origin, "a log signs under its origin");
        let text = self.text();
        let signature = Signature::sign(&text, key, sign)?;
        Note::new(text, vec![signature])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "xacminh.example/da-nang/2027";

    #[test]
    fn a_checkpoint_is_read_as_written() {
        let checkpoint = Checkpoint::new(ORIGIN, 70_000, [7; 32]).expect("a checkpoint");
        let text = format!("{ORIGIN}\n70000\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
        assert_eq!(checkpoint.text(), text);
        assert_eq!(Checkpoint::parse(&text), Ok(checkpoint.clone()));
        let extended = format!("{text}an extension\nanother one\n");
        assert_eq!(Checkpoint::parse(&extended), Ok(checkpoint));
        let empty = Checkpoint::new(ORIGIN, 0, merkle::empty_root()).expect("the empty tree");
        assert_eq!(Checkpoint::parse(&empty.text()), Ok(empty));
    }

    #[test]
    fn the_examples_of_other_logs_are_read() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).expect("the example of tlog-witness");
        assert_eq!((checkpoint.origin(), checkpoint.size()), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.text(), text);
    }

    #[test]
    fn what_is_no_checkpoint() {
        let root = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
        for (text, error) in [
            (String::new(), CheckpointError::Origin),
            (format!("\n1\n{root}\n"), CheckpointError::Origin),
            (format!("an origin\n1\n{root}\n"), CheckpointError::Origin),
            (format!("a+b\n1\n{root}\n"), CheckpointError::Origin),
            ("a\n1".to_owned(), CheckpointError::Size),
            (format!("a\n01\n{root}\n"), CheckpointError::Size),
            (format!("a\n-1\n{root}\n"), CheckpointError::Size),
            (format!("a\n18446744073709551616\n{root}\n"), CheckpointError::Size),
            (format!("a\n1\n{root}"), CheckpointError::Root),
            ("a\n1\nBwc=\n".to_owned(), CheckpointError::Root),
            (format!("a\n0\n{root}\n"), CheckpointError::Root),
            (format!("a\n1\n{root}\n\n"), CheckpointError::Extension),
            (format!("a\n1\n{root}\nx\n\ny\n"), CheckpointError::Extension),
            (format!("a\n1\n{root}\nx"), CheckpointError::Extension),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
        }
    }
}
