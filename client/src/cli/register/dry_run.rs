//! The questions of the past, asked of a draft: what would change if it came into force.
//!
//! Nobody's data is opened: what leaves tell anybody who may read the log is enough.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::Args;
use serde_json::json;
use xacminh_core::register::{self, Party, Portal, Register};
use xacminh_proto::{
    vocab::{OfficialId, PortalId},
    wire::{AUDIT_PAGE_MAX, AuditOrder, AuditQuery},
};

use super::{
    CliError, Exit, GlobalArgs, in_force_register, read,
    tally::{Affected, Askers, Effect, Tally},
};
use crate::{
    Client,
    cli::{
        audit::{decoded, moment_ms, remark_pruned},
        report::advice,
        screen::{Lang, Screen, table},
    },
};

/// Replay past questions against a draft and list what would change (role auditor)
#[derive(Debug, Args)]
pub(super) struct DryRunArgs {
    /// The draft (TOML)
    #[arg(value_name = "DRAFT")]
    draft: PathBuf,
    /// Questions from then on: a day in Vietnam (YYYY-MM-DD) or a moment (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = moment_ms)]
    since: u64,
    /// Compare with this register instead of the one in force
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
}

pub(super) async fn dry_run(global: &GlobalArgs, args: DryRunArgs, deadline: Duration) -> Result<Exit, CliError> {
    let draft = read(&args.draft)?.register;
    let base = args.base.as_deref().map(read).transpose()?;
    let client = global.client().await?;
    let done = async {
        let base = match base {
            Some(base) => base.register,
            None => in_force_register(&client.register(deadline).await?.1)?,
        };
        let askers = askers(&client, &base, &draft, args.since, deadline).await?;
        let mut tally = Tally::new(&base, &draft, askers);
        let query = query(args.since);
        let pruned = each(&client, query, deadline, |position, leaf| tally.add(position, leaf)).await?;
        remark_pruned(global.screen(), pruned);
        show(global.screen(), &base, &draft, &tally)
    }
    .await;
    client.close().await;
    done
}

/// Who is behind the pseudonyms, at the portals that the two registers treat differently: each official of theirs is
/// looked for by name.
async fn askers(
    client: &Client,
    base: &Register,
    draft: &Register,
    since: u64,
    deadline: Duration,
) -> Result<Askers, CliError> {
    let differences = register::diff(base, draft);
    let portals = differences.iter().filter_map(|difference| match difference.party {
        Party::Portal(id) | Party::Official(id, _) => Some(id),
        Party::Procedure(_) | Party::Everybody => None,
    });
    let mut askers = Askers { portals: portals.collect(), ..Askers::default() };
    for id in &askers.portals {
        let portals = [base, draft].into_iter().filter_map(|register| register.portal(PortalId(*id)));
        let officials: BTreeSet<&OfficialId> = portals.flat_map(Portal::officials).collect();
        for official in officials {
            let query = AuditQuery {
                portal: Some(PortalId(*id)),
                official: Some(official.as_str().to_owned()),
                ..query(since)
            };
            each(client, query, deadline, |_, leaf| {
                askers.officials.insert(leaf.official, official.clone());
            })
            .await?;
        }
    }
    Ok(askers)
}

fn query(since: u64) -> AuditQuery {
    AuditQuery { from_ms: Some(since), order: AuditOrder::OldestFirst, limit: AUDIT_PAGE_MAX, ..AuditQuery::default() }
}

/// Every entry of a query, page by page; gives the position before which entries are kept no longer.
async fn each(
    client: &Client,
    mut query: AuditQuery,
    deadline: Duration,
    mut visit: impl FnMut(u64, &xacminh_proto::transparency::Leaf),
) -> Result<u64, CliError> {
    loop {
        let found = client.audit_query(query.clone(), deadline).await?;
        for entry in &found.entries {
            let (position, leaf) = decoded(entry)?;
            visit(position, &leaf);
        }
        query.cursor = found.next;
        if found.next.is_none() {
            return Ok(found.pruned);
        }
    }
}

fn show(screen: Screen, base: &Register, draft: &Register, tally: &Tally<'_>) -> Result<Exit, CliError> {
    let code = |number: u32| {
        let found = draft.procedure_numbered(number).or_else(|| base.procedure_numbered(number));
        found.map(|procedure| procedure.code.to_string())
    };
    if screen.json {
        let changes: Vec<_> = tally.affected.iter().map(|(what, affected)| json_of(*what, affected, &code)).collect();
        screen.json(&json!({
            "base_revision": base.revision,
            "draft_revision": draft.revision,
            "questions": tally.questions,
            "unknown": tally.unknown,
            "changes": changes,
        }))?;
        return Ok(Exit::Good);
    }
    let lang = screen.lang;
    screen.line(&format!(
        "{} {} → {}: {} {}",
        lang.say("bản", "revision"),
        base.revision,
        draft.revision,
        tally.questions,
        lang.say("câu hỏi đã qua", "past questions"),
    ))?;
    if tally.unknown > 0 {
        let say = lang.say("câu bị từ chối khi chưa rõ thủ tục", "refused when their procedure was not known");
        screen.line(&format!("  {} {say}", tally.unknown))?;
    }
    if tally.affected.is_empty() {
        screen.line(lang.say("không câu nào có kết quả khác", "none of them would come out otherwise"))?;
        return Ok(Exit::Good);
    }
    let head = [
        lang.say("cổng", "portal"),
        lang.say("thủ tục", "procedure"),
        lang.say("sẽ", "would be"),
        lang.say("câu hỏi", "questions"),
        lang.say("cán bộ", "officials"),
        lang.say("ví dụ ở mục", "for example entries"),
        lang.say("vì", "because"),
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(tally.affected.iter().map(|(((portal, number), effect), affected)| {
        let examples = affected.examples.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        vec![
            portal.to_string(),
            code(*number).unwrap_or_else(|| format!("#{number}")),
            word(*effect, lang).to_owned(),
            affected.questions.to_string(),
            affected.officials.len().to_string(),
            examples,
            effect.rule().map(|rule| format!("{} {}", rule.number(), advice(rule, lang))).unwrap_or_default(),
        ]
    }));
    for line in table(&rows) {
        screen.line(&line)?;
    }
    Ok(Exit::Good)
}

fn word(effect: Effect, lang: Lang) -> &'static str {
    match effect {
        Effect::Refused(_) => lang.say("bị từ chối", "refused"),
        Effect::Answered(_) => lang.say("được trả lời", "answered"),
        Effect::Fresher => lang.say("cần dữ liệu mới hơn", "of fresher data"),
        Effect::Older => lang.say("cho dữ liệu cũ hơn", "of older data"),
        Effect::Names => lang.say("so họ tên theo ngưỡng khác", "by another name threshold"),
        Effect::Visibility => lang.say("công dân thấy lúc khác", "seen by citizens at another time"),
    }
}

fn json_of(
    ((portal, number), effect): ((u32, u32), Effect),
    affected: &Affected,
    code: &impl Fn(u32) -> Option<String>,
) -> serde_json::Value {
    json!({
        "portal": portal,
        "procedure": code(number),
        "procedure_number": number,
        "effect": effect.name(),
        "rule": effect.rule().map(xacminh_proto::vocab::ErrorNumber::number),
        "questions": affected.questions,
        "officials": affected.officials.len(),
        "examples": affected.examples,
    })
}
