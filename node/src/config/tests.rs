//! What the configuration accepts, refuses and says.

use xacminh_core::register::Register;
use xacminh_proto::vocab::{Attribute, ClaimKind, OfficialId, PortalId, ProcedureCode};

use super::*;

/// Everything that has no default, and nothing else.
const REQUIRED: &str = r#"[cluster]
name = "da-nang"
province = "48"
domain = "log.example.vn"
[node]
id = 1
data_dir = "data"
[[members]]
id = 1
peer_addr = "127.0.0.1:7500"
client_addr = "127.0.0.1:7400"
[client.tls]
cert = "c.pem"
key = "c.key"
ca = "ca.pem"
[peer.tls]
cert = "p.pem"
key = "p.key"
ca = "/etc/peer-ca.pem"
[authority]
kind = "embedded"
path = "population.sqlite"
[keyring]
file = "keyring.toml"
"#;

fn parse_text(text: &str) -> Result<Config, ConfigError> {
    parse(Path::new("conf/node.toml"), text)
}

/// The one line an operator sees.
fn complaint(text: &str) -> String {
    let complaint = parse_text(text).expect_err("must be refused").to_string();
    assert!(!complaint.contains('\n'), "one line: {complaint}");
    complaint
}

#[test]
fn the_required_keys_are_enough_and_paths_are_relative_to_the_file() {
    let config = parse_text(REQUIRED).expect("loads");
    assert_eq!(config.node.data_dir, Path::new("conf/data"));
    assert_eq!(config.peer.tls.ca, Path::new("/etc/peer-ca.pem"), "absolute stays absolute");
    assert_eq!(config.raft, Raft::default());
    assert_eq!(config.authority.deadline_ms, 1_500);
    assert_eq!(config.own_member().map(|member| member.id), Some(1));
    let sqlite = Path::new("conf/population.sqlite");
    assert!(config.files().contains(&("authority.path", sqlite)));
}

/// A text table: what is wrong in the file → what the operator reads.
#[test]
fn mistakes_are_told_with_line_and_advice() {
    let appended = |text: &str| format!("{REQUIRED}{text}");
    let replaced = |old: &str, new: &str| {
        assert!(REQUIRED.contains(old), "{old}");
        REQUIRED.replacen(old, new, 1)
    };
    let lines = REQUIRED.lines().count();
    let table = [
        (appended("[raft]\nhartbeat_ms = 50\n"), lines + 2, "unknown key `hartbeat_ms`; did you mean `heartbeat_ms`?"),
        (appended("[rafft]\n"), lines + 1, "unknown key `rafft`; did you mean `raft`?"),
        (appended("colour = \"red\"\n"), lines + 1, "unknown key `colour`"),
        (replaced("path = ", "pathh = "), 22, "unknown key `pathh`; did you mean `path`?"),
        (replaced("id = 1\ndata", "id = \"one\"\ndata"), 6, "invalid type: string \"one\", expected u64"),
        (replaced("province = \"48\"\n", ""), 1, "missing field `province`"),
        (replaced("province = \"48\"", "province = \"4\""), 3, "cluster.province: two digits"),
        (replaced("name = \"da-nang\"", "name = \"Đà Nẵng\""), 2, "cluster.name: 1 to 63 of a-z"),
        (replaced("domain = \"log.example.vn\"", "domain = \"vn\""), 4, "cluster.domain: a domain name"),
        (replaced("id = 1\ndata", "id = 3\ndata"), 6, "node.id: 3 is not among the members (1)"),
        (replaced("127.0.0.1:7500", "127.0.0.1"), 10, "members.0.peer_addr: host:port is needed"),
        (replaced("127.0.0.1:7500", "127.0.0.1:7400"), 11, "members.0.client_addr: the address 127.0.0.1:7400"),
        (replaced("kind = \"embedded\"", "kind = \"oracle\""), 20, "kind is \"embedded\" or \"postgres\""),
        (replaced("kind = \"embedded\"", "kind = \"postgres\""), 20, "`path` belongs to kind \"embedded\""),
        (appended("[raft]\nelection_timeout_min_ms = 100\n"), lines + 2, "raft.election_timeout_min_ms: at least 3"),
        (replaced("id = 1\ndata", "id = 1\nblock_cache_mib = 0\ndata"), 7, "node.block_cache_mib: 8 to 1048576"),
        (appended("[raft]\nappends_in_flight = 0\n"), lines + 2, "raft.appends_in_flight: more than 0 is needed"),
        (appended("[freshness]\n"), lines + 1, "unknown key `freshness`"),
        (appended("[log]\nlevel = \"info,=\"\n"), lines + 2, "log.level: error, warn"),
        (appended("[log]\nformat = \"xml\"\n"), lines + 2, "unknown variant `xml`, expected `json` or `text`"),
        (appended("[node]\n"), lines + 1, "duplicate key"),
        ("[cluster\n".to_owned(), 1, "unclosed table"),
    ];
    for (text, line, expected) in table {
        let complaint = complaint(&text);
        let place = format!("conf/node.toml:{line}: ");
        assert!(complaint.starts_with(&place), "expected {place}…{expected}, got: {complaint}");
        assert!(complaint.contains(expected), "expected {expected}, got: {complaint}");
    }
}

#[test]
fn two_members_cannot_share_a_number_and_two_doors_cannot_share_a_port() {
    let twin = "[[members]]\nid = 1\npeer_addr = \"h:1\"\nclient_addr = \"h:2\"\n";
    assert!(complaint(&format!("{REQUIRED}{twin}")).contains("members.1.id: two members have the number 1"));
    let door = REQUIRED.replace("[peer.tls]", "[peer]\nlisten = \"127.0.0.1:7400\"\n[peer.tls]");
    assert!(complaint(&door).contains("peer.listen: port 7400 is the client port already"));
}

#[test]
fn a_key_in_the_place_of_its_name_is_not_repeated() {
    let text = REQUIRED.replace("[keyring]", "[keyring]\nencryption_key_env = \"0f0f:secret\"");
    let complaint = complaint(&text);
    assert!(complaint.contains("the name of an environment variable"), "{complaint}");
    assert!(!complaint.contains("secret"), "{complaint}");
}

#[test]
fn debug_output_has_no_database_password() {
    let text = REQUIRED.replace(
        "kind = \"embedded\"\npath = \"population.sqlite\"",
        "kind = \"postgres\"\nurl = \"postgres://reader:hunter2@db/population\"",
    );
    let config = parse_text(&text).expect("loads");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(matches!(config.authority.source, AuthoritySource::Postgres { pool_size: 8, .. }));
}

#[test]
fn a_missing_or_huge_file_is_unreadable() {
    let missing = load(Path::new("no-such-directory/node.toml")).expect_err("missing").to_string();
    assert!(missing.starts_with("no-such-directory/node.toml: cannot read the configuration: "), "{missing}");
    let directory = tempfile::tempdir().expect("temporary directory");
    let huge = directory.path().join("huge.toml");
    let bytes = usize::try_from(FILE_BYTES_MAX).expect("a mebibyte") + 1;
    std::fs::write(&huge, vec![b'#'; bytes]).expect("written");
    assert!(matches!(load(&huge), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn check_names_missing_files_and_doubts() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("node.toml");
    let text = REQUIRED.replace("/etc/peer-ca.pem", "p-ca.pem");
    std::fs::write(&path, format!("{text}[admin]\nlisten = \"0.0.0.0:7600\"\n")).expect("written");
    let report = check(&path).expect("loads");
    assert!(!report.is_ok());
    assert_eq!(report.problems.len(), 8, "{report}");
    assert!(report.problems[0].contains("node.toml:13: client.tls.cert: cannot use "), "{report}");
    for doubt in ["a single member", "no authentication", "keyring is in clear", "refuse every question"] {
        assert!(report.warnings.iter().any(|warning| warning.contains(doubt)), "{doubt}: {report}");
    }
    let config = load(&path).expect("loads");
    for (_, file) in config.files() {
        std::fs::write(file, "x").expect("written");
    }
    let report = check(&path).expect("loads");
    assert!(report.is_ok(), "{report}");
    assert!(report.to_string().ends_with("warning(s)"), "{report}");
}

#[test]
fn an_even_number_of_members_is_doubted() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("node.toml");
    let second = "[[members]]\nid = 2\npeer_addr = \"h:1\"\nclient_addr = \"h:2\"\n";
    std::fs::write(&path, format!("{REQUIRED}{second}")).expect("written");
    let report = check(&path).expect("loads");
    assert!(report.warnings.iter().any(|warning| warning.contains("2 members survive no more")), "{report}");
}

/// On loopback, too: an open proxy in front is an open log.
#[test]
fn a_log_whose_entries_everybody_reads_is_doubted() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("node.toml");
    for (readers, is_doubted) in [("none", true), ("required", false)] {
        let server = format!(
            "[log_server]\nlisten = \"127.0.0.1:7700\"\nclient_certificates = \"{readers}\"\n\
             [log_server.tls]\ncert = \"w.pem\"\nkey = \"w.key\"\nca = \"ca.pem\"\n"
        );
        std::fs::write(&path, format!("{REQUIRED}{server}")).expect("written");
        let report = check(&path).expect("loads");
        let doubt = "procedures with `visibility = \"delayed\"` are not delayed";
        assert_eq!(report.warnings.iter().any(|warning| warning.contains(doubt)), is_doubted, "{report}");
    }
}

#[test]
fn check_reads_the_register_too() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("node.toml");
    let text = REQUIRED.replace("/etc/peer-ca.pem", "p-ca.pem");
    std::fs::write(&path, format!("{text}[bootstrap]\nregister = \"register.toml\"\n")).expect("written");
    for (_, file) in load(&path).expect("loads").files() {
        std::fs::write(file, "x").expect("written");
    }
    let register = directory.path().join("register.toml");
    std::fs::write(&register, "[register]\nrevision = 0\n").expect("written");
    let report = check(&path).expect("loads");
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(report.problems[0].contains("register.toml: line 2: the revision"), "{report}");
    std::fs::write(&register, include_str!("../../../cluster-configs/registers/dev.toml")).expect("written");
    assert!(check(&path).expect("loads").is_ok());
}

/// The register that `make demo` and `make cluster` start with.
#[test]
fn the_development_register_grants_what_the_demo_shows() {
    let register = Register::parse(include_str!("../../../cluster-configs/registers/dev.toml")).expect("parses");
    assert_eq!((register.portals().count(), register.procedures().count(), register.officials()), (3, 9, 3));
    let code = |code: &str| ProcedureCode::parse(code).expect("a code");
    let official = |id: &str| OfficialId::parse(id).expect("an id");
    let office = register.portal(PortalId(1)).expect("the one-stop office");
    let residence = register.procedure(&code("1.004222")).expect("permanent residence");
    let copies = register.procedure(&code("2.000635")).expect("copies of extracts");
    let business = register.procedure(&code("1.001612")).expect("business household");
    assert!(office.granted(&official("clerk-01"), copies) && !office.granted(&official("clerk-02"), copies));
    assert!(office.granted(&official("clerk-02"), residence) && !office.may_use(business));
    assert!(business.allows(ClaimKind::AgeAtLeast) && !business.attributes.contains(Attribute::BirthDate));
    assert!(register.portal(PortalId(3)).is_some_and(|portal| portal.suspended));
    for procedure in register.procedures() {
        let shaped = procedure.code.as_str().split_once('.').is_some_and(|(series, number)| {
            ["1", "2", "3"].contains(&series) && number.len() == 6 && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        assert!(shaped, "{}: not a code of the national portal", procedure.code);
    }
}

/// The production example shows every knob, at its default.
#[test]
fn the_production_example_is_every_knob_at_its_default() {
    let text = include_str!("../../../cluster-configs/production-example.toml");
    let example = parse_text(text).expect("the example loads");
    // The same file with only what has no default.
    let mut bare = example.clone();
    bare.raft = Raft::default();
    bare.admin = Admin::default();
    bare.log = Log::default();
    bare.client.limits = ClientLimits::default();
    let minimal = parse_text(REQUIRED).expect("loads");
    bare.client.listen = minimal.client.listen;
    bare.peer.listen = minimal.peer.listen;
    let AuthoritySource::Postgres { url, .. } = &example.authority.source else {
        panic!("a production cluster asks a server")
    };
    let AuthoritySource::Postgres { pool_size, connect_timeout_ms, .. } = AuthoritySource::postgres(url.clone()) else {
        panic!("postgres() makes Postgres")
    };
    let mut patience = Authority::new(example.authority.source.clone());
    if let AuthoritySource::Postgres { pool_size: pool, connect_timeout_ms: timeout, .. } = &mut patience.source {
        (*pool, *timeout) = (pool_size, connect_timeout_ms);
    }
    bare.authority = patience;
    assert_eq!(example, bare, "a value differs from its default");

    // Every knob is written, if only as a comment: `key =` or `# key =`.
    let mut knobs = Vec::new();
    let mut full = example;
    full.client.tls.crl = Some(PathBuf::new());
    full.keyring.encryption_key_env = Some(String::new());
    full.keyring.encryption_key_file = Some(PathBuf::new());
    full.bootstrap.register = Some(PathBuf::new());
    collect_keys(&toml::Value::try_from(&full).expect("serialises"), &mut knobs);
    assert!(knobs.len() > 40, "{knobs:?}");
    for knob in knobs.into_iter().chain(["path".to_owned()]) {
        let written = text.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ']);
            line.split_once('=').is_some_and(|(key, _)| key.trim() == knob)
        });
        assert!(written, "the production example does not show `{knob}`");
    }
}

fn collect_keys(value: &toml::Value, keys: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                if !value.is_table() && !value.is_array() {
                    keys.push(key.clone());
                }
                collect_keys(value, keys);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        _ => {}
    }
}

/// The files `make cluster` starts from.
#[test]
fn the_development_configs_load_and_fit_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster-configs/dev");
    load(&root.join("one.toml")).expect("one.toml");
    let three: Vec<Config> = (1..=3_u64)
        .map(|id| {
            let config = load(&root.join(format!("three/node-{id}.toml"))).expect("loads");
            assert_eq!(config.node.id, id);
            config
        })
        .collect();
    for config in &three {
        assert_eq!(config.members, three[0].members);
        assert_eq!(config.cluster, three[0].cluster);
        assert_eq!(config.keyring, three[0].keyring, "one keyring for all");
        assert!(config.admin.listen.ip().is_loopback());
        let member = config.own_member().expect("a member");
        assert_eq!(member.client_addr, config.client.listen.to_string());
        assert_eq!(member.peer_addr, config.peer.listen.to_string());
    }
}
