//! A log's files as C2SP tlog-tiles lays them out: `<prefix>/checkpoint`, `<prefix>/tile/…`.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use tokio::runtime::Handle;
use xacminh_proto::transparency::{
    note::{NOTE_BYTES_MAX, Note, NoteError},
    tiles::{CHECKPOINT_PATH, ENTRY_BYTES_MAX, Layer, TILE_BYTES, TILE_WIDTH, Tile, TileSource},
};

use crate::http::{Http, HttpError};

/// Largest bundle: as many entries as a tile has, each as long as an entry can be, behind its length.
const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + ENTRY_BYTES_MAX);

/// Bytes of a hash.
const HASH_BYTES: usize = TILE_BYTES / TILE_WIDTH as usize;

/// Where a log's files are.
#[derive(Clone)]
pub enum LogFiles {
    /// Below a directory, as an export writes them.
    Folder(PathBuf),
    /// Below a prefix of a web server.
    Web {
        /// Who asks it.
        http: Http,
        /// The prefix, without a slash at its end.
        prefix: String,
    },
}

/// The tiles of a log for code that does not wait asynchronously: proofs are made from them.
/// To be used outside the runtime's own threads (`spawn_blocking`), for it blocks.
pub struct Tiles {
    files: LogFiles,
    runtime: Handle,
}

/// Why a log's file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The web server did not answer.
    #[error("{path} of the log")]
    Http {
        /// The path below the prefix.
        path: String,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// The web server says no.
    #[error("{path} of the log: the server answers with status {status}")]
    Status {
        /// The path below the prefix.
        path: String,
        /// The HTTP status.
        status: u16,
    },
    /// The file cannot be read.
    #[error("{path} of the log")]
    File {
        /// The path below the directory.
        path: String,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// The file has more bytes than it may have.
    #[error("{path} of the log exceeds {bytes_max} bytes")]
    TooLarge {
        /// The path below the directory.
        path: String,
        /// The bound.
        bytes_max: usize,
    },
    /// The checkpoint is no note.
    #[error("the log's checkpoint")]
    Checkpoint(#[source] NoteError),
}

impl LogFiles {
    /// The log at a place: an address if it begins like one, else a directory.
    #[must_use]
    pub fn at(place: &str, http: Http) -> Self {
        if place.starts_with("http://") || place.starts_with("https://") {
            Self::Web { http, prefix: place.trim_end_matches('/').to_owned() }
        } else {
            Self::Folder(place.into())
        }
    }

    /// The newest checkpoint, not yet believed.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn checkpoint(&self) -> Result<Note, LogError> {
        let bytes = self.read(CHECKPOINT_PATH, NOTE_BYTES_MAX).await?;
        Note::parse(&bytes).map_err(LogError::Checkpoint)
    }

    /// The bytes of a tile, not yet believed.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn tile(&self, tile: Tile) -> Result<Vec<u8>, LogError> {
        let read = self.read(&tile.path(), bytes_max(tile)).await;
        match (read, tile.layer()) {
            // A partial tile may go as soon as the full one is there, which begins with the same hashes.
            (Err(error), Layer::Hashes(_)) if error.is_absent() && !tile.is_full() => {
                let full = Tile::new(tile.layer(), tile.index(), TILE_WIDTH).expect("its coordinates, full");
                match self.read(&full.path(), bytes_max(full)).await {
                    Ok(mut hashes) => {
                        hashes.truncate(usize::from(tile.width()) * HASH_BYTES);
                        Ok(hashes)
                    }
                    // The name that was asked for first says more.
                    Err(_) => Err(error),
                }
            }
            (read, _) => read,
        }
    }

    /// The tiles for code that blocks; called within the runtime that shall read them.
    ///
    /// # Panics
    /// Outside a runtime.
    #[must_use]
    pub fn tiles(self) -> Tiles {
        Tiles { files: self, runtime: Handle::current() }
    }

    async fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, LogError> {
        match self {
            Self::Folder(folder) => {
                let file = folder.join(path);
                let read = tokio::task::spawn_blocking(move || read_bounded(&file, bytes_max)).await;
                let unread = |source| LogError::File { path: path.to_owned(), source };
                let bytes = read.map_err(|error| unread(error.into()))?.map_err(unread)?;
                bytes.ok_or_else(|| LogError::TooLarge { path: path.to_owned(), bytes_max })
            }
            Self::Web { http, prefix } => {
                let answer = http.get(&format!("{prefix}/{path}"), bytes_max).await;
                let answer = answer.map_err(|source| LogError::Http { path: path.to_owned(), source })?;
                match answer.status {
                    200 => Ok(answer.body),
                    status => Err(LogError::Status { path: path.to_owned(), status }),
                }
            }
        }
    }
}

impl LogError {
    /// Whether there is no such file, as opposed to one that cannot be read.
    fn is_absent(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 404 | 410),
            Self::File { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

impl TileSource for Tiles {
    type Error = LogError;

    fn tile(&mut self, tile: Tile) -> Result<Vec<u8>, LogError> {
        self.runtime.block_on(self.files.tile(tile))
    }
}

const fn bytes_max(tile: Tile) -> usize {
    match tile.layer() {
        Layer::Entries => BUNDLE_BYTES_MAX,
        Layer::Hashes(_) => TILE_BYTES,
    }
}

/// The bytes of a file; none if it has more than it may.
fn read_bounded(path: &std::path::Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let one_more = u64::try_from(bytes_max).map_or(u64::MAX, |max| max + 1);
    File::open(path)?.take(one_more).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= bytes_max).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    fn http() -> Http {
        Http::new(Duration::from_secs(10), None).unwrap()
    }

    fn partial(width: u16) -> Tile {
        Tile::new(Layer::Hashes(0), 0, width).unwrap()
    }

    /// The same files in a directory and on a web server.
    async fn both(folder: &tempfile::TempDir) -> [LogFiles; 2] {
        let root = folder.path().to_owned();
        let files = axum::Router::new().fallback(move |uri: axum::http::Uri| {
            let path = root.join(uri.path().trim_start_matches("/log/"));
            async move { fs::read(path).map_err(|_| axum::http::StatusCode::NOT_FOUND) }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let prefix = format!("http://{}/log/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, files).await });
        [LogFiles::at(folder.path().to_str().unwrap(), http()), LogFiles::at(&prefix, http())]
    }

    #[tokio::test]
    async fn a_directory_and_a_web_server_serve_the_same() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tile/0/000.p")).unwrap();
        fs::write(folder.path().join("tile/0/000.p/2"), [[1; 32], [2; 32]].concat()).unwrap();
        for files in both(&folder).await {
            assert_eq!(files.tile(partial(2)).await.unwrap().len(), 64);
            assert!(files.tile(partial(3)).await.unwrap_err().is_absent(), "neither it nor the full one");
            assert!(files.checkpoint().await.unwrap_err().is_absent());
        }
        // The partial tile went when the full one came.
        fs::remove_file(folder.path().join("tile/0/000.p/2")).unwrap();
        fs::write(folder.path().join("tile/0/000"), [[1; 32], [2; 32], [3; 32]].concat()).unwrap();
        for files in both(&folder).await {
            assert_eq!(files.tile(partial(2)).await.unwrap(), [[1; 32], [2; 32]].concat());
            let mut tiles = files.tiles();
            let blocking = tokio::task::spawn_blocking(move || tiles.tile(partial(1))).await.unwrap();
            assert_eq!(blocking.unwrap(), [1; 32]);
        }
    }

    #[tokio::test]
    async fn files_have_bounds() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tile/0")).unwrap();
        fs::write(folder.path().join("tile/0/000"), vec![0; TILE_BYTES + 1]).unwrap();
        fs::write(folder.path().join("checkpoint"), "no note\n").unwrap();
        let [in_folder, on_web] = both(&folder).await;
        let error = in_folder.tile(partial(256)).await.unwrap_err();
        assert!(matches!(error, LogError::TooLarge { bytes_max: TILE_BYTES, .. }), "{error:?}");
        let error = on_web.tile(partial(256)).await.unwrap_err();
        assert!(matches!(error, LogError::Http { source: HttpError::TooLarge { .. }, .. }), "{error:?}");
        for files in [in_folder, on_web] {
            assert!(matches!(files.checkpoint().await.unwrap_err(), LogError::Checkpoint(_)));
        }
    }
}
