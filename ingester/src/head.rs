//! The head of a partition: its newest samples, its index, and what is sealed but not yet stored.
//!
//! ```text
//!  command ─► command ─► series ─► index (symbols, pairs, postings)   labels → ref, once a series
//!                     └► samples ─► page (open chunks) ─► sealed ──► state store, 1 MiB at a time
//!                                └► ooo (late samples) ──┘
//!  checkpoint / restore: pages that changed        drop: old windows, dead series
//! ```
//!
//! One head serves one partition and replicates as a [`Machine`]: a command is applied under the
//! write lock, so a reader sees a request's samples in this partition all or not at all.
//!
//! Guarantees: apply is a function of state and command. A sample's timestamp is stored at most
//! once per series; of two values the first committed stays. Refs are never given twice. Memory
//! follows the living series, not the ones that ever were.
//!
//! Limits: 2^31 series over a partition's life, 2 h of lateness, retention in steps of 2 h.

mod checkpoint;
mod command;
#[cfg(test)]
mod digest;
mod dirty;
mod drop;
mod index;
mod metadata;
mod ooo;
mod outcome;
mod page;
mod postings;
mod record;
mod restore;
mod samples;
mod sealed;
mod series;
mod state;
mod symbols;

use std::sync::Arc;

use model::{Labels, PartitionId, SeriesRef, TimestampMs};
use parking_lot::{RwLock, RwLockReadGuard};

pub(crate) use command::{encode_frames, encode_retention};
pub(crate) use index::{NameId, PairId, TenantNumber};
pub(crate) use metadata::merge as merge_metadata;
pub(crate) use ooo::LateSample;
pub(crate) use outcome::{AppliedFrame, Rejection};
pub(crate) use restore::HeadError;
pub(crate) use sealed::{ChunkKey, ChunkKind, SealedChunk, WINDOW_HOURS, window_hour};
pub(crate) use state::{State, StoreView};

use crate::machine::{Checkpointed, Machine};
use crate::storage::{Column, StateBatch, StateStore};
use sealed::ChunkMap;

/// One partition's head.
#[derive(Debug)]
pub(crate) struct Head {
    partition: PartitionId,
    stid: u64,
    store: Arc<dyn StateStore>,
    state: RwLock<State>,
}

/// Figures of one head for metrics and gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadStats {
    /// Series that live.
    pub(crate) series: u64,
    /// Distinct label pairs.
    pub(crate) pairs: u64,
    /// Samples stored since the partition began.
    pub(crate) samples: u64,
    /// The newest timestamp of any sample; `i64::MIN` without samples.
    pub(crate) newest_ms: TimestampMs,
    /// Samples before this are gone.
    pub(crate) dropped_before_ms: TimestampMs,
    /// Bytes of sealed chunks, in memory and in the state store.
    pub(crate) sealed_bytes: u64,
}

// === impl Head ===

impl Head {
    /// The head that the newest checkpoint under `stid` wrote; an empty one when there is none.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub(crate) fn restore(
        partition: PartitionId,
        stid: u64,
        store: Arc<dyn StateStore>,
    ) -> Result<Self, HeadError> {
        let state = State::restore(partition, &StoreView { store: &*store, stid })?;
        Ok(Self { partition, stid, store, state: RwLock::new(state) })
    }

    /// Whose head it is.
    pub(crate) const fn partition(&self) -> PartitionId {
        self.partition
    }

    /// The state store as this head sees it.
    pub(crate) fn store(&self) -> StoreView<'_> {
        StoreView { store: &*self.store, stid: self.stid }
    }

    /// The state, which stands still while the guard lives; hold it briefly.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// The labels of a series; `None` when it is not or no longer known.
    pub(crate) fn labels(&self, series: SeriesRef) -> Option<Labels> {
        self.read().labels(series)
    }

    /// Figures for metrics and gates; cheap.
    pub(crate) fn stats(&self) -> HeadStats {
        let state = self.read();
        HeadStats {
            series: u64::from(state.counters.series),
            pairs: state.index.pair_count() as u64,
            samples: state.counters.samples,
            newest_ms: state.counters.newest_ms,
            dropped_before_ms: state.counters.dropped_before_ms,
            sealed_bytes: state.sealed.windows().values().map(|window| window.bytes).sum(),
        }
    }

    /// Bytes on the heap, roughly; walks everything.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.read().heap_bytes()
    }

    /// A hash of the logical state: equal on every replica that has applied the same commands.
    #[cfg(test)]
    pub(crate) fn digest(&self) -> u64 {
        self.read().digest()
    }

    /// Writes sealed chunks to the store. They stay readable in memory until they are there.
    fn spill(&self, chunks: &ChunkMap) {
        let mut batch = self.store.batch();
        sealed::put_chunks(&mut batch, self.stid, chunks);
        let stored = self.store.write(batch);
        if let Err(error) = &stored {
            let partition = self.partition.0;
            tracing::error!(partition, %error, "sealed chunks stay in memory");
        }
        self.state.write().sealed.spilled(stored.is_ok());
    }
}

impl Machine for Head {
    type Reply = Vec<AppliedFrame>;

    fn apply(&self, index: u64, command: &[u8]) -> Self::Reply {
        let (reply, spill) = {
            let mut state = self.state.write();
            let reply = state.apply(index, command, &self.store());
            (reply, state.sealed.take_full_spill())
        };
        if let Some(chunks) = spill {
            self.spill(&chunks);
        }
        reply
    }

    fn checkpoint(&self, batch: &mut StateBatch) -> Checkpointed {
        // What is written before the batch becomes durable with it, at the latest.
        let spill = self.state.write().sealed.take_spill(0);
        if let Some(chunks) = spill {
            self.spill(&chunks);
        }
        let state = self.read();
        // Records are about as large as what they are made from.
        batch.reserve(state.pages.heap_bytes());
        state.sealed.put_unstored(self.stid, batch);
        state.put_changes(self.stid, batch);
        drop(state);
        self.state.write().begin_epoch()
    }

    fn checkpoint_done(&self, checkpointed: Checkpointed) {
        let gone = self.state.write().end_epoch(checkpointed);
        let Some(hours) = gone else { return };
        let [from, to] = [hours.start, hours.end].map(|hour| ChunkKey::first(hour, 0));
        let (from, to) = (from.encode(self.stid), to.encode(self.stid));
        if let Err(error) = self.store.delete_range(Column::Chunks, &from, &to) {
            let partition = self.partition.0;
            tracing::error!(partition, %error, "dropped windows stay on disk until a restart");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
