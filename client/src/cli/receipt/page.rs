//! `docs/verify.html` is in step with the code: its words are ours, and its policy lets in its own scripts alone.
//!
//! `XACMINH_FORMATS=write cargo test -p xacminh-client --lib page` writes words and hashes anew.

use std::{env, fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use xacminh_proto::{
    transparency::{
        CheckpointError, Contradiction, DISCLOSURE_BYTES_MAX, DisclosureError, PACKED_BYTES_MAX, RECEIPT_BYTES_MAX,
        ReceiptError,
        note::{NOTE_BYTES_MAX, NoteError},
        policy::{POLICY_BYTES_MAX, PolicyError},
    },
    vocab::{Attribute, Cause, ClaimKind, ErrorNumber, Living, Marital, Reason, Sex, Value},
};

use crate::cli::{screen::Lang, texts};

const WORDS: (&str, &str) = ("<script type=\"application/json\" id=\"words\">\n", "</script>");

#[test]
fn the_page_is_in_step_with_the_code() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/verify.html");
    let page = fs::read_to_string(&path).unwrap();
    let expected = with_hashes(&with_words(&page));
    if env::var("XACMINH_FORMATS").as_deref() == Ok("write") {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            page == expected,
            "docs/verify.html has other words or hashes than the code; the head of this file says how to write them"
        );
    }
}

#[test]
fn the_page_has_the_words_of_the_command_line_for_what_is_wrong() {
    let page = include_str!("../../../../docs/verify.html");
    let proof = xacminh_proto::transparency::merkle::ProofError::Root;
    for fault in [
        ReceiptError::Malformed,
        NoteError::TooLarge.into(),
        CheckpointError::Size.into(),
        PolicyError::Quorum.into(),
        proof.into(),
        DisclosureError::Statements.into(),
        Contradiction::Verdict.into(),
    ] {
        let line = format!("  {}: \"{}\",\n", super::verify::fault_code(fault), texts::fault_vi(fault));
        assert!(page.contains(&line), "{line}");
    }
}

#[test]
fn the_page_asks_nothing_of_anybody() {
    let page = include_str!("../../../../docs/verify.html");
    for outside in ["http:", "https:", "src=", "@import", "url(", "fetch(", "XMLHttpRequest", "innerHTML", "eval("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
}

fn with_words(page: &str) -> String {
    let (before, rest) = page.split_once(WORDS.0).unwrap();
    let (_, after) = rest.split_once(WORDS.1).unwrap();
    let lines = |list: &[Json]| list.iter().map(Json::to_string).collect::<Vec<_>>().join(",\n");
    let sections: Vec<String> =
        words().iter().map(|(name, list)| format!("\"{name}\": [\n{}\n]", lines(list))).collect();
    let limits = json!({
        "disclosure": DISCLOSURE_BYTES_MAX,
        "note": NOTE_BYTES_MAX,
        "packed": PACKED_BYTES_MAX,
        "policy": POLICY_BYTES_MAX,
        "receipt": RECEIPT_BYTES_MAX,
    });
    format!("{before}{}{{\"limits\": {limits},\n{}}}\n{}{after}", WORDS.0, sections.join(",\n"), WORDS.1)
}

/// Lists of words: what a bit, a byte or a number stands for, then what a clerk reads in Vietnamese and in English.
fn words() -> Vec<(&'static str, Vec<Json>)> {
    let (vi, en) = (Lang::Vi, Lang::En);
    let value = |value: &Value| json!([texts::value_json(value), texts::value(value, vi), texts::value(value, en)]);
    let claims = ClaimKind::ALL.map(|it| json!([it.name(), texts::claim(it, vi), texts::claim(it, en)]));
    let attributes = Attribute::ALL.map(|it| json!([it.name(), texts::attribute(it, vi), texts::attribute(it, en)]));
    let reasons = Reason::ALL
        .map(|it| json!([it.number(), texts::reason_code(it), texts::reason(it, vi), texts::reason(it, en)]));
    let causes = Cause::ALL.map(|it| {
        let number = it.number();
        json!([
            number.number(),
            texts::cause_code(it),
            texts::cause(it, vi),
            texts::cause(it, en),
            number.advice_vi(),
            number.advice_en()
        ])
    });
    let errors = ErrorNumber::ALL.iter().map(|it| json!([it.number(), it.advice_vi(), it.advice_en()]));
    let sex = [Sex::Unknown, Sex::Male, Sex::Female].map(|it| value(&Value::Sex(it)));
    let marital = [Marital::Unknown, Marital::Single, Marital::Married, Marital::DivorcedOrWidowed];
    let marital = marital.map(|it| value(&Value::Marital(it)));
    // No byte 0 stands for a living status.
    let living = [Living::Alive, Living::Dead, Living::Missing].map(|it| value(&Value::Living(it)));
    let living = [Json::Null].into_iter().chain(living).collect();
    vec![
        ("claims", claims.to_vec()),
        ("attributes", attributes.to_vec()),
        ("reasons", reasons.to_vec()),
        ("causes", causes.to_vec()),
        ("errors", errors.collect()),
        ("sex", sex.to_vec()),
        ("marital", marital.to_vec()),
        ("living", living),
    ]
}

/// The page with the policy that lets in its own style and scripts and nothing else.
fn with_hashes(page: &str) -> String {
    let hash = |start: &str, end: &str| {
        let text = page.split_once(start).unwrap().1.split_once(end).unwrap().0;
        format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
    };
    let style = hash("<style>", "</style>");
    let verifier = hash("<script id=\"verifier\">", "</script>");
    let ui = hash("<script id=\"page\">", "</script>");
    let (before, rest) = page.split_once("default-src 'none';").unwrap();
    let (_, after) = rest.split_once(" base-uri").unwrap();
    format!("{before}default-src 'none'; style-src {style}; script-src {verifier} {ui}; base-uri{after}")
}
