//! Many questions over one stream.

use std::{sync::Arc, time::Duration};

use xacminh_client::{Breach, ClientError};
use xacminh_proto::{vocab::ErrorNumber, wire::Ask};

use crate::fake::{Act, Authority, failure, question, until, yes};

const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn replies_in_any_order_find_their_questions() {
    let authority = Authority::new();
    let node = authority.node(|_, request| Act::Gather(8, yes(request)));
    let client = authority.client(&[node.addr]);
    let session = client.open_session(8).await.unwrap();
    let asked = (1..=8).map(|seed| session.ask(question(seed)));
    let answers = futures::future::try_join_all(asked).await.unwrap();
    for (answer, seed) in answers.iter().zip(1..) {
        assert_eq!(answer.request_id, question(seed).request_id);
    }
    assert_eq!(node.asked().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_in_flight_than_agreed() {
    let authority = Authority::new();
    // Were more than four sent at once, the node would answer four and go on holding a number that never fills up.
    let node = authority.node(|_, request| Act::Gather(4, yes(request)));
    let client = authority.client(&[node.addr]);
    let session = client.open_session(4).await.unwrap();
    let asked = (1..=8).map(|seed| session.ask(question(seed)));
    assert_eq!(futures::future::try_join_all(asked).await.unwrap().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_stop_waiting_and_disturbs_nobody() {
    let authority = Authority::new();
    let node = authority.node(|_, request| Act::Gather(2, yes(request)));
    let client = authority.client(&[node.addr]);
    let session = Arc::new(client.open_session(2).await.unwrap());
    let waiting = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.ask(question(1)).await }
    });
    until(|| !node.asked().is_empty()).await;
    waiting.abort();
    // Its reply comes first now, finds nobody, and frees the slot.
    session.ask(question(2)).await.unwrap();
    node.change(|_, request| Act::Reply(yes(request)));
    for seed in 3..=6 {
        session.ask(question(seed)).await.unwrap();
    }
    assert!(!session.is_ended());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_finds_no_place_in_time_ends_nobody_elses() {
    let authority = Authority::new();
    let node = authority.node(|_, _| Act::Silence);
    let client = authority.client(&[node.addr]);
    let session = Arc::new(client.open_session(1).await.unwrap());
    let waiting = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.ask(Ask { deadline_ms: 60_000, ..question(1) }).await }
    });
    until(|| !node.asked().is_empty()).await;
    let error = session.ask(Ask { deadline_ms: 1, ..question(2) }).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "nothing was sent: {error}");
    assert!(!session.is_ended());
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_one_questions_own() {
    let authority = Authority::new();
    let node = authority.node(|number, request| match number {
        1 => Act::Reply(failure(ErrorNumber::BadNumber)),
        _ => Act::Reply(yes(request)),
    });
    let client = authority.client(&[node.addr]);
    let session = client.open_session(4).await.unwrap();
    let error = session.ask(question(1)).await.unwrap_err();
    assert!(matches!(error, ClientError::Rejected { number: ErrorNumber::BadNumber, .. }), "{error}");
    session.ask(question(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_breaks_ends_for_all_with_an_unknown_outcome_or_the_breach() {
    let authority = Authority::new();
    let node = authority.node(|number, _| if number == 2 { Act::Cut } else { Act::Silence });
    let client = authority.client(&[node.addr]);
    let session = client.open_session(4).await.unwrap();
    let (first, second) = tokio::join!(session.ask(question(1)), session.ask(question(2)));
    assert!(first.unwrap_err().is_unknown());
    assert!(second.unwrap_err().is_unknown());
    assert!(session.is_ended());
    let late = session.ask(question(3)).await.unwrap_err();
    assert!(matches!(late, ClientError::Unreachable { .. }), "{late}");

    node.change(|_, _| Act::Raw(u32::MAX.to_be_bytes().to_vec()));
    let session = client.open_session(4).await.unwrap();
    let error = session.ask(question(4)).await.unwrap_err();
    assert!(matches!(error, ClientError::Protocol { breach: Breach::Oversize, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_asks_again_over_a_new_session_under_the_same_id() {
    let authority = Authority::new();
    let first = authority.node(|number, request| if number == 2 { Act::Cut } else { Act::Reply(yes(request)) });
    let second = authority.node(|_, request| Act::Reply(yes(request)));
    let client = authority.client(&[first.addr, second.addr]);
    for seed in 1..=3 {
        client.ask_in_session(question(seed), DEADLINE).await.unwrap();
    }
    let mut ids = first.request_ids();
    ids.extend(second.request_ids());
    assert_eq!(ids.iter().filter(|id| **id == question(2).request_id).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_owes_an_answer_is_given_up() {
    let authority = Authority::new();
    let node = authority.node(|_, _| Act::Silence);
    let client = authority.client(&[node.addr]);
    let session = client.open_session(4).await.unwrap();
    let mut ask = question(1);
    ask.deadline_ms = 50;
    assert!(session.ask(ask).await.unwrap_err().is_unknown());
    assert!(session.is_ended());
}
