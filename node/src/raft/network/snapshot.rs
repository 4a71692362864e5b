//! A snapshot on its way: its list of files, then their bytes one after the other.
//!
//! The store knows what a snapshot is; this file knows how it travels.
//! Files are read and written on threads of their own, a few chunks ahead of the wire.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use openraft::{error::StreamingError, raft::SnapshotResponse};
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout_at};
use tracing::{info, warn};

use super::{
    Silence,
    alias::{Snapshot, SnapshotMeta, Vote},
    append::{broken, explain},
    messages::{REPLY_BYTES_MAX, Reply, SNAPSHOT_HEAD_BYTES_MAX, SnapshotFile, SnapshotHead, decode, encode},
};
use crate::{
    quic::{Exchange, FrameReader},
    raft::TypeConfig,
};

/// Bytes read from or written to a file at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks between disk and wire.
const CHUNKS_MAX: usize = 8;
/// Files of one snapshot; RocksDB has some hundreds.
const FILES_MAX: usize = 65_536;
/// Bytes of one snapshot: far above any province, far below what would overflow a sum.
const BYTES_MAX: u64 = 1 << 40;
/// Bytes of a file's name.
const NAME_BYTES_MAX: usize = 255;

/// A snapshot that can be sent: the store's handle to a directory.
pub trait SnapshotSource: Send + Sync + 'static {
    /// The manifest as the receiving store wants it; opaque here.
    fn manifest(&self) -> Vec<u8>;
    /// The files in the order they are sent.
    fn files(&self) -> Vec<SnapshotFile>;
    /// Opens one of them.
    ///
    /// # Errors
    /// The disk's.
    fn open(&self, name: &str) -> io::Result<File>;
}

/// Where snapshots are received.
pub trait SnapshotSpool: Send + Sync + 'static {
    /// The store's snapshot.
    type Data: Send + 'static;
    /// Begins to receive the snapshot that `manifest` describes, in a place of its own that nobody sees.
    ///
    /// # Errors
    /// The disk's, or a manifest that the store does not accept.
    fn begin(&self, manifest: &[u8]) -> io::Result<Box<dyn SnapshotSink<Self::Data>>>;
}

/// A snapshot that is being received; dropped before its end, it leaves nothing behind that counts.
pub trait SnapshotSink<D>: Send {
    /// Appends `chunk` to the file `name`, creating it first; an empty file comes as one empty chunk.
    ///
    /// # Errors
    /// The disk's, or bytes that the manifest does not foresee.
    fn write(&mut self, name: &str, chunk: &[u8]) -> io::Result<()>;
    /// Makes everything durable and verifies it against the manifest.
    ///
    /// # Errors
    /// The disk's, or a file that is not what the manifest says.
    fn finish(self: Box<Self>) -> io::Result<D>;
}

/// Sends `snapshot` and waits until it is installed.
///
/// `silence` bounds every pause, not the whole: a snapshot may take hours, but must never stand still.
pub(super) async fn send<D: SnapshotSource>(
    mut exchange: Exchange,
    vote: Vote,
    snapshot: Snapshot<D>,
    silence: Silence,
) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
    let Snapshot { meta, snapshot } = snapshot;
    let files = snapshot.files();
    let head = SnapshotHead { vote, meta, manifest: snapshot.manifest(), files: files.clone() };
    let head = encode::<SNAPSHOT_HEAD_BYTES_MAX, _>(&head).map_err(|_| broken("the snapshot has too many files"))?;
    exchange.writer.send(head, silence.time).await.map_err(|error| explain(&error))?;

    let (chunks, mut read) = mpsc::channel::<Bytes>(CHUNKS_MAX);
    let reading = spawn_blocking(move || read_all(&snapshot, &files, &chunks));
    while let Some(chunk) = read.recv().await {
        if let Err(error) = exchange.writer.send_raw(chunk, silence.time).await {
            // The peer may have said why before it stopped listening.
            return reply(&mut exchange.reader, silence).await.and(Err(explain(&error).into()));
        }
    }
    match reading.await {
        Ok(Ok(())) => exchange.writer.finish(),
        Ok(Err(error)) => {
            exchange.writer.reset(xacminh_proto::close::CloseCode::Done);
            return Err(broken(&format!("cannot read the snapshot: {error}")).into());
        }
        Err(_) => return Err(broken("reading the snapshot was interrupted").into()),
    }
    reply(&mut exchange.reader, silence).await
}

async fn reply(
    reader: &mut FrameReader,
    silence: Silence,
) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
    let frame = match timeout_at(silence.deadline(), reader.expect(REPLY_BYTES_MAX, silence.time)).await {
        Ok(frame) => frame.map_err(|error| explain(&error))?,
        Err(_) => return Err(silence.timeout().into()),
    };
    let reply: Reply<SnapshotResponse<TypeConfig>> =
        decode::<REPLY_BYTES_MAX, _>(&frame).map_err(|_| broken("the peer's answer is malformed"))?;
    reply.map_err(|why| broken(&why).into())
}

fn read_all<D: SnapshotSource>(snapshot: &D, files: &[SnapshotFile], chunks: &mpsc::Sender<Bytes>) -> io::Result<()> {
    for SnapshotFile { name, bytes } in files {
        let mut file = snapshot.open(name)?.take(*bytes);
        let mut left = *bytes;
        while left > 0 {
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let mut chunk = vec![0; size];
            file.read_exact(&mut chunk)?;
            left -= size as u64;
            if chunks.blocking_send(Bytes::from(chunk)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A snapshot that arrived whole.
pub(super) struct Received<D> {
    pub(super) vote: Vote,
    pub(super) meta: SnapshotMeta,
    pub(super) data: D,
}

/// Receives a snapshot into `spool`; an error is in words, for the sender.
pub(super) async fn receive<P: SnapshotSpool>(
    reader: &mut FrameReader,
    spool: Arc<P>,
    silence: Silence,
) -> Result<Received<P::Data>, String> {
    let frame = reader.expect(SNAPSHOT_HEAD_BYTES_MAX, silence.time).await.map_err(|error| error.to_string())?;
    let head: SnapshotHead = decode::<SNAPSHOT_HEAD_BYTES_MAX, _>(&frame).map_err(|error| error.to_string())?;
    let total = check_files(&head.files)?;
    info!(from = silence.from, files = head.files.len(), bytes = total, "receiving a snapshot");

    let (steps, taken) = mpsc::channel::<Step>(CHUNKS_MAX);
    let (manifest, files) = (head.manifest, head.files.clone());
    let writing = spawn_blocking(move || write_all(spool.as_ref(), &manifest, &files, taken));
    let arrived = take_all(reader, &head.files, &steps, silence).await;
    // Without the last step the writer gives up, and what was staged does not count.
    drop(steps);
    let written = writing.await.map_err(|_| "writing the snapshot was interrupted".to_owned())?;
    arrived?;
    let data = written.map_err(|error| {
        warn!(%error, "cannot keep the snapshot");
        format!("cannot keep the snapshot: {error}")
    })?;
    Ok(Received { vote: head.vote, meta: head.meta, data })
}

enum Step {
    /// Bytes of the file with this number.
    Chunk(usize, Bytes),
    /// Everything has arrived.
    Finish,
}

async fn take_all(
    reader: &mut FrameReader,
    files: &[SnapshotFile],
    steps: &mpsc::Sender<Step>,
    silence: Silence,
) -> Result<(), String> {
    // The writer's own error says more than that it stopped listening, and is asked for by the caller.
    let hand_over = async |step| steps.send(step).await.map_err(|_| "the writer stopped".to_owned());
    for (number, file) in files.iter().enumerate() {
        let mut left = file.bytes;
        if left == 0 {
            hand_over(Step::Chunk(number, Bytes::new())).await?;
        }
        while left > 0 {
            let bytes_max = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let chunk = reader.raw(bytes_max, silence.time).await.map_err(|error| error.to_string())?;
            let chunk = chunk.ok_or("the snapshot ended early")?;
            left -= chunk.len() as u64;
            hand_over(Step::Chunk(number, chunk)).await?;
        }
    }
    match reader.raw(1, silence.time).await.map_err(|error| error.to_string())? {
        None => hand_over(Step::Finish).await,
        Some(_) => Err("the snapshot is longer than its list of files".to_owned()),
    }
}

fn write_all<P: SnapshotSpool>(
    spool: &P,
    manifest: &[u8],
    files: &[SnapshotFile],
    mut taken: mpsc::Receiver<Step>,
) -> io::Result<P::Data> {
    let mut sink = spool.begin(manifest)?;
    while let Some(step) = taken.blocking_recv() {
        match step {
            Step::Chunk(number, chunk) => {
                let file = files.get(number).ok_or(io::ErrorKind::InvalidData)?;
                sink.write(&file.name, &chunk)?;
            }
            Step::Finish => return sink.finish(),
        }
    }
    Err(io::Error::other("the snapshot did not arrive whole"))
}

/// Checks the list before a byte is written: names stay inside the folder, no name comes twice, sizes are sane.
fn check_files(files: &[SnapshotFile]) -> Result<u64, String> {
    if files.len() > FILES_MAX {
        return Err(format!("a snapshot of more than {FILES_MAX} files"));
    }
    let mut names = HashSet::new();
    let mut total: u64 = 0;
    for SnapshotFile { name, bytes } in files {
        if !is_inside(name) {
            return Err("a file's name leads out of the snapshot".to_owned());
        }
        if !names.insert(name.as_str()) {
            return Err("a file comes twice".to_owned());
        }
        total = total.saturating_add(*bytes);
    }
    if total > BYTES_MAX {
        return Err(format!("a snapshot of more than {BYTES_MAX} bytes"));
    }
    Ok(total)
}

fn is_inside(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && !name.contains(['\\', '\0'])
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: u64) -> SnapshotFile {
        SnapshotFile { name: name.to_owned(), bytes }
    }

    #[test]
    fn names_stay_inside() {
        for name in ["CURRENT", "000012.sst", "a/b.sst", "..a", "a..b"] {
            assert!(is_inside(name), "{name}");
        }
        for name in ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a\\b", "a\0", &"x".repeat(256)] {
            assert!(!is_inside(name), "{name:?}");
        }
    }

    #[test]
    fn lists_are_bounded() {
        assert_eq!(check_files(&[file("a", 1), file("b", 2)]), Ok(3));
        assert!(check_files(&[file("a", 1), file("a", 2)]).is_err());
        assert!(check_files(&[file("a", BYTES_MAX), file("b", 1)]).is_err());
        assert!(check_files(&[file("a", u64::MAX), file("b", u64::MAX)]).is_err());
    }
}
