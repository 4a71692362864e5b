//! A checkpoint to a witness, until it cosigns or says no.

use std::fmt;

use xacminh_proto::transparency::{
    Hash,
    witness::{ANSWER_BYTES_MAX, Answered, Cosigned, Submission, SubmissionError, url},
};

use crate::http::{Http, HttpError};

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError<E> {
    /// The consistency proof could not be made.
    #[error("making the consistency proof")]
    Proof(#[source] E),
    /// The witness cannot be reached: try again later.
    #[error("the witness")]
    Http(#[from] HttpError),
    /// The witness says no, or something that makes no sense.
    #[error(transparent)]
    Submission(#[from] SubmissionError),
}

/// Submits a checkpoint to the witness at `prefix`. `prove` makes the consistency proof between two sizes, and is asked
/// again when the witness turns out to be elsewhere; how often is bounded by [`Submission`].
///
/// # Errors
/// [`SubmitError`]. After any of them the witness may have cosigned all the same: submitting again is always right.
pub async fn submit<P, F, E>(
    http: &Http,
    prefix: &str,
    mut submission: Submission,
    mut prove: P,
) -> Result<Cosigned, SubmitError<E>>
where
    P: FnMut(u64, u64) -> F,
    F: Future<Output = Result<Vec<Hash>, E>>,
    E: fmt::Debug,
{
    let url = url(prefix);
    loop {
        let (old, new) = submission.sizes();
        let proof = prove(old, new).await.map_err(SubmitError::Proof)?;
        let request = submission.request(proof)?;
        let answer = http.post(&url, request.to_string().into_bytes(), ANSWER_BYTES_MAX).await?;
        match submission.answered(answer.status, &answer.body)? {
            Answered::Cosigned(cosigned) => return Ok(cosigned),
            Answered::Again(again) => submission = again,
        }
    }
}
