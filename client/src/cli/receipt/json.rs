//! A verified receipt for machines. The shape is documented in docs/FORMATS.md and held by a snapshot test.

use serde_json::{Map, Value, json};
use xacminh_proto::{
    hex,
    transparency::{Stated, Statement, Verified},
    vocab::{PersonNumber, Verdict},
};

use crate::cli::{audit, report::ErrorJson, screen::Lang, texts};

pub(super) fn verified(file: &str, verified: &Verified) -> Value {
    let (outcome, cause, error) = match verified.outcome() {
        None => (None, None, None),
        Some(Stated::Confirmed { .. }) => (Some("confirmed"), None, None),
        Some(Stated::NotConfirmed) => (Some("not_confirmed"), None, None),
        Some(Stated::Undetermined(cause)) => (Some("undetermined"), Some(texts::cause_code(cause)), None),
        Some(Stated::Refused(number)) => (Some("refused"), None, Some(number)),
    };
    let cosigners = verified.cosigners().iter();
    json!({
        "file": file,
        "verifies": true,
        "verdict": audit::verdict(verified.verdict()),
        "kind": audit::kind(verified.kind()),
        "portal": verified.portal().0,
        "official_pseudonym": hex::text(verified.official()),
        "purpose": verified.purpose(),
        "procedure_number": verified.procedure(),
        "register_revision": verified.leaf().register_revision,
        "request_id": verified.request_id().to_string(),
        "claims_asked": verified.claims_asked().map(|kind| kind.name()).collect::<Vec<_>>(),
        "attributes_asked": verified.attributes_asked().iter().map(|name| name.name()).collect::<Vec<_>>(),
        "subject": verified.subject().map(number),
        "outcome": outcome,
        "reissued": matches!(verified.outcome(), Some(Stated::Confirmed { reissued: true, .. })),
        "cause": cause,
        "error": error.map(ErrorJson::from),
        "claims": claims(verified),
        "attributes": attributes(verified),
        "closed": verified.closed(),
        "as_of_ms": verified.as_of_ms(),
        "at_ms": verified.at_ms(),
        "origin": verified.origin(),
        "index": verified.position(),
        "log_size": verified.log_size(),
        "cosigners": cosigners.map(|it| json!({"name": it.name, "key": it.key_name, "time_s": it.time_s})).collect::<Vec<_>>(),
    })
}

fn claims(verified: &Verified) -> Vec<Value> {
    let claim = |statement: &Statement| match statement {
        Statement::Claim { index, claim, verdict, reason } => Some(json!({
            "index": index,
            "claim": claim.kind().name(),
            "claimed": texts::argument(claim, Lang::En),
            "verdict": texts::verdict_code(*verdict),
            "reason": texts::reason_code(*reason),
            "reason_number": reason.number(),
            "cause": if let Verdict::Undetermined(cause) = verdict { Some(texts::cause_code(*cause)) } else { None },
        })),
        Statement::Outcome(_) | Statement::Attribute(..) => None,
    };
    verified.statements().iter().filter_map(claim).collect()
}

fn attributes(verified: &Verified) -> Map<String, Value> {
    let named = |statement: &Statement| match statement {
        Statement::Attribute(attribute, value) => Some((attribute.name().to_owned(), texts::value_json(value))),
        Statement::Outcome(_) | Statement::Claim { .. } => None,
    };
    verified.statements().iter().filter_map(named).collect()
}

fn number(number: PersonNumber) -> String {
    match number {
        PersonNumber::Citizen(number) => number.reveal(),
        PersonNumber::Old(number) => number.reveal(),
    }
}
