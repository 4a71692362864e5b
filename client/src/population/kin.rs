//! Couples whose grown children may found households of their own.

use super::chance::Chance;
use super::names::Family;

/// Couples remembered: enough to choose from, few enough to stay in a cache line or two per look.
const COUPLES_MAX: usize = 4_096;

/// Looks for a couple of the right age before the parents stay unknown.
const LOOKS_MAX: usize = 12;

/// Ages at which women of this population bear children.
pub(super) const MOTHER_AGE_MIN: i16 = 18;
const MOTHER_AGE_MAX: i16 = 42;

/// A married couple of an earlier household.
#[derive(Clone, Copy)]
pub(super) struct Couple {
    /// The husband's number.
    pub father: u64,
    /// The wife's number.
    pub mother: u64,
    /// The husband's birth year; he is a father from 18 on.
    pub father_birth_year: i16,
    /// The wife's birth year.
    pub mother_birth_year: i16,
    /// The name their children carry.
    pub family: Family,
}

/// The couples of recent households, a ring.
#[derive(Default)]
pub(super) struct Kin {
    couples: Vec<Couple>,
    next: usize,
}

impl Kin {
    /// Remembers a couple, in place of the oldest.
    pub(super) fn remember(&mut self, couple: Couple) {
        if self.couples.len() < COUPLES_MAX {
            self.couples.push(couple);
        } else {
            self.couples[self.next] = couple;
        }
        self.next = (self.next + 1) % COUPLES_MAX;
    }

    /// Parents for somebody born in `birth_year`, of the same ethnic group and not the couple `except`.
    pub(super) fn parents(
        &self,
        birth_year: i16,
        ethnicity: i16,
        except: Option<u64>,
        chance: &mut Chance,
    ) -> Option<Couple> {
        if self.couples.is_empty() {
            return None;
        }
        let looks = (0..LOOKS_MAX).map(|_| *chance.one_of(&self.couples)).collect::<Vec<_>>();
        looks.into_iter().find(|couple| {
            let mother_age = birth_year - couple.mother_birth_year;
            (MOTHER_AGE_MIN..=MOTHER_AGE_MAX).contains(&mother_age)
                && birth_year - couple.father_birth_year >= MOTHER_AGE_MIN
                && couple.family.ethnicity == ethnicity
                && Some(couple.father) != except
        })
    }
}
