//! Whether two samples come from one distribution, without supposing which.

use std::cmp::Ordering;

/// What two tests say about two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// Chance of ranks so far apart if both come from one distribution (Mann–Whitney, two-sided, normal approximation
    /// with ties).
    pub p_ranks: f64,
    /// Chance of distribution functions so far apart (Kolmogorov–Smirnov, asymptotic).
    pub p_shapes: f64,
    /// Chance that one drawn from the first is less than one drawn from the second, ties counted half: ½ if none is
    /// the slower.
    pub less: f64,
}

/// Compares two samples of at least a few dozen values each; none of them is NaN.
#[must_use]
pub fn compare(first: &[f64], second: &[f64]) -> Compared {
    let mut all: Vec<(f64, bool)> = first.iter().map(|value| (*value, true)).collect();
    all.extend(second.iter().map(|value| (*value, false)));
    all.sort_by(|left, right| left.0.partial_cmp(&right.0).unwrap_or(Ordering::Equal));
    let (m, n) = (count(first.len()), count(second.len()));
    let (mut rank_sum, mut ties, mut gap_max) = (0.0, 0.0, 0.0_f64);
    let (mut below_first, mut below_second) = (0.0, 0.0);
    let mut at = 0.0;
    for tied in all.chunk_by(|left, right| left.0 == right.0) {
        let length = count(tied.len());
        let of_first = count(tied.iter().filter(|(_, is_first)| *is_first).count());
        // Values that tie share the middle of their ranks.
        rank_sum += of_first * (at + (length + 1.0) / 2.0);
        ties += length.powi(3) - length;
        at += length;
        below_first += of_first;
        below_second += length - of_first;
        gap_max = gap_max.max((below_first / m - below_second / n).abs());
    }
    let total = m + n;
    let u = rank_sum - m * (m + 1.0) / 2.0;
    let variance = m * n / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    let z = if variance > 0.0 { (u - m * n / 2.0).abs() / variance.sqrt() } else { 0.0 };
    let scale = (m * n / total).sqrt();
    Compared {
        p_ranks: erfc(z / std::f64::consts::SQRT_2),
        p_shapes: kolmogorov((scale + 0.12 + 0.11 / scale) * gap_max),
        less: 1.0 - u / (m * n),
    }
}

#[expect(clippy::cast_precision_loss, reason = "samples have far fewer than 2^52 values")]
fn count(length: usize) -> f64 {
    length as f64
}

/// Complementary error function, to 1.2·10⁻⁷ (Numerical Recipes §6.2).
fn erfc(x: f64) -> f64 {
    const TERMS: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let t = 1.0 / (1.0 + 0.5 * x.abs());
    let sum = TERMS.iter().rev().fold(0.0, |sum, term| sum * t + term);
    let tail = t * (sum - x * x).exp();
    if x >= 0.0 { tail } else { 2.0 - tail }
}

/// Chance of a Kolmogorov statistic beyond `x` (Numerical Recipes §14.3).
fn kolmogorov(x: f64) -> f64 {
    if x < 0.3 {
        return 1.0;
    }
    let term = |k: i32| 2.0 * (-2.0 * f64::from(k * k) * x * x).exp();
    let sum: f64 = (1..=100).map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum();
    sum.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::SmallRng};

    /// Skewed, as times are: many short ones and a long tail.
    fn sample(seed: u64, shift: f64) -> Vec<f64> {
        let mut chance = SmallRng::seed_from_u64(seed);
        (0..3_000).map(|_| 4.0 - (1.0 - chance.random::<f64>()).ln() + shift).collect()
    }

    #[test]
    fn one_distribution_is_told_apart_as_often_as_the_level_says() {
        let apart = (0..400).filter(|seed| {
            let told = compare(&sample(*seed, 0.0), &sample(*seed + 1_000, 0.0));
            told.p_ranks < 0.05 || told.p_shapes < 0.05
        });
        let count = apart.count();
        // Two tests that mostly agree, at 5 % each.
        assert!((5..60).contains(&count), "{count} of 400");
    }

    #[test]
    fn a_shift_of_a_tenth_of_the_spread_is_seen() {
        for seed in 0..20 {
            let told = compare(&sample(seed, 0.0), &sample(seed + 1_000, 0.15));
            assert!(told.p_ranks < 0.01 && told.p_shapes < 0.01, "{told:?}");
            assert!(told.less > 0.5, "{told:?}");
        }
    }

    #[test]
    fn values_of_tables() {
        assert!((erfc(1.959_964 / std::f64::consts::SQRT_2) - 0.05).abs() < 1e-6);
        assert!((erfc(0.0) - 1.0).abs() < 1e-6);
        assert!((kolmogorov(1.358_1) - 0.05).abs() < 1e-4);
        let same = compare(&[1.0; 50], &[1.0; 60]);
        assert_eq!((same.p_ranks > 0.999, same.p_shapes, same.less), (true, 1.0, 0.5));
    }
}
