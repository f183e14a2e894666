//! One head over a state store of its own.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use model::PartitionId;
use promql::source::SampleSource;

use crate::head::{Head, encode_frames};
use crate::machine::Machine;
use crate::select::HeadSource;
use crate::storage::rocks::{BlockCache, RocksState};
use crate::storage::{StateBatch, StateStore};

/// A head, and the store that it checkpoints to.
#[derive(Debug)]
pub struct BenchHead {
    head: Head,
    store: Arc<dyn StateStore>,
    applied: u64,
}

// === impl BenchHead ===

impl BenchHead {
    /// A head as the store in `folder` has it; an empty folder makes an empty head.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let store = RocksState::open(folder, &BlockCache::new()).expect("the folder is its own");
        Self::restored(Arc::new(store))
    }

    /// Another head, as the last checkpoint has it.
    #[must_use]
    pub fn restore(&self) -> Self {
        Self::restored(Arc::clone(&self.store))
    }

    fn restored(store: Arc<dyn StateStore>) -> Self {
        let head = Head::restore(PartitionId(0), 1, Arc::clone(&store));
        Self { head: head.expect("what was written restores"), store, applied: 0 }
    }

    /// The log entry's payload of one frame.
    #[must_use]
    pub fn command(frame: &[u8]) -> Vec<u8> {
        let mut command = Vec::new();
        encode_frames(std::iter::once(frame), &mut command);
        command
    }

    /// Applies commands in order.
    pub fn apply(&mut self, commands: &[Vec<u8>]) {
        for command in commands {
            self.applied += 1;
            black_box(self.head.apply(self.applied, command));
        }
    }

    /// Gathers a checkpoint of everything that changed since the last one that was written.
    pub fn gather_checkpoint(&self) {
        black_box(self.batch());
    }

    /// Writes a checkpoint and flushes it.
    pub fn write_checkpoint(&self) {
        self.store.write(self.batch()).expect("the folder takes it");
        self.store.flush().expect("the folder takes it");
    }

    fn batch(&self) -> StateBatch {
        let mut batch = self.store.batch();
        self.head.checkpoint(&mut batch);
        batch
    }

    /// Its samples, as fragments read them.
    #[must_use]
    pub fn source(&self) -> impl SampleSource + '_ {
        HeadSource(&self.head)
    }
}
