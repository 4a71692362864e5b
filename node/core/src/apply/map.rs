//! Maps by keys that nobody outside can choose.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

/// A map by row keys and pseudonyms: keyed hashes, and numbers of the register.
///
/// The standard library's maps hash their keys under a secret of their own, so that nobody can choose keys that meet in
/// one place. Nobody chooses these, and they are looked up a dozen times for each leaf. Requests, whose ids are their
/// callers', do not belong here.
pub type KeyedMap<K, V> = HashMap<K, V, BuildHasherDefault<KeyedHasher>>;

/// As [`KeyedMap`].
pub(super) type KeyedSet<K> = HashSet<K, BuildHasherDefault<KeyedHasher>>;

/// Folds a key's words, with a multiplication each whose two halves meet.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyedHasher(u64);

/// An odd number without a pattern: the digits of π in binary.
const FACTOR: u64 = 0x517c_c1b7_2722_0a95;

impl KeyedHasher {
    const fn fold(&mut self, word: u64) {
        let product = (self.0.wrapping_add(FACTOR) ^ word) as u128 * FACTOR as u128;
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product")]
        let (low, high) = (product as u64, (product >> 64) as u64);
        self.0 = low ^ high;
    }
}

impl Hasher for KeyedHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.fold(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.fold(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.fold(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.fold(number);
    }

    fn write_isize(&mut self, discriminant: isize) {
        self.fold(discriminant.cast_unsigned() as u64);
    }

    /// Of an array's length, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, Hash};

    use xacminh_proto::vocab::PortalId;

    use super::*;
    use crate::apply::BudgetKey;

    fn places<K: Hash>(keys: impl Iterator<Item = K>) -> usize {
        let hasher = BuildHasherDefault::<KeyedHasher>::default();
        // The bits by which a map of 4,096 places chooses one, and the seven by which it tells neighbours apart.
        let of = |key: K| {
            let hash = hasher.hash_one(key);
            (hash & 0xfff, hash >> 57)
        };
        keys.map(of).collect::<HashSet<_>>().len()
    }

    /// Keys of one kind differ in few bytes: budgets of numbered portals, row keys in tests.
    #[test]
    fn keys_that_differ_little_lie_apart() {
        let row_keys = (0..4096_u64).map(|number| {
            let mut key = [0_u8; 32];
            key[24..].copy_from_slice(&number.to_be_bytes());
            key
        });
        assert!(places(row_keys) > 4_050);
        let portals = (0..512).map(PortalId);
        let budgets =
            portals.flat_map(|portal| BudgetKey::all(1_800_000_000_000, [portal.0.to_le_bytes()[0]; 16], portal));
        let distinct: HashSet<BudgetKey> = budgets.collect();
        assert!(places(distinct.iter()) > distinct.len() - 8, "{} of {}", places(distinct.iter()), distinct.len());
    }
}
