//! Bytes that are no question.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::RngExt;
use tokio::time::timeout;
use xacminh_chaos::{
    Cluster, people,
    raw::{self, Raw, Told},
    seed,
};
use xacminh_proto::{
    close::CloseCode,
    vocab::ErrorNumber,
    wire::{self, Reply, Request, Tagged},
};

use super::{beside_a_good_caller, short_tempered};

/// Mutations of a good request; each is a stream of its own.
const MUTATIONS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn broken_frames_get_their_number_or_a_reset() {
    let test = "bad_input::frames::broken_frames_get_their_number_or_a_reset";
    Cluster::tell(test, short_tempered(), async |cluster| {
        beside_a_good_caller(cluster, async |cluster| {
            let connection = connect(cluster).await?;
            for (what, bytes, number) in broken(cluster)? {
                let told = Raw::tell(&connection, &bytes).await.context(what)?;
                let right = matches!(&told, Told::Reply(reply) if matches!(&**reply, Reply::Failure(failure) if failure.number == number));
                ensure!(right, "{what}: {number:?} was to be told, not {told:?}");
            }
            for (what, bytes) in [("another kind of stream", vec![7, 0, 0, 0, 1, 1]), ("an empty stream", Vec::new())] {
                let told = Raw::tell(&connection, &bytes).await.context(what)?;
                ensure!(told == Told::Reset(u64::from(CloseCode::Protocol.code())), "{what}: {told:?}");
            }
            ensure!(connection.close_reason().is_none(), "one bad stream cost the others: {:?}", connection.close_reason());
            good_still(&connection).await
        })
        .await
    })
    .await;
}

/// What is sent → the number that comes back.
fn broken(cluster: &Cluster) -> Result<Vec<(&'static str, Vec<u8>, ErrorNumber)>> {
    let good = raw::one(&ask(cluster))?;
    let mut chance = seed::generator(cluster.seed, 1);
    let mut random = vec![wire::STREAM_ONE, 0, 0, 1, 0];
    random.extend((0..256).map(|_| chance.random::<u8>() | 0x80));
    let mut trailing = good.clone();
    trailing[4] += 3;
    trailing.extend_from_slice(&[0, 0, 0]);
    Ok(vec![
        ("a frame cut off", good[..good.len() / 2].to_vec(), ErrorNumber::MalformedMessage),
        ("half a length", good[..3].to_vec(), ErrorNumber::MalformedMessage),
        ("4 GB announced", vec![wire::STREAM_ONE, 0xff, 0xff, 0xff, 0xff, 1], ErrorNumber::MessageTooLarge),
        ("one byte over the limit", vec![wire::STREAM_ONE, 0, 1, 0, 1, 1], ErrorNumber::MessageTooLarge),
        ("an empty frame", vec![wire::STREAM_ONE, 0, 0, 0, 0], ErrorNumber::MalformedMessage),
        ("an unknown kind of request", vec![wire::STREAM_ONE, 0, 0, 0, 1, 99], ErrorNumber::MalformedMessage),
        ("random bytes", random, ErrorNumber::MalformedMessage),
        ("bytes after the request", trailing, ErrorNumber::MalformedMessage),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn mutated_requests_harm_nobody() {
    Cluster::tell("bad_input::frames::mutated_requests_harm_nobody", short_tempered(), async |cluster| {
        beside_a_good_caller(cluster, async |cluster| {
            let mut chance = seed::generator(cluster.seed, 2);
            let connection = connect(cluster).await?;
            for turn in 0..MUTATIONS {
                let mut bytes = raw::one(&ask(cluster))?;
                for _ in 0..chance.random_range(1..4) {
                    let at = chance.random_range(0..bytes.len());
                    bytes[at] = chance.random();
                }
                // A mutated length may make the node wait for bytes that never come: the stream's end tells it.
                let told = Raw::tell(&connection, &bytes).await.with_context(|| format!("mutation {turn}"))?;
                ensure!(!matches!(told, Told::Closed(_)), "mutation {turn} closed the connection: {told:?}");
            }
            good_still(&connection).await
        })
        .await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_half_open_streams_are_given_up() {
    let test = "bad_input::frames::slow_and_half_open_streams_are_given_up";
    Cluster::tell(test, short_tempered(), async |cluster| {
        beside_a_good_caller(cluster, async |cluster| {
            let connection = connect(cluster).await?;
            // Opened, with the first byte of a kind and nothing more.
            let (mut silent, mut silent_answer) = connection.open_bi().await?;
            silent.write_all(&[wire::STREAM_ONE]).await?;
            // A byte now and then: never idle, never done.
            let (mut slow, mut slow_answer) = connection.open_bi().await?;
            let dripping = tokio::spawn(async move {
                for byte in [wire::STREAM_ONE, 0, 0, 0, 90].into_iter().chain([7; 60]) {
                    if slow.write_all(&[byte]).await.is_err() {
                        return true;
                    }
                    tokio::time::sleep(Duration::from_millis(150)).await;
                }
                false
            });
            for (what, answer) in [("silent", &mut silent_answer), ("slow", &mut slow_answer)] {
                let told = raw::reply(answer).await.context(what)?;
                let too_slow = matches!(&told, Told::Reply(reply) if matches!(&**reply, Reply::Failure(failure) if failure.number == ErrorNumber::TooSlow));
                ensure!(too_slow, "a {what} stream was told {told:?}");
            }
            ensure!(dripping.await?, "the node went on listening to a slow stream");
            good_still(&connection).await
        })
        .await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_too_many_streams_waits_for_itself() {
    let test = "bad_input::frames::a_caller_with_too_many_streams_waits_for_itself";
    Cluster::tell(test, short_tempered(), async |cluster| {
        beside_a_good_caller(cluster, async |cluster| {
            let connection = connect(cluster).await?;
            let mut held = Vec::new();
            // Quinn holds us back where the node's permission ends.
            while let Ok(stream) = timeout(Duration::from_millis(300), connection.open_bi()).await {
                let mut stream = stream?;
                stream.0.write_all(&[wire::STREAM_SESSION]).await?;
                held.push(stream);
                ensure!(held.len() <= 256, "{} streams and no end", held.len());
            }
            ensure!(held.len() >= 32, "only {} streams are permitted", held.len());
            // Another connection of the same caller is not held back by this one.
            good_still(&connect(cluster).await?).await?;
            drop(held);
            let again = timeout(Duration::from_secs(5), good_still(&connection)).await;
            again.context("places come back")?
        })
        .await
    })
    .await;
}

/// A malformed message whose tag can be read is answered under it, and the session goes on; one without a tag ends the
/// session, after the answers to what was asked before.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_after_a_malformed_message_and_ends_without_a_tag() {
    let test = "bad_input::frames::a_session_goes_on_after_a_malformed_message_and_ends_without_a_tag";
    Cluster::tell(test, short_tempered(), async |cluster| {
        let connection = connect(cluster).await?;
        let (mut send, mut receive) = connection.open_bi().await?;
        let mut bytes = vec![wire::STREAM_SESSION];
        for tag in 1..=3 {
            let tagged = Tagged { tag, body: Request::Status };
            wire::frame::append::<{ wire::REQUEST_BYTES_MAX }, _>(&tagged, &mut bytes)?;
        }
        // Tag 9 and a request of kind 99, which there is not; then a tag that announces more than is there.
        bytes.extend_from_slice(&[0, 0, 0, 2, 9, 99]);
        wire::frame::append::<{ wire::REQUEST_BYTES_MAX }, _>(&Tagged { tag: 10, body: Request::Status }, &mut bytes)?;
        bytes.extend_from_slice(&[0, 0, 0, 2, 253, 1]);
        send.write_all(&bytes).await?;
        let all = timeout(Duration::from_secs(5), receive.read_to_end(1 << 20)).await??;
        let mut rest = all.as_slice();
        let mut tags = Vec::new();
        let mut failed = Vec::new();
        while let Some((prefix, behind)) = rest.split_first_chunk::<4>() {
            let (body, after) = behind.split_at(usize::try_from(u32::from_be_bytes(*prefix))?);
            let reply: Tagged<Reply> = wire::padding::decode::<{ wire::REPLY_BYTES_MAX }, _>(body)?;
            match reply.body {
                Reply::Status(_) => tags.push(reply.tag),
                Reply::Failure(failure) => {
                    ensure!(failure.number == ErrorNumber::MalformedMessage, "{failure:?}");
                    failed.push(reply.tag);
                }
                other => bail!("{other:?}"),
            }
            rest = after;
        }
        tags.sort_unstable();
        ensure!(tags == [1, 2, 3, 10], "answers to {tags:?}");
        failed.sort_unstable();
        ensure!(failed == [0, 9], "failures of {failed:?}");
        good_still(&connection).await
    })
    .await;
}

/// The abuser is the business portal: its abuse must cost the office nothing.
async fn connect(cluster: &Cluster) -> Result<quinn::Connection> {
    let certs = cluster.files.certs();
    let caller = Raw::new(Some((&certs, "portal-2")), &certs.join("client-ca.pem"), wire::ALPN)?;
    match caller.call(cluster.files.client(1)).await? {
        Ok(connection) => Ok(connection),
        Err(refused) => bail!("portal 2 may come in, and hears {refused:?}"),
    }
}

fn ask(cluster: &Cluster) -> Request {
    let ask = people::right(&cluster.people.people[3]);
    Request::Ask(Box::new(wire::Ask { procedure: "1.001612".to_owned(), ..ask }))
}

/// The same connection still serves a good request.
async fn good_still(connection: &quinn::Connection) -> Result<()> {
    let told = Raw::tell(connection, &raw::one(&Request::Status)?).await?;
    ensure!(matches!(&told, Told::Reply(reply) if matches!(**reply, Reply::Status(_))), "afterwards: {told:?}");
    Ok(())
}
