//! A number that was cancelled and issued anew: the authority is asked about the one in force too.

use tokio::time::Instant;
use xacminh_core::{
    decide, lineage,
    question::Question,
    record::{Known, PEOPLE_MAX},
    register::Permit,
};

use super::Desk;
use crate::upstream::Moment;

impl Desk {
    /// Adds to what the authority said of the number asked about the records of the numbers issued in its place.
    ///
    /// All of it is remembered under the number asked about, as of the first answer: it is read again as one. Where the
    /// authority does not go on, the answer will be that the number was re-issued, which is true.
    pub(super) async fn follow(
        &self,
        question: &Question,
        permit: &Permit,
        known: &mut Known,
        now: Moment,
        deadline: Instant,
    ) {
        for _ in 0..lineage::HOPS_MAX {
            // What is remembered has a bound, and one way is the rule.
            if known.people.len() >= PEOPLE_MAX {
                return;
            }
            let Some(next) = decide::successor(question, permit, known) else { return };
            let keys = lineage::keys_of(next, &question.person);
            let erased = self.state.newest_erasure_of(&self.keyring.row_key(keys.number));
            let said = match self.upstream.ask(&keys, Moment { erased, ..now }, deadline).await {
                Ok(said) => said,
                Err(error) => {
                    tracing::debug!(%error, "the authority did not answer about the number issued anew");
                    return;
                }
            };
            // An authority that answers about somebody else is not believed.
            let Some(record) = said.people.into_iter().find(|record| record.number == next) else { return };
            known.people.push(record);
        }
    }
}
