//! Who is in: every live connection of a port, so that a caller whose certificate no longer counts can be put out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use xacminh_proto::{close::CloseCode, identity::Identity};

use super::conn::Conn;
use crate::tls::Loaded;

/// Which side called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The other side called us.
    Caller,
    /// We called the other side.
    Callee,
}

/// The live connections of a port.
#[derive(Debug)]
pub struct Registry {
    connections_max: usize,
    connections_per_caller_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    seats: HashMap<u64, Taken>,
    by_identity: HashMap<Identity, usize>,
}

#[derive(Debug)]
struct Taken {
    identity: Identity,
    side: Side,
    conn: Conn,
}

/// A place in the registry, given up when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    number: u64,
    registry: Arc<Registry>,
}

impl Registry {
    pub(super) fn new(connections_max: usize, connections_per_caller_max: usize) -> Arc<Self> {
        Arc::new(Self { connections_max, connections_per_caller_max, inner: Mutex::default() })
    }

    /// Enters a connection; refuses when all seats, or this caller's, are taken.
    pub(super) fn enter(self: &Arc<Self>, identity: &Identity, side: Side, conn: &Conn) -> Result<Seat, CloseCode> {
        let mut inner = self.lock();
        let taken = inner.by_identity.get(identity).copied().unwrap_or(0);
        if inner.seats.len() >= self.connections_max || taken >= self.connections_per_caller_max {
            return Err(CloseCode::TooManyConnections);
        }
        let number = inner.next;
        inner.next += 1;
        inner.by_identity.insert(identity.clone(), taken + 1);
        inner.seats.insert(number, Taken { identity: identity.clone(), side, conn: conn.clone() });
        Ok(Seat { number, registry: Arc::clone(self) })
    }

    /// How many connections live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().seats.len()
    }

    /// Whether nobody is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks at every certificate again and closes the connections whose certificate no longer counts.
    ///
    /// Returns how many were closed.
    pub fn recheck(&self, tls: &Loaded, now: Duration) -> usize {
        // Verification takes a tenth of a millisecond each: outside the lock.
        let seats: Vec<(Side, Conn)> =
            self.lock().seats.values().map(|taken| (taken.side, taken.conn.clone())).collect();
        let mut closed = 0;
        for (side, conn) in seats {
            // Closed already, and its holder has not yet let go.
            if conn.gone().is_some() {
                continue;
            }
            let chain = conn.chain();
            let trusted = match side {
                Side::Caller => tls.trusts_caller(&chain, now),
                Side::Callee => tls.trusts_callee(&chain, now),
            };
            if !trusted {
                conn.close(CloseCode::Revoked);
                closed += 1;
            }
        }
        closed
    }

    /// Closes every connection of `identity`; returns how many there were.
    pub fn cut(&self, identity: &Identity, code: CloseCode) -> usize {
        let conns: Vec<Conn> = {
            let inner = self.lock();
            inner.seats.values().filter(|taken| taken.identity == *identity).map(|taken| taken.conn.clone()).collect()
        };
        for conn in &conns {
            conn.close(code);
        }
        conns.len()
    }

    /// The maps are consistent after every statement, so a panic elsewhere does not make them wrong.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.registry.lock();
        let Some(taken) = inner.seats.remove(&self.number) else {
            return;
        };
        if let Some(count) = inner.by_identity.get_mut(&taken.identity) {
            *count -= 1;
            if *count == 0 {
                inner.by_identity.remove(&taken.identity);
            }
        }
    }
}
