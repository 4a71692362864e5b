//! What raises an alarm, how often, and who tells.

use xacminh_core::{
    apply::{Budget, BudgetKey, MISS_POINTS},
    command::{Miss, MissLimits},
    register::{Alarms, Register},
};
use xacminh_proto::vocab::PortalId;

use super::{Alarm, Sight, Spent, Watch, budgets, is_blank_dossier};
use crate::telemetry::AlarmKind::{self, *};

/// Noon of Saturday, 21 November 2026, in Vietnam.
const NOON_MS: u64 = 1_795_237_200_000;
const HOUR_MS: u64 = 3_600_000;

fn thresholds() -> Alarms {
    let text = "[register]\nrevision = 1\n[alarms]\npersons_per_official_hour = 3\npersons_per_official_day = 5\n\
        persons_per_dossier = 4\npersons_per_household = 2\n";
    let mut alarms = Register::parse(text).expect("a register").alarms;
    alarms.honey.insert([250; 32]);
    alarms
}

fn sight(at_ms: u64, official: u8, person: u8, dossier: u8) -> Sight {
    let person = [person; 32];
    Sight { at_ms, position: 7, portal: PortalId(1), official: [official; 16], person, dossier: [dossier; 16] }
}

#[derive(Default)]
struct Scene {
    watch: Watch,
    own: Option<[u8; 32]>,
}

impl Scene {
    fn see(&mut self, sight: Sight) -> Vec<(AlarmKind, u32)> {
        let mut raised = Vec::new();
        self.watch.see(sight, &thresholds(), self.own.as_ref(), &mut raised);
        told(&raised)
    }

    fn household(&mut self, sight: Sight, household: &[[u8; 32]]) -> Vec<(AlarmKind, u32)> {
        let mut raised = Vec::new();
        self.watch.see_household(sight, household, &thresholds(), self.own.as_ref(), &mut raised);
        told(&raised)
    }
}

fn told(raised: &[Alarm]) -> Vec<(AlarmKind, u32)> {
    raised.iter().map(|alarm| (alarm.kind, alarm.count)).collect()
}

#[test]
fn different_people_are_counted_and_the_same_again_are_not() {
    let mut scene = Scene::default();
    for person in [1, 2, 3, 3, 2, 1] {
        assert_eq!(scene.see(sight(NOON_MS, 1, person, person)), []);
    }
    assert_eq!(scene.see(sight(NOON_MS, 1, 4, 4)), [(PersonsPerHour, 4)]);
    // Told again when there are twice as many, and for another official not at all.
    assert_eq!(scene.see(sight(NOON_MS, 2, 5, 5)), []);
    assert_eq!(scene.see(sight(NOON_MS + 1, 1, 5, 5)), []);
    // Another hour begins anew; the day goes on.
    assert_eq!(scene.see(sight(NOON_MS + HOUR_MS, 1, 6, 6)), [(PersonsPerDay, 6)]);
    for person in 7..=8 {
        assert_eq!(scene.see(sight(NOON_MS + HOUR_MS, 1, person, person)), []);
    }
    let next_day_ms = NOON_MS + 48 * HOUR_MS;
    for person in 1..=3 {
        assert_eq!(scene.see(sight(next_day_ms, 1, person, person)), []);
    }
}

#[test]
fn one_dossier_has_so_many_people() {
    let mut scene = Scene::default();
    // Two officials, so that no number of theirs is too high.
    for person in 1..=4 {
        assert_eq!(scene.see(sight(NOON_MS, person % 2, person, 9)), []);
    }
    assert_eq!(scene.see(sight(NOON_MS, 3, 5, 9)), [(PersonsPerDossier, 5)]);
}

#[test]
fn closed_offices_ask_nothing_and_it_is_told_once_a_day() {
    let mut scene = Scene::default();
    let night_ms = NOON_MS + 10 * HOUR_MS;
    assert_eq!(scene.see(sight(night_ms, 1, 1, 1)), [(OffHours, 1)]);
    assert_eq!(scene.see(sight(night_ms + 1, 1, 2, 2)), []);
    assert_eq!(scene.see(sight(night_ms + 2, 2, 3, 3)), [(OffHours, 1)]);
    assert_eq!(scene.see(sight(NOON_MS + 24 * HOUR_MS, 1, 1, 1)), [(OffHours, 1)], "a Sunday");
}

#[test]
fn own_and_honey_numbers_are_told_each_time() {
    let mut scene = Scene { own: Some([8; 32]), ..Scene::default() };
    for _ in 0..2 {
        assert_eq!(scene.see(sight(NOON_MS, 1, 8, 1)), [(OwnNumber, 1)]);
        assert_eq!(scene.see(sight(NOON_MS, 1, 250, 1)), [(Honey, 1)]);
    }
}

#[test]
fn own_and_swept_households() {
    let mut scene = Scene { own: Some([8; 32]), ..Scene::default() };
    let household = [[1; 32], [2; 32], [3; 32], [4; 32]];
    // A family under one dossier, whatever its size.
    for person in 1..=4 {
        assert_eq!(scene.household(sight(NOON_MS, 1, person, 1), &household), []);
    }
    // The fourth member's neighbour under another dossier: too many by now.
    assert_eq!(scene.household(sight(NOON_MS, 1, 5, 2), &household), [(Household, 5)]);
    assert_eq!(scene.household(sight(NOON_MS, 1, 1, 3), &[[1; 32], [8; 32]]), [(OwnHousehold, 1)]);
    assert_eq!(scene.household(sight(NOON_MS, 1, 8, 3), &[[7; 32], [8; 32]]), [], "told as one's own number");
}

#[test]
fn a_budget_is_told_once_when_it_is_spent() {
    let mut watch = Watch::default();
    let last = sight(NOON_MS, 1, 1, 1);
    let key = BudgetKey::new(Budget::PortalHour, NOON_MS, last.official, last.portal);
    let mut raised = Vec::new();
    for points in [95, 99, 100, 104] {
        watch.see_budget(&Spent { key, points, points_max: 100, last }, &mut raised);
    }
    assert_eq!(told(&raised), [(BudgetSpent, 100)]);
}

#[test]
fn budgets_are_told_as_an_entry_leaves_them() {
    let limits = |official_hour| MissLimits {
        official_hour,
        official_day: 60,
        portal_hour: 200,
        portal_day: 1_000,
        cluster_hour: 2_000,
        cluster_day: 10_000,
    };
    let miss =
        |official: u8, official_hour| Miss { official: [official; 16], limits: limits(official_hour), points: 5 };
    let key = |budget, official: u8, portal| BudgetKey::new(budget, NOON_MS, [official; 16], PortalId(portal));
    let misses = [(PortalId(1), miss(1, 20)), (PortalId(1), miss(2, 20)), (PortalId(1), miss(1, 30))];
    let (first, second, third) = (sight(NOON_MS, 1, 1, 1), sight(NOON_MS, 2, 2, 2), sight(NOON_MS, 1, 3, 3));
    let [mine, theirs] = [1, 2].map(|official| key(Budget::OfficialHour, official, 1));
    let (portal, stranger) = (key(Budget::PortalHour, 0, 1), key(Budget::PortalHour, 0, 2));
    let counted = [(mine, 5), (portal, 5), (theirs, 5), (portal, 10), (mine, 10), (portal, 15), (stranger, 5)];
    let told = budgets(NOON_MS, misses.into_iter(), &counted, &[first, second, third]);
    let points_max = |limit| u64::from(MISS_POINTS) * limit;
    assert_eq!(
        told,
        [
            // The last count, the limits and the question of the last that was counted.
            Spent { key: mine, points: 10, points_max: points_max(30), last: third },
            Spent { key: portal, points: 15, points_max: points_max(200), last: third },
            Spent { key: theirs, points: 5, points_max: points_max(20), last: second },
        ]
    );
    assert_eq!(budgets(NOON_MS, misses.into_iter(), &[], &[first]), []);
}

#[test]
fn codes_that_are_none() {
    for blank in ["-", "0", "x", "test", "000000", "11111", "H17.1", "abc/def"] {
        assert!(is_blank_dossier(blank), "{blank}");
    }
    for dossier in ["H17.12-261121-0042", "000.12.45.H17-250101-0001", "2026/1234"] {
        assert!(!is_blank_dossier(dossier), "{dossier}");
    }
}

/// Somebody who asks about ever new people cannot fill the memory: what is counted ends, and is said to.
#[test]
fn memory_has_an_end() {
    let mut watch = Watch::default();
    let alarms = thresholds();
    let mut raised = Vec::new();
    for turn in 0..600_000_u64 {
        let mut sight = sight(NOON_MS, 1, 1, 1);
        sight.person[..8].copy_from_slice(&turn.to_be_bytes());
        sight.official[..8].copy_from_slice(&turn.to_be_bytes());
        sight.dossier[..8].copy_from_slice(&(turn / 2).to_be_bytes());
        watch.see(sight, &alarms, None, &mut raised);
    }
    assert!(watch.is_full());
    // Thresholds of those known already still count, and so do honey numbers.
    raised.clear();
    watch.see(sight(NOON_MS, 1, 250, 1), &alarms, None, &mut raised);
    assert_eq!(told(&raised), [(Honey, 1)]);
    watch.see(sight(NOON_MS + 48 * HOUR_MS, 1, 1, 1), &alarms, None, &mut raised);
    assert!(!watch.is_full(), "another day begins with nothing");
}
