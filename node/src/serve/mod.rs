//! The door: bytes become questions here and nowhere else.
//!
//! ```text
//! Caller (role from its certificate)
//!   ├── stream 0x01: one question, one reply
//!   ├── stream 0x02: a session, questions and replies in any order, matched by tag
//!   └── stream 0x03: a session in the background, whose questions give way to those at a counter
//! ```
//!
//! What a caller sends wrong costs that caller only: every wait here has an end, every size a bound, and no question
//! holds up another (promise P10).

mod audit;
mod background;
mod handle;
mod office;
mod parse;
mod steps;
mod streams;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use xacminh_proto::{close::CloseCode, identity::Role};

pub use handle::Rights;
pub use office::{Desk, MemberView, Office, Trouble, View, Work};

use background::Background;

use crate::{
    quic::{Caller, Door},
    telemetry::{self, Metrics},
};

/// Bounds of the door, from `[client.limits]`.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Questions of one connection in work at once; a session that has more waits.
    pub in_flight_connection_max: usize,
    /// Questions in work at once from everybody; beyond it the answer is `Overloaded`.
    pub in_flight_max: usize,
    /// Questions in work at once that nobody waits for, while somebody at a counter asks.
    pub background_max: usize,
    /// How long a frame may take from its first byte to its last, and a reply to be taken.
    pub frame_time: Duration,
    /// In what steps of time since their question answers leave that confirm nothing.
    pub unconfirmed_step: Duration,
}

/// What every connection shares.
struct Hall {
    office: Arc<dyn Office>,
    bounds: Bounds,
    in_flight: Semaphore,
    background: Background,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
}

/// Serves callers until `stop` turns true, then lets questions in work finish and says goodbye.
///
/// Returns whether everything in work was finished within `drain_max`.
pub async fn run(
    mut door: Door,
    office: Arc<dyn Office>,
    bounds: Bounds,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
    drain_max: Duration,
) -> bool {
    let hall = Arc::new(Hall {
        office,
        in_flight: Semaphore::new(bounds.in_flight_max),
        background: Background::new(bounds.background_max),
        bounds,
        metrics,
        stop: stop.clone(),
    });
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            caller = door.accept() => match caller {
                Some(caller) => { callers.spawn(attend(Arc::clone(&hall), caller)); }
                None => break,
            },
            // Finished callers are collected, so that the set stays as small as the connections are.
            Some(_) = callers.join_next(), if !callers.is_empty() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    let finished =
        tokio::time::timeout(drain_max, async { while callers.join_next().await.is_some() {} }).await.is_ok();
    door.dialer().close(CloseCode::ShuttingDown, Duration::from_secs(1)).await;
    finished
}

/// One connection, from its first stream to its last.
async fn attend(hall: Arc<Hall>, caller: Caller) {
    let _counted = hall.metrics.connected(shown(caller.identity().role()));
    let rights = Arc::new(Rights::of(caller.identity()));
    let room = Arc::new(Semaphore::new(hall.bounds.in_flight_connection_max));
    let mut stop = hall.stop.clone();
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            exchange = caller.conn().accept() => match exchange {
                Ok(exchange) => {
                    streams.spawn(streams::serve(Arc::clone(&hall), Arc::clone(&rights), Arc::clone(&room), exchange));
                }
                // The caller went: its streams are dropped, and with them the questions nobody waits for.
                Err(_) => return,
            },
            Some(_) = streams.join_next(), if !streams.is_empty() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    while streams.join_next().await.is_some() {}
    caller.conn().close(CloseCode::ShuttingDown);
}

fn shown(role: Role) -> telemetry::Role {
    match role {
        Role::Portal => telemetry::Role::Portal,
        Role::OfficialClient => telemetry::Role::Official,
        Role::Operator => telemetry::Role::Operator,
        Role::Auditor => telemetry::Role::Auditor,
        Role::CitizenService => telemetry::Role::CitizenService,
        Role::Peer | Role::Node => telemetry::Role::Peer,
    }
}
