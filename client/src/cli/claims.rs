//! Claims as a clerk types them, on the command line or in a CSV row: one set of names, one parser.

use clap::Args;
use unicode_normalization::UnicodeNormalization;
use xacminh_proto::vocab::{
    AsOf, Attribute, AttributeSet, CLAIMS_MAX, CardAddress, CardQr, CitizenNumber, Claim, ClaimKind, FullName, Living,
    Marital, OldNumber, Place, ResidenceKind, Sex,
};

use super::question::{self, day};

/// Claims to check. In a CSV file the columns have the same names with `_` for `-`.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Claims")]
pub(crate) struct ClaimArgs {
    /// The full name is this [default: the name that identifies the person]
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = SAME)]
    full_name: Option<String>,
    /// The birth date is this [default: the birth date that identifies the person]
    #[arg(long, value_name = "DATE", num_args = 0..=1, default_missing_value = SAME)]
    birth_date: Option<String>,
    /// The sex is this: nam, nữ, male, female
    #[arg(long)]
    sex: Option<String>,
    /// The nationality is this: two letters of ISO 3166-1
    #[arg(long, value_name = "CC")]
    nationality: Option<String>,
    /// At least so many whole years old
    #[arg(long, value_name = "YEARS")]
    age_at_least: Option<String>,
    /// At most so many whole years old: a child under six is at most 5
    #[arg(long, value_name = "YEARS")]
    age_at_most: Option<String>,
    /// The day that counts for --age-at-least and --age-at-most [default: the day of the answer]
    #[arg(long, value_name = "DATE")]
    on: Option<String>,
    /// Permanently resident in this province (two digits)
    #[arg(long, value_name = "CODE")]
    permanent_province: Option<String>,
    /// Permanently resident in this commune (five digits)
    #[arg(long, value_name = "CODE")]
    permanent_commune: Option<String>,
    /// The day as of which the place is named: 15 was Yên Bái until 30/06/2025 [default: today's place]
    #[arg(long, value_name = "DATE")]
    permanent_as_of: Option<String>,
    /// District of then, where the place is named in three levels (three digits)
    #[arg(long, value_name = "CODE")]
    permanent_district: Option<String>,
    /// Street part of the permanent residence
    #[arg(long, value_name = "TEXT")]
    permanent_detail: Option<String>,
    /// Temporarily resident in this province
    #[arg(long, value_name = "CODE")]
    temporary_province: Option<String>,
    /// Temporarily resident in this commune
    #[arg(long, value_name = "CODE")]
    temporary_commune: Option<String>,
    /// The day as of which the place is named: 15 was Yên Bái until 30/06/2025 [default: today's place]
    #[arg(long, value_name = "DATE")]
    temporary_as_of: Option<String>,
    /// District of then, where the place is named in three levels (three digits)
    #[arg(long, value_name = "CODE")]
    temporary_district: Option<String>,
    /// Street part of the temporary residence
    #[arg(long, value_name = "TEXT")]
    temporary_detail: Option<String>,
    /// Currently living in this province
    #[arg(long, value_name = "CODE")]
    current_province: Option<String>,
    /// Currently living in this commune
    #[arg(long, value_name = "CODE")]
    current_commune: Option<String>,
    /// The day as of which the place is named: 15 was Yên Bái until 30/06/2025 [default: today's place]
    #[arg(long, value_name = "DATE")]
    current_as_of: Option<String>,
    /// District of then, where the place is named in three levels (three digits)
    #[arg(long, value_name = "CODE")]
    current_district: Option<String>,
    /// Street part of the current residence
    #[arg(long, value_name = "TEXT")]
    current_detail: Option<String>,
    /// The marital status is this: single, married, divorced-or-widowed
    #[arg(long, value_name = "STATUS")]
    marital: Option<String>,
    /// The living status is this: alive, dead, missing
    #[arg(long, value_name = "STATUS")]
    living: Option<String>,
    /// The old number (CMND) is this
    #[arg(long, value_name = "NUMBER")]
    old_number: Option<String>,
    /// The identity card was issued on this day
    #[arg(long, value_name = "DATE")]
    card_issued: Option<String>,
    /// The identity card is valid until this day
    #[arg(long, value_name = "DATE")]
    card_expires: Option<String>,
    /// The identity card bears this number
    #[arg(long, value_name = "NUMBER")]
    card_number: Option<String>,
    /// An identity card is valid on this day [default: the day of the answer]
    #[arg(long, value_name = "DATE", num_args = 0..=1, require_equals = true, default_missing_value = SAME)]
    card_valid: Option<String>,
    /// The identity card bears this address
    #[arg(long, value_name = "TEXT")]
    card_address: Option<String>,
    /// Is a parent of the person with this number
    #[arg(long, value_name = "NUMBER")]
    parent_of: Option<String>,
    /// Is a child of the person with this number
    #[arg(long, value_name = "NUMBER")]
    child_of: Option<String>,
    /// Is married to the person with this number
    #[arg(long, value_name = "NUMBER")]
    spouse_of: Option<String>,
    /// Is the legal guardian of the person with this number
    #[arg(long, value_name = "NUMBER")]
    guardian_of: Option<String>,
    /// Is the head of the household
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    head_of_household: Option<String>,
    /// Is registered in the same household as the person with this number
    #[arg(long, value_name = "NUMBER")]
    same_household: Option<String>,
}

/// Stands for "the same as the key" where a claim repeats one.
const SAME: &str = "=";

impl ClaimArgs {
    /// The field a CSV column fills.
    pub(super) fn slot(&mut self, column: &str) -> Option<&mut Option<String>> {
        Some(match column {
            "full_name" => &mut self.full_name,
            "birth_date" => &mut self.birth_date,
            "sex" => &mut self.sex,
            "nationality" => &mut self.nationality,
            "age_at_least" => &mut self.age_at_least,
            "age_at_most" => &mut self.age_at_most,
            "on" => &mut self.on,
            "permanent_province" => &mut self.permanent_province,
            "permanent_commune" => &mut self.permanent_commune,
            "permanent_as_of" => &mut self.permanent_as_of,
            "permanent_district" => &mut self.permanent_district,
            "permanent_detail" => &mut self.permanent_detail,
            "temporary_province" => &mut self.temporary_province,
            "temporary_commune" => &mut self.temporary_commune,
            "temporary_as_of" => &mut self.temporary_as_of,
            "temporary_district" => &mut self.temporary_district,
            "temporary_detail" => &mut self.temporary_detail,
            "current_province" => &mut self.current_province,
            "current_commune" => &mut self.current_commune,
            "current_as_of" => &mut self.current_as_of,
            "current_district" => &mut self.current_district,
            "current_detail" => &mut self.current_detail,
            "marital" => &mut self.marital,
            "living" => &mut self.living,
            "old_number" => &mut self.old_number,
            "card_issued" => &mut self.card_issued,
            "card_expires" => &mut self.card_expires,
            "card_number" => &mut self.card_number,
            "card_valid" => &mut self.card_valid,
            "card_address" => &mut self.card_address,
            "parent_of" => &mut self.parent_of,
            "child_of" => &mut self.child_of,
            "spouse_of" => &mut self.spouse_of,
            "guardian_of" => &mut self.guardian_of,
            "head_of_household" => &mut self.head_of_household,
            "same_household" => &mut self.same_household,
            _ => return None,
        })
    }

    /// The claims, in the order of their kinds. `name` and `birth` are the keys that `=` repeats.
    ///
    /// An error names the option and what its form is, never what was typed: it may be personal data.
    pub(super) fn parse(&self, name: &str, birth: &str) -> Result<Vec<Claim>, String> {
        let mut claims = Vec::new();
        let same = |typed: &str, key: &str| if typed == SAME { key.to_owned() } else { typed.to_owned() };
        each(&mut claims, "full-name", &self.full_name, |typed| {
            FullName::typed(&same(typed, name)).map(Claim::FullName).map_err(|error| error.to_string())
        })?;
        each(&mut claims, "birth-date", &self.birth_date, |typed| {
            question::birth(&same(typed, birth)).map(Claim::BirthDate)
        })?;
        each(&mut claims, "sex", &self.sex, |typed| sex(typed).map(Claim::Sex))?;
        each(&mut claims, "nationality", &self.nationality, |typed| nationality(typed).map(Claim::Nationality))?;
        let on = self.on.as_deref().map(day).transpose().map_err(|why| format!("on: {why}"))?;
        if on.is_some() && self.age_at_least.is_none() && self.age_at_most.is_none() {
            return Err("on: it belongs to age-at-least or age-at-most".into());
        }
        each(&mut claims, "age-at-least", &self.age_at_least, |typed| {
            years(typed).map(|years| Claim::AgeAtLeast { years, on })
        })?;
        each(&mut claims, "age-at-most", &self.age_at_most, |typed| {
            years(typed).map(|years| Claim::AgeAtMost { years, on })
        })?;
        self.residences(&mut claims)?;
        each(&mut claims, "marital", &self.marital, |typed| marital(typed).map(Claim::MaritalStatus))?;
        each(&mut claims, "living", &self.living, |typed| living(typed).map(Claim::LivingStatus))?;
        each(&mut claims, "old-number", &self.old_number, |typed| {
            OldNumber::parse(typed).map(Claim::OldNumber).map_err(|error| error.to_string())
        })?;
        each(&mut claims, "card-issued", &self.card_issued, |typed| day(typed).map(Claim::CardIssued))?;
        each(&mut claims, "card-expires", &self.card_expires, |typed| day(typed).map(Claim::CardExpires))?;
        each(&mut claims, "parent-of", &self.parent_of, |typed| citizen(typed).map(Claim::ParentOf))?;
        each(&mut claims, "child-of", &self.child_of, |typed| citizen(typed).map(Claim::ChildOf))?;
        each(&mut claims, "spouse-of", &self.spouse_of, |typed| citizen(typed).map(Claim::SpouseOf))?;
        each(&mut claims, "guardian-of", &self.guardian_of, |typed| citizen(typed).map(Claim::GuardianOf))?;
        if let Some(typed) = &self.head_of_household {
            claims.extend(
                yes(typed).map_err(|why| format!("head-of-household: {why}"))?.then_some(Claim::HeadOfHousehold),
            );
        }
        each(&mut claims, "same-household", &self.same_household, |typed| citizen(typed).map(Claim::SameHousehold))?;
        self.cards(&mut claims)?;
        bounded(claims)
    }

    fn cards(&self, claims: &mut Vec<Claim>) -> Result<(), String> {
        each(claims, "card-number", &self.card_number, |typed| citizen(typed).map(Claim::CardNumber))?;
        each(claims, "card-valid", &self.card_valid, |typed| match typed {
            SAME => Ok(Claim::CardValid(None)),
            typed => day(typed).map(|day| Claim::CardValid(Some(day))),
        })?;
        each(claims, "card-address", &self.card_address, |typed| {
            CardAddress::parse(typed).map(Claim::CardAddress).map_err(|error| error.to_string())
        })
    }

    fn residences(&self, claims: &mut Vec<Claim>) -> Result<(), String> {
        let residences = [
            ("permanent", ResidenceKind::Permanent, self.permanent()),
            ("temporary", ResidenceKind::Temporary, self.temporary()),
            ("current", ResidenceKind::Current, self.current()),
        ];
        for (word, kind, typed) in residences {
            claims.extend(typed.claim(kind).map_err(|why| format!("{word}-…: {why}"))?);
        }
        Ok(())
    }

    fn permanent(&self) -> TypedPlace<'_> {
        TypedPlace {
            province: self.permanent_province.as_deref(),
            commune: self.permanent_commune.as_deref(),
            as_of: self.permanent_as_of.as_deref(),
            district: self.permanent_district.as_deref(),
            detail: self.permanent_detail.as_deref(),
        }
    }

    fn temporary(&self) -> TypedPlace<'_> {
        TypedPlace {
            province: self.temporary_province.as_deref(),
            commune: self.temporary_commune.as_deref(),
            as_of: self.temporary_as_of.as_deref(),
            district: self.temporary_district.as_deref(),
            detail: self.temporary_detail.as_deref(),
        }
    }

    fn current(&self) -> TypedPlace<'_> {
        TypedPlace {
            province: self.current_province.as_deref(),
            commune: self.current_commune.as_deref(),
            as_of: self.current_as_of.as_deref(),
            district: self.current_district.as_deref(),
            detail: self.current_detail.as_deref(),
        }
    }
}

/// The options that make one claim of residence.
struct TypedPlace<'a> {
    province: Option<&'a str>,
    commune: Option<&'a str>,
    as_of: Option<&'a str>,
    district: Option<&'a str>,
    detail: Option<&'a str>,
}

impl TypedPlace<'_> {
    fn claim(&self, kind: ResidenceKind) -> Result<Option<Claim>, String> {
        let Self { province, commune, as_of, district, detail } = *self;
        let Some(province) = province else {
            return match [commune, as_of, district, detail] {
                [None, None, None, None] => Ok(None),
                _ => Err("a commune, district, day or street part needs the province too".into()),
            };
        };
        let province = province.trim().parse().map_err(|_| "a province code has two digits, 01 to 99".to_owned())?;
        let code = |typed: &str| typed.trim().parse::<u32>().map_err(|_| "a commune code has five digits".to_owned());
        let place = Place::new(province, commune.map(code).transpose()?).map_err(|error| error.to_string())?;
        let code = |typed: &str| typed.trim().parse::<u16>().map_err(|_| "a district code has three digits".to_owned());
        let as_of = match (as_of.map(day).transpose()?, district.map(code).transpose()?) {
            (Some(on), district) => Some(AsOf::new(on, district).map_err(|error| error.to_string())?),
            (None, None) => None,
            (None, Some(_)) => {
                return Err("there are no districts today: a district needs the day of its place too".into());
            }
        };
        Ok(Some(Claim::Residence { kind, place, as_of, detail: detail.map(str::to_owned) }))
    }
}

/// Kinds of claims, any of them if empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds(Vec<ClaimKind>);

/// Kinds of claims by their names, separated like attributes.
pub(super) fn kinds(typed: &str) -> Result<Kinds, String> {
    let names = typed.split([',', ';', ' ']).filter(|name| !name.is_empty());
    let kinds: Option<Vec<ClaimKind>> = names.map(ClaimKind::by_name).collect();
    kinds
        .filter(|kinds| !kinds.is_empty())
        .map(Kinds)
        .ok_or_else(|| "the names of claims, separated by commas".to_owned())
}

/// Adds the fields of a card to what is claimed already, each once.
pub(super) fn add_card(claims: &mut Vec<Claim>, card: &CardQr, Kinds(kinds): &Kinds) -> Result<(), String> {
    for claim in card.claims() {
        let wanted = kinds.is_empty() || kinds.contains(&claim.kind());
        if wanted && !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    *claims = bounded(std::mem::take(claims))?;
    Ok(())
}

fn bounded(claims: Vec<Claim>) -> Result<Vec<Claim>, String> {
    if claims.len() > CLAIMS_MAX { Err(format!("at most {CLAIMS_MAX} claims in one question")) } else { Ok(claims) }
}

/// Attributes by their names, separated by commas, semicolons or spaces.
pub(super) fn attributes(typed: &str) -> Result<AttributeSet, String> {
    let names = typed.split([',', ';', ' ']).filter(|name| !name.is_empty());
    names.map(|name| Attribute::by_name(name).ok_or_else(unknown_attribute)).collect()
}

fn unknown_attribute() -> String {
    let names: Vec<&str> = Attribute::ALL.iter().map(|attribute| attribute.name()).collect();
    format!("an attribute that is not known; known are {}", names.join(", "))
}

fn each(
    claims: &mut Vec<Claim>,
    option: &str,
    typed: &Option<String>,
    parse: impl Fn(&str) -> Result<Claim, String>,
) -> Result<(), String> {
    if let Some(typed) = typed {
        claims.push(parse(typed.trim()).map_err(|why| format!("{option}: {why}"))?);
    }
    Ok(())
}

fn years(typed: &str) -> Result<u8, String> {
    typed.parse().map_err(|_| "a whole number of years, 0 to 255".to_owned())
}

fn sex(typed: &str) -> Result<Sex, String> {
    match folded(typed).as_str() {
        "nam" | "male" | "m" => Ok(Sex::Male),
        "nữ" | "nu" | "female" | "f" => Ok(Sex::Female),
        _ => Err("nam, nữ, male or female".into()),
    }
}

/// Some keyboards compose letters, some do not.
fn folded(typed: &str) -> String {
    typed.trim().nfc().collect::<String>().to_lowercase()
}

fn nationality(typed: &str) -> Result<[u8; 2], String> {
    let wrong = || "two letters of ISO 3166-1".to_owned();
    let code: [u8; 2] = typed.as_bytes().try_into().map_err(|_| wrong())?;
    if code.iter().all(u8::is_ascii_alphabetic) {
        Ok(code.map(|letter| letter.to_ascii_uppercase()))
    } else {
        Err(wrong())
    }
}

fn marital(typed: &str) -> Result<Marital, String> {
    match typed.to_lowercase().as_str() {
        "single" | "1" => Ok(Marital::Single),
        "married" | "2" => Ok(Marital::Married),
        "divorced-or-widowed" | "3" => Ok(Marital::DivorcedOrWidowed),
        _ => Err("single, married or divorced-or-widowed".into()),
    }
}

fn living(typed: &str) -> Result<Living, String> {
    match typed.to_lowercase().as_str() {
        "alive" => Ok(Living::Alive),
        "dead" => Ok(Living::Dead),
        "missing" => Ok(Living::Missing),
        _ => Err("alive, dead or missing".into()),
    }
}

fn citizen(typed: &str) -> Result<CitizenNumber, String> {
    CitizenNumber::parse(typed).map_err(|error| error.to_string())
}

fn yes(typed: &str) -> Result<bool, String> {
    match folded(typed).as_str() {
        "yes" | "true" | "1" | "x" | "có" => Ok(true),
        "no" | "false" | "0" | "không" => Ok(false),
        _ => Err("yes or no".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xacminh_proto::vocab::Date;

    fn claims(columns: &[(&str, &str)]) -> Result<Vec<Claim>, String> {
        let mut args = ClaimArgs::default();
        for (column, typed) in columns {
            *args.slot(column).expect("a known column") = Some((*typed).to_owned());
        }
        args.parse("Trần Thị Hoa", "1990-05-17")
    }

    #[test]
    fn typed_claims_become_the_claims_they_say() {
        assert_eq!(claims(&[("full_name", "=")]).unwrap(), [Claim::FullName(FullName::parse("Trần Thị Hoa").unwrap())]);
        assert_eq!(claims(&[("sex", "Nữ")]).unwrap(), [Claim::Sex(Sex::Female)]);
        assert_eq!(claims(&[("nationality", "vn")]).unwrap(), [Claim::Nationality(*b"VN")]);
        let on = Some(Date::new(2026, 1, 2).unwrap());
        assert_eq!(
            claims(&[("age_at_least", "18"), ("on", "02/01/2026")]).unwrap(),
            [Claim::AgeAtLeast { years: 18, on }]
        );
        let place = Place::new(48, Some(20194)).unwrap();
        assert_eq!(
            claims(&[("permanent_province", "48"), ("permanent_commune", "20194")]).unwrap(),
            [Claim::Residence { kind: ResidenceKind::Permanent, place, as_of: None, detail: None }]
        );
        let then = [("permanent_province", "49"), ("permanent_district", "503"), ("permanent_as_of", "31/12/2024")];
        let as_of = Some(AsOf::new(Date::new(2024, 12, 31).unwrap(), Some(503)).unwrap());
        let place = Place::of_province(49).unwrap();
        assert_eq!(
            claims(&then).unwrap(),
            [Claim::Residence { kind: ResidenceKind::Permanent, place, as_of, detail: None }]
        );
        assert_eq!(claims(&[("head_of_household", "không")]).unwrap(), []);
        assert_eq!(
            claims(&[("age_at_most", "5"), ("on", "02/01/2026"), ("card_valid", "=")]).unwrap(),
            [Claim::AgeAtMost { years: 5, on }, Claim::CardValid(None)]
        );
        assert_eq!(claims(&[("card_valid", "02/01/2026")]).unwrap(), [Claim::CardValid(on)]);
    }

    #[test]
    fn a_card_adds_its_fields_once_and_only_those_wished_for() {
        let scanned = "048190000017|201123456|Trần Thị Hoa|17051990|Nữ|12 Lê Lợi, Hải Châu, Đà Nẵng|01052021";
        let card = CardQr::parse(scanned).unwrap();
        let mut typed = claims(&[("full_name", "="), ("sex", "nam")]).unwrap();
        add_card(&mut typed, &card, &Kinds::default()).unwrap();
        assert_eq!(typed.len(), 8, "the name stands there already, another sex does not");
        let mut few = Vec::new();
        add_card(&mut few, &card, &kinds("card_issued, sex").unwrap()).unwrap();
        assert_eq!(few.iter().map(Claim::kind).collect::<Vec<_>>(), [ClaimKind::Sex, ClaimKind::CardIssued]);
        assert!(kinds("card_color").is_err() && kinds(" ").is_err());
        let mut many = vec![Claim::HeadOfHousehold; CLAIMS_MAX];
        assert!(add_card(&mut many, &card, &Kinds::default()).unwrap_err().contains("at most 16"));
    }

    #[test]
    fn what_is_wrong_is_told_without_what_was_typed() {
        let table = [
            ("sex", "khác", "sex: nam, nữ, male or female"),
            ("on", "2026-01-01", "on: it belongs to age-at-least or age-at-most"),
            ("age_at_most", "-1", "age-at-most: a whole number of years, 0 to 255"),
            ("card_number", "201123456", "card-number: a number of 12 digits is needed, 9 characters were given"),
            ("card_valid", "soon", "card-valid: not a date; accepted: YYYY-MM-DD or DD/MM/YYYY, 1800 to 2399"),
            (
                "permanent_commune",
                "20194",
                "permanent-…: a commune, district, day or street part needs the province too",
            ),
            ("parent_of", "04819000000", "parent-of: a number of 12 digits is needed, 11 characters were given"),
            ("old_number", "20123456x", "old-number: only the digits 0 to 9 are allowed"),
            ("card_issued", "31/02/2020", "card-issued: no such day; accepted: YYYY-MM-DD or DD/MM/YYYY, 1800 to 2399"),
            ("age_at_least", "mười tám", "age-at-least: a whole number of years, 0 to 255"),
        ];
        for (column, typed, told) in table {
            assert_eq!(claims(&[(column, typed)]).unwrap_err(), told);
        }
        assert!(attributes("full_name,blood_type").unwrap_err().contains("not known"));
        assert_eq!(attributes("full_name, birth_date").unwrap().iter().count(), 2);
    }
}
