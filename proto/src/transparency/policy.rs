//! C2SP tlog-policy: the file that says which logs are believed and whose cosignatures they need.
//!
//! ```text
//! # comment
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> <k|any|all> <name> …
//! quorum <name>|none
//! ```
//!
//! One restriction more than the specification's: the file is UTF-8.

use std::collections::HashSet;

use super::{
    checkpoint::{Checkpoint, CheckpointError},
    note::{KeyError, KeyKind, Note, NoteError, VerifierKey},
};

/// Largest policy file: the limits below with the longest lines anybody writes.
pub const POLICY_BYTES_MAX: usize = 256 * 1024;

/// Logs, witnesses and groups a policy may have, each; "strongly recommended that an implementation supports 32".
const OF_EACH_MAX: usize = 64;

/// Which checkpoints are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<Witness>,
    rules: Vec<Rule>,
    /// The rule that must hold; none is needed without one.
    quorum: Option<usize>,
}

/// A witness the policy knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name in the policy.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
}

/// A name that can be a member or the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    name: String,
    demand: Demand,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Demand {
    /// The witness of this index has cosigned.
    Witness(usize),
    /// So many of these rules hold, all of which stand before this one.
    Group { needed: usize, members: Vec<usize> },
}

/// A checkpoint that a policy believes: only [`Policy::accept`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    checkpoint: Checkpoint,
    cosigners: Vec<Cosigner>,
}

/// A witness whose cosignature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigner {
    /// Its name in the policy.
    pub name: String,
    /// The name of its key.
    pub key_name: String,
    /// When it had last seen the log, Unix seconds: the latest of its cosignatures.
    pub time_s: u64,
}

/// Why a file is not a policy: with the number of the line, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {fault}")]
pub struct PolicyFileError {
    /// The line.
    pub line: usize,
    /// What is wrong with it.
    pub fault: PolicyFault,
}

/// What can be wrong with a line of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// More bytes or lines than a policy may have.
    #[error("the policy is too large")]
    TooLarge,
    /// Control characters, or not UTF-8.
    #[error("not a line of text")]
    Text,
    /// No keyword stands first, or too few or many words follow.
    #[error("not `log`, `witness`, `group` or `quorum` with what belongs to it")]
    Form,
    /// A key is none.
    #[error("{0}")]
    Key(KeyError),
    /// A log's key must be of kind 0x01, a witness's of 0x04.
    #[error("a key of this kind does not belong here")]
    KeyKind,
    /// The same log's key or the same witness's key twice, or a name twice.
    #[error("the same key or name twice")]
    Duplicate,
    /// A name that was not defined on a line before, or is a member already.
    #[error("a name that is not known here or belongs to another group")]
    Name,
    /// A group's number is not between 1 and the count of its members.
    #[error("a group needs 1 to as many as it has members")]
    Threshold,
    /// There is not exactly one quorum line.
    #[error("exactly one `quorum` line is needed")]
    Quorum,
}

/// Why a policy does not believe a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The note holds no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No log of the policy has this origin.
    #[error("no known log has this origin")]
    Origin,
    /// A known key's signature is wrong, or no known key signed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The log itself did not sign.
    #[error("the log did not sign its checkpoint")]
    Unsigned,
    /// Too few witnesses cosigned.
    #[error("too few witnesses cosigned the checkpoint")]
    Quorum,
}

impl Policy {
    /// The policy of one log without witnesses.
    ///
    /// # Errors
    /// [`PolicyFault::KeyKind`] unless it is a key a log signs with.
    pub fn of_log(key: VerifierKey) -> Result<Self, PolicyFault> {
        match key.kind() {
            KeyKind::Ed25519 => Ok(Self { logs: vec![key], witnesses: vec![], rules: vec![], quorum: None }),
            KeyKind::CosignatureV1 => Err(PolicyFault::KeyKind),
        }
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyFileError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyFileError> {
        let at = |line: usize| move |fault: PolicyFault| PolicyFileError { line, fault };
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(at(1)(PolicyFault::TooLarge));
        }
        let file = str::from_utf8(bytes).map_err(|_| at(1)(PolicyFault::Text))?;
        let mut draft = Draft::default();
        for (index, line) in file.split_terminator('\n').enumerate() {
            draft.add(line).map_err(at(index + 1))?;
        }
        draft.finish().map_err(at(file.lines().count().max(1)))
    }

    /// The same without a quorum: all that can be asked of what leaves the log this moment, before a witness has seen it.
    #[must_use]
    pub fn without_quorum(&self) -> Self {
        Self { quorum: None, ..self.clone() }
    }

    /// The logs that are believed.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses that are known.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Checks a note: a known log signed a checkpoint of its own, and enough witnesses cosigned it.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn accept(&self, note: &Note) -> Result<Accepted, PolicyError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        // A log signs under its origin, so a key of another log says nothing about this one.
        let is_its_log = |key: &&VerifierKey| key.name() == checkpoint.origin();
        if !self.logs.iter().any(|key| is_its_log(&key)) {
            return Err(PolicyError::Origin);
        }
        let keys = self.logs.iter().filter(is_its_log).chain(self.witnesses.iter().map(|witness| &witness.key));
        let opened = note.open(keys)?;
        if !opened.iter().any(|opened| self.logs.contains(opened.key)) {
            return Err(PolicyError::Unsigned);
        }
        let cosigned: Vec<Option<u64>> = self
            .witnesses
            .iter()
            .map(|witness| opened.iter().filter(|it| *it.key == witness.key).filter_map(|it| it.time_s).max())
            .collect();
        if self.quorum.is_some_and(|quorum| !self.holds(quorum, &cosigned)) {
            return Err(PolicyError::Quorum);
        }
        let cosigners = self.witnesses.iter().zip(cosigned).filter_map(|(witness, time_s)| {
            Some(Cosigner { name: witness.name.clone(), key_name: witness.key.name().to_owned(), time_s: time_s? })
        });
        Ok(Accepted { cosigners: cosigners.collect(), checkpoint })
    }

    /// Whether a rule holds, given who cosigned.
    fn holds(&self, rule: usize, cosigned: &[Option<u64>]) -> bool {
        let mut holds: Vec<bool> = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            holds.push(match &rule.demand {
                Demand::Witness(witness) => cosigned.get(*witness).is_some_and(Option::is_some),
                Demand::Group { needed, members } => {
                    members.iter().filter(|member| holds.get(**member) == Some(&true)).count() >= *needed
                }
            });
        }
        holds.get(rule) == Some(&true)
    }
}

impl Accepted {
    /// The checkpoint.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Witnesses of the policy that cosigned, in the policy's order.
    #[must_use]
    pub fn cosigners(&self) -> &[Cosigner] {
        &self.cosigners
    }
}

/// A policy being read.
#[derive(Default)]
struct Draft {
    logs: Vec<VerifierKey>,
    witnesses: Vec<Witness>,
    rules: Vec<Rule>,
    members: HashSet<usize>,
    quorum: Option<Option<usize>>,
}

impl Draft {
    fn add(&mut self, line: &str) -> Result<(), PolicyFault> {
        if line.chars().any(|letter| letter.is_ascii_control() && letter != '\t') {
            return Err(PolicyFault::Text);
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] | ["witness", name, key, _] => self.witness(name, key),
            ["group", name, needed, members @ ..] if !members.is_empty() => self.group(name, needed, members),
            ["quorum", name] => self.quorum(name),
            _ => Err(PolicyFault::Form),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), PolicyFault> {
        let key = key_of(key, KeyKind::Ed25519)?;
        // One key under several names is right: a log has a name for each year, and its key outlives a year.
        if self.logs.iter().any(|known| known.public() == key.public() && known.name() == key.name()) {
            return Err(PolicyFault::Duplicate);
        }
        push(&mut self.logs, key)
    }

    fn witness(&mut self, name: &str, key: &str) -> Result<(), PolicyFault> {
        let key = key_of(key, KeyKind::CosignatureV1)?;
        if self.witnesses.iter().any(|known| known.key.public() == key.public()) {
            return Err(PolicyFault::Duplicate);
        }
        self.define(name, Demand::Witness(self.witnesses.len()))?;
        push(&mut self.witnesses, Witness { name: name.to_owned(), key })
    }

    fn group(&mut self, name: &str, needed: &str, members: &[&str]) -> Result<(), PolicyFault> {
        let needed = match needed {
            "any" => 1,
            "all" => members.len(),
            // Decimal as everywhere: no sign and no leading zero.
            number => {
                number.parse().ok().filter(|it: &usize| it.to_string() == number).ok_or(PolicyFault::Threshold)?
            }
        };
        if !(1..=members.len()).contains(&needed) {
            return Err(PolicyFault::Threshold);
        }
        let members = members.iter().map(|name| self.member(name)).collect::<Result<Vec<_>, _>>()?;
        self.define(name, Demand::Group { needed, members })
    }

    /// "Each defined name can be listed as a group member at most once."
    fn member(&mut self, name: &str) -> Result<usize, PolicyFault> {
        let rule = self.find(name).ok_or(PolicyFault::Name)?;
        if self.members.insert(rule) { Ok(rule) } else { Err(PolicyFault::Name) }
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyFault> {
        if self.quorum.is_some() {
            return Err(PolicyFault::Quorum);
        }
        self.quorum = Some(if name == "none" { None } else { Some(self.find(name).ok_or(PolicyFault::Name)?) });
        Ok(())
    }

    fn define(&mut self, name: &str, demand: Demand) -> Result<(), PolicyFault> {
        if name == "none" {
            return Err(PolicyFault::Name);
        }
        if self.find(name).is_some() {
            return Err(PolicyFault::Duplicate);
        }
        if self.rules.len() == 2 * OF_EACH_MAX {
            return Err(PolicyFault::TooLarge);
        }
        self.rules.push(Rule { name: name.to_owned(), demand });
        Ok(())
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.rules.iter().position(|rule| rule.name == name)
    }

    fn finish(self) -> Result<Policy, PolicyFault> {
        let Self { logs, witnesses, rules, quorum, .. } = self;
        Ok(Policy { logs, witnesses, rules, quorum: quorum.ok_or(PolicyFault::Quorum)? })
    }
}

fn key_of(text: &str, kind: KeyKind) -> Result<VerifierKey, PolicyFault> {
    let key = VerifierKey::parse(text).map_err(PolicyFault::Key)?;
    if key.kind() == kind { Ok(key) } else { Err(PolicyFault::KeyKind) }
}

fn push<T>(list: &mut Vec<T>, element: T) -> Result<(), PolicyFault> {
    if list.len() == OF_EACH_MAX {
        return Err(PolicyFault::TooLarge);
    }
    list.push(element);
    Ok(())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::{super::note::Signature, *};

    const TEXT: &str = "log.example/1\n1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";

    fn pair(name: &str, seed: u8, kind: KeyKind) -> (VerifierKey, SigningKey) {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        (VerifierKey::new(name, kind, secret.verifying_key().as_bytes()).expect("a key"), secret)
    }

    fn log() -> (VerifierKey, SigningKey) {
        pair("log.example/1", 1, KeyKind::Ed25519)
    }

    fn witness(number: u8) -> (VerifierKey, SigningKey) {
        pair("witness.example", 10 + number, KeyKind::CosignatureV1)
    }

    /// A checkpoint of the log, cosigned by these witnesses, each at its own time.
    fn note(witnesses: &[u8]) -> Note {
        let (key, secret) = log();
        let mut lines = vec![Signature::sign(TEXT, &key, |it| secret.sign(it).to_bytes()).expect("a log's key")];
        for &number in witnesses {
            let (key, secret) = witness(number);
            let by = |message: &[u8]| secret.sign(message).to_bytes();
            lines.push(Signature::cosign(TEXT, &key, 1_000 + u64::from(number), by).expect("a witness's key"));
        }
        Note::new(TEXT, lines).expect("a note")
    }

    /// The example of the specification: two of three X and any of three Y.
    fn two_levels() -> String {
        let mut file = format!("\n # Comment\nlog\t{}  https://log.example/\n", log().0);
        for (group, numbers) in [("X", 1..=3), ("Y", 4..=6)] {
            for number in numbers {
                file.push_str(&format!("witness {group}{number} {}\n", witness(number).0));
            }
        }
        file + "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y4 Y5 Y6\n\
                group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    }

    #[test]
    fn a_quorum_of_two_levels() {
        let policy = Policy::parse(two_levels().as_bytes()).expect("a policy");
        assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
        for (witnesses, accepted) in [
            (&[][..], false),
            (&[1, 2], false),
            (&[1, 4], false),
            (&[4, 5, 6], false),
            (&[1, 1, 4], false),
            (&[1, 2, 4], true),
            (&[2, 3, 6], true),
            (&[1, 2, 3, 4, 5, 6], true),
            (&[1, 2, 4, 9], true),
        ] {
            let found = policy.accept(&note(witnesses));
            assert_eq!(found.is_ok(), accepted, "{witnesses:?}: {found:?}");
            assert!(policy.without_quorum().accept(&note(witnesses)).is_ok(), "{witnesses:?}");
            if let Ok(found) = found {
                let names: Vec<u64> = found.cosigners().iter().map(|it| it.time_s - 1_000).collect();
                let known: Vec<u64> = witnesses.iter().copied().filter(|it| *it < 7).map(u64::from).collect();
                assert_eq!(names, known);
            }
        }
    }

    #[test]
    fn a_single_witness_or_none_can_be_the_quorum() {
        let head = format!("log {}\nwitness w {}\n", log().0, witness(1).0);
        let needed = Policy::parse(format!("{head}quorum w\n").as_bytes()).expect("a policy");
        assert_eq!(needed.accept(&note(&[])), Err(PolicyError::Quorum));
        assert!(needed.accept(&note(&[1])).is_ok());
        let none = Policy::parse(format!("{head}quorum none").as_bytes()).expect("a policy without a last line feed");
        assert!(none.accept(&note(&[])).is_ok());
        assert_eq!(none.accept(&note(&[1])).map(|it| it.cosigners().len()), Ok(1));
        // Nobody is believed by a policy without logs.
        let empty = Policy::parse(b"quorum none\n").expect("a policy");
        assert_eq!(empty.accept(&note(&[])), Err(PolicyError::Origin));
    }

    #[test]
    fn what_is_no_policy() {
        let (log, w1, w2) = (log().0, witness(1).0, witness(2).0);
        let next_year = pair("log.example/2", 1, KeyKind::Ed25519).0;
        assert!(Policy::parse(format!("log {log}\nlog {next_year}\nquorum none\n").as_bytes()).is_ok());
        let two = format!("witness a {w1}\nwitness b {w2}\n");
        for (file, line, fault) in [
            (String::new(), 1, PolicyFault::Quorum),
            ("# nothing\n".to_owned(), 1, PolicyFault::Quorum),
            ("quorum none\nquorum none\n".to_owned(), 2, PolicyFault::Quorum),
            ("quorum a\n".to_owned(), 1, PolicyFault::Name),
            ("quorum\n".to_owned(), 1, PolicyFault::Form),
            ("Quorum none\n".to_owned(), 1, PolicyFault::Form),
            ("log\n".to_owned(), 1, PolicyFault::Form),
            ("log x\n".to_owned(), 1, PolicyFault::Key(KeyError::Form)),
            (format!("log {w1}\n"), 1, PolicyFault::KeyKind),
            (format!("witness a {log}\n"), 1, PolicyFault::KeyKind),
            (format!("log {log}\nlog {log}\n"), 2, PolicyFault::Duplicate),
            (format!("witness a {w1}\nwitness b {w1}\n"), 2, PolicyFault::Duplicate),
            (format!("witness a {w1}\nwitness a {w2}\n"), 2, PolicyFault::Duplicate),
            (format!("witness none {w1}\n"), 1, PolicyFault::Name),
            (format!("{two}group g 1\n"), 3, PolicyFault::Form),
            (format!("{two}group g 0 a b\n"), 3, PolicyFault::Threshold),
            (format!("{two}group g 3 a b\n"), 3, PolicyFault::Threshold),
            (format!("{two}group g 01 a b\n"), 3, PolicyFault::Threshold),
            (format!("{two}group g most a b\n"), 3, PolicyFault::Threshold),
            (format!("{two}group g any a c\n"), 3, PolicyFault::Name),
            (format!("{two}group g any a a\n"), 3, PolicyFault::Name),
            (format!("{two}group g any g\n"), 3, PolicyFault::Name),
            (format!("{two}group a any b\n"), 3, PolicyFault::Duplicate),
            (format!("{two}group none any b\n"), 3, PolicyFault::Name),
            (format!("{two}group g any a\ngroup h any a b\n"), 4, PolicyFault::Name),
            ("quorum none\r\n".to_owned(), 1, PolicyFault::Text),
            ("quorum none \u{b}\n".to_owned(), 1, PolicyFault::Text),
            (" ".repeat(POLICY_BYTES_MAX + 1), 1, PolicyFault::TooLarge),
        ] {
            assert_eq!(Policy::parse(file.as_bytes()), Err(PolicyFileError { line, fault }), "{file:.200}");
        }
        assert_eq!(Policy::of_log(w1), Err(PolicyFault::KeyKind));
    }

    #[test]
    fn at_least_thirty_two_of_each() {
        let mut file = String::new();
        for number in 0..32 {
            let log = pair(&format!("log.example/{number}"), number, KeyKind::Ed25519).0;
            let witness = pair("w.example", 100 + number, KeyKind::CosignatureV1).0;
            file.push_str(&format!("log {log}\nwitness w{number} {witness}\ngroup g{number} any w{number}\n"));
        }
        assert!(Policy::parse(format!("{file}quorum g31\n").as_bytes()).is_ok());
        let key = |number: usize| pair("log.example", u8::try_from(number).expect("small"), KeyKind::Ed25519).0;
        let many: String = (0..=OF_EACH_MAX).map(|number| format!("log {}\n", key(number))).collect();
        let line = OF_EACH_MAX + 1;
        let fault = PolicyFault::TooLarge;
        assert_eq!(Policy::parse(many.as_bytes()), Err(PolicyFileError { line, fault }));
    }
}
