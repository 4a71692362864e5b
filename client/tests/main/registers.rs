//! `xacminh register`: a draft is checked, compared and replayed before it comes into force.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use xacminh_proto::{
    transparency::{Leaf, LeafKind, LeafVerdict},
    vocab::{Attribute, AttributeSet, ClaimKind, ErrorNumber, PortalId, RequestId},
    wire::{AuditEntry, AuditFound, AuditQuery, RegisterPage, RegisterPart, Reply, Request},
};

use crate::{
    commands::{program, text},
    fake::{AT_MS, Act, Authority, FakeNode, failure},
};

/// Portal 1 has two officials, of whom the second may use procedure a alone.
const IN_FORCE: &str = r#"
[register]
revision = 7

[[portal]]
id = 1
name = "Hải Châu"
procedures = ["a", "b"]

[[official]]
id = "clerk-01"
portal = 1
procedures = ["*"]

[[official]]
id = "clerk-02"
portal = 1
procedures = ["a"]

[[procedure]]
id = 1
code = "a"
name_vi = "Thủ tục a"
name_en = "Procedure a"
purpose = 1
claims = ["sex", "residence"]
attributes = ["full_name"]
max_age_s = { identity = 86400, residence = 3600 }
name_threshold = "folded"

[[procedure]]
id = 2
code = "b"
name_vi = "Thủ tục b"
name_en = "Procedure b"
like = "a"
claims = ["sex"]
"#;

/// Procedure a loses a claim and takes younger data; b is no longer the portal's; clerk-02 goes.
fn draft() -> String {
    let mut draft = IN_FORCE.to_owned();
    for (right, wrong) in [
        ("revision = 7", "revision = 8"),
        ("procedures = [\"a\", \"b\"]", "procedures = [\"a\"]\nuntil = \"2027-12-31\""),
        ("\n[[official]]\nid = \"clerk-02\"\nportal = 1\nprocedures = [\"a\"]\n", ""),
        ("claims = [\"sex\", \"residence\"]", "claims = [\"sex\"]"),
        ("identity = 86400, residence", "identity = 600, residence"),
    ] {
        assert_eq!(draft.matches(right).count(), 1, "{right}");
        draft = draft.replacen(right, wrong, 1);
    }
    draft
}

/// A folder with registers, and a node that has one in force and a few questions in its log.
struct Office {
    folder: tempfile::TempDir,
    _authority: Authority,
    node: FakeNode,
}

impl Office {
    fn new() -> Self {
        let authority = Authority::new();
        let node = authority.node(|_, request| match request {
            Request::Register(page) => Act::Reply(part(*page)),
            Request::AuditQuery(query) => Act::Reply(Reply::AuditFound(found(query))),
            Request::PutRegister(_) => Act::Reply(Reply::RegisterAccepted { revision: 8 }),
            _ => Act::Reply(failure(ErrorNumber::RoleNotAllowed)),
        });
        let folder = tempfile::tempdir().unwrap();
        authority.files(folder.path(), &[node.addr]);
        Self { folder, _authority: authority, node }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, args: &[&str], files: &[&Path]) -> Output {
        let mut command = program(self.folder.path());
        command.arg("register").args(args).args(files).output().unwrap()
    }
}

/// In parts of a hundred bytes, as a large register would come.
fn part(page: RegisterPage) -> Reply {
    let from = page.from as usize;
    let rest = &IN_FORCE[from..];
    let text = rest[..rest.floor_char_boundary(100)].to_owned();
    Reply::Register(RegisterPart { revision: 7, bytes: u32::try_from(IN_FORCE.len()).unwrap(), from: page.from, text })
}

/// position | procedure | official | claims | attributes | refused
type Row = (u64, u32, u8, &'static [ClaimKind], &'static [Attribute], bool);

const LOG: [Row; 6] = [
    (10, 1, 1, &[ClaimKind::Sex], &[Attribute::FullName], false),
    (11, 1, 1, &[ClaimKind::Residence], &[], false),
    (12, 2, 1, &[ClaimKind::Sex], &[], false),
    (13, 1, 2, &[ClaimKind::Sex], &[], false),
    (14, 2, 2, &[ClaimKind::Sex], &[], true),
    (15, 0, 1, &[ClaimKind::Sex], &[], true),
];

fn found(query: &AuditQuery) -> AuditFound {
    let of = |official: u8| query.official.as_deref().is_none_or(|id| id == format!("clerk-0{official}"));
    let entries = LOG.into_iter().filter(|(_, _, official, ..)| of(*official)).map(
        |(position, procedure, official, claims, attributes, refused)| {
            let attributes: AttributeSet = attributes.iter().copied().collect();
            let claims = claims.iter().fold(0_u64, |bits, kind| bits | u64::from(kind.bit()));
            let leaf = Leaf {
                kind: if refused { LeafKind::Refused } else { LeafKind::Disclosed },
                time_ms: AT_MS + position,
                request_id: RequestId::new(AT_MS, [1; 10]),
                portal: PortalId(1),
                official: [official; 16],
                purpose: 1,
                procedure,
                register_revision: 7,
                fields: attributes.bits() | claims << 32,
                verdict: if refused { LeafVerdict::Refused } else { LeafVerdict::Match },
                subject: [0; 32],
                attributes_root: [0; 32],
                addendum_digest: [0; 32],
                record_version: 1,
                previous: [0; 32],
            };
            AuditEntry { position, leaf: leaf.encode().to_vec() }
        },
    );
    AuditFound { leaves: 16, indexed: 16, pruned: 0, recorded: None, next: None, entries: entries.collect() }
}

#[test]
fn a_sound_register_is_told_with_remarks_and_a_slip_by_its_line() {
    let office = Office::new();
    let sound = office.run(&["check"], &[&office.file("sound.toml", IN_FORCE)]);
    assert_eq!(sound.status.code(), Some(0), "{sound:?}");
    assert_eq!(text(&sound.stdout), "sound: revision 7: 1 portals, 2 officials, 2 procedures\n");
    for (right, wrong, told) in [
        ("like = \"a\"", "like = \"b\"", "line 37: `like` leads in a circle: b → b"),
        ("id = 2\ncode", "id = 1\ncode", "line 33: procedure number `1` is declared twice"),
        ("\"residence\"]", "\"residense\"]", "line 27: there is no claim `residense`, did you mean `residence`?"),
        ("max_age_s = { identity = 86400, residence = 3600 }\n", "", "line 22: procedure `a` asks for data of class"),
    ] {
        assert_eq!(IN_FORCE.matches(right).count(), 1, "{right}");
        let wrong = office.file("wrong.toml", &IN_FORCE.replacen(right, wrong, 1));
        for verb in ["check", "apply"] {
            let refused = office.run(&[verb], &[&wrong]);
            assert_eq!(refused.status.code(), Some(6), "{verb} {right}");
            assert!(text(&refused.stderr).contains(told), "{}", text(&refused.stderr));
        }
    }
    assert!(office.node.asked().is_empty(), "neither reached the cluster: what is in force stays");
}

#[test]
fn what_is_in_force_is_shown_byte_for_byte_and_applied() {
    let office = Office::new();
    let shown = office.run(&["show"], &[]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert_eq!(text(&shown.stdout), IN_FORCE);
    assert!(office.node.asked().len() > 3, "it came in parts");
    let applied = office.run(&["--json", "apply"], &[&office.file("draft.toml", &draft())]);
    assert_eq!(text(&applied.stdout), "{\"register_revision\":8}\n", "{applied:?}");
}

#[test]
fn a_difference_says_who_gains_and_loses_what() {
    let office = Office::new();
    let (old, new) = (office.file("old.toml", IN_FORCE), office.file("new.toml", &draft()));
    let told = office.run(&["diff"], &[&old, &new]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let expected = "\
revision 7 → 8
portal 1
  - procedure: b
  - last day: never → 2027-12-31
  - last day: a never → 2027-12-31
official clerk-02 (portal 1)
  - enrolled: a
procedure a
  - claim: residence
  - oldest data: identity s 86400 → 600
procedure b
  - oldest data: identity s 86400 → 600
";
    let mut lines: Vec<_> = text(&told.stdout).lines().map(str::to_owned).collect();
    let mut expected: Vec<_> = expected.lines().map(str::to_owned).collect();
    assert_eq!(lines[0], expected[0]);
    lines.sort();
    expected.sort();
    assert_eq!(lines, expected);
    assert!(office.node.asked().is_empty(), "two files need no cluster");
    let same = office.run(&["--json", "diff", "-"], &[&old]);
    assert_eq!(text(&same.stdout), "{\"differences\":[],\"new_revision\":7,\"old_revision\":7}\n", "{same:?}");
}

#[test]
fn a_dry_run_counts_what_would_come_out_otherwise() {
    let office = Office::new();
    let draft = office.file("draft.toml", &draft());
    let told = office.run(&["--json", "dry-run", "--since", "2026-01-01"], &[&draft]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let told: serde_json::Value = serde_json::from_str(&text(&told.stdout)).unwrap();
    assert_eq!((&told["questions"], &told["unknown"]), (&6.into(), &1.into()), "{told}");
    let changes: Vec<String> = told["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            let part = |name: &str| change[name].to_string().replace('"', "");
            [part("procedure"), part("effect"), part("rule"), part("questions"), part("examples")].join(" ")
        })
        .collect();
    // 10 is answered from younger data, 11 claims what a no longer allows, 12 is of a procedure that is gone, 13 of an
    // official who is; 14 was refused and is still.
    assert_eq!(
        changes,
        ["a refused 2003 1 [13]", "a refused 2007 1 [11]", "a fresher null 1 [10]", "b refused 2005 1 [12]"]
    );
    let same = office.run(&["dry-run", "--since", "2026-01-01"], &[&office.file("same.toml", IN_FORCE)]);
    assert!(text(&same.stdout).contains("none of them would come out otherwise"), "{same:?}");
}

#[test]
fn a_card_is_asked_about_by_its_code_alone() {
    let office = Office::new();
    let scanned = "048190000017|201123456|Trần Thị Hoa|17051990|Nữ|12 Lê Lợi, Hải Châu, Đà Nẵng|01052021";
    let context = ["--procedure", "a", "--official", "clerk-01", "--dossier", "H17.26-0001"];
    let ask = |scanned: &str, more: &[&str]| {
        let mut command = program(office.folder.path());
        command.arg("verify").arg("--card-qr").arg(scanned).args(context).args(more).output().unwrap()
    };
    let _ = ask(scanned, &[]);
    let _ = ask(scanned, &["--card-claims", "card_issued"]);
    let asked = office.node.asked();
    let [Request::Ask(whole), Request::Ask(part)] = &asked[..] else { panic!("two questions: {asked:?}") };
    assert_eq!((whole.number.as_str(), whole.birth.as_str(), whole.claims.len()), ("048190000017", "1990-05-17", 7));
    assert_eq!(part.claims.len(), 1);
    let six = ask(scanned.rsplit_once('|').unwrap().0, &[]);
    assert_eq!(six.status.code(), Some(2));
    let told = text(&six.stderr);
    assert!(told.contains("has 7 fields") && !told.contains("Hoa"), "{told}");
}
