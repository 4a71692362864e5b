//! Receipts end to end: made, read, redacted, verified; and refused as soon as a byte of them is another one.

#[allow(dead_code, reason = "each test takes what it needs of the fixed values")]
mod common;

use common::log::{self, COSIGNED_S, Log, ORIGIN, POSITION, SIZE, log_key, witness_key};
use xacminh_proto::{
    transparency::{
        Checkpoint, Contradiction, Disclosure, DisclosureError, Leaf, LeafVerdict, Opening, Policy, Receipt,
        ReceiptError, Stated, Statement, Verified,
        merkle::{ProofError, leaf_hash, prove_inclusion},
        note::{KeyKind, Note, NoteError},
        policy::PolicyError,
    },
    vocab::{Attribute, Outcome, PersonNumber, PortalId, Value, Verdict},
};

fn of_log() -> Policy {
    Policy::of_log(log_key().public).expect("a log's key")
}

fn two_of_three() -> Policy {
    Policy::parse(log::policy_file().as_bytes()).expect("a policy")
}

fn verify(bytes: &[u8], policy: &Policy) -> Result<Verified, ReceiptError> {
    Receipt::parse(bytes)?.verify(policy)
}

#[test]
fn a_receipt_is_issued_as_it_is_made_and_withheld_as_it_would_be() {
    let log = Log::new(SIZE);
    let (leaf, subject, openings) = log::parts();
    let proof = prove_inclusion(&mut &log, POSITION, SIZE).expect("within the tree");
    let issue = |openings: &[Opening], index| {
        Receipt::issue(&leaf, Some(subject), openings.to_vec(), index, proof.clone(), log.checkpoint(2))
    };
    assert_eq!(issue(&openings, POSITION), log.receipt(2).encode());
    assert!(matches!(issue(&openings, POSITION + 1), Err(ReceiptError::Proof(_))));
    assert_eq!(issue(&openings[1..], POSITION), Err(ReceiptError::Disclosure(DisclosureError::Statements)));
}

#[test]
fn a_receipt_says_who_asked_what_about_whom_and_what_was_answered() {
    let receipt = Log::new(SIZE).receipt(2);
    let bytes = receipt.encode().expect("within bounds");
    let read = Receipt::parse(bytes.as_bytes()).expect("a receipt");
    assert_eq!(read, receipt);
    let verified = read.verify(&two_of_three()).expect("a sound receipt");
    assert_eq!(verified.portal(), PortalId(17));
    assert_eq!(verified.official(), &[0xa1; 16]);
    assert_eq!((verified.purpose(), verified.procedure()), (0x0203, 0x0405_0607));
    assert_eq!(verified.request_id(), common::request_id());
    assert_eq!(verified.subject(), PersonNumber::parse("048203000015").ok());
    assert_eq!(verified.verdict(), LeafVerdict::NoMatch);
    assert_eq!(verified.outcome(), Some(Stated::Confirmed { as_of_ms: 1_803_859_200_123, reissued: false }));
    assert_eq!(verified.as_of_ms(), Some(1_803_859_200_123));
    assert_eq!(verified.at_ms(), 1_803_859_200_456);
    assert_eq!((verified.origin(), verified.position(), verified.log_size()), (ORIGIN, POSITION, SIZE));
    assert_eq!(verified.closed(), 0);
    assert_eq!(verified.claims_asked().count(), 17);
    assert!(verified.attributes_asked().contains(Attribute::Ethnicity));
    let cosigners: Vec<_> = verified.cosigners().iter().map(|it| (it.name.as_str(), it.time_s)).collect();
    assert_eq!(cosigners, [("W1", COSIGNED_S), ("W2", COSIGNED_S)]);
    let claims: Vec<_> = verified
        .statements()
        .iter()
        .filter_map(|it| match it {
            Statement::Claim { claim, verdict, .. } => Some((claim.clone(), *verdict)),
            _ => None,
        })
        .collect();
    let expected: Vec<_> = common::claims().into_iter().zip(common::verdicts(&common::claims())).collect();
    assert_eq!(claims, expected.into_iter().map(|(claim, it)| (claim, it.verdict)).collect::<Vec<_>>());
    let attributes: Vec<(Attribute, Value)> = verified
        .statements()
        .iter()
        .filter_map(|it| match it {
            Statement::Attribute(attribute, value) => Some((*attribute, value.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(attributes, common::values());
}

/// Every statement counts, the person counts, and what is closed is not said.
#[test]
fn a_receipt_says_one_outcome_about_one_person() {
    let receipt = Log::new(SIZE).receipt(0);
    let number = PersonNumber::parse("048203000015").expect("a number");
    let (claims, outcome) = (common::claims(), common::confirmed());
    assert!(receipt.says(number, &outcome, &claims));
    assert!(!receipt.says(PersonNumber::parse("048203000016").expect("a number"), &outcome, &claims));
    assert!(!receipt.says(number, &Outcome::NotConfirmed, &claims));
    assert!(!receipt.says(number, &outcome, &claims[1..]), "verdicts of another question");
    let Outcome::Confirmed { verdicts, attributes, as_of_ms, reissued } = outcome else {
        panic!("a confirmed outcome")
    };
    let with = |verdicts: &[_], attributes: &[_], as_of_ms| Outcome::Confirmed {
        verdicts: verdicts.to_vec(),
        attributes: attributes.to_vec(),
        as_of_ms,
        reissued,
    };
    let anew = Outcome::Confirmed {
        verdicts: verdicts.clone(),
        attributes: attributes.clone(),
        as_of_ms,
        reissued: !reissued,
    };
    assert!(!receipt.says(number, &anew, &claims), "another number");
    assert!(!receipt.says(number, &with(&verdicts, &attributes, as_of_ms + 1), &claims));
    for at in 0..verdicts.len() {
        let mut lied = verdicts.clone();
        lied[at].verdict = if lied[at].verdict == Verdict::Match { Verdict::NoMatch } else { Verdict::Match };
        assert!(!receipt.says(number, &with(&lied, &attributes, as_of_ms), &claims), "claim {at}");
    }
    for at in 0..attributes.len() {
        let mut lied = attributes.clone();
        lied[at].1 = Value::Text("Somebody Else".into());
        assert!(!receipt.says(number, &with(&verdicts, &lied, as_of_ms), &claims), "attribute {at}");
        lied.remove(at);
        assert!(!receipt.says(number, &with(&verdicts, &lied, as_of_ms), &claims), "without attribute {at}");
    }
    for name in receipt.opened() {
        let less = receipt.redact(|it| it != name);
        assert!(!less.says(number, &with(&verdicts, &attributes, as_of_ms), &claims), "{name} is closed");
    }
}

#[test]
fn nothing_personal_is_printed() {
    let receipt = Log::new(SIZE).receipt(0);
    let verified = receipt.verify(&of_log()).expect("a sound receipt");
    for printed in [format!("{receipt:?}"), format!("{verified:?}"), format!("{:?}", verified.statements())] {
        for secret in ["048203000015", "Nguyễn", "Lê Lợi", "29/02/2004", "2004-02-29", "001234567"] {
            assert!(!printed.contains(secret), "{secret} in {printed}");
        }
    }
}

#[test]
fn a_redacted_receipt_verifies_and_says_less() {
    let receipt = Log::new(SIZE).receipt(2);
    let shown = ["outcome", "claim/4/age_at_least"];
    let redacted = receipt.redact(|name| shown.contains(&name));
    let bytes = redacted.encode().expect("within bounds");
    let verified = verify(bytes.as_bytes(), &two_of_three()).expect("a sound receipt");
    assert_eq!(verified.subject(), None);
    assert_eq!(verified.closed(), 26);
    assert_eq!(verified.statements().iter().map(|it| it.name().to_string()).collect::<Vec<_>>(), shown);
    assert!(matches!(verified.statements()[1], Statement::Claim { index: 4, verdict: Verdict::Undetermined(_), .. }));
    assert_eq!((verified.portal(), verified.position()), (PortalId(17), POSITION));
    // Redacting in two steps is redacting once; and nothing comes back.
    assert_eq!(receipt.redact(|name| name != "subject").redact(|name| shown.contains(&name)), redacted);
    assert_eq!(redacted.redact(|_| true), redacted);
    let closed = redacted.redact(|_| false);
    let verified = closed.verify(&two_of_three()).expect("a sound receipt");
    assert_eq!((verified.statements().len(), verified.closed(), verified.outcome()), (0, 28, None));
    // What was dropped is not in the bytes.
    let opened = receipt.encode().expect("within bounds");
    assert!(bytes.len() < opened.len());
}

/// Every byte of a receipt, and of the shortest each bit: refused, whichever it is.
#[test]
fn every_changed_byte_is_refused() {
    let log = Log::new(SIZE);
    let whole = log.receipt(2);
    for receipt in [whole.clone(), whole.redact(|name| name == "outcome"), whole.redact(|_| false)] {
        let bytes = receipt.encode().expect("within bounds").into_bytes();
        let policy = two_of_three();
        assert!(verify(&bytes, &policy).is_ok());
        for at in 0..bytes.len() {
            let bits = if receipt == whole.redact(|_| false) { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(verify(&changed, &policy).is_err(), "byte {at} ({}), bit {bit}", char::from(bytes[at]));
            }
        }
        for end in 0..bytes.len() {
            assert!(verify(&bytes[..end], &policy).is_err(), "cut to {end}");
        }
    }
}

/// The disclosure below its base64: changes that the text of a receipt does not show byte by byte.
#[test]
fn every_changed_byte_of_the_disclosure_is_refused() {
    let log = Log::new(SIZE);
    let proof = prove_inclusion(&mut &log, POSITION, SIZE).expect("within the tree");
    let accepted = |disclosure: &[u8]| -> Result<Verified, ReceiptError> {
        Receipt::make(Disclosure::decode(disclosure)?, POSITION, proof.clone(), log.checkpoint(0))?.verify(&of_log())
    };
    let whole = log::disclosure();
    for disclosure in [whole.clone(), whole.redact(|name| name.starts_with("claim/1")), whole.redact(|_| false)] {
        let bytes = disclosure.encode().expect("within bounds");
        assert!(accepted(&bytes).is_ok());
        for at in 0..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                assert!(accepted(&changed).is_err(), "byte {at}");
            }
            let mut shorter = bytes.clone();
            shorter.remove(at);
            assert!(accepted(&shorter).is_err(), "without byte {at}");
        }
        assert!(accepted(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
}

/// The one part that is not bound: lines of keys the policy does not know. They say nothing to this verifier either.
#[test]
fn lines_of_unknown_keys_are_ignored_whatever_they_say() {
    let receipt = Log::new(SIZE).receipt(2);
    let bytes = receipt.encode().expect("within bounds").into_bytes();
    let known = receipt.redact(|_| true).verify(&of_log()).expect("a sound receipt");
    assert_eq!(known.cosigners(), []);
    let lines: usize = receipt.checkpoint().signatures()[1..].iter().map(|line| line.to_string().len()).sum();
    let outside = bytes.len() - lines..bytes.len();
    let mut accepted = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        match verify(&changed, &of_log()) {
            Ok(verified) => {
                assert!(outside.contains(&at), "byte {at} is bound");
                assert_eq!(verified, known, "what is verified is the same");
                accepted += 1;
            }
            Err(_) => assert!(!outside.contains(&at) || at < bytes.len()),
        }
    }
    assert!(accepted > 0, "the test knows what it tests");
}

#[test]
fn each_fault_has_its_name() {
    let log = Log::new(SIZE);
    let proof = prove_inclusion(&mut &log, POSITION, SIZE).expect("within the tree");
    let make = |index, proof, checkpoint| Receipt::make(log::disclosure(), index, proof, checkpoint);
    let beyond = ReceiptError::Proof(ProofError::Beyond { position: SIZE, size: SIZE });
    assert_eq!(make(SIZE, proof.clone(), log.checkpoint(0)), Err(beyond));
    assert_eq!(make(POSITION + 1, proof.clone(), log.checkpoint(0)), Err(ProofError::Root.into()));
    assert_eq!(make(POSITION, proof[1..].to_vec(), log.checkpoint(0)), Err(ProofError::Length.into()));
    let sound = make(POSITION, proof, log.checkpoint(0)).expect("a receipt");
    assert_eq!(sound.verify(&two_of_three()), Err(PolicyError::Quorum.into()));
    let other_log = log::Key::new("xacminh.example/hue/2027", KeyKind::Ed25519, 9);
    let other = Policy::of_log(other_log.public).expect("a log's key");
    assert_eq!(sound.verify(&other), Err(PolicyError::Origin.into()));
    let other_key = log::Key::new(ORIGIN, KeyKind::Ed25519, 9);
    let rotated = Policy::of_log(other_key.public.clone()).expect("a log's key");
    assert_eq!(sound.verify(&rotated), Err(PolicyError::Note(NoteError::Unsigned).into()));
    // Two keys overlap while one replaces the other.
    let both = format!("log {}\nlog {}\nquorum none\n", log_key().public, other_key.public);
    assert!(sound.verify(&Policy::parse(both.as_bytes()).expect("a policy")).is_ok());
    // Witnesses alone make no checkpoint.
    let text = sound.checkpoint().text().to_owned();
    let witnessed = Note::new(text.clone(), vec![witness_key(1).signature(&text), witness_key(2).signature(&text)]);
    let proof = prove_inclusion(&mut &log, POSITION, SIZE).expect("within the tree");
    let unsigned = make(POSITION, proof, witnessed.expect("a note")).expect("the proof holds");
    assert_eq!(unsigned.verify(&two_of_three()), Err(PolicyError::Unsigned.into()));
}

#[test]
fn cosignatures_can_come_later() {
    let log = Log::new(SIZE);
    let early = log.receipt(0);
    let text = early.checkpoint().text().to_owned();
    let upgraded = early.with_signatures([2, 3].map(|number| witness_key(number).signature(&text))).expect("two lines");
    let verified = upgraded.verify(&two_of_three()).expect("two of three");
    assert_eq!(verified.cosigners().iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["W2", "W3"]);
    assert_eq!(verified.cosigners()[0].key_name, "witness.example/w2");
    let once =
        early.with_signatures([witness_key(1).signature(&text), witness_key(1).signature(&text)]).expect("a line");
    assert_eq!(once.verify(&two_of_three()), Err(PolicyError::Quorum.into()), "one witness counts once");
}

#[test]
fn a_leaf_that_contradicts_its_statements_is_refused() {
    let openings = log::openings();
    let sound = log::answered_leaf(&openings);
    let verified = |leaf: &Leaf, openings: Vec<Opening>| {
        // A log of one leaf, whose hash is the root.
        let checkpoint = Checkpoint::new(ORIGIN, 1, leaf_hash(&leaf.encode())).expect("a checkpoint");
        let text = checkpoint.text();
        let note = Note::new(text.clone(), vec![log_key().signature(&text)]).expect("a note");
        Receipt::make(Disclosure::new(&leaf.encode(), None, openings)?, 0, vec![], note)?.verify(&of_log())
    };
    assert!(verified(&sound, openings.clone()).is_ok());
    let not_asked = Leaf { fields: sound.fields & !(1 << 32), ..sound };
    assert_eq!(verified(&not_asked, openings.clone()), Err(Contradiction::NotAsked.into()));
    for verdict in [LeafVerdict::Match, LeafVerdict::Undetermined, LeafVerdict::Refused, LeafVerdict::None] {
        let other = Leaf { verdict, ..sound };
        assert_eq!(verified(&other, openings.clone()), Err(Contradiction::Verdict.into()), "{verdict:?}");
    }
    // "Not confirmed", and yet a value.
    let mut both = openings.clone();
    both[0].value = vec![2];
    assert_eq!(verified(&log::answered_leaf(&both), both), Err(Contradiction::Nobody.into()));
    // An opening that the leaf does not commit to, one left out, and one twice.
    let mut other = openings.clone();
    other[3].value[0] ^= 3;
    assert_eq!(verified(&sound, other), Err(DisclosureError::Statements.into()));
    assert_eq!(verified(&sound, openings[1..].to_vec()), Err(DisclosureError::Statements.into()));
    let mut twice = openings.clone();
    twice.push(openings[5].clone());
    assert_eq!(verified(&log::answered_leaf(&twice), twice), Err(DisclosureError::Malformed.into()));
}

/// What the design promises: printed as one QR code (2,953 bytes) when it says little; and the sizes that docs quote.
#[test]
fn sizes() {
    let receipt = Log::new(SIZE).receipt(1);
    let small = receipt.redact(|name| name == "outcome" || name == "claim/4/age_at_least" || name == "subject");
    let fixed = small.encode().expect("within bounds").len();
    // Nine hashes here, 27 for 10^8 leaves; closed statements are 32 bytes each.
    let closed = 26 * 32 * 4 / 3;
    assert!(fixed - closed + (27 - 9) * 45 < 2_953, "{fixed} bytes");
}
