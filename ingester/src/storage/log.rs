//! The raft log's storage: entries and marks of every group of a node.
//!
//! Writes are ordered and become readable at once; they become durable, all together, with
//! [`LogStore::sync`]. Only the log writer calls `write` and `sync`, so that one fdatasync serves
//! every group.

use std::fmt::Debug;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::StorageError;

/// Bytes before the payload of a stored entry; see [`super::keys`].
pub(crate) const ENTRY_HEADER_BYTES: usize = 24;

/// One replica of one Raft group: replica ids are never used twice in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GroupId {
    /// The partition, or [`GroupId::META_PARTITION`].
    pub(crate) partition: u32,
    /// The replica, which is also Raft's node id.
    pub(crate) replica: u64,
}

/// A small record beside a group's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// The vote.
    Vote,
    /// The id of the last entry that was purged.
    Purged,
    /// The replica's state id.
    Replica,
    /// `varve recover` cut this replica; its partition's generation is still to be raised.
    Cut,
    /// Who this node is; only with [`GroupId::NODE`].
    Node,
}

/// An entry as it is stored: header and payload, not yet in one piece.
#[derive(Debug, Clone)]
pub(crate) struct LogRecord {
    /// The entry's index.
    pub(crate) index: u64,
    /// Version, kind, checksum and leader.
    pub(crate) header: [u8; ENTRY_HEADER_BYTES],
    /// The command or membership; empty for a blank entry.
    pub(crate) payload: Bytes,
}

/// One change of the log.
#[derive(Debug, Clone)]
pub(crate) enum LogOp {
    /// Stores entries.
    Append {
        /// Whose.
        group: GroupId,
        /// In order of index.
        records: Vec<LogRecord>,
    },
    /// Stores a mark.
    Put {
        /// Whose.
        group: GroupId,
        /// Which.
        mark: Mark,
        /// Its bytes.
        value: Vec<u8>,
    },
    /// Removes a mark.
    Clear {
        /// Whose.
        group: GroupId,
        /// Which.
        mark: Mark,
    },
    /// Removes entries.
    Remove {
        /// Whose.
        group: GroupId,
        /// From this index, up to but without the other.
        range: Range<u64>,
    },
}

/// Called with each index and stored value; `Break` ends the read.
pub(crate) type EntryVisitor<'a> = dyn FnMut(u64, &[u8]) -> ControlFlow<()> + 'a;

/// Entries and marks of all groups of a node. Calls block.
pub(crate) trait LogStore: Debug + Send + Sync + 'static {
    /// Makes the changes, in order, all or none of them. Readable at once, durable after the next
    /// [`LogStore::sync`].
    ///
    /// # Errors
    /// When the engine stopped accepting writes. The caller MUST NOT go on.
    fn write(&self, ops: &[LogOp]) -> Result<(), StorageError>;

    /// Makes every write that has returned durable.
    ///
    /// # Errors
    /// When the disk refused. What was written since the last sync may or may not be there, even if
    /// a second sync were to succeed: the caller MUST NOT retry.
    fn sync(&self) -> Result<(), StorageError>;

    /// Visits the stored entries of `range` in order of index.
    ///
    /// # Errors
    /// When the disk fails or a block's checksum does not match.
    fn read(
        &self,
        group: GroupId,
        range: Range<u64>,
        visit: &mut EntryVisitor<'_>,
    ) -> Result<(), StorageError>;

    /// The index of the last stored entry.
    ///
    /// # Errors
    /// As [`LogStore::read`].
    fn last_index(&self, group: GroupId) -> Result<Option<u64>, StorageError>;

    /// The bytes of a mark.
    ///
    /// # Errors
    /// As [`LogStore::read`].
    fn mark(&self, group: GroupId, mark: Mark) -> Result<Option<Vec<u8>>, StorageError>;

    /// Every group that has a mark, in order.
    ///
    /// # Errors
    /// As [`LogStore::read`].
    fn groups(&self) -> Result<Vec<GroupId>, StorageError>;

    /// Writes buffered changes to their final place, so that the next start has nothing to replay.
    ///
    /// # Errors
    /// When the disk refused.
    fn flush(&self) -> Result<(), StorageError>;
}

// === impl GroupId ===

impl GroupId {
    /// The partition number of the meta group.
    pub(crate) const META_PARTITION: u32 = u32::MAX;

    /// Stands for the node itself, beside its groups.
    pub(crate) const NODE: Self = Self { partition: u32::MAX, replica: u64::MAX };
}

impl std::fmt::Display for GroupId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::NODE => f.write_str("node"),
            Self { partition: Self::META_PARTITION, replica } => {
                write!(f, "meta group (replica {replica})")
            }
            Self { partition, replica } => write!(f, "partition {partition} (replica {replica})"),
        }
    }
}

// === impl Mark ===

impl Mark {
    /// The last byte of the mark's key.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Vote => 1,
            Self::Purged => 2,
            Self::Replica => 3,
            Self::Cut => 4,
            Self::Node => 16,
        }
    }
}

// === impl LogOp ===

impl LogOp {
    /// How many entries it stores.
    pub(crate) fn entries(&self) -> u64 {
        match self {
            Self::Append { records, .. } => records.len() as u64,
            Self::Put { .. } | Self::Clear { .. } | Self::Remove { .. } => 0,
        }
    }

    /// Memory that the change holds while it is queued, roughly.
    pub(crate) fn bytes(&self) -> usize {
        const OVERHEAD: usize = 64;
        match self {
            Self::Append { records, .. } => records
                .iter()
                .map(|record| OVERHEAD + ENTRY_HEADER_BYTES + record.payload.len())
                .sum(),
            Self::Put { value, .. } => OVERHEAD + value.len(),
            Self::Clear { .. } | Self::Remove { .. } => OVERHEAD,
        }
    }
}

#[cfg(test)]
mod tests;
