//! openraft's types for our configuration, under short names.

use openraft::{RaftTypeConfig, vote::RaftLeaderId};

use crate::raft::{Member, TypeConfig};

type Leader = <<TypeConfig as RaftTypeConfig>::LeaderId as RaftLeaderId>::Committed;

pub(super) type Vote = <TypeConfig as RaftTypeConfig>::Vote;
pub(super) type Entry = <TypeConfig as RaftTypeConfig>::Entry;
pub(super) type LogId = openraft::LogId<Leader>;
pub(super) type SnapshotMeta = openraft::SnapshotMeta<Leader, u64, Member>;
pub(super) type Snapshot<D> = openraft::Snapshot<Leader, u64, Member, D>;
