//! What the log server hands out: checkpoints that never go back, and the tiles under them.

use std::{collections::BTreeMap, io, sync::Arc};

use tokio::{
    sync::Mutex,
    time::{Duration, Instant},
};
use xacminh_core::apply::Shard;
use xacminh_proto::transparency::{
    LeafBytes,
    tiles::{Layer, Tile, encode_bundle, encode_hashes},
};

use super::Cosigned;
use crate::{
    env::Clock,
    notary::{Notary, NotaryError},
    store::State,
};

/// How long one checkpoint is handed out again: a signature and a durable record per second is what readers may cost.
const CHECKPOINT_REUSE: Duration = Duration::from_secs(1);

/// How old a cosigned checkpoint may be and still be handed out in place of a newer one that nobody cosigned yet.
/// Witnesses are asked every few seconds; if all of them are silent for this long, the log's own word is newer.
pub(super) const COSIGNED_MS_MAX: u64 = 60_000;

/// The log's files; clones share them.
#[derive(Clone)]
pub struct Shelf {
    state: State,
    notary: Notary,
    cosigned: Arc<Cosigned>,
    clock: Arc<dyn Clock>,
    /// What was handed out last of each year.
    served: Arc<Mutex<BTreeMap<u16, Served>>>,
}

#[derive(Clone)]
struct Served {
    text: Arc<str>,
    size: u64,
    at: Instant,
}

/// Why there is nothing under a name.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// The log has no such year.
    #[error("the log has no such year")]
    Year,
    /// The tree does not reach so far, or not yet.
    #[error("the tree has no such tile, or not yet")]
    Tile,
    /// The entries are no longer kept; the tile of their hashes is.
    #[error("these entries are no longer kept")]
    Pruned,
    /// There is no signed head now.
    #[error("no checkpoint can be signed now")]
    Checkpoint(#[source] NotaryError),
    /// The disk.
    #[error("the log cannot be read")]
    Disk(#[from] io::Error),
}

impl Shelf {
    /// The shelf of a node.
    #[must_use]
    pub fn new(state: State, notary: Notary, cosigned: Arc<Cosigned>, clock: Arc<dyn Clock>) -> Self {
        Self { state, notary, cosigned, clock, served: Arc::default() }
    }

    /// The newest checkpoint of the newest year.
    ///
    /// # Errors
    /// [`Missing::Year`] for an empty log, [`Missing::Checkpoint`].
    pub async fn newest(&self) -> Result<Arc<str>, Missing> {
        let year = self.state.shards().last().map(|shard| shard.year).ok_or(Missing::Year)?;
        self.checkpoint(year).await
    }

    /// The newest checkpoint of a year: a cosigned one as long as it is fresh, else the log's own.
    ///
    /// Nobody who asks this node twice gets a smaller tree the second time. Everything handed out was signed by this
    /// node's notary, whose record is durable, so that holds across a restart, too: until the state is back where it
    /// was, there is no checkpoint.
    ///
    /// # Errors
    /// [`Missing`].
    pub async fn checkpoint(&self, year: u16) -> Result<Arc<str>, Missing> {
        let (shard, leaves) = self.shard(year).ok_or(Missing::Year)?;
        // Held while the notary signs: readers who come together cost one signature.
        let mut served = self.served.lock().await;
        let last = served.get(&year);
        if let Some(last) = last
            && last.at.elapsed() < CHECKPOINT_REUSE
        {
            return Ok(Arc::clone(&last.text));
        }
        let head = self.notary.head(leaves).await.map_err(Missing::Checkpoint)?;
        let now_ms = self.clock.now_ms();
        let floor = last.map_or(0, |last| last.size);
        let cosigned = self.cosigned.of(shard.year).filter(|cosigned| {
            let is_fresh = now_ms.saturating_sub(cosigned.at_ms) <= COSIGNED_MS_MAX;
            cosigned.size >= floor && (is_fresh || cosigned.size == head.size) && cosigned.size <= head.size
        });
        let (size, text) = match cosigned {
            Some(cosigned) => (cosigned.size, cosigned.note.to_string()),
            None => (head.size, head.note.to_string()),
        };
        let text: Arc<str> = match last {
            Some(last) if last.size > size => Arc::clone(&last.text),
            _ => text.into(),
        };
        served.insert(year, Served { text: Arc::clone(&text), size: size.max(floor), at: Instant::now() });
        Ok(text)
    }

    /// The bytes of a tile of a year's tree, full or partial, as far as the tree has grown. Reads one tile, and blocks.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn tile(&self, year: u16, tile: Tile) -> Result<Vec<u8>, Missing> {
        let (shard, leaves) = self.shard(year).ok_or(Missing::Year)?;
        let size = leaves - shard.first;
        let grown = Tile::of_tree(tile.layer(), tile.index(), size).ok_or(Missing::Tile)?;
        if tile.width() > grown.width() {
            return Err(Missing::Tile);
        }
        let width = usize::from(tile.width());
        match tile.layer() {
            Layer::Hashes(level) => {
                let mut hashes = self.state.hashes(shard);
                let hashes = hashes.tile(level, tile.index())?.get(..width).ok_or_else(damaged)?;
                Ok(encode_hashes(hashes))
            }
            Layer::Entries => {
                let first = shard.first + tile.index() * u64::from(xacminh_proto::transparency::tiles::TILE_WIDTH);
                let leaves: Vec<LeafBytes> = self.state.leaves(first, width)?;
                if leaves.is_empty() && first < self.state.pruned() {
                    return Err(Missing::Pruned);
                }
                if leaves.len() != width {
                    return Err(damaged().into());
                }
                Ok(encode_bundle(&leaves).map_err(|_| damaged())?)
            }
        }
    }

    /// A year's shard, and how many leaves the log had at its end, or has now.
    fn shard(&self, year: u16) -> Option<(Shard, u64)> {
        // The count comes first: whatever the shards say after it, the tree has at least grown so far.
        let leaves = self.state.meta().leaves;
        ends(&self.state.shards(), leaves).into_iter().find(|(shard, _)| shard.year == year)
    }
}

/// Every shard with the count of leaves in the log at its end; the newest one's with the count now.
pub(super) fn ends(shards: &[Shard], leaves: u64) -> Vec<(Shard, u64)> {
    let nexts = shards.iter().skip(1).map(|next| next.first).chain([u64::MAX]);
    let ended = shards.iter().zip(nexts).map(move |(shard, next)| (*shard, next.min(leaves)));
    // One that was opened after the count was taken has no leaf yet.
    ended.filter(|(shard, end)| shard.first < *end).collect()
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the log lacks leaves that its tree has")
}
