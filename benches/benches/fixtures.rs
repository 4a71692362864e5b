//! One synthetic person, a register, questions, and batches of what they become.

use xacminh_core::{
    apply::{Meta, Shard, Sweep},
    command::{Batch, Entry, Item, Miss, MissLimits, OwnKey, Person, RecordRead, RequestKey, Ticket, TreeHead},
    decide::{Asked, Decision, Next, decide},
    draft,
    question::{PersonKeys, Question},
    record::{Known, NumberStatus, Record},
    register::{Permit, Register, permit},
};
use xacminh_node::keyring::{Keyring, KeyringFile};
use xacminh_proto::{
    transparency::{Envelope, Salt},
    vocab::{
        Address, AttributeSet, BirthDate, CitizenNumber, Claim, DossierId, FullName, Living, Marital, OfficialId,
        PersonNumber, Place, PortalId, ProcedureCode, RequestId, ResidenceKind, Sex,
    },
    wire::{Ask, ReceiptWish},
};

/// Noon of 21 November 2026 in Vietnam.
pub(crate) const NOW_MS: u64 = 1_795_237_200_000;

const REGISTER: &str = include_str!("../../node/core/tests/rules/register.toml");

pub(crate) fn register() -> Register {
    Register::parse(REGISTER).expect("the fixture is a register")
}

pub(crate) fn keyring() -> Keyring {
    Keyring::from_file(&KeyringFile::fresh().expect("random keys")).expect("a keyring of fresh keys")
}

fn place() -> Place {
    Place::new(48, Some(20_194)).expect("a commune")
}

pub(crate) fn claims() -> Vec<Claim> {
    let lives = Claim::Residence { kind: ResidenceKind::Permanent, place: place(), as_of: None, detail: None };
    vec![lives, Claim::AgeAtLeast { years: 18, on: None }]
}

/// The `number`-th question; all are about one person.
pub(crate) fn question(number: u64) -> Question {
    Question {
        request_id: RequestId::new(
            NOW_MS,
            [&[0; 2], number.to_be_bytes().as_slice()].concat().try_into().expect("ten bytes"),
        ),
        portal: PortalId(1),
        official: OfficialId::parse("clerk-01").expect("an official"),
        dossier: DossierId::parse("H17.12-261121-0042").expect("a dossier"),
        procedure: ProcedureCode::parse("1.004222").expect("a procedure"),
        person: PersonKeys {
            number: PersonNumber::Citizen(citizen("048085001234")),
            name: FullName::parse("Nguyễn Văn An").expect("a name"),
            birth: BirthDate::parse("1985-03-07").expect("a birth date"),
        },
        claims: claims(),
        attributes: AttributeSet::EMPTY,
        max_age_ms: None,
    }
}

pub(crate) fn ask() -> Ask {
    Ask {
        request_id: question(1).request_id,
        official: "clerk-01".to_owned(),
        dossier: "H17.12-261121-0042".to_owned(),
        procedure: "1.004222".to_owned(),
        number: "048085001234".to_owned(),
        name: "Nguyễn Văn An".to_owned(),
        birth: "1985-03-07".to_owned(),
        claims: claims(),
        attributes: AttributeSet::EMPTY,
        max_age_s: None,
        deadline_ms: 2_000,
        receipt: ReceiptWish::Position,
    }
}

pub(crate) fn known() -> Known {
    let address = |detail: &str| Some(Address { place: place(), detail: detail.to_owned(), commune_before_2025: None });
    let record = Record {
        number: citizen("048085001234"),
        status: NumberStatus::Active,
        old_number: None,
        name: FullName::parse("Nguyễn Văn An").expect("a name"),
        other_name: None,
        birth: BirthDate::parse("1985-03-07").expect("a birth date"),
        sex: Sex::Male,
        nationality: *b"VN",
        ethnicity: Some(1),
        birth_place: Some(48),
        home_town: Some(place()),
        permanent: address("12 Lê Lợi"),
        temporary: None,
        current: address("5 Nguyễn Huệ"),
        marital: Marital::Married,
        living: Living::Alive,
        father: Some(citizen("048055000001")),
        mother: Some(citizen("048157000002")),
        spouse: Some(citizen("048187000003")),
        children: vec![citizen("048210000004")],
        wards: Vec::new(),
        household: None,
        card: None,
        under_correction: false,
        version: 9,
    };
    Known { people: vec![record], read_at_ms: NOW_MS }
}

pub(crate) fn permitted(question: &Question, register: &Register) -> Permit {
    permit(question, register, NOW_MS).expect("the fixture is permitted")
}

pub(crate) fn decided(question: &Question, register: &Register, known: &Known) -> Decision {
    match decide(question, &permitted(question, register), Some(known), Asked::NotYet, NOW_MS) {
        Next::Answer(decision) => decision,
        Next::AskAuthority => unreachable!("the fixture answers from memory"),
    }
}

/// What the register allows of misses.
const LIMITS: MissLimits = MissLimits {
    official_hour: 20,
    official_day: 60,
    portal_hour: 200,
    portal_day: 600,
    cluster_hour: 2_000,
    cluster_day: 6_000,
};

/// What the desk does with a decision: commitments, sealed addendum, leaf.
pub(crate) fn item(
    keyring: &Keyring,
    question: &Question,
    decision: &Decision,
    grounds: xacminh_core::register::Grounds,
    seq: u64,
) -> Item {
    let salts = draft::Salts {
        subject: Salt([1; 32]),
        statements: vec![Salt([2; 32]); draft::statement_count(&decision.outcome, &question.claims)],
    };
    let official = keyring.official_pseudonym(question.portal, &question.official);
    let addendum = draft::addendum(question, decision, &salts, NOW_MS);
    let mut key = [7; 32];
    key[..8].copy_from_slice(&seq.to_be_bytes());
    let (own_key, sealed) = keyring.new_person_key(&key).expect("sealed");
    let envelope = keyring.seal_addendum(&addendum, Some(&own_key)).expect("sealed");
    let context = draft::Context { official, grounds, addendum_digest: Envelope::digest(&envelope) };
    let leaf = draft::leaf(question, decision, &salts, &context);
    Item {
        ticket: Ticket { node: 1, boot: 1, seq },
        decided_at_ms: NOW_MS,
        remember: None,
        read: Some(RecordRead { key, as_of: 0 }),
        entry: Entry {
            leaf,
            envelope,
            request: RequestKey { id: question.request_id, portal: question.portal },
            person: Some(Person { key, own_key: OwnKey::New { chain: key, sealed } }),
            dossier: keyring.dossier_mark(&question.dossier),
            question: [5; 16],
            register_revision: grounds.register_revision,
            miss: Some(Miss { official, limits: LIMITS, points: 0 }),
            granted_until_ms: None,
        },
    }
}

/// A batch of 256 answered questions about 256 people, stamped `at_ms`.
pub(crate) fn batch(from: u64, at_ms: u64, revision: u64) -> Batch {
    let (keyring, register, known) = (keyring(), register(), known());
    let one = question(0);
    let mut grounds = permitted(&one, &register).grounds();
    grounds.register_revision = revision;
    let decision = decided(&one, &register, &known);
    let items = (from..from + 256).map(|seq| {
        let mut item = item(&keyring, &question(seq), &decision, grounds, seq);
        xacminh_proto::transparency::Leaf::stamp(&mut item.entry.leaf, at_ms);
        item
    });
    Batch { at_ms, clock_ms: at_ms, tree: TreeHead::default(), items: items.collect() }
}

fn citizen(text: &str) -> CitizenNumber {
    CitizenNumber::parse(text).expect("a citizen number")
}

/// The state just before [`batch`] of revision 7 is applied.
pub(crate) fn meta() -> Meta {
    Meta {
        leaves: 1_000,
        last_at_ms: NOW_MS - 1,
        register_revision: 7,
        entries_days: 0,
        shard: Shard { year: 2026, first: 0 },
        sweep: Sweep::default(),
        erased: 0,
    }
}
