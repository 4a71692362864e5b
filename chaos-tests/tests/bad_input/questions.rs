//! Questions whose content is wrong, or not allowed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand_chacha::ChaCha8Rng;
use xacminh_chaos::{
    Cluster, Options,
    cluster::Caller,
    people::{self, Kind, RESIDENCE},
    seed,
};
use xacminh_client::{Client, ClientError, clock};
use xacminh_proto::{
    vocab::{Attribute, AttributeSet, Claim, ErrorNumber, Marital, Outcome, RequestId},
    wire::{Ask, AuditPage},
};

use super::beside_a_good_caller;

const DEADLINE: Duration = Duration::from_secs(10);

const HOUR_MS: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn wrong_content_gets_its_number() {
    Cluster::tell("bad_input::questions::wrong_content_gets_its_number", Options::default(), async |cluster| {
        beside_a_good_caller(cluster, async |cluster| {
            let client = cluster.client(Caller::Office)?;
            for (what, ask, number) in wrong(cluster) {
                let told = client.ask(ask, DEADLINE).await;
                let right = matches!(&told, Err(ClientError::Rejected { number: found, .. }) if *found == number);
                ensure!(right, "{what}: {number:?} was to be told, not {told:?}");
            }
            for (what, ask, number) in forbidden(cluster) {
                let told = client.ask(ask, DEADLINE).await.context(what)?;
                ensure!(told.outcome == Outcome::Refused(number), "{what}: {number:?}, not {:?}", told.outcome);
            }
            mixed_normal_forms_are_one(cluster, &client).await
        })
        .await
    })
    .await;
}

/// Nothing was decided, and there is no leaf: what → the question → its number.
fn wrong(cluster: &Cluster) -> Vec<(&'static str, Ask, ErrorNumber)> {
    let right = || people::right(&cluster.people.people[0]);
    let number = |text: &str| Ask { number: text.to_owned(), ..right() };
    let name = |text: &str| Ask { name: text.to_owned(), ..right() };
    let birth = |text: &str| Ask { birth: text.to_owned(), ..right() };
    let id = |ms: u64| Ask { request_id: RequestId::new(ms, [7; 10]), ..right() };
    let now_ms = clock::unix_ms();
    let claim = right().claims.remove(0);
    vec![
        ("letters", number("04819901234X"), ErrorNumber::BadNumber),
        ("eleven digits", number("04819901234"), ErrorNumber::BadNumber),
        ("thirteen digits", number("0481990123456"), ErrorNumber::BadNumber),
        ("other digits", number("٠٤٨١٩٩٠١٢٣٤٥"), ErrorNumber::BadNumber),
        ("no number", number(""), ErrorNumber::BadNumber),
        ("NUL in a name", name("Nguyễn\0Văn An"), ErrorNumber::BadName),
        ("a bidi override", name("Nguyễn Văn \u{202e}An"), ErrorNumber::BadName),
        ("a bidi isolate", name("Nguyễn \u{2066}Văn An"), ErrorNumber::BadName),
        ("10 kB of name", name(&"Nguyễn ".repeat(1_100)), ErrorNumber::BadName),
        ("no name", name("   "), ErrorNumber::BadName),
        ("markup for a name", name("<b>An</b>"), ErrorNumber::BadName),
        ("30 February", birth("2001-02-30"), ErrorNumber::BadDate),
        ("29 February of no leap year", birth("29/02/2001"), ErrorNumber::BadDate),
        ("month 13", birth("1990-13-01"), ErrorNumber::BadDate),
        ("day 0", birth("1990-01-00"), ErrorNumber::BadDate),
        ("a date of words", birth("hôm qua"), ErrorNumber::BadDate),
        ("no date", birth(""), ErrorNumber::BadDate),
        ("a dossier with spaces", Ask { dossier: "H48 2026".to_owned(), ..right() }, ErrorNumber::BadIdentifier),
        ("a long dossier", Ask { dossier: "9".repeat(300), ..right() }, ErrorNumber::BadIdentifier),
        ("no official", Ask { official: String::new(), ..right() }, ErrorNumber::BadIdentifier),
        ("no procedure", Ask { procedure: String::new(), ..right() }, ErrorNumber::BadIdentifier),
        ("nothing asked", Ask { claims: Vec::new(), ..right() }, ErrorNumber::EmptyQuestion),
        ("17 claims", Ask { claims: vec![claim.clone(); 17], ..right() }, ErrorNumber::TooManyClaims),
        ("65 claims", Ask { claims: vec![claim; 65], ..right() }, ErrorNumber::MalformedMessage),
        ("an id of two days ago", id(now_ms - 48 * HOUR_MS), ErrorNumber::RequestIdExpired),
        ("an id of tomorrow", id(now_ms + 24 * HOUR_MS), ErrorNumber::RequestIdExpired),
    ]
}

/// The rules say no, and the refusal is a leaf: what → the question → its number.
fn forbidden(cluster: &Cluster) -> Vec<(&'static str, Ask, ErrorNumber)> {
    let right = || people::right(&cluster.people.people[0]);
    let procedure = |code: &str| Ask { procedure: code.to_owned(), ..right() };
    let married = vec![Claim::MaritalStatus(Marital::Married)];
    let ethnicity = AttributeSet::EMPTY.with(Attribute::Ethnicity);
    vec![
        ("unknown official", Ask { official: "nobody".to_owned(), ..right() }, ErrorNumber::OfficialUnknown),
        ("unknown procedure", procedure("9.999999"), ErrorNumber::ProcedureUnknown),
        ("a procedure of another portal", procedure("1.001612"), ErrorNumber::ProcedureNotGranted),
        (
            "a procedure of another official",
            Ask { official: "clerk-02".to_owned(), ..procedure(people::BIRTH) },
            ErrorNumber::OfficialNotGranted,
        ),
        (
            "a claim the procedure does not allow",
            Ask { claims: married, ..procedure("1.004194") },
            ErrorNumber::ClaimNotAllowed,
        ),
        (
            "an attribute the procedure does not allow",
            Ask { attributes: ethnicity, ..procedure(RESIDENCE) },
            ErrorNumber::AttributeNotAllowed,
        ),
    ]
}

/// N0 of the name classes: Unicode form, case and spacing are how it was typed, not who it is.
async fn mixed_normal_forms_are_one(cluster: &Cluster, client: &Client) -> Result<()> {
    use unicode_normalization::UnicodeNormalization;
    let ask = people::right(&cluster.people.people[0]);
    let decomposed: String = ask.name.nfd().collect();
    let mut mixed: String = decomposed.chars().take(5).collect();
    mixed.extend(decomposed.chars().skip(5).collect::<String>().nfc());
    for name in [decomposed, mixed, ask.name.replace(' ', "  ")] {
        let told = client.ask(Ask { name, ..people::once_more(&ask) }, DEADLINE).await?;
        ensure!(Kind::Right.fits(&told.outcome), "a normal form changed the outcome: {:?}", told.outcome);
    }
    Ok(())
}

/// Roles do what they may and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn each_role_keeps_to_its_own() {
    Cluster::tell("bad_input::questions::each_role_keeps_to_its_own", Options::default(), async |cluster| {
        let ask = people::right(&cluster.people.people[0]);
        let page = AuditPage { from: 0, limit: 10 };
        for caller in [Caller::Office, Caller::Auditor, Caller::Operator] {
            let client = cluster.client(caller)?;
            let asked = client.ask(people::once_more(&ask), DEADLINE).await;
            let read = client.audit_page(page, DEADLINE).await;
            let put = client.put_register("not even a register".to_owned(), DEADLINE).await;
            let status = client.status(DEADLINE).await;
            ensure!(status.is_ok(), "{caller:?} may see the status: {status:?}");
            ensure!(is_denied(&asked) == (caller != Caller::Office), "{caller:?} asks: {asked:?}");
            ensure!(is_denied(&read) == (caller != Caller::Auditor), "{caller:?} reads the log: {read:?}");
            ensure!(is_denied(&put) == (caller != Caller::Operator), "{caller:?} changes the register: {put:?}");
            client.close().await;
        }
        // An operator's own mistakes are told, and change nothing.
        let operator = cluster.client(Caller::Operator)?;
        let before = operator.status(DEADLINE).await?.register_revision;
        let told = operator.put_register("[register]\nrevision = \"two\"".to_owned(), DEADLINE).await;
        ensure!(matches!(told, Err(ClientError::Rejected { .. })), "a register that is none: {told:?}");
        ensure!(operator.status(DEADLINE).await?.register_revision == before, "the register changed");
        Ok(())
    })
    .await;
}

fn is_denied<T>(told: &Result<T, ClientError>) -> bool {
    matches!(told, Err(ClientError::Rejected { number: ErrorNumber::RoleNotAllowed, .. }))
}

/// A scanner's misses are counted on every node together, and cost nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_spends_its_own_budget() {
    const BUDGET: u32 = 6;
    let options = Options { misses_per_official_hour: BUDGET, ..Options::default() };
    Cluster::tell("bad_input::questions::a_scanner_spends_its_own_budget", options, async |cluster| {
        let mut chance = seed::generator(cluster.seed, 0);
        let mut missed = 0;
        let mut refused = 0;
        for turn in 0..usize::try_from(BUDGET)? + 6 {
            let node = cluster.files.nodes[turn % cluster.files.nodes.len()];
            let client = cluster.client_at(Caller::Office, node)?;
            let ask = cluster.people.question(Kind::Unknown, &mut chance);
            match client.ask(ask, DEADLINE).await?.outcome {
                Outcome::NotConfirmed => missed += 1,
                Outcome::Refused(ErrorNumber::MissBudgetSpent) => refused += 1,
                other => anyhow::bail!("a miss is not {other:?}"),
            }
            client.close().await;
        }
        // An hour may begin in the middle of the test and bring a new budget; more than two never.
        ensure!(missed == BUDGET || missed <= 2 * BUDGET && refused == 0, "{missed} misses, {refused} refused");
        let client = cluster.client(Caller::Office)?;
        let other = Ask { official: "clerk-02".to_owned(), ..people::right(&cluster.people.people[0]) };
        let told = client.ask(other, DEADLINE).await?;
        ensure!(Kind::Right.fits(&told.outcome), "another official pays: {:?}", told.outcome);
        Ok(())
    })
    .await;
}

/// Misses are counted by the log: neither another leader nor a restart, by `kill -9` at that, brings one back.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_leader_brings_no_misses_back() {
    const BUDGET: u32 = 4;
    let options = Options { misses_per_official_hour: BUDGET, ..Options::default() };
    let test = "bad_input::questions::a_change_of_leader_brings_no_misses_back";
    Cluster::tell(test, options, async |cluster| {
        let mut chance = seed::generator(cluster.seed, 0);
        // An hour that begins in the middle brings a new budget, and the story begins once more.
        for _ in 0..2 {
            let hour = clock::unix_ms() / HOUR_MS;
            let mut missed = 0;
            while ask_unknown(cluster, 1, &mut chance).await? == Outcome::NotConfirmed {
                missed += 1;
                ensure!(missed <= 2 * BUDGET, "{missed} misses");
            }
            let leader = cluster.leader().await?;
            cluster.kill9(leader)?;
            let next = cluster.leader().await?;
            ensure!(next != leader, "node {leader} is dead and leads");
            let mut told = vec![ask_unknown(cluster, next, &mut chance).await?];
            cluster.spawn(leader, false)?;
            cluster.wait_ready(leader).await?;
            for node in cluster.files.nodes.clone() {
                told.push(ask_unknown(cluster, node, &mut chance).await?);
            }
            if clock::unix_ms() / HOUR_MS == hour {
                let spent = Outcome::Refused(ErrorNumber::MissBudgetSpent);
                ensure!(told.iter().all(|outcome| *outcome == spent), "{told:?}");
                return Ok(());
            }
        }
        anyhow::bail!("two hours began in one story")
    })
    .await;
}

async fn ask_unknown(cluster: &Cluster, node: u64, chance: &mut ChaCha8Rng) -> Result<Outcome> {
    let client = cluster.client_at(Caller::Office, node)?;
    let answer = client.ask(cluster.people.question(Kind::Unknown, chance), DEADLINE).await?;
    client.close().await;
    Ok(answer.outcome)
}
