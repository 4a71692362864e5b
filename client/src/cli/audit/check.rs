//! `audit check` and `audit consistency`: nothing a node says of the log is believed without computing it.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use xacminh_proto::{
    hex,
    transparency::{
        Checkpoint, Policy,
        merkle::check_consistency,
        note::{NOTE_BYTES_MAX, Note},
    },
    wire::{AuditPage, ConsistencyWish},
};

use crate::Client;

use super::{
    PAGE_ENTRIES,
    walk::{Break, Walk, Walked, Wanted},
};
use crate::cli::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    receipt,
    screen::{Lang, Screen},
};

/// Pages under way at once: the node reads ahead while we hash.
const PAGES_AHEAD: usize = 4;

/// How often a page that a node does not have yet is asked for again.
const TRIES_MAX: usize = 50;

/// How long to wait for a node that lags behind the one that said how long the log is.
const PAUSE: Duration = Duration::from_millis(200);

/// Leaves between two remarks on how far it is.
const REMARK_EVERY: u64 = 1 << 18;

/// Options of `check`
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A checkpoint that the log must agree with; may be repeated; `-` reads standard input
    #[arg(long = "checkpoint", value_name = "FILE", num_args = 1..)]
    checkpoints: Vec<PathBuf>,
    /// A receipt that the log must agree with; may be repeated; `-` reads standard input
    #[arg(long = "receipt", value_name = "FILE", num_args = 1..)]
    receipts: Vec<PathBuf>,
    /// Keep the node's newest checkpoint in this file, to check against the next time; `-` is standard output, and the
    /// result goes to standard error then
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

/// Options of `consistency`
#[derive(Debug, Args)]
pub(super) struct ConsistencyArgs {
    /// The older checkpoint
    old: PathBuf,
    /// The newer checkpoint
    new: PathBuf,
}

/// A checkpoint, and the year its origin ends with.
struct Held {
    source: String,
    checkpoint: Checkpoint,
    year: u16,
    signed: bool,
    /// Whether it has the cosignatures that the policy wants.
    cosigned: bool,
}

pub(super) async fn check(
    global: &GlobalArgs,
    client: &Client,
    args: &CheckArgs,
    deadline: Duration,
) -> Result<Exit, CliError> {
    let (screen, policy) = (global.screen(), global.log_policy()?);
    let mut held =
        args.checkpoints.iter().map(|path| checkpoint_of(path, policy.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let mut wanted = Wanted::default();
    for path in &args.receipts {
        held.push(receipt_of(path, policy.as_ref(), &mut wanted)?);
    }
    let newest = client.checkpoint(deadline).await?;
    held.push(held_of("the node's newest checkpoint".into(), &newest, policy.as_ref())?);
    one_log(&held)?;
    held.iter().for_each(|held| wanted.head(&held.source, held.year, held.checkpoint.size(), *held.checkpoint.root()));
    let walked = recompute(screen, client, wanted, deadline).await?;
    let mut screen = screen;
    if let Some(path) = &args.keep {
        let place = receipt::place_over(path)?;
        screen = screen.beside(&place);
        place.write(newest.to_string().as_bytes())?;
    }
    remark_uncosigned(screen, &held);
    let unsigned = held.iter().filter(|held| !held.signed).count();
    tell(screen, &walked, unsigned)?;
    Ok(Exit::Good)
}

pub(super) async fn consistency(
    global: &GlobalArgs,
    client: &Client,
    args: &ConsistencyArgs,
    deadline: Duration,
) -> Result<Exit, CliError> {
    let (screen, policy) = (global.screen(), global.log_policy()?);
    let held = [checkpoint_of(&args.old, policy.as_ref())?, checkpoint_of(&args.new, policy.as_ref())?];
    one_log(&held)?;
    let [old, new] = &held;
    let sizes = (old.checkpoint.size(), new.checkpoint.size());
    if (old.year, sizes.0) > (new.year, sizes.1) {
        return Err(CliError::Usage(format!("{} is the newer one: give the older one first", old.source)));
    }
    let way = if old.year == new.year {
        let wish = ConsistencyWish { year: old.year, old: sizes.0, new: sizes.1 };
        let proof = client.consistency(wish, deadline).await?;
        let roots = (old.checkpoint.root(), new.checkpoint.root());
        check_consistency((sizes.0, roots.0), (sizes.1, roots.1), &proof)
            .map_err(|error| CliError::Log(format!("{} does not grow into {}: {error}", old.source, new.source)))?;
        "proof"
    } else {
        // Years are tied by their first entries, which are leaves: only all of them together tell.
        let mut wanted = Wanted::default();
        held.iter()
            .for_each(|held| wanted.head(&held.source, held.year, held.checkpoint.size(), *held.checkpoint.root()));
        recompute(screen, client, wanted, deadline).await?;
        "recomputed"
    };
    remark_uncosigned(screen, &held);
    let signed = held.iter().all(|held| held.signed);
    if screen.json {
        screen.json(&serde_json::json!({"consistent": true, "by": way, "signatures_checked": signed}))?;
    } else {
        let say = screen
            .lang
            .say("nhất quán: bản cũ là phần đầu của bản mới", "consistent: the older is the beginning of the newer");
        screen.line(say)?;
        remark_unsigned(screen, usize::from(!signed));
    }
    Ok(Exit::Good)
}

/// Downloads every leaf and computes every tree.
async fn recompute(screen: Screen, client: &Client, wanted: Wanted, deadline: Duration) -> Result<Walked, CliError> {
    // A page of nothing tells how long the log is.
    let leaves = client.audit_page(AuditPage { from: u64::MAX, limit: 1 }, deadline).await?.leaves;
    let mut walk = Walk::new(wanted);
    let broken = |error: Break| CliError::Log(error.to_string());
    let step = usize::from(PAGE_ENTRIES);
    let starts = (0..leaves).step_by(step);
    let pages = stream::iter(starts).map(|from| page(client, from, leaves, deadline)).buffered(PAGES_AHEAD);
    let mut pages = std::pin::pin!(pages);
    let mut walked = 0_u64;
    while let Some(page) = pages.try_next().await? {
        page.iter().try_for_each(|leaf| walk.add(leaf)).map_err(broken)?;
        let before = walked / REMARK_EVERY;
        walked += u64::try_from(page.len()).unwrap_or(0);
        if walked / REMARK_EVERY > before {
            screen.note(&format!("{walked} / {leaves}"));
        }
    }
    walk.finish().map_err(broken)
}

/// One page, whole: another node may be a moment behind the one that said how long the log is.
async fn page(client: &Client, from: u64, leaves: u64, deadline: Duration) -> Result<Vec<Vec<u8>>, CliError> {
    let until = leaves.min(from + u64::from(PAGE_ENTRIES));
    let mut found: Vec<Vec<u8>> = Vec::new();
    for _ in 0..TRIES_MAX {
        let next = from + u64::try_from(found.len()).unwrap_or(0);
        let limit = u16::try_from(until - next).unwrap_or(PAGE_ENTRIES);
        let page = client.audit_page(AuditPage { from: next, limit }, deadline).await?;
        let is_empty = page.entries.is_empty();
        found.extend(page.entries.into_iter().map(|entry| entry.leaf));
        if from + u64::try_from(found.len()).unwrap_or(0) == until {
            return Ok(found);
        }
        if is_empty {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Err(CliError::Log(format!("the log was said to have {leaves} entries, and entry {until} is not to be had")))
}

fn checkpoint_of(path: &std::path::Path, policy: Option<&Policy>) -> Result<Held, CliError> {
    let name = receipt::name_of(path);
    let bytes = receipt::bytes(path, NOTE_BYTES_MAX)?;
    let note = Note::parse(&bytes).map_err(|error| CliError::file(std::path::Path::new(&name), error))?;
    held_of(name, &note, policy)
}

/// The head of a receipt, once the receipt proves its leaf against it; the leaf is wanted, too.
fn receipt_of(path: &std::path::Path, policy: Option<&Policy>, wanted: &mut Wanted) -> Result<Held, CliError> {
    let receipt = receipt::receipt(path)?;
    match policy {
        Some(policy) => receipt.verify(&policy.without_quorum()).map(drop),
        None => receipt.check(),
    }
    .map_err(receipt::refused(path))?;
    let held = held_of(receipt::name_of(path), receipt.checkpoint(), policy)?;
    wanted.leaf(&held.source, held.year, receipt.index(), receipt.leaf().to_vec());
    Ok(held)
}

fn held_of(source: String, note: &Note, policy: Option<&Policy>) -> Result<Held, CliError> {
    let wrong = |why: &dyn std::fmt::Display| CliError::Log(format!("{source}: {why}"));
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| wrong(&error))?;
    if let Some(policy) = policy {
        // A newest checkpoint leaves before any witness has seen it; that the log itself signed is never waived.
        policy.without_quorum().accept(note).map_err(|error| wrong(&error))?;
    }
    let cosigned = policy.is_none_or(|policy| policy.accept(note).is_ok());
    let year = checkpoint.origin().rsplit_once('/').and_then(|(_, year)| year.parse().ok());
    let year = year.ok_or_else(|| wrong(&"its origin does not end with a year"))?;
    Ok(Held { source, checkpoint, year, signed: policy.is_some(), cosigned })
}

/// Checkpoints of two provinces say nothing of one another.
fn one_log(held: &[Held]) -> Result<(), CliError> {
    let name = |held: &Held| held.checkpoint.origin().rsplit_once('/').map(|(name, _)| name.to_owned());
    match held.windows(2).find(|pair| name(&pair[0]) != name(&pair[1])) {
        None => Ok(()),
        Some([one, other]) => Err(CliError::Log(format!(
            "{} is of the log {}, {} of the log {}",
            one.source,
            one.checkpoint.origin(),
            other.source,
            other.checkpoint.origin()
        ))),
        Some(_) => Err(CliError::Internal("windows of two have two".into())),
    }
}

fn tell(screen: Screen, walked: &Walked, unsigned: usize) -> Result<(), CliError> {
    let Walked { shards, agreed, pruned } = walked;
    let leaves: u64 = shards.iter().map(|shard| shard.tree.size()).sum();
    if screen.json {
        let shards = shards.iter().map(|shard| {
            serde_json::json!({
                "year": shard.year, "first": shard.first, "size": shard.tree.size(), "root": hex::text(&shard.tree.root()),
            })
        });
        let shards: Vec<_> = shards.collect();
        screen.json(&serde_json::json!({
            "sound": true, "leaves": leaves, "shards": shards, "agreed": agreed, "pruned": pruned,
            "signatures_unchecked": unsigned,
        }))?;
        return Ok(());
    }
    let say = screen.lang.say("nhật ký toàn vẹn", "the log is sound");
    screen.line(&format!("{say}: {leaves} · {agreed} {}", agree(screen.lang, *agreed)))?;
    for shard in shards {
        let (year, size, root) = (shard.year, shard.tree.size(), hex::text(&shard.tree.root()));
        screen.line(&format!("{year}  {size}  {root}"))?;
    }
    if *pruned > 0 {
        let say = screen.lang.say("mục không còn lưu, chỉ còn mã băm", "entries are no longer kept, only their hashes");
        screen.line(&format!("{pruned} {say}"))?;
    }
    remark_unsigned(screen, unsigned);
    Ok(())
}

fn agree(lang: Lang, count: usize) -> &'static str {
    lang.say("đối chiếu khớp", if count == 1 { "comparison agrees" } else { "comparisons agree" })
}

fn remark_uncosigned(screen: Screen, held: &[Held]) {
    for held in held.iter().filter(|held| !held.cosigned) {
        let say = screen.lang.say(
            "chưa có đủ nhân chứng đồng ký như chính sách muốn",
            "not cosigned by as many witnesses as the policy wants",
        );
        screen.note(&format!("{}: {say}", held.source));
    }
}

fn remark_unsigned(screen: Screen, unsigned: usize) {
    if unsigned > 0 {
        screen.note(screen.lang.say(
            "chưa kiểm tra chữ ký: đặt `log_key` hoặc `log_policy` trong tệp cấu hình",
            "signatures were not checked: set `log_key` or `log_policy` in the configuration file",
        ));
    }
}
