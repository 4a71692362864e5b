//! `xacminh audit export`: a year of the log as files that any static web server can serve (C2SP tlog-tiles).
//!
//! ```text
//! pages of entries ─▶ DIR/<year>/tile/entries/…   what is there already is not asked for again
//!        └─ hashed ─▶ DIR/<year>/tile/<L>/…       made here: the node's hashes are not believed
//! all of it, read back from the disk and walked ─▶ DIR/<year>/checkpoint, last
//! ```
//!
//! Each file appears whole or not at all. A run that was cut short leaves no checkpoint that the files do not bear out.

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
        Checkpoint, Hash, Leaf, Policy,
        merkle::{Frontier, leaf_hash},
        note::Note,
        policy::PolicyError,
        tiles::{
            CHECKPOINT_PATH, Layer, TILE_HEIGHT, TILE_WIDTH, Tile, TileSource, audit, decode_bundle, encode_bundle,
            encode_hashes,
        },
    },
    vocab::Date,
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

/// Write a year of the log as files for any web server
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Where to; the files lie under the year in it. What is there already is kept
    directory: PathBuf,
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
    #[error("what was written does not verify: {0}")]
    Unproven(String),
}

pub(super) async fn run(
    global: &GlobalArgs,
    client: &Client,
    args: ExportArgs,
    deadline: Duration,
) -> Result<Exit, CliError> {
    let policy = global.trust()?;
    let screen = global.screen();
    let refused = |error: String| args.failed(&ExportError::Checkpoint(error));
    let note = checkpoint(client, &policy, deadline).await?.ok_or_else(|| args.failed(&ExportError::Uncosigned))?;
    let accepted = policy.accept(&note).map_err(|error| refused(error.to_string()))?;
    let head = accepted.checkpoint();
    let year = head.origin().rsplit('/').next().and_then(|year| year.parse::<u16>().ok());
    let year = year.ok_or_else(|| refused("its origin ends in no year".to_owned()))?;

    let folder = Folder(args.directory.join(year.to_string()));
    let before = folder.checkpoint(&policy).map_err(|error| CliError::file(&folder.0, error))?;
    if let Some(before) = before.as_ref().filter(|before| before.size() > head.size()) {
        return Err(args.failed(&ExportError::Older(before.size())));
    }
    let pages = Pages { client, deadline, args: &args };
    let first = pages.first_of(year).await?;
    let fetched = write_tree(&pages, &folder, first, head, before.as_ref(), screen).await?;
    // What is on the disk is what others will read, so that is what is checked.
    let mut files = folder.clone();
    audit(&mut files, head.size(), head.root(), true)
        .map_err(|error| args.failed(&ExportError::Unproven(error.to_string())))?;
    folder.write(Path::new(CHECKPOINT_PATH), note.to_string().as_bytes()).map_err(|e| CliError::file(&folder.0, e))?;
    if screen.json {
        screen.json(&serde_json::json!({
            "origin": head.origin(), "size": head.size(), "cosigners": accepted.cosigners().len(),
            "entries_fetched": fetched, "directory": folder.0.display().to_string(), "verified": true,
        }))?;
    } else {
        let (origin, size) = (head.origin(), head.size());
        screen.line(&format!("{}: {origin}, {size} entries, {fetched} of them new; all verify", folder.0.display()))?;
    }
    Ok(Exit::Good)
}

/// The newest head that a node has; if the policy wants cosignatures that it lacks, the newest of any node that has them:
/// witnesses are asked by the node that leads. None if no node has one.
async fn checkpoint(client: &Client, policy: &Policy, deadline: Duration) -> Result<Option<Note>, CliError> {
    let first = client.checkpoint(deadline).await?;
    if policy.accept(&first) != Err(PolicyError::Quorum) {
        return Ok(Some(first));
    }
    let heads = client.checkpoint_of_all(deadline).await.into_iter().flatten();
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
    /// Position of a year's first entry. Stamps only grow, so it is found by halving.
    async fn first_of(&self, year: u16) -> Result<u64, CliError> {
        // A page of nothing tells how long the log is.
        let page = AuditPage { from: u64::MAX, limit: 1 };
        let (mut low, mut high) = (0, self.client.audit_page(page, self.deadline).await?.leaves);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entries(middle, 1).await?.remove(0);
            // What is no longer kept is of an earlier year.
            let is_before = Pruned::read(&entry).is_some() || {
                let leaf = Leaf::decode(&entry)
                    .map_err(|error| self.args.failed(&ExportError::Entry(middle, error.to_string())))?;
                Date::in_vietnam(leaf.time_ms).year() < year
            };
            if is_before { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// So many entries from a position on.
    async fn entries(&self, from: u64, count: u16) -> Result<Vec<Vec<u8>>, CliError> {
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
            ExportError::Uncosigned | ExportError::Older(_) | ExportError::Behind(_) => CliError::NotYet(said),
            ExportError::Checkpoint(_)
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
