//! Fixed values of every message, made of synthetic people, for golden files and as seeds of mutation.

pub(crate) mod log;
pub(crate) mod trail;

use xacminh_proto::{
    codec,
    transparency::{
        Addendum, Envelope, LEAF_BYTES, Leaf, LeafKind, LeafVerdict, Salt, Wrap, WrapKind, merkle::prove_consistency,
        witness::AddCheckpoint,
    },
    vocab::{
        Address, Attribute, BirthDate, CardQr, Cause, CitizenNumber, Claim, ClaimVerdict, Date, ErrorNumber, FullName,
        Living, Marital, OldNumber, Outcome, Place, PortalId, Reason, RequestId, ResidenceKind, Sex, Value, Verdict,
    },
    wire::{
        Answer, Ask, AuditEntries, AuditEntry, AuditFound, AuditOpened, AuditOrder, AuditPage, AuditQuery,
        CheckpointText, ConsistencyProof, ConsistencyWish, ErasureOrder, Failure, Happened, MemberStatus,
        REPLY_BYTES_MAX, REQUEST_BYTES_MAX, ReceiptWish, RegisterPage, RegisterPart, Reply, Request, Status, Tagged,
        TrailGloss, TrailLine, TrailPage, TrailPart, frame,
        peer::{HELLO_BYTES_MAX, PeerHello},
    },
};

/// Every wire message and stored format by the name of its golden file.
pub(crate) fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let mut messages = vec![
        ("frame_request_status", framed(&Request::Status)),
        ("tagged_request", encoded::<REQUEST_BYTES_MAX, _>(&Tagged { tag: 7_000_000_000, body: Request::Status })),
        ("tagged_reply", encoded::<REPLY_BYTES_MAX, _>(&Tagged { tag: 3, body: replies().remove(4).1 })),
        ("peer_hello", encoded::<HELLO_BYTES_MAX, _>(&peer_hello())),
        ("leaf", leaf().encode().to_vec()),
        ("envelope", envelope().encode()),
        ("addendum", addendum().encode().expect("within bounds")),
        ("addendum_administrative", administrative_addendum().encode().expect("within bounds")),
    ];
    messages.extend(published());
    messages.extend(requests().into_iter().map(|(name, it)| (name, encoded::<REQUEST_BYTES_MAX, _>(&it))));
    messages.extend(replies().into_iter().map(|(name, it)| (name, encoded::<REPLY_BYTES_MAX, _>(&it))));
    messages
}

/// Every format of the log by the name of its golden file.
fn published() -> Vec<(&'static str, Vec<u8>)> {
    let log = log::Log::new(log::SIZE);
    let receipt = log.receipt(2);
    let redacted = receipt.redact(|name| name == "outcome" || name.starts_with("claim/4/"));
    let closed = receipt.redact(|_| false);
    let proof = prove_consistency(&mut &log, 41, log::SIZE).expect("41 comes first");
    let request = AddCheckpoint { old: 41, proof, checkpoint: log.checkpoint(0) };
    vec![
        ("frontier", log.frontier.encode()),
        ("checkpoint", log.checkpoint(3).to_string().into_bytes()),
        ("disclosure", log::disclosure().encode().expect("within bounds")),
        ("receipt", receipt.encode().expect("within bounds").into_bytes()),
        ("receipt_redacted", redacted.encode().expect("within bounds").into_bytes()),
        ("receipt_closed", closed.encode().expect("within bounds").into_bytes()),
        ("trail", trail::trail().encode().into_bytes()),
        ("receipt_packed", redacted.pack().expect("within bounds").into_bytes()),
        ("policy", log::policy_file().into_bytes()),
        ("witness_request", request.to_string().into_bytes()),
    ]
}

pub(crate) fn requests() -> Vec<(&'static str, Request)> {
    vec![
        ("request_ask", Request::Ask(Box::new(ask()))),
        ("request_status", Request::Status),
        ("request_audit", Request::Audit(AuditPage { from: 1_000_000, limit: 256 })),
        ("request_put_register", Request::PutRegister("revision = 7\n".to_owned())),
        ("request_receipt", Request::Receipt(request_id())),
        ("request_checkpoint", Request::Checkpoint),
        ("request_trail", Request::Trail(Box::new(trail_page()))),
        ("request_erase", Request::Erase(Box::new(erasure_order()))),
        ("request_audit_query", Request::AuditQuery(Box::new(audit_query()))),
        ("request_audit_open", Request::AuditOpen(1_000_000)),
        ("request_consistency", Request::Consistency(ConsistencyWish { year: 2027, old: 41, new: 70_000 })),
        ("request_register", Request::Register(RegisterPage { revision: 7, from: 131_072 })),
        ("request_checkpoint_of", Request::CheckpointOf(2_026)),
        ("request_ask_card", Request::Ask(Box::new(Ask { claims: card_claims(), ..ask() }))),
    ]
}

pub(crate) fn replies() -> Vec<(&'static str, Reply)> {
    vec![
        ("reply_confirmed", answered(confirmed())),
        ("reply_not_confirmed", answered(Outcome::NotConfirmed)),
        ("reply_undetermined", answered(Outcome::Undetermined(Cause::AuthorityUnavailable))),
        ("reply_refused", answered(Outcome::Refused(ErrorNumber::ClaimNotAllowed))),
        ("reply_failure", Reply::Failure(Failure::new(ErrorNumber::NotReady, "an election is under way"))),
        ("reply_status", Reply::Status(status())),
        ("reply_audit", Reply::Audit(AuditEntries { leaves: 12, entries: vec![audit_entry(10), audit_entry(11)] })),
        ("reply_register_accepted", Reply::RegisterAccepted { revision: 7 }),
        ("reply_receipt", Reply::Receipt(log::Log::new(log::POSITION + 1).receipt(0).encode().expect("a receipt"))),
        ("reply_trail", Reply::Trail(Box::new(trail_part()))),
        ("reply_erased", Reply::Erased { position: 70_001 }),
        ("reply_audit_found", Reply::AuditFound(audit_found())),
        ("reply_audit_opened", Reply::AuditOpened(Box::new(audit_opened()))),
        ("reply_checkpoint", Reply::Checkpoint(checkpoint_text())),
        ("reply_consistency", Reply::Consistency(ConsistencyProof { hashes: vec![[7; 32], [8; 32]] })),
        ("reply_register", Reply::Register(register_part())),
        ("reply_reissued", answered(reissued())),
    ]
}

pub(crate) fn trail_page() -> TrailPage {
    TrailPage { number: "048203000015".to_owned(), at: 70_000, from: 256 }
}

pub(crate) fn erasure_order() -> ErasureOrder {
    ErasureOrder {
        number: "048203000015".to_owned(),
        ground: "Luật 91/2025/QH15, Điều 16".to_owned(),
        ordered_by: "Thanh tra thành phố, QĐ 12/2027".to_owned(),
    }
}

pub(crate) fn trail_part() -> TrailPart {
    let gloss = TrailGloss {
        portal: "Bộ phận một cửa Hải Châu".to_owned(),
        procedure: "1.004222".to_owned(),
        procedure_vi: "Đăng ký thường trú".to_owned(),
        procedure_en: "Registration of residence".to_owned(),
        official: Some("cb-0017".to_owned()),
        delayed_until: Date::parse("2028-05-30").ok(),
    };
    let trail = trail::trail().encode();
    let lines: Vec<&str> = trail.split_inclusive('\n').collect();
    let (head, entries) = lines.split_at(lines.len() - 4);
    let accesses = entries.iter().zip([Some(gloss), None, None, None]);
    let accesses = accesses.map(|(line, gloss)| TrailLine { line: (*line).to_owned(), gloss });
    TrailPart { at: 70, count: 4, from: 0, head: head.concat(), accesses: accesses.collect() }
}

pub(crate) fn request_id() -> RequestId {
    RequestId::parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").expect("the example of RFC 9562")
}

pub(crate) fn ask() -> Ask {
    Ask {
        request_id: request_id(),
        official: "cb-0017".to_owned(),
        dossier: "000.00.00.H17-270301-0042".to_owned(),
        procedure: "1.004222".to_owned(),
        number: "048203000015".to_owned(),
        name: "Nguyễn Thị Ánh Tuyết".to_owned(),
        birth: "29/02/2004".to_owned(),
        claims: claims(),
        attributes: [Attribute::FullName, Attribute::PermanentResidence, Attribute::Ethnicity].into_iter().collect(),
        max_age_s: Some(86_400),
        deadline_ms: 2_000,
        receipt: ReceiptWish::Full,
    }
}

/// One claim of every kind but one, which the last two of the residences leave no room for.
pub(crate) fn claims() -> Vec<Claim> {
    let place = Place::new(48, Some(20_194)).expect("codes in bounds");
    vec![
        Claim::FullName(FullName::parse("Nguyễn Thị Ánh Tuyết").expect("a name")),
        Claim::BirthDate(BirthDate::of_year(2004).expect("a year")),
        Claim::Sex(Sex::Female),
        Claim::Nationality(*b"VN"),
        Claim::AgeAtLeast { years: 18, on: Some(day("2027-03-01")) },
        Claim::AgeAtLeast { years: 60, on: None },
        Claim::Residence {
            kind: ResidenceKind::Permanent,
            place,
            as_of: None,
            detail: Some("Số 12 đường Lê Lợi".to_owned()),
        },
        Claim::Residence {
            kind: ResidenceKind::Current,
            place: Place::of_province(48).expect("a code"),
            as_of: None,
            detail: None,
        },
        Claim::MaritalStatus(Marital::Single),
        Claim::LivingStatus(Living::Alive),
        Claim::OldNumber(OldNumber::parse("201234567").expect("nine digits")),
        Claim::CardIssued(day("2021-05-17")),
        Claim::CardExpires(day("2029-02-28")),
        Claim::ParentOf(citizen("048230000017")),
        Claim::HeadOfHousehold,
        Claim::SameHousehold(citizen("048075000021")),
    ]
}

/// Verdicts on [`claims`] that use every kind of verdict and most reasons, and a value of every kind.
pub(crate) fn confirmed() -> Outcome {
    Outcome::Confirmed {
        verdicts: verdicts(&claims()),
        attributes: values(),
        as_of_ms: 1_803_859_200_123,
        reissued: false,
    }
}

/// The claims of a card's QR code, and those that came with it.
pub(crate) fn card_claims() -> Vec<Claim> {
    let scanned = "048203000015|201234567|Nguyễn Thị Ánh Tuyết|29022004|Nữ|12 Lê Lợi, Hải Châu, Đà Nẵng|17052021";
    let mut claims = CardQr::parse(scanned).expect("a card").claims();
    claims.extend([
        Claim::CardValid(None),
        Claim::CardValid(Some(day("2027-03-01"))),
        Claim::AgeAtMost { years: 22, on: Some(day("2026-12-31")) },
        Claim::AgeAtMost { years: 5, on: None },
    ]);
    claims
}

/// An answer under a number that was cancelled and issued anew, with the reasons that claims about cards may have.
pub(crate) fn reissued() -> Outcome {
    let reasons = Reason::ALL.into_iter().filter(|reason| reason.number() >= 40).cycle();
    let verdict =
        |(claim, reason): (&Claim, Reason)| ClaimVerdict { kind: claim.kind(), verdict: Verdict::Match, reason };
    let verdicts = card_claims().iter().zip(reasons).map(verdict).collect();
    Outcome::Confirmed { verdicts, attributes: vec![], as_of_ms: 1_803_859_200_123, reissued: true }
}

pub(crate) fn register_part() -> RegisterPart {
    RegisterPart { revision: 7, bytes: 131_085, from: 131_072, text: "revision = 7\n".to_owned() }
}

/// Verdicts on any claims, turning through all there are.
pub(crate) fn verdicts(claims: &[Claim]) -> Vec<ClaimVerdict> {
    let mut verdicts = vec![Verdict::Match, Verdict::NoMatch];
    verdicts.extend(Cause::ALL.into_iter().take(7).map(Verdict::Undetermined));
    claims
        .iter()
        .zip(verdicts.into_iter().cycle())
        // Golden files hold the reasons and causes there were when they were written.
        .zip(Reason::ALL.into_iter().take(13).cycle())
        .map(|((claim, verdict), reason)| ClaimVerdict { kind: claim.kind(), verdict, reason })
        .collect()
}

pub(crate) fn values() -> Vec<(Attribute, Value)> {
    let place = Place::new(48, Some(20_194)).expect("codes in bounds");
    let address =
        Address { place, detail: "Số 12 đường Lê Lợi".to_owned(), commune_before_2025: Some(20_195) };
    let other =
        Address { place: Place::of_province(1).expect("a code"), detail: String::new(), commune_before_2025: None };
    vec![
        (Attribute::FullName, Value::text("Nguyễn Thị Ánh Tuyết").expect("a name")),
        (Attribute::BirthDate, Value::Birth(BirthDate::parse("29/02/2004").expect("a day"))),
        (Attribute::Sex, Value::Sex(Sex::Female)),
        (Attribute::CitizenNumber, Value::Citizen(citizen("048203000015"))),
        (Attribute::OldNumber, Value::Old(OldNumber::parse("001234567").expect("nine digits"))),
        (Attribute::OtherName, Value::Absent),
        (Attribute::CardIssued, Value::Day(day("2021-05-17"))),
        (Attribute::PermanentResidence, Value::Address(address)),
        (Attribute::CurrentResidence, Value::Address(other)),
        (Attribute::MaritalStatus, Value::Marital(Marital::DivorcedOrWidowed)),
        (Attribute::LivingStatus, Value::Living(Living::Missing)),
    ]
}

pub(crate) fn leaf() -> Leaf {
    Leaf {
        kind: LeafKind::Disclosed,
        time_ms: 1_803_859_200_456,
        request_id: request_id(),
        portal: PortalId(17),
        official: [0xa1; 16],
        purpose: 0x0203,
        procedure: 0x0405_0607,
        register_revision: 0x0809_0a0b,
        fields: 0x0001_ffff_0010_0801,
        verdict: LeafVerdict::NoMatch,
        subject: [0xb2; 32],
        attributes_root: [0xc3; 32],
        addendum_digest: [0xd4; 32],
        record_version: 0x1112_1314_1516_1718,
        previous: [0xe5; 32],
    }
}

pub(crate) fn envelope() -> Envelope {
    Envelope {
        wraps: vec![
            Wrap { kind: WrapKind::Audit, key_id: 1, nonce: [1; 12], wrapped: [2; 48] },
            Wrap { kind: WrapKind::Subject, key_id: 0x0102_0304, nonce: [3; 12], wrapped: [4; 48] },
        ],
        nonce: [5; 12],
        ciphertext: vec![6; 40],
    }
}

pub(crate) fn addendum() -> Addendum {
    Addendum {
        number: "048203000015".to_owned(),
        official: "cb-0017".to_owned(),
        dossier: "000.00.00.H17-270301-0042".to_owned(),
        procedure: "1.004222".to_owned(),
        decided_at_ms: 1_803_859_200_400,
        as_of_ms: 1_803_859_200_123,
        subject_salt: Salt([0x51; 32]),
        salts: (0..28).map(|index| Salt([index; 32])).collect(),
        claims: claims(),
        outcome: Some(confirmed()),
    }
}

/// What stands beside a leaf that answers nobody's question.
pub(crate) fn administrative_addendum() -> Addendum {
    let (number, dossier, procedure) = (String::new(), String::new(), String::new());
    Addendum { number, dossier, procedure, as_of_ms: 0, salts: vec![], claims: vec![], outcome: None, ..addendum() }
}

pub(crate) fn peer_hello() -> PeerHello {
    PeerHello { cluster: "da-nang".to_owned(), node: 3, incarnation: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10 }
}

pub(crate) fn day(text: &str) -> Date {
    Date::parse(text).expect("a day")
}

pub(crate) fn citizen(text: &str) -> CitizenNumber {
    CitizenNumber::parse(text).expect("twelve digits")
}

fn answered(outcome: Outcome) -> Reply {
    let receipt = matches!(outcome, Outcome::Confirmed { .. })
        .then(|| log::Log::new(log::POSITION + 1).receipt(0).encode().expect("a receipt"));
    let at_ms = 1_803_859_200_456;
    Reply::Answer(Box::new(Answer { request_id: request_id(), outcome, position: 41, at_ms, receipt }))
}

fn status() -> Status {
    let member = |node: u64, matched| MemberStatus {
        node,
        client_addr: format!("127.0.0.{node}:7443"),
        voter: node != 4,
        matched,
    };
    Status {
        cluster: "da-nang".to_owned(),
        node: 1,
        version: "0.1.0".to_owned(),
        leader: Some(1),
        term: 5,
        applied: 300,
        leaves: 70_000,
        register_revision: 7,
        ready: true,
        members: vec![member(1, Some(300)), member(2, Some(299)), member(4, None)],
    }
}

fn audit_query() -> AuditQuery {
    AuditQuery {
        portal: Some(PortalId(7)),
        official: Some("cb-0017".to_owned()),
        procedure: Some("1.004222".to_owned()),
        dossier: Some("000.00.00.H17-270301-0042".to_owned()),
        person: Some("048203000015".to_owned()),
        from_ms: Some(1_798_736_400_000),
        until_ms: Some(1_801_414_800_000),
        happened: Some(Happened::Undetermined),
        order: AuditOrder::OldestFirst,
        cursor: Some(70_000),
        limit: 256,
    }
}

fn audit_found() -> AuditFound {
    let entries = vec![audit_entry(11), audit_entry(10)];
    AuditFound { leaves: 13, indexed: 12, pruned: 8, recorded: Some(12), next: Some(9), entries }
}

fn audit_opened() -> AuditOpened {
    AuditOpened { position: 10, leaf: leaf().encode().to_vec(), recorded: 12, addendum: addendum() }
}

fn checkpoint_text() -> CheckpointText {
    CheckpointText::new(log::Log::new(41).checkpoint(0).to_string()).expect("a note's length")
}

fn audit_entry(position: u64) -> AuditEntry {
    let leaf = leaf().encode().to_vec();
    assert_eq!(leaf.len(), LEAF_BYTES);
    AuditEntry { position, leaf }
}

fn encoded<const LIMIT: usize, T: serde::Serialize>(value: &T) -> Vec<u8> {
    codec::encode::<LIMIT, T>(value).expect("within bounds")
}

fn framed(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append::<REQUEST_BYTES_MAX, _>(request, &mut bytes).expect("within bounds");
    bytes
}
