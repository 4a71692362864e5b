//! A node that answers by script, and certificates made on the spot.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use xacminh_client::{Client, ClientConfig, Patience};
use xacminh_proto::{
    vocab::{Attribute, AttributeSet, Claim, ClaimVerdict, Outcome, Reason, RequestId, Value, Verdict},
    wire::{
        ALPN, Answer, Ask, Failure, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, ReceiptWish, Reply, Request, STREAM_ONE,
        Tagged, frame, padding,
    },
};

pub(crate) const CLUSTER: &str = "da-nang";
pub(crate) const AT_MS: u64 = 1_780_000_000_000;

/// What a fake node does with one request.
pub(crate) enum Act {
    Reply(Reply),
    /// Bytes instead of a framed reply.
    Raw(Vec<u8>),
    Silence,
    /// Closes the connection.
    Cut,
    /// Closes the connection and says why.
    Close(xacminh_proto::close::CloseCode),
    /// On a session: holds replies back until so many are held, then sends them last first.
    Gather(usize, Reply),
}

/// What was asked, each with the first byte of its stream.
type Asked = Arc<Mutex<Vec<(u8, Request)>>>;

type Script = Arc<dyn Fn(usize, &Request) -> Act + Send + Sync>;

/// A fake node; it dies with its value.
pub(crate) struct FakeNode {
    pub(crate) addr: SocketAddr,
    endpoint: quinn::Endpoint,
    asked: Asked,
    script: Arc<Mutex<Script>>,
}

/// A certificate authority for one test.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

pub(crate) struct Certificate {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn issue(&self, identity: &str) -> Certificate {
        let mut params = CertificateParams::new(vec!["node.example.vn".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI(identity.try_into().unwrap()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Certificate { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A node of the cluster.
    pub(crate) fn node(&self, script: impl Fn(usize, &Request) -> Act + Send + Sync + 'static) -> FakeNode {
        FakeNode::start(self, &self.issue("xacminh://da-nang/node/1"), ALPN, script)
    }

    pub(crate) fn config(&self, nodes: &[SocketAddr]) -> ClientConfig {
        let portal = self.issue("xacminh://da-nang/portal/7");
        ClientConfig {
            cluster: CLUSTER.to_owned(),
            endpoints: nodes.to_vec(),
            key: portal.key(),
            certificate: portal.chain,
            ca: vec![self.der()],
            patience: quick(),
            in_order: true,
            log: None,
            background: false,
        }
    }

    pub(crate) fn client(&self, nodes: &[SocketAddr]) -> Client {
        Client::new(self.config(nodes)).unwrap()
    }

    /// Files and a configuration for the program.
    pub(crate) fn files(&self, folder: &Path, nodes: &[SocketAddr]) {
        let portal = self.issue("xacminh://da-nang/portal/7");
        std::fs::write(folder.join("ca.pem"), self.issuer.pem()).unwrap();
        std::fs::write(folder.join("portal.key"), portal.key.serialize_pem()).unwrap();
        std::fs::write(folder.join("portal.pem"), portal.pem).unwrap();
        let endpoints: Vec<String> = nodes.iter().map(|addr| format!("\"{addr}\"")).collect();
        let config = format!(
            "cluster = \"{CLUSTER}\"\nendpoints = [{}]\ncert = \"portal.pem\"\nkey = \"portal.key\"\nca = \"ca.pem\"\n",
            endpoints.join(", ")
        );
        std::fs::write(folder.join("client.toml"), config).unwrap();
    }
}

impl Certificate {
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

impl FakeNode {
    pub(crate) fn start(
        trusts: &Authority,
        shows: &Certificate,
        alpn: &[u8],
        script: impl Fn(usize, &Request) -> Act + Send + Sync + 'static,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(trusts.der()).unwrap();
        let callers =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(callers.build().unwrap())
            .with_single_cert(shows.chain.clone(), shows.key())
            .unwrap();
        tls.alpn_protocols = vec![alpn.to_vec()];
        let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Arc::new(script)));
        let node = Self { addr: endpoint.local_addr().unwrap(), endpoint, asked: Arc::default(), script };
        tokio::spawn(serve(node.endpoint.clone(), Arc::clone(&node.asked), Arc::clone(&node.script)));
        node
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().iter().map(|(_, request)| request.clone()).collect()
    }

    /// First bytes of the streams over which it was asked.
    pub(crate) fn kinds(&self) -> BTreeSet<u8> {
        self.asked.lock().unwrap().iter().map(|(kind, _)| *kind).collect()
    }

    pub(crate) fn request_ids(&self) -> Vec<RequestId> {
        let id = |request: &Request| if let Request::Ask(ask) = request { Some(ask.request_id) } else { None };
        self.asked().iter().filter_map(id).collect()
    }

    pub(crate) fn change(&self, script: impl Fn(usize, &Request) -> Act + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    pub(crate) fn die(&self) {
        self.endpoint.close(0u32.into(), b"");
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.die();
    }
}

async fn serve(endpoint: quinn::Endpoint, asked: Asked, script: Arc<Mutex<Script>>) {
    while let Some(incoming) = endpoint.accept().await {
        let (asked, script) = (Arc::clone(&asked), Arc::clone(&script));
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else { return };
            while let Ok((send, recv)) = connection.accept_bi().await {
                tokio::spawn(stream(connection.clone(), send, recv, Arc::clone(&asked), Arc::clone(&script)));
            }
        });
    }
}

async fn stream(
    connection: quinn::Connection,
    mut send: quinn::SendStream,
    mut recv: quinn::RecvStream,
    asked: Asked,
    script: Arc<Mutex<Script>>,
) {
    let mut kind = [0; 1];
    if recv.read_exact(&mut kind).await.is_err() {
        return;
    }
    let one = kind[0] == STREAM_ONE;
    let mut held = Vec::new();
    while let Some(body) = read_frame(&mut recv).await {
        let (tag, request) = if one {
            (0, frame::body::<REQUEST_BYTES_MAX, Request>(&body).unwrap())
        } else {
            let tagged = frame::body::<REQUEST_BYTES_MAX, Tagged<Request>>(&body).unwrap();
            (tagged.tag, tagged.body)
        };
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push((kind[0], request.clone()));
            asked.len()
        };
        let script = Arc::clone(&script.lock().unwrap());
        match script(number, &request) {
            Act::Reply(reply) => send.write_all(&framed(one, tag, reply)).await.unwrap_or_default(),
            Act::Raw(bytes) => send.write_all(&bytes).await.unwrap_or_default(),
            Act::Silence if one => std::future::pending().await,
            Act::Silence => {}
            Act::Cut => connection.close(0u32.into(), b""),
            Act::Close(code) => connection.close(code.code().into(), b""),
            Act::Gather(count, reply) => {
                held.push(framed(one, tag, reply));
                if held.len() == count {
                    for reply in held.drain(..).rev() {
                        send.write_all(&reply).await.unwrap_or_default();
                    }
                }
            }
        }
        if one {
            let _ = send.finish();
        }
    }
}

async fn read_frame(recv: &mut quinn::RecvStream) -> Option<Vec<u8>> {
    let mut prefix = [0; frame::PREFIX_BYTES];
    recv.read_exact(&mut prefix).await.ok()?;
    let mut body = vec![0; frame::announced(prefix, REQUEST_BYTES_MAX).unwrap()];
    recv.read_exact(&mut body).await.ok()?;
    Some(body)
}

fn framed(one: bool, tag: u64, reply: Reply) -> Vec<u8> {
    let body = if one {
        padding::encode::<REPLY_BYTES_MAX, _>(&reply).unwrap()
    } else {
        padding::encode::<REPLY_BYTES_MAX, _>(&Tagged { tag, body: reply }).unwrap()
    };
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

/// Pauses short enough for tests; nothing asserts how long anything takes.
pub(crate) fn quick() -> Patience {
    Patience {
        connect_ms_max: 2_000,
        hedge_connect_ms: 100,
        hedge_ms: 200,
        attempt_ms_max: 1_500,
        pause_ms_first: 5,
        pause_ms_max: 20,
    }
}

/// A question about an invented person.
pub(crate) fn question(seed: u8) -> Ask {
    Ask {
        request_id: RequestId::new(AT_MS, [seed; 10]),
        official: "cb-001".into(),
        dossier: format!("H17.{seed}"),
        procedure: "1.004222".into(),
        number: "048190000017".into(),
        name: "Trần Thị Hoa".into(),
        birth: "1990-05-17".into(),
        claims: vec![Claim::HeadOfHousehold],
        attributes: AttributeSet::EMPTY,
        max_age_s: None,
        deadline_ms: 2_000,
        receipt: ReceiptWish::Position,
    }
}

/// Everything asked is true.
pub(crate) fn yes(request: &Request) -> Reply {
    answer(request, |ask| {
        let verdict =
            |claim: &Claim| ClaimVerdict { kind: claim.kind(), verdict: Verdict::Match, reason: Reason::Equal };
        let value = |attribute| match attribute {
            Attribute::FullName => (attribute, Value::Text("Trần Thị Hoa".into())),
            attribute => (attribute, Value::Absent),
        };
        Outcome::Confirmed {
            verdicts: ask.claims.iter().map(verdict).collect(),
            attributes: ask.attributes.iter().map(value).collect(),
            as_of_ms: AT_MS,
            reissued: false,
        }
    })
}

pub(crate) fn answer(request: &Request, outcome: impl Fn(&Ask) -> Outcome) -> Reply {
    let Request::Ask(ask) = request else { panic!("a question was expected") };
    Reply::Answer(Box::new(Answer {
        request_id: ask.request_id,
        outcome: outcome(ask),
        position: u64::from(ask.request_id.bytes()[15]),
        at_ms: AT_MS + 1,
        receipt: None,
    }))
}

pub(crate) fn failure(number: xacminh_proto::vocab::ErrorNumber) -> Reply {
    Reply::Failure(Failure { number, detail: String::new() })
}

/// Waits until something came true, a bounded time.
pub(crate) async fn until(come_true: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if come_true() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it did not come true");
}
