//! The raft log on RocksDB.
//!
//! A write goes to the WAL's buffer and the memtable; `sync` writes the buffer out and calls one
//! fdatasync, while further writes go on. What is synced survives a power cut; RocksDB replays it
//! when the database is opened.
//!
//! A flush writes payloads to blob files and only keys to tables: merging tables then moves some bytes
//! per entry, and a blob file goes as a whole once all of its entries are purged.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use rocksdb::{
    ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, FlushOptions, Options,
    ReadOptions, WriteBatch, WriteOptions,
};

use super::super::StorageError;
use super::super::keys;
use super::super::log::{EntryVisitor, GroupId, LogOp, LogStore, Mark};
use super::{BlockCache, column, column_options, database_options, io_error, open, open_error};

const ENTRIES: &str = "log";
const MARKS: &str = "marks";
/// What WALs hold beyond this is flushed, and they are deleted.
const WAL_BYTES_MAX: u64 = 32 << 20;
/// Smaller payloads (memberships, blank entries) stay beside their keys.
const BLOB_BYTES_MIN: u64 = 256;
/// Merging this many tables finds out which blob files have nothing left that is needed.
const LEVEL0_FILES_MERGE: i32 = 6;
/// Beyond this many files writes are slowed down.
const LEVEL0_FILES_SLOW: i32 = 40;
/// Beyond this many files writes wait.
const LEVEL0_FILES_STOP: i32 = 60;

/// How much damage of the WAL an open puts up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// A torn record at the very end: a write that was never acknowledged.
    TornTail,
    /// Anything: the log ends where the damage begins. Only `varve recover` may ask for it.
    Anything,
    /// Anything: what can still be read after a damage counts too, so the log may have holes. Only
    /// for a look at what a cut would lose.
    Holes,
}

/// Entries and marks in a database with a WAL.
#[derive(Debug)]
pub(crate) struct RocksLog {
    database: DB,
    unlogged_tail: Vec<String>,
}

// === impl RocksLog ===

impl RocksLog {
    /// Opens or creates the database in `path`.
    ///
    /// # Errors
    /// When another process has it open, or what is there cannot be read.
    pub(crate) fn open(
        path: &Path,
        cache: &BlockCache,
        tolerance: Tolerance,
    ) -> Result<Self, StorageError> {
        let (options, columns) = prepared(cache, tolerance);
        let database = open(&options, path, columns)?;
        let unlogged_tail = dropped_bytes(path);
        Ok(Self { database, unlogged_tail })
    }

    /// Opens what is in `path` for reading only, and leaves it as it is.
    ///
    /// # Errors
    /// When more than the WAL is damaged.
    pub(crate) fn peek(
        path: &Path,
        cache: &BlockCache,
        tolerance: Tolerance,
    ) -> Result<Self, StorageError> {
        let (options, columns) = prepared(cache, tolerance);
        let database = DB::open_cf_descriptors_read_only(&options, path, columns, false)
            .map_err(|error| open_error(path, &error))?;
        Ok(Self { database, unlogged_tail: Vec::new() })
    }

    /// What RocksDB says it dropped of the WAL's end at open; usually nothing.
    pub(crate) fn dropped_tail(&self) -> &[String] {
        &self.unlogged_tail
    }

    fn add(&self, batch: &mut WriteBatch, op: &LogOp, scratch: &mut Vec<u8>) {
        let (entries, marks) = (column(&self.database, ENTRIES), column(&self.database, MARKS));
        match op {
            LogOp::Append { group, records } => {
                for record in records {
                    scratch.clear();
                    scratch.extend_from_slice(&record.header);
                    scratch.extend_from_slice(&record.payload);
                    batch.put_cf(entries, keys::entry_key(*group, record.index), &*scratch);
                }
            }
            LogOp::Put { group, mark, value } => {
                batch.put_cf(marks, keys::mark_key(*group, *mark), value);
            }
            LogOp::Clear { group, mark } => {
                batch.delete_cf(marks, keys::mark_key(*group, *mark));
            }
            LogOp::Remove { group, range } => {
                let from = keys::entry_key(*group, range.start);
                batch.delete_range_cf(entries, from, keys::entry_key(*group, range.end));
            }
        }
    }
}

impl LogStore for RocksLog {
    fn write(&self, ops: &[LogOp]) -> Result<(), StorageError> {
        let bytes = ops.iter().map(LogOp::bytes).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        let mut scratch = Vec::new();
        for op in ops {
            self.add(&mut batch, op, &mut scratch);
        }
        self.database
            .write_opt(batch, &WriteOptions::default())
            .map_err(|error| io_error("a write", &self.database, &error))
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.database.flush_wal(true).map_err(|error| io_error("a sync", &self.database, &error))
    }

    fn read(
        &self,
        group: GroupId,
        range: Range<u64>,
        visit: &mut EntryVisitor<'_>,
    ) -> Result<(), StorageError> {
        if range.is_empty() {
            return Ok(());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(keys::entry_key(group, range.end));
        // Entries are read once, by a replay or a slow follower.
        options.fill_cache(false);
        let entries = column(&self.database, ENTRIES);
        let mut cursor = self.database.raw_iterator_cf_opt(entries, options);
        cursor.seek(keys::entry_key(group, range.start));
        while let Some((key, value)) = cursor.item() {
            let Some(index) = keys::entry_index(key) else { break };
            if visit(index, value) == ControlFlow::Break(()) {
                return Ok(());
            }
            cursor.next();
        }
        cursor.status().map_err(|error| io_error("a read", &self.database, &error))
    }

    fn last_index(&self, group: GroupId) -> Result<Option<u64>, StorageError> {
        let entries = column(&self.database, ENTRIES);
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(keys::entry_key(group, 0));
        let mut cursor = self.database.raw_iterator_cf_opt(entries, options);
        cursor.seek_for_prev(keys::entry_key(group, u64::MAX));
        let last = cursor.key().and_then(keys::entry_index);
        cursor.status().map_err(|error| io_error("a read", &self.database, &error))?;
        Ok(last)
    }

    fn mark(&self, group: GroupId, mark: Mark) -> Result<Option<Vec<u8>>, StorageError> {
        self.database
            .get_cf(column(&self.database, MARKS), keys::mark_key(group, mark))
            .map_err(|error| io_error("a read", &self.database, &error))
    }

    fn groups(&self) -> Result<Vec<GroupId>, StorageError> {
        let mut cursor = self.database.raw_iterator_cf(column(&self.database, MARKS));
        let mut groups = Vec::new();
        cursor.seek_to_first();
        while let Some(key) = cursor.key() {
            groups.extend(keys::mark_group(key));
            cursor.next();
        }
        cursor.status().map_err(|error| io_error("a read", &self.database, &error))?;
        groups.dedup();
        Ok(groups)
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.sync()?;
        let columns = [column(&self.database, ENTRIES), column(&self.database, MARKS)];
        self.database
            .flush_cfs_opt(&columns, &FlushOptions::default())
            .map_err(|error| io_error("a flush", &self.database, &error))
    }
}

fn prepared(cache: &BlockCache, tolerance: Tolerance) -> (Options, Vec<ColumnFamilyDescriptor>) {
    let mut options = database_options();
    options.set_manual_wal_flush(true);
    options.set_wal_recovery_mode(match tolerance {
        Tolerance::TornTail => DBRecoveryMode::TolerateCorruptedTailRecords,
        Tolerance::Anything => DBRecoveryMode::PointInTime,
        Tolerance::Holes => DBRecoveryMode::SkipAnyCorruptedRecord,
    });
    options.set_track_and_verify_wals_in_manifest(tolerance == Tolerance::TornTail);
    // The order of writes is that of one writer; there is nothing to gain from concurrency.
    options.set_allow_concurrent_memtable_write(false);
    // A WAL goes once every column that it speaks of is flushed; marks alone would keep it for long.
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    let columns = [ENTRIES, MARKS].map(|name| {
        let mut options = column_options(cache, DBCompressionType::None);
        options.set_level_zero_file_num_compaction_trigger(LEVEL0_FILES_MERGE);
        options.set_level_zero_slowdown_writes_trigger(LEVEL0_FILES_SLOW);
        options.set_level_zero_stop_writes_trigger(LEVEL0_FILES_STOP);
        options.set_enable_blob_files(true);
        options.set_min_blob_size(BLOB_BYTES_MIN);
        options.set_blob_compression_type(DBCompressionType::None);
        ColumnFamilyDescriptor::new(name, options)
    });
    (options, columns.into())
}

/// RocksDB reports what it drops of a WAL only in its info log (`LogReporter` in
/// `db_impl_open.cc`), which is started afresh by every open.
fn dropped_bytes(path: &Path) -> Vec<String> {
    let Ok(info_log) = std::fs::read_to_string(path.join("LOG")) else { return Vec::new() };
    let dropped = info_log.lines().filter(|line| line.contains(": dropping "));
    dropped.map(|line| line.rsplit("] ").next().unwrap_or(line).to_owned()).collect()
}
