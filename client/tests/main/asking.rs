//! One question a stream: retries under one id, failover, deadlines, replies that are not believed.

use std::time::Duration;

use xacminh_client::{Breach, Client, ClientError};
use xacminh_proto::{
    vocab::{Attribute, ClaimKind, ClaimVerdict, ErrorNumber, Outcome, Reason, Value, Verdict},
    wire::{ALPN, AuditEntries, AuditEntry, AuditPage, REPLY_BYTES_MAX, Reply, Request, Status},
};

use crate::fake::{Act, Authority, FakeNode, answer, failure, question, yes};

const DEADLINE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_and_the_connection_is_used_again() {
    let authority = Authority::new();
    let node = authority.node(|_, request| Act::Reply(yes(request)));
    let client = authority.client(&[node.addr]);
    for seed in 1..=3 {
        let answered = client.ask(question(seed), DEADLINE).await.unwrap();
        assert_eq!(answered.request_id, question(seed).request_id);
    }
    assert_eq!(node.asked().len(), 3);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_retried_is_retried_under_the_same_id() {
    let authority = Authority::new();
    let node = authority.node(|number, request| match number {
        1 => Act::Reply(failure(ErrorNumber::NotReady)),
        2 => Act::Reply(failure(ErrorNumber::Overloaded)),
        3 => Act::Cut,
        _ => Act::Reply(yes(request)),
    });
    let client = authority.client(&[node.addr]);
    client.ask(question(1), DEADLINE).await.unwrap();
    assert_eq!(node.request_ids(), vec![question(1).request_id; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_question_is_told_at_once() {
    let authority = Authority::new();
    let node = authority.node(|_, _| Act::Reply(failure(ErrorNumber::RequestIdReused)));
    let client = authority.client(&[node.addr]);
    let error = client.ask(question(1), DEADLINE).await.unwrap_err();
    assert!(matches!(error, ClientError::Rejected { number: ErrorNumber::RequestIdReused, .. }), "{error}");
    assert_eq!(node.asked().len(), 1);

    let mut large = question(1);
    large.name = "a".repeat(70_000);
    assert!(matches!(client.ask(large, DEADLINE).await.unwrap_err(), ClientError::Question(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_is_asked_when_one_dies_and_stays_the_preferred_one() {
    let authority = Authority::new();
    let first = authority.node(|_, request| Act::Reply(yes(request)));
    let second = authority.node(|_, request| Act::Reply(yes(request)));
    let client = authority.client(&[first.addr, second.addr]);
    client.ask(question(1), DEADLINE).await.unwrap();
    assert_eq!(second.asked().len(), 0);
    first.die();
    client.ask(question(2), DEADLINE).await.unwrap();
    client.ask(question(3), DEADLINE).await.unwrap();
    assert_eq!(second.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_answer_in_time_is_overtaken_by_the_next() {
    let authority = Authority::new();
    let silent = authority.node(|_, _| Act::Silence);
    let good = authority.node(|_, request| Act::Reply(yes(request)));
    let client = authority.client(&[silent.addr, good.addr]);
    client.ask(question(1), DEADLINE).await.unwrap();
    assert_eq!(silent.request_ids(), good.request_ids());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_deadline_the_outcome_of_what_was_sent_is_unknown() {
    let authority = Authority::new();
    let node = authority.node(|_, _| Act::Silence);
    let client = authority.client(&[node.addr]);
    let error = client.ask(question(1), SHORT).await.unwrap_err();
    assert!(error.is_unknown(), "{error}");
    assert!(error.to_string().contains(&question(1).request_id.to_string()), "{error}");

    let hurried = authority.node(|_, _| Act::Reply(failure(ErrorNumber::DeadlineExceeded)));
    let client = authority.client(&[hurried.addr]);
    assert!(client.ask(question(1), SHORT).await.unwrap_err().is_unknown());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_sent_is_not_unknown() {
    let authority = Authority::new();
    // A port that nobody answers on.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = authority.client(&[socket.local_addr().unwrap()]);
    let error = client.ask(question(1), SHORT).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_trusted_is_named_rather_than_one_that_is_away() {
    let authority = Authority::new();
    let hue = authority.issue("xacminh://hue/node/1");
    let impostor = FakeNode::start(&authority, &hue, ALPN, |_, request| Act::Reply(yes(request)));
    let dead = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = authority.client(&[impostor.addr, dead.local_addr().unwrap()]);
    let error = client.ask(question(1), Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, ClientError::Server { node, .. } if node == impostor.addr), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_told_how_long_it_may_take() {
    let authority = Authority::new();
    let node = authority.node(|_, request| Act::Reply(yes(request)));
    let client = authority.client(&[node.addr]);
    client.ask(question(1), Duration::from_millis(1_000)).await.unwrap();
    let Request::Ask(asked) = node.asked().remove(0) else { panic!("a question was asked") };
    assert!((1..=1_000).contains(&asked.deadline_ms), "{}", asked.deadline_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_break_the_protocol_are_not_believed() {
    let authority = Authority::new();
    let node = authority.node(|_, _| Act::Silence);
    let client = authority.client(&[node.addr]);
    let breach = async |act: fn(&Request) -> Act| {
        node.change(move |_, request| act(request));
        match client.ask(question(1), DEADLINE).await.unwrap_err() {
            ClientError::Protocol { breach, .. } => breach,
            other => panic!("{other}"),
        }
    };
    let oversize = || u32::try_from(REPLY_BYTES_MAX + 1).unwrap().to_be_bytes().to_vec();
    assert_eq!(breach(|_| Act::Raw(u32::MAX.to_be_bytes().to_vec())).await, Breach::Oversize);
    node.change(move |_, _| Act::Raw(oversize()));
    let error = client.ask(question(1), DEADLINE).await.unwrap_err();
    assert!(matches!(error, ClientError::Protocol { breach: Breach::Oversize, .. }), "{error}");
    assert_eq!(breach(|_| Act::Raw(vec![0, 0, 0, 9, 1])).await, Breach::Truncated);
    assert_eq!(breach(|_| Act::Raw(vec![0, 0, 0, 2, 99, 99])).await, Breach::Malformed);
    assert_eq!(breach(|_| Act::Raw(vec![0, 0, 0, 1, 0, 7])).await, Breach::TrailingBytes);
    assert_eq!(breach(|_| Act::Reply(Reply::RegisterAccepted { revision: 1 })).await, Breach::Kind);
    let other = |_: &Request| Act::Reply(yes(&Request::Ask(Box::new(question(2)))));
    assert_eq!(breach(other).await, Breach::RequestId);
    let nothing = |request: &Request| {
        let outcome = |_: &_| Outcome::Confirmed { verdicts: vec![], attributes: vec![], as_of_ms: 1, reissued: false };
        Act::Reply(answer(request, outcome))
    };
    assert_eq!(breach(nothing).await, Breach::Outcome);
    let unasked = |request: &Request| {
        let verdict = ClaimVerdict { kind: ClaimKind::HeadOfHousehold, verdict: Verdict::Match, reason: Reason::Equal };
        let outcome = |_: &_| Outcome::Confirmed {
            verdicts: vec![verdict],
            attributes: vec![(Attribute::Ethnicity, Value::Absent)],
            as_of_ms: 1,
            reissued: false,
        };
        Act::Reply(answer(request, outcome))
    };
    assert_eq!(breach(unasked).await, Breach::Outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_breaks_the_protocol_does_not_stop_a_question_others_can_answer() {
    let authority = Authority::new();
    let bad = authority.node(|_, _| Act::Raw(vec![0, 0, 0, 2, 99, 99]));
    let good = authority.node(|_, request| Act::Reply(yes(request)));
    let client = authority.client(&[bad.addr, good.addr]);
    client.ask(question(1), DEADLINE).await.unwrap();
    assert_eq!(good.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_pages_registers_and_statuses() {
    let authority = Authority::new();
    let node = authority.node(|_, request| {
        Act::Reply(match request {
            Request::Audit(page) => Reply::Audit(AuditEntries {
                leaves: 10,
                entries: vec![AuditEntry { position: page.from, leaf: vec![1] }],
            }),
            Request::PutRegister(_) => Reply::RegisterAccepted { revision: 4 },
            Request::Receipt(id) => Reply::Receipt(id.to_string()),
            Request::Status => Reply::Status(status()),
            _ => failure(ErrorNumber::RoleNotAllowed),
        })
    });
    let dead = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = authority.client(&[node.addr, dead.local_addr().unwrap()]);
    assert_eq!(client.audit_page(AuditPage { from: 3, limit: 5 }, DEADLINE).await.unwrap().entries[0].position, 3);
    assert_eq!(client.put_register("x = 1".into(), DEADLINE).await.unwrap(), 4);
    assert_eq!(client.status(DEADLINE).await.unwrap(), status());
    let all = client.status_of_all(SHORT).await;
    assert_eq!(all[0].1, Ok(status()));
    assert!(all[1].1.is_err());
    node.change(|_, _| {
        let entry = |position| AuditEntry { position, leaf: vec![1] };
        Act::Reply(Reply::Audit(AuditEntries { leaves: 10, entries: vec![entry(3), entry(5)] }))
    });
    let client = authority.client(&[node.addr]);
    let skipped = client.audit_page(AuditPage { from: 3, limit: 5 }, DEADLINE).await.unwrap_err();
    assert!(matches!(skipped, ClientError::Protocol { breach: Breach::Kind, .. }), "{skipped}");
}

#[test]
fn a_client_needs_an_endpoint() {
    let config = Authority::new().config(&[]);
    assert_eq!(Client::new(config).unwrap_err(), ClientError::NoEndpoint);
}

fn status() -> Status {
    Status {
        cluster: "da-nang".into(),
        node: 1,
        version: "0".into(),
        leader: Some(1),
        term: 2,
        applied: 3,
        leaves: 10,
        register_revision: 4,
        ready: true,
        members: vec![],
    }
}
