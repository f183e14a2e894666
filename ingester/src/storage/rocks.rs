//! Both stores on RocksDB: two databases, because one cannot have a write-ahead log and do without.
//!
//! The raft log's writes are ordered through its WAL, which is buffered and synced by hand. The
//! state store has no WAL: the raft log replays whatever its last atomic flush does not hold.
//!
//! Memory: each database fills at most [`WRITE_BUFFER_BYTES`] before it flushes, and both share one
//! block cache that also holds index blocks, so neither grows with what is on disk.

mod log;
mod state;

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, Error,
    ErrorKind, LogLevel, Options,
};

use super::StorageError;

pub(crate) use log::{RocksLog, Tolerance};
pub(crate) use state::RocksState;

/// What one database gathers in memory before it writes a file. Two of them make the 16 MiB that a
/// small node spends on write buffers.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// What both databases together keep of blocks that were read.
const BLOCK_CACHE_BYTES: usize = 32 << 20;
/// Size of a block of the state store; a sealed chunk is a few hundred bytes.
const BLOCK_BYTES: usize = 16 << 10;
/// RocksDB's own log files, for people who look for a cause.
const INFO_LOG_BYTES: usize = 4 << 20;
/// How many of them are kept.
const INFO_LOG_FILES: usize = 4;
/// Files that are kept open; more are opened again when they are read.
const OPEN_FILES_MAX: i32 = 512;

/// The block cache of a node's two databases.
#[derive(Clone)]
pub(crate) struct BlockCache(Cache);

// === impl BlockCache ===

impl BlockCache {
    /// An empty cache.
    pub(crate) fn new() -> Self {
        Self(Cache::new_lru_cache(BLOCK_CACHE_BYTES))
    }
}

impl std::fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockCache").field("used_bytes", &self.0.get_usage()).finish()
    }
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    options.set_max_background_jobs(2);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_keep_log_file_num(INFO_LOG_FILES);
    options.set_stats_dump_period_sec(0);
    options.set_recycle_log_file_num(0);
    options
}

fn column_options(cache: &BlockCache, compression: DBCompressionType) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&cache.0);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_block_size(BLOCK_BYTES);
    table.set_format_version(6);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(compression);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options
}

fn open(
    options: &Options,
    path: &Path,
    columns: Vec<ColumnFamilyDescriptor>,
) -> Result<DB, StorageError> {
    DB::open_cf_descriptors(options, path, columns).map_err(|error| open_error(path, &error))
}

fn open_error(path: &Path, error: &Error) -> StorageError {
    let reason = error.to_string();
    // RocksDB has no error code of its own for a lock; both texts come from its env_posix.cc.
    if reason.contains("lock hold by current process") || reason.contains("While lock file") {
        return StorageError::InUse { path: path.to_owned() };
    }
    StorageError::Open { path: path.to_owned(), reason }
}

fn io_error(operation: &'static str, database: &DB, error: &Error) -> StorageError {
    if error.kind() == ErrorKind::Corruption {
        return StorageError::Damaged {
            what: database.path().display().to_string(),
            reason: format!("{operation} found: {error}"),
        };
    }
    StorageError::Io { operation, path: database.path().to_owned(), reason: error.to_string() }
}

fn column<'a>(database: &'a DB, name: &str) -> &'a ColumnFamily {
    database.cf_handle(name).expect("every column is created when the database is opened")
}

#[cfg(test)]
mod tests;
