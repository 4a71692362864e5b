//! Who gets in at the client port, and what those hear who do not.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::time::timeout;
use xacminh_node::{
    quic::{Caller, Door, Gone, Limits},
    tls::{Port, PortTls, TlsError, TlsFiles},
};
use xacminh_proto::{close::CloseCode, identity::Role};

use super::certs::{Ca, Spec, load, now, open};

const SOON: Duration = Duration::from_secs(20);
const FRAME_TIME: Duration = Duration::from_secs(10);

/// A client of the test's own, so that it can do what ours would not.
pub(crate) struct Client {
    endpoint: quinn::Endpoint,
    config: quinn::ClientConfig,
}

impl Client {
    pub(crate) fn new(certs: Option<&TlsFiles>, authority: &TlsFiles, alpn: &[u8]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&authority.authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match certs {
            Some(files) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(&files.certificate).unwrap()],
                    PrivateKeyDer::from_pem_file(&files.key).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { endpoint, config: quinn::ClientConfig::new(Arc::new(crypto)) }
    }

    pub(crate) async fn call(&self, address: SocketAddr) -> Result<quinn::Connection, quinn::ConnectionError> {
        self.endpoint.connect_with(self.config.clone(), address, "127.0.0.1").unwrap().await
    }

    /// Calls, and waits to hear why the call was refused.
    async fn refusal(&self, address: SocketAddr) -> Gone {
        match self.call(address).await {
            Ok(connection) => timeout(SOON, connection.closed()).await.expect("nobody refused the call").into(),
            Err(error) => error.into(),
        }
    }
}

struct Scene {
    folder: tempfile::TempDir,
    ca: Ca,
    node: TlsFiles,
    tls: Arc<PortTls>,
    door: Door,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::new(folder.path(), "client-ca");
        let node = ca.issue("node-1", &Spec::of("xacminh://dev/node/1"));
        let tls = load(Port::Clients, 1, node.clone());
        let door = open(&tls, Limits::clients());
        Self { folder, ca, node, tls, door }
    }

    fn client(&self, certs: &TlsFiles) -> Client {
        Client::new(Some(certs), &self.node, b"xacminh/1")
    }

    /// A good caller gets in and is answered.
    async fn good_caller_is_served(&mut self) {
        let portal = self.ca.issue("portal-7", &Spec::of("xacminh://dev/portal/7"));
        let connection = self.client(&portal).call(self.door.address()).await.unwrap();
        let caller = self.next_caller().await;
        assert_eq!(caller.identity().role(), Role::Portal);
        assert_eq!(caller.identity().portal_id(), Some(7));
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(b"\0\0\0\x03abc").await.unwrap();
        let mut exchange = caller.conn().accept().await.unwrap();
        let frame = exchange.reader.next(16, FRAME_TIME).await.unwrap().unwrap();
        assert_eq!(frame, Bytes::from_static(b"abc"));
        exchange.writer.send(frame, FRAME_TIME).await.unwrap();
        exchange.writer.finish();
        assert_eq!(recv.read_to_end(16).await.unwrap(), b"\0\0\0\x03abc");
    }

    async fn next_caller(&mut self) -> Caller {
        timeout(SOON, self.door.accept()).await.expect("nobody came in").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_pass_hears_why_and_harms_nobody() {
    let mut scene = Scene::new();
    scene.good_caller_is_served().await;
    let other_ca = Ca::new(scene.folder.path(), "other-ca");
    let address = scene.door.address();

    let refused = |gone: Gone| assert!(matches!(gone, Gone::Refused(_)), "{gone:?}");
    let foreign = other_ca.issue("foreign", &Spec::of("xacminh://dev/portal/7"));
    refused(scene.client(&foreign).refusal(address).await);
    let expired = Spec { expired: true, ..Spec::of("xacminh://dev/portal/7") };
    refused(scene.client(&scene.ca.issue("expired", &expired)).refusal(address).await);
    refused(Client::new(None, &scene.node, b"xacminh/1").refusal(address).await);
    let portal = scene.ca.issue("alpn", &Spec::of("xacminh://dev/portal/7"));
    refused(Client::new(Some(&portal), &scene.node, b"xacminh-peer/1").refusal(address).await);
    refused(Client::new(Some(&portal), &scene.node, b"h3").refusal(address).await);

    let table = [
        (vec!["xacminh://dev/node/2"], CloseCode::WrongRole),
        (vec!["xacminh://dev/peer/2"], CloseCode::WrongRole),
        (vec!["xacminh://other/portal/7"], CloseCode::WrongCluster),
        (vec!["xacminh://dev/portal/07"], CloseCode::NoIdentity),
        (vec!["https://example.vn/portal/7"], CloseCode::NoIdentity),
        (vec![], CloseCode::NoIdentity),
        (vec!["xacminh://dev/portal/7", "xacminh://dev/operator/a"], CloseCode::NoIdentity),
    ];
    for (uris, code) in table {
        let spec = Spec { uris: uris.iter().map(|uri| (*uri).to_owned()).collect(), ..Spec::of("") };
        let gone = scene.client(&scene.ca.issue("stranger", &spec)).refusal(address).await;
        assert_eq!(gone, Gone::Closed(code), "{uris:?}");
    }
    scene.good_caller_is_served().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_caller_is_cut_and_stays_out() {
    let mut scene = Scene::new();
    let list = scene.ca.revoke("list.crl", &[], false);
    scene.node.revoked = vec![list];
    scene.tls = load(Port::Clients, 1, scene.node.clone());
    scene.door = open(&scene.tls, Limits::clients());
    let address = scene.door.address();

    let good = scene.ca.issue("good", &Spec { serial: 10, ..Spec::of("xacminh://dev/portal/1") });
    let bad = scene.ca.issue("bad", &Spec { serial: 11, ..Spec::of("xacminh://dev/portal/2") });
    let good_connection = scene.client(&good).call(address).await.unwrap();
    let good_caller = scene.next_caller().await;
    let bad_client = scene.client(&bad);
    let bad_connection = bad_client.call(address).await.unwrap();
    let _bad_caller = scene.next_caller().await;
    assert_eq!(scene.door.dialer().registry().len(), 2);

    scene.ca.revoke("list.crl", &[11], false);
    scene.tls.reload(now()).unwrap();
    assert_eq!(scene.door.dialer().reload().unwrap(), 1);
    let gone = Gone::from(timeout(SOON, bad_connection.closed()).await.unwrap());
    assert_eq!(gone, Gone::Closed(CloseCode::Revoked));
    assert!(matches!(bad_client.refusal(address).await, Gone::Refused(_)));
    assert!(good_connection.close_reason().is_none());
    assert!(good_caller.conn().gone().is_none());

    // A list that cannot be read changes nothing.
    fs::write(&scene.node.revoked[0], "no list").unwrap();
    assert!(matches!(scene.tls.reload(now()), Err(TlsError::NotPem { .. })));
    scene.ca.revoke("list.crl", &[10, 11], true);
    assert!(matches!(scene.tls.reload(now()), Err(TlsError::NotAccepted { .. })), "an expired list");
    assert_eq!(scene.door.dialer().recheck(), 0);
    scene.good_caller_is_served().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_caller_cannot_take_all_seats() {
    let mut scene = Scene::new();
    let limits = Limits { connections_per_caller_max: 2, ..Limits::clients() };
    scene.door = open(&scene.tls, limits);
    let address = scene.door.address();
    let greedy = scene.client(&scene.ca.issue("greedy", &Spec::of("xacminh://dev/portal/1")));
    let first = greedy.call(address).await.unwrap();
    let first_caller = scene.next_caller().await;
    let _second = greedy.call(address).await.unwrap();
    let _second_caller = scene.next_caller().await;
    assert_eq!(greedy.refusal(address).await, Gone::Closed(CloseCode::TooManyConnections));
    scene.good_caller_is_served().await;

    first.close(0u32.into(), b"");
    first_caller.conn().closed().await;
    drop(first_caller);
    let _third = greedy.call(address).await.unwrap();
    scene.next_caller().await;
}

#[test]
fn bad_files_are_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new(folder.path(), "client-ca");
    let good = ca.issue("node-1", &Spec::of("xacminh://dev/node/1"));
    let try_load = |files: &TlsFiles| PortTls::load(Port::Clients, "dev", 1, files.clone(), now()).unwrap_err();
    PortTls::load(Port::Clients, "dev", 1, good.clone(), now()).unwrap();

    let missing = TlsFiles { key: folder.path().join("gone.key"), ..good.clone() };
    assert!(matches!(try_load(&missing), TlsError::Unreadable { path, .. } if path.ends_with("gone.key")));

    let garbage = folder.path().join("garbage.pem");
    fs::write(&garbage, "-----BEGIN PRIVATE KEY-----\nsecret\n").unwrap();
    let torn = TlsFiles { key: garbage.clone(), ..good.clone() };
    let error = try_load(&torn);
    assert!(matches!(error, TlsError::NotPem { .. }));
    assert!(!format!("{error} {error:?}").contains("secret"), "key material in an error text");
    assert!(matches!(try_load(&TlsFiles { certificate: garbage.clone(), ..good.clone() }), TlsError::NotPem { .. }));
    assert!(matches!(try_load(&TlsFiles { authority: garbage, ..good.clone() }), TlsError::NotPem { .. }));

    let other = ca.issue("node-2", &Spec::of("xacminh://dev/node/2"));
    assert!(matches!(try_load(&other), TlsError::WrongIdentity { found, .. } if found == "xacminh://dev/node/2"));
    assert!(matches!(try_load(&TlsFiles { key: other.key, ..good }), TlsError::KeyMismatch { .. }));
    let portal = ca.issue("portal", &Spec::of("xacminh://dev/portal/1"));
    assert!(matches!(try_load(&portal), TlsError::WrongIdentity { .. }));
    let expired = ca.issue("expired", &Spec { expired: true, ..Spec::of("xacminh://dev/node/1") });
    assert!(matches!(try_load(&expired), TlsError::NotAccepted { .. }));
}
