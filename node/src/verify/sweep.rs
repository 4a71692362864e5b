//! Sweeps: everybody's record is sealed and remembered before anybody asks.

use std::time::Duration;

use xacminh_core::{
    apply::CLOCK_SKEW_MS_MAX,
    command::{SweepPage, SweptRecord},
    record::{Known, Record},
};
use xacminh_proto::vocab::{CitizenNumber, ErrorNumber, PersonNumber};

use super::{Desk, internal};
use crate::{keyring::Purpose, upstream::Page};

/// What a sealed cursor belongs to.
const CURSOR: &[u8] = b"sweep cursor";

/// Where a sweep goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SweepPosition {
    /// When it began, Unix milliseconds; its name.
    pub begun_ms: u64,
    /// Pages there are.
    pub page: u64,
    /// The number that the last of them ends with; none before the first.
    pub after: Option<CitizenNumber>,
}

/// When the authority was asked for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepMoment {
    /// Unix milliseconds.
    pub read_at_ms: u64,
    /// The last entry applied here: what later ones remember is not older than the page.
    pub applied: u64,
}

impl Desk {
    /// Where a sweep is to go on or to begin now; none if the last one began less than `every_ms` ago and has ended.
    ///
    /// When the last one began is what its leader's clock said. If that is still to come, the clock was ahead, and real time
    /// may take years to get there: then what counts is `begun_here`, how long ago this process last began one, if it did.
    ///
    /// # Errors
    /// [`ErrorNumber::Internal`].
    pub fn sweep_due(&self, every_ms: u64, begun_here: Option<Duration>) -> Result<Option<SweepPosition>, ErrorNumber> {
        let sweep = self.state.meta().sweep;
        let now_ms = self.clock.now_ms();
        // A later sweep needs a later name, also after a clock that was ahead.
        let begins = SweepPosition { begun_ms: now_ms.max(sweep.begun_ms + 1), page: 0, after: None };
        if sweep.begun_ms == 0 {
            return Ok(Some(begins));
        }
        if sweep.ended {
            let is_due = if sweep.begun_ms > now_ms.saturating_add(CLOCK_SKEW_MS_MAX) {
                begun_here.is_none_or(|ago| ago >= Duration::from_millis(every_ms))
            } else {
                now_ms >= sweep.begun_ms.saturating_add(every_ms)
            };
            return Ok(is_due.then_some(begins));
        }
        let sealed = self.state.sweep_cursor().map_err(internal)?.unwrap_or_default();
        let Some(after) = self.keyring.open(Purpose::Local, CURSOR, &sealed).ok().and_then(|digits| {
            let digits = std::str::from_utf8(&digits).ok()?;
            CitizenNumber::parse(digits).ok()
        }) else {
            tracing::warn!("where the sweep was is not known any more: it begins anew");
            return Ok(Some(begins));
        };
        Ok(Some(SweepPosition { begun_ms: sweep.begun_ms, page: sweep.pages, after: Some(after) }))
    }

    /// Whether a page has become part of its sweep, once it was applied here: one that comes after another leader's does not,
    /// nor one that was read before somebody was erased.
    pub fn sweep_took(&self, at: SweepPosition) -> bool {
        let sweep = self.state.meta().sweep;
        sweep.begun_ms == at.begun_ms && sweep.pages > at.page
    }

    /// The moment before the authority is asked for a page.
    pub fn sweep_moment(&self) -> SweepMoment {
        SweepMoment { read_at_ms: self.clock.now_ms(), applied: self.applied() }
    }

    /// Seals a page, to be proposed as the next one. Takes a millisecond or more.
    ///
    /// # Errors
    /// [`ErrorNumber::Internal`].
    pub fn sweep_page(&self, at: SweepPosition, page: &Page, moment: SweepMoment) -> Result<SweepPage, ErrorNumber> {
        let seal = |record: &Record| {
            let key = self.keyring.row_key(PersonNumber::Citizen(record.number));
            let known = Known { people: vec![record.clone()], read_at_ms: moment.read_at_ms };
            Ok(SweptRecord { key, sealed: self.sealed(&key, &known)? })
        };
        let records = page.people.iter().map(seal).collect::<Result<Vec<_>, _>>()?;
        // Nobody goes on after the last page: nobody's number stays there.
        let reached = page.last.map(|number| number.digits());
        let cursor = self
            .keyring
            .seal(Purpose::Local, CURSOR, reached.as_ref().map_or(&[], |digits| digits.as_slice()))
            .map_err(internal)?;
        let SweepPosition { begun_ms, page: number, .. } = at;
        let (last, as_of) = (page.last.is_none(), moment.applied);
        Ok(SweepPage { begun_ms, page: number, last, cursor, as_of, records })
    }
}
