//! Who may ask what.

use xacminh_core::register::{Register, Visibility, permit};
use xacminh_proto::vocab::{Attribute, AttributeSet, ErrorNumber, OfficialId, PortalId};

use crate::fixtures::{NOW_MS, REGISTER, claim, procedure, question, rows, the_register};

/// portal | official | procedure | claims | attributes | ruling
const WHO_MAY_ASK: &str = "
    1 | clerk-01 | 1.004222     | residence permanent 48          | full_name            | permitted
    1 | clerk-02 | 1.004222     | age_at_least 18                 |                      | permitted
    1 | clerk-01 | 9.everything | parent_of 048210000004          | father mother spouse | permitted
    3 | clerk-03 | 1.004222     |                                 |                      | permitted

    # the portal
    9 | clerk-01 | 1.004222     |                                 |                      | PortalUnknown
    0 | clerk-01 | 1.004222     |                                 |                      | PortalUnknown
    2 | clerk-01 | 1.004222     |                                 |                      | PortalSuspended
    2 | nobody   | no.such      | marital_status married          | ethnicity            | PortalSuspended

    # the official: an id counts within its portal
    1 | nobody   | 1.004222     |                                 |                      | OfficialUnknown
    1 | clerk-03 | 1.004222     |                                 |                      | OfficialUnknown
    3 | clerk-01 | 1.004222     |                                 |                      | OfficialUnknown
    1 | CLERK-01 | 1.004222     |                                 |                      | OfficialUnknown

    # the procedure
    1 | clerk-01 | no.such      |                                 |                      | ProcedureUnknown
    3 | clerk-03 | 9.everything |                                 |                      | ProcedureNotGranted
    1 | clerk-02 | 9.everything |                                 |                      | OfficialNotGranted

    # what is asked
    1 | clerk-01 | 1.004222     | marital_status married          |                      | ClaimNotAllowed
    1 | clerk-01 | 1.004222     | age_at_least 18; sex male       | full_name            | ClaimNotAllowed
    1 | clerk-01 | 1.004222     | residence permanent 48          | ethnicity            | AttributeNotAllowed
    1 | clerk-01 | 1.004222     |                                 | full_name father     | AttributeNotAllowed
    1 | clerk-01 | 9.exact      | full_name Nguyễn Văn An         | full_name            | AttributeNotAllowed
";

#[test]
fn who_may_ask_what() {
    let register = the_register();
    for [portal, official, code, claims, attributes, ruling] in rows(WHO_MAY_ASK) {
        let mut question = question();
        question.portal = PortalId(portal.parse().expect("a portal number"));
        question.official = OfficialId::parse(official).expect("an official");
        question.procedure = procedure(code);
        question.claims = claims.split(';').map(str::trim).filter(|text| !text.is_empty()).map(claim).collect();
        question.attributes = set(attributes);
        let found =
            permit(&question, &register, NOW_MS).map_or_else(|number| format!("{number:?}"), |_| "permitted".into());
        assert_eq!(found, ruling, "{portal} {official} {code} {claims} {attributes}");
    }
}

/// procedure | claims | attributes | caller's wish in seconds | the record may be so old, in seconds
const HOW_OLD: &str = "
    1.004222     |                                           |                     |        | 86400
    1.004222     | age_at_least 18                           | full_name           |        | 86400
    1.004222     | residence permanent 48                    |                     |        | 3600
    1.004222     |                                           | permanent_residence |        | 3600
    1.004222     | residence permanent 48                    |                     | 7200   | 3600
    1.004222     | residence permanent 48                    |                     | 600    | 600
    1.004222     | residence permanent 48                    |                     | 0      | 0
    9.everything | residence permanent 48; sex male          |                     |        | 7200
    9.everything | residence permanent 48; spouse_of 048187000003 |                |        | 3600
    9.everything | sex male                                  | living_status       |        | 1800
    9.everything |                                           | ethnicity           |        | 60
    9.everything |                                           | home_town           |        | 86400
    9.exact      | full_name Nguyễn Văn An                   |                     |        | 0
";

#[test]
fn the_tightest_age_counts_and_identity_always_does() {
    let register = the_register();
    for [code, claims, attributes, wish, age] in rows(HOW_OLD) {
        let mut question = question();
        question.procedure = procedure(code);
        question.claims = claims.split(';').map(str::trim).filter(|text| !text.is_empty()).map(claim).collect();
        question.attributes = set(attributes);
        question.max_age_ms = wish.parse().ok().map(|seconds: u64| seconds * 1000);
        let permit = permit(&question, &register, NOW_MS).expect("permitted");
        assert_eq!(
            permit.max_age_ms,
            age.parse::<u64>().expect("seconds") * 1000,
            "{code} {claims} {attributes} {wish}"
        );
    }
}

/// what ends | until | asked at, milliseconds from the end of that day | ruling
const UNTIL_WHEN: &str = "
    the portal               | 2026-12-31 | -1 | permitted
    the portal               | 2026-12-31 |  0 | GrantEnded
    the portal's procedure   | 2026-12-31 | -1 | permitted
    the portal's procedure   | 2026-12-31 |  0 | GrantEnded
    the official             | 2026-12-31 | -1 | permitted
    the official             | 2026-12-31 |  0 | GrantEnded
    the official's procedure | 2026-12-31 | -1 | permitted
    the official's procedure | 2026-12-31 |  0 | GrantEnded
    another procedure        | 2026-12-31 |  0 | permitted
";

/// The last day counts, in Vietnam: it ends at 17:00 UTC.
#[test]
fn what_was_granted_ends_with_its_last_day() {
    const END_MS: i64 = 1_798_736_400_000;
    for [what, until, after_ms, ruling] in rows(UNTIL_WHEN) {
        let until_key = format!("until = \"{until}\"");
        let granted = format!("{{ code = \"1.004222\", {until_key} }}");
        let (right, wrong) = match what {
            "the portal" => ("id = 3\nname", format!("id = 3\n{until_key}\nname")),
            "the portal's procedure" => {
                ("Hải Châu\"\nprocedures = [\"1.004222\"]", format!("Hải Châu\"\nprocedures = [{granted}]"))
            }
            "the official" => ("portal = 3\n", format!("portal = 3\n{until_key}\n")),
            "the official's procedure" => {
                ("portal = 3\nprocedures = [\"*\"]", format!("portal = 3\nprocedures = [{granted}]"))
            }
            _ => {
                let other = granted.replace("1.004222", "9.exact");
                ("Hải Châu\"\nprocedures = [", format!("Hải Châu\"\nprocedures = [{other}, "))
            }
        };
        assert_eq!(REGISTER.matches(right).count(), 1, "{what}");
        let register = Register::parse(&REGISTER.replacen(right, &wrong, 1)).expect("sound");
        let mut question = question();
        question.portal = PortalId(3);
        question.official = OfficialId::parse("clerk-03").expect("an official");
        question.procedure = procedure("1.004222");
        let now_ms = u64::try_from(END_MS + after_ms.parse::<i64>().expect("milliseconds")).expect("after 1970");
        let found = permit(&question, &register, now_ms);
        let until_ms = (what != "another procedure").then_some(END_MS.unsigned_abs());
        assert!(found.is_err() || found.is_ok_and(|permit| permit.granted_until_ms == until_ms), "{what}");
        assert_eq!(
            found.map_or_else(|number| format!("{number:?}"), |_| "permitted".into()),
            ruling,
            "{what} {after_ms}"
        );
    }
}

#[test]
fn a_permit_carries_the_terms_of_its_procedure_and_portal() {
    let register = the_register();
    let mut question = question();
    question.attributes = set("full_name father");
    let permit = permit(&question, &register, NOW_MS).expect("permitted");
    assert_eq!((permit.purpose, permit.procedure, permit.register_revision), (12, 2, 7));
    assert_eq!((permit.misses.official_hour, permit.questions_in_flight_max), (5, 64));
    assert_eq!((permit.attributes, permit.visibility), (question.attributes, Visibility::Delayed { days: 90 }));
}

#[test]
fn a_refused_question_names_its_procedure_if_there_is_one() {
    let register = the_register();
    let known = register.grounds(&procedure("1.004222"));
    assert_eq!((known.purpose, known.procedure, known.register_revision), (11, 1, 7));
    let unknown = register.grounds(&procedure("no.such"));
    assert_eq!((unknown.purpose, unknown.procedure, unknown.register_revision), (0, 0, 7));
}

#[test]
fn every_refusal_is_the_policys_not_the_callers() {
    for [.., ruling] in rows::<6>(WHO_MAY_ASK).filter(|row| row[5] != "permitted") {
        let number = ErrorNumber::ALL.iter().find(|number| format!("{number:?}") == ruling).expect("a number");
        assert_eq!(number.fault(), xacminh_proto::vocab::Fault::Policy, "{ruling}");
    }
}

fn set(names: &str) -> AttributeSet {
    names.split_whitespace().map(|name| Attribute::by_name(name).expect("an attribute")).collect()
}
