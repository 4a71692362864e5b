//! Every message is read as it was written; anything else is an error, and nothing is taken on trust.

#[path = "common/arbitrary.rs"]
mod arbitrary;

use std::{collections::HashMap, fmt::Debug};

use proptest::{collection::vec, prelude::*};
use serde::{Serialize, de::DeserializeOwned};
use xacminh_proto::{
    codec::{self, CodecError},
    transparency::{
        ADDENDUM_BYTES_MAX, Addendum, ENVELOPE_BYTES_MAX, Envelope, LEAF_BYTES, Leaf, Salt, Stated, Statement,
        StatementName, Wrap, WrapKind, statements,
    },
    vocab::{
        Address, Attribute, CLAIMS_DECODED_MAX, CLAIMS_MAX, Cause, Claim, ClaimKind, ClaimVerdict, Outcome, Place,
        Reason, ResidenceKind, Value, Verdict, text,
    },
    wire::{
        AuditEntries, AuditEntry, MEMBERS_MAX, MemberStatus, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request,
        Tagged, frame, peer::HELLO_BYTES_MAX,
    },
};

fn survives<const LIMIT: usize, T>(value: &T, cut: usize) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = codec::encode::<LIMIT, T>(value).expect("within bounds");
    let read = codec::decode::<LIMIT, T>(&bytes);
    prop_assert_eq!(read.as_ref(), Ok(value));
    let shorter = codec::decode::<LIMIT, T>(&bytes[..cut % bytes.len()]);
    prop_assert_eq!(shorter, Err(CodecError::Malformed));
    let longer = codec::decode::<LIMIT, T>(&[bytes.as_slice(), &[0, 0]].concat());
    prop_assert_eq!(longer, Err(CodecError::TrailingBytes(2)));
    let mut framed = vec![9];
    frame::append::<LIMIT, T>(value, &mut framed).expect("within bounds");
    let (prefix, body) = framed[1..].split_first_chunk().expect("a frame has a prefix");
    prop_assert_eq!(frame::announced(*prefix, LIMIT), Ok(body.len()));
    prop_assert_eq!(body, bytes);
    Ok(())
}

proptest! {
    #[test]
    fn requests(request in arbitrary::request(), tag in any::<u64>(), cut in any::<usize>()) {
        survives::<REQUEST_BYTES_MAX, _>(&request, cut)?;
        survives::<REQUEST_BYTES_MAX, _>(&Tagged { tag, body: request }, cut)?;
    }

    #[test]
    fn replies(reply in arbitrary::reply(), tag in any::<u64>(), cut in any::<usize>()) {
        survives::<REPLY_BYTES_MAX, _>(&reply, cut)?;
        survives::<REPLY_BYTES_MAX, _>(&Tagged { tag, body: reply }, cut)?;
    }

    #[test]
    fn peer_hellos(hello in arbitrary::peer_hello(), cut in any::<usize>()) {
        survives::<HELLO_BYTES_MAX, _>(&hello, cut)?;
    }

    #[test]
    fn leaves(leaf in arbitrary::leaf(), other in arbitrary::leaf(), time_ms in any::<u64>(), extra in 1_usize..50) {
        let bytes = leaf.encode();
        prop_assert_eq!(Leaf::decode(&bytes), Ok(leaf.clone()));
        prop_assert_eq!(leaf == other, bytes == other.encode());
        prop_assert!(Leaf::decode(&bytes[extra..]).is_err());
        prop_assert!(Leaf::decode(&[&bytes[..], &vec![0; extra]].concat()).is_err());
        let mut stamped = bytes;
        Leaf::stamp(&mut stamped, time_ms);
        prop_assert_eq!(Leaf::stamped_ms(&stamped), time_ms);
        prop_assert_eq!(Leaf::decode(&stamped), Ok(Leaf { time_ms, ..leaf }));
    }

    #[test]
    fn envelopes(envelope in arbitrary::envelope(), cut in any::<usize>()) {
        let bytes = envelope.encode();
        prop_assert_eq!(Envelope::decode(&bytes), Ok(envelope.clone()));
        if let Ok(shorter) = Envelope::decode(&bytes[..cut % bytes.len()]) {
            prop_assert!(shorter != envelope, "a shorter ciphertext fails to open; it is not the same envelope");
        }
    }

    #[test]
    fn addenda(addendum in arbitrary::addendum(), cut in any::<usize>()) {
        let bytes = addendum.encode().expect("within bounds");
        prop_assert_eq!(Addendum::decode(&bytes), Ok(addendum));
        prop_assert!(Addendum::decode(&bytes[..cut % bytes.len()]).is_err());
        prop_assert!(Addendum::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        prop_assert!(Addendum::decode(&[&[2], &bytes[1..]].concat()).is_err(), "another version");
    }

    #[test]
    fn random_bytes_are_refused_or_mean_something(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(request) = codec::decode::<REQUEST_BYTES_MAX, Request>(&bytes) {
            survives::<REQUEST_BYTES_MAX, _>(&request, 0)?;
        }
        if let Ok(reply) = codec::decode::<REPLY_BYTES_MAX, Reply>(&bytes) {
            survives::<REPLY_BYTES_MAX, _>(&reply, 0)?;
        }
    }

    /// Whatever is written can be read, at every size around the limit.
    #[test]
    fn nothing_is_written_that_cannot_be_read(small in vec(0_u64..300, 0..80), texts in vec("[a-zạ]{0,30}", 0..8)) {
        const LIMIT: usize = 256;
        let message = (small, texts);
        match codec::encode::<LIMIT, _>(&message) {
            Ok(bytes) => prop_assert_eq!(codec::decode::<LIMIT, (Vec<u64>, Vec<String>)>(&bytes), Ok(message)),
            Err(error) => prop_assert_eq!(error, CodecError::TooLarge(LIMIT)),
        }
    }

    /// Two questions with other answers are never committed to in the same bytes.
    #[test]
    fn statements_tell_everything_apart(
        claims in vec(arbitrary::claim(), 2..=4),
        values in vec(arbitrary::value(), 2..=4),
        verdicts in vec((any::<bool>(), 0_usize..Reason::ALL.len()), 4),
    ) {
        let mut seen: HashMap<(String, Vec<u8>), (Claim, ClaimVerdict)> = HashMap::new();
        for claim in &claims {
            for (matches, reason) in &verdicts {
                let verdict = if *matches { Verdict::Match } else { Verdict::Undetermined(Cause::ALL[reason % 7]) };
                let verdict = ClaimVerdict { kind: claim.kind(), verdict, reason: Reason::ALL[*reason] };
                let outcome = Outcome::Confirmed { verdicts: vec![verdict], attributes: vec![], as_of_ms: 0, reissued: false };
                let statement = statements(&outcome, std::slice::from_ref(claim)).remove(1);
                let meant = (claim.clone(), verdict);
                prop_assert_eq!(seen.entry(statement).or_insert_with(|| meant.clone()), &meant);
            }
        }
        let mut seen: HashMap<Vec<u8>, Value> = HashMap::new();
        for value in values {
            let attributes = vec![(Attribute::FullName, value.clone())];
            let outcome = Outcome::Confirmed { verdicts: vec![], attributes, as_of_ms: 0, reissued: false };
            let (name, bytes) = statements(&outcome, &[]).remove(1);
            prop_assert_eq!(name, "attribute/full_name");
            prop_assert_eq!(seen.entry(bytes).or_insert_with(|| value.clone()), &value);
        }
    }

    /// What was committed to is read back as what was said.
    #[test]
    fn statements_are_read_back(
        claims in vec(arbitrary::claim(), 0..=CLAIMS_MAX),
        values in vec(arbitrary::value(), Attribute::ALL.len()),
        as_of_ms in any::<u64>(),
        turn in 0_usize..50,
        reissued in any::<bool>(),
    ) {
        let verdict = |place: usize| match (place + turn) % (2 + Cause::ALL.len()) {
            0 => Verdict::Match,
            1 => Verdict::NoMatch,
            cause => Verdict::Undetermined(Cause::ALL[cause - 2]),
        };
        let verdicts = claims.iter().enumerate().map(|(place, claim)| ClaimVerdict {
            kind: claim.kind(),
            verdict: verdict(place),
            reason: Reason::ALL[(place + turn) % Reason::ALL.len()],
        });
        let verdicts: Vec<ClaimVerdict> = verdicts.collect();
        let attributes: Vec<(Attribute, Value)> = Attribute::ALL.into_iter().zip(values).collect();
        let mut expected = vec![Statement::Outcome(Stated::Confirmed { as_of_ms, reissued })];
        expected.extend(claims.iter().zip(&verdicts).zip(0..).map(|((claim, said), index)| Statement::Claim {
            index,
            claim: claim.clone(),
            verdict: said.verdict,
            reason: said.reason,
        }));
        expected.extend(attributes.iter().map(|(attribute, value)| Statement::Attribute(*attribute, value.clone())));
        let outcome = Outcome::Confirmed { verdicts, attributes, as_of_ms, reissued };
        let read: Vec<Statement> = statements(&outcome, &claims)
            .into_iter()
            .map(|(name, value)| Statement::read(StatementName::parse(&name).expect("a name"), &value).expect("a value"))
            .collect();
        prop_assert_eq!(read, expected);
    }
}

#[test]
fn more_than_the_limit_is_refused_on_both_sides() {
    let large = Request::PutRegister("x".repeat(REQUEST_BYTES_MAX));
    assert_eq!(codec::encode::<REQUEST_BYTES_MAX, _>(&large), Err(CodecError::TooLarge(REQUEST_BYTES_MAX)));
    let bytes = vec![0; REQUEST_BYTES_MAX + 1];
    assert_eq!(codec::decode::<REQUEST_BYTES_MAX, Request>(&bytes), Err(CodecError::TooLarge(REQUEST_BYTES_MAX)));
}

#[test]
fn lists_are_bounded() {
    let claims = |count| codec::encode::<REQUEST_BYTES_MAX, _>(&vec![Claim::HeadOfHousehold; count]).expect("small");
    let asked = |count| {
        let mut bytes = codec::encode::<REQUEST_BYTES_MAX, _>(&Request::Status).expect("small");
        bytes.clear();
        // Ask with empty texts: variant, id, six empty texts, the claims, no attributes, no age, no deadline, no receipt.
        bytes.push(0);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&claims(count));
        bytes.extend_from_slice(&[0; 4]);
        codec::decode::<REQUEST_BYTES_MAX, Request>(&bytes)
    };
    assert!(asked(CLAIMS_MAX + 1).is_ok(), "the door says which error number this is");
    assert!(asked(CLAIMS_DECODED_MAX).is_ok());
    assert_eq!(asked(CLAIMS_DECODED_MAX + 1), Err(CodecError::Malformed));
    assert_eq!(asked(16_000), Err(CodecError::Malformed));

    let entries = |count: usize| {
        let entry = AuditEntry { position: 0, leaf: vec![0; LEAF_BYTES] };
        let page = Reply::Audit(AuditEntries { leaves: 0, entries: vec![entry; count] });
        codec::decode::<REPLY_BYTES_MAX, Reply>(&codec::encode::<REPLY_BYTES_MAX, _>(&page).expect("it fits"))
    };
    assert!(entries(256).is_ok());
    assert_eq!(entries(257), Err(CodecError::Malformed));

    let member = MemberStatus { node: 1, client_addr: String::new(), voter: true, matched: None };
    let members = |count| codec::encode::<REPLY_BYTES_MAX, _>(&vec![member.clone(); count]).expect("it fits");
    let status = |count| {
        let head = [2, 0, 1, 0, 0, 0, 0, 0, 0, 1];
        codec::decode::<REPLY_BYTES_MAX, Reply>(&[&head[..], &members(count)].concat())
    };
    assert!(status(MEMBERS_MAX).is_ok());
    assert_eq!(status(MEMBERS_MAX + 1), Err(CodecError::Malformed));
}

#[test]
fn texts_are_bounded_on_both_sides() {
    let place = Place::of_province(48).expect("a code");
    for odd in ["x".repeat(text::TEXT_BYTES_MAX + 1), "a\u{202e}b".to_owned(), "a\0".to_owned()] {
        let claim = Claim::Residence { kind: ResidenceKind::Permanent, place, as_of: None, detail: Some(odd.clone()) };
        assert_eq!(codec::encode::<REQUEST_BYTES_MAX, _>(&claim), Err(CodecError::OutOfBounds));
        assert_eq!(codec::encode::<REQUEST_BYTES_MAX, _>(&Value::Text(odd.clone())), Err(CodecError::OutOfBounds));
        let text = codec::encode::<REQUEST_BYTES_MAX, _>(&odd).expect("a text alone");
        // The same on the wire: residence, permanent, province 48, no commune, of today, some text; and a value's text.
        let claim = [&[5, 0, 48, 0, 0, 1], text.as_slice()].concat();
        assert_eq!(codec::decode::<REQUEST_BYTES_MAX, Claim>(&claim), Err(CodecError::Malformed));
        let value = [&[1], text.as_slice()].concat();
        assert_eq!(codec::decode::<REQUEST_BYTES_MAX, Value>(&value), Err(CodecError::Malformed));
    }
    assert!(codec::decode::<64, Claim>(&[5, 0, 48, 0, 0, 1, 1, b'7']).is_ok());
    assert_eq!(codec::decode::<64, Claim>(&[3, b'v', b'n']), Err(CodecError::Malformed), "a country in small letters");
    assert!(codec::decode::<64, Claim>(&[3, b'V', b'N']).is_ok());
}

#[test]
fn the_largest_outcome_fits_addendum_envelope_and_reply() {
    let place = Place::new(99, Some(99_999)).expect("codes in bounds");
    let address = Address { place, detail: "x".repeat(text::TEXT_BYTES_MAX), commune_before_2025: Some(99_999) };
    let verdict = Verdict::Undetermined(Cause::DayUnknown);
    let verdict = ClaimVerdict { kind: ClaimKind::SameHousehold, verdict, reason: Reason::NothingRecorded };
    let outcome = Outcome::Confirmed {
        verdicts: vec![verdict; CLAIMS_MAX],
        attributes: Attribute::ALL.map(|attribute| (attribute, Value::Address(address.clone()))).to_vec(),
        as_of_ms: u64::MAX,
        reissued: true,
    };
    let claim = Claim::Residence {
        kind: ResidenceKind::Permanent,
        place,
        as_of: None,
        detail: Some("x".repeat(text::TEXT_BYTES_MAX)),
    };
    let addendum = Addendum {
        number: "0".repeat(12),
        official: "x".repeat(64),
        dossier: "x".repeat(64),
        procedure: "x".repeat(32),
        decided_at_ms: u64::MAX,
        as_of_ms: u64::MAX,
        subject_salt: Salt([0; 32]),
        salts: vec![Salt([0; 32]); 1 + CLAIMS_MAX + Attribute::ALL.len()],
        claims: vec![claim; CLAIMS_MAX],
        outcome: Some(outcome),
    };
    let bytes = addendum.encode().expect("the largest outcome fits");
    assert!(bytes.len() < ADDENDUM_BYTES_MAX / 6 * 5, "{} bytes", bytes.len());
    assert_eq!(Addendum::decode(&bytes), Ok(addendum.clone()));
    let envelope = Envelope {
        wraps: vec![Wrap { kind: WrapKind::Audit, key_id: 1, nonce: [0; 12], wrapped: [0; 48] }; 4],
        nonce: [0; 12],
        ciphertext: vec![0; 1 + ADDENDUM_BYTES_MAX + 16],
    };
    assert_eq!(envelope.encode().len(), ENVELOPE_BYTES_MAX, "the largest addendum under every wrap");
    assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
    let more = Addendum { salts: vec![Salt([0; 32]); 39], ..addendum };
    assert_eq!(more.encode(), Err(CodecError::OutOfBounds));
}

#[test]
fn envelopes_that_nobody_could_open_are_refused() {
    let none = [&[1, 0][..], &[0; 12 + 16]].concat();
    assert!(Envelope::decode(&none).is_err(), "no wrap");
    let five = [&[1, 5][..], &[1; 5 * 65 + 12 + 16]].concat();
    assert!(Envelope::decode(&five).is_err(), "five wraps");
    let one = |length| Envelope::decode(&[&[1, 1][..], &[1; 65 + 12], &vec![0; length]].concat());
    assert!(one(15).is_err(), "less than a tag");
    assert!(one(16).is_ok());
    assert!(one(ENVELOPE_BYTES_MAX).is_err(), "more than the largest");
    assert!(Envelope::decode(&[&[2, 1][..], &[1; 100]].concat()).is_err(), "another version");
}
