//! An entry as its reader sees it: a row of a table, a document, a row of a CSV file.

use xacminh_proto::{
    hex,
    transparency::{Leaf, LeafKind, LeafVerdict},
    vocab::{Attribute, ClaimKind},
    wire::AuditEntry,
};

use crate::cli::{
    exit::CliError,
    report::moment,
    screen::{Lang, Screen, table},
};

/// Columns of a CSV file.
const HEADER: [&str; 11] = [
    "position",
    "time_ms",
    "time",
    "kind",
    "verdict",
    "portal",
    "official_pseudonym",
    "procedure_number",
    "purpose",
    "fields",
    "request_id",
];

/// How entries are shown.
pub(super) enum Shown {
    /// Whether the head stands already.
    Table(bool),
    Json,
    Csv(Box<csv::Writer<std::io::Stdout>>),
}

impl Shown {
    pub(super) fn of(screen: Screen, csv: bool) -> Result<Self, CliError> {
        if !csv {
            return Ok(if screen.json { Self::Json } else { Self::Table(false) });
        }
        if screen.json {
            return Err(CliError::Usage("--json or --csv, not both".into()));
        }
        let mut writer = csv::Writer::from_writer(std::io::stdout());
        writer.write_record(HEADER).map_err(output)?;
        Ok(Self::Csv(Box::new(writer)))
    }

    /// Says that there was nothing to show: silence might be a failure.
    pub(super) fn nothing(&self, screen: Screen) {
        screen.note(screen.lang.say("không có mục nào", "no entry"));
    }

    /// Shows a page.
    pub(super) fn page(&mut self, screen: Screen, entries: &[AuditEntry]) -> Result<(), CliError> {
        let decoded = entries.iter().map(decoded).collect::<Result<Vec<_>, _>>()?;
        match self {
            Self::Json => decoded.iter().try_for_each(|(position, leaf)| screen.json(&json(*position, leaf)))?,
            Self::Table(begun) => {
                let head = (!*begun && !decoded.is_empty()).then(|| head(screen.lang));
                *begun |= head.is_some();
                let rows = decoded.iter().map(|(position, leaf)| row(*position, leaf));
                let rows: Vec<_> = head.into_iter().chain(rows).collect();
                table(&rows).iter().try_for_each(|line| screen.line(line))?;
            }
            Self::Csv(writer) => {
                for (position, leaf) in &decoded {
                    writer.write_record(record(*position, leaf)).map_err(output)?;
                }
                writer.flush()?;
            }
        }
        Ok(())
    }
}

pub(in crate::cli) fn decoded(entry: &AuditEntry) -> Result<(u64, Leaf), CliError> {
    let broken = |error| CliError::Log(format!("entry {}: {error}", entry.position));
    Leaf::decode(&entry.leaf).map(|leaf| (entry.position, leaf)).map_err(broken)
}

fn head(lang: Lang) -> Vec<String> {
    let names = [
        lang.say("mục", "entry"),
        lang.say("thời điểm", "when"),
        lang.say("sự việc", "kind"),
        lang.say("kết quả", "outcome"),
        lang.say("cổng", "portal"),
        lang.say("thủ tục", "procedure"),
        lang.say("hỏi gì", "asked"),
        lang.say("mã yêu cầu", "request id"),
    ];
    names.map(str::to_owned).to_vec()
}

fn row(position: u64, leaf: &Leaf) -> Vec<String> {
    vec![
        position.to_string(),
        moment(leaf.time_ms),
        kind(leaf.kind).to_owned(),
        verdict(leaf.verdict).to_owned(),
        leaf.portal.0.to_string(),
        leaf.procedure.to_string(),
        fields(leaf.fields).join("+"),
        leaf.request_id.to_string(),
    ]
}

fn record(position: u64, leaf: &Leaf) -> [String; HEADER.len()] {
    [
        position.to_string(),
        leaf.time_ms.to_string(),
        moment(leaf.time_ms),
        kind(leaf.kind).to_owned(),
        verdict(leaf.verdict).to_owned(),
        leaf.portal.0.to_string(),
        hex::text(&leaf.official),
        leaf.procedure.to_string(),
        leaf.purpose.to_string(),
        fields(leaf.fields).join("+"),
        leaf.request_id.to_string(),
    ]
}

pub(super) fn json(position: u64, leaf: &Leaf) -> serde_json::Value {
    serde_json::json!({
        "position": position,
        "kind": kind(leaf.kind),
        "time_ms": leaf.time_ms,
        "request_id": leaf.request_id.to_string(),
        "portal": leaf.portal.0,
        "official_pseudonym": hex::text(&leaf.official),
        "purpose": leaf.purpose,
        "procedure_number": leaf.procedure,
        "register_revision": leaf.register_revision,
        "fields": fields(leaf.fields),
        "verdict": verdict(leaf.verdict),
        "subject_commitment": hex::text(&leaf.subject),
        "attributes_root": hex::text(&leaf.attributes_root),
        "addendum_digest": hex::text(&leaf.addendum_digest),
        "record_version": leaf.record_version,
    })
}

pub(in crate::cli) fn kind(kind: LeafKind) -> &'static str {
    match kind {
        LeafKind::Disclosed => "disclosed",
        LeafKind::Refused => "refused",
        LeafKind::Admin => "admin",
        LeafKind::Policy => "policy",
        LeafKind::Erased => "erased",
        LeafKind::ShardOpen => "shard_open",
        LeafKind::Canary => "canary",
    }
}

pub(in crate::cli) fn verdict(verdict: LeafVerdict) -> &'static str {
    match verdict {
        LeafVerdict::None => "none",
        LeafVerdict::Match => "match",
        LeafVerdict::NoMatch => "no_match",
        LeafVerdict::Undetermined => "undetermined",
        LeafVerdict::Refused => "refused",
    }
}

/// Attributes as their names, claims with `?`; bits of a later version as numbers.
fn fields(bits: u64) -> Vec<String> {
    (0..64)
        .filter(|bit| bits & (1 << bit) != 0)
        .map(|bit| {
            let attribute = Attribute::ALL.into_iter().find(|attribute| *attribute as u32 == bit);
            let claim = ClaimKind::ALL.into_iter().find(|claim| *claim as u32 + 32 == bit);
            match (attribute, claim) {
                (Some(attribute), _) => attribute.name().to_owned(),
                (_, Some(claim)) => format!("{}?", claim.name()),
                _ => format!("bit{bit}"),
            }
        })
        .collect()
}

pub(super) fn output(error: csv::Error) -> CliError {
    // A reader that left must be told apart: what csv makes of an error of the system hides its kind.
    match error.into_kind() {
        csv::ErrorKind::Io(error) => CliError::Output(error),
        other => CliError::Output(std::io::Error::other(format!("{other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_read_as_names() {
        assert_eq!(
            super::fields(1 | 1 << 11 | 1 << 36 | 1 << 63),
            ["full_name", "permanent_residence", "age_at_least?", "bit63"]
        );
    }
}
