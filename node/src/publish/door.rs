//! The log server's door: HTTP/1.1 over TLS 1.3 for readers who are not known, or known by a certificate.
//!
//! Every reader has bounds: a place among all, a place among those of its address, a time for the handshake, for the
//! head of a request and for the connection as a whole. Whoever reads slowly holds one place for two lives of a
//! connection, and nothing else.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Shelf,
    paths::{self, Desk, Reader},
};
use crate::{env::Clock, tls::WebTls};

/// Rest after a connection could not be taken, most likely for want of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long readers may delay the end of the process.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// Headers of a request, and bytes of its head: proxies add some.
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What readers may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections_max: usize,
    /// Of those, from one address.
    pub connections_per_address_max: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the head of a request, counted from the handshake or the answer before.
    pub header: Duration,
    /// For a connection; the answer under way then has as long again.
    pub connection: Duration,
}

/// The log server.
pub struct Door {
    listener: TcpListener,
    tls: Arc<WebTls>,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    addresses: Arc<Addresses>,
}

/// How many connections each reader's address has; see [`place_of`].
#[derive(Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// A connection of an address, counted while it lives.
struct Counted {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Door {
    /// Takes the address, so that a start fails before anything else runs.
    ///
    /// # Errors
    /// When the address is taken or not of this machine.
    pub async fn open(listen: SocketAddr, tls: Arc<WebTls>, bounds: Bounds, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        Ok(Self { listener, tls, bounds, clock, addresses: Arc::default() })
    }

    /// The address the door has; useful when port 0 was asked for.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Its TLS, to be read again.
    #[must_use]
    pub fn tls(&self) -> Arc<WebTls> {
        Arc::clone(&self.tls)
    }

    /// Serves until `stop`.
    pub async fn serve(self, shelf: Shelf, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.bounds.connections_max));
        let mut readers = JoinSet::new();
        tokio::pin!(stop);
        loop {
            // Who comes when all places are taken waits in the system's queue.
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = &mut stop => break,
                Some(_) = readers.join_next(), if !readers.is_empty() => continue,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, remote)) => {
                    let Some(counted) = self.addresses.enter(remote.ip(), self.bounds.connections_per_address_max)
                    else {
                        tracing::debug!(%remote, "too many connections of one address");
                        continue;
                    };
                    let serving = self.reader(stream, shelf.clone());
                    readers.spawn(async move {
                        serving.await;
                        drop((counted, place));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a reader's connection could not be taken");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Whoever is not answered by then asks another node.
        let _ = timeout(DRAIN_MAX, async { while readers.join_next().await.is_some() {} }).await;
    }

    /// One connection from its handshake to its end.
    fn reader(&self, stream: TcpStream, shelf: Shelf) -> impl Future<Output = ()> + Send + 'static {
        let acceptor = TlsAcceptor::from(self.tls.server());
        let (bounds, tls, clock) = (self.bounds, Arc::clone(&self.tls), Arc::clone(&self.clock));
        async move {
            // Who does not finish, or shows a certificate that does not count, is the reader's affair.
            let Ok(Ok(stream)) = timeout(bounds.handshake, acceptor.accept(stream)).await else { return };
            let chain = stream.get_ref().1.peer_certificates();
            let chain = chain.map(|chain| chain.iter().map(|one| one.clone().into_owned()).collect());
            let reader = Arc::new(Reader { tls, chain: chain.unwrap_or_default(), clock });
            let routes = Router::new().fallback(paths::answer).with_state(Desk { shelf, reader });
            let mut settings = http1::Builder::new();
            settings
                .timer(TokioTimer::new())
                .header_read_timeout(bounds.header)
                .max_headers(HEADERS_MAX)
                .max_buf_size(HEAD_BYTES_MAX);
            let connection = settings.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
            tokio::pin!(connection);
            if timeout(bounds.connection, connection.as_mut()).await.is_err() {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(bounds.connection, connection).await;
            }
        }
    }
}

impl Addresses {
    fn enter(self: &Arc<Self>, address: IpAddr, each_max: usize) -> Option<Counted> {
        let address = place_of(address);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= each_max {
            return None;
        }
        *count += 1;
        Some(Counted { addresses: Arc::clone(self), address })
    }
}

/// What counts as one address: of IPv6 the first 64 bits, because one reader has all that begin with them (RFC 6177); an
/// IPv4 address that came in through an IPv6 socket is what it is.
fn place_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut taken = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_with_a_whole_network_of_addresses_has_the_places_of_one() {
        let addresses = Arc::new(Addresses::default());
        let enter = |address: &str| addresses.enter(address.parse().expect("an address"), 2);
        let first = enter("2001:db8:0:7::1").expect("a place");
        let _second = enter("2001:db8:0:7:ffff::2").expect("another");
        assert!(enter("2001:db8:0:7:1:2:3:4").is_none(), "of the same network");
        let _other =
            [enter("2001:db8:0:8::1"), enter("192.0.2.1"), enter("192.0.2.2")].map(|place| place.expect("others"));
        let _mapped = enter("::ffff:192.0.2.1").expect("the second of 192.0.2.1");
        assert!(enter("192.0.2.1").is_none(), "it has two");
        drop(first);
        assert!(enter("2001:db8:0:7::9").is_some(), "a place was left");
    }
}
