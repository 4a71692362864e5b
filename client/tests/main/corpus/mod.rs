//! Receipts good and bad, by the thousands: what two verifiers are compared on.
//!
//! ```text
//! mod         sound ones; every byte changed; other spellings; leaves that contradict themselves
//! policies    whom one trusts, and who signed
//! statements  values that only a careless reader would take
//! ```

mod policies;
mod statements;

use xacminh_proto::{
    transparency::{LeafKind, LeafVerdict, PACKED_PREFIX},
    vocab::{Cause, ErrorNumber, Outcome},
};

use crate::paper::{Keep, Paper, base64, from_base64, log_alone, two_of_three};

/// A receipt, the policy it is judged by, and whether it is sound.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) policy: String,
    pub(crate) receipt: Vec<u8>,
    pub(crate) is_sound: bool,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, policy: &str, receipt: &[u8], is_sound: bool) -> Self {
        Self { name: name.into(), policy: policy.to_owned(), receipt: receipt.to_vec(), is_sound }
    }
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases = sound();
    cases.extend(changed_texts());
    cases.extend(changed_disclosures());
    cases.extend(changed_digits());
    cases.extend(spellings());
    cases.extend(contradictions());
    cases.extend(policies::all());
    cases.extend(policies::signatures());
    cases.extend(statements::values());
    cases.extend(statements::orders());
    cases.extend(statements::leaves());
    cases
}

fn papers() -> Vec<(&'static str, Paper)> {
    let mut papers = vec![
        ("ordinary", Paper::ordinary()),
        ("not confirmed", Paper::not_confirmed()),
        ("everything", Paper::everything()),
        ("alone in its log", Paper::ordinary().at(0, 1)),
        ("last of its log", Paper::ordinary().at(299, 300)),
        ("in a large log", Paper::ordinary().at(99_999_998, 99_999_999)),
        ("in the largest log", Paper::not_confirmed().at(u64::MAX - 1, u64::MAX)),
        ("all witnesses", Paper::ordinary().witnessed_by(3)),
    ];
    let undetermined = Cause::ALL.map(Outcome::Undetermined).map(|it| Paper::answering(it, LeafVerdict::Undetermined));
    papers.extend(undetermined.map(|paper| ("undetermined", paper)));
    let refused = ErrorNumber::ALL.iter().map(|it| Paper::answering(Outcome::Refused(*it), LeafVerdict::Refused));
    papers.extend(refused.map(|paper| ("refused", paper)));
    papers
}

/// Whole, redacted in several ways, and packed.
fn sound() -> Vec<Case> {
    let keep: [(&str, Keep); 4] = [
        ("whole", |_| true),
        ("without subject", |name| name != "subject"),
        ("outcome alone", |name| name == "outcome"),
        ("closed", |_| false),
    ];
    let mut cases = Vec::new();
    for (name, paper) in papers() {
        for (less, keep) in keep {
            let receipt = paper.read().redact(keep);
            let (text, packed) = (receipt.encode().unwrap(), receipt.pack().unwrap());
            cases.push(Case::new(format!("{name}, {less}"), &two_of_three(), text.as_bytes(), true));
            cases.push(Case::new(format!("{name}, {less}, packed"), &log_alone(), packed.as_bytes(), true));
        }
    }
    let packed = Paper::ordinary().read().pack().unwrap();
    for around in [format!("{packed}\r\n"), format!("https://a.example/v#x#{packed}"), format!(" \t{packed}\x0c")] {
        cases.push(Case::new(format!("packed as {around:.30}"), &log_alone(), around.as_bytes(), true));
    }
    cases
}

/// One byte of the text changed, each in turn, and the text cut at many places.
fn changed_texts() -> Vec<Case> {
    let text = Paper::ordinary().read().redact(|name| name == "outcome").encode().unwrap().into_bytes();
    let mut cases = Vec::new();
    for at in 0..text.len() {
        let mut changed = text.clone();
        changed[at] ^= 1 << (at % 8);
        cases.push(Case::new(format!("byte {at} of the text"), &two_of_three(), &changed, false));
    }
    for end in (0..text.len()).step_by(13).chain([text.len() - 1]) {
        cases.push(Case::new(format!("cut to {end}"), &two_of_three(), &text[..end], false));
    }
    cases.push(Case::new("a line more", &two_of_three(), &[&text[..], b"x\n"].concat(), false));
    cases.push(Case::new("with a byte order mark", &two_of_three(), &[b"\xef\xbb\xbf", &text[..]].concat(), false));
    cases.push(Case::new("lines of another system", &two_of_three(), &replaced(&text, "\n", "\r\n"), false));
    cases
}

/// One byte of what stands in base64 changed, and put into base64 again: every field of leaf and openings.
fn changed_disclosures() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, paper, step) in [("ordinary", Paper::ordinary(), 1), ("everything", Paper::everything(), 5)] {
        let receipt = paper.read().redact(|it| it != "claim/1/age_at_least");
        let text = receipt.encode().unwrap();
        let extra = text.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
        let disclosure = from_base64(extra);
        for at in (0..disclosure.len()).step_by(step) {
            let mut changed = disclosure.clone();
            changed[at] ^= 1 << (at % 8);
            let text = text.replace(extra, &base64(&changed));
            cases.push(Case::new(format!("{name}: byte {at} of the disclosure"), &log_alone(), text.as_bytes(), false));
        }
        for more in [vec![0], vec![1; 32]] {
            let longer = [disclosure.as_slice(), &more].concat();
            let text = text.replace(extra, &base64(&longer));
            cases.push(Case::new(format!("{name}: longer by {}", more.len()), &log_alone(), text.as_bytes(), false));
        }
    }
    cases
}

fn changed_digits() -> Vec<Case> {
    let packed = Paper::not_confirmed().witnessed_by(0).at(1, 3).read().pack().unwrap();
    let mut cases = Vec::new();
    for at in (0..packed.len()).step_by(3) {
        let mut changed = packed.clone().into_bytes();
        changed[at] = if changed[at] == b'9' { b'0' } else { b'9' };
        cases.push(Case::new(format!("digit {at}"), &log_alone(), &changed, false));
    }
    for end in [0, 5, PACKED_PREFIX.len(), 10, 11, 12, 26, packed.len() - 1] {
        cases.push(Case::new(format!("digits cut to {end}"), &log_alone(), &packed.as_bytes()[..end], false));
    }
    for other in [
        packed.replace(PACKED_PREFIX, "XACMINH2:"),
        packed.to_lowercase(),
        format!("{packed}000"),
        packed.replacen(':', ":+", 1),
    ] {
        cases.push(Case::new(format!("packed as {other:.12}"), &log_alone(), other.as_bytes(), false));
    }
    cases.push(divided_otherwise());
    cases
}

/// A packed receipt whose parts are divided otherwise: the text of the checkpoint brings its signatures along.
fn divided_otherwise() -> Case {
    let receipt = Paper::ordinary().witnessed_by(0).at(0, 1).read();
    let note = receipt.checkpoint().to_string();
    let extra = from_base64(receipt.encode().unwrap().lines().nth(1).unwrap().strip_prefix("extra ").unwrap());
    let sized = |part: &[u8]| [&u16::try_from(part.len()).unwrap().to_be_bytes()[..], part].concat();
    let text = note.trim_end_matches('\n').as_bytes();
    let bytes = [sized(&extra), vec![0; 8], vec![0], sized(text), vec![0]].concat();
    let digits_of = [0, 3, 5, 8, 10, 13, 15, 17];
    let group = |group: &[u8]| {
        let number = group.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{number:0width$}", width = digits_of[group.len()])
    };
    let packed: String = bytes.chunks(7).map(group).collect();
    Case::new("packed, divided otherwise", &log_alone(), format!("{PACKED_PREFIX}{packed}").as_bytes(), false)
}

/// The same numbers and bytes, written otherwise: one spelling is the receipt's, all others are none.
fn spellings() -> Vec<Case> {
    let paper = Paper::ordinary();
    let text = paper.receipt();
    let extra = text.lines().nth(1).unwrap().to_owned();
    let hash = text.lines().nth(3).unwrap().to_owned();
    let stray = hash.replace("=", "").chars().rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect::<String>();
    let last = hash.chars().rev().nth(1).unwrap();
    let next = char::from(u8::try_from(last).unwrap() + 1);
    let mut cases = Vec::new();
    for (name, other) in [
        ("no padding", text.replace(&hash, hash.trim_end_matches('='))),
        ("stray bits", text.replace(&hash, &format!("{stray}{next}="))),
        ("base64 for addresses", text.replace(&extra, &extra.replace('+', "-").replace('/', "_"))),
        ("a space in base64", text.replace(&hash, &format!("{hash} "))),
        ("a broken line", text.replacen(&extra, &format!("{}\n{}", &extra[..80], &extra[80..]), 1)),
        ("leading zero", text.replace("index 41", "index 041")),
        ("sign", text.replace("index 41", "index +41")),
        ("other digits", text.replace("index 41", "index ４１")),
        ("too large an index", text.replace("index 41", "index 18446744073709551657")),
        ("size with a leading zero", text.replace("\n300\n", "\n0300\n")),
        ("another header", text.replace("@v1", "@v2")),
        ("a header more", text.replacen('\n', "\n\n", 1)),
        ("a hash less", text.replace(&format!("{hash}\n"), "")),
        ("a hash more", text.replace(&format!("{hash}\n"), &format!("{hash}\n{hash}\n"))),
        ("a hyphen for the dash", text.replace('\u{2014}', "-")),
        ("an extension line", text.replace("\n300\n", "\n300\nmore\n")),
        ("no signatures", text[..text.find('\u{2014}').unwrap()].to_owned()),
        ("not a receipt", "Kính gửi ông bà\n".to_owned()),
        ("empty", String::new()),
    ] {
        let is_same = other == text;
        cases.push(Case::new(name, &two_of_three(), other.as_bytes(), is_same));
    }
    cases.push(Case::new("not UTF-8", &log_alone(), &replaced(text.as_bytes(), "da-nang", "da-n\u{7f}ng")[..], false));
    cases.push(Case::new(
        "many hashes",
        &log_alone(),
        text.replace(&hash, &format!("{hash}\n").repeat(70)).as_bytes(),
        false,
    ));
    cases
}

/// Leaves that say one thing and commit to another, signed and all.
fn contradictions() -> Vec<Case> {
    let sound = Paper::ordinary();
    let mut cases = Vec::new();
    for kind in [LeafKind::Disclosed, LeafKind::Refused, LeafKind::Admin, LeafKind::Erased] {
        for verdict in [
            LeafVerdict::None,
            LeafVerdict::Match,
            LeafVerdict::NoMatch,
            LeafVerdict::Undetermined,
            LeafVerdict::Refused,
        ] {
            for (name, paper) in [
                ("ordinary", Paper::ordinary()),
                ("everything", Paper::everything()),
                ("nobody", Paper::not_confirmed()),
            ] {
                let paper = Paper { kind, ..paper }.saying(verdict);
                for (less, keep) in [("whole", true), ("closed", false)] {
                    let receipt = paper.read().redact(|_| keep);
                    let is_sound = receipt.check().is_ok();
                    let name = format!("{name} as {kind:?} {verdict:?}, {less}");
                    cases.push(Case::new(name, &log_alone(), receipt.encode().unwrap().as_bytes(), is_sound));
                }
            }
        }
    }
    for fields in [0, 1 << 32, 1 << 36, u64::MAX] {
        let paper = Paper { fields: Some(fields), ..sound.clone() };
        let is_sound = fields == u64::MAX;
        cases.push(Case::new(format!("asked {fields:x}"), &log_alone(), paper.receipt().as_bytes(), is_sound));
    }
    cases
}

fn replaced(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8(text.to_vec()).unwrap().replace(from, to).into_bytes()
}
