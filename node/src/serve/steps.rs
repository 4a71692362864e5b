//! When an answer leaves that confirms nothing: at the end of a step of time since the question came, whatever it took.
//!
//! An unknown person, a wrong name and a wrong date are one branch of the rules, but not one path through memory: what is
//! remembered is opened, what the authority tells of somebody is sealed, and that takes some microseconds longer than
//! nobody does. Told in steps of milliseconds, they are gone (promise P8); what is confirmed needs no such cover, for
//! whoever is confirmed held all three keys.

use std::time::Duration;

use tokio::time::Instant;
use xacminh_proto::vocab::{ErrorNumber, Outcome};

use crate::verify::Answered;

/// The deadline of a question that came at `began`: the end of a step, so that running out of time tells no more about
/// the time that was needed than an answer does.
pub(super) fn deadline(began: Instant, wished: Duration, step: Duration) -> Instant {
    let beyond = u32::try_from(wished.as_millis() % step.as_millis().max(1)).unwrap_or(0);
    let whole = wished - Duration::from_millis(u64::from(beyond));
    began + if whole.is_zero() { wished } else { whole }
}

/// When an answer leaves that is there now.
pub(super) fn leaves(began: Instant, now: Instant, deadline: Instant, step: Duration) -> Instant {
    let (taken, step) = (now.saturating_duration_since(began).as_nanos(), step.as_nanos().max(1));
    let whole = u64::try_from(taken.div_ceil(step) * step).unwrap_or(u64::MAX);
    (began + Duration::from_nanos(whole)).min(deadline.max(now))
}

/// Whether an answer is told at the end of a step. Errors after which the same question comes again are no answers: they
/// tell of the node and not of a person.
pub(super) fn is_evened(answered: &Result<Answered, ErrorNumber>) -> bool {
    match answered {
        Ok(answered) => !matches!(answered.outcome, Outcome::Confirmed { .. }),
        Err(number) => !number.is_retryable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const STEP: Duration = Duration::from_millis(50);

    #[test]
    fn answers_leave_at_the_ends_of_steps_and_never_after_the_deadline() {
        let began = Instant::now();
        let until = deadline(began, 5_000 * MS, STEP);
        for (taken_ms, leaves_ms) in [(0, 0), (1, 50), (49, 50), (50, 50), (51, 100), (4_951, 5_000), (5_001, 5_001)] {
            let leaves = leaves(began, began + taken_ms * MS, until, STEP);
            assert_eq!(leaves, began + leaves_ms * MS, "{taken_ms}");
        }
    }

    #[test]
    fn deadlines_are_ends_of_steps() {
        let began = Instant::now();
        for (wished_ms, until_ms) in [(5_000, 5_000), (5_049, 5_000), (99, 50), (50, 50), (30, 30)] {
            assert_eq!(deadline(began, wished_ms * MS, STEP), began + until_ms * MS, "{wished_ms}");
        }
    }

    #[test]
    fn only_what_is_confirmed_or_comes_again_leaves_at_once() {
        let told = |outcome| Ok(Answered { outcome, position: 1, at_ms: 1, receipt: None });
        let confirmed = Outcome::Confirmed { verdicts: Vec::new(), attributes: Vec::new(), as_of_ms: 1, reissued: false };
        assert!(!is_evened(&told(confirmed)));
        assert!(is_evened(&told(Outcome::NotConfirmed)));
        assert!(is_evened(&told(Outcome::Refused(ErrorNumber::MissBudgetSpent))));
        assert!(is_evened(&Err(ErrorNumber::RequestIdReused)));
        assert!(!is_evened(&Err(ErrorNumber::Overloaded)));
    }
}
