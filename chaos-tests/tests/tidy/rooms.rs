//! Who may know whom (docs: the architecture's invariants), read from the imports.

use super::{Source, none, sources};

/// A name that only some places may know.
struct Fence {
    /// The crate or module as it stands in a path (`name::…`) or an import.
    name: &'static str,
    /// Where the fence holds; paths that begin so.
    within: &'static [&'static str],
    /// Who may know the name all the same; paths that begin so.
    allowed: &'static [&'static str],
    why: &'static str,
}

const EVERYWHERE: &[&str] = &[""];
const PURE: &[&str] = &["proto/src/", "node/core/src/"];

const FENCES: &[Fence] = &[
    Fence { name: "rocksdb", within: EVERYWHERE, allowed: &["node/src/store"], why: "only store names rocksdb" },
    Fence {
        name: "quinn",
        within: EVERYWHERE,
        // Tests play callers that our own client would never be.
        allowed: &[
            "node/src/quic",
            "node/src/raft/network",
            "client/src/connection",
            "node/tests/",
            "client/tests/",
            "chaos-tests/",
        ],
        why: "only the ends of a connection name quinn",
    },
    Fence {
        name: "openraft",
        within: EVERYWHERE,
        allowed: &["node/src/raft", "node/src/store", "node/tests/", "benches/benches/"],
        why: "only raft and store name openraft",
    },
    Fence {
        name: "bincode",
        within: EVERYWHERE,
        allowed: &["proto/src/codec", "proto/fuzz/"],
        why: "bytes are made and read in the codec",
    },
    Fence {
        name: "ed25519_dalek",
        within: EVERYWHERE,
        allowed: &["proto/src/transparency/", "proto/tests/"],
        why: "notes are checked in proto, and secrets sign with aws-lc-rs",
    },
    Fence {
        name: "xacminh_proto::wire",
        within: &["node/"],
        allowed: &["node/src/serve", "node/src/raft/network", "node/tests/"],
        why: "only serve and raft/network see wire types",
    },
    Fence {
        name: "xacminh_core",
        within: &["proto/", "client/"],
        // A register is checked, compared and replayed by the rules that will judge by it, and by no copy of them.
        allowed: &["client/src/cli/register"],
        why: "neither proto nor client know the rules, but for who writes them",
    },
    Fence {
        name: "xacminh_client",
        within: &["proto/", "node/"],
        allowed: &[],
        why: "the node does not know its clients",
    },
    Fence {
        name: "signed_note",
        within: EVERYWHERE,
        allowed: &["proto/tests/"],
        why: "other implementations check ours and are no part of it",
    },
    Fence {
        name: "tlog_tiles",
        within: EVERYWHERE,
        allowed: &["proto/tests/"],
        why: "other implementations check ours and are no part of it",
    },
    Fence {
        name: "xacminh_node",
        within: EVERYWHERE,
        allowed: &["benches/", "chaos-tests/", "node/src/main.rs", "node/tests/"],
        why: "nothing knows the node but tests and benches",
    },
    Fence { name: "std::fs", within: PURE, allowed: &[], why: "the rules know no disk" },
    Fence { name: "std::net", within: PURE, allowed: &[], why: "the rules know no socket" },
    Fence { name: "std::thread", within: PURE, allowed: &[], why: "the rules know no thread" },
    Fence { name: "std::time", within: PURE, allowed: &[], why: "time is data: the leader stamps it" },
    Fence { name: "tokio", within: PURE, allowed: &[], why: "the rules are synchronous" },
    Fence { name: "rand", within: PURE, allowed: &[], why: "chance is an argument" },
];

/// Rust files whose code says `fence.name` where it may not. Tests at the bottom of a file are not exempt.
fn complaints(source: &Source) -> Vec<String> {
    if !source.is("rs") || source.path.starts_with("chaos-tests/tests/tidy/") {
        return Vec::new();
    }
    let code = code_of(&source.text);
    let begins = |places: &[&str]| places.iter().any(|place| source.path.starts_with(place));
    FENCES
        .iter()
        .filter(|fence| begins(fence.within) && !begins(fence.allowed) && knows(&code, fence.name))
        .map(|fence| format!("{}: knows `{}`, but {}", source.path, fence.name, fence.why))
        .collect()
}

/// The text without comments, and with imports on one line each.
fn code_of(text: &str) -> String {
    let lines = text.lines().map(|line| line.find("//").map_or(line, |at| &line[..at]));
    lines.collect::<Vec<_>>().join(" ")
}

fn knows(code: &str, name: &str) -> bool {
    if has_word(code, &format!("{name}::")) || has_word(code, &format!("use {name};")) {
        return true;
    }
    let imports = code.split(';').filter_map(|statement| {
        let at = statement.rfind("use ")?;
        (at == 0 || !is_word(statement.as_bytes()[at - 1])).then(|| &statement[at + 4..])
    });
    imports.into_iter().any(|import| imports_name(import, name))
}

/// `use a::{b, c::{d}}` knows `a::b`: its first part begins the import, the last stands in the tree as a word.
fn imports_name(import: &str, name: &str) -> bool {
    let (parent, leaf) = name.rsplit_once("::").unwrap_or(("", name));
    let import = import.trim_start();
    if parent.is_empty() {
        return import.starts_with(name) && !import.as_bytes().get(name.len()).is_some_and(|next| is_word(*next));
    }
    import.strip_prefix(parent).and_then(|rest| rest.trim_start().strip_prefix("::")).is_some_and(|tree| {
        // Only the first level of the tree: `vocab::wire` is another thing.
        let mut depth = 0_usize;
        let mut level = String::new();
        for letter in tree.chars() {
            depth = match letter {
                '{' => depth + 1,
                '}' => depth.saturating_sub(1),
                _ => depth,
            };
            if depth <= 1 {
                level.push(letter);
            }
        }
        level
            .split(['{', '}', ','])
            .any(|item| item.trim().split("::").next().is_some_and(|first| first.trim() == leaf))
    })
}

fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        // A path that begins in the middle of another (`my_tokio::`, `crate::rand::`) is another name.
        let before = code[..at].bytes().last();
        !before.is_some_and(|byte| is_word(byte) || byte == b':')
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[test]
fn everybody_knows_only_whom_they_may() {
    none(&sources().iter().flat_map(complaints).collect::<Vec<_>>());
}

#[test]
fn it_barks() {
    let table = [
        ("node/src/verify.rs", "use rocksdb::DB;", "rocksdb"),
        ("node/src/verify.rs", "fn a() -> quinn::Connection {}", "quinn"),
        ("node/src/admin.rs", "use openraft;", "openraft"),
        ("node/core/src/apply.rs", "let x = std::time::Instant::now();", "std::time"),
        ("node/core/src/apply.rs", "use std::{fs, fmt};", "std::fs"),
        (
            "node/src/verify/desk.rs",
            "use xacminh_proto::{\n    vocab::{Claim, Date},\n    wire::Reply,\n};",
            "xacminh_proto::wire",
        ),
        ("node/core/src/decide.rs", "use xacminh_proto::wire;", "xacminh_proto::wire"),
        ("client/src/lib.rs", "use xacminh_core::decide;", "xacminh_core"),
        ("client/src/lib.rs", "use xacminh_node::env;", "xacminh_node"),
        ("proto/src/wire/mod.rs", "bincode::serde::encode_to_vec(x)", "bincode"),
        ("proto/src/vocab/ids.rs", "#[cfg(test)] mod tests { use rand::Rng; }", "rand"),
    ];
    for (path, text, name) in table {
        let complaints = complaints(&Source::sample(path, text));
        assert!(complaints.iter().any(|found| found.contains(&format!("`{name}`"))), "{path} {text}: {complaints:?}");
    }
}

#[test]
fn it_does_not_bark_at_friends() {
    let table = [
        ("node/src/store/disk.rs", "use rocksdb::DB;"),
        ("node/src/quic/endpoint.rs", "use quinn::Endpoint;"),
        ("node/src/verify.rs", "// rocksdb::DB would be wrong here\nuse xacminh_proto::vocab::{wired, Date};"),
        ("node/src/serve/door.rs", "use xacminh_proto::wire::Reply;"),
        ("node/core/src/apply.rs", "use std::collections::BTreeMap; use crate::rand_like::X;"),
        ("client/src/wire.rs", "use crate::wire::X; use xacminh_proto::wire::Reply;"),
    ];
    for (path, text) in table {
        assert_eq!(complaints(&Source::sample(path, text)), Vec::<String>::new());
    }
}
