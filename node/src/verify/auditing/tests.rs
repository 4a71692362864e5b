//! What auditors see, and that nothing of it leaves before the log has it.

use std::time::Duration;

use xacminh_proto::{
    hex,
    transparency::LeafVerdict,
    vocab::{DossierId, Outcome, ProcedureCode},
};

use super::super::tests::{Office, office};
use super::*;

const SOON: Duration = Duration::from_secs(20);

fn soon() -> Instant {
    Instant::now() + SOON
}

fn searcher(office: &Office) -> Searcher {
    Searcher::start(&office.folder.path().join("audit-index"), office.desk.state.clone()).expect("an index")
}

async fn until_indexed(office: &Office, searcher: &Searcher) {
    for _ in 0..2_000 {
        if searcher.indexed() == office.desk.state.meta().leaves {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} of {} leaves are indexed", searcher.indexed(), office.desk.state.meta().leaves);
}

fn positions(inquired: &Inquired) -> Vec<u64> {
    inquired.found.entries.iter().map(|(position, _)| *position).collect()
}

/// The opened entry that records an act.
fn act(office: &Office, position: u64) -> (Leaf, Addendum) {
    let leaf = office.desk.state.leaf(position).expect("read").expect("there");
    (Leaf::decode(&leaf).expect("a leaf"), office.desk.opened(position).expect("opened"))
}

#[tokio::test]
async fn an_opening_is_in_the_log_before_it_is_told() {
    let office = office(1, Vec::new()).await;
    let answered = office.ask(&office.question(1, "clerk-01")).await.expect("answered");
    let before = office.desk.state.meta().leaves;
    let opened = office.desk.open_for("thanh-tra", answered.position, soon()).await.expect("opened");
    assert_eq!(opened.recorded, before, "the entry comes after what was there");
    assert_eq!(opened.addendum.outcome, Some(answered.outcome));
    assert_eq!(opened.addendum.number, "048090000001");
    assert_eq!(opened.addendum.dossier, "H17.1");
    let (leaf, addendum) = act(&office, opened.recorded);
    assert_eq!((leaf.kind, leaf.verdict, leaf.portal), (LeafKind::Admin, LeafVerdict::None, PortalId(0)));
    assert_eq!((addendum.official.as_str(), addendum.procedure.as_str()), ("thanh-tra", "audit/open"));
    assert_eq!(addendum.dossier, answered.position.to_string());
    assert_eq!(addendum.number, "", "the entry itself names nobody");
    // The entry of an opening can be opened, which is an opening.
    let again = office.desk.open_for("other", opened.recorded, soon()).await.expect("opened");
    assert_eq!(again.addendum.official, "thanh-tra");
    assert_eq!(again.recorded, before + 1);
    let beyond = office.desk.open_for("thanh-tra", 1_000, soon()).await;
    assert_eq!(beyond, Err(ErrorNumber::RequestUnknown));
    assert_eq!(office.desk.state.meta().leaves, before + 2, "what is not there is not recorded");
}

/// Promise P1, for auditors: without a quorum nothing is opened and nobody is searched for.
#[tokio::test]
async fn nothing_is_opened_while_nothing_can_be_recorded() {
    let office = office(1, Vec::new()).await;
    let answered = office.ask(&office.question(1, "clerk-01")).await.expect("answered");
    let searcher = searcher(&office);
    until_indexed(&office, &searcher).await;
    let leaves = office.desk.state.meta().leaves;
    // Nobody leads any more: entries wait for ever.
    office.leader.send(None).expect("the pump runs");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let moment = || Instant::now() + Duration::from_millis(600);
    let opened = office.desk.open_for("thanh-tra", answered.position, moment()).await;
    assert_eq!(opened, Err(ErrorNumber::DeadlineExceeded));
    let person = Some(office.question(1, "clerk-01").person.number);
    let by_person = Inquiry { person, limit: 10, ..Inquiry::default() };
    let inquired = office.desk.inquire(&searcher, "thanh-tra", &by_person, moment()).await;
    assert_eq!(inquired, Err(ErrorNumber::DeadlineExceeded));
    assert_eq!(office.desk.state.meta().leaves, leaves);
    // What names nobody needs no entry, and is found.
    let dossier = Some(DossierId::parse("H17.1").expect("an id"));
    let plain = Inquiry { dossier, limit: 10, ..Inquiry::default() };
    let inquired = office.desk.inquire(&searcher, "thanh-tra", &plain, moment()).await.expect("found");
    assert_eq!((positions(&inquired), inquired.recorded), (vec![answered.position], None));
}

#[tokio::test]
async fn words_find_their_leaves() {
    let office = office(3, Vec::new()).await;
    let mut asked = Vec::new();
    for (person, official, dossier) in
        [(1, "clerk-01", "H17.1"), (2, "clerk-02", "H17.2"), (1, "clerk-02", "H17.3"), (9, "clerk-01", "H17.1")]
    {
        office.clock.advance_ms(1_000);
        let mut question = office.question(person, official);
        question.dossier = DossierId::parse(dossier).expect("an id");
        asked.push(office.ask(&question).await.expect("answered"));
    }
    assert_eq!(asked[3].outcome, Outcome::NotConfirmed);
    let searcher = searcher(&office);
    until_indexed(&office, &searcher).await;
    let at = |index: usize| asked[index].position;
    let all = Inquiry { limit: 256, ..Inquiry::default() };
    let official = |id: &str| Some(OfficialId::parse(id).expect("an id"));
    let no_match = Some((LeafKind::Disclosed, LeafVerdict::NoMatch));
    for (inquiry, expected) in [
        (Inquiry { portal: Some(PortalId(1)), ..all.clone() }, vec![at(0), at(1), at(2), at(3)]),
        (Inquiry { portal: Some(PortalId(2)), ..all.clone() }, vec![]),
        (Inquiry { official: official("clerk-01"), ..all.clone() }, vec![at(0), at(3)]),
        (Inquiry { official: official("clerk-02"), portal: Some(PortalId(1)), ..all.clone() }, vec![at(1), at(2)]),
        (Inquiry { official: official("clerk-02"), portal: Some(PortalId(7)), ..all.clone() }, vec![]),
        (Inquiry { official: official("nobody"), ..all.clone() }, vec![]),
        (Inquiry { dossier: DossierId::parse("H17.1").ok(), ..all.clone() }, vec![at(0), at(3)]),
        (Inquiry { outcome: no_match, ..all.clone() }, vec![at(3)]),
        (Inquiry { procedure: ProcedureCode::parse("9.test").ok(), ..all.clone() }, vec![at(0), at(1), at(2), at(3)]),
        (Inquiry { from_ms: Some(asked[1].at_ms), until_ms: Some(asked[3].at_ms), ..all.clone() }, vec![at(1), at(2)]),
    ] {
        let found = office.desk.inquire(&searcher, "thanh-tra", &inquiry, soon()).await.expect("found");
        assert_eq!(positions(&found), expected);
        let newest = Inquiry { newest_first: true, ..inquiry };
        let found = office.desk.inquire(&searcher, "thanh-tra", &newest, soon()).await.expect("found");
        assert_eq!(positions(&found), expected.iter().rev().copied().collect::<Vec<_>>());
    }
    let unknown = Inquiry { procedure: ProcedureCode::parse("9.other").ok(), ..all.clone() };
    let found = office.desk.inquire(&searcher, "thanh-tra", &unknown, soon()).await;
    assert_eq!(found, Err(ErrorNumber::ProcedureUnknown));

    let person = |person| Some(office.question(person, "clerk-01").person.number);
    let by_person = Inquiry { person: person(1), ..all.clone() };
    let found = office.desk.inquire(&searcher, "thanh-tra", &by_person, soon()).await.expect("found");
    assert_eq!(positions(&found), [at(0), at(2)]);
    let (leaf, addendum) = act(&office, found.recorded.expect("recorded"));
    assert_eq!((leaf.kind, addendum.procedure.as_str()), (LeafKind::Admin, "audit/person"));
    let trail = office.desk.state.mark(at(0)).expect("read").and_then(|mark| mark.trail).expect("about somebody");
    assert_eq!((addendum.dossier, addendum.number.as_str()), (hex::text(&trail), ""));
    let both = Inquiry { person: person(1), official: official("clerk-02"), ..all.clone() };
    let found = office.desk.inquire(&searcher, "thanh-tra", &both, soon()).await.expect("found");
    assert_eq!(positions(&found), [at(2)]);
    let nobody = Inquiry { person: person(3), ..all };
    let found = office.desk.inquire(&searcher, "thanh-tra", &nobody, soon()).await.expect("found");
    assert!(found.found.entries.is_empty());
    assert!(found.recorded.is_some(), "looking for somebody who is not there is recorded, too");
}

#[tokio::test]
async fn a_head_is_signed_for_whoever_asks_and_heads_prove_one_another() {
    let office = office(1, Vec::new()).await;
    let answered = office.ask(&office.question(1, "clerk-01")).await.expect("answered");
    let text = office.desk.notary.head(office.desk.state.meta().leaves).await.expect("signed").note.to_string();
    assert!(text.contains(&format!("\n{}\n", answered.position + 1)), "{text}");
    assert!(text.starts_with("example.vn/48/2026\n"), "{text}");
    let state = &office.desk.state;
    let proof = |year, old, new| crate::audit::consistency(state, year, old, new).expect("read");
    assert!(proof(2_026, 1, 2).is_some());
    for (year, old, new) in [(2_026, 2, 3), (2_026, 2, 1), (2_025, 1, 2), (2_027, 0, 0)] {
        assert_eq!(proof(year, old, new), None, "{year} {old} {new}");
    }
}
