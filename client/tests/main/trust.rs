//! Who is not believed to be a node, and what a node that refuses us looks like.

use std::time::Duration;

use xacminh_client::{ClientError, ServerRefusal};
use xacminh_proto::{close::CloseCode, wire::ALPN};

use crate::fake::{Act, Authority, FakeNode, question, yes};

const DEADLINE: Duration = Duration::from_secs(10);

async fn refusal(identity: &str, alpn: &[u8]) -> ServerRefusal {
    let authority = Authority::new();
    let node = FakeNode::start(&authority, &authority.issue(identity), alpn, |_, request| Act::Reply(yes(request)));
    let error = authority.client(&[node.addr]).ask(question(1), DEADLINE).await.unwrap_err();
    assert!(node.asked().is_empty(), "a node that is not trusted learns nothing");
    match error {
        ClientError::Server { refusal, .. } => refusal,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_cannot_play_the_node() {
    assert_eq!(refusal("xacminh://da-nang/portal/7", ALPN).await, ServerRefusal::OtherRole("portal".into()));
    assert_eq!(refusal("xacminh://da-nang/peer/1", ALPN).await, ServerRefusal::OtherRole("peer".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_is_refused() {
    let expected = ServerRefusal::OtherCluster { expected: "da-nang".into(), found: "hue".into() };
    assert_eq!(refusal("xacminh://hue/node/1", ALPN).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_without_identity_is_refused() {
    assert_eq!(refusal("https://da-nang.example.vn/node/1", ALPN).await, ServerRefusal::NoIdentity);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_refused() {
    assert_eq!(refusal("xacminh://da-nang/node/1", b"xacminh/2").await, ServerRefusal::OtherVersion);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_is_refused_on_either_side() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let node =
        FakeNode::start(&ours, &theirs.issue("xacminh://da-nang/node/1"), ALPN, |_, request| Act::Reply(yes(request)));
    let error = ours.client(&[node.addr]).ask(question(1), DEADLINE).await.unwrap_err();
    assert!(matches!(error, ClientError::Server { refusal: ServerRefusal::Chain(_), .. }), "{error}");

    let node =
        FakeNode::start(&theirs, &ours.issue("xacminh://da-nang/node/1"), ALPN, |_, request| Act::Reply(yes(request)));
    let error = ours.client(&[node.addr]).ask(question(1), DEADLINE).await.unwrap_err();
    assert!(matches!(error, ClientError::CallerRefused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_does_not_keep_us_from_a_real_node() {
    let authority = Authority::new();
    let portal = authority.issue("xacminh://da-nang/portal/7");
    let impostor = FakeNode::start(&authority, &portal, ALPN, |_, request| Act::Reply(yes(request)));
    let real = authority.node(|_, request| Act::Reply(yes(request)));
    authority.client(&[impostor.addr, real.addr]).ask(question(1), DEADLINE).await.unwrap();
    assert!(impostor.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_closes_for_our_role_is_understood() {
    let authority = Authority::new();
    let node = authority.node(|_, _| Act::Close(CloseCode::WrongRole));
    let error = authority.client(&[node.addr]).ask(question(1), DEADLINE).await.unwrap_err();
    assert!(matches!(error, ClientError::CallerRefused { .. }), "{error}");
}
