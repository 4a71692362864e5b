//! The audit log as one node tells it, page by page, with an auditor's certificate.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xacminh_client::Client;
use xacminh_node::keyring::{KekSource, Keyring};
use xacminh_proto::{
    transparency::Leaf,
    wire::{AUDIT_PAGE_MAX, AuditPage},
};

use crate::{Cluster, cluster::Caller, wait};

/// One page of a node that lives.
const PAGE_PATIENCE: Duration = Duration::from_secs(5);

/// After a heal all nodes tell the same within this time.
const CONVERGE_PATIENCE: Duration = Duration::from_secs(30);

/// A leaf as a node showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub leaf: Leaf,
}

/// All leaves of one node.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Whose.
    pub node: u64,
    /// In the order they were shown.
    pub entries: Vec<Entry>,
    /// The public key of the log; without it no receipt is checked.
    pub log_key: Option<[u8; 32]>,
}

impl Ledger {
    /// Reads everything a node has.
    ///
    /// # Errors
    /// When it does not answer, or shows what is no leaf.
    pub async fn read(cluster: &Cluster, node: u64) -> Result<Self> {
        let client = cluster.client_at(Caller::Auditor, node)?;
        let entries = pages(&client).await.with_context(|| format!("the log of node {node}"))?;
        client.close().await;
        let keyring = Keyring::load(&cluster.files.keyring(), &KekSource::None)?;
        let log_key = keyring.log_keys().first().map(|key| *key.public());
        Ok(Self { node, entries, log_key })
    }

    /// Reads the logs of all nodes that run, once they tell the same number of leaves.
    ///
    /// # Errors
    /// When they do not come to agree in time.
    pub async fn read_all(cluster: &mut Cluster) -> Result<Vec<Self>> {
        let running = cluster.running()?;
        let here = &*cluster;
        wait::until("the same number of leaves everywhere", CONVERGE_PATIENCE, || async {
            let mut leaves = Vec::new();
            for node in &running {
                let status = here.status(*node).await.map_err(|error| format!("node {node}: {error:?}"))?;
                leaves.push((*node, status.applied, status.leaves));
            }
            let same = leaves.windows(2).all(|pair| pair[0].2 == pair[1].2);
            if same { Ok(()) } else { Err(format!("(node, applied, leaves): {leaves:?}")) }
        })
        .await?;
        let mut ledgers = Vec::new();
        for node in running {
            ledgers.push(Self::read(cluster, node).await?);
        }
        Ok(ledgers)
    }

    /// The leaf at a position.
    #[must_use]
    pub fn at(&self, position: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(position).ok()?).filter(|entry| entry.position == position)
    }

    /// A digest of all leaves and their order.
    #[must_use]
    pub fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for entry in &self.entries {
            hasher.update(&entry.position.to_be_bytes());
            hasher.update(&entry.bytes);
        }
        hasher.finalize()
    }
}

async fn pages(client: &Client) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let from = entries.len() as u64;
        let page = client.audit_page(AuditPage { from, limit: AUDIT_PAGE_MAX }, PAGE_PATIENCE).await?;
        ensure!(!page.entries.is_empty() || page.leaves <= from, "an empty page at {from} of {} leaves", page.leaves);
        if page.entries.is_empty() {
            return Ok(entries);
        }
        for entry in page.entries {
            let leaf = Leaf::decode(&entry.leaf).with_context(|| format!("position {}", entry.position))?;
            entries.push(Entry { position: entry.position, bytes: entry.leaf, leaf });
        }
    }
}
