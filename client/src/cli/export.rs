//! `xacminh audit export`: the log as files that any static web server can serve (C2SP tlog-tiles), year by year.
//!
//! ```text
//! years       the newest, then that before, by its checkpoint, …: where each begins
//! pages of entries ─▶ DIR/<year>/tile/entries/…   what is there already is not asked for again
//!        └─ hashed ─▶ DIR/<year>/tile/<L>/…       made here: the node's hashes are not believed
//! all of it, read back from the disk and walked ─▶ DIR/<year>/checkpoint, last
//! ```
//!
//! Each file appears whole or not at all. A run that was cut short leaves no checkpoint that the files do not bear out.

mod years;

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use xacminh_proto::{
    transparency::{
        Checkpoint, Hash, Policy,
        merkle::{Frontier, leaf_hash},
        note::Note,
        policy::{Accepted, PolicyError},
        tiles::{
            CHECKPOINT_PATH, Layer, TILE_HEIGHT, TILE_WIDTH, Tile, TileSource, audit, decode_bundle, encode_bundle,
            encode_hashes,
        },
    },
    wire::{AUDIT_PAGE_MAX, AuditPage, Pruned},
};

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    screen::Screen,
};
use crate::Client;

/// How often a node that does not have all leaves yet is asked again, and after what pause: another node signed the
/// checkpoint a moment ago.
const TRIES_MAX: u32 = 50;
const TRY_PAUSE: Duration = Duration::from_millis(200);

const WIDTH: u64 = TILE_WIDTH as u64;

/// The log, year by year, as files for any web server
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Where to; the files lie under their year in it. What is there already is kept
    directory: PathBuf,
    /// One year's log alone [default: every year whose key is given and whose entries are kept]
    #[arg(long)]
    year: Option<u16>,
}

/// Why what a node hands out is not written down as the log.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("the checkpoint is not to be believed: {0}")]
    Checkpoint(String),
    #[error("no node has a checkpoint with the cosignatures that the policy wants")]
    Uncosigned,
    #[error("the entries do not lead to the checkpoint: keep both, they may be evidence")]
    Root,
    #[error(
        "the checkpoint exported before is not of this log's history: keep both, they are evidence if both are signed"
    )]
    Forked,
    #[error("the checkpoint exported before has {0} leaves, this one fewer")]
    Older(u64),
    #[error("the node has no entry {0} yet")]
    Behind(u64),
    #[error("entry {0} is none: {1}")]
    Entry(u64, String),
    #[error("entry {0} and those before it are no longer kept: an export of before is all there is")]
    Pruned(u64),
    #[error("the log has no year {0}")]
    NoYear(u16),
    #[error("the checkpoint of {0} is not the year's last one yet")]
    Unended(u16),
    #[error("the years before {0} do not fit before it")]
    Years(u16),
    #[error("what was written does not verify: {0}")]
    Unproven(String),
}

/// What became of a year.
enum Exported {
    /// Written: its origin, entries, cosigners, and how many entries were fetched.
    Written { origin: String, size: u64, cosigners: usize, fetched: u64 },
    /// Left as it is, because a past year cannot or need not be written.
    LeftOut(LeftOut),
}

/// Why a past year is left out when every year is wanted.
#[derive(Clone, Copy)]
enum LeftOut {
    NoKey,
    Pruned,
}

pub(super) async fn run(
    global: &GlobalArgs,
    client: &Client,
    args: ExportArgs,
    deadline: Duration,
) -> Result<Exit, CliError> {
    let policy = global.trust()?;
    let screen = global.screen();
    let pages = Pages { client, deadline, args: &args };
    let held = years::held(&pages, args.year).await?;
    let wanted = held.iter().enumerate().filter(|(_, year)| args.year.is_none_or(|wanted| wanted == year.number));
    let mut found = false;
    for (back, year) in wanted {
        found = true;
        let folder = Folder(args.directory.join(year.number.to_string()));
        let note = checkpoint(&pages, &policy, year.number).await?;
        let is_optional = back > 0 && args.year.is_none();
        let done = match note {
            None => Err(args.failed(&ExportError::Uncosigned)),
            Some(note) => match policy.accept(&note) {
                Err(PolicyError::Origin) if is_optional => Ok(Exported::LeftOut(LeftOut::NoKey)),
                Err(error) => Err(args.failed(&ExportError::Checkpoint(error.to_string()))),
                Ok(accepted)
                    if is_optional && pages.is_missing(&folder, year.first, accepted.checkpoint().size()).await? =>
                {
                    Ok(Exported::LeftOut(LeftOut::Pruned))
                }
                Ok(accepted) => export(&pages, &folder, year.first, (&note, &accepted), &policy, screen).await,
            },
        };
        tell(screen, &folder, year.number, &done?)?;
    }
    match args.year {
        Some(year) if !found => Err(args.failed(&ExportError::NoYear(year))),
        _ => Ok(Exit::Good),
    }
}

/// Writes a year, and its checkpoint last.
async fn export(
    pages: &Pages<'_>,
    folder: &Folder,
    first: u64,
    (note, accepted): (&Note, &Accepted),
    policy: &Policy,
    screen: Screen,
) -> Result<Exported, CliError> {
    let head = accepted.checkpoint();
    let before = folder.checkpoint(policy).map_err(|error| CliError::file(&folder.0, error))?;
    if let Some(before) = before.as_ref().filter(|before| before.size() > head.size()) {
        return Err(pages.args.failed(&ExportError::Older(before.size())));
    }
    let fetched = write_tree(pages, folder, first, head, before.as_ref(), screen).await?;
    // What is on the disk is what others will read, so that is what is checked.
    let mut files = folder.clone();
    audit(&mut files, head.size(), head.root(), true)
        .map_err(|error| pages.args.failed(&ExportError::Unproven(error.to_string())))?;
    folder.write(Path::new(CHECKPOINT_PATH), note.to_string().as_bytes()).map_err(|e| CliError::file(&folder.0, e))?;
    let cosigners = accepted.cosigners().len();
    Ok(Exported::Written { origin: head.origin().to_owned(), size: head.size(), cosigners, fetched })
}

fn tell(screen: Screen, folder: &Folder, year: u16, done: &Exported) -> io::Result<()> {
    let directory = folder.0.display().to_string();
    match done {
        Exported::Written { origin, size, cosigners, fetched } if screen.json => screen.json(&serde_json::json!({
            "origin": origin, "size": size, "cosigners": cosigners,
            "entries_fetched": fetched, "directory": directory, "verified": true,
        })),
        Exported::Written { origin, size, fetched, .. } => {
            screen.line(&format!("{directory}: {origin}, {size} entries, {fetched} of them new; all verify"))
        }
        Exported::LeftOut(why) if screen.json => screen.json(&serde_json::json!({
            "year": year, "directory": directory,
            "left_out": match why { LeftOut::NoKey => "no_key", LeftOut::Pruned => "no_longer_kept" },
        })),
        Exported::LeftOut(LeftOut::NoKey) => {
            screen.line(&format!("{directory}: left out, no key of the log of {year} was given"))
        }
        Exported::LeftOut(LeftOut::Pruned) => {
            screen.line(&format!("{directory}: left as it is, entries of {year} are no longer kept"))
        }
    }
}

/// The newest head of a year that a node has; if the policy wants cosignatures that it lacks, the newest of any node that has
/// them: witnesses are asked by the node that leads. None if no node has one.
async fn checkpoint(pages: &Pages<'_>, policy: &Policy, year: u16) -> Result<Option<Note>, CliError> {
    let (client, deadline) = (pages.client, pages.deadline);
    let first = client.checkpoint_of(year, deadline).await?;
    if policy.accept(&first) != Err(PolicyError::Quorum) {
        return Ok(Some(first));
    }
    let heads = client.checkpoint_of_all(year, deadline).await.into_iter().flatten();
    let cosigned = heads.filter_map(|note| Some((policy.accept(&note).ok()?.checkpoint().size(), note)));
    Ok(cosigned.max_by_key(|(size, _)| *size).map(|(_, note)| note))
}

/// Writes entries and hashes, and compares the roots on the way; gives how many entries were fetched.
async fn write_tree(
    pages: &Pages<'_>,
    folder: &Folder,
    first: u64,
    head: &Checkpoint,
    before: Option<&Checkpoint>,
    screen: Screen,
) -> Result<u64, CliError> {
    let bar = progress(screen, head.size());
    let failed = |error: &io::Error| CliError::file(&folder.0, error);
    let mut levels: Vec<Level> = vec![Level::default()];
    let mut frontier = Frontier::new();
    let mut fetched = 0;
    for index in 0..head.size().div_ceil(WIDTH) {
        let tile = Tile::of_tree(Layer::Entries, index, head.size()).expect("the tree reaches this tile");
        let bundle = match folder.bundle(tile) {
            Some(bundle) => bundle,
            None => {
                let entries = pages.entries(first + index * WIDTH, tile.width()).await?;
                fetched += u64::from(tile.width());
                let bundle = encode_bundle(&entries).map_err(|error| CliError::Internal(error.to_string()))?;
                folder.write(Path::new(&tile.path()), &bundle).map_err(|error| failed(&error))?;
                bundle
            }
        };
        for entry in decode_bundle(&bundle, tile.width()).map_err(|error| CliError::Internal(error.to_string()))? {
            let mut full = Vec::new();
            frontier.append_with(leaf_hash(entry), |subtree, hash| {
                if subtree.level % TILE_HEIGHT == 0 {
                    full.push((usize::from(subtree.level / TILE_HEIGHT), *hash));
                }
            });
            for (level, hash) in full {
                if levels.len() <= level {
                    levels.resize_with(level + 1, Level::default);
                }
                levels[level].push(level, hash, folder).map_err(|error| failed(&error))?;
            }
            if before.is_some_and(|before| before.size() == frontier.size() && *before.root() != frontier.root()) {
                return Err(pages.args.failed(&ExportError::Forked));
            }
        }
        bar.set_position(frontier.size());
    }
    for (level, hashes) in levels.iter_mut().enumerate() {
        hashes.write(level, folder).map_err(|error| failed(&error))?;
    }
    bar.finish_and_clear();
    if frontier.root() == *head.root() { Ok(fetched) } else { Err(pages.args.failed(&ExportError::Root)) }
}

/// The hashes of the tile of one level that is not full.
#[derive(Default)]
struct Level {
    index: u64,
    hashes: Vec<Hash>,
}

impl Level {
    fn push(&mut self, level: usize, hash: Hash, folder: &Folder) -> io::Result<()> {
        self.hashes.push(hash);
        if self.hashes.len() == usize::from(TILE_WIDTH) {
            self.write(level, folder)?;
            self.index += 1;
            self.hashes.clear();
        }
        Ok(())
    }

    fn write(&mut self, level: usize, folder: &Folder) -> io::Result<()> {
        if self.hashes.is_empty() {
            return Ok(());
        }
        let layer = Layer::Hashes(u8::try_from(level).expect("eight levels at most"));
        let width = u16::try_from(self.hashes.len()).expect("a tile is narrow");
        let tile = Tile::new(layer, self.index, width).expect("coordinates of a tree");
        let (path, bytes) = (tile.path(), encode_hashes(&self.hashes));
        match fs::read(folder.0.join(&path)) {
            Ok(there) if there == bytes => Ok(()),
            _ => folder.write(Path::new(&path), &bytes),
        }
    }
}

/// Entries as a node hands them out.
struct Pages<'a> {
    client: &'a Client,
    deadline: Duration,
    args: &'a ExportArgs,
}

impl Pages<'_> {
    /// Whether entries that a folder lacks are no longer kept: what is dropped is the beginning of the log.
    async fn is_missing(&self, folder: &Folder, first: u64, size: u64) -> Result<bool, CliError> {
        let tiles = (0..size.div_ceil(WIDTH)).filter_map(|index| Tile::of_tree(Layer::Entries, index, size));
        match tiles.into_iter().find(|tile| folder.bundle(*tile).is_none()) {
            Some(lacking) => Ok(Pruned::read(&self.entry(first + lacking.index() * WIDTH).await?).is_some()),
            None => Ok(false),
        }
    }

    /// The entry at a position, or what stands in its place.
    async fn entry(&self, position: u64) -> Result<Vec<u8>, CliError> {
        Ok(self.any(position, 1).await?.remove(0))
    }

    /// So many entries from a position on, all of them kept.
    async fn entries(&self, from: u64, count: u16) -> Result<Vec<Vec<u8>>, CliError> {
        let entries = self.any(from, count).await?;
        match (from..).zip(&entries).filter(|(_, entry)| Pruned::read(entry).is_some()).last() {
            Some((position, _)) => Err(self.args.failed(&ExportError::Pruned(position))),
            None => Ok(entries),
        }
    }

    /// So many entries from a position on, or what stands in their place.
    async fn any(&self, from: u64, count: u16) -> Result<Vec<Vec<u8>>, CliError> {
        let mut entries = Vec::new();
        for _ in 0..TRIES_MAX {
            let had = u16::try_from(entries.len()).expect("a page is short");
            let next = from + u64::from(had);
            let page = AuditPage { from: next, limit: (count - had).min(AUDIT_PAGE_MAX) };
            let found = self.client.audit_page(page, self.deadline).await?.entries;
            let is_empty = found.is_empty();
            entries.extend(found.into_iter().map(|entry| entry.leaf));
            if entries.len() == usize::from(count) {
                return Ok(entries);
            }
            if is_empty {
                tokio::time::sleep(TRY_PAUSE).await;
            }
        }
        Err(self.args.failed(&ExportError::Behind(from)))
    }
}

/// A year's files.
#[derive(Clone)]
struct Folder(PathBuf);

impl Folder {
    /// A bundle that an earlier run has written. One that is damaged is fetched again.
    fn bundle(&self, tile: Tile) -> Option<Vec<u8>> {
        let bytes = fs::read(self.0.join(tile.path())).ok()?;
        decode_bundle(&bytes, tile.width()).is_ok().then_some(bytes)
    }

    /// The checkpoint that an earlier run has written, if it is one of this log.
    fn checkpoint(&self, policy: &Policy) -> io::Result<Option<Checkpoint>> {
        let bytes = match fs::read(self.0.join(CHECKPOINT_PATH)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let note = Note::parse(&bytes).map_err(io::Error::other)?;
        policy.accept(&note).map(|accepted| Some(accepted.checkpoint().clone())).map_err(io::Error::other)
    }

    /// If we crash here, the file is the one before or this one.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let path = self.0.join(path);
        let parent = path.parent().unwrap_or(&self.0);
        fs::create_dir_all(parent)?;
        let draft = parent.join(".draft");
        let mut file = fs::File::create(&draft)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&draft, &path)
    }
}

impl TileSource for Folder {
    type Error = io::Error;

    fn tile(&mut self, tile: Tile) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(tile.path()))
    }
}

impl ExportArgs {
    /// What it means: that the log does not hold, or that it is not there yet.
    fn failed(&self, error: &ExportError) -> CliError {
        let said = format!("{}: {error}", self.directory.display());
        match error {
            ExportError::Uncosigned | ExportError::Older(_) | ExportError::Behind(_) | ExportError::Unended(_) => {
                CliError::NotYet(said)
            }
            ExportError::NoYear(_) => CliError::Usage(said),
            ExportError::Pruned(_) => CliError::file(&self.directory, error),
            ExportError::Years(_)
            | ExportError::Checkpoint(_)
            | ExportError::Root
            | ExportError::Forked
            | ExportError::Entry(..)
            | ExportError::Unproven(_) => CliError::Log(said),
        }
    }
}

fn progress(screen: Screen, total: u64) -> ProgressBar {
    if screen.quiet {
        return ProgressBar::hidden();
    }
    // The bar hides itself when standard error is no terminal.
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
