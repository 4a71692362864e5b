//! How many questions each portal has in work here.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use xacminh_proto::vocab::PortalId;

/// Counts questions by portal, so that one portal's flood is turned away at its own bound and not at everybody's.
#[derive(Debug, Default)]
pub struct Crowd {
    in_work: Mutex<HashMap<PortalId, u32>>,
}

/// A question's place, given up when dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    crowd: &'a Crowd,
    portal: PortalId,
}

impl Crowd {
    /// A place for one more question of a portal; none if it has `most` in work already.
    pub(super) fn enter(&self, portal: PortalId, most: u32) -> Option<Place<'_>> {
        let mut in_work = self.lock();
        let count = in_work.entry(portal).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { crowd: self, portal })
    }

    /// A panic elsewhere cannot leave a count half changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<PortalId, u32>> {
        self.in_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut in_work = self.crowd.lock();
        if let Some(count) = in_work.get_mut(&self.portal) {
            *count -= 1;
            if *count == 0 {
                in_work.remove(&self.portal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_has_its_own_bound_and_places_come_back() {
        let crowd = Crowd::default();
        let (one, two) = (PortalId(1), PortalId(2));
        let first = crowd.enter(one, 2).expect("room");
        let _second = crowd.enter(one, 2).expect("room");
        assert!(crowd.enter(one, 2).is_none());
        let other = crowd.enter(two, 1).expect("another portal's crowd is not ours");
        drop(first);
        assert!(crowd.enter(one, 2).is_some());
        drop(other);
        assert_eq!(crowd.lock().len(), 1, "who has nothing in work is not counted");
    }
}
