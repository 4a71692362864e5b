//! What a sweep seals, and what it leaves alone.

use super::*;
use crate::upstream::Page;

const HOUR_MS: u64 = 3_600_000;

#[tokio::test]
async fn what_was_remembered_since_a_page_was_read_stays() {
    let office = office(3, Vec::new()).await;
    let soon = Instant::now() + Duration::from_secs(20);
    let at = office.desk.sweep_due(HOUR_MS, None).expect("read").expect("the first is due");
    let moment = office.desk.sweep_moment();
    let page = office.desk.upstream.page(None, 10, soon).await.expect("read");
    assert_eq!(page.people.len(), 3);
    // Somebody asks meanwhile: the authority may have said something newer than the page has.
    assert!(is_match(&office.ask(&office.question(2, "clerk-01")).await.expect("answered")));
    let remembered = |person| {
        let key = office.desk.keyring.row_key(keys(person).number);
        office.desk.state.record(&key).expect("read")
    };
    let asked = remembered(2).expect("remembered");
    let sealed = office.desk.sweep_page(at, &page, moment).expect("sealed");
    office.log.apply(&Command::Sweep(sealed)).await;
    assert!(office.desk.sweep_took(at));
    assert_eq!(remembered(2), Some(asked.clone()));
    assert!(remembered(1).is_some() && remembered(3).is_some());
    // A page that is read after that has all of them.
    let next = SweepPosition { page: 1, ..at };
    assert!(!office.desk.sweep_took(next));
    let sealed = office.desk.sweep_page(next, &page, office.desk.sweep_moment()).expect("sealed");
    office.log.apply(&Command::Sweep(sealed)).await;
    assert!(office.desk.sweep_took(next) && remembered(2) != Some(asked));
}

/// The authority may have been told to forget them too: the leader sees that, and reads the page again.
#[tokio::test]
async fn a_page_that_was_read_before_somebody_was_erased_is_turned_away() {
    let office = office(3, Vec::new()).await;
    let soon = Instant::now() + Duration::from_secs(20);
    assert!(is_match(&office.ask(&office.question(2, "clerk-01")).await.expect("answered")));
    let at = office.desk.sweep_due(HOUR_MS, None).expect("read").expect("the first is due");
    let page = office.desk.upstream.page(None, 10, soon).await.expect("read");
    let before = office.desk.sweep_page(at, &page, office.desk.sweep_moment()).expect("sealed");
    assert!(office.erase(2).await);
    office.log.apply(&Command::Sweep(before)).await;
    assert!(!office.desk.sweep_took(at));
    let key = office.desk.keyring.row_key(keys(2).number);
    assert_eq!(office.desk.state.record(&key).expect("read"), None);
    assert!(office.desk.sweep_due(HOUR_MS, None).expect("read").expect("it has not begun").page == 0);
}

/// Found by a review: while nothing was kept of somebody their erasure left no entry, and a page under way remembered them.
#[tokio::test]
async fn who_is_erased_before_a_page_is_remembered_is_not_remembered_by_it() {
    let office = office(3, Vec::new()).await;
    let soon = Instant::now() + Duration::from_secs(20);
    let at = office.desk.sweep_due(HOUR_MS, None).expect("read").expect("the first is due");
    let page = office.desk.upstream.page(None, 10, soon).await.expect("read");
    let before = office.desk.sweep_page(at, &page, office.desk.sweep_moment()).expect("sealed");
    assert!(!office.erase_beside(2, false).await, "nothing is kept");
    assert!(office.erase_beside(2, true).await);
    office.log.apply(&Command::Sweep(before)).await;
    assert!(!office.desk.sweep_took(at));
    let key = office.desk.keyring.row_key(keys(2).number);
    assert_eq!(office.desk.state.record(&key).expect("read"), None);
}

/// How often the authority is asked for person 1, if somebody is erased while it thinks about them the first time.
async fn asked_beside_an_erasure_of(erased: u64) -> usize {
    let office = Arc::new(office(2, vec![Step::Held]).await);
    let asking = {
        let office = Arc::clone(&office);
        tokio::spawn(async move { office.ask(&office.question(1, "clerk-01")).await })
    };
    while office.authority.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(office.erase_beside(erased, true).await);
    office.authority.release();
    assert!(is_match(&asking.await.expect("no panic").expect("answered")));
    office.authority.calls()
}

/// Found by a review: what the authority had said before an erasure was remembered after it.
#[tokio::test]
async fn what_the_authority_said_before_an_erasure_is_not_remembered_after_it() {
    assert_eq!(asked_beside_an_erasure_of(1).await, 2, "it was asked again");
}

/// Found by a review: each erasure of a list sent everybody who waited for a slow authority there again.
#[tokio::test]
async fn what_the_authority_said_before_the_erasure_of_somebody_else_is_not_asked_for_again() {
    assert_eq!(asked_beside_an_erasure_of(2).await, 1);
}

/// Found by a review: what the authority said just now lost to it, so that nobody could be told until that time came.
#[tokio::test]
async fn a_sweep_of_a_clock_that_ran_ahead_gives_way_to_what_the_authority_says() {
    let office = office(3, Vec::new()).await;
    let soon = Instant::now() + Duration::from_secs(20);
    let at = office.desk.sweep_due(HOUR_MS, None).expect("read").expect("the first is due");
    let page = office.desk.upstream.page(None, 10, soon).await.expect("read");
    let mut moment = office.desk.sweep_moment();
    moment.read_at_ms += 20 * HOUR_MS;
    let sealed = office.desk.sweep_page(at, &page, moment).expect("sealed");
    office.log.apply(&Command::Sweep(sealed)).await;
    assert!(is_match(&office.ask(&office.question(2, "clerk-01")).await.expect("answered")));
}

#[tokio::test]
async fn a_sweep_goes_on_where_it_was_and_comes_again() {
    let office = office(3, Vec::new()).await;
    let soon = Instant::now() + Duration::from_secs(20);
    let at = office.desk.sweep_due(HOUR_MS, None).expect("read").expect("the first is due");
    assert!((at.page, at.after) == (0, None));
    let first = office.desk.upstream.page(None, 2, soon).await.expect("read");
    let sealed = office.desk.sweep_page(at, &first, office.desk.sweep_moment()).expect("sealed");
    office.log.apply(&Command::Sweep(sealed)).await;
    let next = office.desk.sweep_due(HOUR_MS, None).expect("read").expect("it has not ended");
    assert!(next == SweepPosition { page: 1, after: first.last, ..at });
    let end = office.desk.upstream.page(Some(first.people[1].number), 0, soon).await.expect("read");
    let sealed = office.desk.sweep_page(next, &end, office.desk.sweep_moment()).expect("sealed");
    assert!(sealed.last);
    office.log.apply(&Command::Sweep(sealed)).await;
    assert!(office.desk.sweep_due(HOUR_MS, None).expect("read").is_none(), "it has ended");
    office.clock.advance_ms(HOUR_MS);
    let again = office.desk.sweep_due(HOUR_MS, None).expect("read").expect("an hour later");
    assert!(again.begun_ms > at.begun_ms && (again.page, again.after) == (0, None));
}

/// Found by a review: after a clock that was ahead no sweep came until real time had got there.
#[tokio::test]
async fn a_sweep_of_a_clock_that_ran_ahead_is_not_waited_for() {
    let office = office(1, Vec::new()).await;
    let due = |ago: Option<u64>| office.desk.sweep_due(HOUR_MS, ago.map(Duration::from_millis)).expect("read");
    let mut at = due(None).expect("the first is due");
    at.begun_ms += 1_000 * HOUR_MS;
    let sealed = office.desk.sweep_page(at, &Page::default(), office.desk.sweep_moment()).expect("sealed");
    office.log.apply(&Command::Sweep(sealed)).await;
    let next = due(None).expect("nobody knows when it was");
    assert!(next.begun_ms > at.begun_ms, "a later name");
    assert!(due(Some(HOUR_MS - 1)).is_none(), "this process knows");
    assert!(due(Some(HOUR_MS)).is_some());
}

/// Found by a review: the number that the last page ended with stayed in the state, also when that person was erased.
#[tokio::test]
async fn a_sweep_that_has_ended_keeps_nobodys_number() {
    let office = office(3, Vec::new()).await;
    let soon = Instant::now() + Duration::from_secs(20);
    let at = office.desk.sweep_due(HOUR_MS, None).expect("read").expect("the first is due");
    let page = office.desk.upstream.page(None, 10, soon).await.expect("read");
    let length = |page: &Page, at: SweepPosition| {
        office.desk.sweep_page(at, page, office.desk.sweep_moment()).expect("sealed").cursor.len()
    };
    let ended = length(&Page::default(), SweepPosition { page: 1, after: page.last, ..at });
    assert_eq!(length(&page, at) - ended, 12, "digits");
}
