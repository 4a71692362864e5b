//! What lies in the stores of stopped nodes.
//!
//! Through the node's own store, which alone knows RocksDB.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use xacminh_node::store::{self, Inspection};

use crate::{
    Cluster,
    cluster::{CLUSTER, Files},
    ledger::Ledger,
    plaintext::{Find, Needles},
};

/// Stops that are tried until all nodes end at the same entry: an election in between gives one of them an entry more.
const STOPS_MAX: usize = 4;

/// Stops all nodes and compares their states to the last byte (I8).
///
/// # Errors
/// When states differ at the same applied entry, or nodes never end at the same one.
pub async fn stop_and_compare(cluster: &mut Cluster) -> Result<()> {
    for _ in 0..STOPS_MAX {
        // Waits until all hold the same number of leaves.
        Ledger::read_all(cluster).await?;
        cluster.stop_all().await?;
        if same_state(&cluster.files)? {
            return Ok(());
        }
        for node in cluster.files.nodes.clone() {
            cluster.spawn(node, false)?;
        }
        cluster.wait_all_ready().await?;
    }
    bail!("in {STOPS_MAX} stops the nodes never ended at the same entry");
}

/// Whether all stopped nodes hold the same state; `false` if they applied different entries.
///
/// # Errors
/// When two states differ at the same applied entry.
pub fn same_state(files: &Files) -> Result<bool> {
    let mut by_applied = BTreeMap::<String, Vec<(u64, blake3::Hash)>>::new();
    for node in &files.nodes {
        let inspection = inspect(files, *node)?;
        let applied = inspection.head.applied.as_ref().map(ToString::to_string).unwrap_or_default();
        by_applied.entry(applied).or_default().push((*node, inspection.digest.context("a digest was asked for")?));
    }
    for (applied, states) in &by_applied {
        let same = states.windows(2).all(|pair| pair[0].1 == pair[1].1);
        ensure!(same, "I8: states differ at entry {applied}: {states:?}");
    }
    Ok(by_applied.len() == 1)
}

/// The last entry a stopped node's log no longer has.
///
/// # Errors
/// When the store does not open.
pub fn purged(files: &Files, node: u64) -> Result<Option<String>> {
    Ok(inspect(files, node)?.purged.map(|purged| purged.to_string()))
}

fn inspect(files: &Files, node: u64) -> Result<Inspection> {
    let directory = files.data(node);
    let options = store::Options {
        directory: &directory,
        cluster: CLUSTER,
        node,
        // Taken only by a directory that is new, which this one is not.
        incarnation: 0,
        block_cache_bytes: 8 * 1024 * 1024,
    };
    store::inspect(&options, true).with_context(|| format!("the store of node {node}"))
}

/// How many rows a family of a stopped node's state has.
///
/// # Errors
/// When a database does not open.
pub fn rows(files: &Files, node: u64, family: &str) -> Result<u64> {
    let ending = format!(" family {family}");
    let mut shown = 0;
    let state = files.data(node).join("state");
    store::visit_values(&state, &mut |place, _| shown += u64::from(place.ends_with(&ending)))
        .with_context(|| format!("the state of node {node}"))?;
    // The key and the value of each.
    Ok(shown / 2)
}

/// Looks for people in every key and value of a stopped node's databases; returns how many were read, too.
///
/// # Errors
/// When a database does not open, or there are fewer than a log and a state.
pub fn find_in_values(files: &Files, node: u64, needles: &Needles) -> Result<(usize, Vec<Find>)> {
    let mut read = 0;
    let mut found = Vec::new();
    let databases = store::visit_values(&files.data(node), &mut |place, bytes| {
        read += 1;
        found.extend(needles.find(bytes, place));
    })
    .with_context(|| format!("the databases of node {node}"))?;
    ensure!(databases >= 2, "node {node} has {databases} databases");
    Ok((read, found))
}
