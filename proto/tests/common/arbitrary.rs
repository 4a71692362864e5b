//! Any value of every message, for property tests.

use proptest::{collection::vec, option, prelude::*, sample::select};
use xacminh_proto::{
    transparency::{Addendum, Envelope, Leaf, LeafKind, LeafVerdict, Salt, Wrap, WrapKind},
    vocab::{
        Address, AsOf, Attribute, AttributeSet, BirthDate, CardAddress, Cause, CitizenNumber, Claim, ClaimKind,
        ClaimVerdict, Date, ErrorNumber, FullName, Living, Marital, OldNumber, Outcome, Place, PortalId, Reason,
        RequestId, ResidenceKind, Sex, Value, Verdict,
    },
    wire::{
        Answer, Ask, AuditEntries, AuditEntry, AuditFound, AuditOpened, AuditOrder, AuditPage, AuditQuery,
        CheckpointText, ConsistencyProof, ConsistencyWish, ErasureOrder, Failure, Happened, MemberStatus, ReceiptWish,
        RegisterPage, RegisterPart, Reply, Request, Status, TrailLine, TrailPage, TrailPart, peer::PeerHello,
    },
};

pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        4 => ask().prop_map(|ask| Request::Ask(Box::new(ask))),
        1 => Just(Request::Status),
        1 => (any::<u64>(), any::<u16>()).prop_map(|(from, limit)| Request::Audit(AuditPage { from, limit })),
        1 => "(?s).{0,300}".prop_map(Request::PutRegister),
        1 => request_id().prop_map(Request::Receipt),
        1 => Just(Request::Checkpoint),
        1 => ("(?s).{0,20}", any::<u64>(), any::<u64>())
            .prop_map(|(number, at, from)| Request::Trail(Box::new(TrailPage { number, at, from }))),
        1 => ("(?s).{0,20}", "[a-zạ ]{0,30}", "[a-zạ ]{0,30}").prop_map(|(number, ground, ordered_by)| {
            Request::Erase(Box::new(ErasureOrder { number, ground, ordered_by }))
        }),
        2 => audit_query().prop_map(|query| Request::AuditQuery(Box::new(query))),
        1 => any::<u64>().prop_map(Request::AuditOpen),
        1 => (any::<u16>(), any::<u64>(), any::<u64>())
            .prop_map(|(year, old, new)| Request::Consistency(ConsistencyWish { year, old, new })),
        1 => (any::<u64>(), any::<u32>())
            .prop_map(|(revision, from)| Request::Register(RegisterPage { revision, from })),
        1 => any::<u16>().prop_map(Request::CheckpointOf),
    ]
}

pub(crate) fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        1 => "(?s).{0,300}".prop_map(Reply::Receipt),
        4 => answer().prop_map(|answer| Reply::Answer(Box::new(answer))),
        1 => (select(ErrorNumber::ALL), "(?s).{0,80}")
            .prop_map(|(number, detail)| Reply::Failure(Failure::new(number, detail))),
        1 => status().prop_map(Reply::Status),
        1 => (any::<u64>(), vec((any::<u64>(), vec(any::<u8>(), 0..=300)), 0..8)).prop_map(|(leaves, entries)| {
            let entries = entries.into_iter().map(|(position, leaf)| AuditEntry { position, leaf }).collect();
            Reply::Audit(AuditEntries { leaves, entries })
        }),
        1 => any::<u64>().prop_map(|revision| Reply::RegisterAccepted { revision }),
        1 => (any::<u64>(), any::<u32>(), any::<u32>(), "(?s).{0,300}").prop_map(|(revision, bytes, from, text)| {
            Reply::Register(RegisterPart { revision, bytes, from, text })
        }),
        1 => any::<u64>().prop_map(|position| Reply::Erased { position }),
        1 => (any::<u64>(), any::<u64>(), "(?s).{0,40}", vec("(?s).{0,40}", 0..4)).prop_map(|(at, from, head, lines)| {
            let accesses = lines.into_iter().map(|line| TrailLine { line, gloss: None }).collect();
            Reply::Trail(Box::new(TrailPart { at, count: from, from, head, accesses }))
        }),
        1 => audit_found().prop_map(Reply::AuditFound),
        1 => (any::<u64>(), any::<u64>(), vec(any::<u8>(), 0..=300), addendum()).prop_map(
            |(position, recorded, leaf, addendum)| {
                Reply::AuditOpened(Box::new(AuditOpened { position, leaf, recorded, addendum }))
            }
        ),
        1 => "(?s).{0,300}"
            .prop_map(|text| Reply::Checkpoint(CheckpointText::new(text).expect("shorter than a note may be"))),
        1 => vec(any::<[u8; 32]>(), 0..=64).prop_map(|hashes| Reply::Consistency(ConsistencyProof { hashes })),
    ]
}

fn audit_query() -> impl Strategy<Value = AuditQuery> {
    let text = || option::of("(?s).{0,40}");
    let order = prop_oneof![Just(AuditOrder::NewestFirst), Just(AuditOrder::OldestFirst)];
    let who = (option::of(any::<u32>()), text(), text(), text(), text());
    let when = (option::of(any::<u64>()), option::of(any::<u64>()), option::of(any::<u64>()), any::<u16>());
    (who, when, option::of(select(Happened::ALL.to_vec())), order).prop_map(|(who, when, happened, order)| AuditQuery {
        portal: who.0.map(PortalId),
        official: who.1,
        procedure: who.2,
        dossier: who.3,
        person: who.4,
        from_ms: when.0,
        until_ms: when.1,
        happened,
        order,
        cursor: when.2,
        limit: when.3,
    })
}

fn audit_found() -> impl Strategy<Value = AuditFound> {
    let entries = vec((any::<u64>(), vec(any::<u8>(), 0..=300)), 0..8);
    (any::<[u64; 3]>(), option::of(any::<u64>()), option::of(any::<u64>()), entries).prop_map(
        |([leaves, indexed, pruned], recorded, next, entries)| {
            let entries = entries.into_iter().map(|(position, leaf)| AuditEntry { position, leaf }).collect();
            AuditFound { leaves, indexed, pruned, recorded, next, entries }
        },
    )
}

pub(crate) fn peer_hello() -> impl Strategy<Value = PeerHello> {
    ("[a-z-]{0,63}", any::<u64>(), any::<u128>()).prop_map(|(cluster, node, incarnation)| PeerHello {
        cluster,
        node,
        incarnation,
    })
}

pub(crate) fn leaf() -> impl Strategy<Value = Leaf> {
    let kinds = vec![
        LeafKind::Disclosed,
        LeafKind::Refused,
        LeafKind::Admin,
        LeafKind::Policy,
        LeafKind::Erased,
        LeafKind::ShardOpen,
        LeafKind::Canary,
    ];
    let verdicts = vec![
        LeafVerdict::None,
        LeafVerdict::Match,
        LeafVerdict::NoMatch,
        LeafVerdict::Undetermined,
        LeafVerdict::Refused,
    ];
    let who = (request_id(), any::<u32>(), any::<[u8; 16]>(), any::<u16>(), any::<u32>(), any::<u32>());
    let hashes = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    (select(kinds), select(verdicts), any::<u64>(), any::<u64>(), any::<u64>(), who, hashes).prop_map(
        |(kind, verdict, time_ms, fields, record_version, who, hashes)| Leaf {
            kind,
            time_ms,
            request_id: who.0,
            portal: PortalId(who.1),
            official: who.2,
            purpose: who.3,
            procedure: who.4,
            register_revision: who.5,
            fields,
            verdict,
            subject: hashes.0,
            attributes_root: hashes.1,
            addendum_digest: hashes.2,
            record_version,
            previous: hashes.3,
        },
    )
}

pub(crate) fn envelope() -> impl Strategy<Value = Envelope> {
    let wrap = (select(vec![WrapKind::Audit, WrapKind::Subject]), any::<u32>(), any::<[u8; 12]>(), any::<u8>())
        .prop_map(|(kind, key_id, nonce, byte)| Wrap { kind, key_id, nonce, wrapped: [byte; 48] });
    (vec(wrap, 1..=4), any::<[u8; 12]>(), vec(any::<u8>(), 16..400)).prop_map(|(wraps, nonce, ciphertext)| Envelope {
        wraps,
        nonce,
        ciphertext,
    })
}

pub(crate) fn addendum() -> impl Strategy<Value = Addendum> {
    let texts = ("[0-9]{9,12}", "[a-z0-9-]{1,64}", "[A-Z0-9.-]{1,64}", "[0-9.]{1,32}");
    let said = (vec(claim(), 0..=16), option::of(outcome()));
    (texts, any::<u64>(), any::<u64>(), any::<[u8; 32]>(), vec(any::<u8>(), 0..=38), said).prop_map(
        |(texts, decided_at_ms, as_of_ms, subject_salt, salts, (claims, outcome))| Addendum {
            number: texts.0,
            official: texts.1,
            dossier: texts.2,
            procedure: texts.3,
            decided_at_ms,
            as_of_ms,
            subject_salt: Salt(subject_salt),
            salts: salts.into_iter().map(|byte| Salt([byte; 32])).collect(),
            claims,
            outcome,
        },
    )
}

fn ask() -> impl Strategy<Value = Ask> {
    let texts = (".{0,64}", ".{0,64}", ".{0,32}", ".{0,20}", "(?s).{0,200}", ".{0,20}");
    let wish = select(vec![ReceiptWish::Position, ReceiptWish::Full]);
    let rest = (option::of(any::<u32>()), any::<u32>(), wish);
    (request_id(), texts, vec(claim(), 0..=20), attributes(), rest).prop_map(
        |(request_id, texts, claims, attributes, (max_age_s, deadline_ms, receipt))| Ask {
            request_id,
            official: texts.0,
            dossier: texts.1,
            procedure: texts.2,
            number: texts.3,
            name: texts.4,
            birth: texts.5,
            claims,
            attributes,
            max_age_s,
            deadline_ms,
            receipt,
        },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    let receipt = option::of("(?s).{0,300}");
    (request_id(), outcome(), any::<u64>(), any::<u64>(), receipt).prop_map(
        |(request_id, outcome, position, at_ms, receipt)| Answer { request_id, outcome, position, at_ms, receipt },
    )
}

fn status() -> impl Strategy<Value = Status> {
    let member = (any::<u64>(), "[0-9.:]{0,30}", any::<bool>(), option::of(any::<u64>()))
        .prop_map(|(node, client_addr, voter, matched)| MemberStatus { node, client_addr, voter, matched });
    (any::<[u64; 5]>(), "[a-z]{0,20}", "[0-9.]{0,10}", option::of(any::<u64>()), any::<bool>(), vec(member, 0..8))
        .prop_map(|(numbers, cluster, version, leader, ready, members)| {
            let [node, term, applied, leaves, register_revision] = numbers;
            Status { cluster, node, version, leader, term, applied, leaves, register_revision, ready, members }
        })
}

pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    let verdict = (select(ClaimKind::ALL.to_vec()), verdict(), select(Reason::ALL.to_vec()))
        .prop_map(|(kind, verdict, reason)| ClaimVerdict { kind, verdict, reason });
    let attribute = (select(Attribute::ALL.to_vec()), value());
    prop_oneof![
        4 => (vec(verdict, 0..=16), vec(attribute, 0..=21), any::<u64>(), any::<bool>())
            .prop_map(|(verdicts, attributes, as_of_ms, reissued)| {
                Outcome::Confirmed { verdicts, attributes, as_of_ms, reissued }
            }),
        1 => Just(Outcome::NotConfirmed),
        1 => select(Cause::ALL.to_vec()).prop_map(Outcome::Undetermined),
        1 => select(ErrorNumber::ALL).prop_map(Outcome::Refused),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Match),
        Just(Verdict::NoMatch),
        select(Cause::ALL.to_vec()).prop_map(Verdict::Undetermined)
    ]
}

pub(crate) fn claim() -> impl Strategy<Value = Claim> {
    let residences = vec![ResidenceKind::Permanent, ResidenceKind::Temporary, ResidenceKind::Current];
    prop_oneof![
        name().prop_map(Claim::FullName),
        birth().prop_map(Claim::BirthDate),
        sex().prop_map(Claim::Sex),
        (b'A'..=b'Z', b'A'..=b'Z').prop_map(|(first, second)| Claim::Nationality([first, second])),
        (any::<u8>(), option::of(date())).prop_map(|(years, on)| Claim::AgeAtLeast { years, on }),
        (select(residences), place(), option::of(as_of()), option::of(detail()))
            .prop_map(|(kind, place, as_of, detail)| Claim::Residence { kind, place, as_of, detail }),
        marital().prop_map(Claim::MaritalStatus),
        living().prop_map(Claim::LivingStatus),
        old().prop_map(Claim::OldNumber),
        date().prop_map(Claim::CardIssued),
        date().prop_map(Claim::CardExpires),
        citizen().prop_map(Claim::ParentOf),
        citizen().prop_map(Claim::ChildOf),
        citizen().prop_map(Claim::SpouseOf),
        citizen().prop_map(Claim::GuardianOf),
        Just(Claim::HeadOfHousehold),
        citizen().prop_map(Claim::SameHousehold),
        (any::<u8>(), option::of(date())).prop_map(|(years, on)| Claim::AgeAtMost { years, on }),
        citizen().prop_map(Claim::CardNumber),
        option::of(date()).prop_map(Claim::CardValid),
        detail().prop_map(|text| Claim::CardAddress(CardAddress::parse(&text).expect("plain"))),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Absent),
        detail().prop_map(Value::Text),
        birth().prop_map(Value::Birth),
        date().prop_map(Value::Day),
        sex().prop_map(Value::Sex),
        marital().prop_map(Value::Marital),
        living().prop_map(Value::Living),
        citizen().prop_map(Value::Citizen),
        old().prop_map(Value::Old),
        (place(), detail(), option::of(1_u32..=99_999)).prop_map(|(place, detail, commune_before_2025)| {
            Value::Address(Address { place, detail, commune_before_2025 })
        }),
    ]
}

fn request_id() -> impl Strategy<Value = RequestId> {
    (any::<u64>(), any::<[u8; 10]>()).prop_map(|(unix_ms, random)| RequestId::new(unix_ms, random))
}

fn attributes() -> impl Strategy<Value = AttributeSet> {
    (0_u64..1 << Attribute::ALL.len()).prop_map(|bits| AttributeSet::try_from(bits).expect("known bits"))
}

fn name() -> impl Strategy<Value = FullName> {
    "[A-ZĐẠỄ][a-zạễệơưđ]{0,8}( [A-ZĐẠỄ][a-zạễệơưđ]{0,8}){0,4}".prop_map(|text| FullName::parse(&text).expect("a name"))
}

fn detail() -> impl Strategy<Value = String> {
    "[A-Za-zĐđạễệơư0-9/ ,.]{0,100}"
}

fn birth() -> impl Strategy<Value = BirthDate> {
    prop_oneof![
        date().prop_map(BirthDate::Day),
        (1800_u16..=2399).prop_map(|year| BirthDate::of_year(year).expect("a year in bounds"))
    ]
}

fn date() -> impl Strategy<Value = Date> {
    (1800_u16..=2399, 1_u8..=12, 1_u8..=28).prop_map(|(year, month, day)| Date::new(year, month, day).expect("a day"))
}

fn place() -> impl Strategy<Value = Place> {
    (1_u8..=99, option::of(1_u32..=99_999))
        .prop_map(|(province, commune)| Place::new(province, commune).expect("codes"))
}

fn as_of() -> impl Strategy<Value = AsOf> {
    (date(), option::of(1_u16..=999)).prop_map(|(on, district)| AsOf::new(on, district).expect("a code"))
}

fn citizen() -> impl Strategy<Value = CitizenNumber> {
    "[0-9]{12}".prop_map(|text| CitizenNumber::parse(&text).expect("twelve digits"))
}

fn old() -> impl Strategy<Value = OldNumber> {
    "[0-9]{9}".prop_map(|text| OldNumber::parse(&text).expect("nine digits"))
}

fn sex() -> impl Strategy<Value = Sex> {
    select(vec![Sex::Male, Sex::Female, Sex::Unknown])
}

fn marital() -> impl Strategy<Value = Marital> {
    select(vec![Marital::Unknown, Marital::Single, Marital::Married, Marital::DivorcedOrWidowed])
}

fn living() -> impl Strategy<Value = Living> {
    select(vec![Living::Alive, Living::Dead, Living::Missing])
}
