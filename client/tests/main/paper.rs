//! Receipts for tests: synthetic people, keys whose secrets are in this file, logs of any size.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use xacminh_proto::{
    transparency::{
        Checkpoint, Disclosure, Hash, Leaf, LeafKind, LeafVerdict, Opening, Receipt, Salt, attributes_root,
        merkle::{leaf_hash, root_of_inclusion},
        note::{KeyKind, Note, Signature, VerifierKey},
        statements, subject_commitment,
    },
    vocab::{
        Address, Attribute, BirthDate, CitizenNumber, Claim, ClaimVerdict, Date, FullName, Living, Marital, OldNumber,
        Outcome, PersonNumber, Place, PortalId, Reason, RequestId, ResidenceKind, Sex, Value, Verdict,
    },
};

use crate::fake::AT_MS;

pub(crate) const ORIGIN: &str = "xacminh.example/da-nang/2026";
pub(crate) const SUBJECT: &str = "048190000017";
pub(crate) const INDEX: u64 = 41;

/// When witnesses cosign, Unix seconds.
pub(crate) const COSIGNED_S: u64 = AT_MS / 1000 + 10;

/// Which names a redacted receipt keeps.
pub(crate) type Keep = fn(&str) -> bool;

/// A key with its secret.
pub(crate) struct Key {
    pub(crate) public: VerifierKey,
    secret: Ed25519KeyPair,
}

/// What a receipt is of: the question, its answer, and what its leaf says of both.
#[derive(Clone)]
pub(crate) struct Paper {
    pub(crate) request_id: RequestId,
    pub(crate) claims: Vec<Claim>,
    pub(crate) outcome: Outcome,
    pub(crate) verdict: LeafVerdict,
    pub(crate) kind: LeafKind,
    /// What the leaf says was asked; everything of the answer if not said otherwise.
    pub(crate) fields: Option<u64>,
    pub(crate) size: u64,
    pub(crate) index: u64,
    pub(crate) witnesses: u8,
}

impl Key {
    pub(crate) fn new(name: &str, kind: KeyKind, seed: u8) -> Self {
        let secret = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = secret.public_key().as_ref().try_into().unwrap();
        Self { public: VerifierKey::new(name, kind, public).unwrap(), secret }
    }

    pub(crate) fn sign(&self, text: &str) -> Signature {
        let by = |message: &[u8]| self.secret.sign(message).as_ref().try_into().unwrap();
        match self.public.kind() {
            KeyKind::Ed25519 => Signature::sign(text, &self.public, by).unwrap(),
            KeyKind::CosignatureV1 => Signature::cosign(text, &self.public, COSIGNED_S, by).unwrap(),
        }
    }
}

pub(crate) fn log_key() -> Key {
    Key::new(ORIGIN, KeyKind::Ed25519, 1)
}

pub(crate) fn witness_key(number: u8) -> Key {
    Key::new(&format!("witness.example/w{number}"), KeyKind::CosignatureV1, 100 + number)
}

/// A policy that wants two of three witnesses.
pub(crate) fn two_of_three() -> String {
    let witnesses: String = (1..=3).map(|it| format!("witness W{it} {}\n", witness_key(it).public)).collect();
    format!("# Synthetic.\nlog {} https://log.example/\n{witnesses}group W 2 W1 W2 W3\nquorum W\n", log_key().public)
}

/// A policy of the log alone.
pub(crate) fn log_alone() -> String {
    format!("log {}\nquorum none\n", log_key().public)
}

impl Paper {
    /// What a clerk asks most: is this the person, and of age?
    pub(crate) fn ordinary() -> Self {
        let claims = vec![
            Claim::FullName(FullName::parse("Trần Thị Hoa").unwrap()),
            Claim::AgeAtLeast { years: 18, on: Some(Date::parse("2026-05-29").unwrap()) },
        ];
        let reasons = [Reason::Equal, Reason::OldEnough];
        let verdict =
            |(claim, reason): (&Claim, _)| ClaimVerdict { kind: claim.kind(), verdict: Verdict::Match, reason };
        let verdicts = claims.iter().zip(reasons).map(verdict).collect();
        let outcome = Outcome::Confirmed { verdicts, attributes: vec![], as_of_ms: AT_MS, reissued: false };
        Self { claims, outcome, ..Self::not_confirmed() }.saying(LeafVerdict::Match)
    }

    /// The shortest answer.
    pub(crate) fn not_confirmed() -> Self {
        Self {
            request_id: RequestId::new(AT_MS, [0x29; 10]),
            claims: vec![],
            outcome: Outcome::NotConfirmed,
            verdict: LeafVerdict::NoMatch,
            kind: LeafKind::Disclosed,
            fields: None,
            size: 300,
            index: INDEX,
            witnesses: 2,
        }
    }

    pub(crate) fn answering(outcome: Outcome, verdict: LeafVerdict) -> Self {
        let kind = if verdict == LeafVerdict::Refused { LeafKind::Refused } else { LeafKind::Disclosed };
        Self { outcome, kind, fields: Some(1 << 36), ..Self::not_confirmed() }.saying(verdict)
    }

    /// The longest answer: a claim of nearly every kind, a value of every kind, two verdicts of three kinds.
    pub(crate) fn everything() -> Self {
        let claims = claims();
        let verdicts = [Verdict::Match, Verdict::NoMatch, Verdict::Undetermined(xacminh_proto::vocab::Cause::TooOld)];
        let verdict =
            |((claim, verdict), reason): ((&Claim, _), _)| ClaimVerdict { kind: claim.kind(), verdict, reason };
        let verdicts = claims.iter().zip(verdicts.into_iter().cycle()).zip(Reason::ALL.into_iter().cycle());
        let outcome = Outcome::Confirmed {
            verdicts: verdicts.map(verdict).collect(),
            attributes: values(),
            as_of_ms: AT_MS,
            reissued: false,
        };
        Self { claims, outcome, ..Self::not_confirmed() }
    }

    pub(crate) fn saying(self, verdict: LeafVerdict) -> Self {
        Self { verdict, ..self }
    }

    pub(crate) fn at(self, index: u64, size: u64) -> Self {
        Self { index, size, ..self }
    }

    pub(crate) fn witnessed_by(self, witnesses: u8) -> Self {
        Self { witnesses, ..self }
    }

    pub(crate) fn openings(&self) -> Vec<Opening> {
        let statements = statements(&self.outcome, &self.claims);
        let opening = |((name, value), salt): ((String, Vec<u8>), u8)| Opening { name, salt: Salt([salt; 32]), value };
        statements.into_iter().zip(7..).map(opening).collect()
    }

    pub(crate) fn leaf(&self) -> Leaf {
        let mut commitments: Vec<Hash> = self.openings().iter().map(Opening::commitment).collect();
        let mut asked = self.claims.iter().fold(0, |bits, claim| bits | u64::from(claim.kind().bit()) << 32);
        if let Outcome::Confirmed { attributes, .. } = &self.outcome {
            asked |= attributes.iter().fold(0, |bits, (attribute, _)| bits | 1 << *attribute as u8);
        }
        Leaf {
            kind: self.kind,
            time_ms: AT_MS + 1,
            request_id: self.request_id,
            portal: PortalId(17),
            official: [0xa1; 16],
            purpose: 3,
            procedure: 4222,
            register_revision: 5,
            fields: self.fields.unwrap_or(asked),
            verdict: self.verdict,
            subject: subject_commitment(&Salt([0x51; 32]), SUBJECT.as_bytes()),
            attributes_root: attributes_root(&mut commitments),
            addendum_digest: [0xd4; 32],
            record_version: 9,
            previous: [0xe5; 32],
        }
    }

    pub(crate) fn disclosure(&self) -> Disclosure {
        let subject = (Salt([0x51; 32]), PersonNumber::parse(SUBJECT).unwrap());
        Disclosure::new(&self.leaf().encode(), Some(subject), self.openings()).unwrap()
    }

    /// The receipt, whether or not its leaf contradicts it. The rest of the log is made of hashes of nothing.
    pub(crate) fn receipt(&self) -> String {
        let (proof, root) = self.proof();
        let text = Checkpoint::new(ORIGIN, self.size, root).unwrap().text();
        let witnesses = (1..=self.witnesses).map(|number| witness_key(number).sign(&text));
        let note = Note::new(text.clone(), [log_key().sign(&text)].into_iter().chain(witnesses).collect()).unwrap();
        text_of(&self.disclosure().encode().unwrap(), self.index, &proof, &note)
    }

    pub(crate) fn read(&self) -> Receipt {
        Receipt::parse(self.receipt().as_bytes()).unwrap()
    }

    /// A proof of the one length that fits, and the root it leads to.
    pub(crate) fn proof(&self) -> (Vec<Hash>, Hash) {
        let leaf = leaf_hash(&self.leaf().encode());
        let proof = |length: u8| -> Vec<Hash> { (0..length).map(|level| leaf_hash(&[level])).collect() };
        (0..64)
            .map(proof)
            .find_map(|proof| Some((proof.clone(), root_of_inclusion(&leaf, self.index, self.size, &proof).ok()?)))
            .unwrap()
    }
}

/// The text of a receipt, put together without asking whether its parts agree.
pub(crate) fn text_of(disclosure: &[u8], index: u64, proof: &[Hash], note: &Note) -> String {
    let hashes: String = proof.iter().map(|hash| base64(hash) + "\n").collect();
    format!("c2sp.org/tlog-proof@v1\nextra {}\nindex {index}\n{hashes}\n{note}", base64(disclosure))
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

pub(crate) fn from_base64(text: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()
}

fn claims() -> Vec<Claim> {
    let day = |text: &str| Date::parse(text).unwrap();
    let citizen = |text: &str| CitizenNumber::parse(text).unwrap();
    let place = Place::new(48, Some(20_194)).unwrap();
    let detail = Some("Số 12 <b> & \"ngõ\" 3, đường Lê Lợi".to_owned());
    vec![
        Claim::FullName(FullName::parse("Nguyễn Thị Ánh Tuyết").unwrap()),
        Claim::BirthDate(BirthDate::of_year(1990).unwrap()),
        Claim::Sex(Sex::Female),
        Claim::Nationality(*b"VN"),
        Claim::AgeAtLeast { years: 60, on: None },
        Claim::AgeAtLeast { years: 18, on: Some(day("2026-03-01")) },
        Claim::Residence { kind: ResidenceKind::Permanent, place, as_of: None, detail },
        Claim::Residence {
            kind: ResidenceKind::Current,
            place: Place::of_province(1).unwrap(),
            as_of: None,
            detail: None,
        },
        Claim::MaritalStatus(Marital::Single),
        Claim::LivingStatus(Living::Alive),
        Claim::OldNumber(OldNumber::parse("201234567").unwrap()),
        Claim::CardIssued(day("2021-05-17")),
        Claim::CardExpires(day("2029-02-28")),
        Claim::ParentOf(citizen("048230000017")),
        Claim::HeadOfHousehold,
        Claim::SameHousehold(citizen("048075000021")),
    ]
}

fn values() -> Vec<(Attribute, Value)> {
    let place = Place::new(48, Some(20_194)).unwrap();
    let detail = "Số 12 đường Lê Lợi".to_owned();
    let other = Place::of_province(1).unwrap();
    vec![
        (Attribute::FullName, Value::text("Nguyễn Thị Ánh Tuyết").unwrap()),
        (Attribute::BirthDate, Value::Birth(BirthDate::parse("17/05/1990").unwrap())),
        (Attribute::Sex, Value::Sex(Sex::Female)),
        (Attribute::CitizenNumber, Value::Citizen(CitizenNumber::parse(SUBJECT).unwrap())),
        (Attribute::OldNumber, Value::Old(OldNumber::parse("001234567").unwrap())),
        (Attribute::OtherName, Value::Absent),
        (Attribute::CardIssued, Value::Day(Date::parse("2021-05-17").unwrap())),
        (Attribute::PermanentResidence, Value::Address(Address { place, detail, commune_before_2025: Some(20_195) })),
        (
            Attribute::CurrentResidence,
            Value::Address(Address { place: other, detail: String::new(), commune_before_2025: None }),
        ),
        (Attribute::MaritalStatus, Value::Marital(Marital::DivorcedOrWidowed)),
        (Attribute::LivingStatus, Value::Living(Living::Missing)),
    ]
}
