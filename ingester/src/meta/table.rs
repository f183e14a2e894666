//! The meta group's table and its encoding, described in `docs/formats/rocksdb_keys.md`.

use model::PartitionId;

use crate::raft::codec::{CodecError, seal, unseal};

/// The first replica id that the table gives out; the meta group's own replica has the one before.
pub(crate) const FIRST_REPLICA: u64 = META_REPLICA + 1;
/// The replica id of the meta group's first voter.
pub(crate) const META_REPLICA: u64 = 1;
const VERSION: u8 = 1;

/// Everything that the cluster agrees on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// The cluster's id; zero before there is one.
    pub(crate) cluster: [u8; 16],
    /// Grows with every change.
    pub(crate) epoch: u64,
    /// The next replica id to be given out.
    pub(crate) next_replica: u64,
    /// In order of id.
    pub(crate) partitions: Vec<Partition>,
    /// The owner of each slot.
    pub(crate) slots: Vec<PartitionId>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Its id.
    pub(crate) id: PartitionId,
    /// Grows whenever refs given out before are void.
    pub(crate) generation: u64,
    /// Where it lives.
    pub(crate) replicas: Vec<Replica>,
}

/// One replica of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replica {
    /// Its id, which is also its Raft node id.
    pub(crate) id: u64,
    /// The node that it lives on.
    pub(crate) node: u64,
}

// === impl Table ===

impl Table {
    /// The table as the record at `key`.
    pub(crate) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.cluster);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.next_replica.to_le_bytes());
        out.extend_from_slice(&super::count16(self.partitions.len()));
        for partition in &self.partitions {
            out.extend_from_slice(&partition.id.0.to_le_bytes());
            out.extend_from_slice(&partition.generation.to_le_bytes());
            out.extend_from_slice(&super::count16(partition.replicas.len()));
            for replica in &partition.replicas {
                out.extend_from_slice(&replica.id.to_le_bytes());
                out.extend_from_slice(&replica.node.to_le_bytes());
            }
        }
        // Owners as runs: slots of a partition are mostly neighbours.
        let runs: Vec<_> = self.slots.chunk_by(|left, right| left == right).collect();
        out.extend_from_slice(&u32::try_from(runs.len()).unwrap_or(u32::MAX).to_le_bytes());
        for run in runs {
            let count = u32::try_from(run.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&run.first().map_or(0, |owner| owner.0).to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
        }
        seal(key, out)
    }

    /// Reads the table back.
    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Self, CodecError> {
        let mut fields = unseal(key, value)?;
        let cluster = fields.take()?;
        let (epoch, next_replica) = (fields.u64()?, fields.u64()?);
        let mut partitions = Vec::new();
        for _ in 0..fields.u16()? {
            let (id, generation) = (PartitionId(fields.u32()?), fields.u64()?);
            let mut replicas = Vec::new();
            for _ in 0..fields.u16()? {
                replicas.push(Replica { id: fields.u64()?, node: fields.u64()? });
            }
            partitions.push(Partition { id, generation, replicas });
        }
        let mut slots = Vec::new();
        for _ in 0..fields.u32()? {
            let (owner, count) = (PartitionId(fields.u32()?), fields.u32()? as usize);
            if slots.len() + count > model::shard::SLOT_COUNT {
                return Err(CodecError::Cut);
            }
            slots.resize(slots.len() + count, owner);
        }
        Ok(Self { cluster, epoch, next_replica, partitions, slots })
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            cluster: [0; 16],
            epoch: 0,
            next_replica: FIRST_REPLICA,
            partitions: Vec::new(),
            slots: Vec::new(),
        }
    }
}
