//! What the ingester keeps on disk, behind two small traits.
//!
//! ```text
//!  LogStore    votes and log entries of every group; ordered writes, then one sync for all of them
//!  StateStore  checkpoints and sealed chunks; no log of its own: the Raft log is its log
//! ```
//!
//! Each has a RocksDB implementation ([`rocks`]) and one in memory (`memory`, for tests) that forgets on
//! `crash()` whatever was not synced. Keys are laid out in [`keys`]; nothing else builds one.
//!
//! Invariant: a write to the state store becomes durable only together with every write before it,
//! in all columns. So whatever a restart finds is the state store as it stood at one instant.

pub(crate) mod keys;
pub(crate) mod log;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod rocks;
#[cfg(test)]
pub(crate) mod slow;

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// A family of keys in the state store. Every key starts with the state id (`stid`, u64 BE) of the
/// replica that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Column {
    /// Small facts of a replica: `applied`, counters, limits.
    Meta,
    /// Interned label strings.
    Symbols,
    /// Series: labels, tenant, time of creation.
    Series,
    /// Sealed chunks. Already compressed.
    Chunks,
    /// Open chunks and out-of-order buffers, gathered in pages that checkpoints overwrite.
    Pages,
    /// Metadata of metric families.
    Metadata,
}

/// Why the disk did not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StorageError {
    /// Another process has the folder open.
    #[error(
        "{} is in use by another process; stop that one, or give this one its own folder with \
         --storage.path",
        path.display()
    )]
    InUse {
        /// The database's folder.
        path: PathBuf,
    },
    /// The folder cannot be opened as a database.
    #[error(
        "cannot open {}: {reason}; `varve recover --storage.path=…` shows what is damaged",
        path.display()
    )]
    Open {
        /// The database's folder.
        path: PathBuf,
        /// The engine's words.
        reason: String,
    },
    /// The log writer has been stopped.
    #[error("the raft log is closed: the node is stopping")]
    Closed,
    /// A read or a write failed.
    #[error("{operation} in {} failed: {reason}", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The database's folder.
        path: PathBuf,
        /// The engine's words.
        reason: String,
    },
    /// Bytes were read that are not those that were written.
    #[error(
        "{what} is damaged: {reason}; `varve recover --storage.path=…` shows what would be lost and \
         cuts it"
    )]
    Damaged {
        /// Which record.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Called with each key and value of a scan; `Break` ends the scan.
pub(crate) type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Checkpoints and sealed chunks of all replicas of a node. Calls block; readers run beside writers.
pub(crate) trait StateStore: Debug + Send + Sync + 'static {
    /// An empty batch for this store.
    fn batch(&self) -> StateBatch;

    /// Writes the whole batch or nothing. Visible at once; on disk only after the next
    /// [`StateStore::flush`] (or earlier, when buffers run full, but never without what was written
    /// before it).
    ///
    /// # Errors
    /// When the engine has stopped accepting writes; a restart is needed.
    fn write(&self, batch: StateBatch) -> Result<(), StorageError>;

    /// Makes everything written so far durable, in all columns at once.
    ///
    /// # Errors
    /// When it did not reach the disk.
    fn flush(&self) -> Result<(), StorageError>;

    /// The value of `key`.
    ///
    /// # Errors
    /// When the disk fails or a checksum does not match.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Visits the keys of `from..to` in order.
    ///
    /// # Errors
    /// When the disk fails or a checksum does not match.
    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: &[u8],
        visit: &mut Visitor<'_>,
    ) -> Result<(), StorageError>;

    /// Deletes the keys of `from..to`, and gives whole files of them back to the file system. For
    /// that it may flush, as no file may go before what was written earlier is durable. Nobody else
    /// writes into the range meanwhile.
    ///
    /// # Errors
    /// As [`StateStore::write`] and [`StateStore::flush`].
    fn delete_range(&self, column: Column, from: &[u8], to: &[u8]) -> Result<(), StorageError>;

    /// Bytes that the column takes on disk, roughly.
    fn size_bytes(&self, column: Column) -> u64;
}

/// Changes that become visible and durable together. Made by [`StateStore::batch`].
pub(crate) struct StateBatch {
    ops: Box<dyn BatchOps>,
    bytes: usize,
}

/// What an engine gathers for one batch.
pub(crate) trait BatchOps: Send {
    /// Makes room for about `bytes`, if the engine can. Comes first, if at all.
    fn reserve(&mut self, bytes: usize) {
        let _ = bytes;
    }
    /// Sets `key` to `value`.
    fn put(&mut self, column: Column, key: &[u8], value: &[u8]);
    /// Removes `key`.
    fn delete(&mut self, column: Column, key: &[u8]);
    /// Removes the keys of `from..to`.
    fn delete_range(&mut self, column: Column, from: &[u8], to: &[u8]);
    /// Gives the engine its own type back.
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any>;
}

// === impl Column ===

impl Column {
    /// Every column, in a fixed order.
    pub(crate) const ALL: [Self; 6] =
        [Self::Meta, Self::Symbols, Self::Series, Self::Chunks, Self::Pages, Self::Metadata];

    /// The column's name on disk.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Symbols => "symbols",
            Self::Series => "series",
            Self::Chunks => "chunks",
            Self::Pages => "pages",
            Self::Metadata => "metadata",
        }
    }
}

// === impl StateBatch ===

impl StateBatch {
    /// A batch of an engine.
    pub(crate) fn new(ops: Box<dyn BatchOps>) -> Self {
        Self { ops, bytes: 0 }
    }

    /// Makes room for about `bytes` before anything is put. A batch that grows by doubling holds
    /// half of itself twice; room that is not used is never touched and takes no memory.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.ops.reserve(bytes);
    }

    /// Sets `key` to `value`.
    pub(crate) fn put(&mut self, column: Column, key: &[u8], value: &[u8]) {
        self.bytes += key.len() + value.len();
        self.ops.put(column, key, value);
    }

    /// Removes `key`.
    pub(crate) fn delete(&mut self, column: Column, key: &[u8]) {
        self.bytes += key.len();
        self.ops.delete(column, key);
    }

    /// Removes the keys of `from..to`.
    pub(crate) fn delete_range(&mut self, column: Column, from: &[u8], to: &[u8]) {
        self.bytes += from.len() + to.len();
        self.ops.delete_range(column, from, to);
    }

    /// What the engine gathered.
    pub(crate) fn into_ops(self) -> Box<dyn BatchOps> {
        self.ops
    }
}

impl Debug for StateBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateBatch").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
