//! Which name gives what, and to whom (C2SP tlog-tiles under `/<year>/`).
//!
//! ```text
//! /<year>/checkpoint                     everybody         text/plain, a few seconds
//! /<year>/tile/<L>/<N>[.p/<W>]           the cluster's     application/octet-stream, for ever
//! /<year>/tile/entries/<N>[.p/<W>]       auditors          application/octet-stream, for ever
//! ```
//!
//! The cluster's are all who have a certificate of it, whatever its role: hashes are what a holder proves a receipt with
//! against a newer checkpoint, and tell no more than how long the log is.
//!
//! A name has one spelling, takes no query, and costs one tile of work at the most.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use xacminh_proto::{
    identity::Role,
    transparency::tiles::{CHECKPOINT_PATH, Layer, Tile},
};

use super::{Missing, Shelf};
use crate::env::Clock;

/// A checkpoint is worth asking for again after this long.
const CHECKPOINT_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=2");
/// A tile never changes. Those that not everybody may read stay out of shared caches.
const TILE_CACHE_PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const TILE_CACHE_PRIVATE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-store");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What one connection's requests are answered from.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) shelf: Shelf,
    pub(super) reader: Arc<Reader>,
}

/// Who is at the other end of a connection.
pub(super) struct Reader {
    pub(super) tls: Arc<crate::tls::WebTls>,
    pub(super) chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Checkpoint(u16),
    Tile(u16, Tile),
}

/// Why there is nothing; each has its status and a word that stays.
#[derive(Debug)]
enum Denied {
    Method,
    Query,
    NoSuchName,
    TilePath,
    Certificate,
    Role,
    Missing(Missing),
}

/// Answers one request.
pub(super) async fn answer(State(desk): State<Desk>, request: Request<Body>) -> Response {
    let (head, _) = request.into_parts();
    match desk.answer(&head.method, &head.uri).await {
        Ok(response) => response,
        Err(denied) => denied.into_response(),
    }
}

impl Desk {
    async fn answer(&self, method: &Method, uri: &Uri) -> Result<Response, Denied> {
        if method != Method::GET && method != Method::HEAD {
            return Err(Denied::Method);
        }
        match wanted(uri)? {
            Wanted::Checkpoint(year) => {
                let text = self.shelf.checkpoint(year).await.map_err(Denied::Missing)?;
                Ok((headers(TEXT, CHECKPOINT_CACHE), text.as_bytes().to_vec()).into_response())
            }
            Wanted::Tile(year, tile) => {
                self.reader.may_read(tile.layer())?;
                let shelf = self.shelf.clone();
                let read = tokio::task::spawn_blocking(move || shelf.tile(year, tile)).await;
                let bytes = read.map_err(|error| Denied::Missing(Missing::Disk(error.into())))?;
                let cache = if self.reader.tls.asks() { TILE_CACHE_PRIVATE } else { TILE_CACHE_PUBLIC };
                Ok((headers(BYTES, cache), bytes.map_err(Denied::Missing)?).into_response())
            }
        }
    }
}

impl Reader {
    /// Entries tell how often which portal asked: they are for auditors, unless the operator says otherwise.
    fn may_read(&self, layer: Layer) -> Result<(), Denied> {
        if !self.tls.asks() {
            return Ok(());
        }
        if self.chain.is_empty() {
            return Err(Denied::Certificate);
        }
        let now = std::time::Duration::from_millis(self.clock.now_ms());
        match self.tls.reader(&self.chain, now) {
            Some(identity) if identity.role() == Role::Auditor || layer != Layer::Entries => Ok(()),
            Some(_) => Err(Denied::Role),
            None => Err(Denied::Certificate),
        }
    }
}

fn wanted(uri: &Uri) -> Result<Wanted, Denied> {
    // A cache that leaves queries out would hand out one answer for another; static names cannot fail that way.
    if uri.query().is_some() {
        return Err(Denied::Query);
    }
    let (year, name) = uri.path().strip_prefix('/').and_then(|path| path.split_once('/')).ok_or(Denied::NoSuchName)?;
    if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Denied::NoSuchName);
    }
    let year = year.parse().map_err(|_| Denied::NoSuchName)?;
    if name == CHECKPOINT_PATH {
        Ok(Wanted::Checkpoint(year))
    } else if name.starts_with("tile/") {
        Tile::parse(name).map(|tile| Wanted::Tile(year, tile)).map_err(|_| Denied::TilePath)
    } else {
        Err(Denied::NoSuchName)
    }
}

fn headers(kind: HeaderValue, cache: HeaderValue) -> HeaderMap {
    let nosniff = (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    HeaderMap::from_iter([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache), nosniff])
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let (status, text) = match &self {
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed: only GET and HEAD"),
            Self::Query => (StatusCode::BAD_REQUEST, "query: names of the log take none"),
            Self::NoSuchName => {
                (StatusCode::NOT_FOUND, "no_such_name: /<year>/checkpoint and /<year>/tile/... are served")
            }
            Self::TilePath => (StatusCode::BAD_REQUEST, "tile_path: not the one spelling of a tile"),
            Self::Certificate => {
                (StatusCode::FORBIDDEN, "certificate: tiles and entries are for those who show one of the cluster")
            }
            Self::Role => (StatusCode::FORBIDDEN, "role: entries are for auditors"),
            Self::Missing(Missing::Year) => (StatusCode::NOT_FOUND, "no_such_year: the log has no such year"),
            Self::Missing(Missing::Tile) => {
                (StatusCode::NOT_FOUND, "no_such_tile: the tree does not reach so far, or not yet")
            }
            Self::Missing(Missing::Pruned) => {
                (StatusCode::GONE, "pruned: these entries are no longer kept; the tile of their hashes is")
            }
            Self::Missing(Missing::Checkpoint(error)) => {
                tracing::warn!(%error, "the log server has no checkpoint");
                (StatusCode::SERVICE_UNAVAILABLE, "no_checkpoint: ask again in a moment")
            }
            Self::Missing(Missing::Disk(error)) => {
                tracing::error!(%error, "the log server cannot read the log");
                (StatusCode::INTERNAL_SERVER_ERROR, "unreadable: the log cannot be read")
            }
        };
        let mut headers = headers(TEXT, NO_CACHE);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        (status, headers, format!("{text}\n")).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Wanted, Denied> {
        wanted(&path.parse().expect("a URI"))
    }

    #[test]
    fn names_of_the_log() {
        let tile = |layer, index, width| Wanted::Tile(2026, Tile::new(layer, index, width).expect("a tile"));
        for (path, expected) in [
            ("/2026/checkpoint", Wanted::Checkpoint(2026)),
            ("/2026/tile/0/000", tile(Layer::Hashes(0), 0, 256)),
            ("/2026/tile/1/x001/234.p/7", tile(Layer::Hashes(1), 1234, 7)),
            ("/2026/tile/entries/002.p/88", tile(Layer::Entries, 2, 88)),
        ] {
            assert_eq!(read(path).expect(path), expected);
        }
    }

    #[test]
    fn other_names_say_what_is_wrong_with_them() {
        for (path, status) in [
            ("/", 404),
            ("/2026", 404),
            ("/2026/", 404),
            ("/checkpoint", 404),
            ("/02026/checkpoint", 404),
            ("/+026/checkpoint", 404),
            ("//2026/checkpoint", 404),
            ("/2026/checkpoint/", 404),
            ("/2026/Checkpoint", 404),
            ("/2026/../2026/checkpoint", 404),
            ("/2026/checkpoint?size=7", 400),
            ("/2026/tile/0/000?x", 400),
            ("/2026/tile/", 400),
            ("/2026/tile/0/0", 400),
            ("/2026/tile/0/000.p/256", 400),
            ("/2026/tile/64/000", 400),
            ("/2026/tile/0/%30%30%30", 400),
            ("/2026/tile/0/x001/../000", 400),
            ("/2026/tile/entries/000/", 400),
        ] {
            let denied = read(path).expect_err(path);
            assert_eq!(denied.into_response().status(), status, "{path}");
        }
    }
}
