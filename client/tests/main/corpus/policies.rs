//! One receipt, judged by whom one may or may not trust, and signed by others than it should be.

use sha2::{Digest, Sha256, Sha512};
use xacminh_proto::{hex, transparency::note::KeyKind};

use crate::paper::{Key, ORIGIN, Paper, base64, from_base64, log_key, two_of_three, witness_key};

use super::Case;

/// The point of order one.
const IDENTITY: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
};

pub(super) fn all() -> Vec<Case> {
    let log = log_key().public;
    let w = |number: u8| format!("witness W{number} {}\n", witness_key(number).public);
    let other_log = Key::new("xacminh.example/hue/2026", KeyKind::Ed25519, 1).public;
    let other_key = Key::new(ORIGIN, KeyKind::Ed25519, 9).public;
    let cosigner = Key::new(ORIGIN, KeyKind::CosignatureV1, 1).public;
    let two = format!("log {log}\n{}{}", w(1), w(2));
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
        ("the point of order one", of_point(IDENTITY), false),
        ("the point of order four", of_point([0; 32]), false),
        ("no point", of_point(off_curve), false),
        ("a point written otherwise", of_point(last), false),
        ("nothing", String::new(), false),
    ] {
        cases.push(Case::new(format!("policy: {name}"), &policy, Paper::ordinary().receipt().as_bytes(), is_sound));
    }
    cases
}

/// Signature lines: in another order, twice, of strangers, wrong ones of known keys.
pub(super) fn signatures() -> Vec<Case> {
    let mut cases = Vec::new();
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
    small[4..36].copy_from_slice(&IDENTITY);
    let small = format!("\u{2014} {ORIGIN} {}", base64(&small));
    let of_identity =
        format!("\u{2014} {ORIGIN} {}", base64(&[&key_id(lines[0])[..], &signed_from_identity(&note)].concat()));
    for (name, lines, is_sound) in [
        ("turned", vec![lines[2], lines[0], lines[1]], true),
        ("twice", vec![lines[0], lines[0], lines[1], lines[2]], true),
        ("with a stranger", vec![stranger.trim_end(), lines[0], lines[1], lines[2]], true),
        ("with a stranger's id", vec![&forged, lines[1], lines[2]], false),
        ("wrong", vec![&wrong, lines[1], lines[2]], false),
        ("wrong beside right", vec![lines[0], &wrong, lines[1], lines[2]], false),
        ("a first half of small order", vec![&small, lines[1], lines[2]], false),
        ("a signature that needs no secret half", vec![&of_identity, lines[1], lines[2]], false),
        ("one witness twice", vec![lines[0], lines[1], lines[1]], false),
        ("no log", vec![lines[1], lines[2]], false),
        ("sixty-five", [lines[0]].into_iter().chain([lines[1]; 64]).collect(), false),
    ] {
        let receipt = format!("{body}{}\n", lines.join("\n"));
        cases.push(Case::new(format!("signatures: {name}"), &two_of_three(), receipt.as_bytes(), is_sound));
    }
    cases
}

/// A policy whose log has this point for a key.
fn of_point(bytes: [u8; 32]) -> String {
    let hash: [u8; 32] = Sha256::digest([ORIGIN.as_bytes(), b"\n\x01", &bytes].concat()).into();
    let id = hex::text(&hash[..4]);
    format!("log {ORIGIN}+{id}+{}\nquorum none\n", base64(&[&[1][..], &bytes].concat()))
}

fn key_id(line: &str) -> [u8; 4] {
    from_base64(line.rsplit(' ').next().unwrap())[..4].try_into().unwrap()
}

/// A signature of the log's key whose first half is the point of order one: it satisfies the equation of Ed25519, and a
/// strict verifier refuses it. s = h·a mod L, with the secret scalar a of the seed that [`log_key`] has.
fn signed_from_identity(text: &str) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[0] = 1;
    let mut secret: [u8; 32] = Sha512::digest([1; 32])[..32].try_into().unwrap();
    secret[0] &= 0xf8;
    secret[31] = secret[31] & 0x7f | 0x40;
    let challenge = Sha512::digest([&signature[..32], log_key().public.public(), text.as_bytes()].concat());
    // Schoolbook: double and add, bit by bit from the top, once to reduce the challenge and once to multiply.
    let bits = |bytes: &[u8]| -> Vec<bool> {
        (0..bytes.len() * 8).rev().map(|bit| bytes[bit / 8] >> (bit % 8) & 1 == 1).collect()
    };
    let one = Scalar([1, 0]);
    let times = |factor: Scalar, bytes: &[u8]| {
        bits(bytes).into_iter().fold(Scalar([0, 0]), |sum, bit| {
            let doubled = sum.plus(sum);
            if bit { doubled.plus(factor) } else { doubled }
        })
    };
    let product = times(times(one, &challenge), &secret);
    signature[32..48].copy_from_slice(&product.0[0].to_le_bytes());
    signature[48..].copy_from_slice(&product.0[1].to_le_bytes());
    signature
}

/// A number modulo the order of the base point, low half first.
#[derive(Clone, Copy)]
struct Scalar([u128; 2]);

impl Scalar {
    /// 2^252 + 27742317777372353535851937790883648493.
    const ORDER: [u128; 2] = [27_742_317_777_372_353_535_851_937_790_883_648_493, 1 << 124];

    fn plus(self, other: Self) -> Self {
        let (low, carry) = self.0[0].overflowing_add(other.0[0]);
        let high = self.0[1] + other.0[1] + u128::from(carry);
        if (high, low) < (Self::ORDER[1], Self::ORDER[0]) {
            return Self([low, high]);
        }
        let (low, borrow) = low.overflowing_sub(Self::ORDER[0]);
        Self([low, high - Self::ORDER[1] - u128::from(borrow)])
    }
}
