//! The meta group: who the cluster is, which partitions it has, and where their replicas live.
//!
//! It is a Raft group like any other; its machine is one small table that is written whole by each
//! checkpoint. What follows from the table for everybody else, the routes, is published after each
//! apply.
//!
//! Invariant: a replica id is given once and never again, whatever becomes of the replica; a
//! partition's generation only grows.

pub(crate) mod table;

use bytes::Bytes;
use cluster::{PartitionRoute, Routes, RoutesWatch};
use model::{PartitionId, SlotMap};
use parking_lot::RwLock;

use crate::machine::{Checkpointed, Machine};
use crate::raft::codec::{CodecError, Reader};
use crate::storage::{Column, StateBatch, StateStore, StorageError};
use table::{Partition, Replica, Table};

const VERSION: u8 = 1;
const KIND_BOOTSTRAP: u8 = 1;
const KIND_RAISE_GENERATION: u8 = 2;
/// The last byte of the table's key.
const TABLE_TAG: u8 = 0x10;

/// What can be proposed to the meta group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MetaCommand {
    /// Founds the cluster; without effect once it exists.
    Bootstrap {
        /// The cluster's id, chosen at random by the proposer.
        cluster: [u8; 16],
        /// For each partition, the nodes of its replicas.
        placement: Vec<Vec<u64>>,
    },
    /// Refs of the partition that were given out before are void.
    RaiseGeneration {
        /// Which partition.
        partition: PartitionId,
    },
}

/// Whether a command took effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum MetaReply {
    /// It changed the table.
    Changed,
    /// It was understood and changed nothing.
    #[default]
    Unchanged,
    /// This build does not know it; a newer one proposed it.
    Unknown,
}

/// The meta group's machine.
#[derive(Debug)]
pub(crate) struct Meta {
    stid: u64,
    table: RwLock<Table>,
    routes: RoutesWatch,
}

// === impl MetaCommand ===

impl MetaCommand {
    /// The command as the log carries it: version u8, kind u8, fields in little endian.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        match self {
            Self::Bootstrap { cluster, placement } => {
                out.push(KIND_BOOTSTRAP);
                out.extend_from_slice(cluster);
                out.extend_from_slice(&count16(placement.len()));
                for nodes in placement {
                    out.extend_from_slice(&count16(nodes.len()));
                    nodes.iter().for_each(|node| out.extend_from_slice(&node.to_le_bytes()));
                }
            }
            Self::RaiseGeneration { partition } => {
                out.push(KIND_RAISE_GENERATION);
                out.extend_from_slice(&partition.0.to_le_bytes());
            }
        }
        out.into()
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut fields = Reader(bytes);
        let [version, kind] = fields.take()?;
        match (version, kind) {
            (VERSION, KIND_BOOTSTRAP) => {
                let cluster = fields.take()?;
                let partitions = fields.u16()?;
                let mut placement = Vec::new();
                for _ in 0..partitions {
                    let replicas = fields.u16()?;
                    placement.push((0..replicas).map(|_| fields.u64()).collect::<Result<_, _>>()?);
                }
                Ok(Self::Bootstrap { cluster, placement })
            }
            (VERSION, KIND_RAISE_GENERATION) => {
                Ok(Self::RaiseGeneration { partition: PartitionId(fields.u32()?) })
            }
            (VERSION, kind) => Err(CodecError::Kind(kind)),
            (version, _) => Err(CodecError::Version(version)),
        }
    }
}

// === impl Meta ===

impl Meta {
    /// The table as the last checkpoint of `stid` has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn restore(stid: u64, store: &dyn StateStore) -> Result<Self, StorageError> {
        let key = table_key(stid);
        let table = match store.get(Column::Meta, &key)? {
            Some(value) => Table::decode(&key, &value).map_err(|error| StorageError::Damaged {
                what: "the meta group's table".to_owned(),
                reason: error.to_string(),
            })?,
            None => Table::default(),
        };
        let routes = RoutesWatch::new(routes(&table));
        Ok(Self { stid, table: RwLock::new(table), routes })
    }

    /// Follows who owns what.
    pub(crate) fn routes(&self) -> RoutesWatch {
        self.routes.clone()
    }

    /// The table of this moment.
    pub(crate) fn table(&self) -> Table {
        self.table.read().clone()
    }
}

impl Machine for Meta {
    type Reply = MetaReply;

    fn apply(&self, _index: u64, command: &[u8]) -> MetaReply {
        let Ok(command) = MetaCommand::decode(command) else { return MetaReply::Unknown };
        let mut table = self.table.write();
        let reply = change(&mut table, &command);
        if reply == MetaReply::Changed {
            self.routes.publish(routes(&table));
        }
        reply
    }

    fn checkpoint(&self, batch: &mut StateBatch) -> Checkpointed {
        let key = table_key(self.stid);
        let table = self.table.read();
        batch.put(Column::Meta, &key, &table.encode(&key));
        Checkpointed(table.epoch)
    }

    fn checkpoint_done(&self, _checkpointed: Checkpointed) {}
}

fn change(table: &mut Table, command: &MetaCommand) -> MetaReply {
    match command {
        MetaCommand::Bootstrap { cluster, placement } if table.partitions.is_empty() => {
            table.cluster = *cluster;
            for (id, nodes) in (0..).zip(placement) {
                let mut replicas = Vec::with_capacity(nodes.len());
                for node in nodes {
                    replicas.push(Replica { id: table.next_replica, node: *node });
                    table.next_replica += 1;
                }
                table.partitions.push(Partition { id: PartitionId(id), generation: 1, replicas });
            }
            let count = u32::try_from(placement.len()).unwrap_or(u32::MAX);
            table.slots = SlotMap::even(1, count).owners().to_vec();
        }
        MetaCommand::RaiseGeneration { partition } => {
            let found = table.partitions.iter_mut().find(|known| known.id == *partition);
            let Some(found) = found else { return MetaReply::Unchanged };
            found.generation += 1;
        }
        MetaCommand::Bootstrap { .. } => return MetaReply::Unchanged,
    }
    table.epoch += 1;
    MetaReply::Changed
}

fn routes(table: &Table) -> Routes {
    let slots = SlotMap::from_owners(table.epoch, table.slots.clone());
    let partitions = table
        .partitions
        .iter()
        .map(|known| PartitionRoute { id: known.id, generation: known.generation })
        .collect();
    Routes { slots: slots.unwrap_or_else(|| SlotMap::even(0, 1)), partitions }
}

fn table_key(stid: u64) -> [u8; 9] {
    let mut key = [TABLE_TAG; 9];
    key[..8].copy_from_slice(&stid.to_be_bytes());
    key
}

fn count16(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests;
