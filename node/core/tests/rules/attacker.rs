//! A day of somebody who holds a portal's key and guesses: what budgets leave them, in the rules that nodes run.
//!
//! They may name any official the portal enrolled, ask all day, and use every refusal to learn from. The best guess
//! without knowing anybody is a number of the province, the year that the number itself tells, and the commonest name.
//!
//! How many guesses are answered is exact: a budget is so many misses and not one more. How many of them hit is chance, so
//! that what is found lies about what the budget allows, above it as often as below: numbers are ten times as dense here as
//! in the fullest province, so that ten days tell a budget that leaks a fifth from one that does not.
//! Nothing here is drawn but numbers and people, from a seed: the same seed is the same day.

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use xacminh_core::{
    apply::{Applied, Budget, ItemOutcome, Loaded, MISS_POINTS, apply, wanted},
    command::{Batch, Command, Item, Miss, MissLimits, OwnKey, Person, RequestKey, TreeHead},
    decide::{Asked, Next, decide},
    question::{PersonKeys, Question},
    record::{Known, Record},
    register::{Permit, Register, permit},
};
use xacminh_proto::{
    transparency::LeafKind,
    vocab::{BirthDate, CitizenNumber, Claim, OfficialId, Outcome, PersonNumber, RequestId, Sex},
};

use crate::{
    disk::{item, leaf},
    fixtures::{HOUR_MS, NOW_MS, REGISTER, an, known, name, question},
};

/// Men of the province born in 1985: numbers there are, and people who have one.
const NUMBERS: u64 = 100_000;
const PEOPLE: usize = 60_000;

/// How much denser that is than six in a hundred, which is what a full province has.
const DENSER: f64 = 10.0;

/// Of what numbers of that year begin with.
const FIRST_NUMBER: u64 = 48_085_000_000;

/// Commonest names first, with their shares in a thousand; the others have a name that nobody guesses.
const NAMES: [(&str, u32); 3] = [("Nguyễn Văn Hùng", 40), ("Nguyễn Văn Tuấn", 30), ("Trần Văn Nam", 20)];
const OTHER_NAME: &str = "Đặng Hữu Phước Lộc";

/// Guesses a day: one every four seconds, round the clock.
const GUESSES: usize = 21_600;
const GUESSES_PER_ENTRY: usize = 30;

const OFFICIALS: usize = 12;
const DAYS: u64 = 10;

/// A day's state, as a node has it: no leaf is kept, they are only counted.
struct Log {
    state: Loaded,
    index: u64,
    leaves: u64,
}

/// What a day came to.
#[derive(Debug, Default)]
struct Day {
    found: u32,
    misses: u32,
    cannot_tell: u32,
    refusals: u32,
}

/// Who lives in the province, and the chance that one guess finds somebody.
struct Province {
    people: std::collections::HashMap<u64, Known>,
    chance_of_hit: f64,
}

impl Province {
    fn new(chance: &mut ChaCha8Rng, permit: &Permit) -> Self {
        let mut numbers: Vec<u64> = (0..NUMBERS).collect();
        numbers.shuffle(chance);
        let person = |number: u64, drawn: u32| {
            let mut below = 0;
            let common = NAMES.iter().find(|(_, share)| {
                below += share;
                drawn < below
            });
            let number = CitizenNumber::try_from(FIRST_NUMBER + number).expect("twelve digits");
            Record { number, name: name(common.map_or(OTHER_NAME, |(name, _)| name)), ..an() }
        };
        let people: std::collections::HashMap<u64, Known> = numbers[..PEOPLE]
            .iter()
            .map(|number| (*number, known(vec![person(*number, chance.random_range(0..1_000))])))
            .collect();
        let is_hit = |number: &u64| {
            let question = guess(*number, 0, NOW_MS);
            let next = decide(&question, permit, people.get(number), Asked::Answered, NOW_MS);
            matches!(next, Next::Answer(decision) if matches!(decision.outcome, Outcome::Confirmed { .. }))
        };
        let hits = u32::try_from(people.keys().filter(|number| is_hit(number)).count()).expect("few");
        assert!(hits > 100, "{hits} people could be found: enough that finding none means something");
        Self { people, chance_of_hit: f64::from(hits) / 100_000.0 }
    }
}

/// The best guess about a number: the year it tells, and the commonest name.
fn guess(number: u64, turn: usize, now_ms: u64) -> Question {
    let number = CitizenNumber::try_from(FIRST_NUMBER + number).expect("twelve digits");
    let official = OfficialId::parse(&format!("clerk-{}", turn % OFFICIALS)).expect("an id");
    let mut random = [0; 10];
    random[..8].copy_from_slice(&u64::try_from(turn).expect("small").to_be_bytes());
    Question {
        request_id: RequestId::new(now_ms, random),
        official,
        claims: vec![Claim::Sex(Sex::Male)],
        person: PersonKeys {
            number: PersonNumber::Citizen(number),
            name: name(NAMES[0].0),
            birth: BirthDate::of_year(1985).expect("a year"),
        },
        ..question()
    }
}

fn register(budgets: &str) -> Register {
    let officials: String = (0..OFFICIALS)
        .map(|official| format!("[[official]]\nid = \"clerk-{official}\"\nportal = 1\nprocedures = [\"*\"]\n"))
        .collect();
    Register::parse(&(REGISTER.replacen("misses_per_official_hour = 5", budgets, 1) + &officials)).expect("sound")
}

impl Log {
    fn new(revision: u64) -> Self {
        let mut state = Loaded::default();
        state.meta.register_revision = revision;
        Self { state, index: 1, leaves: 0 }
    }

    /// Commits an entry as a leader with this state proposes it.
    fn commit(&mut self, at_ms: u64, items: Vec<Item>) -> Vec<ItemOutcome> {
        let tree = TreeHead { leaves: self.state.meta.leaves, root: self.state.frontier.root() };
        self.state.root_at = Some(tree.root);
        let command = Command::Batch(Batch { at_ms, clock_ms: at_ms, tree, items });
        let asked_for = wanted(&command).budgets;
        let mut loaded = self.state.clone();
        // Only what is wanted is loaded, as a store does it.
        loaded.budgets.retain(|key, _| asked_for.contains(key));
        let Applied { changes, outcomes } = apply(self.index, &command, loaded).expect("no contradiction");
        self.index += 1;
        self.leaves += u64::try_from(changes.growth.leaves.len()).expect("few");
        self.state.meta = changes.meta;
        self.state.frontier = changes.growth.frontier;
        self.state.budgets.extend(changes.budgets);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

/// An item as the desk makes it: the person is one nobody asked about, and a refusal has no budget.
fn entry(question: &Question, at_ms: u64, revision: u64, miss: Option<Miss>) -> Item {
    let request = RequestKey { id: question.request_id, portal: question.portal };
    let mut made = item(request, at_ms, revision);
    let mut key = [0; 32];
    key[..16].copy_from_slice(question.request_id.bytes());
    made.entry.person = Some(Person { key, own_key: OwnKey::New { chain: key, sealed: vec![1] } });
    let kind = if miss.is_some() { LeafKind::Disclosed } else { LeafKind::Refused };
    made.entry.leaf = leaf(kind, request, at_ms, revision, &made.entry.envelope);
    made.entry.miss = miss;
    made
}

/// A day from midnight to midnight in Vietnam. `away` says when the authority cannot be asked: what is remembered is
/// everybody then, which is the worst that can be.
fn day(seed: u64, budgets: &str, away: fn(usize) -> bool) -> (Day, MissLimits, f64) {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let register = register(budgets);
    let permit = permit(&guess(0, 0, NOW_MS), &register, NOW_MS).expect("permitted");
    let province = Province::new(&mut chance, &permit);
    let mut numbers: Vec<u64> = (0..NUMBERS).collect();
    numbers.shuffle(&mut chance);
    let midnight_ms = (NOW_MS / HOUR_MS + 7).next_multiple_of(24) * HOUR_MS - 7 * HOUR_MS;
    let (mut log, mut day) = (Log::new(register.revision), Day::default());
    for (turn, guesses) in numbers[..GUESSES].chunks(GUESSES_PER_ENTRY).enumerate() {
        let entries = u64::try_from(GUESSES / GUESSES_PER_ENTRY).expect("small");
        let at_ms = midnight_ms + u64::try_from(turn).expect("small") * 24 * HOUR_MS / entries;
        let mut asked = Vec::new();
        for (place, number) in guesses.iter().enumerate() {
            let first = turn * GUESSES_PER_ENTRY + place;
            let question = guess(*number, first, at_ms);
            let told = if away(first) { Asked::Unavailable } else { Asked::Answered };
            // Memory is fresh throughout, so that an outage takes nothing from the attacker.
            let known = province.people.get(number).map(|known| Known { read_at_ms: at_ms, ..known.clone() });
            let missing = Known { people: Vec::new(), read_at_ms: at_ms };
            let Next::Answer(decision) = decide(&question, &permit, known.as_ref().or(Some(&missing)), told, at_ms)
            else {
                panic!("there is nobody else to ask");
            };
            asked.push((question, decision));
        }
        let items = asked.iter().map(|(question, decision)| {
            let mut official = [0; 16];
            official[..question.official.as_str().len()].copy_from_slice(question.official.as_str().as_bytes());
            let miss = Miss { official, limits: permit.misses, points: decision.miss_points() };
            entry(question, at_ms, register.revision, Some(miss))
        });
        let outcomes = log.commit(at_ms, items.collect());
        let mut refused = Vec::new();
        for ((question, decision), outcome) in asked.iter().zip(outcomes) {
            match (outcome, &decision.outcome) {
                (ItemOutcome::OverBudget(_), _) => refused.push(entry(question, at_ms + 1, register.revision, None)),
                (_, Outcome::Confirmed { .. }) => day.found += 1,
                (_, Outcome::NotConfirmed) => day.misses += 1,
                (_, Outcome::Undetermined(_)) => day.cannot_tell += 1,
                other => panic!("{other:?}"),
            }
        }
        day.refusals += u32::try_from(refused.len()).expect("few");
        let told = log.commit(at_ms + 1, refused);
        assert!(told.iter().all(|outcome| matches!(outcome, ItemOutcome::Appended { .. })), "a refusal has its leaf");
    }
    // The first leaf of a shard that follows another would be one more; a day in November has none.
    assert_eq!(log.leaves, u64::try_from(GUESSES).expect("small"), "every question has one leaf, refused or not");
    (day, permit.misses, province.chance_of_hit)
}

/// The budgets of the attacker's portal when nobody wrote any but the clerks'.
const DEFAULTS: &str = "misses_per_official_hour = 20";
const NO_BUDGET: &str = "misses_per_official_hour = 4000000000";

/// Days after one another, and what the budgets allow of them: a miss for each of the portal's day, and a find for each
/// miss in the proportion of hits to misses.
fn days(budgets: &str, away: fn(usize) -> bool, guesses_per_miss: u32) -> (f64, f64) {
    let (mut found, mut allowed) = (0.0, 0.0);
    for seed in 1..=DAYS {
        let (day, limits, chance_of_hit) = day(seed, budgets, away);
        let points = day.misses * MISS_POINTS + day.cannot_tell;
        let points_max = u64::from(limits.of(Budget::PortalDay)) * u64::from(MISS_POINTS);
        // The last answer of a budget may cost more than was left of it.
        assert!(u64::from(points) < points_max + u64::from(MISS_POINTS), "seed {seed}: {day:?}");
        let answered = u32::try_from(GUESSES).expect("small") - day.refusals;
        assert_eq!(answered, day.found + day.misses + day.cannot_tell);
        found += f64::from(day.found);
        let guesses =
            f64::from(limits.portal_day.min(u32::try_from(GUESSES).expect("small"))) * f64::from(guesses_per_miss);
        allowed += guesses * chance_of_hit / (1.0 - chance_of_hit);
    }
    (found, allowed)
}

/// Finds are few among many guesses, and spread as the root of their mean: three times that is one day in a thousand.
fn with_luck(allowed: f64) -> f64 {
    allowed + 3.0 * allowed.sqrt()
}

#[test]
fn guessing_finds_no_more_than_the_misses_of_a_portal_allow() {
    let (found, allowed) = days(DEFAULTS, |_| false, 1);
    assert!(found <= with_luck(allowed), "{found} found in {DAYS} days, {allowed:.1} allowed");
    assert!(with_luck(allowed) < 1.2 * allowed, "{allowed:.1}: so few that luck could hide a leak");
    let each_day = allowed / DENSER / f64::from(u32::try_from(DAYS).expect("few"));
    assert!(each_day < 3.0, "{each_day:.1}: a budget that allows much is none");
}

/// Five answers that cannot tell cost a miss: an outage of half the day gives no more than five guesses a miss.
#[test]
fn an_outage_gives_no_more_than_five_guesses_a_miss() {
    let (found, allowed) = days(DEFAULTS, |guess| guess < GUESSES / 2, 5);
    assert!(found <= with_luck(allowed), "{found} found in {DAYS} days, {allowed:.1} allowed");
}

/// The same attacker without budgets, to see that it is the budgets that stop them.
#[test]
fn without_budgets_the_same_attacker_goes_on_finding() {
    let (day, _, chance_of_hit) = day(1, NO_BUDGET, |_| false);
    let limits = permit(&guess(0, 0, NOW_MS), &register(DEFAULTS), NOW_MS).expect("permitted").misses;
    let allowed = f64::from(limits.portal_day) * chance_of_hit;
    assert_eq!(day.refusals, 0);
    assert!(f64::from(day.found) > 2.0 * with_luck(allowed), "{} found, {allowed:.1} allowed", day.found);
    // Days alike, the budget is what makes the difference.
    let (bounded, ..) = self::day(1, DEFAULTS, |_| false);
    assert!(day.found > 4 * bounded.found.max(1), "{} found without, {} with", day.found, bounded.found);
}

/// Without chance: a portal's day is so many misses and not one more, however many officials it names.
#[test]
fn a_portals_day_is_so_many_misses() {
    let budgets = "misses_per_official_hour = 500\nmisses_per_hour = 500\nmisses_per_day = 1500";
    let (day, limits, _) = day(2, budgets, |_| false);
    assert_eq!((limits.portal_day, day.misses), (1_500, 1_500));
}
