//! Register documents that are wrong, and what their authors are told.

use xacminh_core::{
    apply::Budget,
    command::MissLimits,
    register::{Register, RegisterError, Values, Visibility},
};
use xacminh_proto::vocab::{AttributeClass, ClaimKind, PortalId};

use crate::fixtures::{HOUR_MS, NOW_MS, REGISTER, procedure, the_register};

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
        "procedure `1.004222` asks for data of class `identity`: give max_age_s.identity in seconds",
    ),
    ("max_age_s = { identity = 0 }", "max_age_s = { identity = -1 }", "invalid value: integer `-1`"),
    (
        "max_age_s = { identity = 0 }\n",
        "",
        "line 75: procedure `9.exact` asks for data of class `identity`: give max_age_s.identity in seconds",
    ),
    ("purpose = 13\n", "", "line 75: procedure `9.exact` says no `purpose`, and is like none that does"),
    ("purpose = 13", "like = \"9.exakt\"", "line 78: there is no procedure `9.exakt`, did you mean `9.exact`?"),
    ("purpose = 13", "like = \"9.exact\"", "line 78: `like` leads in a circle: 9.exact → 9.exact"),
    ("values = \"relatives\"", "", "line 65: procedure `9.everything` may not disclose `father`: `values` says"),
    ("values = \"relatives\"", "values = \"none\"", "line 63: procedure `9.everything` may not disclose `full_name`"),
    ("values = \"relatives\"", "values = \"all\"", "unknown variant `all`"),
    (
        "portal = 3\nprocedures = [\"*\"]",
        "portal = 3\nprocedures = [\"*\"]\nuntil = \"2027-02-29\"",
        "line 42: `2027-02-29` is no day: `until` is the last day of a grant, written YYYY-MM-DD",
    ),
    (
        "portal = 3\nprocedures = [\"*\"]",
        "portal = 3\nprocedures = [{ code = \"1.004222\", until = \"soon\" }]",
        "line 41: `soon` is no day",
    ),
    ("portal = 3\nprocedures = [\"*\"]", "portal = 3\nprocedures = [{ code = \"1.004222\" }]", "missing field `until`"),
    (
        "portal = 3\nprocedures = [\"*\"]",
        "portal = 3\nprocedures = [{ code = \"1.004222\", until = \"2027-01-01\", form = 1 }]",
        "unknown field `form`",
    ),
    ("portal = 3\nprocedures = [\"*\"]", "portal = 3\nprocedures = [1]", "a procedure's code, or a table"),
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
    (
        "misses_per_official_hour = 5",
        "misses_per_official_hour = 5\nmisses_per_official_day = 4",
        "line 10: misses_per_official_day is 4 and misses_per_official_hour 5: the wider budget may not be the smaller",
    ),
    (
        "misses_per_official_hour = 5",
        "misses_per_official_hour = 5\nmisses_per_hour = 4",
        "line 10: misses_per_hour is 4 and misses_per_official_hour 5: the wider",
    ),
    (
        "misses_per_official_hour = 5",
        "misses_per_official_day = 100\nmisses_per_day = 99\nmisses_per_hour = 30",
        "line 10: misses_per_day is 99 and misses_per_official_day 100: the wider",
    ),
    (
        "misses_per_official_hour = 5",
        "misses_per_official_hour = 5\nmisses_per_day = 49",
        "line 10: misses_per_day is 49 and misses_per_hour 50: the wider",
    ),
    (
        "revision = 7",
        "revision = 7\n[budget]\nmisses_per_hour = 199",
        "line 5: misses_per_hour is 199 and a portal's misses_per_hour 200: the wider",
    ),
    (
        "revision = 7",
        "revision = 7\n[budget]\nmisses_per_day = 1999",
        "line 5: misses_per_day is 1999 and misses_per_hour 2000: the wider",
    ),
    ("revision = 7", "revision = 7\n[budget]\nmisses_per_hour = 0", "line 5: a limit starts at 1"),
    ("revision = 7", "revision = 7\n[alarms]\npersons_per_dossier = 0", "line 5: a limit starts at 1"),
    ("revision = 7", "revision = 7\n[alarms]\noffice_hours = \"7-18\"", "line 5: office hours are written like"),
    ("revision = 7", "revision = 7\n[alarms]\noffice_hours = \"18:00-07:00\"", "line 5: office hours are written like"),
    ("revision = 7", "revision = 7\n[alarms]\noffice_hours = \"07:60-18:00\"", "line 5: office hours are written like"),
    ("revision = 7", "revision = 7\n[alarms]\noffice_days = [\"monday\"]", "line 5: office days are mon, tue"),
    (
        "revision = 7",
        "revision = 7\n[alarms]\nhoney = [\"048085001234\"]",
        "line 5: a citizen number stands here as 64",
    ),
    (
        "id = \"clerk-02\"",
        "own_number = \"048085001234\"\nid = \"clerk-02\"",
        "line 29: a citizen number stands here as 64",
    ),
];

#[test]
fn a_number_in_clear_is_not_repeated_to_whoever_reads_the_error() {
    let text = REGISTER.replacen("revision = 7", "revision = 7\n[alarms]\nhoney = [\"048085001234\"]", 1);
    let error = Register::parse(&text).expect_err("a number in clear").to_string();
    assert!(!error.contains("048085001234"), "{error}");
}

#[test]
fn budgets_that_nobody_wrote_fit_together() {
    let limits = |id| the_register().portal(PortalId(id)).expect("declared").misses;
    let of = |limits: MissLimits| Budget::ALL.map(|budget| limits.of(budget));
    assert_eq!(of(limits(1)), [5, 15, 50, 250, 2_000, 10_000]);
    assert_eq!(of(limits(3)), [20, 60, 200, 1_000, 2_000, 10_000]);
    let budget = "revision = 7\n[budget]\nmisses_per_hour = 300\nmisses_per_day = 1200";
    let register = Register::parse(&REGISTER.replacen("revision = 7", budget, 1)).expect("sound");
    let limits = register.portal(PortalId(1)).expect("declared").misses;
    assert_eq!(of(limits), [5, 15, 50, 250, 300, 1_200]);
}

#[test]
fn alarms_that_nobody_wrote_have_defaults_and_those_written_count() {
    let alarms = the_register().alarms;
    assert_eq!((alarms.persons_per_official_hour, alarms.persons_per_official_day), (60, 240));
    assert!(alarms.honey.is_empty());
    let mark = "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789";
    let written = format!(
        "revision = 7\n[alarms]\nhoney = [\"{mark}\"]\noffice_hours = \"08:00-17:30\"\noffice_days = [\"sat\"]"
    );
    let alarms = Register::parse(&REGISTER.replacen("revision = 7", &written, 1)).expect("sound").alarms;
    assert_eq!(alarms.honey.iter().map(|key| key[9]).collect::<Vec<_>>(), [0xcd]);
    // Noon of a Saturday, and minutes around opening and closing.
    const MINUTE_MS: u64 = 60_000;
    let opens_ms = NOW_MS - 4 * HOUR_MS;
    let closes_ms = NOW_MS + 330 * MINUTE_MS;
    for (at_ms, is_off) in [
        (NOW_MS, false),
        (opens_ms, false),
        (opens_ms - 1, true),
        (closes_ms - 1, false),
        (closes_ms, true),
        (NOW_MS + 24 * HOUR_MS, true),
        (NOW_MS - 24 * HOUR_MS, true),
        (NOW_MS + 7 * 24 * HOUR_MS, false),
    ] {
        assert_eq!(alarms.is_off_hours(at_ms), is_off, "{at_ms}");
    }
}

#[test]
fn a_slip_is_told_by_line_and_name() {
    for (right, wrong, told) in SLIPS {
        assert_eq!(REGISTER.matches(right).count(), 1, "{right} stands once");
        let error = Register::parse(&REGISTER.replacen(right, wrong, 1)).expect_err(wrong);
        assert!(error.to_string().contains(told), "{wrong}: {error}");
    }
}

/// A circle of three: none of them says what it is, and the first that is read is told the way.
#[test]
fn a_circle_is_told_with_its_way() {
    let procedure = |id, code, like| {
        format!("[[procedure]]\nid = {id}\ncode = \"{code}\"\nname_vi = \"x\"\nname_en = \"x\"\nlike = \"{like}\"\n")
    };
    let circle = [procedure(11, "a", "b"), procedure(12, "b", "c"), procedure(13, "c", "a")].concat();
    let error = Register::parse(&format!("{REGISTER}\n{circle}")).expect_err("a circle").to_string();
    assert!(error.ends_with("`like` leads in a circle: a → b → c → a"), "{error}");
}

/// A long way of `like` is refused before it is walked for each of its procedures.
#[test]
fn a_way_of_like_has_an_end() {
    let like = |id: u32| {
        let next = if id < 100 { format!("like = \"w{}\"", id + 1) } else { "like = \"1.004222\"".to_owned() };
        format!("[[procedure]]\nid = {id}\ncode = \"w{id}\"\nname_vi = \"x\"\nname_en = \"x\"\n{next}\n")
    };
    let way = |length: u32| (101 - length..=100).map(like).collect::<String>();
    assert!(Register::parse(&format!("{REGISTER}\n{}", way(15))).is_ok(), "sixteen with the one that says it");
    let error = Register::parse(&format!("{REGISTER}\n{}", way(16))).expect_err("too many").to_string();
    assert!(error.contains("procedure `w85` is like another that is like another, more than 16"), "{error}");
}

/// Leaves name procedures by number: what one stands for may not become another.
#[test]
fn a_number_stays_with_its_procedure() {
    let before = the_register();
    let changed = |from: &str, to: &str| {
        assert_eq!(REGISTER.matches(from).count(), 1, "{from}");
        Register::parse(&REGISTER.replacen(from, to, 1)).expect("sound")
    };
    let told = |register: Register| register.check_after(&before).err().map(|problem| problem.to_string());
    assert_eq!(told(the_register()), None);
    assert_eq!(told(changed("id = 3\ncode", "id = 33\ncode")), None, "a number that nobody had");
    let exact = REGISTER.replace("\"9.exact\"", "\"9.other\"");
    assert_eq!(
        told(Register::parse(&exact).expect("sound")).as_deref(),
        Some("procedure number 3 is that of `9.exact` in the log: give `9.other` another")
    );
}

/// What is said of a procedure itself counts, the rest is that of the one it is like; lists are taken whole.
#[test]
fn a_procedure_is_like_another_but_for_what_it_says() {
    let more = r#"
[[procedure]]
id = 4
code = "9.like"
name_vi = "Như trên"
name_en = "As above"
like = "9.everything"
claims = ["sex"]
visibility = "normal"
example = true

[[procedure]]
id = 5
code = "9.like.that"
name_vi = "Như trên nữa"
name_en = "As that"
like = "9.like"
max_age_s = { identity = 1, origin = 2, residence = 3, family = 4, status = 5, sensitive = 6 }
"#;
    let register = Register::parse(&format!("{REGISTER}{more}")).expect("sound");
    let everything = register.procedure(&procedure("9.everything")).expect("declared");
    let like = register.procedure(&procedure("9.like")).expect("declared");
    assert_eq!(
        (like.purpose, like.attributes, like.values),
        (everything.purpose, everything.attributes, everything.values)
    );
    assert!(like.allows(ClaimKind::Sex) && !like.allows(ClaimKind::FullName) && like.example);
    assert_eq!(like.max_age_ms(AttributeClass::Sensitive), Some(60_000));
    assert_eq!((like.visibility, everything.visibility), (Visibility::Normal, Visibility::Delayed { days: 90 }));
    let that = register.procedure(&procedure("9.like.that")).expect("declared");
    assert!(that.allows(ClaimKind::Sex) && !that.allows(ClaimKind::FullName));
    assert!(!that.example, "whether a code is confirmed is not inherited");
    assert_eq!(that.max_age_ms(AttributeClass::Sensitive), Some(6_000));
}

/// The catalogue to start from: real procedures, marked where no source confirms a code, and no more than they need.
#[test]
fn the_catalogue_is_a_register_of_forty_procedures_and_more() {
    let catalogue = include_str!("../../../../cluster-configs/registers/catalogue.toml");
    let register = Register::parse(catalogue).expect("sound");
    let (examples, real): (Vec<_>, Vec<_>) = register.procedures().partition(|procedure| procedure.example);
    assert!(real.len() >= 40, "{} procedures", real.len());
    assert!(real.iter().all(|it| matches!(it.source.as_deref(), Some("survey" | "form" | "copies" | "copy"))));
    assert!(examples.iter().all(|it| it.source.is_none()));
    for procedure in register.procedures() {
        let code = &procedure.code;
        assert!(!procedure.name_vi.is_empty() && !procedure.name_en.is_empty(), "{code}");
        assert!(ClaimKind::ALL.into_iter().any(|kind| procedure.allows(kind)), "{code} asks nothing");
        assert_ne!(procedure.values, Values::Relatives, "{code}: relatives are asked about by claims");
        assert!(procedure.id > 100, "{code}: 1 to 99 are a province's own");
    }
    assert!(real.iter().filter(|it| it.attributes.is_empty()).count() >= 10, "many need no value at all");
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
    assert_eq!((portal.misses.official_hour, portal.questions_in_flight_max, portal.suspended), (20, 256, false));
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
