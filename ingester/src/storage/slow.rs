//! A log store whose syncs take longer than they need, to show what waits for them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::StorageError;
use super::log::{EntryVisitor, GroupId, LogOp, LogStore, Mark};

/// Waits before each sync.
#[derive(Debug)]
pub(crate) struct SlowSync {
    inner: Arc<dyn LogStore>,
    delay: Duration,
}

// === impl SlowSync ===

impl SlowSync {
    /// Delays the syncs of `inner` by `delay`.
    pub(crate) fn new(inner: Arc<dyn LogStore>, delay: Duration) -> Self {
        Self { inner, delay }
    }
}

impl LogStore for SlowSync {
    fn write(&self, ops: &[LogOp]) -> Result<(), StorageError> {
        self.inner.write(ops)
    }

    #[expect(clippy::disallowed_methods, reason = "the syncing thread is no runtime worker")]
    fn sync(&self) -> Result<(), StorageError> {
        std::thread::sleep(self.delay);
        self.inner.sync()
    }

    fn read(
        &self,
        group: GroupId,
        range: Range<u64>,
        visit: &mut EntryVisitor<'_>,
    ) -> Result<(), StorageError> {
        self.inner.read(group, range, visit)
    }

    fn last_index(&self, group: GroupId) -> Result<Option<u64>, StorageError> {
        self.inner.last_index(group)
    }

    fn mark(&self, group: GroupId, mark: Mark) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.mark(group, mark)
    }

    fn groups(&self) -> Result<Vec<GroupId>, StorageError> {
        self.inner.groups()
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.inner.flush()
    }
}
