//! What a partition's head holds in memory, and how a command changes it.

use std::ops::Range;

use cluster::FrameView;
use hashbrown::HashTable;
use model::{Labels, SeriesRef, TenantId, TimestampMs};

use super::command::Command;
use super::dirty::Dirty;
use super::index::Index;
use super::metadata::Metadata;
use super::ooo::LateSamples;
use super::outcome::AppliedFrame;
use super::page::Pages;
use super::sealed::{SealedChunks, window_hour};
use crate::machine::Checkpointed;
use crate::storage::StateStore;

/// All that memory holds of a partition.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) index: Index,
    pub(crate) pages: Pages,
    pub(crate) late: LateSamples,
    pub(crate) sealed: SealedChunks,
    pub(crate) metadata: Metadata,
    pub(crate) counters: Counters,
    /// Ref by fingerprint.
    pub(super) by_fingerprint: HashTable<u32>,
    /// Pages in which series came or went.
    pub(super) series_dirty: Dirty,
    /// What changes of this moment belong to, see [`super::dirty`].
    pub(super) epoch: u64,
    pub(super) progress: Progress,
}

/// How far the disk is behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// The newest epoch that is on disk.
    pub(super) durable: u64,
    /// The first window that the newest checkpoint still has.
    pub(super) checkpointed_hour: i32,
    /// Windows before this are gone from the store.
    pub(super) deleted_hour: i32,
}

/// Numbers of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The log index of the last command.
    pub(crate) applied: u64,
    /// The next new series' ref.
    pub(crate) next_ref: u32,
    /// Series that live.
    pub(crate) series: u32,
    /// The newest timestamp of any sample; `i64::MIN` without samples.
    pub(crate) newest_ms: TimestampMs,
    /// Samples before this do not exist any more and are refused.
    pub(crate) dropped_before_ms: TimestampMs,
    /// Samples stored since the partition began.
    pub(crate) samples: u64,
}

// === impl State ===

impl Default for State {
    fn default() -> Self {
        Self {
            index: Index::default(),
            pages: Pages::default(),
            late: LateSamples::default(),
            sealed: SealedChunks::default(),
            metadata: Metadata::default(),
            counters: Counters {
                applied: 0,
                next_ref: 0,
                series: 0,
                newest_ms: TimestampMs::MIN,
                // One instant is left over to mean "never".
                dropped_before_ms: TimestampMs::MIN + 1,
                samples: 0,
            },
            by_fingerprint: HashTable::new(),
            series_dirty: Dirty::default(),
            epoch: 1,
            progress: Progress { durable: 0, checkpointed_hour: i32::MIN, deleted_hour: i32::MIN },
        }
    }
}

impl State {
    /// Applies one command. A payload that cannot be read changes nothing: the leader checks
    /// before it proposes, so this is a bug, and the same bug on every replica.
    pub(super) fn apply(
        &mut self,
        index: u64,
        payload: &[u8],
        store: &StoreView<'_>,
    ) -> Vec<AppliedFrame> {
        self.counters.applied = index;
        match Command::decode(payload) {
            Ok(Command::Frames(frames)) => {
                frames.iter().map(|frame| self.apply_frame(frame, store)).collect()
            }
            Ok(Command::Retention { before_ms }) => {
                self.drop_before(before_ms);
                Vec::new()
            }
            Err(error) => {
                tracing::error!(index, %error, "a log entry cannot be read and is skipped");
                Vec::new()
            }
        }
    }

    fn apply_frame(&mut self, frame: &FrameView<'_>, store: &StoreView<'_>) -> AppliedFrame {
        let Ok(tenant) = TenantId::new(frame.tenant()) else {
            tracing::error!(tenant = frame.tenant(), "a frame without a valid tenant is skipped");
            return AppliedFrame::default();
        };
        let tenant_number = self.index.tenant(&tenant);
        let new_refs = self.resolve(&tenant, tenant_number, frame);
        let applied = self.append(frame, new_refs, store);
        for record in frame.metadata() {
            self.metadata.set(tenant_number, &record, self.counters.newest_ms, self.epoch);
        }
        applied
    }

    /// Ends the epoch of a checkpoint; what changes now belongs to the next one.
    pub(super) fn begin_epoch(&mut self) -> Checkpointed {
        let ended = self.epoch;
        self.epoch += 1;
        self.index.symbols.dirty.begin(self.epoch);
        self.index.dirty.begin(self.epoch);
        self.series_dirty.begin(self.epoch);
        self.progress.checkpointed_hour = window_hour(self.counters.dropped_before_ms);
        Checkpointed(ended)
    }

    /// Notes that a checkpoint is on disk; returns the window hours whose chunks may now go.
    pub(super) fn end_epoch(&mut self, Checkpointed(epoch): Checkpointed) -> Option<Range<i32>> {
        let progress = &mut self.progress;
        progress.durable = progress.durable.max(epoch);
        self.metadata.persisted(epoch);
        let gone = progress.deleted_hour..progress.checkpointed_hour;
        progress.deleted_hour = progress.checkpointed_hour;
        (!gone.is_empty()).then_some(gone)
    }

    /// The labels of a series that lives.
    pub(crate) fn labels(&self, series: SeriesRef) -> Option<Labels> {
        let pairs = self.pages.pairs(series.0);
        (!pairs.is_empty()).then(|| self.index.labels(pairs, &mut Vec::new()))
    }

    /// Bytes on the heap, roughly.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.index.heap_bytes()
            + self.pages.heap_bytes()
            + self.late.heap_bytes()
            + self.sealed.heap_bytes()
            + self.metadata.heap_bytes()
            + self.by_fingerprint.allocation_size()
    }
}

/// The state store as one partition sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreView<'a> {
    pub(crate) store: &'a dyn StateStore,
    pub(crate) stid: u64,
}
