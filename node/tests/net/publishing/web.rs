//! A log server with certificates, and readers of every kind.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use xacminh_node::{
    env::{Clock, SystemClock},
    publish::{Bounds, Door},
    tls::{TlsFiles, WebTls},
};
use xacminh_proto::transparency::tiles::{Tile, TileSource};

use super::{
    super::certs::{Ca, Spec},
    log::Log,
};

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const BOUNDS: Bounds = Bounds {
    connections_max: 64,
    connections_per_address_max: 64,
    handshake: PATIENCE,
    header: PATIENCE,
    connection: PATIENCE,
};

pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) ca: Ca,
    pub(super) server: TlsFiles,
    pub(super) tls: Arc<WebTls>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Site {
    pub(super) async fn open(log: &Log, asks: bool, bounds: Bounds) -> Self {
        let ca = Ca::new(log.folder.path(), "client-ca");
        let server = ca.issue("log-server", &Spec::of("xacminh://dev/node/1"));
        Self::open_as(log, ca, server, asks, bounds).await
    }

    /// The same with files of another site's authority.
    pub(super) async fn open_with(log: &Log, server: TlsFiles, asks: bool, bounds: Bounds) -> Self {
        let ca = Ca::new(log.folder.path(), "unused-ca");
        Self::open_as(log, ca, server, asks, bounds).await
    }

    async fn open_as(log: &Log, ca: Ca, server: TlsFiles, asks: bool, bounds: Bounds) -> Self {
        let tls = Arc::new(WebTls::load("dev", server.clone(), asks).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let door = Door::open("127.0.0.1:0".parse().unwrap(), Arc::clone(&tls), bounds, clock).await.unwrap();
        let address = door.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shelf = log.shelf.clone();
        let serving = tokio::spawn(async move {
            door.serve(shelf, async { drop(stopped.await) }).await;
        });
        Self { address, ca, server, tls, stop, serving }
    }

    /// A reader's certificate.
    pub(super) fn card(&self, stem: &str, uri: &str) -> TlsFiles {
        self.ca.issue(stem, &Spec::of(uri))
    }

    pub(super) fn auditor(&self) -> TlsFiles {
        self.card("auditor", "xacminh://dev/auditor/thanh-tra")
    }

    pub(super) async fn connect(&self, card: Option<&TlsFiles>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.server.authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match card {
            None => config.with_no_client_auth(),
            Some(card) => {
                let chain = vec![CertificateDer::from_pem_file(&card.certificate).unwrap()];
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&card.key).unwrap()).unwrap()
            }
        };
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    /// One request on a connection of its own; an error if the server wants no more to do with this reader.
    pub(super) async fn ask(&self, card: Option<&TlsFiles>, line: &str) -> std::io::Result<Answer> {
        let mut stream = self.connect(card).await?;
        ask(&mut stream, line, "connection: close\r\n").await
    }

    pub(super) async fn get(&self, card: Option<&TlsFiles>, path: &str) -> Answer {
        self.ask(card, &format!("GET {path}")).await.unwrap()
    }

    pub(super) async fn close(self) {
        let _ = self.stop.send(());
        timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }
}

/// A request and its answer, which has a length.
pub(super) async fn ask(stream: &mut TlsStream<TcpStream>, line: &str, more: &str) -> std::io::Result<Answer> {
    stream.write_all(format!("{line} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n").as_bytes()).await?;
    timeout(PATIENCE, read(stream, line.starts_with("HEAD"))).await.expect("an answer or an end in time")
}

async fn read(stream: &mut TlsStream<TcpStream>, is_head: bool) -> std::io::Result<Answer> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()).unwrap_or("0");
    let length: usize = if is_head { 0 } else { length.parse().unwrap() };
    let mut body = bytes.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Answer { status, head, body })
}

/// The tiles of a year, for code that blocks.
pub(super) struct Tiles<'a> {
    pub(super) site: &'a Site,
    pub(super) card: TlsFiles,
    pub(super) year: u16,
}

impl TileSource for Tiles<'_> {
    type Error = u16;

    fn tile(&mut self, tile: Tile) -> Result<Vec<u8>, u16> {
        let path = format!("/{}/{}", self.year, tile.path());
        let asked = self.site.get(Some(&self.card), &path);
        let answer = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asked));
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.status) }
    }
}
