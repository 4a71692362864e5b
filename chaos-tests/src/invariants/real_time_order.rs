//! I5, positions respect real time: an answer that was there before a question was asked has the smaller position.
//!
//! Every disclosure owns a unique position, so that this is linearizability, checked by one sweep instead of a search.
//! Source: promise P2; the cheap checker of the fault programme.

use std::collections::HashMap;

use tokio::time::Instant;
use xacminh_proto::vocab::RequestId;

use super::Violation;
use crate::history::History;

const NAME: &str = "I5 real-time order";

/// A request as its caller knows it.
struct Span {
    id: RequestId,
    position: u64,
    asked: Instant,
    answered: Instant,
}

/// Checks a history.
///
/// # Errors
/// [`Violation`].
pub fn check(history: &History) -> Result<(), Violation> {
    let spans = spans(history);
    let mut by_asked: Vec<&Span> = spans.values().collect();
    by_asked.sort_unstable_by_key(|span| span.asked);
    let mut by_answered: Vec<&Span> = spans.values().collect();
    by_answered.sort_unstable_by_key(|span| span.answered);
    let mut done = by_answered.into_iter().peekable();
    let mut highest: Option<&Span> = None;
    for span in by_asked {
        while let Some(before) = done.next_if(|before| before.answered < span.asked) {
            if highest.is_none_or(|highest| before.position > highest.position) {
                highest = Some(before);
            }
        }
        if let Some(before) = highest.filter(|before| before.position >= span.position) {
            return Violation::of(
                NAME,
                format!(
                    "request {} got position {} although request {} had {} before it was asked",
                    span.id, span.position, before.id, before.position
                ),
            );
        }
    }
    Ok(())
}

/// A request that was repeated begins when it was first asked and ends when it was first answered.
fn spans(history: &History) -> HashMap<RequestId, Span> {
    let mut spans: HashMap<RequestId, Span> = HashMap::new();
    for delivery in &history.deliveries {
        let answer = &delivery.answer;
        let asked = history.first_asked.get(&answer.request_id).copied().unwrap_or(delivery.asked);
        spans
            .entry(answer.request_id)
            .and_modify(|span| span.answered = span.answered.min(delivery.answered))
            .or_insert(Span { id: answer.request_id, position: answer.position, asked, answered: delivery.answered });
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::history;
    use super::*;

    #[test]
    fn it_barks() {
        assert_eq!(check(&history(&[(1, 0, 0, 10), (2, 1, 20, 30), (3, 2, 25, 40)])), Ok(()));
        // Concurrent questions may swap.
        assert_eq!(check(&history(&[(1, 1, 0, 10), (2, 0, 5, 30)])), Ok(()));
        // The same position for a repeated id is not two questions.
        assert_eq!(check(&history(&[(1, 0, 0, 10), (2, 1, 20, 30), (1, 0, 40, 50)])), Ok(()));
        assert!(check(&history(&[(1, 1, 0, 10), (2, 0, 20, 30)])).is_err());
        // Found across a third one in between, too.
        assert!(check(&history(&[(1, 5, 0, 10), (2, 3, 5, 60), (3, 4, 20, 30)])).is_err());
    }
}
