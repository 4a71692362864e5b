//! Synthetic people, a register, and questions about them.

use xacminh_core::{
    question::{PersonKeys, Question},
    record::{Card, Household, Known, NumberStatus, Record},
    register::{Permit, Register, permit},
};
use xacminh_proto::vocab::{
    Address, AsOf, AttributeSet, BirthDate, CardAddress, CitizenNumber, Claim, Date, DossierId, FullName, Living,
    Marital, OfficialId, OldNumber, PersonNumber, Place, PortalId, ProcedureCode, RequestId, ResidenceKind, Sex,
};

/// Noon of 21 November 2026 in Vietnam.
pub(crate) const NOW_MS: u64 = 1_795_237_200_000;

pub(crate) const HOUR_MS: u64 = 3_600_000;

pub(crate) const NUMBER: &str = "048085001234";
pub(crate) const NAME: &str = "Nguyễn Văn An";
pub(crate) const BIRTH: &str = "1985-03-07";

/// Portal 1 asks, portal 2 is suspended, portal 3 has one procedure.
pub(crate) const REGISTER: &str = include_str!("register.toml");

pub(crate) fn the_register() -> Register {
    Register::parse(REGISTER).expect("the fixture is a register")
}

pub(crate) fn question() -> Question {
    Question {
        request_id: RequestId::new(NOW_MS, [1; 10]),
        portal: PortalId(1),
        official: OfficialId::parse("clerk-01").expect("an official"),
        dossier: DossierId::parse("H17.12-261121-0042").expect("a dossier"),
        procedure: procedure("9.everything"),
        person: PersonKeys { number: PersonNumber::Citizen(citizen(NUMBER)), name: name(NAME), birth: birth(BIRTH) },
        claims: Vec::new(),
        attributes: AttributeSet::EMPTY,
        max_age_ms: None,
    }
}

pub(crate) fn permitted(question: &Question) -> Permit {
    permit(question, &the_register(), NOW_MS).expect("the fixture is permitted")
}

pub(crate) fn known(people: Vec<Record>) -> Known {
    Known { people, read_at_ms: NOW_MS }
}

/// Nguyễn Văn An, married, in Hải Châu, Đà Nẵng.
pub(crate) fn an() -> Record {
    Record {
        number: citizen(NUMBER),
        status: NumberStatus::Active,
        old_number: Some(old("201123456")),
        name: name(NAME),
        other_name: None,
        birth: birth(BIRTH),
        sex: Sex::Male,
        nationality: *b"VN",
        ethnicity: Some(1),
        birth_place: Some(48),
        home_town: Some(place("48")),
        permanent: Some(address("48/20194", "12 Lê Lợi")),
        temporary: None,
        current: Some(address("79/26734", "5 Nguyễn Huệ")),
        marital: Marital::Married,
        living: Living::Alive,
        father: Some(citizen("048055000001")),
        mother: Some(citizen("048157000002")),
        spouse: Some(citizen("048187000003")),
        children: vec![citizen("048210000004")],
        wards: vec![citizen("048215000005")],
        household: Some(Household {
            head: Some(citizen(NUMBER)),
            relation: "Chủ hộ".to_owned(),
            members: vec![citizen("048187000003"), citizen("048210000004")],
        }),
        card: Some(Card { issued: day("2021-05-01"), expires: Some(day("2045-03-07")) }),
        under_correction: false,
        version: 9,
    }
}

pub(crate) fn citizen(text: &str) -> CitizenNumber {
    CitizenNumber::parse(text).expect("a citizen number")
}

pub(crate) fn old(text: &str) -> OldNumber {
    OldNumber::parse(text).expect("an old number")
}

pub(crate) fn name(text: &str) -> FullName {
    FullName::parse(text).expect("a name")
}

pub(crate) fn birth(text: &str) -> BirthDate {
    BirthDate::parse(text).expect("a birth date")
}

pub(crate) fn day(text: &str) -> Date {
    Date::parse(text).expect("a day")
}

pub(crate) fn procedure(text: &str) -> ProcedureCode {
    ProcedureCode::parse(text).expect("a procedure code")
}

/// `48` or `48/20194`.
pub(crate) fn place(text: &str) -> Place {
    let (province, commune) = match text.split_once('/') {
        None => (text, None),
        Some((province, commune)) => (province, Some(commune.parse().expect("a commune code"))),
    };
    Place::new(province.parse().expect("a province code"), commune).expect("a place")
}

pub(crate) fn address(at: &str, detail: &str) -> Address {
    Address { place: place(at), detail: detail.to_owned(), commune_before_2025: None }
}

/// A claim as the tables write it: `age_at_least 18`, `residence permanent 48/20194 12 Lê Lợi`.
pub(crate) fn claim(text: &str) -> Claim {
    let (kind, argument) = text.split_once(' ').unwrap_or((text, ""));
    match kind {
        "full_name" => Claim::FullName(name(argument)),
        "birth_date" => Claim::BirthDate(birth(argument)),
        "sex" => Claim::Sex(sex(argument)),
        "nationality" => Claim::Nationality(argument.as_bytes().try_into().expect("two letters")),
        "age_at_least" | "age_at_most" => {
            let (years, on) =
                argument.split_once(" on ").map_or((argument, None), |(years, on)| (years, Some(day(on))));
            let years = years.parse().expect("years");
            if kind == "age_at_least" { Claim::AgeAtLeast { years, on } } else { Claim::AgeAtMost { years, on } }
        }
        "card_number" => Claim::CardNumber(citizen(argument)),
        "card_valid" => Claim::CardValid((!argument.is_empty()).then(|| day(argument))),
        "card_address" => Claim::CardAddress(CardAddress::parse(argument).expect("an address")),
        "residence" => residence(argument),
        "marital_status" => Claim::MaritalStatus(marital(argument)),
        "living_status" => Claim::LivingStatus(living(argument)),
        "old_number" => Claim::OldNumber(old(argument)),
        "card_issued" => Claim::CardIssued(day(argument)),
        "card_expires" => Claim::CardExpires(day(argument)),
        "parent_of" => Claim::ParentOf(citizen(argument)),
        "child_of" => Claim::ChildOf(citizen(argument)),
        "spouse_of" => Claim::SpouseOf(citizen(argument)),
        "guardian_of" => Claim::GuardianOf(citizen(argument)),
        "head_of_household" => Claim::HeadOfHousehold,
        "same_household" => Claim::SameHousehold(citizen(argument)),
        _ => panic!("no such claim: {text}"),
    }
}

fn residence(argument: &str) -> Claim {
    let mut words = argument.splitn(3, ' ');
    let kind = match words.next() {
        Some("permanent") => ResidenceKind::Permanent,
        Some("temporary") => ResidenceKind::Temporary,
        Some("current") => ResidenceKind::Current,
        other => panic!("no such residence: {other:?}"),
    };
    let at = words.next().expect("a place");
    let (at, on) = at.split_once('@').map_or((at, None), |(at, on)| (at, Some(day(on))));
    let as_of = on.map(|on| AsOf::new(on, None).expect("a day"));
    Claim::Residence { kind, place: place(at), as_of, detail: words.next().map(str::to_owned) }
}

pub(crate) fn sex(text: &str) -> Sex {
    match text {
        "male" => Sex::Male,
        "female" => Sex::Female,
        _ => Sex::Unknown,
    }
}

pub(crate) fn marital(text: &str) -> Marital {
    match text {
        "single" => Marital::Single,
        "married" => Marital::Married,
        "divorced_or_widowed" => Marital::DivorcedOrWidowed,
        _ => Marital::Unknown,
    }
}

pub(crate) fn living(text: &str) -> Living {
    match text {
        "alive" => Living::Alive,
        "dead" => Living::Dead,
        "missing" => Living::Missing,
        _ => panic!("no such living status: {text}"),
    }
}

/// The rows of a table, split at `|` into exactly `N` columns.
pub(crate) fn rows<const N: usize>(table: &str) -> impl Iterator<Item = [&str; N]> {
    table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        columns.try_into().unwrap_or_else(|_| panic!("a row has {N} columns: {line}"))
    })
}
