//! What may not stand in any file, and how long a file may be.

use super::{Source, none, sources};

/// Longest Rust file, in lines: one noun or one story fits.
const LINES_MAX: usize = 500;

/// Words that are left behind by accident.
/// Split, so that a search for left-overs finds none here.
const UNFINISHED: [&str; 4] =
    [concat!("todo", "!("), concat!("dbg", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME")];

/// Paths of one person's machine; a clone elsewhere would break, or tell where it came from.
const MACHINE_PATHS: [&str; 4] = [concat!("/", "work/"), "/root/", "/home/", "/Users/"];

/// Hosts of package registries: where packages come from is the user's configuration, not ours.
/// Split, so that this file does not complain about itself.
const REGISTRIES: [(&str, &str); 6] = [
    ("crates", ".io"),
    ("pypi", ".org"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("proxy.golang", ".org"),
    ("docker", ".io"),
];

fn complaints(source: &Source) -> Vec<String> {
    // Written by cargo, which names the registry by its fixed address.
    if source.path == "Cargo.lock" || source.path.ends_with("/Cargo.lock") {
        return Vec::new();
    }
    // Written by .ci/rocksdb for this machine, and not in git.
    if source.path == ".cargo/local.toml" {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    let lines = source.text.lines().count();
    if source.is("rs") && lines > LINES_MAX {
        complaints
            .push(format!("{}: {lines} lines, more than {LINES_MAX}: which story is the second one?", source.path));
    }
    if source.path == "chaos-tests/tests/tidy/words.rs" {
        return complaints;
    }
    for (number, line) in source.text.lines().enumerate() {
        let place = format!("{}:{}", source.path, number + 1);
        if let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)).filter(|_| !is_rule(line)) {
            complaints.push(format!("{place}: `{word}` says that it is not finished"));
        }
        if let Some(path) = MACHINE_PATHS.iter().find(|path| begins_in(line, path)) {
            complaints.push(format!("{place}: `{path}` is a path of one machine"));
        }
        if REGISTRIES.iter().any(|(name, end)| line.contains(&format!("{name}{end}"))) {
            complaints.push(format!("{place}: names a package registry"));
        }
    }
    complaints
}

/// Whether an absolute path stands in a line; in `xacminh://dev/root/1` it is the middle of something else.
fn begins_in(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().last();
        !before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '}' | '*'))
    })
}

/// A lint's name is not the thing it forbids.
fn is_rule(line: &str) -> bool {
    line.contains("= \"warn\"") || line.contains("= \"deny\"")
}

/// The wall clock is read in one file of the node and in at most one of the client.
fn clock_complaints(all: &[Source]) -> Vec<String> {
    let readers: Vec<&str> = all
        .iter()
        .filter(|source| source.is("rs") && !source.path.starts_with("chaos-tests/tests/tidy/"))
        .filter(|source| {
            source.text.lines().any(|line| {
                let code = line.find("//").map_or(line, |at| &line[..at]);
                code.contains("SystemTime::now(") || code.contains("OffsetDateTime::now_utc(")
            })
        })
        .map(|source| source.path.as_str())
        .collect();
    let mut complaints: Vec<String> = readers
        .iter()
        .filter(|path| {
            let tool = ["benches/", "chaos-tests/", "client/"].iter().any(|place| path.starts_with(place));
            **path != "node/src/env.rs" && !tool
        })
        .map(|path| format!("{path}: reads the wall clock; time comes from env::Clock"))
        .collect();
    let client: Vec<&&str> = readers.iter().filter(|path| path.starts_with("client/")).collect();
    if client.len() > 1 {
        complaints
            .push(format!("the client reads the wall clock in {} files, one is enough: {client:?}", client.len()));
    }
    complaints
}

#[test]
fn no_file_says_what_it_should_not() {
    none(&sources().iter().flat_map(complaints).collect::<Vec<_>>());
}

#[test]
fn the_wall_clock_is_read_in_one_place() {
    none(&clock_complaints(&sources()));
}

#[test]
fn it_barks() {
    let registry = format!("url = \"https://static.{}{}/\"", REGISTRIES[0].0, REGISTRIES[0].1);
    let long = "\n".repeat(LINES_MAX + 1);
    for text in ["fn a() { todo!() }", "dbg!(x);", "// see /root/notes", registry.as_str(), long.as_str()] {
        assert_eq!(complaints(&Source::sample("node/src/a.rs", text)).len(), 1, "{text}");
    }
    assert!(complaints(&Source::sample("a.rs", "parse(\"xacminh://dev/root/1\")")).is_empty());
    assert!(complaints(&Source::sample("Cargo.toml", "todo = \"warn\"\ndbg_macro = \"warn\"")).is_empty());
}

#[test]
fn it_barks_at_a_second_clock() {
    let now = "let now = SystemTime::now();";
    let sample = |paths: &[&str]| {
        let sources: Vec<Source> = paths.iter().map(|path| Source::sample(path, now)).collect();
        clock_complaints(&sources).len()
    };
    assert_eq!(sample(&["node/src/env.rs", "client/src/clock.rs", "benches/src/load.rs"]), 0);
    assert_eq!(sample(&["node/src/raft/start.rs"]), 1);
    assert_eq!(sample(&["node/core/src/apply.rs"]), 1);
    assert_eq!(sample(&["client/src/a.rs", "client/src/b.rs"]), 1);
}
