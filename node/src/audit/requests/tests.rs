//! Requests that the state does not remember, over a real state and index.

use std::time::Duration;

use xacminh_core::command::RequestKey;
use xacminh_proto::{
    transparency::merkle::leaf_hash,
    vocab::{PortalId, RequestId},
};

use tokio::time::timeout;

use super::*;
use crate::{
    audit::{
        SEARCHES_MAX, Searcher,
        search::tests::{BATCH_MS, Said, Scene, scene_said, stamp_of},
    },
    store::Progress,
};

const DAY_MS: u64 = 24 * 3_600_000;

/// The request of a leaf of the scene: those of one batch and portal share everything that the index has of them.
fn request(batch: u64, portal: u32, number: u16) -> RequestKey {
    let [a, b] = number.to_be_bytes();
    let id = RequestId::new(stamp_of(batch), [0, 0, 0, 0, 0, 0, 0, 0, a, b]);
    RequestKey { id, portal: PortalId(portal) }
}

fn located(scene: &Scene, request: &RequestKey) -> Located {
    locate(&scene.index, &scene.state, request).expect("read")
}

/// A log of three days: at the beginning everybody's four leaves, two of portal 1 and one of portal 2; two days later one.
async fn scene() -> Scene {
    let mut scene = Scene::new().await;
    let said = |portal| Said { portal, ..scene_said() };
    scene.append(&[said(1), said(1), said(2)]).await;
    scene.batches = 2 * DAY_MS / BATCH_MS;
    scene.append(&[said(1)]).await;
    scene
}

#[tokio::test]
async fn a_request_is_found_by_its_leaf_and_by_nothing_less() {
    let scene = scene().await;
    assert_eq!(located(&scene, &request(1, 1, 4)), Located::Behind);
    scene.level();
    for (portal, number, position) in [(1, 4, 4), (1, 5, 5), (2, 6, 6)] {
        let at = Located::At { position, official: [1; 16] };
        assert_eq!(located(&scene, &request(1, portal, number)), at);
    }
    // The same short form, or the same id at another portal, is another request.
    for (portal, number) in [(1, 6), (2, 4), (3, 4)] {
        assert_eq!(located(&scene, &request(1, portal, number)), Located::Nowhere, "{portal} {number}");
    }
    assert_eq!(located(&scene, &request(2, 1, 4)), Located::Nowhere, "of another moment");
    // What the state would still remember is not looked for.
    let newest = request(2 * DAY_MS / BATCH_MS, 1, 7);
    assert!(scene.state.seen(&newest).expect("read").is_some());
    assert_eq!(located(&scene, &newest), Located::Nowhere);
}

/// As long as the index lacks leaves that may be the request's, nobody is told that there is none.
#[tokio::test]
async fn an_index_that_is_behind_says_so() {
    let scene = scene().await;
    let last = leaf_hash(&scene.state.leaf(5).expect("read").expect("there"));
    scene.index.add(&[], Progress { leaves: 6, last }).expect("added");
    assert_eq!(located(&scene, &request(1, 2, 6)), Located::Behind);
    // Leaves after the day within which a request can get one do not matter.
    let last = leaf_hash(&scene.state.leaf(6).expect("read").expect("there"));
    scene.index.add(&[], Progress { leaves: 7, last }).expect("added");
    assert_eq!(located(&scene, &request(1, 2, 6)), Located::Nowhere, "this index does not name it");
    scene.index.clear().expect("cleared");
    assert_eq!(located(&scene, &request(1, 2, 6)), Located::Behind);
    scene.level();
    assert!(matches!(located(&scene, &request(1, 2, 6)), Located::At { position: 6, .. }));
}

/// An index that names another leaf is not believed.
#[tokio::test]
async fn an_index_that_lies_finds_nothing() {
    let scene = scene().await;
    let wanted = request(1, 2, 6);
    let last = leaf_hash(&scene.state.leaf(6).expect("read").expect("there"));
    let lie = (Term::request(wanted.id, wanted.portal), 5);
    scene.index.add(&[lie], Progress { leaves: 7, last }).expect("added");
    assert_eq!(located(&scene, &wanted), Located::Nowhere);
}

/// Found by a review: every walk ran on a thread that serves, and any number of them at once.
#[tokio::test]
async fn a_request_is_looked_for_in_its_turn_and_away_from_those_who_serve() {
    let scene = scene().await;
    let folder = tempfile::tempdir().expect("a folder");
    let searcher = Searcher::start(folder.path(), scene.state.clone()).expect("started");
    let request = request(2, 1, 4);
    let places = searcher.places.acquire_many(u32::try_from(SEARCHES_MAX).expect("few")).await.expect("open");
    assert!(timeout(Duration::from_millis(50), searcher.locate(request)).await.is_err(), "others are looked for");
    drop(places);
    assert!(matches!(searcher.locate(request).await.expect("read"), Located::Nowhere | Located::Behind));
    searcher.stop();
}
