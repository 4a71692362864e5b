//! The operator's commands, run as an operator runs them: as processes.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Everything that has no default, with a keyring beside it.
const CONFIG: &str = r#"[cluster]
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
ca = "peer-ca.pem"
[authority]
kind = "embedded"
path = "population.sqlite"
[keyring]
file = "KEYRING"
"#;

fn run(arguments: &[&OsStr]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xacminh-node")).args(arguments).output().expect("the program runs")
}

/// What a command that succeeded said.
fn said(arguments: &[&OsStr]) -> String {
    let output = run(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} ended with {:?}: {complaint}", output.status.code());
    String::from_utf8(output.stdout).expect("text")
}

/// The keys of the log of 2027 in a keyring, as verifiers are given them.
fn keys_in(keyring: &Path) -> Vec<String> {
    let config = keyring.with_extension("node.toml");
    let name = keyring.file_name().expect("a file").to_str().expect("text");
    fs::write(&config, CONFIG.replace("KEYRING", name)).expect("a file");
    let keys = said(&["vkey".as_ref(), "--config".as_ref(), config.as_ref(), "--year".as_ref(), "2027".as_ref()]);
    keys.lines().map(str::to_owned).collect()
}

#[test]
fn a_keyring_is_made_rotated_and_told_to_verifiers() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths: [PathBuf; 3] = ["one.toml", "two.toml", "three.toml"].map(|name| folder.path().join(name));
    let [one, two, three] = [0, 1, 2].map(|at: usize| paths[at].as_os_str());
    said(&["keyring".as_ref(), "new".as_ref(), "--out".as_ref(), one]);
    let first = keys_in(&paths[0]);
    assert_eq!(first.len(), 1);
    assert!(first[0].starts_with("log.example.vn/48/2027+"), "{first:?}");

    let rotated = said(
        &["keyring", "rotate", "--in"]
            .map(OsStr::new)
            .into_iter()
            .chain([one, "--out".as_ref(), two])
            .collect::<Vec<_>>(),
    );
    assert!(rotated.contains("key 2 seals"), "{rotated}");
    assert_eq!(keys_in(&paths[1]), first, "a sealing key is none of the log");

    let moments = ["--from", "2900-01-01T00:00:00+07:00", "--until", "2900-02-01T00:00:00+07:00"].map(OsStr::new);
    let files = [OsStr::new("keyring"), "rotate-signing".as_ref(), "--in".as_ref(), two, "--out".as_ref(), three];
    let rotated = said(&files.into_iter().chain(moments).collect::<Vec<_>>());
    assert!(rotated.contains("signs from 2900-01-01T00:00:00+07:00 on"), "{rotated}");
    let both = keys_in(&paths[2]);
    assert_eq!((both.len(), &both[..1]), (2, &first[..]), "the old one goes on until then");
    assert_eq!(keys_in(&paths[1]), first, "the keyring read is left as it was");

    // Written over, a keyring would be lost with all that it opens.
    let again = run(&files.into_iter().chain(moments).collect::<Vec<_>>());
    assert_eq!(again.status.code(), Some(5), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn what_an_operator_types_wrong_is_refused_with_its_number() {
    let absent = OsStr::new("absent.toml");
    for (arguments, code) in [
        (vec!["keyring".as_ref(), "rotate-signing".as_ref(), "--in".as_ref(), absent], 2),
        (vec!["vkey".as_ref(), "--config".as_ref(), absent], 3),
        (vec!["keyring".as_ref(), "rotate".as_ref(), "--in".as_ref(), absent, "--out".as_ref(), absent], 5),
    ] {
        assert_eq!(run(&arguments).status.code(), Some(code), "{arguments:?}");
    }
}
