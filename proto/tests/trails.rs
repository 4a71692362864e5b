//! A person's trail end to end: read, verified, and refused as soon as a byte of it is another one or a leaf is missing.

#[allow(dead_code, reason = "each test takes what it needs of the fixed values")]
mod common;

use std::{
    env,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use common::{
    log::{ORIGIN, log_key},
    trail::{NEXT_ORIGIN, next_key, pruned_trail, trail, trail_without},
};
use xacminh_proto::{
    transparency::{
        Policy, Stated, Statement,
        policy::PolicyError,
        trail::{Access, TRAIL_ENTRIES_MAX, TrailEntry, TrailError, TrailProof, VerifiedTrail},
    },
    vocab::{PersonNumber, PortalId},
};

/// A policy of both shards.
fn policy() -> Policy {
    let file = format!("log {}\nlog {}\nquorum none\n", log_key().public, next_key().public);
    Policy::parse(file.as_bytes()).expect("a policy")
}

fn verify(bytes: &[u8]) -> Result<VerifiedTrail, TrailError> {
    TrailProof::parse(bytes)?.verify(&policy())
}

#[test]
fn a_trail_says_who_looked_and_what_is_yet_to_be_seen() {
    let bytes = trail().encode();
    assert_eq!(TrailProof::parse(bytes.as_bytes()), Ok(trail()));
    let verified = verify(bytes.as_bytes()).expect("a sound trail");
    assert_eq!((verified.end.origin.as_str(), verified.end.size, verified.end.count), (NEXT_ORIGIN, 20, 4));
    assert_eq!(verified.subject, PersonNumber::parse("048203000015").ok());
    let [first, second, third, fourth] = verified.accesses.as_slice() else { panic!("four accesses") };
    for (access, expected) in [(first, (ORIGIN, 5)), (second, (ORIGIN, 41)), (fourth, (NEXT_ORIGIN, 9))] {
        let Access::Shown { origin, index, leaf, .. } = access else { panic!("shown") };
        assert_eq!(((origin.as_str(), *index), leaf.portal), (expected, PortalId(17)));
    }
    let Access::Shown { statements, .. } = first else { panic!("shown") };
    assert_eq!(
        statements.as_slice(),
        [Statement::Outcome(Stated::Confirmed { as_of_ms: 1_803_859_200_123, reissued: false })]
    );
    assert!(matches!(third, Access::Withheld(until) if until.to_string() == "2028-05-30"));
    let printed = format!("{:?} {verified:?}", trail());
    assert!(!printed.contains("048203000015"), "{printed}");
}

/// A trail leaves the log before a witness has seen its heads: it holds, and says so.
#[test]
fn a_trail_that_no_witness_has_seen_holds_and_is_told_apart() {
    assert!(verify(trail().encode().as_bytes()).expect("a sound trail").is_cosigned, "nobody wants witnesses");
    let witness = common::log::witness_key(1).public;
    let file = format!("log {}\nlog {}\nwitness w {witness}\nquorum w\n", log_key().public, next_key().public);
    let strict = Policy::parse(file.as_bytes()).expect("a policy");
    let verified = trail().verify(&strict).expect("signed by the logs");
    assert_eq!((verified.is_cosigned, verified.accesses.len()), (false, 4));
    let one_log = format!("log {}\nwitness w {witness}\nquorum w\n", log_key().public);
    let one_log = Policy::parse(one_log.as_bytes()).expect("a policy");
    assert_eq!(trail().verify(&one_log), Err(TrailError::Policy(PolicyError::Origin)), "the logs are not waived");
}

/// Every byte of a trail, and every cut: refused, whichever it is.
#[test]
fn every_changed_byte_is_refused() {
    let bytes = trail().encode().into_bytes();
    let policy = policy();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 7);
        let verified = TrailProof::parse(&changed).and_then(|trail| trail.verify(&policy));
        assert!(verified.is_err(), "byte {at} ({})", char::from(bytes[at]));
        assert!(TrailProof::parse(&bytes[..at]).and_then(|trail| trail.verify(&policy)).is_err(), "cut to {at}");
    }
}

/// A node cannot leave out what it likes: in the middle the links tell, even under a signature made for what is left; at
/// the end the signature tells, unless the log itself signs a shorter trail, which is then proof against it.
#[test]
fn what_is_left_out_shows() {
    for left_out in 0..3 {
        for signed in [true, false] {
            let verified = trail_without(&[left_out], signed).verify(&policy());
            // A withheld leaf shows no link: what is missing before it shows in the leaf after it.
            let place = [0, 2, 2][left_out];
            assert_eq!(verified, Err(TrailError::Broken { place }), "{left_out} {signed}");
        }
    }
    assert_eq!(trail_without(&[3], false).verify(&policy()), Err(TrailError::Incomplete));
    assert!(trail_without(&[3], true).verify(&policy()).is_ok());
}

/// What is no longer kept is in its place by its hash; how much that is, the log signs.
#[test]
fn what_is_no_longer_kept_is_counted_under_the_logs_signature() {
    for gone in 0..3 {
        let told = u64::try_from(gone).expect("few");
        let trail = pruned_trail(0..gone, told);
        let text = trail.encode();
        assert_eq!(text.contains(&format!("\npruned {gone}\n")), gone > 0);
        let verified = verify(text.as_bytes()).expect("a sound trail");
        assert_eq!((verified.end.pruned, verified.end.count), (told, 4));
        let pruned = verified.accesses.iter().filter(|access| matches!(access, Access::Pruned { .. }));
        let places: Vec<_> = pruned.collect();
        assert_eq!(places.len(), gone);
        for other in [told.wrapping_sub(1), told + 1] {
            let wrong = pruned_trail(0..gone, other).verify(&policy());
            assert_eq!(wrong, Err(TrailError::Pruned), "{gone} are gone, {other} are told");
        }
    }
    // A leaf in the middle is not gone before those before it.
    assert_eq!(pruned_trail(1..2, 1).verify(&policy()), Err(TrailError::Pruned));
    // Whoever hands a whole trail on cannot take a leaf out of it.
    let (whole, gone) = (trail().encode(), pruned_trail(0..1, 1).encode());
    let line_of = |text: &str, word: &str| text.lines().find(|line| line.starts_with(word)).expect("there").to_owned();
    let forged = whole.replacen(&line_of(&whole, "shown "), &line_of(&gone, "pruned 0"), 1);
    assert_eq!(verify(forged.as_bytes()), Err(TrailError::Pruned));
    let moved = gone.replacen("\npruned 0 5 ", "\npruned 0 6 ", 1);
    assert!(matches!(verify(moved.as_bytes()), Err(TrailError::Proof { place: 0, .. })), "another leaf's place");
}

#[test]
fn entries_that_are_moved_doubled_or_exchanged_are_refused() {
    let whole = trail().encode();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let (head, entries) = lines.split_at(lines.len() - 4);
    let of = |order: &[usize]| head.concat() + &order.iter().map(|at| entries[*at]).collect::<String>();
    assert!(verify(of(&[0, 1, 2, 3]).as_bytes()).is_ok());
    for order in [[1, 0, 2, 3], [0, 1, 3, 2], [0, 0, 2, 3], [2, 1, 0, 3]] {
        assert!(verify(of(&order).as_bytes()).is_err(), "{order:?}");
    }
    assert_eq!(verify(of(&[0, 1, 2]).as_bytes()), Err(TrailError::Malformed), "fewer than announced");
    let later = whole.replace("2028-05-30", "2029-05-30");
    assert_eq!(verify(later.as_bytes()), Err(TrailError::Promise));
}

#[test]
fn strangers_and_other_notes_are_refused() {
    let one = Policy::of_log(log_key().public).expect("a log's key");
    assert_eq!(trail().verify(&one), Err(TrailError::Policy(PolicyError::Origin)));
    let end = trail().encode();
    // The end of one shard under the checkpoint of another.
    let swapped = end.replacen(&format!("{NEXT_ORIGIN}/trail"), &format!("{ORIGIN}/trail"), 1);
    assert_eq!(verify(swapped.as_bytes()), Err(TrailError::End));
    let many = end.replacen("entries 4", &format!("entries {}", TRAIL_ENTRIES_MAX + 1), 1);
    assert_eq!(TrailProof::parse(many.as_bytes()), Err(TrailError::Malformed));
    assert!(matches!(trail().entries()[2], TrailEntry::Withheld { .. }));
}

/// Go and the authors of the note and proof formats agree, and find what was left out.
#[test]
fn go_verifies_a_trail() {
    if Command::new("go").arg("version").output().is_err() || !Path::new(GO_PACKAGES).join(SUMDB).exists() {
        assert!(env::var_os("CI").is_none(), "`.ci/setup test` installs Go and sumdb, and CI must not skip this");
        eprintln!("skipped: Go or its package sumdb is not installed (.ci/setup test installs them)");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-trail");
    let program = folder.join("check");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go-trail"))
        .env("GO111MODULE", "off")
        .env("GOPATH", GO_PACKAGES)
        .env("GOCACHE", folder.join("cache"))
        .output()
        .expect("go is there");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let go = |trail: &str| {
        let keys = [log_key(), next_key()].map(|key| key.public.to_string());
        let mut child = Command::new(&program)
            .args(keys)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it was just built");
        child.stdin.take().expect("piped").write_all(trail.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr }).into_owned()
    };
    let whole = trail().encode();
    assert_eq!(go(&whole), "ok 4\n");
    for left_out in 0..3 {
        let told = go(&trail_without(&[left_out], true).encode());
        assert_eq!(told, "a leaf does not follow the one before it\n", "{left_out}");
    }
    assert_eq!(go(&trail_without(&[3], false).encode()), "another end\n");
    let (hash, other) = ("withheld 2028-05-30 ", "withheld 2028-05-30 A");
    assert_ne!(go(&whole.replacen(hash, other, 1)), "ok 4\n");
    assert_eq!(go(&pruned_trail(0..2, 2).encode()), "ok 4\n");
    for trail in [pruned_trail(0..2, 1), pruned_trail(0..1, 0)] {
        assert_eq!(go(&trail.encode()), "other leaves are no longer kept than the log says\n");
    }
}

/// Where Debian puts Go packages, and what we need of them (`golang-golang-x-mod-dev`).
const GO_PACKAGES: &str = "/usr/share/gocode";
const SUMDB: &str = "src/golang.org/x/mod/sumdb";
