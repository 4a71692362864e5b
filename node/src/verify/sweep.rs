//! Sweeps: everybody's record is sealed and remembered before anybody asks.

use std::time::Duration;

use xacminh_core::{
    apply::CLOCK_SKEW_MS_MAX,
    command::{RecordChange, SweepPage},
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
    /// The last entry applied here: records of later versions are not older than the page.
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

    /// The moment before the authority is asked for a page.
    pub fn sweep_moment(&self) -> SweepMoment {
        let applied = self.state.applied().map_or(0, |id| id.index);
        SweepMoment { read_at_ms: self.clock.now_ms(), applied }
    }

    /// Seals a page, to be proposed as the next one. Takes a millisecond or more, and reads the disk.
    ///
    /// A record that was remembered since the moment before the page was read is left out: what is in the page may be older.
    ///
    /// # Errors
    /// [`ErrorNumber::Internal`].
    pub fn sweep_page(&self, at: SweepPosition, page: &Page, moment: SweepMoment) -> Result<SweepPage, ErrorNumber> {
        let seal = |record: &Record| {
            let key = self.keyring.row_key(PersonNumber::Citizen(record.number));
            let before = self.state.record(&key).map_err(internal)?.map_or(0, |(version, _)| version);
            if before > moment.applied {
                return Ok(None);
            }
            let known = Known { people: vec![record.clone()], read_at_ms: moment.read_at_ms };
            self.change(key, before, &known).map(Some)
        };
        let sealed = page.people.iter().filter_map(|record| seal(record).transpose());
        let records = sealed.collect::<Result<Vec<RecordChange>, _>>()?;
        // Nobody goes on after the last page: nobody's number stays there.
        let reached = page.last.map(|number| number.digits());
        let cursor = self
            .keyring
            .seal(Purpose::Local, CURSOR, reached.as_ref().map_or(&[], |digits| digits.as_slice()))
            .map_err(internal)?;
        Ok(SweepPage { begun_ms: at.begun_ms, page: at.page, last: page.last.is_none(), cursor, records })
    }
}
