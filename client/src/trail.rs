//! A person's trail, page by page, and a person's erasure.

use std::time::Duration;

use tokio::time::Instant;
use xacminh_proto::{
    transparency::trail::{TRAIL_BYTES_MAX, TRAIL_ENTRIES_MAX},
    vocab::ErrorNumber,
    wire::{ErasureOrder, Reply, Request, TrailGloss, TrailPage},
};

use crate::{Client, ClientError, client::Way, judge::kind_of};

/// A trail as nodes told it: nothing of it is believed before it was verified.
#[derive(Clone, PartialEq, Eq)]
pub struct FetchedTrail {
    /// The text of a [`TrailProof`](xacminh_proto::transparency::trail::TrailProof); empty if nobody asked about the
    /// person, or not since an erasure.
    pub text: String,
    /// Accesses in it.
    pub count: u64,
    /// What the register says about each of them; none for those withheld.
    pub glosses: Vec<Option<TrailGloss>>,
}

impl Client {
    /// The whole trail of a person's number (role auditor or citizen-service). Each page leaves a leaf of its own.
    ///
    /// # Errors
    /// [`ClientError`]; [`ErrorNumber::Erased`] also if the person is erased while the trail is read.
    pub async fn trail(&self, number: &str, deadline: Duration) -> Result<FetchedTrail, ClientError> {
        let until = Instant::now() + deadline;
        let changed = |detail: &str| ClientError::Rejected { number: ErrorNumber::Erased, detail: detail.to_owned() };
        let mut page = TrailPage { number: number.to_owned(), at: 0, from: 0 };
        let mut fetched = FetchedTrail { text: String::new(), count: 0, glosses: Vec::new() };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let part = match self.exchange(Way::Stream, Request::Trail(Box::new(page.clone())), left).await? {
                Reply::Trail(part) => part,
                other => unreachable!("judge lets no other reply to a trail request pass: {}", kind_of(&other)),
            };
            if page.from == 0 {
                (page.at, fetched.count) = (part.at, part.count);
                fetched.text = part.head;
            }
            if part.count != fetched.count {
                return Err(changed("the trail is another one than when its first page was read"));
            }
            for access in part.accesses {
                fetched.text.push_str(&access.line);
                fetched.glosses.push(access.gloss);
            }
            page.from = u64::try_from(fetched.glosses.len()).unwrap_or(u64::MAX);
            if page.from >= fetched.count {
                return Ok(fetched);
            }
            if fetched.glosses.len() > TRAIL_ENTRIES_MAX || fetched.text.len() > TRAIL_BYTES_MAX {
                return Err(changed("the trail is longer than any"));
            }
        }
    }

    /// Erases a person (role operator); gives the position of the leaf that says so.
    ///
    /// # Errors
    /// [`ClientError`]; after [`ClientError::Unknown`] send the order again: [`ErrorNumber::Erased`] then says that nothing
    /// is kept any more.
    pub async fn erase(&self, order: ErasureOrder, deadline: Duration) -> Result<u64, ClientError> {
        match self.exchange(Way::Stream, Request::Erase(Box::new(order)), deadline).await? {
            Reply::Erased { position } => Ok(position),
            other => unreachable!("judge lets no other reply to an erasure pass: {}", kind_of(&other)),
        }
    }
}

impl std::fmt::Debug for FetchedTrail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FetchedTrail({} accesses)", self.count)
    }
}
