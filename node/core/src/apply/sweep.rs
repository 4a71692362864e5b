//! Pages of a sweep: what the authority told of everybody, remembered before anybody asks.
//!
//! A sweep reads the whole population in the order of citizen numbers, a page after a page. Pages chain: each names its
//! sweep and how many pages came before it, so that a page that comes twice, or after another leader's, changes nothing
//! and the next leader goes on where the log ends.

use super::{Applied, Changes, Growth, Loaded, map::KeyedSet};
use crate::command::{RecordRead, SweepPage};

/// How far sweeps have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sweep {
    /// When the newest one began, Unix milliseconds; its name. 0 before the first.
    pub begun_ms: u64,
    /// Pages of it.
    pub pages: u64,
    /// Whether its last page is among them.
    pub ended: bool,
}

impl Sweep {
    /// Whether this page comes next: of the sweep under way, or the first of a later one.
    fn takes(&self, page: &SweepPage) -> bool {
        let goes_on = page.begun_ms == self.begun_ms && page.page == self.pages && !self.ended;
        goes_on || (page.begun_ms > self.begun_ms && page.page == 0)
    }
}

/// A record that changed since the page was read stays: whoever changed it asked the authority at about the same time.
///
/// A page that was read before somebody was erased is not taken, since that somebody may be in it: it is read again. Nor is
/// one that says it was read at or after its own entry: nobody honest has.
pub(super) fn apply_page(index: u64, page: &SweepPage, mut loaded: Loaded) -> Applied {
    let mut meta = loaded.meta;
    let mut changes = Changes { growth: Growth::of(std::mem::take(&mut loaded.frontier)), ..Changes::default() };
    if meta.sweep.takes(page) && (meta.erased..index).contains(&page.as_of) {
        meta.sweep = Sweep { begun_ms: page.begun_ms, pages: page.page + 1, ended: page.last };
        changes.cursor = Some(page.cursor.clone());
        let mut written = KeyedSet::default();
        for record in &page.records {
            let read = RecordRead { key: record.key, as_of: page.as_of };
            // A second one of the same person would carry the same version.
            if !loaded.has_changed(index, &read) && written.insert(record.key) {
                changes.records.push((record.key, index, record.sealed.clone()));
            }
        }
    }
    changes.meta = meta;
    Applied { changes, outcomes: Vec::new() }
}
