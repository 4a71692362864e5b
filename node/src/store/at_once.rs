//! A log of one node that commits what it is given at once, for tests of what lies around it.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use openraft::{EntryPayload, LogId, entry::RaftEntry, storage::RaftStateMachine, vote::leader_id_adv::LeaderId};
use tokio::sync::Mutex;
use xacminh_core::command::Command;

use super::{StateMachine, encoding::Entry};
use crate::raft::{
    CommandBytes,
    propose::{Log, Written},
};

/// The log; clones share it.
#[derive(Clone)]
pub(crate) struct AtOnce {
    /// The machine, and the index of the last entry.
    machine: Arc<Mutex<(StateMachine, u64)>>,
}

impl AtOnce {
    pub(crate) fn new(machine: StateMachine) -> Self {
        Self { machine: Arc::new(Mutex::new((machine, 0))) }
    }

    pub(crate) async fn apply(&self, command: &Command) {
        self.apply_bytes(CommandBytes(Bytes::from(command.encode().expect("it fits")))).await;
    }

    async fn apply_bytes(&self, command: CommandBytes) {
        let mut machine = self.machine.lock().await;
        machine.1 += 1;
        let log_id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index: machine.1 };
        let entry = Entry::new(log_id, EntryPayload::Normal(command));
        machine.0.apply(stream::iter([Ok((entry, None))])).await.expect("applied");
    }
}

impl Log for AtOnce {
    async fn write(&self, command: CommandBytes) -> Option<Written> {
        self.apply_bytes(command).await;
        Some(Written { settled: Box::pin(async {}), applied: Box::pin(async {}) })
    }
}
