//! Register documents that are wrong, and what their authors are told.

use xacminh_core::register::{Register, RegisterError};
use xacminh_proto::vocab::{AttributeClass, ClaimKind, PortalId};

use crate::fixtures::{REGISTER, procedure, the_register};

/// what stands in the register | what is written instead | what the author is told
const SLIPS: &[(&str, &str, &str)] = &[
    ("revision = 7", "revision = 0", "line 3: the revision is a number from 1 to 4294967295"),
    ("revision = 7", "revision = 4294967296", "line 3: the revision is a number from 1 to 4294967295"),
    ("suspended = true", "suspendet = true", "line 15: unknown field `suspendet`"),
    ("revision = 7", "revision = 7\nversion = 1", "line 4: unknown field `version`"),
    (
        "revision = 7",
        "revision = 7\n\n[retention]\nentries_days = 729",
        "line 6: entries are to be kept for 729 days: 730 is the least",
    ),
    (
        "[register]\nrevision = 7",
        "[retention]\nentries_days = 80\n[register]\nrevision = 7",
        "line 3: entries are to be kept for 80 days: 730 is the least",
    ),
    ("id = 2\nname", "id = 1\nname", "line 13: portal `1` is declared twice"),
    ("id = 2\nname", "id = 0\nname", "line 13: a portal number starts at 1: 0 means none in the audit log"),
    ("id = 2\ncode", "id = 1\ncode", "line 55: procedure number `1` is declared twice"),
    ("code = \"9.exact\"", "code = \"1.004222\"", "procedure `1.004222` is declared twice"),
    ("code = \"9.exact\"", "code = \"9 exact\"", "procedure code `9 exact`: an identifier has letters"),
    ("purpose = 13", "purpose = 0", "a purpose starts at 1"),
    ("misses_per_official_hour = 5", "misses_per_official_hour = 0", "line 9: a limit starts at 1"),
    (
        "procedures = [\"1.004222\", \"9.ev",
        "procedures = [\"1.004223\", \"9.ev",
        "line 8: there is no procedure `1.004223`, did you mean `1.004222`?",
    ),
    (
        "\"9.everything\", \"9.exact\"]",
        "\"9.everything\", \"9.everything\"]",
        "line 8: `9.everything` stands twice in this list",
    ),
    (
        "\"residence\", \"age_at_least\", \"same",
        "\"residense\", \"age_at_least\", \"same",
        "line 49: there is no claim `residense`, did you mean `residence`?",
    ),
    (
        "\"age_at_least\", \"same_household\"]",
        "\"age_at_least\", \"residence\"]",
        "line 49: `residence` stands twice in this list",
    ),
    (
        "attributes = [\"full_name\", \"birth_date\", \"perm",
        "attributes = [\"full_name\", \"birthdate\", \"perm",
        "line 50: there is no attribute `birthdate`, did you mean `birth_date`?",
    ),
    (
        "attributes = [\"full_name\", \"birth_date\", \"perm",
        "attributes = [\"full_name\", \"blood\", \"perm",
        "line 50: there is no attribute `blood`",
    ),
    (
        "max_age_s = { identity = 86400, residence = 3600 }",
        "max_age_s = { identity = 86400 }",
        "procedure `1.004222` asks for data of class `residence`: give max_age_s.residence in seconds",
    ),
    (
        "max_age_s = { identity = 86400, residence = 3600 }",
        "max_age_s = { residence = 3600 }",
        "missing field `identity`",
    ),
    ("max_age_s = { identity = 0 }", "max_age_s = { identity = -1 }", "invalid value: integer `-1`"),
    ("name_threshold = \"exact\"", "name_threshold = \"fuzzy\"", "unknown variant `fuzzy`"),
    ("visibility = \"delayed\"", "visibility = \"secret\"", "unknown variant `secret`"),
    ("delay_days = 90", "", "procedure `9.everything` is delayed: give delay_days, from 1 to 1825"),
    (
        "delay_days = 90",
        "delay_days = 0",
        "line 70: procedure `9.everything` is delayed: give delay_days, from 1 to 1825",
    ),
    ("delay_days = 90", "delay_days = 1826", "procedure `9.everything` delays by 1826 days: 1825 is the most"),
    ("visibility = \"delayed\"", "", "procedure `9.everything` has delay_days and is not delayed"),
    ("id = \"clerk-02\"", "id = \"clerk-01\"", "line 29: official `clerk-01` is declared twice"),
    ("id = \"clerk-02\"", "id = \"clerk 02\"", "line 29: official `clerk 02`: an identifier has letters"),
    ("portal = 3", "portal = 4", "official `clerk-03` belongs to portal 4, which is not declared"),
    (
        "portal = 3\nprocedures = [\"*\"]",
        "portal = 3\nprocedures = [\"9.exact\"]",
        "official `clerk-03` is granted `9.exact`, which portal 3 may not use",
    ),
    (
        "portal = 3\nprocedures = [\"*\"]",
        "portal = 3\nprocedures = [\"*\", \"1.004222\"]",
        "`*` means every procedure of the portal and stands alone",
    ),
    ("[[portal]]\nid = 3", "[[portals]]\nid = 3", "unknown field `portals`"),
    ("[register]", "[register", "line 2: "),
    ("id = 3\ncode", "id = \"3\"\ncode", "invalid type: string \"3\""),
];

#[test]
fn a_slip_is_told_by_line_and_name() {
    for (right, wrong, told) in SLIPS {
        assert_eq!(REGISTER.matches(right).count(), 1, "{right} stands once");
        let error = Register::parse(&REGISTER.replacen(right, wrong, 1)).expect_err(wrong);
        assert!(error.to_string().contains(told), "{wrong}: {error}");
    }
}

#[test]
fn nothing_at_all_and_too_much_are_no_registers() {
    assert!(matches!(Register::parse(""), Err(RegisterError::Toml { line: 1, .. })));
    let much = "#".repeat(xacminh_core::register::REGISTER_BYTES_MAX + 1);
    assert_eq!(Register::parse(&much), Err(RegisterError::TooLarge(much.len())));
}

#[test]
fn a_register_without_portals_lets_nobody_in_and_is_sound() {
    let register = Register::parse("[register]\nrevision = 1\n").expect("sound");
    assert_eq!((register.revision, register.portals().count(), register.officials()), (1, 0, 0));
    assert_eq!(register.entries_days, 0, "for ever");
    let register = Register::parse("[register]\nrevision = 1\n[retention]\nentries_days = 730\n").expect("sound");
    assert_eq!(register.entries_days, 730);
    // What is hidden for longer is kept for longer.
    let hidden = REGISTER.replace("delay_days = 90", "delay_days = 1000");
    let told = Register::parse(&format!("{hidden}\n[retention]\nentries_days = 1000\n")).expect_err("too short");
    assert!(told.to_string().ends_with("1001 is the least; leave the line out to keep them for ever"), "{told}");
    assert!(Register::parse(&format!("{hidden}\n[retention]\nentries_days = 1001\n")).is_ok());
}

#[test]
fn what_is_written_can_be_looked_up() {
    let register = the_register();
    assert_eq!((register.portals().count(), register.procedures().count(), register.officials()), (3, 3, 4));
    let portal = register.portal(PortalId(3)).expect("declared");
    assert_eq!((portal.misses_per_official_hour, portal.questions_in_flight_max, portal.suspended), (20, 256, false));
    let procedure = register.procedure(&procedure("1.004222")).expect("declared");
    assert!(procedure.allows(ClaimKind::Residence));
    assert!(!procedure.allows(ClaimKind::Sex));
    assert_eq!(procedure.max_age_ms(AttributeClass::Residence), Some(3_600_000));
    assert_eq!(procedure.max_age_ms(AttributeClass::Family), None);
}

#[test]
fn a_register_of_a_province_is_read_and_looked_up() {
    let officials: String = (0..20_000)
        .map(|number| format!("[[official]]\nid = \"o-{number}\"\nportal = 1\nprocedures = [\"1.004222\"]\n"))
        .collect();
    let register = Register::parse(&(REGISTER.to_owned() + &officials)).expect("sound");
    assert_eq!(register.officials(), 20_004);
}
