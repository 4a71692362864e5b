//! A household: who lives together, how they are related, where.

use xacminh_proto::schema::code;

use super::chance::Chance;
use super::kin::{Couple, Kin, MOTHER_AGE_MIN};
use super::member::{self, AS_OF_YEAR, Draft};
use super::names::{self, Family};
use super::numbers::{NumberBook, Structure};
use super::person::{Person, Residence};
use super::places::{Places, Province};

/// Kinds of household, weighted so that they have about 3.6 members on average (census of 2019).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Single,
    Couple,
    Nuclear,
    LoneParent,
    ThreeGenerations,
    GrandparentAndGrandchildren,
}

const SHAPES: [(Shape, u32); 6] = [
    (Shape::Single, 10),
    (Shape::Couple, 12),
    (Shape::Nuclear, 48),
    (Shape::LoneParent, 8),
    (Shape::ThreeGenerations, 20),
    (Shape::GrandparentAndGrandchildren, 2),
];

/// What households share.
pub(super) struct Town<'a> {
    pub places: &'a Places,
    pub province: &'a Province,
    pub book: &'a mut NumberBook,
    pub kin: &'a mut Kin,
}

/// One household while it forms.
struct Household<'a, 'b> {
    town: &'a mut Town<'b>,
    chance: Chance,
    id: u64,
    /// People still wanted: the last household of a population may be cut short.
    room: usize,
    home_prefix: i16,
    family: Family,
    people: Vec<Person>,
}

/// Makes household `id` of at most `room` people; rows of cancelled numbers come on top.
pub(super) fn settle(town: &mut Town<'_>, seed: u64, id: u64, room: usize) -> Vec<Person> {
    let mut chance = Chance::of(seed, id);
    let (home, ward) = town.province.residence(&mut chance);
    let ethnicity = names::group_at(town.province.code, ward, home.old.1, &mut chance);
    let family = names::family(ethnicity, town.province.code, &mut chance);
    let home_prefix = home.old.0;
    let mut household = Household { town, chance, id, room, home_prefix, family, people: Vec::with_capacity(8) };
    household.form();
    household.age();
    household.house(&home);
    household.with_cancelled()
}

impl Household<'_, '_> {
    fn form(&mut self) {
        let shape = match self.room {
            1 => Shape::Single,
            2 => Shape::Couple,
            _ => self.chance.pick(&SHAPES),
        };
        match shape {
            Shape::Single => self.form_single(),
            Shape::Couple => self.form_couple(),
            Shape::Nuclear => self.form_nuclear(),
            Shape::LoneParent => self.form_lone_parent(),
            Shape::ThreeGenerations => self.form_three_generations(),
            Shape::GrandparentAndGrandchildren => self.form_grandparent(),
        }
    }

    fn form_single(&mut self) {
        let age = match self.chance.below(10) {
            0..=2 => self.chance.range(18, 30),
            3..=5 => self.chance.range(31, 60),
            _ => self.chance.range(61, 92),
        };
        let female = self.chance.percent(55);
        let head = self.grown(female, born(age), code::RELATION_HEAD, None);
        if age > 45 && self.chance.percent(60) {
            self.people[head].marital = code::MARITAL_DIVORCED_OR_WIDOWED;
        }
    }

    fn form_couple(&mut self) {
        let age = match self.chance.below(20) {
            0..=8 => self.chance.range(22, 34),
            9..=12 => self.chance.range(35, 55),
            _ => self.chance.range(56, 85),
        };
        self.couple(born(age));
    }

    fn form_nuclear(&mut self) {
        let eldest_age = self.chance.range(0, 14) + self.chance.range(0, 14);
        let mother_age = eldest_age + self.chance.range(19, 26) + self.chance.range(0, 8);
        let (husband, wife) = self.couple(born(mother_age));
        let children = self.chance.pick(&[(1, 28), (2, 44), (3, 20), (4, 8)]);
        self.children(Some(husband), Some(wife), eldest_age, children, code::RELATION_CHILD);
    }

    fn form_lone_parent(&mut self) {
        let female = self.chance.percent(80);
        let eldest_age = self.chance.range(0, 24);
        let parent_age = eldest_age + self.chance.range(20, 32);
        let parent = self.grown(female, born(parent_age), code::RELATION_HEAD, None);
        let widowed = self.chance.percent(85);
        self.people[parent].marital = if widowed { code::MARITAL_DIVORCED_OR_WIDOWED } else { code::MARITAL_SINGLE };
        let children = self.chance.pick(&[(1, 55), (2, 45)]);
        let (father, mother) = if female { (None, Some(parent)) } else { (Some(parent), None) };
        self.children(father, mother, eldest_age, children, code::RELATION_CHILD);
    }

    /// The grandparents head the household; their son's family lives with them.
    fn form_three_generations(&mut self) {
        let grandmother_born = born(self.chance.range(52, 84));
        let (grandfather, grandmother) = self.couple(grandmother_born);
        let couple = self.as_couple(grandfather, grandmother);
        let son_age = i32::from(AS_OF_YEAR - grandmother_born) - self.chance.range(20, 30);
        let son_born = born(son_age).max(couple.father_birth_year + MOTHER_AGE_MIN);
        let son = self.add(false, son_born, self.family, code::RELATION_CHILD);
        (self.people[son].father, self.people[son].mother) = (Some(couple.father), Some(couple.mother));
        if self.full() || AS_OF_YEAR - son_born < 22 {
            return;
        }
        let wife = self.wife_of(son, son_born);
        let wife_age = i32::from(AS_OF_YEAR - self.people[wife].birth.year);
        let eldest_age = wife_age - self.chance.range(19, 30);
        let children = self.chance.pick(&[(1, 35), (2, 45), (3, 20)]);
        if eldest_age >= 0 {
            self.children(Some(son), Some(wife), eldest_age, children, code::RELATION_GRANDCHILD);
        }
    }

    /// Children whom a grandmother raises, as their guardian; the parents are recorded elsewhere.
    fn form_grandparent(&mut self) {
        let age = self.chance.range(55, 75);
        let grandmother = self.grown(true, born(age), code::RELATION_HEAD, None);
        self.people[grandmother].marital = code::MARITAL_DIVORCED_OR_WIDOWED;
        let guardian = self.people[grandmother].number;
        let eldest_age = self.chance.range(4, 16);
        let before = self.people.len();
        let children = self.chance.pick(&[(1, 60), (2, 40)]);
        self.children(None, None, eldest_age, children, code::RELATION_GRANDCHILD);
        let mother_born = born(eldest_age + 22);
        let mother = Structure { place: self.home_prefix, female: true, birth_year: mother_born };
        let mother = self.town.book.outsider(mother, &mut self.chance);
        for child in &mut self.people[before..] {
            child.guardian = Some(guardian);
            child.mother = Some(mother);
        }
    }

    /// The head and his wife, remembered as possible parents of later households.
    fn couple(&mut self, wife_born: i16) -> (usize, usize) {
        let husband_born = wife_born - self.few_years();
        let husband = self.grown(false, husband_born.min(AS_OF_YEAR - 20), code::RELATION_HEAD, None);
        let wife = self.grown(true, wife_born, code::RELATION_SPOUSE, self.people[husband].father);
        self.marry(husband, wife);
        let couple = self.as_couple(husband, wife);
        self.town.kin.remember(couple);
        (husband, wife)
    }

    fn wife_of(&mut self, husband: usize, husband_born: i16) -> usize {
        let wife_born = husband_born + self.few_years();
        let wife = self.grown(true, wife_born.min(AS_OF_YEAR - 20), code::RELATION_OTHER, self.people[husband].father);
        self.marry(husband, wife);
        wife
    }

    /// By how much husbands are older than their wives.
    fn few_years(&mut self) -> i16 {
        i16::try_from(self.chance.range(-2, 6)).expect("a few years")
    }

    fn children(&mut self, father: Option<usize>, mother: Option<usize>, eldest_age: i32, count: usize, relation: i16) {
        let mut age = eldest_age;
        for _ in 0..count {
            if self.full() || age < 0 {
                return;
            }
            // 111.5 boys for 100 girls (census of 2019).
            let female = self.chance.below(2_115) < 1_000;
            let child = self.add(female, born(age), self.family, relation);
            self.people[child].father = father.map(|at| self.people[at].number);
            self.people[child].mother = mother.map(|at| self.people[at].number);
            if let Some(father) = father {
                self.people[child].hometown = self.people[father].hometown;
            }
            age -= self.chance.range(2, 5);
        }
    }

    /// A grown person: the founder, who gives the household its family name, or somebody who married in.
    ///
    /// `not_of` is the father whose children are no choice: nobody marries a sister.
    fn grown(&mut self, female: bool, birth_year: i16, relation: i16, not_of: Option<u64>) -> usize {
        let founder = self.people.is_empty();
        let ethnicity = self.family.ethnicity;
        let known = self.chance.percent(35);
        let found = self.town.kin.parents(birth_year, ethnicity, not_of, &mut self.chance).filter(|_| known);
        let family = match found {
            Some(couple) => couple.family,
            None if founder => self.family,
            None => names::family(ethnicity, self.town.province.code, &mut self.chance),
        };
        if founder {
            self.family = family;
        }
        let person = self.add(female, birth_year, family, relation);
        match found {
            Some(couple) => {
                (self.people[person].father, self.people[person].mother) = (Some(couple.father), Some(couple.mother));
            }
            None if self.chance.percent(20) => self.outside_parents(person, birth_year),
            None => {}
        }
        person
    }

    /// Parents who live in another province: numbers this database does not hold.
    fn outside_parents(&mut self, person: usize, birth_year: i16) {
        let place = self.people[person].registration_code;
        let years = i16::try_from(self.chance.range(20, 34)).expect("two digits");
        let mother = Structure { place, female: true, birth_year: birth_year - years };
        let father = Structure { place, female: false, birth_year: birth_year - years - 2 };
        // Numbers were first given to people born from 1900 on.
        if father.birth_year < 1_900 {
            return;
        }
        self.people[person].mother = Some(self.town.book.outsider(mother, &mut self.chance));
        self.people[person].father = Some(self.town.book.outsider(father, &mut self.chance));
    }

    fn as_couple(&self, husband: usize, wife: usize) -> Couple {
        let (husband, wife) = (&self.people[husband], &self.people[wife]);
        Couple {
            father: husband.number,
            mother: wife.number,
            father_birth_year: husband.birth.year,
            mother_birth_year: wife.birth.year,
            family: self.family,
        }
    }

    fn marry(&mut self, husband: usize, wife: usize) {
        self.people[husband].spouse = Some(self.people[wife].number);
        self.people[wife].spouse = Some(self.people[husband].number);
        self.people[husband].marital = code::MARITAL_MARRIED;
        self.people[wife].marital = code::MARITAL_MARRIED;
    }

    fn add(&mut self, female: bool, birth_year: i16, family: Family, relation: i16) -> usize {
        let draft = Draft { female, birth_year, family, home_prefix: self.home_prefix };
        let mut person = member::make(&draft, self.town.places, self.town.book, &mut self.chance);
        person.household = self.id;
        person.relation = relation;
        person.head = self.people.first().map_or(person.number, |head| head.number);
        self.people.push(person);
        self.people.len() - 1
    }

    fn full(&self) -> bool {
        self.people.len() >= self.room
    }

    /// Deaths and disappearances; who is left behind is widowed.
    fn age(&mut self) {
        for person in self.people.iter_mut().filter(|person| person.relation != code::RELATION_HEAD) {
            member::age(person, &mut self.chance);
        }
        let dead: Vec<u64> = self
            .people
            .iter()
            .filter(|person| person.living == code::LIVING_DEAD)
            .map(|person| person.number)
            .collect();
        for person in &mut self.people {
            if person.spouse.is_some_and(|spouse| dead.contains(&spouse)) {
                person.spouse = None;
                person.marital = code::MARITAL_DIVORCED_OR_WIDOWED;
            }
        }
    }

    /// Addresses: one in twenty households keeps its permanent residence in another province, and young adults move.
    fn house(&mut self, home: &Residence) {
        let elsewhere = if self.chance.percent(5) {
            let (_, province) = self.town.places.any_prefix(&mut self.chance);
            let province = self.town.places.province(province).expect("prefixes drawn are of settled provinces");
            Some(province.residence(&mut self.chance).0)
        } else {
            None
        };
        for person in &mut self.people {
            let years = AS_OF_YEAR - person.birth.year;
            let moves = (18..=40).contains(&years) && self.chance.percent(8);
            let temporary = if moves {
                Some(self.town.province.residence(&mut self.chance).0)
            } else {
                elsewhere.as_ref().map(|_| home.clone())
            };
            person.permanent = Some(elsewhere.clone().unwrap_or_else(|| home.clone()));
            person.current = temporary.clone().or_else(|| Some(home.clone()));
            person.temporary = temporary;
        }
    }

    fn with_cancelled(mut self) -> Vec<Person> {
        let mut rows = Vec::new();
        for person in &mut self.people {
            rows.extend(member::cancelled(person, self.town.book, &mut self.chance));
        }
        self.people.extend(rows);
        self.people
    }
}

/// The birth year of somebody of an age, who has had their birthday.
fn born(age: i32) -> i16 {
    AS_OF_YEAR - i16::try_from(age).expect("an age")
}
