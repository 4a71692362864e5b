//! One receipt, judged by whom one may or may not trust, and signed by others than it should be.

use sha2::{Digest, Sha256};
use xacminh_proto::transparency::note::KeyKind;

use crate::paper::{Key, ORIGIN, Paper, base64, from_base64, log_key, two_of_three, witness_key};

use super::Case;

pub(super) fn all() -> Vec<Case> {
    let log = log_key().public;
    let w = |number: u8| format!("witness W{number} {}\n", witness_key(number).public);
    let other_log = Key::new("xacminh.example/hue/2026", KeyKind::Ed25519, 1).public;
    let other_key = Key::new(ORIGIN, KeyKind::Ed25519, 9).public;
    let cosigner = Key::new(ORIGIN, KeyKind::CosignatureV1, 1).public;
    let two = format!("log {log}\n{}{}", w(1), w(2));
    let of_point = |bytes: [u8; 32]| {
        let hash: [u8; 32] = Sha256::digest([ORIGIN.as_bytes(), b"\n\x01", &bytes].concat()).into();
        let id: String = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("log {ORIGIN}+{id}+{}\nquorum none\n", base64(&[&[1][..], &bytes].concat()))
    };
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    let mut last = [0xff; 32];
    last[31] = 0x7f;
    let mut cases = Vec::new();
    for (name, policy, is_sound) in [
        ("the log alone", format!("log {log}\nquorum none\n"), true),
        ("an address", format!("log {log} https://log.example/\nquorum none"), true),
        ("comments and tabs", format!("# nhận xét\n\n \t#x\nlog\t {log}\t\nquorum  none\n"), true),
        ("another log", format!("log {other_log}\nquorum none\n"), false),
        ("another key", format!("log {other_key}\nquorum none\n"), false),
        ("an old key and a new", format!("log {other_key}\nlog {log}\nquorum none\n"), true),
        ("one witness", format!("{two}quorum W1\n"), true),
        ("a witness who was away", format!("{two}{}quorum W3\n", w(3)), false),
        ("all", format!("{two}group G all W1 W2\nquorum G\n"), true),
        ("any", format!("{two}{}group G any W3 W1\nquorum G\n", w(3)), true),
        ("groups of groups", format!("{two}{}group G 2 W1 W2\ngroup H all G W3\nquorum H\n", w(3)), false),
        ("no quorum line", format!("log {log}\n"), false),
        ("two quorum lines", format!("log {log}\nquorum none\nquorum none\n"), false),
        ("an unknown word", format!("logs {log}\nquorum none\n"), false),
        ("an unknown name", format!("{two}quorum W9\n"), false),
        ("a name twice", format!("log {log}\n{}{}quorum W1\n", w(1), w(2).replace("W2", "W1")), false),
        ("a key twice", format!("log {log}\nlog {log}\nquorum none\n"), false),
        ("a group of too few", format!("{two}group G 3 W1 W2\nquorum G\n"), false),
        ("a group of none", format!("{two}group G 0 W1 W2\nquorum G\n"), false),
        ("a group of 02", format!("{two}group G 02 W1 W2\nquorum G\n"), false),
        ("a group of constructor", format!("{two}group G constructor W1 W2\nquorum G\n"), false),
        ("a member twice", format!("{two}group G any W1 W1\nquorum G\n"), false),
        ("a name that is a word", format!("{two}{}quorum none\n", w(3).replace("W3", "none")), false),
        ("a cosigner for a log", format!("log {cosigner}\nquorum none\n"), false),
        ("a log for a witness", format!("log {other_log}\nwitness W {log}\nquorum none\n"), false),
        ("witnesses alone", format!("log {other_log}\n{}quorum W1\n", w(1)), false),
        (
            "another id",
            format!("log {}\nquorum none\n", log.to_string().replace(&log.id().to_string(), "00000000")),
            false,
        ),
        (
            "an id in capitals",
            format!("log {}\nquorum none\n", log.to_string().replace(&log.id().to_string(), "ABCDEF01")),
            false,
        ),
        ("a carriage return", format!("log {log}\r\nquorum none\n"), false),
        ("the point of order one", of_point(identity), false),
        ("the point of order four", of_point([0; 32]), false),
        ("no point", of_point(off_curve), false),
        ("a point written otherwise", of_point(last), false),
        ("nothing", String::new(), false),
    ] {
        cases.push(Case::new(format!("policy: {name}"), &policy, Paper::ordinary().receipt().as_bytes(), is_sound));
    }
    // Signature lines: in another order, twice, of strangers, wrong ones of known keys.
    let text = Paper::ordinary().receipt();
    let (body, lines) = text.split_at(text.find('\u{2014}').unwrap());
    let lines: Vec<&str> = lines.lines().collect();
    let note = body.rsplit_once("\n\n").unwrap().0.rsplit_once("\n\n").unwrap().1.to_owned() + "\n";
    let stranger = Key::new("stranger.example", KeyKind::Ed25519, 77).sign(&note).to_string();
    let forged =
        lines[0].rsplit_once(' ').unwrap().0.to_owned() + " " + stranger.trim_end().rsplit(' ').next().unwrap();
    let mut wrong = from_base64(lines[0].rsplit(' ').next().unwrap());
    wrong[40] ^= 1;
    let wrong = format!("\u{2014} {ORIGIN} {}", base64(&wrong));
    let mut small = from_base64(lines[0].rsplit(' ').next().unwrap());
    small[4..36].copy_from_slice(&identity);
    let small = format!("\u{2014} {ORIGIN} {}", base64(&small));
    for (name, lines, is_sound) in [
        ("turned", vec![lines[2], lines[0], lines[1]], true),
        ("twice", vec![lines[0], lines[0], lines[1], lines[2]], true),
        ("with a stranger", vec![stranger.trim_end(), lines[0], lines[1], lines[2]], true),
        ("with a stranger's id", vec![&forged, lines[1], lines[2]], false),
        ("wrong", vec![&wrong, lines[1], lines[2]], false),
        ("wrong beside right", vec![lines[0], &wrong, lines[1], lines[2]], false),
        ("a first half of small order", vec![&small, lines[1], lines[2]], false),
        ("one witness twice", vec![lines[0], lines[1], lines[1]], false),
        ("no log", vec![lines[1], lines[2]], false),
        ("sixty-five", [lines[0]].into_iter().chain([lines[1]; 64]).collect(), false),
    ] {
        let receipt = format!("{body}{}\n", lines.join("\n"));
        cases.push(Case::new(format!("signatures: {name}"), &two_of_three(), receipt.as_bytes(), is_sound));
    }
    cases
}
