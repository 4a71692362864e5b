//! Joins the store's snapshots to the network that carries them.

use std::{fs::File, io, path::PathBuf};

use xacminh_proto::codec;

use super::network::{SnapshotFile, SnapshotSink, SnapshotSource, SnapshotSpool};
use crate::store::{MANIFEST_BYTES_MAX, Manifest, Receiving, SnapshotDir};

impl SnapshotSource for SnapshotDir {
    fn manifest(&self) -> Vec<u8> {
        // A manifest that was read from disk or built here was bounded there.
        codec::encode::<MANIFEST_BYTES_MAX, _>(SnapshotDir::manifest(self)).unwrap_or_default()
    }

    fn files(&self) -> Vec<SnapshotFile> {
        let files = SnapshotDir::manifest(self).files.iter();
        files.map(|file| SnapshotFile { name: file.name.clone(), bytes: file.size }).collect()
    }

    fn open(&self, name: &str) -> io::Result<File> {
        File::open(self.path().join(name))
    }
}

/// Receives snapshots into the data directory.
pub(super) struct Spool {
    pub(super) incoming: PathBuf,
}

impl SnapshotSpool for Spool {
    type Data = SnapshotDir;

    fn begin(&self, manifest: &[u8]) -> io::Result<Box<dyn SnapshotSink<SnapshotDir>>> {
        let manifest: Manifest = codec::decode::<MANIFEST_BYTES_MAX, _>(manifest).map_err(io::Error::other)?;
        Ok(Box::new(SnapshotDir::receive(&self.incoming, manifest)?))
    }
}

impl SnapshotSink<SnapshotDir> for Receiving {
    fn write(&mut self, name: &str, chunk: &[u8]) -> io::Result<()> {
        Receiving::write(self, name, chunk)
    }

    fn finish(self: Box<Self>) -> io::Result<SnapshotDir> {
        Receiving::finish(*self)
    }
}
