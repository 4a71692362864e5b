//! Where randomness comes from: one seed per test, which a failure prints.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Environment variable that repeats a run.
pub const VARIABLE: &str = "XACMINH_CHAOS_SEED";

/// The seed of this run: given, or drawn.
#[must_use]
pub fn of_run() -> u64 {
    std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| u64::from(rand::random::<u32>()))
}

/// The line that runs a test again with its seed.
#[must_use]
pub fn again(test: &str, seed: u64) -> String {
    format!("to repeat: {VARIABLE}={seed} cargo test -p xacminh-chaos --test chaos -- --exact {test}")
}

/// A generator of its own for each part of a test, so that one part's draws do not move another's.
#[must_use]
pub fn generator(seed: u64, part: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn parts_draw_apart_and_repeat() {
        let draw = |seed, part| generator(seed, part).random::<u64>();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
        assert!(again("drain::all", 7).contains("XACMINH_CHAOS_SEED=7"));
    }
}
