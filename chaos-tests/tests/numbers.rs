//! Numbers that were cancelled and issued anew, and cards, through real nodes.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use xacminh_chaos::{Cluster, Options, cluster::Caller, history::History, invariants, ledger::Ledger, people};
use xacminh_client::fresh_request_id;
use xacminh_proto::{
    transparency::Receipt,
    vocab::{AttributeSet, CardQr, CitizenNumber, Claim, ClaimKind, Outcome, Reason, Verdict},
    wire::{Ask, ReceiptWish},
};

const DEADLINE: Duration = Duration::from_secs(10);

/// Enough that some numbers were cancelled: twelve in ten thousand are.
const CITIZENS: u64 = 20_000;

/// A person with what the card says.
struct Held {
    number: i64,
    name: String,
    birth: (i32, i32, i32),
    issued: i32,
    female: bool,
}

/// Living people with cards and days of birth, chosen by a condition on `p`.
fn held(file: &Path, more: &str) -> Result<Vec<(Held, i64)>> {
    let connection = Connection::open(file)?;
    let mut query = connection.prepare(&format!(
        "SELECT p.citizen_number, p.full_name, p.birth_year, p.birth_month, p.birth_day, p.card_issued_on, p.sex, \
         coalesce(p.replaces, 0) FROM persons p WHERE p.number_status = 1 AND p.living = 1 AND p.under_correction = 0 \
         AND p.birth_day IS NOT NULL AND p.card_issued_on IS NOT NULL AND p.sex > 0 AND {more} LIMIT 20"
    ))?;
    let people = query.query_map([], |row| {
        let held = Held {
            number: row.get(0)?,
            name: row.get(1)?,
            birth: (row.get(2)?, row.get(3)?, row.get(4)?),
            issued: row.get(5)?,
            female: row.get::<_, i32>(6)? == 2,
        };
        Ok((held, row.get(7)?))
    })?;
    Ok(people.collect::<Result<_, _>>()?)
}

impl Held {
    /// The text of the card's QR code, issued on another day if wished.
    fn scanned(&self, issued: Option<&str>) -> String {
        let (year, month, day) = self.birth;
        let own = format!("{:02}{:02}{:04}", self.issued % 100, self.issued / 100 % 100, self.issued / 10_000);
        format!(
            "{:012}||{}|{day:02}{month:02}{year:04}|{}|Số 1, Ấp Không Có, Huyện Không Có, Đà Nẵng|{}",
            self.number,
            self.name,
            if self.female { "Nữ" } else { "Nam" },
            issued.unwrap_or(&own),
        )
    }

    fn birth(&self) -> String {
        let (year, month, day) = self.birth;
        format!("{year:04}-{month:02}-{day:02}")
    }
}

fn ask(number: i64, held: &Held, claims: Vec<Claim>) -> Ask {
    Ask {
        request_id: fresh_request_id(),
        official: "clerk-01".to_owned(),
        dossier: "H48.2026.000777".to_owned(),
        procedure: people::RESIDENCE.to_owned(),
        number: format!("{number:012}"),
        name: held.name.clone(),
        birth: held.birth(),
        claims,
        attributes: AttributeSet::EMPTY,
        max_age_s: None,
        deadline_ms: 4_000,
        receipt: ReceiptWish::Full,
    }
}

/// A card's QR code is a question: each field is answered, an older card is told apart from a false one, and an address is
/// never held against anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_checked_field_by_field() {
    let options = Options { citizens: 2_000, ..Options::default() };
    Cluster::tell("numbers::a_card_is_checked_field_by_field", options, async |cluster| {
        let mut history = History::default();
        let people = held(&cluster.files.people(), "p.birth_year < 1995")?;
        ensure!(people.len() >= 3, "{} people with cards", people.len());
        for (node, (held, _)) in cluster.files.nodes.clone().into_iter().zip(&people) {
            let client = cluster.client_at(Caller::Office, node)?;
            for (issued, ruling) in [
                (None, (Verdict::Match, Reason::Equal)),
                (Some("01031999"), (Verdict::NoMatch, Reason::CardReplaced)),
                // From before the holder was born: false.
                (Some("01011900"), (Verdict::NoMatch, Reason::Different)),
            ] {
                let card = CardQr::parse(&held.scanned(issued))?;
                let asked = tokio::time::Instant::now();
                let question = ask(held.number, held, card.claims());
                let answer = client.ask(question.clone(), DEADLINE).await?;
                let Outcome::Confirmed { verdicts, reissued: false, .. } = &answer.outcome else {
                    anyhow::bail!("node {node}: {:?}", answer.outcome)
                };
                for verdict in verdicts {
                    let found = (verdict.verdict, verdict.reason);
                    match verdict.kind {
                        ClaimKind::CardIssued => ensure!(found == ruling, "issued {issued:?}: {found:?}"),
                        ClaimKind::CardAddress => {
                            ensure!(verdict.verdict != Verdict::NoMatch, "an address is never a no: {found:?}");
                        }
                        _ => ensure!(verdict.verdict == Verdict::Match, "{:?}: {found:?}", verdict.kind),
                    }
                }
                history.answered(asked, question, answer);
            }
            client.close().await;
        }
        invariants::check_all(&history, &Ledger::read_all(cluster).await?)
    })
    .await;
}

/// A cancelled number is followed to the one issued in its place, at every node, and the receipt says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_issued_anew_answers_by_the_new_one() {
    let options = Options { citizens: CITIZENS, ..Options::default() };
    Cluster::tell("numbers::a_number_issued_anew_answers_by_the_new_one", options, async |cluster| {
        let mut history = History::default();
        let people = held(&cluster.files.people(), "p.replaces IS NOT NULL")?;
        let (held, old) = people.first().context("somebody's number was issued anew")?;
        let card = CardQr::parse(&held.scanned(None))?;
        for node in cluster.files.nodes.clone() {
            let client = cluster.client_at(Caller::Office, node)?;
            let asked = tokio::time::Instant::now();
            let question = ask(*old, held, card.claims());
            let answer = client.ask(question.clone(), DEADLINE).await?;
            let Outcome::Confirmed { verdicts, reissued: true, .. } = &answer.outcome else {
                anyhow::bail!("node {node}: {:?}", answer.outcome)
            };
            let of = |kind| verdicts.iter().find(|verdict| verdict.kind == kind).map(|verdict| verdict.verdict);
            ensure!(of(ClaimKind::CardNumber) == Some(Verdict::Match), "the new card has the new number: {verdicts:?}");
            let receipt = Receipt::parse(answer.receipt.as_deref().context("a receipt")?.as_bytes())?;
            ensure!(receipt.leaf().len() > 100, "there is a leaf");
            history.answered(asked, question, answer);
            // The old card still bears the old number.
            let on_old = client.ask(ask(*old, held, vec![Claim::CardNumber(card_number(*old)?)]), DEADLINE).await?;
            let Outcome::Confirmed { verdicts, .. } = &on_old.outcome else {
                anyhow::bail!("node {node}: {:?}", on_old.outcome)
            };
            ensure!(verdicts[0].reason == Reason::CardReplaced, "{verdicts:?}");
            // Without the keys nobody learns that there is such a number.
            let mut wrong = ask(*old, held, card.claims());
            people::NOBODYS_NAME.clone_into(&mut wrong.name);
            let answer = client.ask(wrong, DEADLINE).await?;
            ensure!(answer.outcome == Outcome::NotConfirmed, "{:?}", answer.outcome);
            let direct = client.ask(ask(held.number, held, card.claims()), DEADLINE).await?;
            ensure!(matches!(direct.outcome, Outcome::Confirmed { reissued: false, .. }), "{:?}", direct.outcome);
            client.close().await;
        }
        invariants::check_all(&history, &Ledger::read_all(cluster).await?)
    })
    .await;
}

fn card_number(number: i64) -> Result<CitizenNumber> {
    Ok(CitizenNumber::parse(&format!("{number:012}"))?)
}
