//! One request, one answer: HTTP/1.1 with a bound on bytes and on time, plain or over TLS.
//!
//! There is no pool, no redirect and no proxy: what is asked for is asked once, where the configuration says.

use std::{io, path::Path, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Uri,
    body::Bytes,
    client::conn::http1,
    header::{HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, client::WantsClientCert, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Where Debian and its kin keep the certificates of public CAs.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Headers an answer may have; ours have five.
const HEADERS_MAX: usize = 64;

/// Bytes of an answer's head that are kept in memory at once: the least hyper takes.
const HEAD_BYTES_MAX: usize = 8 * 1024;

const OUR_NAME: &str = concat!("xacminh/", env!("CARGO_PKG_VERSION"));

/// Asks web servers.
#[derive(Clone)]
pub struct Http {
    tls: TlsConnector,
    roots: Arc<RootCertStore>,
    timeout: Duration,
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not an address of the form `http(s)://host[:port]/path`.
    #[error("`{0}` is not an http or https address")]
    Url(String),
    /// The file of CA certificates cannot be used.
    #[error("CA certificates {path}: {why}")]
    Ca {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate that is to be shown cannot be used.
    #[error("certificate {path}: {why}")]
    Certificate {
        /// The file.
        path: String,
        /// What is wrong with it; never its content.
        why: String,
    },
    /// The server cannot be reached, or is not who it should be.
    #[error("reaching {host}")]
    Connect {
        /// Host and port.
        host: String,
        /// The system's word, or that of TLS.
        #[source]
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("{host} did not answer within {timeout:?}")]
    Timeout {
        /// Host and port.
        host: String,
        /// How long it had.
        timeout: Duration,
    },
    /// Its answer has more bytes than it may have.
    #[error("the answer of {host} exceeds {bytes_max} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The bound.
        bytes_max: usize,
    },
    /// It does not speak HTTP, or left in the middle.
    #[error("{host} broke off")]
    Broken {
        /// Host and port.
        host: String,
        /// What it did.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Http {
    /// A client that gives each request `timeout` in all and trusts the CAs of a PEM file; without one, the system's.
    ///
    /// # Errors
    /// [`HttpError::Ca`] for a file that cannot be read or holds no certificate. A system without CAs is no error:
    /// plain HTTP needs none.
    pub fn new(timeout: Duration, ca: Option<&Path>) -> Result<Self, HttpError> {
        let roots = match ca {
            Some(file) => roots(file)?,
            None => roots(Path::new(SYSTEM_CA)).unwrap_or_else(|_| RootCertStore::empty()),
        };
        let roots = Arc::new(roots);
        let config = builder(&roots).with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), roots, timeout })
    }

    /// The same client, showing a certificate (PEM, leaf first) to servers that ask for one.
    ///
    /// # Errors
    /// [`HttpError::Certificate`] for files that cannot be read, or do not belong together.
    pub fn with_certificate(self, certificate: &Path, key: &Path) -> Result<Self, HttpError> {
        let bad = |path: &Path, why: String| HttpError::Certificate { path: path.display().to_string(), why };
        let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|error| bad(certificate, error.to_string()))?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error.to_string()))?;
        let config = builder(&self.roots).with_client_auth_cert(chain, secret);
        let config = config.map_err(|error| bad(certificate, error.to_string()))?;
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), ..self })
    }

    /// Reads what is at an address.
    ///
    /// # Errors
    /// [`HttpError`]; an answer of any status is none.
    pub async fn get(&self, url: &str, bytes_max: usize) -> Result<Answer, HttpError> {
        self.ask(Method::GET, url, Vec::new(), bytes_max).await
    }

    /// Posts bytes to an address.
    ///
    /// # Errors
    /// As [`Http::get`].
    pub async fn post(&self, url: &str, body: Vec<u8>, bytes_max: usize) -> Result<Answer, HttpError> {
        self.ask(Method::POST, url, body, bytes_max).await
    }

    async fn ask(&self, method: Method, url: &str, body: Vec<u8>, bytes_max: usize) -> Result<Answer, HttpError> {
        let place = Place::parse(url)?;
        let asked = self.ask_unbounded(&place, method, body, bytes_max);
        tokio::time::timeout(self.timeout, asked)
            .await
            .unwrap_or(Err(HttpError::Timeout { host: place.authority(), timeout: self.timeout }))
    }

    async fn ask_unbounded(
        &self,
        place: &Place,
        method: Method,
        body: Vec<u8>,
        bytes_max: usize,
    ) -> Result<Answer, HttpError> {
        let unreached = |source| HttpError::Connect { host: place.authority(), source };
        let stream = TcpStream::connect((place.host.as_str(), place.port)).await.map_err(unreached)?;
        if !place.tls {
            return exchange(stream, place, method, body, bytes_max).await;
        }
        let name = ServerName::try_from(place.host.clone()).map_err(|error| unreached(io::Error::other(error)))?;
        let stream = self.tls.connect(name, stream).await.map_err(unreached)?;
        exchange(stream, place, method, body, bytes_max).await
    }
}

fn builder(roots: &Arc<RootCertStore>) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3")
        .with_root_certificates(Arc::clone(roots))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: &Place,
    method: Method,
    body: Vec<u8>,
    bytes_max: usize,
) -> Result<Answer, HttpError> {
    let broken =
        |source: Box<dyn std::error::Error + Send + Sync>| HttpError::Broken { host: place.authority(), source };
    let request = Request::builder()
        .method(method)
        .uri(&place.path)
        .header(HOST, place.authority())
        .header(USER_AGENT, OUR_NAME)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| broken(error.into()))?;
    let mut settings = http1::Builder::new();
    settings.max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) =
        settings.handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.into()))?;
    let exchanged = async {
        let answer = sender.send_request(request).await.map_err(|error| broken(error.into()))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), bytes_max).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                HttpError::TooLarge { host: place.authority(), bytes_max }
            } else {
                broken(error)
            }
        })?;
        Ok(Answer { status, body: body.to_bytes().into() })
    };
    // The connection is driven here, not in a task of its own: when the caller stops waiting, all of it ends.
    tokio::pin!(exchanged, connection);
    tokio::select! {
        biased;
        answer = &mut exchanged => answer,
        // It ends before the body was read to the end when the server closes; what was received is still read.
        _ = &mut connection => exchanged.await,
    }
}

/// An address in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl Place {
    fn parse(url: &str) -> Result<Self, HttpError> {
        let bad = || HttpError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad()),
        };
        // Names and passwords in an address end up in logs.
        let authority = uri.authority().filter(|it| !it.as_str().contains('@')).ok_or_else(bad)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { tls, host, port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }), path })
    }

    /// Host and port as the header `Host` has them.
    fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

fn roots(file: &Path) -> Result<RootCertStore, HttpError> {
    let bad = |why: String| HttpError::Ca { path: file.display().to_string(), why };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))? {
        // One odd certificate among the system's hundred does not spoil the others.
        let _ = roots.add(certificate.map_err(|error| bad(error.to_string()))?);
    }
    if roots.is_empty() { Err(bad("no certificate in it can be used".into())) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const SHORT: Duration = Duration::from_millis(300);

    /// A server that reads a request, says this and closes, as often as it is asked; its prefix.
    async fn saying(answer: &'static [u8], closes: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let prefix = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer).await;
                if !closes {
                    kept.push(stream);
                }
            }
        });
        prefix
    }

    fn http(timeout: Duration) -> Http {
        Http::new(timeout, None).unwrap()
    }

    #[tokio::test]
    async fn an_answer_of_any_status_is_one() {
        let patient = http(Duration::from_secs(10));
        let sized = saying(b"HTTP/1.1 409 Conflict\r\ncontent-length: 3\r\n\r\n42\n", false).await;
        assert_eq!(patient.get(&sized, 10).await.unwrap(), Answer { status: 409, body: b"42\n".to_vec() });
        let until_close = saying(b"HTTP/1.0 200 OK\r\n\r\nall of it", true).await;
        assert_eq!(patient.post(&until_close, vec![1], 10).await.unwrap().body, b"all of it");
        let chunked =
            saying(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false).await;
        assert_eq!(patient.get(&chunked, 3).await.unwrap().body, b"abc");
    }

    #[tokio::test]
    async fn an_answer_has_a_bound_in_bytes_whatever_it_announces() {
        let patient = http(Duration::from_secs(10));
        for answer in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd"[..],
            b"HTTP/1.1 200 OK\r\n\r\nabcd",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
        ] {
            let error = patient.get(&saying(answer, true).await, 3).await.unwrap_err();
            assert!(matches!(error, HttpError::TooLarge { bytes_max: 3, .. }), "{error:?}");
        }
    }

    #[tokio::test]
    async fn silence_and_nonsense_end() {
        for silent in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
            let error = http(SHORT).get(&saying(silent, false).await, 10).await.unwrap_err();
            assert!(matches!(error, HttpError::Timeout { .. }), "{error:?}");
        }
        for torn in [&b""[..], b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
            let error = http(Duration::from_secs(10)).get(&saying(torn, true).await, 10).await.unwrap_err();
            assert!(matches!(error, HttpError::Broken { .. }), "{error:?}");
        }
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = http(Duration::from_secs(10)).get(&format!("http://{nobody}/"), 10).await.unwrap_err();
        assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    }

    #[test]
    fn addresses() {
        let place = |tls, host: &str, port, path: &str| Place { tls, host: host.into(), port, path: path.into() };
        let table = [
            ("http://w.example/a/b?c", place(false, "w.example", 80, "/a/b?c")),
            ("https://w.example", place(true, "w.example", 443, "/")),
            ("https://[::1]:8443/x", place(true, "::1", 8443, "/x")),
        ];
        for (url, expected) in table {
            assert_eq!(Place::parse(url).unwrap(), expected);
        }
        assert_eq!(Place::parse("https://[::1]:8443/x").unwrap().authority(), "[::1]:8443");
        for bad in ["", "w.example/a", "ftp://w.example/", "http://u:p@w.example/", "http:///a", "file:///etc/passwd"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    /// A server of HTTPS with this certificate, whose callers may have to show one of theirs; its port.
    async fn serving(
        made: &rcgen::CertifiedKey<rcgen::KeyPair>,
        asks: Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>,
    ) -> u16 {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        let server = match asks {
            Some(verifier) => server.with_client_cert_verifier(verifier),
            None => server.with_no_client_auth(),
        };
        let server = server.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        port
    }

    #[tokio::test]
    async fn tls_is_for_those_whom_the_ca_vouches_for() {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let port = serving(&made, None).await;
        let trusting = Http::new(Duration::from_secs(10), Some(&ca)).unwrap();
        assert_eq!(trusting.get(&format!("https://localhost:{port}/"), 9).await.unwrap().body, b"ok");
        // Another name, or a CA that is not ours.
        let error = trusting.get(&format!("https://127.0.0.1:{port}/"), 9).await.unwrap_err();
        assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
        let error = http(Duration::from_secs(10)).get(&format!("https://localhost:{port}/"), 9).await.unwrap_err();
        assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
        // A server that wants to know who reads, and a reader who shows it.
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let asking = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::new(aws_lc_rs::default_provider()),
        );
        let port = serving(&made, Some(asking.build().unwrap())).await;
        let url = format!("https://localhost:{port}/");
        let secret = folder.path().join("secret.pem");
        std::fs::write(&secret, made.signing_key.serialize_pem()).unwrap();
        assert!(trusting.get(&url, 9).await.is_err(), "nothing is shown");
        let shown = trusting.clone().with_certificate(&ca, &secret).unwrap();
        assert_eq!(shown.get(&url, 9).await.unwrap().body, b"ok");
        let other = folder.path().join("other.pem");
        std::fs::write(&other, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        for (certificate, key) in [(&ca, &other), (&other, &secret), (&secret, &ca)] {
            let error = trusting.clone().with_certificate(certificate, key).err().unwrap();
            assert!(matches!(error, HttpError::Certificate { .. }), "{error:?}");
        }
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        assert!(matches!(Http::new(SHORT, Some(&empty)), Err(HttpError::Ca { .. })));
        assert!(matches!(Http::new(SHORT, Some(&folder.path().join("none.pem"))), Err(HttpError::Ca { .. })));
    }
}
