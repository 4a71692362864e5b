//! `docs/FORMATS.md` is true where a test can tell.
//!
//! `XACMINH_FORMATS=write cargo test -p xacminh-proto --test formats` writes the tables anew.

use std::{env, fs, path::PathBuf};

use xacminh_proto::{
    close::CloseCode,
    transparency::{
        ADDENDUM_BYTES_MAX, DISCLOSURE_BYTES_MAX, ENVELOPE_BYTES_MAX, LEAF_BYTES, Leaf, LeafKind, LeafVerdict,
        PACKED_BYTES_MAX, RECEIPT_BYTES_MAX, STATEMENTS_MAX,
        merkle::FRONTIER_BYTES_MAX,
        note::{KeyKind, NOTE_BYTES_MAX, SIGNATURES_MAX},
        policy::POLICY_BYTES_MAX,
        tiles::{Layer, Tile, tiles_of},
        trail::{TRAIL_BYTES_MAX, TRAIL_ENTRIES_MAX, TRAIL_SHARDS_MAX},
        witness::{self, Refusal},
    },
    vocab::{
        Attribute, CLAIMS_DECODED_MAX, CLAIMS_MAX, ClaimKind, ErrorNumber, Fault, PortalId, Reason, RequestId, text,
    },
    wire::{
        ALPN, AUDIT_PAGE_MAX, DETAIL_BYTES_MAX, MEMBERS_MAX, OPERATOR_REQUEST_BYTES_MAX, PEER_ALPN, REPLY_BYTES_MAX,
        REQUEST_BYTES_MAX, STREAM_BACKGROUND, STREAM_ONE, STREAM_SESSION, TRAIL_PAGE_MAX, peer::HELLO_BYTES_MAX,
    },
};

#[test]
fn the_tables_are_those_of_the_code() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMATS.md");
    let document = fs::read_to_string(&path).expect("docs/FORMATS.md");
    let tables = [
        ("error numbers", error_numbers()),
        ("attributes", attributes()),
        ("claims", claims()),
        ("reasons", reasons()),
        ("limits", limits()),
        ("close codes", close_codes()),
        ("tiles", tiles()),
        ("kinds of keys", kinds_of_keys()),
        ("refusals of a witness", refusals()),
    ];
    let expected = tables.iter().fold(document.clone(), |document, (name, table)| with_table(&document, name, table));
    if env::var("XACMINH_FORMATS").as_deref() == Ok("write") {
        fs::write(&path, &expected).expect("docs/FORMATS.md is written");
    } else {
        assert_eq!(document, expected, "a table of docs/FORMATS.md is out of step with the code");
    }
}

/// The document with what stands between the marks of a table replaced.
fn with_table(document: &str, name: &str, table: &str) -> String {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = document.split_once(&start).expect("the table's first mark");
    let (_, after) = rest.split_once(&end).expect("the table's last mark");
    format!("{before}{start}{table}{end}{after}")
}

fn error_numbers() -> String {
    let mut table =
        "| number | name | whose | retry | advice (vi) | advice (en) |\n|---|---|---|---|---|---|\n".to_owned();
    for number in ErrorNumber::ALL {
        let whose = match number.fault() {
            Fault::Caller => "caller",
            Fault::Policy => "policy",
            Fault::Authority => "authority",
            Fault::Us => "us",
        };
        let retry = if number.is_retryable() { "same id" } else { "" };
        let (vi, en) = (number.advice_vi(), number.advice_en());
        table.push_str(&format!("| {} | `{number:?}` | {whose} | {retry} | {vi} | {en} |\n", number.number()));
    }
    table
}

fn attributes() -> String {
    let mut table = "| bit | name | class |\n|---|---|---|\n".to_owned();
    for attribute in Attribute::ALL {
        table.push_str(&format!("| {} | `{}` | {:?} |\n", attribute as u8, attribute.name(), attribute.class()));
    }
    table
}

fn claims() -> String {
    let mut table = "| bit | name | decided from class |\n|---|---|---|\n".to_owned();
    for kind in ClaimKind::ALL {
        table.push_str(&format!("| {} | `{}` | {:?} |\n", kind as u8, kind.name(), kind.class()));
    }
    table
}

fn reasons() -> String {
    let mut table = "| number | name | text |\n|---|---|---|\n".to_owned();
    for reason in Reason::ALL {
        table.push_str(&format!("| {} | `{reason:?}` | {} |\n", reason.number(), reason.text_en()));
    }
    table
}

fn close_codes() -> String {
    let mut table = "| code | name | what happened |\n|---|---|---|\n".to_owned();
    for code in CloseCode::ALL {
        table.push_str(&format!("| {} | `{code:?}` | {} |\n", code.code(), code.phrase()));
    }
    table
}

fn tiles() -> String {
    let mut table = "| leaves | entries | level 0 | level 1 | level 2 |\n|---|---|---|---|---|\n".to_owned();
    for size in [1, 256, 600, 70_000, 100_000_000] {
        let cell = |layer: Layer| {
            let (full, partial): (Vec<Tile>, Vec<Tile>) =
                tiles_of(size).filter(|tile| tile.layer() == layer).partition(Tile::is_full);
            match (full.len(), partial.first()) {
                (0, None) => String::new(),
                (full, None) => format!("{full} full"),
                (0, Some(partial)) => format!("`.p/{}`", partial.width()),
                (full, Some(partial)) => format!("{full} full, `.p/{}`", partial.width()),
            }
        };
        let cells = [Layer::Entries, Layer::Hashes(0), Layer::Hashes(1), Layer::Hashes(2)].map(cell);
        table.push_str(&format!("| {size} | {} |\n", cells.join(" | ")));
    }
    table
}

fn kinds_of_keys() -> String {
    let mut table = "| kind | whose | signs |\n|---|---|---|\n".to_owned();
    for (kind, whose, signs) in [
        (KeyKind::Ed25519, "the log", "the note's text"),
        (
            KeyKind::CosignatureV1,
            "a witness",
            "`cosignature/v1`, line feed, `time <Unix seconds>`, line feed, the note's text; time (u64) ‖ signature",
        ),
    ] {
        table.push_str(&format!("| {:#04x} | {whose} | {signs} |\n", kind as u8));
    }
    table
}

fn refusals() -> String {
    let mut table = "| status | body |\n|---|---|\n".to_owned();
    for refusal in [
        Refusal::BadRequest,
        Refusal::Forbidden,
        Refusal::NotFound,
        Refusal::Conflict { size: 70_000 },
        Refusal::Unprocessable,
    ] {
        table.push_str(&format!("| {} | {} |\n", refusal.status(), refusal.body().trim_end()));
    }
    table
}

fn limits() -> String {
    let of = |alpn: &[u8]| String::from_utf8_lossy(alpn).into_owned();
    let rows = [
        ("ALPN of the client port", format!("`{}`", of(ALPN))),
        ("ALPN of the peer port", format!("`{}`", of(PEER_ALPN))),
        ("first byte of a one-question stream", STREAM_ONE.to_string()),
        ("first byte of a session stream", STREAM_SESSION.to_string()),
        ("first byte of a session stream in the background", STREAM_BACKGROUND.to_string()),
        ("request", format!("{REQUEST_BYTES_MAX} bytes")),
        ("request of an operator, on a stream of its own", format!("{OPERATOR_REQUEST_BYTES_MAX} bytes")),
        ("reply", format!("{REPLY_BYTES_MAX} bytes")),
        ("peer hello", format!("{HELLO_BYTES_MAX} bytes")),
        ("claims answered in one question", CLAIMS_MAX.to_string()),
        ("claims still decoded (and refused with 1009)", CLAIMS_DECODED_MAX.to_string()),
        ("free text", format!("{} bytes", text::TEXT_BYTES_MAX)),
        ("detail of a failure", format!("{DETAIL_BYTES_MAX} bytes")),
        ("audit entries on a page", AUDIT_PAGE_MAX.to_string()),
        ("members in a status", MEMBERS_MAX.to_string()),
        ("leaf, version 1", format!("{LEAF_BYTES} bytes")),
        ("addendum, plaintext", format!("{ADDENDUM_BYTES_MAX} bytes and its version byte")),
        ("envelope", format!("{ENVELOPE_BYTES_MAX} bytes")),
        ("frontier", format!("{FRONTIER_BYTES_MAX} bytes")),
        ("statements of one leaf", STATEMENTS_MAX.to_string()),
        ("disclosure", format!("{DISCLOSURE_BYTES_MAX} bytes")),
        ("receipt", format!("{RECEIPT_BYTES_MAX} bytes")),
        ("trail", format!("{TRAIL_BYTES_MAX} bytes")),
        ("accesses in a trail", TRAIL_ENTRIES_MAX.to_string()),
        ("shards in a trail", TRAIL_SHARDS_MAX.to_string()),
        ("accesses on a page of a trail", TRAIL_PAGE_MAX.to_string()),
        ("packed receipt", format!("{PACKED_BYTES_MAX} characters")),
        ("signed note", format!("{NOTE_BYTES_MAX} bytes")),
        ("signatures under a note", SIGNATURES_MAX.to_string()),
        ("policy file", format!("{POLICY_BYTES_MAX} bytes")),
        ("request to a witness", format!("{} bytes", witness::REQUEST_BYTES_MAX)),
    ];
    let mut table = "| what | limit |\n|---|---|\n".to_owned();
    for (what, limit) in rows {
        table.push_str(&format!("| {what} | {limit} |\n"));
    }
    table
}

/// The leaf's layout as the document and the code's comment give it.
#[test]
fn every_field_of_a_leaf_stands_at_its_offset() {
    let request_id = RequestId::new(0x0102_0304_0506, [0x33; 10]);
    let leaf = Leaf {
        kind: LeafKind::Refused,
        time_ms: 0x1011_1213_1415_1617,
        request_id,
        portal: PortalId(0x2021_2223),
        official: [0x44; 16],
        purpose: 0x5051,
        procedure: 0x6061_6263,
        register_revision: 0x7071_7273,
        fields: 0x8081_8283_8485_8687,
        verdict: LeafVerdict::Refused,
        subject: [0x91; 32],
        attributes_root: [0xa1; 32],
        addendum_digest: [0xb1; 32],
        record_version: 0xc0c1_c2c3_c4c5_c6c7,
        previous: [0xd1; 32],
    };
    let bytes = leaf.encode();
    let mut at = 0;
    for (name, field) in [
        ("version", &[1][..]),
        ("kind", &[2]),
        ("time", &leaf.time_ms.to_be_bytes()),
        ("request id", request_id.bytes()),
        ("portal", &leaf.portal.0.to_be_bytes()),
        ("official", &leaf.official),
        ("purpose", &leaf.purpose.to_be_bytes()),
        ("procedure", &leaf.procedure.to_be_bytes()),
        ("register revision", &leaf.register_revision.to_be_bytes()),
        ("fields", &leaf.fields.to_be_bytes()),
        ("verdict", &[4]),
        ("subject", &leaf.subject),
        ("attributes root", &leaf.attributes_root),
        ("addendum digest", &leaf.addendum_digest),
        ("record version", &leaf.record_version.to_be_bytes()),
        ("previous", &leaf.previous),
    ] {
        assert_eq!(&bytes[at..at + field.len()], field, "{name} at {at}");
        at += field.len();
    }
    assert_eq!(at, LEAF_BYTES);
}
