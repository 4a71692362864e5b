//! What operators get wrong: a refusal with its exit code and a line that says what to do, and nobody else is affected.

use std::{fs, net::TcpListener, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use xacminh_chaos::{
    Cluster, Options,
    cluster::{Caller, Signal, copy_folder, files::new_keyring},
    invariants::{self, heals},
    ledger::Ledger,
    load::Load,
    people::{self, Kind},
    postgres::PostgresServer,
    wait,
};
use xacminh_node::telemetry::ExitCode;
use xacminh_proto::vocab::{Cause, Outcome};

const DEADLINE: Duration = Duration::from_secs(10);

/// One node is enough to be refused.
fn alone() -> Options {
    Options { nodes: 1, started: vec![1], ..Options::default() }
}

/// A refusal: the exit code, and words that help.
async fn refused(cluster: &Cluster, what: &str, config: &Path, code: ExitCode, words: &[&str]) -> Result<()> {
    let (found, said) = cluster.refusal(config).await.with_context(|| what.to_owned())?;
    ensure!(found == Some(i32::from(code.number())), "{what}: {found:?} instead of {code:?}: {said}");
    for word in words {
        ensure!(said.contains(word), "{what}: nothing about {word:?} in: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_work() {
    Cluster::tell("operator_mistakes::a_configuration_that_cannot_work", alone(), async |cluster| {
        let typo = cluster.altered_config(1, "heartbeat_ms", "hearbeat_ms")?;
        let line = 1 + fs::read_to_string(&typo)?.lines().take_while(|line| !line.starts_with("hearbeat_ms")).count();
        let place = format!("altered-1.toml:{line}");
        refused(cluster, "a typo", &typo, ExitCode::Config, &[&place, "hearbeat_ms", "did you mean `heartbeat_ms`"])
            .await?;
        let stranger = cluster.altered_config(1, "id = 1", "id = 9")?;
        refused(cluster, "not a member", &stranger, ExitCode::Config, &["not among the members"]).await?;
        let absent = cluster.files.folder.join("absent.toml");
        refused(cluster, "no file", &absent, ExitCode::Config, &["absent.toml"]).await?;
        cluster.kill9(1)?;
        let lost = cluster.altered_config(1, "certs/node-1.key", "certs/node-9.key")?;
        refused(cluster, "no TLS key", &lost, ExitCode::TlsRefused, &["node-9.key"]).await?;
        let other = cluster.altered_config(1, "certs/node-1.key", "certs/peer-1.key")?;
        refused(cluster, "a key of another certificate", &other, ExitCode::TlsRefused, &["node-1"]).await?;
        let role = cluster.altered_config(1, "certs/node-1.pem", "certs/portal-1.pem")?;
        refused(cluster, "a portal's certificate for a node", &role, ExitCode::TlsRefused, &["portal-1"]).await?;
        let admin = TcpListener::bind(cluster.files.admin(1))?;
        let config = cluster.files.config(1);
        refused(cluster, "a taken port", &config, ExitCode::BindFailed, &[&cluster.files.admin(1).to_string()]).await?;
        drop(admin);
        // After all these refusals the node is what it was.
        cluster.restart(1).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_is_not_this_nodes() {
    Cluster::tell("operator_mistakes::a_data_directory_that_is_not_this_nodes", Options::default(), async |cluster| {
        let load = Load::start(cluster, 4)?;
        let (one, two) = (cluster.files.data(1), cluster.files.data(2));
        let held = own_ports(cluster, cluster.altered_config(1, "data-1", "data-1")?)?;
        refused(cluster, "two processes", &held, ExitCode::DataDirRefused, &["in use by another process"]).await?;
        cluster.kill9(2)?;
        fs::rename(&two, two.with_extension("kept"))?;
        let config = cluster.altered_config(1, "data-1", "data-2.kept")?;
        let config = own_ports(cluster, config)?;
        refused(cluster, "another node's", &config, ExitCode::DataDirRefused, &["node 2", "never reused"]).await?;
        fs::rename(two.with_extension("kept"), &two)?;
        let identity = two.join("identity.toml");
        let text = fs::read_to_string(&identity)?;
        fs::write(&identity, text.replace("\"chaos\"", "\"hue\""))?;
        let config = cluster.files.config(2);
        refused(cluster, "another cluster's", &config, ExitCode::DataDirRefused, &["`hue`", "`chaos`"]).await?;
        fs::write(&identity, text)?;
        let strange = cluster.files.folder.join("holiday");
        fs::create_dir(&strange)?;
        fs::write(strange.join("photo.jpg"), b"no log")?;
        let config = cluster.altered_config(2, "data-2", "holiday")?;
        refused(cluster, "a folder of photos", &config, ExitCode::DataDirRefused, &["choose an empty one"]).await?;
        ensure!(fs::read(strange.join("photo.jpg"))? == b"no log", "the photo was touched");
        ensure!(one.join("identity.toml").is_file(), "node 1 was left alone");
        cluster.restart(2).await?;
        let mut history = load.finish().await?;
        ensure!(history.unknown.is_empty(), "{} questions were lost meanwhile", history.unknown.len());
        history.merge(heals::check(cluster).await?);
        let ledgers = Ledger::read_all(cluster).await?;
        ensure!(ledgers.len() == 3, "{} nodes run", ledgers.len());
        invariants::check_all(&history, &ledgers)
    })
    .await;
}

/// Ports of its own, so that nothing but the directory can be the reason.
fn own_ports(cluster: &Cluster, config: std::path::PathBuf) -> Result<std::path::PathBuf> {
    let mut text = fs::read_to_string(&config)?;
    for (address, port) in
        [(cluster.files.client(1), 7481), (cluster.files.peer(1), 7581), (cluster.files.admin(1), 7681)]
    {
        text = text.replace(&address.to_string(), &format!("{}:{port}", address.ip()));
    }
    fs::write(&config, text)?;
    Ok(config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_that_does_not_open_what_is_there() {
    Cluster::tell("operator_mistakes::a_keyring_that_does_not_open_what_is_there", alone(), async |cluster| {
        let client = cluster.client(Caller::Office)?;
        client.ask(people::right(&cluster.people.people[0]), DEADLINE).await?;
        cluster.kill9(1)?;
        let (keyring, config) = (cluster.files.keyring(), cluster.files.config(1));
        let text = fs::read_to_string(&keyring)?;
        // The file names a key it lacks.
        fs::write(&keyring, text.replace("current = 1", "current = 2"))?;
        refused(cluster, "a missing current key", &config, ExitCode::KeyringRefused, &["key 2", "current"]).await?;
        // Key 2 is there, but key 1, which sealed what is on the disk, is gone.
        fs::write(&keyring, text.replace("current = 1", "current = 2").replace("id = 1", "id = 2"))?;
        refused(cluster, "a key the data needs", &config, ExitCode::KeyringRefused, &["key 1"]).await?;
        // Another cluster's keyring.
        fs::remove_file(&keyring)?;
        new_keyring(&keyring)?;
        refused(cluster, "another keyring", &config, ExitCode::KeyringRefused, &["keyring"]).await?;
        fs::remove_file(&keyring)?;
        refused(cluster, "no keyring", &config, ExitCode::KeyringRefused, &["keyring.toml"]).await?;
        write_secret(&keyring, &text)?;
        cluster.restart(1).await?;
        let told = client.ask(people::right(&cluster.people.people[0]), DEADLINE).await?;
        ensure!(Kind::Right.fits(&told.outcome), "{:?}", told.outcome);
        // Everybody may read it: whoever could, may have.
        let readable = Command::new("chmod").arg("644").arg(&keyring).status()?;
        ensure!(readable.success(), "chmod");
        cluster.kill9(1)?;
        refused(cluster, "an exposed keyring", &config, ExitCode::KeyringRefused, &["chmod 600"]).await
    })
    .await;
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_file_that_is_none() {
    Cluster::tell("operator_mistakes::an_authority_file_that_is_none", alone(), async |cluster| {
        let (people, config) = (cluster.files.people(), cluster.files.config(1));
        let good = fs::read(&people)?;
        cluster.kill9(1)?;
        fs::write(&people, b"this is no database at all, whatever its name says")?;
        refused(cluster, "no database", &config, ExitCode::AuthorityRefused, &["authority"]).await?;
        fs::write(&people, b"")?;
        refused(cluster, "an empty database", &config, ExitCode::AuthorityRefused, &["authority"]).await?;
        fs::remove_file(&people)?;
        refused(cluster, "no file", &config, ExitCode::AuthorityRefused, &["people.sqlite"]).await?;
        // Whole at the start, torn in the middle: the schema is found, people are not.
        let mut torn = good.clone();
        let middle = torn.len() / 3..torn.len() - torn.len() / 8;
        torn[middle].fill(0xa5);
        fs::write(&people, torn)?;
        cluster.spawn(1, false)?;
        if cluster.wait_ready(1).await.is_ok() {
            let client = cluster.client(Caller::Office)?;
            for person in cluster.people.people.iter().take(40) {
                let outcome = client.ask(people::right(person), DEADLINE).await?.outcome;
                let honest =
                    Kind::Right.fits(&outcome) || outcome == Outcome::Undetermined(Cause::AuthorityUnavailable);
                ensure!(honest, "a damaged authority made {outcome:?} of a right question");
            }
            cluster.kill9(1)?;
        }
        fs::write(&people, good)?;
        // A refused start is over; an accepted one was killed above.
        let _ = cluster.kill9(1);
        cluster.restart(1).await
    })
    .await;
}

/// PostgreSQL dies in the middle of queries: what it would have said stays undetermined, with its cause, and when it
/// is back so are the answers.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_that_stops_in_the_middle_of_a_query() {
    let server = PostgresServer::start().await.expect("PostgreSQL starts");
    let options = Options { postgres: Some(server), ..Options::default() };
    let test = "operator_mistakes::postgres_that_stops_in_the_middle_of_a_query";
    Cluster::tell(test, options, async |cluster| {
        let mut server = cluster.postgres.take().context("the server of this story")?;
        let client = cluster.client(Caller::Office)?;
        let remembered = people::right(&cluster.people.people[0]);
        client.ask(remembered.clone(), DEADLINE).await?;
        let held = server.hold_people().await?;
        let asks = cluster.people.people[1..7].iter().map(people::right);
        let mut asked = tokio::task::JoinSet::new();
        for ask in asks {
            let client = cluster.client(Caller::Office)?;
            asked.spawn(async move { client.ask(ask, DEADLINE).await });
        }
        wait::until("reads in the middle of their query", Duration::from_secs(5), || async {
            match server.reads_waiting().await {
                Ok(waiting) if waiting > 0 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
        server.crash()?;
        drop(held);
        while let Some(told) = asked.join_next().await {
            let outcome = told??.outcome;
            ensure!(outcome == Outcome::Undetermined(Cause::AuthorityUnavailable), "{outcome:?}");
        }
        // What is remembered and fresh is answered without the authority; what is not is undetermined.
        let told = client.ask(people::once_more(&remembered), DEADLINE).await?;
        ensure!(Kind::Right.fits(&told.outcome), "a fresh memory: {:?}", told.outcome);
        let wrong =
            xacminh_proto::wire::Ask { name: people::NOBODYS_NAME.to_owned(), ..people::once_more(&remembered) };
        let told = client.ask(wrong, DEADLINE).await?;
        let cannot_tell = matches!(told.outcome, Outcome::Undetermined(_));
        ensure!(cannot_tell, "a mismatch from memory alone: {:?}", told.outcome);
        server.resume().await?;
        let person = &cluster.people.people[1];
        wait::until("answers again", Duration::from_secs(20), || async {
            match client.ask(people::right(person), DEADLINE).await {
                Ok(told) if Kind::Right.fits(&told.outcome) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    })
    .await;
}

/// A node that lost its disk must not come back under its old number: it could undo what a quorum promised.
#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_disk_does_not_come_back_under_its_old_number() {
    let test = "operator_mistakes::a_wiped_disk_does_not_come_back_under_its_old_number";
    Cluster::tell(test, Options::default(), async |cluster| {
        let leader = cluster.leader().await?;
        let lost = cluster.files.nodes.iter().copied().find(|node| *node != leader).context("a follower")?;
        let load = Load::start(cluster, 8)?;
        load.wait_for(50, Duration::from_secs(20)).await?;
        cluster.kill9(lost)?;
        cluster.wipe(lost)?;
        cluster.spawn(lost, false)?;
        load.wait_for(100, Duration::from_secs(30)).await?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        // It may refuse to run or run without being let in; it neither serves nor votes.
        let process = cluster.process_mut(lost)?;
        match process.exited()? {
            Some(code) => {
                ensure!(code == Some(i32::from(ExitCode::DataDirRefused.number())), "it ended with {code:?}");
            }
            None => {
                let (status, body) = cluster.readiness(lost).await?;
                ensure!(status == 503, "a node without its past says {status} {body}");
            }
        }
        ensure!(cluster.process(lost)?.last_words().contains("new id"), "it does not say what to do");
        // Without it and one more there is no quorum: its voice does not count.
        let history = load.finish().await?;
        let other = cluster.files.nodes.iter().copied().find(|node| *node != leader && *node != lost);
        cluster.process(other.context("the third")?)?.signal(Signal::Stop)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        invariants::no_quorum_no_answer::check(cluster, leader).await?;
        cluster.resume(other.context("the third")?)?;
        // If it still ran, it would be waited for below.
        let _ = cluster.kill9(lost);
        let mut history = history;
        history.merge(heals::check(cluster).await?);
        let ledgers = Ledger::read_all(cluster).await?;
        ensure!(ledgers.len() == 2, "{} nodes run", ledgers.len());
        invariants::check_all(&history, &ledgers)
    })
    .await;
}

/// A node whose state was restored from a backup, and whose record of what it signed was not, signed more than it has: it
/// waits for its log to bring that back, and then stops instead of signing another history.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_restored_beside_a_newer_record_of_signed_heads_is_not_signed() {
    let test = "operator_mistakes::a_state_restored_beside_a_newer_record_of_signed_heads_is_not_signed";
    Cluster::tell(test, alone(), async |cluster| {
        let ask = async |cluster: &Cluster| {
            let office = cluster.client(Caller::Office)?;
            for person in &cluster.people.people[..5] {
                ensure!(office.ask(people::right(person), DEADLINE).await?.receipt.is_some(), "no receipt");
            }
            office.close().await;
            Ok(())
        };
        ask(cluster).await?;
        cluster.stop(1).await?;
        let (data, backup) = (cluster.files.data(1), cluster.files.folder.join("backup"));
        copy_folder(&data, &backup)?;
        cluster.restart(1).await?;
        ask(cluster).await?;
        cluster.stop(1).await?;
        let record = cluster.files.folder.join("record");
        copy_folder(&data.join("notary"), &record)?;
        fs::remove_dir_all(&data)?;
        copy_folder(&backup, &data)?;
        // With its own old record the backup would be a node that knows no better.
        fs::remove_dir_all(data.join("notary"))?;
        copy_folder(&record, &data.join("notary"))?;
        cluster.spawn(1, false)?;
        let code = cluster.process_mut(1)?.wait_exit().await?;
        ensure!(code == Some(i32::from(ExitCode::InvariantBroken.number())), "it ended with {code:?}");
        ensure!(cluster.process(1)?.last_words().contains("more was signed than the log has"), "it does not say why");
        Ok(())
    })
    .await;
}
