//! Chance as data: one stream of a seeded generator per household.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The draws of one household; the same seed and index give the same draws on every machine.
///
/// Every draw is integer arithmetic on the stream, because library sampling methods may change between versions.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream of household `index` under `seed`.
    #[must_use]
    pub fn of(seed: u64, index: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(index);
        Self(generator)
    }

    /// A number below `bound`, by multiplication (bias below 2^-32 × `bound` does not matter here).
    pub fn below(&mut self, bound: u32) -> u32 {
        let product = u64::from(self.0.next_u32()) * u64::from(bound);
        u32::try_from(product >> 32).expect("below bound")
    }

    /// A number from `low` to `high`, both included.
    pub fn range(&mut self, low: i32, high: i32) -> i32 {
        let span = u32::try_from(high - low + 1).expect("low is not above high");
        low + i32::try_from(self.below(span)).expect("spans are small")
    }

    /// True `parts` times of ten thousand.
    pub fn in_ten_thousand(&mut self, parts: u32) -> bool {
        self.below(10_000) < parts
    }

    /// True `parts` times of a hundred.
    pub fn percent(&mut self, parts: u32) -> bool {
        self.below(100) < parts
    }

    /// One of several, equally likely.
    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(u32::try_from(items.len()).expect("tables are short")) as usize]
    }

    /// The index of one of several, by weight.
    pub fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let mut left = self.below(weights.clone().sum());
        for (index, weight) in weights.enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        unreachable!("the draw is below the sum of weights")
    }

    /// One of a weighted table.
    pub fn pick<T: Copy>(&mut self, table: &[(T, u32)]) -> T {
        table[self.weighted(table.iter().map(|(_, weight)| *weight))].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_and_repeat() {
        let draws = |seed, index| {
            (0..8).map(|_| 0).scan(Chance::of(seed, index), |chance, _| Some(chance.below(1 << 30))).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, 2), draws(1, 2));
        assert_ne!(draws(1, 2), draws(1, 3));
        assert_ne!(draws(1, 2), draws(2, 2));
    }

    #[test]
    fn weights_are_met() {
        let mut chance = Chance::of(7, 0);
        let drawn = (0..10_000).filter(|_| chance.pick(&[('a', 3), ('b', 1)]) == 'a').count();
        assert!((7_300..7_700).contains(&drawn), "{drawn}");
    }
}
