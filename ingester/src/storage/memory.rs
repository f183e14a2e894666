//! Both stores in memory, for tests and simulations: they forget what was not synced.
//!
//! Invariant: `crash()` leaves exactly what the last sync or flush made durable, so a test that
//! crashes and goes on sees what a power cut would leave of the real thing at worst.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow, Range};

use parking_lot::Mutex;

use super::log::{EntryVisitor, GroupId, LogOp, LogStore, Mark};
use super::{BatchOps, Column, StateBatch, StateStore, StorageError, Visitor};

/// A raft log in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryLog {
    inner: Mutex<LogInner>,
}

#[derive(Debug, Default)]
struct LogInner {
    current: LogImage,
    durable: LogImage,
    /// Written since the last sync.
    unsynced: Vec<LogOp>,
}

#[derive(Debug, Clone, Default)]
struct LogImage {
    entries: BTreeMap<(GroupId, u64), Vec<u8>>,
    marks: BTreeMap<(GroupId, Mark), Vec<u8>>,
}

/// A state store in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryState {
    inner: Mutex<StateInner>,
}

#[derive(Debug, Default)]
struct StateInner {
    current: StateImage,
    durable: StateImage,
    unflushed: Vec<StateOp>,
}

type StateImage = BTreeMap<(Column, Vec<u8>), Vec<u8>>;

#[derive(Debug)]
enum StateOp {
    Put(Column, Vec<u8>, Vec<u8>),
    Delete(Column, Vec<u8>),
    DeleteRange(Column, Range<Vec<u8>>),
}

#[derive(Debug, Default)]
struct MemoryBatch(Vec<StateOp>);

// === impl MemoryLog ===

impl MemoryLog {
    /// Loses everything that was written after the last sync.
    pub(crate) fn crash(&self) {
        self.crash_keeping(0);
    }

    /// As [`MemoryLog::crash`], but the first `kept` unsynced changes had reached the disk anyway.
    pub(crate) fn crash_keeping(&self, kept: usize) {
        let mut inner = self.inner.lock();
        let unsynced = std::mem::take(&mut inner.unsynced);
        for op in unsynced.iter().take(kept) {
            inner.durable.apply(op);
        }
        inner.current = inner.durable.clone();
    }
}

impl LogStore for MemoryLog {
    fn write(&self, ops: &[LogOp]) -> Result<(), StorageError> {
        let mut inner = self.inner.lock();
        for op in ops {
            inner.current.apply(op);
            inner.unsynced.push(op.clone());
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        let mut inner = self.inner.lock();
        for op in std::mem::take(&mut inner.unsynced) {
            inner.durable.apply(&op);
        }
        Ok(())
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
        let inner = self.inner.lock();
        let entries = inner.current.entries.range((group, range.start)..(group, range.end));
        for ((_, index), value) in entries {
            if visit(*index, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last_index(&self, group: GroupId) -> Result<Option<u64>, StorageError> {
        let inner = self.inner.lock();
        let mut entries = inner.current.entries.range((group, 0)..=(group, u64::MAX));
        Ok(entries.next_back().map(|((_, index), _)| *index))
    }

    fn mark(&self, group: GroupId, mark: Mark) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.inner.lock().current.marks.get(&(group, mark)).cloned())
    }

    fn groups(&self) -> Result<Vec<GroupId>, StorageError> {
        let inner = self.inner.lock();
        let mut groups: Vec<GroupId> =
            inner.current.marks.keys().map(|(group, _)| *group).collect();
        groups.dedup();
        Ok(groups)
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.sync()
    }
}

// === impl LogImage ===

impl LogImage {
    fn apply(&mut self, op: &LogOp) {
        match op {
            LogOp::Append { group, records } => {
                for record in records {
                    let value = [&record.header[..], &record.payload[..]].concat();
                    self.entries.insert((*group, record.index), value);
                }
            }
            LogOp::Put { group, mark, value } => {
                self.marks.insert((*group, *mark), value.clone());
            }
            LogOp::Clear { group, mark } => {
                self.marks.remove(&(*group, *mark));
            }
            LogOp::Remove { group, range } => {
                self.entries.retain(|(of, index), _| of != group || !range.contains(index));
            }
        }
    }
}

// === impl MemoryState ===

impl MemoryState {
    /// Loses everything that was written after the last flush.
    pub(crate) fn crash(&self) {
        let mut inner = self.inner.lock();
        inner.unflushed.clear();
        inner.current = inner.durable.clone();
    }

    fn write_ops(&self, ops: Vec<StateOp>) {
        let mut inner = self.inner.lock();
        for op in ops {
            apply_state_op(&mut inner.current, &op);
            inner.unflushed.push(op);
        }
    }
}

impl StateStore for MemoryState {
    fn batch(&self) -> StateBatch {
        StateBatch::new(Box::new(MemoryBatch::default()))
    }

    fn write(&self, batch: StateBatch) -> Result<(), StorageError> {
        let ops = batch.into_ops().into_any().downcast::<MemoryBatch>();
        self.write_ops(ops.expect("a batch is written to the store that made it").0);
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        let mut inner = self.inner.lock();
        for op in std::mem::take(&mut inner.unflushed) {
            apply_state_op(&mut inner.durable, &op);
        }
        Ok(())
    }

    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.inner.lock().current.get(&(column, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: &[u8],
        visit: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        if from >= to {
            return Ok(());
        }
        let inner = self.inner.lock();
        let bounds =
            (Bound::Included((column, from.to_vec())), Bound::Excluded((column, to.to_vec())));
        for ((_, key), value) in inner.current.range(bounds) {
            if visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn delete_range(&self, column: Column, from: &[u8], to: &[u8]) -> Result<(), StorageError> {
        self.write_ops(vec![StateOp::DeleteRange(column, from.to_vec()..to.to_vec())]);
        Ok(())
    }

    fn size_bytes(&self, column: Column) -> u64 {
        let inner = self.inner.lock();
        let sizes = inner.current.iter().filter(|((of, _), _)| *of == column);
        sizes.map(|((_, key), value)| (key.len() + value.len()) as u64).sum()
    }
}

fn apply_state_op(image: &mut StateImage, op: &StateOp) {
    match op {
        StateOp::Put(column, key, value) => {
            image.insert((*column, key.clone()), value.clone());
        }
        StateOp::Delete(column, key) => {
            image.remove(&(*column, key.clone()));
        }
        StateOp::DeleteRange(column, range) => {
            image.retain(|(of, key), _| of != column || !range.contains(key));
        }
    }
}

// === impl MemoryBatch ===

impl BatchOps for MemoryBatch {
    fn put(&mut self, column: Column, key: &[u8], value: &[u8]) {
        self.0.push(StateOp::Put(column, key.to_vec(), value.to_vec()));
    }

    fn delete(&mut self, column: Column, key: &[u8]) {
        self.0.push(StateOp::Delete(column, key.to_vec()));
    }

    fn delete_range(&mut self, column: Column, from: &[u8], to: &[u8]) {
        self.0.push(StateOp::DeleteRange(column, from.to_vec()..to.to_vec()));
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}
