//! What every decoder must keep to, whatever bytes it is given: no panic, and what it accepts it writes and reads again.
//!
//! The fuzzer calls these functions with bytes it finds; `proto/tests/fuzz_smoke.rs` calls them with seeded ones.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use xacminh_proto::{
    codec::{self, CodecError},
    identity::Identity,
    transparency::{Addendum, Envelope, Leaf, statements},
    vocab::{AttributeSet, BirthDate, CitizenNumber, Date, FullName, OldNumber, PersonNumber, RequestId, text},
    wire::{
        REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request, Tagged, frame,
        peer::{HELLO_BYTES_MAX, PeerHello},
    },
};

/// A target: its name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target by name.
pub const ALL: &[Target] = &[
    ("request", request),
    ("reply", reply),
    ("tagged", tagged),
    ("frame", frames),
    ("leaf", leaf),
    ("envelope", envelope),
    ("addendum", addendum),
    ("peer_hello", peer_hello),
    ("words", words),
    ("identity", identity),
];

/// A request body.
pub fn request(bytes: &[u8]) {
    read_and_write::<REQUEST_BYTES_MAX, Request>(bytes);
}

/// A reply body, and what would be committed to.
pub fn reply(bytes: &[u8]) {
    if let Some(Reply::Answer(answer)) = read_and_write::<REPLY_BYTES_MAX, Reply>(bytes)
        && answer.outcome.answers(&[], AttributeSet::EMPTY)
    {
        assert_eq!(statements(&answer.outcome, &[]).len(), 1);
    }
}

/// Bodies of a session stream, and the tag alone.
pub fn tagged(bytes: &[u8]) {
    if let Some(request) = read_and_write::<REQUEST_BYTES_MAX, Tagged<Request>>(bytes) {
        assert_eq!(frame::tag(bytes), Ok(request.tag));
    }
    if let Some(reply) = read_and_write::<REPLY_BYTES_MAX, Tagged<Reply>>(bytes) {
        assert_eq!(frame::tag(bytes), Ok(reply.tag));
    }
    let _ = frame::tag(bytes);
}

/// A stream of frames, read as a node reads them.
pub fn frames(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((prefix, after)) = rest.split_first_chunk() {
        let Ok(length) = frame::announced(*prefix, REQUEST_BYTES_MAX) else { return };
        assert!(length <= REQUEST_BYTES_MAX);
        let Some((body, after)) = after.split_at_checked(length) else { return };
        if let Ok(request) = frame::body::<REQUEST_BYTES_MAX, Request>(body) {
            let mut written = Vec::new();
            frame::append::<REQUEST_BYTES_MAX, _>(&request, &mut written).expect("what was read fits a frame");
            assert_eq!(frame::body::<REQUEST_BYTES_MAX, Request>(&written[frame::PREFIX_BYTES..]), Ok(request));
        }
        rest = after;
    }
}

/// A leaf: every accepted byte string has one meaning, and every meaning one byte string.
pub fn leaf(bytes: &[u8]) {
    if let Ok(leaf) = Leaf::decode(bytes) {
        assert_eq!(leaf.encode().as_slice(), bytes);
        let mut stamped = leaf.encode();
        Leaf::stamp(&mut stamped, 5);
        assert_eq!(Leaf::stamped_ms(&stamped), 5);
        assert_eq!(Leaf::decode(&stamped), Ok(Leaf { time_ms: 5, ..leaf }));
    }
}

/// A sealed addendum: as the leaf.
pub fn envelope(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::decode(bytes) {
        assert_eq!(envelope.encode(), bytes);
    }
}

/// An opened addendum.
pub fn addendum(bytes: &[u8]) {
    if let Ok(addendum) = Addendum::decode(bytes) {
        let written = addendum.encode().expect("what was read fits");
        assert_eq!(Addendum::decode(&written), Ok(addendum));
    }
}

/// The first frame between nodes.
pub fn peer_hello(bytes: &[u8]) {
    read_and_write::<HELLO_BYTES_MAX, PeerHello>(bytes);
}

/// What people type: numbers, names, dates, ids, free text.
pub fn words(bytes: &[u8]) {
    let typed = String::from_utf8_lossy(bytes);
    if let Ok(number) = CitizenNumber::parse(&typed) {
        assert_eq!(number.reveal(), typed);
    }
    if let Ok(number) = OldNumber::parse(&typed) {
        assert_eq!(number.reveal(), typed);
    }
    if let Ok(number) = PersonNumber::parse(&typed) {
        assert_eq!(String::from(&number), typed);
    }
    if let Ok(name) = FullName::parse(&typed) {
        assert_eq!(FullName::parse(name.reveal()), Ok(name.clone()));
        assert_eq!(text::check(name.reveal()), Ok(()), "a name can be disclosed");
    }
    if let Ok(date) = Date::parse(&typed) {
        assert_eq!(Date::parse(&date.to_string()), Ok(date));
    }
    if let Ok(birth) = BirthDate::parse(&typed) {
        assert_eq!(BirthDate::parse(&birth.reveal()), Ok(birth));
    }
    if let Ok(id) = RequestId::parse(&typed) {
        assert_eq!(RequestId::parse(&id.to_string()), Ok(id));
    }
    let tidied = text::tidy(&typed);
    assert_eq!(text::check(&tidied), Ok(()));
    assert_eq!(text::tidy(&tidied), tidied);
}

/// The URI of a certificate: one spelling for each identity.
pub fn identity(bytes: &[u8]) {
    let uri = String::from_utf8_lossy(bytes);
    if let Ok(identity) = Identity::parse(&uri) {
        assert_eq!(identity.to_string(), uri);
        assert_eq!(Identity::new(identity.cluster(), identity.role(), identity.name()), Ok(identity));
    }
}

fn read_and_write<const LIMIT: usize, T>(bytes: &[u8]) -> Option<T>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    match codec::decode::<LIMIT, T>(bytes) {
        Ok(value) => {
            let written = codec::encode::<LIMIT, T>(&value).expect("what was read fits");
            assert!(written.len() <= bytes.len(), "an encoding is the shortest of its value");
            assert_eq!(codec::decode::<LIMIT, T>(&written).as_ref(), Ok(&value));
            Some(value)
        }
        Err(CodecError::TrailingBytes(left_over)) => {
            assert!(left_over <= bytes.len());
            None
        }
        Err(_) => None,
    }
}
