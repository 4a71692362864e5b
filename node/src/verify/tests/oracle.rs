//! Promise P8 on the desk: one path for everything that confirms nothing, budgets that survive, alarms that change nothing.

use std::collections::BTreeMap;

use xacminh_core::apply::{Budget, MISS_POINTS};
use xacminh_proto::{codec, hex};

use super::*;

/// The ways of not being confirmed, with what is remembered of the person beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arm {
    Unknown,
    WrongName,
    WrongBirth,
    WrongNameRemembered,
    WrongBirthRemembered,
    UnknownRemembered,
}

const ARMS: [Arm; 6] = [
    Arm::Unknown,
    Arm::WrongName,
    Arm::WrongBirth,
    Arm::WrongNameRemembered,
    Arm::WrongBirthRemembered,
    Arm::UnknownRemembered,
];

/// Everything about a question that somebody outside could see or weigh: the answer's bytes but for ids and times, the
/// receipt's and the leaf's, what the authority was asked and what was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    outcome: Vec<u8>,
    receipt_bytes_rounded: usize,
    receipt_lines: usize,
    envelope_bytes: usize,
    salts: usize,
    leaf_kind: u8,
    verdict: u8,
    fields: u64,
    record_version: u64,
    as_of_ms: u64,
    authority_calls: usize,
    entries: u64,
    leaves: u64,
    points: Vec<u32>,
}

impl Office {
    /// Asks, and tells all that shows.
    async fn shown(&self, question: &Question) -> Shown {
        let (calls, before) = (self.authority.calls(), self.desk.state.head());
        let keys: Vec<BudgetKey> = {
            let official = self.desk.keyring.official_pseudonym(question.portal, &question.official);
            BudgetKey::all(self.clock.now_ms(), official, question.portal).collect()
        };
        let counted = self.desk.state.points(&keys).expect("read");
        let answered = self.ask(question).await.expect("answered");
        let after = self.desk.state.head();
        let leaf = self.desk.state.leaf(answered.position).expect("read").expect("there");
        let leaf = Leaf::decode(&leaf).expect("a leaf");
        let envelope = self.desk.state.addendum(answered.position).expect("read").expect("there");
        let addendum = self.desk.opened(answered.position).expect("opened");
        let receipt = answered.receipt.expect("a receipt");
        let again = self.receipt_of(&ReceiptHolder::Portal(question.portal), question.request_id).await;
        assert_eq!(again.as_ref(), Ok(&receipt), "asked for by its id, it is the same");
        let index = |head: &crate::store::Head| head.applied.map_or(0, |id| id.index);
        let points = self.desk.state.points(&keys).expect("read");
        Shown {
            outcome: codec::encode::<4096, _>(&answered.outcome).expect("small"),
            receipt_bytes_rounded: receipt.len().next_multiple_of(2048),
            receipt_lines: receipt.lines().filter(|line| !line.is_empty()).count() - proof_lines(&receipt),
            envelope_bytes: envelope.len(),
            salts: addendum.salts.len(),
            leaf_kind: leaf.kind as u8,
            verdict: leaf.verdict as u8,
            fields: leaf.fields,
            record_version: leaf.record_version,
            as_of_ms: addendum.as_of_ms,
            authority_calls: self.authority.calls() - calls,
            entries: index(&after) - index(&before),
            leaves: after.meta.leaves - before.meta.leaves,
            points: points.iter().zip(&counted).map(|(after, before)| after - before).collect(),
        }
    }

    /// A question of an arm about somebody nobody asked about yet, except to make memory remember what the arm needs.
    async fn prepared(&self, arm: Arm, person: u64, unknown: u64) -> Question {
        let official = "clerk-01";
        match arm {
            Arm::WrongNameRemembered | Arm::WrongBirthRemembered => {
                self.ask(&self.question(person, official)).await.expect("answered");
            }
            Arm::UnknownRemembered => {
                self.ask(&self.question(unknown, official)).await.expect("answered");
            }
            Arm::Unknown | Arm::WrongName | Arm::WrongBirth => {}
        }
        let mut question = self.question(person, official);
        match arm {
            Arm::Unknown | Arm::UnknownRemembered => question = self.question(unknown, official),
            Arm::WrongName | Arm::WrongNameRemembered => {
                question.person.name = FullName::parse("Trần Thị Khác").expect("a name");
            }
            Arm::WrongBirth | Arm::WrongBirthRemembered => {
                question.person.birth = BirthDate::of_year(1_891).expect("a year");
            }
        }
        question
    }
}

/// Lines of the inclusion proof, of which a larger log has more.
fn proof_lines(receipt: &str) -> usize {
    receipt.lines().filter(|line| line.len() == 44 && line.ends_with('=')).count()
}

/// Six arms, hundreds of questions each, one after the other in turns: whatever shows is the same for all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_shows_tells_the_arms_apart() {
    const TURNS: u64 = 100;
    let people = TURNS * 6;
    let office = office_with(people, Vec::new(), &plenty()).await;
    let mut shown: BTreeMap<Shown, BTreeMap<Arm, u64>> = BTreeMap::new();
    for turn in 0..TURNS {
        // The order changes from turn to turn.
        for (at, arm) in (0_u64..).zip(ARMS.iter().cycle().skip(usize::try_from(turn % 6).expect("small")).take(6)) {
            let number = 1 + turn * 6 + at;
            let question = office.prepared(*arm, number, people + number).await;
            let seen = office.shown(&question).await;
            *shown.entry(seen).or_default().entry(*arm).or_default() += 1;
        }
    }
    assert_eq!(shown.len(), 1, "{shown:#?}");
    let (seen, arms) = shown.pop_first().expect("one");
    assert_eq!(arms.len(), ARMS.len());
    assert_eq!((seen.authority_calls, seen.entries, seen.leaves), (1, 1, 1), "each takes the way to the authority");
    assert_eq!(seen.points, [MISS_POINTS; 6], "and costs a miss");
}

/// A register that nobody spends.
fn plenty() -> String {
    REGISTER.replace("misses_per_official_hour = 2", "misses_per_official_hour = 1000000")
}

/// A stale memory that denies somebody is healed by the question itself: the next one is confirmed.
#[tokio::test]
async fn a_mismatch_in_memory_asks_the_authority_and_heals_memory() {
    let office = office(1, Vec::new()).await;
    let known = office.question(1, "clerk-01");
    assert!(is_match(&office.ask(&known).await.expect("answered")));
    // The person is renamed at the authority; memory does not know it.
    let mut renamed = record(1);
    renamed.name = FullName::parse("Trần Thị Khác").expect("a name");
    office.authority.replace(renamed);
    office.clock.advance_ms(1_000);
    let mut under_new_name = office.question(1, "clerk-01");
    under_new_name.person.name = FullName::parse("Trần Thị Khác").expect("a name");
    let calls = office.authority.calls();
    assert!(is_match(&office.ask(&under_new_name).await.expect("answered")), "memory alone denies nobody");
    assert_eq!(office.authority.calls(), calls + 1);
    let again = Question { request_id: request_id(&office.clock), ..under_new_name };
    assert!(is_match(&office.ask(&again).await.expect("answered")));
    assert_eq!(office.authority.calls(), calls + 1, "memory is right now");
}

/// A spent budget refuses hits and misses alike, after the same work: nobody is looked up for either.
#[tokio::test]
async fn a_spent_budget_refuses_hits_and_misses_in_one_entry() {
    let office = office(2, Vec::new()).await;
    let hit = office.question(1, "clerk-01");
    assert!(is_match(&office.ask(&hit).await.expect("answered")), "remembered from here on");
    for _ in 0..2 {
        assert_eq!(office.ask(&office.question(9, "clerk-01")).await.expect("answered").outcome, Outcome::NotConfirmed);
    }
    let mut wrong_name = office.question(1, "clerk-01");
    wrong_name.person.name = FullName::parse("Trần Thị Khác").expect("a name");
    let mut shown = Vec::new();
    for question in
        [office.question(1, "clerk-01"), wrong_name, office.question(2, "clerk-01"), office.question(8, "clerk-01")]
    {
        let settled_before = office.desk.submitter.ticket(Urgency::Counter).seq;
        shown
            .push((office.shown(&question).await, office.desk.submitter.ticket(Urgency::Counter).seq - settled_before));
    }
    assert!(shown.iter().all(|each| *each == shown[0]), "{shown:#?}");
    let (seen, items) = &shown[0];
    assert_eq!((seen.authority_calls, seen.entries, *items), (0, 1, 2), "one item went to the log");
    let refused = codec::encode::<4096, _>(&Outcome::Refused(ErrorNumber::MissBudgetSpent)).expect("small");
    assert_eq!(seen.outcome, refused);
}

/// The portal's and everybody's budgets have numbers of their own.
#[tokio::test]
async fn a_portals_budget_stops_all_of_its_officials() {
    let text = REGISTER.replace(
        "misses_per_official_hour = 2",
        "misses_per_official_hour = 2\nmisses_per_official_day = 2\nmisses_per_hour = 3",
    );
    let office = office_with(1, Vec::new(), &text).await;
    for official in ["clerk-01", "clerk-01", "clerk-02"] {
        let answered = office.ask(&office.question(9, official)).await.expect("answered");
        assert_eq!(answered.outcome, Outcome::NotConfirmed);
    }
    let answered = office.ask(&office.question(1, "clerk-02")).await.expect("answered");
    assert_eq!(answered.outcome, Outcome::Refused(ErrorNumber::PortalMissesSpent));
    let answered = office.ask(&office.question(1, "clerk-01")).await.expect("answered");
    assert_eq!(answered.outcome, Outcome::Refused(ErrorNumber::MissBudgetSpent), "the narrower one is named");
}

/// While the authority is away, guessing at what is remembered is not free.
#[tokio::test]
async fn an_outage_is_no_time_of_free_guessing() {
    let mut script = vec![Step::Delay(0)];
    script.extend([Step::Fail(AuthorityError::Unavailable); 50]);
    let office = office(1, script).await;
    assert!(is_match(&office.ask(&office.question(1, "clerk-01")).await.expect("answered")));
    let mut guess = office.question(1, "clerk-01");
    guess.person.name = FullName::parse("Trần Thị Khác").expect("a name");
    let mut told = 0;
    loop {
        let guess = Question { request_id: request_id(&office.clock), ..guess.clone() };
        match office.ask(&guess).await.expect("answered").outcome {
            Outcome::Undetermined(Cause::AuthorityUnavailable) => told += 1,
            Outcome::Refused(ErrorNumber::MissBudgetSpent) => break,
            other => panic!("{other:?}"),
        }
        assert!(told < 50, "guessing goes on");
    }
    assert_eq!(told, 10, "five for each miss");
    let hit = office.ask(&office.question(1, "clerk-01")).await.expect("answered");
    assert_eq!(hit.outcome, Outcome::Refused(ErrorNumber::MissBudgetSpent), "and then hits do not show either");
}

/// Misses counted before a restart count after it.
#[tokio::test]
async fn a_restart_brings_no_misses_back() {
    let office = office(1, Vec::new()).await;
    for _ in 0..2 {
        office.ask(&office.question(9, "clerk-01")).await.expect("answered");
    }
    let official = office.desk.keyring.official_pseudonym(PortalId(1), &OfficialId::parse("clerk-01").expect("an id"));
    let key = BudgetKey::new(Budget::OfficialHour, NOW_MS, official, PortalId(1));
    office.desk.state.flush().expect("flushed");
    // The pump ends with the last word about who leads, and lets go of the store.
    let Office { desk, folder, log, leader, searcher, .. } = office;
    desk.notary.stop();
    searcher.stop();
    drop((desk, log, leader, searcher));
    let data = folder.path().join("data");
    let options =
        Options { directory: &data, cluster: "da-nang", node: 1, incarnation: 1, block_cache_bytes: 1024 * 1024 };
    let (submitter, _pump) = Submitter::new(1, 2);
    let metrics = Metrics::new();
    let (feed, _sights) = alarms::Feed::new(Arc::new(AlarmMetrics::new(&metrics).expect("new")));
    let sink = Arc::new(Settling(submitter, feed));
    // The last threads of the former node may hold the directory for a moment.
    for _ in 0..200 {
        if let Ok(store) = Store::open(&options, Arc::<Settling>::clone(&sink), Arc::new(|fatal| panic!("{fatal}"))) {
            assert_eq!(store.state.points(&[key]).expect("read"), [2 * MISS_POINTS]);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the store does not open");
}

/// Honey and own numbers are answered as any other, and told to the operator by the leader alone.
#[tokio::test]
async fn a_honey_number_is_answered_and_told() {
    for leads in [true, false] {
        let mut office = office(2, Vec::new()).await;
        let row_key = |person| hex::text(&office.desk.keyring.row_key(keys(person).number));
        let text =
            REGISTER.replace("revision = 1", "revision = 2") + &format!("\n[alarms]\nhoney = [\"{}\"]\n", row_key(1));
        let text =
            text.replacen("id = \"clerk-02\"", &format!("own_number = \"{}\"\nid = \"clerk-02\"", row_key(2)), 1);
        let mut change = office.desk.register_change("operator", &the_register(&text), text).expect("sealed");
        change.at_ms = NOW_MS;
        Leaf::stamp(&mut change.leaf, change.at_ms);
        office.log.apply(&Command::Register(change)).await;
        let terms = alarms::Terms {
            state: office.desk.state.clone(),
            keyring: Arc::clone(&office.desk.keyring),
            clock: Arc::new(office.clock.clone()),
            metrics: Arc::clone(&office.alarm_metrics),
        };
        tokio::spawn(alarms::run(office.sights.take().expect("once"), terms, move || leads));
        office.clock.advance_ms(10);
        assert!(is_match(&office.ask(&office.question(1, "clerk-01")).await.expect("answered")));
        assert!(is_match(&office.ask(&office.question(2, "clerk-02")).await.expect("answered")));
        // A dossier that is none is this node's own to tell, and comes after the entries.
        let told = |alarm: &str| {
            let line = format!("xacminh_alarms_total{{alarm=\"{alarm}\"}} ");
            let text = office.desk.metrics.render();
            text.lines().find_map(|shown| shown.strip_prefix(&line).map(str::to_owned)).expect("shown from the start")
        };
        for _ in 0..1_000 {
            if told("no_dossier") == "2" && (!leads || told("own_number") == "1") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let expected = if leads { "1" } else { "0" };
        assert_eq!((told("honey").as_str(), told("own_number").as_str()), (expected, expected));
        assert_eq!(told("no_dossier"), "2");
        assert_eq!(told("household"), "0");
    }
}
