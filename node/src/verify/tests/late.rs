//! Receipts that are asked for after the cluster has forgotten their requests: as long as the entry is kept, the same bytes.

use super::*;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

const OTHER_PORTAL: &str = r#"
[[portal]]
id = 2
name = "Cổng khác (thử)"
procedures = ["9.test"]

[[official]]
id = "clerk-01"
portal = 2
procedures = ["*"]

[retention]
entries_days = 730
"#;

/// Two portals, with entries that are kept for two years.
fn register() -> String {
    format!("{REGISTER}{OTHER_PORTAL}")
}

fn portal(id: u32) -> ReceiptHolder {
    ReceiptHolder::Portal(PortalId(id))
}

fn official(portal: u32, id: &str) -> ReceiptHolder {
    ReceiptHolder::Official(PortalId(portal), OfficialId::parse(id).expect("an id"))
}

impl Office {
    /// A question of one kind of outcome; person 2 has another name, and procedures that nobody knows are refused.
    fn of_kind(&self, kind: usize) -> Question {
        let mut question = self.question(if kind == 1 { 2 } else { 1 }, "clerk-01");
        match kind {
            1 => question.person.name = FullName::parse("Trần Thị Khác").expect("a name"),
            2 => question.procedure = ProcedureCode::parse("9.unknown").expect("a code"),
            _ => {}
        }
        question
    }

    async fn until_indexed(&self) {
        for _ in 0..2_000 {
            if self.searcher.indexed() == self.desk.state.meta().leaves {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{} of {} leaves are indexed", self.searcher.indexed(), self.desk.state.meta().leaves);
    }

    /// Lets time pass and asks again, so that the log's own time goes on: requests are forgotten by it.
    async fn pass(&self, ms: u64) {
        self.clock.advance_ms(ms);
        self.ask_about(3, "9.test").await;
        self.until_indexed().await;
    }

    fn is_forgotten(&self, question: &Question) -> bool {
        let request = RequestKey { id: question.request_id, portal: question.portal };
        self.desk.state.seen(&request).expect("read").is_none()
    }
}

/// A match, a miss and a refusal, asked for after a day, in the next year, and with an index that is made anew.
#[tokio::test]
async fn a_receipt_is_the_same_after_its_request_was_forgotten() {
    let mut office = office_with(3, Vec::new(), &register()).await;
    let mut asked = Vec::new();
    for kind in 0..3 {
        let question = office.of_kind(kind);
        let receipt = office.ask(&question).await.expect("answered").receipt.expect("a receipt");
        asked.push((question, receipt));
    }
    let year = office.desk.state.meta().shard.year;
    for (days, is_forgotten) in [(0, false), (2, true), (100, true)] {
        office.pass(days * DAY_MS).await;
        for (question, receipt) in &asked {
            assert_eq!(office.is_forgotten(question), is_forgotten, "after {days} days");
            for holder in [portal(1), official(1, "clerk-01")] {
                let again = office.receipt_of(&holder, question.request_id).await;
                assert_eq!(again.as_ref(), Ok(receipt), "{holder:?} after {days} days");
            }
            for holder in [portal(2), official(2, "clerk-01"), official(1, "clerk-02")] {
                let again = office.receipt_of(&holder, question.request_id).await;
                assert_eq!(again, Err(ErrorNumber::RequestUnknown), "{holder:?} after {days} days");
            }
        }
    }
    assert!(office.desk.state.meta().shard.year > year, "the last ones were asked for across the year's end");
    let mut chance = *asked[0].0.request_id.bytes();
    chance[15] ^= 1;
    let other = RequestId::try_from(chance).expect("an id");
    assert_eq!(office.receipt_of(&portal(1), other).await, Err(ErrorNumber::RequestUnknown), "of the same moment");

    let anew = office.folder.path().join("another-index");
    office.searcher = Searcher::start(&anew, office.desk.state.clone()).expect("an index");
    office.until_indexed().await;
    for (question, receipt) in &asked {
        assert_eq!(office.receipt_of(&portal(1), question.request_id).await.as_ref(), Ok(receipt));
    }
}

/// Why there is no receipt any more is said: the person was erased, or the entry is older than entries are kept.
#[tokio::test]
async fn a_receipt_that_cannot_be_given_any_more_says_why() {
    let office = office_with(4, Vec::new(), &register()).await;
    let erased = office.question(4, "clerk-01");
    let kept = office.question(1, "clerk-01");
    for question in [&erased, &kept] {
        office.ask(question).await.expect("answered");
    }
    office.pass(2 * DAY_MS).await;
    assert!(office.is_forgotten(&erased) && office.erase(4).await);
    let again = async |question: &Question| office.receipt_of(&portal(1), question.request_id).await;
    assert_eq!(again(&erased).await, Err(ErrorNumber::Erased));
    let stranger = office.receipt_of(&official(1, "clerk-02"), erased.request_id).await;
    assert_eq!(stranger, Err(ErrorNumber::RequestUnknown), "whose it was is not told to others");
    assert!(again(&kept).await.is_ok());
    office.ask_about(4, "9.test").await;
    assert_eq!(again(&erased).await, Err(ErrorNumber::Erased), "asked about again, with another key");

    // Whole tiles go: there must be one after what is dropped.
    for _ in 0..300 {
        office.ask_about(2, "9.test").await;
    }
    let late = Question { request_id: request_id(&office.clock), ..office.question(2, "clerk-01") };
    let receipt = office.ask(&late).await.expect("answered").receipt.expect("a receipt");
    office.clock.advance_ms(729 * DAY_MS);
    for _ in 0..3 {
        office.pass(HOUR_MS).await;
    }
    let state = &office.desk.state;
    assert!(state.pruned() == 0, "{}", state.pruned());
    assert!(again(&kept).await.is_ok(), "to the last day");
    office.clock.advance_ms(2 * DAY_MS);
    for _ in 0..3 {
        office.pass(HOUR_MS).await;
    }
    assert!(state.pruned() >= 256 && state.pruned() < state.meta().leaves, "{}", state.pruned());
    for holder in [portal(1), official(1, "clerk-01"), official(1, "clerk-02"), portal(2)] {
        for question in [&erased, &kept] {
            let again = office.receipt_of(&holder, question.request_id).await;
            assert_eq!(again, Err(ErrorNumber::NoLongerKept), "{holder:?}");
        }
    }
    assert!(state.seen(&RequestKey { id: late.request_id, portal: late.portal }).expect("read").is_none());
    assert_eq!(again(&late).await, Ok(receipt), "what is kept is as it was");
}
