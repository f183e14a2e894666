//! The state store on RocksDB: no WAL, and a flush that covers all columns at once.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use rocksdb::{
    ColumnFamilyDescriptor, DB, DBCompressionType, FlushOptions, ReadOptions, WriteBatch,
    WriteOptions,
};

use super::super::{BatchOps, Column, StateBatch, StateStore, StorageError, Visitor};
use super::{
    BlockCache, WRITE_BUFFER_BYTES, column, column_options, database_options, io_error, open,
};

/// Longer than what any key adds to the limit of a range that it lies in.
const KEY_TAIL_BYTES: usize = 32;

/// Chunks come in order of time, so a merge rewrites the newest files of each partition only: the
/// smaller they are, the less of what is already in its place.
const CHUNK_FILE_BYTES: u64 = 16 << 20;

/// Columns in a database without a WAL.
#[derive(Debug)]
pub(crate) struct RocksState {
    database: Arc<DB>,
}

struct RocksBatch {
    database: Arc<DB>,
    batch: WriteBatch,
}

// === impl RocksState ===

impl RocksState {
    /// Opens or creates the database in `path`.
    ///
    /// # Errors
    /// When another process has it open, or what is there cannot be read.
    pub(crate) fn open(path: &Path, cache: &BlockCache) -> Result<Self, StorageError> {
        let mut options = database_options();
        options.set_atomic_flush(true);
        options.set_db_write_buffer_size(WRITE_BUFFER_BYTES);
        let columns = Column::ALL.map(|name| {
            let compression = match name {
                // Sealed chunks are compressed by their own encoding.
                Column::Chunks => DBCompressionType::None,
                Column::Meta
                | Column::Symbols
                | Column::Series
                | Column::Pages
                | Column::Metadata => DBCompressionType::Lz4,
            };
            let mut options = column_options(cache, compression);
            if name == Column::Chunks {
                options.set_target_file_size_base(CHUNK_FILE_BYTES);
            }
            if matches!(name, Column::Symbols | Column::Series | Column::Metadata) {
                options.set_bottommost_compression_type(DBCompressionType::Zstd);
            }
            ColumnFamilyDescriptor::new(name.name(), options)
        });
        Ok(Self { database: Arc::new(open(&options, path, columns.into())?) })
    }

    fn write_batch(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.database
            .write_opt(batch, &options)
            .map_err(|error| io_error("a write", &self.database, &error))
    }
}

impl StateStore for RocksState {
    fn batch(&self) -> StateBatch {
        StateBatch::new(Box::new(RocksBatch {
            database: Arc::clone(&self.database),
            batch: WriteBatch::default(),
        }))
    }

    fn write(&self, batch: StateBatch) -> Result<(), StorageError> {
        let ops = batch.into_ops().into_any().downcast::<RocksBatch>();
        self.write_batch(ops.expect("a batch is written to the store that made it").batch)
    }

    fn flush(&self) -> Result<(), StorageError> {
        let columns = Column::ALL.map(|name| column(&self.database, name.name()));
        self.database
            .flush_cfs_opt(&columns, &FlushOptions::default())
            .map_err(|error| io_error("a flush", &self.database, &error))
    }

    fn get(&self, name: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.database
            .get_cf(column(&self.database, name.name()), key)
            .map_err(|error| io_error("a read", &self.database, &error))
    }

    fn scan(
        &self,
        name: Column,
        from: &[u8],
        to: &[u8],
        visit: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to);
        let mut cursor =
            self.database.raw_iterator_cf_opt(column(&self.database, name.name()), options);
        cursor.seek(from);
        while let Some((key, value)) = cursor.item() {
            if visit(key, value) == ControlFlow::Break(()) {
                return Ok(());
            }
            cursor.next();
        }
        cursor.status().map_err(|error| io_error("a read", &self.database, &error))
    }

    fn delete_range(&self, name: Column, from: &[u8], to: &[u8]) -> Result<(), StorageError> {
        let handle = column(&self.database, name.name());
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(handle, from, to);
        self.write_batch(batch)?;
        let Some(last) = last_before(to).filter(|last| from <= last.as_slice()) else {
            return Ok(());
        };
        // Files are unlinked at once and for good, so what was written before comes to the disk
        // first; and the tombstone with it, which hides what older files hold of the range.
        self.flush()?;
        self.database
            .delete_file_in_range_cf(handle, from, &last)
            .map_err(|error| io_error("a delete", &self.database, &error))
    }

    fn size_bytes(&self, name: Column) -> u64 {
        let handle = column(&self.database, name.name());
        let property = |property| {
            self.database.property_int_value_cf(handle, property).ok().flatten().unwrap_or(0)
        };
        property(rocksdb::properties::TOTAL_SST_FILES_SIZE)
    }
}

/// A limit for unlinking files, close before `to`, because RocksDB unlinks a file that *ends* in the
/// limit as well. `None` if nothing is before `to`.
fn last_before(to: &[u8]) -> Option<Vec<u8>> {
    let (last, rest) = to.split_last()?;
    let mut key = rest.to_vec();
    // Right before a final zero is the key without it. Otherwise no key is the last before `to`; a
    // file that ends between this one and `to` stays, under the tombstone.
    if let Some(last) = last.checked_sub(1) {
        key.push(last);
        key.extend([u8::MAX; KEY_TAIL_BYTES]);
    }
    Some(key)
}

// === impl RocksBatch ===

impl BatchOps for RocksBatch {
    fn reserve(&mut self, bytes: usize) {
        if self.batch.is_empty() {
            self.batch = WriteBatch::with_capacity_bytes(bytes);
        }
    }

    fn put(&mut self, name: Column, key: &[u8], value: &[u8]) {
        self.batch.put_cf(column(&self.database, name.name()), key, value);
    }

    fn delete(&mut self, name: Column, key: &[u8]) {
        self.batch.delete_cf(column(&self.database, name.name()), key);
    }

    fn delete_range(&mut self, name: Column, from: &[u8], to: &[u8]) {
        self.batch.delete_range_cf(column(&self.database, name.name()), from, to);
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

#[cfg(test)]
mod tests;
