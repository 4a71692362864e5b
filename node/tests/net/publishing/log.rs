//! A log of one node that applies what it is given, its notary, and its shelf.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use futures::stream;
use openraft::{
    EntryPayload, LogId, RaftTypeConfig, entry::RaftEntry, storage::RaftStateMachine, vote::leader_id_adv::LeaderId,
};
use tempfile::TempDir;
use xacminh_core::{
    apply::ItemOutcome,
    command::{Batch, Command, Entry, Item, OwnKey, Person, RequestKey, Ticket, TreeHead},
};
use xacminh_node::{
    env::ManualClock,
    keyring::{Keyring, KeyringFile},
    notary::{Authority, Notary, NotaryError},
    publish::{Cosigned, Shelf},
    raft::{CommandBytes, TypeConfig},
    store::{ApplySink, Options, StateMachine, Store},
};
use xacminh_proto::{
    transparency::{Leaf, LeafKind, LeafVerdict, note::VerifierKey},
    vocab::{PortalId, RequestId},
};

/// In October of 2026.
pub(super) const START_MS: u64 = 1_793_000_000_000;
/// The first millisecond of 2027 in Vietnam.
pub(super) const NEXT_YEAR_MS: u64 = 1_798_736_400_000;

pub(super) struct Log {
    pub(super) folder: TempDir,
    pub(super) clock: ManualClock,
    pub(super) state: xacminh_node::store::State,
    pub(super) notary: Notary,
    pub(super) cosigned: Arc<Cosigned>,
    pub(super) shelf: Shelf,
    machine: StateMachine,
    index: u64,
}

struct Nobody;

impl ApplySink for Nobody {
    fn applied(&self, _: u64, _: u64, _: u64, outcomes: Vec<(Ticket, ItemOutcome)>) {
        assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, ItemOutcome::Appended { .. })), "{outcomes:?}");
    }
}

impl Log {
    pub(super) fn new() -> Self {
        Self::under(&KeyringFile::fresh().unwrap())
    }

    pub(super) fn under(keyring: &KeyringFile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let options = Options { directory: &data, cluster: "dev", node: 1, incarnation: 1, block_cache_bytes: 1 << 20 };
        let store = Store::open(&options, Arc::new(Nobody), Arc::new(|fatal| panic!("{fatal}"))).unwrap();
        let keyring = Arc::new(Keyring::from_file(keyring).unwrap());
        let authority = Authority { domain: "log.example.vn".into(), province: "48".into(), keyring };
        let alarm = Arc::new(|error: &NotaryError| panic!("{error}"));
        let notary = Notary::start(&data.join("notary"), true, authority, store.state.clone(), alarm).unwrap();
        let clock = ManualClock::at_ms(START_MS);
        let cosigned = Arc::new(open_cosigned(&data, &notary));
        let shelf = Shelf::new(store.state.clone(), notary.clone(), Arc::clone(&cosigned), Arc::new(clock.clone()));
        Self { folder, clock, state: store.state, notary, cosigned, shelf, machine: store.machine, index: 0 }
    }

    /// Applies one entry of so many leaves.
    pub(super) async fn grow(&mut self, at_ms: u64, count: u64) {
        self.index += 1;
        let items = (0..count).map(|number| item(self.index << 16 | number, at_ms)).collect();
        let command = Command::Batch(Batch { at_ms, clock_ms: at_ms, tree: TreeHead::default(), items });
        let bytes = CommandBytes(Bytes::from(command.encode().unwrap()));
        let log_id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index: self.index };
        let entry = <TypeConfig as RaftTypeConfig>::Entry::new(log_id, EntryPayload::Normal(bytes));
        self.machine.apply(stream::iter([Ok((entry, None))])).await.unwrap();
    }

    /// A log of 256 + 256 + 88 leaves in 2026, and 3 and the opening one in 2027.
    pub(super) async fn of_two_years() -> Self {
        let mut log = Self::new();
        for (step, count) in [(0, 256), (1, 256), (2, 88)] {
            log.grow(START_MS + step, count).await;
        }
        log.grow(NEXT_YEAR_MS, 3).await;
        log
    }

    pub(super) fn keys(&self, year: u16) -> Vec<VerifierKey> {
        self.notary.authority().verifier_keys(year).unwrap()
    }

    /// What another start would read from the disk.
    pub(super) fn cosigned_again(&self) -> Cosigned {
        open_cosigned(&self.folder.path().join("data"), &self.notary)
    }
}

fn open_cosigned(data: &Path, notary: &Notary) -> Cosigned {
    Cosigned::open(&data.join("notary"), |year| notary.authority().verifier_keys(year).unwrap()).unwrap()
}

fn item(number: u64, at_ms: u64) -> Item {
    let id = RequestId::new(at_ms, [&[0; 2], number.to_be_bytes().as_slice()].concat().try_into().unwrap());
    let request = RequestKey { id, portal: PortalId(1) };
    let leaf = Leaf {
        kind: LeafKind::Disclosed,
        time_ms: at_ms,
        request_id: id,
        portal: request.portal,
        official: [1; 16],
        purpose: 1,
        procedure: 1,
        register_revision: 0,
        fields: 1,
        verdict: LeafVerdict::Match,
        subject: [2; 32],
        attributes_root: [3; 32],
        addendum_digest: [4; 32],
        record_version: 0,
        previous: [0; 32],
    };
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    Item {
        ticket: Ticket { node: 1, boot: 1, seq: number },
        decided_at_ms: at_ms,
        remember: None,
        read: None,
        entry: Entry {
            leaf: leaf.encode(),
            envelope: b"sealed".to_vec(),
            request,
            person: Some(Person { key, own_key: OwnKey::New { chain: key, sealed: vec![6; 32] } }),
            dossier: [7; 16],
            question: [5; 16],
            register_revision: 0,
            miss: None,
            granted_until_ms: None,
        },
    }
}
