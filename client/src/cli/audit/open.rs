//! `audit open`: what stands beside a leaf, in clear, and whether the leaf commits to it.

use std::time::Duration;

use xacminh_proto::{
    transparency::{
        Addendum, Leaf, LeafKind, Opening, attribute_commitment, attributes_root, statements, subject_commitment,
    },
    vocab::{ErrorNumber, Outcome},
    wire::AuditOpened,
};

use super::leaf;
use crate::{
    Client, ClientError,
    cli::{
        exit::{CliError, Exit},
        report::moment,
        screen::{Screen, table},
        texts,
    },
};

pub(super) async fn open(screen: Screen, client: &Client, position: u64, deadline: Duration) -> Result<Exit, CliError> {
    let opened = client.audit_open(position, deadline).await.map_err(|error| match error {
        // The number's advice speaks of request ids.
        ClientError::Rejected { number: ErrorNumber::RequestUnknown, .. } => {
            CliError::Absent(format!("the log has no entry {position}"))
        }
        error => error.into(),
    })?;
    let leaf = Leaf::decode(&opened.leaf).map_err(|error| CliError::Log(format!("entry {position}: {error}")))?;
    if !commits(&leaf, &opened.addendum) {
        return Err(CliError::Log(format!("entry {position}: the leaf does not commit to what the node opened")));
    }
    if screen.json {
        screen.json(&json(&opened, &leaf))?;
    } else {
        show(screen, &opened, &leaf)?;
    }
    Ok(Exit::Good)
}

/// Whether the opened content is what the leaf was made from: number and everything answered, by their commitments.
pub(super) fn commits(leaf: &Leaf, addendum: &Addendum) -> bool {
    let statements = addendum.outcome.as_ref().map_or_else(Vec::new, |outcome| statements(outcome, &addendum.claims));
    if statements.len() != addendum.salts.len() {
        return false;
    }
    let openings = statements.into_iter().zip(&addendum.salts);
    let openings = openings.map(|((name, value), salt)| Opening { name, salt: *salt, value });
    let mut commitments: Vec<_> =
        openings.map(|opening| attribute_commitment(&opening.name, &opening.salt, &opening.value)).collect();
    subject_commitment(&addendum.subject_salt, addendum.number.as_bytes()) == leaf.subject
        && attributes_root(&mut commitments) == leaf.attributes_root
}

/// The outcome as a word, and the number of what it was for.
fn outcome(outcome: Option<&Outcome>) -> (&'static str, Option<&'static str>, Option<u16>) {
    match outcome {
        None => ("none", None, None),
        Some(Outcome::Confirmed { .. }) => ("confirmed", None, None),
        Some(Outcome::NotConfirmed) => ("not_confirmed", None, None),
        Some(Outcome::Undetermined(cause)) => ("undetermined", Some(texts::cause_code(*cause)), None),
        Some(Outcome::Refused(number)) => ("refused", None, Some(number.number())),
    }
}

fn verdicts(addendum: &Addendum) -> Vec<(&'static str, &'static str, &'static str)> {
    let Some(Outcome::Confirmed { verdicts, .. }) = &addendum.outcome else {
        return addendum.claims.iter().map(|claim| (claim.kind().name(), "", "")).collect();
    };
    let told = |verdict: &xacminh_proto::vocab::ClaimVerdict| {
        (verdict.kind.name(), texts::verdict_code(verdict.verdict), texts::reason_code(verdict.reason))
    };
    verdicts.iter().map(told).collect()
}

fn json(opened: &AuditOpened, leaf: &Leaf) -> serde_json::Value {
    let addendum = &opened.addendum;
    let (outcome, cause, error) = outcome(addendum.outcome.as_ref());
    let claims = verdicts(addendum)
        .into_iter()
        .map(|(claim, verdict, reason)| serde_json::json!({"claim": claim, "verdict": verdict, "reason": reason}));
    let is_erasure = leaf.kind == LeafKind::Erased;
    let of_question = |text: &str| (!is_erasure).then(|| text.to_owned());
    let of_erasure = |text: &str| is_erasure.then(|| text.to_owned());
    serde_json::json!({
        "leaf": leaf::json(opened.position, leaf),
        "recorded": opened.recorded,
        "number": addendum.number,
        "official": addendum.official,
        "dossier": of_question(&addendum.dossier),
        "procedure": of_question(&addendum.procedure),
        "ground": of_erasure(&addendum.procedure),
        "ordered_by": of_erasure(&addendum.dossier),
        "decided_at_ms": addendum.decided_at_ms,
        "as_of_ms": addendum.as_of_ms,
        "outcome": outcome,
        "cause": cause,
        "error": error,
        "claims": claims.collect::<Vec<_>>(),
    })
}

fn show(screen: Screen, opened: &AuditOpened, leaf: &Leaf) -> Result<(), CliError> {
    let (lang, addendum) = (screen.lang, &opened.addendum);
    let (outcome, cause, error) = outcome(addendum.outcome.as_ref());
    let why = cause.map(str::to_owned).or_else(|| error.map(|number| number.to_string())).unwrap_or_default();
    let as_of = if addendum.as_of_ms == 0 { String::new() } else { moment(addendum.as_of_ms) };
    let row = |vi: &str, en: &str, value: String| vec![lang.say(vi, en).to_owned(), value];
    // An erasure has its ground and who ordered it where a question has procedure and dossier.
    let what_for = if leaf.kind == LeafKind::Erased {
        [row("căn cứ", "ground", addendum.procedure.clone()), row("theo lệnh", "ordered by", addendum.dossier.clone())]
    } else {
        [row("hồ sơ", "dossier", addendum.dossier.clone()), row("thủ tục", "procedure", addendum.procedure.clone())]
    };
    let mut rows = vec![
        row("mục", "entry", format!("{}  {}", opened.position, moment(leaf.time_ms))),
        row("số định danh", "number", addendum.number.clone()),
        row("cổng", "portal", leaf.portal.0.to_string()),
        row("cán bộ", "official", addendum.official.clone()),
    ];
    rows.extend(what_for);
    rows.extend([
        row("quyết định lúc", "decided at", moment(addendum.decided_at_ms)),
        row("dữ liệu tính đến", "as of", as_of),
        row("kết quả", "outcome", format!("{outcome} {why}").trim().to_owned()),
    ]);
    for (claim, verdict, reason) in verdicts(addendum) {
        rows.push(vec![format!("  {claim}"), format!("{verdict} {reason}").trim().to_owned()]);
    }
    rows.retain(|row| row.get(1).is_some_and(|value| !value.is_empty()) || row[0].starts_with(' '));
    table(&rows).iter().try_for_each(|line| screen.line(line))?;
    let say = lang.say("lần mở này được ghi tại mục", "this opening is recorded as entry");
    screen.note(&format!("{say} {}", opened.recorded));
    Ok(())
}
