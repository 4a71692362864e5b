//! Callers that must not come in, and callers that come too often.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, ensure};
use xacminh_chaos::{
    Cluster,
    cluster::{CLUSTER, Caller, make_certs},
    http,
    raw::{Raw, Refused, Told},
};
use xacminh_client::{ClientError, cert::CertCommand};
use xacminh_proto::{
    close::CloseCode,
    vocab::ErrorNumber,
    wire::{self, Reply, Request},
};

use super::{beside_a_good_caller, short_tempered};

/// TLS alerts of RFC 8446 §6.2 that a refused caller may hear.
const ALERT_BAD_CERTIFICATE: u8 = 42;
const ALERT_EXPIRED: u8 = 45;
const ALERT_UNKNOWN_CA: u8 = 48;
const ALERT_DECRYPT_ERROR: u8 = 51;
const ALERT_CERTIFICATE_REQUIRED: u8 = 116;
const ALERT_NO_PROTOCOL: u8 = 120;

/// Certificates end with a whole second; one of no days is over after the second it was made in.
const CERTIFICATE_ENDS: Duration = Duration::from_millis(2_100);

/// Who it is, its certificate, the protocol it offers, and the alerts it may hear.
type Stranger<'a> = (&'static str, Option<(&'a Path, &'a str)>, &'a [u8], &'a [u8]);

#[tokio::test(flavor = "multi_thread")]
async fn strangers_hear_why_and_stay_outside() {
    let test = "bad_input::callers::strangers_hear_why_and_stay_outside";
    Cluster::tell(test, short_tempered(), async |cluster| {
        beside_a_good_caller(cluster, async |cluster| {
            let certs = cluster.files.certs();
            let folder = cluster.files.folder.join("strangers");
            let (other, expired) = (folder.join("other"), folder.join("expired"));
            // The same names from another authority, and a certificate of our own authority that is over.
            make_certs(&other, CLUSTER, 30, CertCommand::Dev { nodes: 1, hosts: vec!["127.0.0.1".to_owned()] })?;
            fs::create_dir_all(&expired)?;
            for file in ["client-ca.pem", "client-ca.key"] {
                fs::copy(certs.join(file), expired.join(file))?;
            }
            make_certs(&expired, CLUSTER, 0, CertCommand::Portal { name: 1 })?;
            tokio::time::sleep(CERTIFICATE_ENDS).await;
            let door = cluster.files.client(1);
            let cases: [Stranger<'_>; 6] = [
                ("no certificate", None, wire::ALPN, &[ALERT_CERTIFICATE_REQUIRED]),
                (
                    "another authority",
                    Some((&other, "portal-1")),
                    wire::ALPN,
                    &[ALERT_UNKNOWN_CA, ALERT_DECRYPT_ERROR, ALERT_BAD_CERTIFICATE],
                ),
                ("a peer's certificate", Some((&certs, "peer-1")), wire::ALPN, &[ALERT_UNKNOWN_CA]),
                // A node's certificate is for servers only, so that a stolen one asks no questions.
                ("a node's certificate", Some((&certs, "node-2")), wire::ALPN, &[ALERT_BAD_CERTIFICATE, 43, 46, 49]),
                ("an expired certificate", Some((&expired, "portal-1")), wire::ALPN, &[ALERT_EXPIRED]),
                ("another version", Some((&certs, "portal-1")), b"xacminh/9", &[ALERT_NO_PROTOCOL]),
            ];
            for (what, certificate, alpn, alerts) in cases {
                let caller = Raw::new(certificate, &certs.join("client-ca.pem"), alpn)?;
                let Err(refused) = caller.call(door).await.context(what)? else {
                    anyhow::bail!("{what}: was let in");
                };
                let right = matches!(refused, Refused::Alert(alert) if alerts.contains(&alert));
                ensure!(right, "{what}: {refused:?}");
            }
            // The peers' door takes none of the callers' certificates, whatever their role.
            let caller = Raw::new(Some((&certs, "operator")), &certs.join("peer-ca.pem"), wire::PEER_ALPN)?;
            let refused = caller.call(cluster.files.peer(1)).await?.err().context("an operator among peers")?;
            ensure!(refused == Refused::Alert(ALERT_UNKNOWN_CA), "an operator among peers: {refused:?}");
            Ok(())
        })
        .await
    })
    .await;
}

/// The library tells a caller that it is its own certificate that is refused, and does not try for ever.
#[tokio::test(flavor = "multi_thread")]
async fn the_library_says_whose_certificate_is_wrong() {
    let test = "bad_input::callers::the_library_says_whose_certificate_is_wrong";
    Cluster::tell(test, short_tempered(), async |cluster| {
        let certs = cluster.files.certs();
        // A certificate that is over, in place of the good one.
        make_certs(&certs, CLUSTER, 0, CertCommand::Portal { name: 2 })?;
        tokio::time::sleep(CERTIFICATE_ENDS).await;
        let client = cluster.client(Caller::Business)?;
        let told = client.status(Duration::from_secs(10)).await;
        ensure!(matches!(told, Err(ClientError::CallerRefused { .. })), "{told:?}");
        Ok(())
    })
    .await;
}

/// One caller with hundreds of connections is told so, and is alone with its trouble.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_too_many_connections_is_told() {
    let test = "bad_input::callers::a_caller_with_too_many_connections_is_told";
    Cluster::tell(test, short_tempered(), async |cluster| {
        beside_a_good_caller(cluster, async |cluster| {
            let certs = cluster.files.certs();
            let caller = Raw::new(Some((&certs, "portal-2")), &certs.join("client-ca.pem"), wire::ALPN)?;
            let door = cluster.files.client(1);
            let mut held = Vec::new();
            let mut refused = Vec::new();
            for _ in 0..24 {
                match caller.call(door).await? {
                    Ok(connection) => held.push(connection),
                    Err(why) => refused.push(why),
                }
            }
            ensure!(held.len() == 16, "{} connections of 16 permitted", held.len());
            let told = Refused::Closed(CloseCode::TooManyConnections);
            ensure!(refused.iter().all(|why| *why == told), "{refused:?}");
            // Its own first connection works on.
            let status = Raw::tell(&held[0], &xacminh_chaos::raw::one(&Request::Status)?).await?;
            ensure!(matches!(&status, Told::Reply(reply) if matches!(**reply, Reply::Status(_))), "{status:?}");
            // And the operator can see what happens.
            let (code, metrics) = http::get(cluster.files.admin(1), "/metrics").await?;
            ensure!(code == 200 && metrics.contains("xacminh_"), "metrics: {code}");
            Ok(())
        })
        .await
    })
    .await;
}

/// More questions in flight than the node takes from everybody: the answer is a number, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn too_much_at_once_is_told_and_retried() {
    let test = "bad_input::callers::too_much_at_once_is_told_and_retried";
    let options = xacminh_chaos::Options {
        limits: "in_flight_max = 8\nquestion_timeout_ms = 1000\n".to_owned(),
        ..xacminh_chaos::Options::default()
    };
    Cluster::tell(test, options, async |cluster| {
        beside_a_good_caller(cluster, async |cluster| {
            let certs = cluster.files.certs();
            let caller = Raw::new(Some((&certs, "portal-2")), &certs.join("client-ca.pem"), wire::ALPN)?;
            let connection = caller.call(cluster.files.client(1)).await?.ok().context("portal 2 may come in")?;
            let mut told = tokio::task::JoinSet::new();
            for person in cluster.people.people.iter().cycle().take(60) {
                let ask = wire::Ask { procedure: "1.001612".to_owned(), ..xacminh_chaos::people::right(person) };
                let bytes = xacminh_chaos::raw::one(&Request::Ask(Box::new(ask)))?;
                let connection = connection.clone();
                told.spawn(async move { Raw::tell(&connection, &bytes).await });
            }
            let mut overloaded = 0;
            while let Some(one) = told.join_next().await {
                match one?? {
                    Told::Reply(reply) => match *reply {
                        Reply::Answer(_) => {}
                        Reply::Failure(failure) => {
                            let full = [ErrorNumber::Overloaded, ErrorNumber::TooManyInFlight];
                            ensure!(full.contains(&failure.number), "{failure:?}");
                            overloaded += 1;
                        }
                        other => anyhow::bail!("{other:?}"),
                    },
                    other => anyhow::bail!("{other:?}"),
                }
            }
            ensure!(overloaded > 0, "60 questions at once fitted into 8 places: nothing was tested");
            Ok(())
        })
        .await
    })
    .await;
}
