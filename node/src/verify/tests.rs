//! The desk over a real store and a scripted authority; commits are immediate, on one node.

use std::time::Duration;

use tokio::sync::watch;
use xacminh_core::{
    command::{Command, Ticket, Urgency},
    record::Record,
    register::REGISTER_BYTES_MAX,
};
use xacminh_proto::transparency::{Policy, Receipt, Stated, Verified, merkle, trail};
use xacminh_proto::vocab::{
    AttributeSet, BirthDate, Cause, Claim, DossierId, FullName, OfficialId, PortalId, ProcedureCode, RequestId, Sex,
    Verdict,
};

use super::*;
use crate::{
    audit::Searcher,
    env::{ManualClock, request_id},
    keyring::{KekSource, Keyring},
    notary::Authority,
    raft::{
        propose::{Proposer, Stamps},
        submit::LeaderLink,
    },
    store::{ApplySink, Options, Store, at_once::AtOnce},
    telemetry::AlarmMetrics,
    upstream::{
        AuthorityError, FlightLimits,
        scripted::{Scripted, Step, keys, record},
    },
};

mod late;
mod numbers;
mod oracle;
mod sweeps;
mod trails;

const NOW_MS: u64 = 1_793_000_000_000;

const REGISTER: &str = r#"
[register]
revision = 1

[[portal]]
id = 1
name = "Cổng dịch vụ công (thử)"
procedures = ["9.test", "9.hidden"]
misses_per_official_hour = 2
questions_in_flight_max = 40

[[official]]
id = "clerk-01"
portal = 1
procedures = ["*"]

[[official]]
id = "clerk-02"
portal = 1
procedures = ["*"]

[[procedure]]
id = 1
code = "9.test"
name_vi = "Thử"
name_en = "Test"
purpose = 1
claims = ["sex"]
attributes = []
max_age_s = { identity = 3600 }
name_threshold = "folded"

[[procedure]]
id = 2
code = "9.hidden"
name_vi = "Thử kín"
name_en = "Hidden test"
purpose = 1
claims = ["sex"]
attributes = []
max_age_s = { identity = 3600 }
name_threshold = "folded"
visibility = "delayed"
delay_days = 10
"#;

struct Settling(Submitter, alarms::Feed);

impl ApplySink for Settling {
    fn applied(&self, _: u64, at_ms: u64, leaves: u64, outcomes: Vec<(Ticket, ItemOutcome)>) {
        self.0.settle(at_ms, leaves, &outcomes);
    }

    fn saw(&self, command: &Command, budgets: &[(BudgetKey, u32)], outcomes: &[(Ticket, ItemOutcome)]) {
        self.1.applied(command, budgets, outcomes);
    }
}

struct Nowhere;

impl LeaderLink for Nowhere {
    fn forward(&self, _: u64, _: Vec<u8>) -> bool {
        false
    }
}

fn the_register(text: &str) -> Register {
    Register::parse(text).expect("a register")
}

/// A desk with everything behind it.
pub(super) struct Office {
    pub(super) desk: Arc<Desk>,
    authority: Arc<Scripted>,
    pub(super) clock: ManualClock,
    log: AtOnce,
    pub(super) leader: watch::Sender<Option<u64>>,
    pub(super) folder: tempfile::TempDir,
    searcher: Searcher,
    sights: Option<alarms::Queue>,
    alarm_metrics: Arc<AlarmMetrics>,
}

pub(super) async fn office(people: u64, script: Vec<Step>) -> Office {
    office_with(people, script, REGISTER).await
}

/// An office with a register of its own.
async fn office_with(people: u64, script: Vec<Step>, register: &str) -> Office {
    office_of((1..=people).map(record).collect(), script, register, (NOW_MS, NOW_MS - 1)).await
}

/// An office whose clock stands at one moment, and whose register came into force at another.
pub(super) async fn office_of(
    people: Vec<Record>,
    script: Vec<Step>,
    register: &str,
    (now_ms, stamped_ms): (u64, u64),
) -> Office {
    assert!(register.len() < REGISTER_BYTES_MAX);
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::at_ms(now_ms);
    let (submitter, pump) = Submitter::new(1, 1);
    let data = folder.path().join("data");
    let options =
        Options { directory: &data, cluster: "da-nang", node: 1, incarnation: 1, block_cache_bytes: 1024 * 1024 };
    let metrics = Arc::new(Metrics::new());
    let alarm_metrics = Arc::new(AlarmMetrics::new(&metrics).expect("new"));
    let (feed, sights) = alarms::Feed::new(Arc::clone(&alarm_metrics));
    let sink = Arc::new(Settling(submitter.clone(), feed.clone()));
    let store = Store::open(&options, sink, Arc::new(|fatal| panic!("{fatal}"))).expect("a store");
    let authority = Arc::new(Scripted::new(people, script));
    let keyring = folder.path().join("keyring.toml");
    let keyring = Arc::new(Keyring::generate(&keyring, &KekSource::None).expect("a keyring"));
    let log = Authority { domain: "example.vn".into(), province: "48".into(), keyring: Arc::clone(&keyring) };
    let alarm = Arc::new(|error: &NotaryError| panic!("{error}"));
    let notary = Notary::start(&data.join("notary"), true, log, store.state.clone(), alarm).expect("a notary");
    let desk = Desk {
        clock: Arc::new(clock.clone()),
        keyring,
        notary,
        state: store.state.clone(),
        upstream: Arc::new(
            Upstream::new(Arc::<Scripted>::clone(&authority), FlightLimits::default()).expect("sound limits"),
        ),
        submitter,
        metrics,
        register: ArcSwapOption::empty(),
        crowd: Crowd::default(),
        alarms: feed,
    };
    let log = AtOnce::new(store.machine);
    let mut change = desk.register_change("bootstrap", &the_register(register), register.to_owned()).expect("sealed");
    change.at_ms = stamped_ms;
    Leaf::stamp(&mut change.leaf, change.at_ms);
    log.apply(&Command::Register(change)).await;

    let state = desk.state.clone();
    let stamps = Arc::new(Stamps::new(Arc::new(clock.clone()), move || {
        let head = state.head();
        (head.meta.last_at_ms, head.tree())
    }));
    let (proposer, task) = Proposer::new();
    tokio::spawn(task.run(log.clone(), stamps, 4, Arc::clone(&desk.metrics)));
    let (leader, leads) = watch::channel(Some(1));
    tokio::spawn(pump.run(leads, proposer, Arc::new(Nowhere)));
    let searcher = Searcher::start(&folder.path().join("receipts-index"), desk.state.clone()).expect("an index");
    Office {
        desk: Arc::new(desk),
        authority,
        clock,
        log,
        leader,
        folder,
        searcher,
        sights: Some(sights),
        alarm_metrics,
    }
}

impl Office {
    pub(super) fn question(&self, person: u64, official: &str) -> Question {
        Question {
            request_id: request_id(&self.clock),
            portal: PortalId(1),
            official: OfficialId::parse(official).expect("an id"),
            dossier: DossierId::parse("H17.1").expect("an id"),
            procedure: ProcedureCode::parse("9.test").expect("a code"),
            person: keys(person),
            claims: vec![Claim::Sex(Sex::Male)],
            attributes: AttributeSet::EMPTY,
            max_age_ms: None,
        }
    }

    async fn ask_within(&self, question: &Question, time: Duration) -> Result<Answered, ErrorNumber> {
        // The digest only has to differ between questions.
        let canonical = format!("{:?} {:?}", question.person.number, question.official.as_str());
        let mut watch = Stopwatch::start();
        let terms = Terms { receipt: true, deadline: Instant::now() + time, urgency: Urgency::Counter };
        self.desk.answer(question, canonical.as_bytes(), terms, &mut watch).await
    }

    pub(super) async fn ask(&self, question: &Question) -> Result<Answered, ErrorNumber> {
        self.ask_within(question, Duration::from_secs(20)).await
    }

    async fn receipt_of(&self, holder: &ReceiptHolder, id: RequestId) -> Result<String, ErrorNumber> {
        self.desk.receipt_of(&self.searcher, holder, id).await
    }
}

fn is_match(answered: &Answered) -> bool {
    matches!(&answered.outcome, Outcome::Confirmed { verdicts, .. } if verdicts[0].verdict == Verdict::Match)
}

#[tokio::test]
async fn a_retry_gets_its_answer_while_the_authority_is_away() {
    let mut script = vec![Step::Delay(0)];
    script.extend([Step::Fail(AuthorityError::Unavailable); 50]);
    let office = office(1, script).await;
    let question = office.question(1, "clerk-01");
    let first = office.ask(&question).await.expect("answered");
    assert!(is_match(&first));
    // The memory is too old by now and the authority is away: a new question cannot be told.
    office.clock.advance_ms(2 * 3_600_000);
    let other = office.ask(&office.question(1, "clerk-01")).await.expect("answered");
    assert_eq!(other.outcome, Outcome::Undetermined(Cause::AuthorityUnavailable));
    let calls = office.authority.calls();
    assert_eq!(office.ask(&question).await, Ok(first.clone()), "the same answer, position and time");
    assert_eq!(office.authority.calls(), calls, "and nobody was asked for it");
    // Under the same id, another official's question is another question, and so is an id too old to be known.
    let stranger = Question { official: OfficialId::parse("clerk-02").expect("an id"), ..question.clone() };
    assert_eq!(office.ask(&stranger).await, Err(ErrorNumber::RequestIdReused));
    office.clock.advance_ms(REQUEST_WINDOW_MS);
    assert_eq!(office.ask(&question).await, Err(ErrorNumber::RequestIdExpired));
}

#[tokio::test]
async fn an_authority_that_hangs_leaves_time_to_say_so() {
    let office = office(1, vec![Step::Delay(60_000)]).await;
    let answered = office.ask_within(&office.question(1, "clerk-01"), Duration::from_millis(800)).await;
    assert_eq!(answered.expect("in time").outcome, Outcome::Undetermined(Cause::AuthorityUnavailable));
}

#[tokio::test]
async fn many_who_ask_about_one_unknown_person_at_once_all_get_an_answer() {
    let office = Arc::new(office(1, vec![Step::Delay(200)]).await);
    let asked = (0..40).map(|_| {
        let office = Arc::clone(&office);
        tokio::spawn(async move {
            // Each by a clock a little further on.
            office.clock.advance_ms(1);
            office.ask(&office.question(1, "clerk-01")).await
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert!(is_match(&asked.await.expect("no panic").expect("answered")));
    }
    assert_eq!(office.authority.calls(), 1);
    assert_eq!(office.desk.state.meta().leaves, 41);
}

#[tokio::test]
async fn a_spent_budget_costs_the_authority_nothing_more() {
    let office = office(1, Vec::new()).await;
    for _ in 0..2 {
        let answered = office.ask(&office.question(9, "clerk-01")).await.expect("answered");
        assert_eq!(answered.outcome, Outcome::NotConfirmed);
    }
    let calls = office.authority.calls();
    let answered = office.ask(&office.question(8, "clerk-01")).await.expect("answered");
    assert_eq!(answered.outcome, Outcome::Refused(ErrorNumber::MissBudgetSpent));
    assert_eq!(office.authority.calls(), calls);
    let answered = office.ask(&office.question(8, "clerk-02")).await.expect("answered");
    assert_eq!(answered.outcome, Outcome::NotConfirmed, "another official has misses of their own");
}

#[tokio::test]
async fn a_portal_has_no_more_in_work_than_the_register_says() {
    let office = Arc::new(office(1, vec![Step::Delay(300)]).await);
    let asked = (0..45).map(|_| {
        let office = Arc::clone(&office);
        tokio::spawn(async move { office.ask(&office.question(1, "clerk-01")).await })
    });
    let mut turned_away = 0;
    for asked in asked.collect::<Vec<_>>() {
        match asked.await.expect("no panic") {
            Ok(answered) => assert!(is_match(&answered)),
            Err(number) => {
                assert_eq!(number, ErrorNumber::TooManyInFlight);
                turned_away += 1;
            }
        }
    }
    assert_eq!(turned_away, 5);
    assert!(office.ask(&office.question(1, "clerk-01")).await.is_ok(), "places come back");
}

/// Promise P8: what a caller gets for an unknown number, a wrong name and a wrong birth date is the same in every byte,
/// and so is the leaf but for ids, salts and time.
#[tokio::test]
async fn three_ways_of_not_being_confirmed_cannot_be_told_apart() {
    let office = office(1, Vec::new()).await;
    let unknown = office.question(9, "clerk-01");
    let mut wrong_name = office.question(1, "clerk-01");
    wrong_name.person.name = FullName::parse("Trần Thị Khác").expect("a name");
    let mut wrong_birth = office.question(1, "clerk-02");
    wrong_birth.person.birth = BirthDate::of_year(1_991).expect("a year");
    let mut seen = Vec::new();
    for question in [unknown, wrong_name, wrong_birth] {
        let answered = office.ask(&question).await.expect("answered");
        let leaf = office.desk.state.leaf(answered.position).expect("read").expect("there");
        let leaf = Leaf::decode(&leaf).expect("a leaf");
        let envelope = office.desk.state.addendum(answered.position).expect("read").expect("there");
        let addendum = office.desk.opened(answered.position).expect("opened");
        assert_eq!(addendum.outcome.as_ref(), Some(&answered.outcome), "a retry is told the same");
        let receipt = answered.receipt.as_ref().expect("a receipt").lines().nth(1).expect("the disclosure").len();
        let told = (answered.outcome, leaf.kind, leaf.verdict, leaf.fields, leaf.record_version, addendum.as_of_ms);
        seen.push((told, envelope.len(), addendum.salts.len(), receipt));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1], seen[2]);
    assert_eq!(office.authority.calls(), 3, "each of them takes the way to the authority");
}

/// Another question's id of the same moment is not found by accident: the store is asked by id and portal.
#[tokio::test]
async fn ids_of_one_portal_do_not_answer_another() {
    let office = office(1, Vec::new()).await;
    let question = office.question(1, "clerk-01");
    office.ask(&question).await.expect("answered");
    office.clock.advance_ms(1_000);
    let other = Question { portal: PortalId(2), ..question };
    let answered = office.ask(&other).await.expect("answered");
    assert_eq!(answered.outcome, Outcome::Refused(ErrorNumber::PortalUnknown));
}

fn policy(office: &Office) -> Policy {
    let authority = office.desk.notary.authority();
    let keys = authority.verifier_keys(2026).expect("an origin");
    Policy::of_log(keys.into_iter().next().expect("a key")).expect("a log's key")
}

fn verified(receipt: &str, office: &Office) -> Verified {
    Receipt::parse(receipt.as_bytes()).expect("a receipt").verify(&policy(office)).expect("it verifies")
}

/// Promise P4: match, no match, cannot tell and refused all have a receipt that says so, and it stays the same in every
/// byte however often and whenever it is asked for.
#[tokio::test]
async fn every_outcome_has_a_receipt_that_says_it() {
    let office = office(3, vec![Step::Delay(0), Step::Delay(0), Step::Fail(AuthorityError::Deadline)]).await;
    let hit = office.question(1, "clerk-01");
    let mut miss = office.question(2, "clerk-01");
    miss.person.name = FullName::parse("Trần Thị Khác").expect("a name");
    let unreachable = office.question(3, "clerk-01");
    let mut refused = office.question(1, "clerk-01");
    refused.procedure = ProcedureCode::parse("9.unknown").expect("a code");
    let mut answers = Vec::new();
    for question in [&hit, &miss, &unreachable, &refused] {
        let answered = office.ask(question).await.expect("answered");
        let receipt = answered.receipt.clone().expect("a receipt");
        let verified = verified(&receipt, &office);
        assert_eq!(verified.request_id(), question.request_id);
        assert_eq!(verified.subject(), Some(question.person.number));
        assert_eq!((verified.position(), verified.origin()), (answered.position, "example.vn/48/2026"));
        let said = match (&answered.outcome, verified.outcome().expect("open")) {
            (Outcome::Confirmed { .. }, Stated::Confirmed { .. }) => "match",
            (Outcome::NotConfirmed, Stated::NotConfirmed) => "no match",
            (Outcome::Undetermined(cause), Stated::Undetermined(stated)) if *cause == stated => "cannot tell",
            (Outcome::Refused(number), Stated::Refused(stated)) if *number == stated => "refused",
            other => panic!("{other:?}"),
        };
        answers.push((said, receipt));
    }
    assert_eq!(
        answers.iter().map(|(said, _)| *said).collect::<Vec<_>>(),
        ["match", "no match", "cannot tell", "refused"]
    );

    office.clock.advance_ms(60_000);
    for (question, (_, receipt)) in [&hit, &miss, &unreachable, &refused].into_iter().zip(&answers) {
        let again = office.receipt_of(&ReceiptHolder::Portal(PortalId(1)), question.request_id).await;
        assert_eq!(again.as_ref(), Ok(receipt), "asked for by its id");
        let retried = office.ask(question).await.expect("answered");
        assert_eq!(retried.receipt.as_ref(), Some(receipt), "with a retry");
        let other = office.receipt_of(&ReceiptHolder::Portal(PortalId(2)), question.request_id).await;
        assert_eq!(other, Err(ErrorNumber::PortalUnknown), "a portal that the register does not know");
    }
}

/// A receipt holds what was disclosed: an official has their own, of a portal that may ask.
#[tokio::test]
async fn a_receipt_is_given_again_to_who_asked_and_to_the_portal_only() {
    let office = office(1, Vec::new()).await;
    let question = office.question(1, "clerk-01");
    let receipt = office.ask(&question).await.expect("answered").receipt.expect("a receipt");
    let official = |id| ReceiptHolder::Official(PortalId(1), OfficialId::parse(id).expect("an id"));
    let portal = ReceiptHolder::Portal(PortalId(1));
    let again = async |holder: &ReceiptHolder| office.receipt_of(holder, question.request_id).await;
    assert_eq!(again(&portal).await.as_ref(), Ok(&receipt));
    assert_eq!(again(&official("clerk-01")).await.as_ref(), Ok(&receipt));
    assert_eq!(again(&official("clerk-02")).await, Err(ErrorNumber::RequestUnknown), "another official's");
    assert_eq!(again(&official("clerk-09")).await, Err(ErrorNumber::OfficialUnknown));

    let name = "name = \"Cổng dịch vụ công (thử)\"";
    let suspended =
        REGISTER.replace("revision = 1", "revision = 2").replace(name, &format!("{name}\nsuspended = true"));
    let register = Register::parse(&suspended).expect("a register");
    let mut change = office.desk.register_change("lan", &register, suspended).expect("sealed");
    change.at_ms = NOW_MS + 60_000;
    Leaf::stamp(&mut change.leaf, change.at_ms);
    office.log.apply(&Command::Register(change)).await;
    for holder in [portal, official("clerk-01")] {
        assert_eq!(again(&holder).await, Err(ErrorNumber::PortalSuspended), "{holder:?}");
    }
}

/// Leaves about one person link to each other, and to nobody else's.
#[tokio::test]
async fn a_persons_leaves_are_linked_in_order() {
    let office = office(2, Vec::new()).await;
    for person in [1, 2, 1, 1] {
        office.ask(&office.question(person, "clerk-01")).await.expect("answered");
    }
    let state = &office.desk.state;
    let key = office.desk.keyring.row_key(keys(1).number);
    let (_, first, _) = state.person(&key).expect("read").expect("known");
    let trail = state.trail(&key).expect("read").expect("known");
    let positions = state.accesses(&trail).expect("read");
    assert_eq!((positions.len(), trail.count, trail.last), (3, 3, positions[2]));
    let chain = positions.iter().fold(first, |chain, position| {
        let leaf = state.leaf(*position).expect("read").expect("there");
        assert_eq!(Leaf::decode(&leaf).expect("a leaf").previous, trail::link(&chain));
        trail::extend(&chain, &merkle::leaf_hash(&leaf))
    });
    assert_eq!(chain, trail.chain);
}
