//! Budgets of misses: how often somebody may be told that the three keys name nobody.
//!
//! ```text
//! official ── hour, day      a clerk mistypes some of the people of a day
//! portal ──── hour, day      a portal says who its officials are: whoever holds its key is all of them
//! cluster ─── hour, day      whatever portals there are
//! ```
//!
//! A window is of the log's own time, an hour or a day of Vietnam, so that every replica counts the same and neither a
//! change of leader nor a restart brings anything back. A spent budget stops hits too: what would have been a hit must
//! not show (decision 4).

use xacminh_proto::vocab::PortalId;

use crate::command::Miss;

/// What a miss costs, in points.
pub const MISS_POINTS: u32 = 5;

/// What an answer costs that cannot tell whether the keys were right, because the authority is away: memory answers
/// hits then, so that whoever may ask for nothing may guess for nothing. It is a fraction of a miss because clerks meet
/// it without having mistyped, and a refusal allows nobody to ask for paper.
pub const BLIND_POINTS: u32 = 1;

const HOUR_MS: u64 = 3_600_000;

/// Hours by which Vietnam's day begins before that of UTC.
const VIETNAM_AHEAD_H: u64 = 7;

/// A budget: whose, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Budget {
    /// One official's, of an hour.
    OfficialHour,
    /// One official's, of a day.
    OfficialDay,
    /// A portal's, of an hour.
    PortalHour,
    /// A portal's, of a day.
    PortalDay,
    /// Everybody's, of an hour.
    ClusterHour,
    /// Everybody's, of a day.
    ClusterDay,
}

/// Points counted against a budget within one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetKey {
    /// The hour since 1970 with which the window is over, so that windows of both lengths are forgotten together.
    pub until_hour: u32,
    /// Which budget.
    pub budget: Budget,
    /// Whose: the official's pseudonym, or the portal's number and zeros, or zeros.
    pub whose: [u8; 16],
}

impl Budget {
    /// Every budget, the narrowest first: the first that is spent is named.
    pub const ALL: [Self; 6] =
        [Self::OfficialHour, Self::OfficialDay, Self::PortalHour, Self::PortalDay, Self::ClusterHour, Self::ClusterDay];

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    const fn is_of_day(self) -> bool {
        matches!(self, Self::OfficialDay | Self::PortalDay | Self::ClusterDay)
    }
}

impl BudgetKey {
    /// The window of a budget that a moment lies in.
    #[must_use]
    pub fn new(budget: Budget, at_ms: u64, official: [u8; 16], portal: PortalId) -> Self {
        let whose = match budget {
            Budget::OfficialHour | Budget::OfficialDay => official,
            Budget::PortalHour | Budget::PortalDay => {
                let mut whose = [0; 16];
                whose[..4].copy_from_slice(&portal.0.to_be_bytes());
                whose
            }
            Budget::ClusterHour | Budget::ClusterDay => [0; 16],
        };
        let hour = at_ms / HOUR_MS;
        let until =
            if budget.is_of_day() { ((hour + VIETNAM_AHEAD_H) / 24 + 1) * 24 - VIETNAM_AHEAD_H } else { hour + 1 };
        Self { until_hour: u32::try_from(until).unwrap_or(u32::MAX), budget, whose }
    }

    /// The first key of windows that are not over at a moment; all before it are past.
    #[must_use]
    pub fn first_open(at_ms: u64) -> Self {
        Self::new(Budget::OfficialHour, at_ms, [0; 16], PortalId(0))
    }

    /// The six windows that a question of a moment counts in.
    pub fn all(at_ms: u64, official: [u8; 16], portal: PortalId) -> impl Iterator<Item = Self> {
        Budget::ALL.into_iter().map(move |budget| Self::new(budget, at_ms, official, portal))
    }
}

/// The first budget that is spent at a moment, given the points counted in each window.
pub fn spent(miss: &Miss, portal: PortalId, at_ms: u64, counted: impl Fn(&BudgetKey) -> u32) -> Option<Budget> {
    let is_spent = |key: &BudgetKey| {
        let points_max = u64::from(miss.limits.of(key.budget)) * u64::from(MISS_POINTS);
        u64::from(counted(key)) >= points_max
    };
    BudgetKey::all(at_ms, miss.official, portal).find(is_spent).map(|key| key.budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 21 November 2026, 23:59:59.999 in Vietnam.
    const LAST_OF_DAY_MS: u64 = 1_795_280_399_999;

    #[test]
    fn windows_are_hours_and_days_of_vietnam() {
        let until = |budget, at_ms| u64::from(BudgetKey::new(budget, at_ms, [1; 16], PortalId(2)).until_hour) * HOUR_MS;
        for budget in Budget::ALL {
            assert_eq!(until(budget, LAST_OF_DAY_MS), LAST_OF_DAY_MS + 1, "{budget:?}");
            let length = if budget.is_of_day() { 24 * HOUR_MS } else { HOUR_MS };
            assert_eq!(until(budget, LAST_OF_DAY_MS + 1), LAST_OF_DAY_MS + 1 + length, "{budget:?}");
        }
    }

    #[test]
    fn what_is_over_lies_before_what_is_open() {
        let first = BudgetKey::first_open(LAST_OF_DAY_MS + 1);
        for budget in Budget::ALL {
            assert!(BudgetKey::new(budget, LAST_OF_DAY_MS, [0xff; 16], PortalId(u32::MAX)) < first, "{budget:?}");
            assert!(BudgetKey::new(budget, LAST_OF_DAY_MS + 1, [0; 16], PortalId(0)) >= first, "{budget:?}");
        }
    }

    #[test]
    fn budgets_of_one_window_have_a_row_each() {
        let keys: std::collections::BTreeSet<BudgetKey> =
            BudgetKey::all(LAST_OF_DAY_MS, [0; 16], PortalId(0)).collect();
        assert_eq!(keys.len(), Budget::ALL.len());
        assert!(Budget::ALL.iter().enumerate().all(|(at, budget)| budget.index() == at));
    }
}
