//! Licences, version floors and fences of `.cargo/deny.toml`, checked offline from `cargo metadata`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::process::Command;

use serde::Deserialize;

use super::{none, root};

#[derive(Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
    advisories: Advisories,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    spec: String,
    wrappers: Option<Vec<String>>,
    reason: String,
}

#[derive(Deserialize)]
struct Advisories {
    ignore: Vec<Ignored>,
}

#[derive(Deserialize)]
struct Ignored {
    id: String,
    reason: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    /// Names of what it really depends on here, with the features that are on.
    #[serde(skip)]
    knows: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

fn policy() -> Policy {
    let text = std::fs::read_to_string(root().join(".cargo/deny.toml")).expect("the policy");
    toml::from_str(&text).expect("the policy is TOML of this shape")
}

/// What is built for this machine; other platforms' crates may not be on its disk.
fn packages() -> Vec<Package> {
    let host = Command::new("rustc").arg("-vV").output().expect("rustc runs").stdout;
    let host = String::from_utf8(host).expect("UTF-8");
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", &host])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("metadata of version 1");
    let Metadata { mut packages, resolve } = metadata;
    assert!(packages.len() > 100, "the dependencies were not found");
    let names: HashMap<String, String> =
        packages.iter().map(|package| (package.id.clone(), package.name.clone())).collect();
    let known: HashMap<String, Vec<String>> =
        resolve.nodes.into_iter().map(|node| (node.id, node.dependencies)).collect();
    for package in &mut packages {
        package.knows = known[&package.id].iter().map(|id| names[id].clone()).collect();
    }
    packages
}

fn licence_complaints(packages: &[Package], policy: &Policy) -> Vec<String> {
    let allowed = |licence: &str| policy.licenses.allow.iter().any(|known| known == licence);
    let bad = packages.iter().filter(|package| {
        let expression = package.license.as_deref().unwrap_or("none given");
        !is_allowed(expression, &allowed)
    });
    bad.map(|package| format!("{} {}: licence {:?} is not allowed", package.name, package.version, package.license))
        .collect()
}

fn ban_complaints(packages: &[Package], policy: &Policy) -> Vec<String> {
    let mut complaints = Vec::new();
    for ban in &policy.bans.deny {
        let (name, versions) = ban.spec.split_once('@').unwrap_or((&ban.spec, ""));
        let matching = |package: &&Package| package.name == name && is_within(&package.version, versions);
        match &ban.wrappers {
            None => complaints.extend(
                packages
                    .iter()
                    .filter(matching)
                    .map(|found| format!("{} {}: {}", found.name, found.version, ban.reason)),
            ),
            Some(wrappers) => {
                let friends = |package: &&Package| package.name == name || wrappers.contains(&package.name);
                let strangers = packages.iter().filter(|package| !friends(package));
                let knowing = strangers.filter(|package| package.knows.iter().any(|known| known == name));
                complaints.extend(knowing.map(|found| format!("{} depends on {name}: {}", found.name, ban.reason)));
            }
        }
    }
    complaints
}

/// Whether an SPDX expression can be satisfied with allowed licences; `/` is an old spelling of OR.
fn is_allowed(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let satisfied = either(&mut words, allowed);
    satisfied && words.peek().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut satisfied = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        satisfied |= both(words, allowed);
    }
    satisfied
}

fn both(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut satisfied = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        satisfied &= one(words, allowed);
    }
    satisfied
}

fn one(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    match words.next() {
        Some("(") => {
            let satisfied = either(words, allowed);
            satisfied && words.next() == Some(")")
        }
        Some(licence) if words.next_if_eq(&"WITH").is_some() => {
            let exception = words.next().unwrap_or_default();
            allowed(&format!("{licence} WITH {exception}"))
        }
        Some(licence) => allowed(licence),
        None => false,
    }
}

/// Whether a version is inside `<a`, `>=a` or both, joined by a comma; nothing means every version.
fn is_within(version: &str, bounds: &str) -> bool {
    bounds.split(',').map(str::trim).filter(|bound| !bound.is_empty()).all(|bound| {
        if let Some(floor) = bound.strip_prefix(">=") {
            compare(version, floor) != Ordering::Less
        } else {
            let ceiling = bound.strip_prefix('<').expect("the policy's bounds are `<` and `>=`");
            compare(version, ceiling) == Ordering::Less
        }
    })
}

/// Semantic versions: numbers first, then a pre-release before its release.
fn compare(left: &str, right: &str) -> Ordering {
    let parts = |version: &str| {
        let version = version.split('+').next().unwrap_or_default().to_owned();
        let (core, early) =
            version.split_once('-').map_or((version.as_str(), None), |(core, early)| (core, Some(early)));
        let mut numbers: Vec<u64> = core.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        numbers.resize(3, 0);
        (numbers, early.map(str::to_owned))
    };
    let ((left, left_early), (right, right_early)) = (parts(left), parts(right));
    left.cmp(&right).then_with(|| match (left_early, right_early) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => {
            let key = |early: &str| -> Vec<(bool, u64, String)> {
                early
                    .split('.')
                    .map(|part| match part.parse() {
                        Ok(number) => (false, number, String::new()),
                        Err(_) => (true, 0, part.to_owned()),
                    })
                    .collect()
            };
            key(&left).cmp(&key(&right))
        }
    })
}

#[test]
fn every_licence_is_allowed() {
    none(&licence_complaints(&packages(), &policy()));
}

#[test]
fn no_banned_version_and_no_climber_over_a_fence() {
    none(&ban_complaints(&packages(), &policy()));
}

#[test]
fn packages_come_from_the_registry_or_from_here() {
    let stray = packages()
        .into_iter()
        .filter(|package| package.source.as_ref().is_some_and(|source| !source.starts_with("registry+")));
    none(&stray.map(|package| format!("{} comes from {:?}", package.name, package.source)).collect::<Vec<_>>());
}

#[test]
fn every_exception_gives_its_reason() {
    let policy = policy();
    assert!(policy.bans.deny.iter().all(|ban| ban.reason.len() > 20), "a ban without a reason");
    for ignored in &policy.advisories.ignore {
        assert!(ignored.id.starts_with("RUSTSEC-") && ignored.reason.len() > 40, "{}", ignored.id);
    }
}

#[test]
fn it_barks() {
    let package = |name: &str, version: &str, license: Option<&str>, knows: &[&str]| Package {
        id: String::new(),
        name: name.to_owned(),
        version: version.to_owned(),
        license: license.map(str::to_owned),
        source: None,
        knows: knows.iter().map(|name| (*name).to_owned()).collect(),
    };
    let policy = policy();
    let copyleft = [package("a", "1.0.0", Some("GPL-3.0-only"), &[]), package("b", "1.0.0", None, &[])];
    assert_eq!(licence_complaints(&copyleft, &policy).len(), 2);
    for (name, version) in [
        ("quinn-proto", "0.11.18"),
        ("openraft", "0.9.25"),
        ("openraft", "0.10.0-alpha.27"),
        ("bincode", "3.0.0"),
        ("aws-lc-sys", "0.46.9"),
        ("openssl", "0.10.0"),
    ] {
        assert_eq!(ban_complaints(&[package(name, version, None, &[])], &policy).len(), 1, "{name} {version}");
    }
    let climber = [package("xacminh-client", "0.1.0", None, &["rocksdb", "xacminh-node"])];
    assert_eq!(ban_complaints(&climber, &policy).len(), 2);
}

#[test]
fn expressions_and_versions_are_read_right() {
    let allowed = |licence: &str| matches!(licence, "MIT" | "ISC" | "Apache-2.0 WITH LLVM-exception");
    for (expression, expected) in [
        ("MIT", true),
        ("MIT/GPL-2.0", true),
        ("GPL-2.0 OR ISC", true),
        ("MIT AND GPL-2.0", false),
        ("(MIT OR GPL-2.0) AND ISC", true),
        ("(MIT OR ISC) AND GPL-2.0", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
        ("Apache-2.0", false),
        ("MIT)", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
    for (version, bounds, expected) in [
        ("0.10.0-alpha.37", "<0.10.0-alpha.28", false),
        ("0.10.0-alpha.3", "<0.10.0-alpha.28", true),
        ("0.10.0", "<0.10.0-alpha.28", false),
        ("2.0.1", ">=2, <2.0.1", false),
        ("0.19.0+11.8.1", "<0.19.1", true),
        ("1.2.3", "", true),
    ] {
        assert_eq!(is_within(version, bounds), expected, "{version} {bounds}");
    }
}
