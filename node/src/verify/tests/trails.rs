//! A person's trail as it is told, and what an erasure leaves of it.

use xacminh_core::command::Batch;
use xacminh_proto::transparency::{
    LeafKind, LeafVerdict,
    trail::{Access, TrailError, TrailProof, VerifiedTrail},
};
use xacminh_proto::vocab::Date;

use super::*;
use crate::verify::{ErasureReason, ToldTrail, TrailPart, TrailReader, administrative::Words};

const DAY_MS: u64 = 24 * 3_600_000;

fn auditor() -> TrailReader {
    TrailReader::Auditor("thanh-tra".into())
}

fn citizen_service() -> TrailReader {
    TrailReader::CitizenService("cong-dan".into())
}

impl Office {
    async fn tell(&self, reader: &TrailReader, person: u64, part: TrailPart) -> Result<ToldTrail, ErrorNumber> {
        let deadline = Instant::now() + Duration::from_secs(20);
        self.desk.trail(reader, keys(person).number, part, deadline).await
    }

    async fn told(&self, reader: &TrailReader, person: u64) -> ToldTrail {
        self.tell(reader, person, TrailPart { at: 0, from: 0 }).await.expect("told")
    }

    fn verified(&self, told: &ToldTrail) -> Result<VerifiedTrail, TrailError> {
        let years = self.desk.state.shards();
        let keys = years.iter().flat_map(|shard| self.desk.notary.authority().verifier_keys(shard.year).expect("keys"));
        let policy = keys.map(|key| format!("log {key}\n")).collect::<String>() + "quorum none\n";
        let policy = Policy::parse(policy.as_bytes()).expect("a policy");
        TrailProof::parse(text(told).as_bytes())?.verify(&policy)
    }

    pub(super) async fn ask_about(&self, person: u64, procedure: &str) -> Answered {
        let procedure = ProcedureCode::parse(procedure).expect("a code");
        let question = Question { procedure, ..self.question(person, "clerk-01") };
        self.clock.advance_ms(1_000);
        self.ask(&Question { request_id: request_id(&self.clock), ..question }).await.expect("answered")
    }

    /// Erases as the leader does; whether it was done.
    pub(super) async fn erase(&self, person: u64) -> bool {
        self.erase_beside(person, false).await
    }

    /// The same, where sweeps may remember everybody.
    pub(super) async fn erase_beside(&self, person: u64, sweeps: bool) -> bool {
        let reason = ErasureReason {
            operator: "lan".into(),
            ground: "Luật 91/2025/QH15, Điều 16".into(),
            ordered_by: "QĐ 12".into(),
        };
        let PreparedErasure { mut erasure, kept, .. } =
            self.desk.erasure(keys(person).number, &reason).expect("sealed");
        if !kept && !sweeps {
            return false;
        }
        erasure.at_ms = self.desk.state.meta().last_at_ms + 1;
        Leaf::stamp(&mut erasure.leaf, erasure.at_ms);
        self.log.apply(&Command::Erase(erasure)).await;
        true
    }
}

fn text(told: &ToldTrail) -> String {
    told.head.clone() + &told.accesses.iter().map(|access| access.line.as_str()).collect::<String>()
}

fn verdicts(trail: &VerifiedTrail) -> Vec<Option<LeafVerdict>> {
    let verdict = |access: &Access| match access {
        Access::Shown { leaf, .. } => Some(leaf.verdict),
        Access::Withheld(_) | Access::Pruned { .. } => None,
    };
    trail.accesses.iter().map(verdict).collect()
}

#[tokio::test]
async fn a_trail_has_every_access_and_reading_it_is_in_the_log_before() {
    let office = office(2, Vec::new()).await;
    for _ in 0..3 {
        office.ask_about(1, "9.test").await;
        office.ask_about(2, "9.test").await;
    }
    let leaves = office.desk.state.meta().leaves;
    let told = office.told(&auditor(), 1).await;
    assert_eq!((told.count, told.at, office.desk.state.meta().leaves), (3, leaves + 1, leaves + 1));
    let verified = office.verified(&told).expect("a sound trail");
    assert_eq!(verdicts(&verified), [Some(LeafVerdict::Match); 3]);
    assert_eq!(verified.subject, Some(keys(1).number));
    let gloss = told.accesses[0].gloss.as_ref().expect("an auditor sees it");
    assert_eq!((gloss.portal.as_str(), gloss.procedure.as_str()), ("Cổng dịch vụ công (thử)", "9.test"));
    assert_eq!(gloss.official.as_deref(), Some("clerk-01"));
    let cut = text(&told).lines().take_while(|line| !line.is_empty()).count();
    assert!(cut > 0, "the head has lines");

    // The leaf of the reading names the reader and the trail, and no number.
    let position = leaves;
    let leaf = Leaf::decode(&office.desk.state.leaf(position).expect("read").expect("there")).expect("a leaf");
    assert_eq!(leaf.kind, LeafKind::Admin);
    let addendum = office.desk.opened(position).expect("opened");
    assert_eq!((addendum.official.as_str(), addendum.procedure.as_str()), ("auditor/thanh-tra", "trail"));
    assert_eq!((addendum.number.as_str(), addendum.dossier.len()), ("", 32));

    // The trail as it was can be told again, in parts, by the same words.
    office.ask_about(1, "9.test").await;
    let part = office.tell(&auditor(), 1, TrailPart { at: told.at, from: 1 }).await.expect("told");
    assert_eq!((part.count, part.head.as_str(), part.accesses.as_slice()), (3, "", &told.accesses[1..]));
    let again = office.tell(&auditor(), 1, TrailPart { at: told.at, from: 0 }).await.expect("told");
    assert_eq!(again, told);
    assert_eq!(office.told(&auditor(), 1).await.count, 4);
    let future = TrailPart { at: u64::MAX, from: 0 };
    assert_eq!(office.tell(&auditor(), 1, future).await, Err(ErrorNumber::MalformedMessage));

    // Nobody asked about this one.
    let nobody = office.told(&citizen_service(), 9).await;
    assert_eq!((nobody.count, nobody.head.as_str(), nobody.accesses.len()), (0, "", 0));
}

impl Office {
    /// Puts a register in force.
    pub(super) async fn rule(&self, text: String) {
        let mut change = self.desk.register_change("lan", &the_register(&text), text).expect("sealed");
        change.at_ms = self.desk.state.meta().last_at_ms + 1;
        Leaf::stamp(&mut change.leaf, change.at_ms);
        self.log.apply(&Command::Register(change)).await;
    }
}

#[tokio::test]
async fn a_trail_counts_what_is_no_longer_kept_and_proves_the_rest() {
    let office = office(2, Vec::new()).await;
    let keeping = REGISTER.replace("revision = 1", "revision = 2") + "\n[retention]\nentries_days = 730\n";
    office.rule(keeping).await;
    office.ask_about(1, "9.test").await;
    office.ask_about(1, "9.hidden").await;
    for _ in 0..256 {
        office.ask_about(2, "9.test").await;
    }
    office.clock.advance_ms(800 * DAY_MS);
    for _ in 0..3 {
        office.clock.advance_ms(DAY_MS / 24);
        office.ask_about(1, "9.test").await;
    }
    assert_eq!(office.desk.state.pruned(), 256);
    for reader in [auditor(), citizen_service()] {
        let told = office.told(&reader, 1).await;
        let verified = office.verified(&told).expect("a sound trail");
        assert_eq!((verified.end.pruned, verified.end.count, verified.end.withheld), (2, 5, None));
        assert!(matches!(&verified.accesses[..2], [Access::Pruned { .. }, Access::Pruned { .. }]));
        assert_eq!(verdicts(&verified)[2..], [Some(LeafVerdict::Match); 3]);
        let later = office.tell(&reader, 1, TrailPart { at: told.at, from: 1 }).await.expect("told");
        assert_eq!(later.accesses, told.accesses[1..]);
    }
    // Whose entry it was can still be told, what it was cannot.
    assert_eq!(
        office.desk.open_for("thanh-tra", 2, Instant::now() + Duration::from_secs(20)).await,
        Err(ErrorNumber::NoLongerKept)
    );
}

#[test]
fn a_trail_that_is_too_long_is_walked_for_nobody() {
    let trail = |count| xacminh_core::apply::Trail { created: 1, id: [2; 16], count, last: count, chain: [3; 32] };
    let most = u64::try_from(trail::TRAIL_ENTRIES_MAX).expect("it fits");
    assert_eq!(crate::verify::trail::bounded(&trail(most)), Ok(()));
    for count in [most + 1, u64::MAX] {
        assert_eq!(crate::verify::trail::bounded(&trail(count)), Err(ErrorNumber::MessageTooLarge), "{count}");
    }
}

#[tokio::test]
async fn a_delayed_access_is_a_hash_until_its_day_and_shows_that_it_is_there() {
    let office = office(1, Vec::new()).await;
    office.ask_about(1, "9.test").await;
    office.ask_about(1, "9.hidden").await;
    // What another revision says of the procedure does not change what was asked under this one.
    let seen_at_once =
        REGISTER.replace("revision = 1", "revision = 2").replace("visibility = \"delayed\"\ndelay_days = 10\n", "");
    assert!(!seen_at_once.contains("delay"));
    office.rule(seen_at_once).await;
    office.ask_about(1, "9.hidden").await;

    let told = office.told(&citizen_service(), 1).await;
    let verified = office.verified(&told).expect("a sound trail");
    assert_eq!(verdicts(&verified), [Some(LeafVerdict::Match), None, Some(LeafVerdict::Match)]);
    let until = Date::in_vietnam(office.clock.now_ms() + 10 * DAY_MS);
    assert_eq!(verified.accesses[1], Access::Withheld(until));
    assert_eq!(told.accesses[1].gloss, None);
    assert!(told.accesses.iter().all(|access| access.gloss.as_ref().is_none_or(|gloss| gloss.official.is_none())));
    let line = format!("withheld {until} ");
    assert!(told.accesses[1].line.starts_with(&line) && told.accesses[1].line.len() == line.len() + 45);

    let whole = office.told(&auditor(), 1).await;
    assert_eq!(verdicts(&office.verified(&whole).expect("a sound trail")), [Some(LeafVerdict::Match); 3]);
    let delayed: Vec<_> = whole.accesses.iter().map(|it| it.gloss.as_ref().and_then(|it| it.delayed_until)).collect();
    assert_eq!(delayed, [None, Some(until), None]);

    // A node that left the withheld access out would be found out.
    let without: String = text(&told).split_inclusive('\n').filter(|it| !it.starts_with("withheld ")).collect();
    let without = ToldTrail { head: without.replace("entries 3", "entries 2"), ..ToldTrail::default() };
    assert!(matches!(office.verified(&without), Err(TrailError::Broken { place: 1 })));

    office.clock.advance_ms(10 * DAY_MS);
    let later = office.told(&citizen_service(), 1).await;
    assert_eq!(verdicts(&office.verified(&later).expect("a sound trail")), [Some(LeafVerdict::Match); 3]);
}

#[tokio::test]
async fn an_erased_person_leaves_receipts_that_verify_and_nothing_to_read() {
    let office = office(1, Vec::new()).await;
    let question = office.question(1, "clerk-01");
    let answered = office.ask(&question).await.expect("answered");
    office.clock.advance_ms(1_000);
    let before = office.told(&auditor(), 1).await;
    assert!(office.erase(1).await);
    assert!(!office.erase(1).await, "there is nothing left");

    let key = office.desk.keyring.row_key(keys(1).number);
    assert_eq!(office.desk.state.person(&key).expect("read"), None);
    assert_eq!(office.desk.state.record(&key).expect("read"), None);
    assert_eq!(office.told(&auditor(), 1).await.count, 0);
    assert_eq!(
        office.receipt_of(&ReceiptHolder::Portal(PortalId(1)), question.request_id).await,
        Err(ErrorNumber::Erased)
    );
    assert_eq!(office.ask(&question).await, Err(ErrorNumber::Erased));
    // Asked about again, the person has another key, which opens nothing of before.
    office.ask_about(1, "9.test").await;
    assert_eq!(office.ask(&question).await, Err(ErrorNumber::Erased));
    assert_eq!(
        office.receipt_of(&ReceiptHolder::Portal(PortalId(1)), question.request_id).await,
        Err(ErrorNumber::Erased)
    );
    let after = office.told(&auditor(), 1).await;
    assert_eq!((after.count, office.verified(&after).expect("a sound trail").end.count), (1, 1));
    let seed = |told: &ToldTrail| told.head.lines().nth(1).expect("the seed").to_owned();
    assert_ne!(seed(&before), seed(&after), "nothing ties the new trail to the old one");

    // What was handed out before is as good as ever.
    assert!(office.verified(&before).is_ok());
    let receipt = Receipt::parse(answered.receipt.expect("a receipt").as_bytes()).expect("a receipt");
    let year = office.desk.state.shards()[0].year;
    let key = office.desk.notary.authority().verifier_keys(year).expect("keys").remove(0);
    assert!(receipt.verify(&Policy::of_log(key).expect("a log's key")).is_ok());

    // The leaf tells why and by whom, and about nobody.
    let leaves = office.desk.state.leaves(0, 100).expect("read");
    let erased = leaves.iter().position(|leaf| Leaf::decode(leaf).is_ok_and(|leaf| leaf.kind == LeafKind::Erased));
    let addendum = office.desk.opened(u64::try_from(erased.expect("there")).expect("small")).expect("opened");
    assert_eq!((addendum.official.as_str(), addendum.number.as_str()), ("lan", ""));
    assert_eq!((addendum.procedure.as_str(), addendum.dossier.as_str()), ("Luật 91/2025/QH15, Điều 16", "QĐ 12"));
}

/// What is erased is in no file of the state once it was scrubbed: neither the person's key nor their record.
#[tokio::test]
async fn what_was_erased_leaves_the_files() {
    let office = office(2, Vec::new()).await;
    for person in [1, 2] {
        office.ask_about(person, "9.test").await;
    }
    let state = &office.desk.state;
    let sealed = |person: u64| {
        let key = office.desk.keyring.row_key(keys(person).number);
        let (_, _, own_key) = state.person(&key).expect("read").expect("known");
        let (_, record) = state.record(&key).expect("read").expect("remembered");
        [own_key, record]
    };
    let ([gone, kept], folder) = ([sealed(1), sealed(2)], office.folder.path());
    state.flush().expect("flushed");
    assert!(gone.iter().chain(&kept).all(|bytes| is_in_files(folder, bytes)), "the test sees what is there");
    assert_eq!(state.meta().erased, 0);
    assert!(office.erase(1).await);
    assert!(state.meta().erased > 0);
    state.flush().expect("flushed");
    assert!(is_in_files(folder, &gone[0]), "until it is scrubbed, the key is still in a file");
    state.scrub().expect("scrubbed");
    assert!(!gone.iter().any(|bytes| is_in_files(folder, bytes)));
    assert!(kept.iter().all(|bytes| is_in_files(folder, bytes)));
}

/// Whether bytes stand in any file below a folder, whatever the file is.
fn is_in_files(folder: &std::path::Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.into_iter().any(|path| {
        if path.is_dir() {
            return is_in_files(&path, bytes);
        }
        // A file that compaction removed meanwhile holds nothing.
        std::fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes))
    })
}

/// How long a trail of 1,000 accesses takes in a log of a million leaves: `cargo test -- --ignored a_long_trail`, which
/// says it on standard error.
#[tokio::test]
#[ignore = "builds a log of a million leaves"]
async fn a_long_trail_in_a_long_log() {
    const ACCESSES: u64 = 1_000;
    const FILL: usize = 999;
    let office = office(1, Vec::new()).await;
    for _ in 0..ACCESSES {
        let mut left = FILL;
        while left > 0 {
            let count = left.min(256);
            left -= count;
            let state = &office.desk.state;
            let at_ms = state.meta().last_at_ms + 1;
            office.clock.advance_ms(1);
            let item = |_| {
                let mut item = office.desk.item_of(LeafKind::Canary, &Words::default()).expect("sealed");
                Leaf::stamp(&mut item.entry.leaf, at_ms);
                item
            };
            let items = (0..count).map(item).collect();
            let batch = Batch { at_ms, clock_ms: office.clock.now_ms(), tree: state.tree(), items };
            office.log.apply(&Command::Batch(batch)).await;
        }
        office.ask_about(1, "9.test").await;
    }
    let started = std::time::Instant::now();
    let mut told = office.told(&auditor(), 1).await;
    let first = (started.elapsed(), told.accesses.len());
    while u64::try_from(told.accesses.len()).expect("small") < told.count {
        let from = u64::try_from(told.accesses.len()).expect("small");
        let part = office.tell(&auditor(), 1, TrailPart { at: told.at, from }).await.expect("told");
        told.accesses.extend(part.accesses);
    }
    let all = started.elapsed();
    let checked = std::time::Instant::now();
    let verified = office.verified(&told).expect("a sound trail");
    assert_eq!(verified.end.count, ACCESSES);
    let (leaves, bytes) = (office.desk.state.meta().leaves, text(&told).len());
    eprintln!("{leaves} leaves, {bytes} bytes: first part {first:?}, all {all:?}, verified in {:?}", checked.elapsed());
}
