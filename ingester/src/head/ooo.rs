//! Late samples: a small sorted buffer for each series that has some.
//!
//! A sample that is older than its series' newest cannot join the open chunk. It waits here until
//! 32 have gathered, which are then sealed as chunks of their own, one a window, and merged with
//! the others when they are read. What has a timestamp already never gets here.

use std::collections::BTreeMap;

use model::TimestampMs;
use model::chunk::XorChunk;

use super::sealed::{ChunkKey, ChunkKind, SealedChunks, window_hour};

/// Late samples that a series gathers before they are sealed.
const BUFFER_SAMPLES: usize = 32;

/// A late sample: its timestamp and its value's bits.
pub(crate) type LateSample = (TimestampMs, u64);

/// Late samples by ref, each list ascending by timestamp.
#[derive(Debug, Default)]
pub(crate) struct LateSamples {
    buffers: BTreeMap<u32, Vec<LateSample>>,
}

// === impl LateSamples ===

impl LateSamples {
    /// The late samples of a series.
    pub(crate) fn of(&self, series: u32) -> &[LateSample] {
        self.buffers.get(&series).map_or(&[], Vec::as_slice)
    }

    /// Late samples of the series `from..to`, ascending by ref.
    pub(crate) fn range(
        &self,
        refs: std::ops::Range<u32>,
    ) -> impl Iterator<Item = (u32, &[LateSample])> {
        self.buffers.range(refs).map(|(series, late)| (*series, late.as_slice()))
    }

    /// The bits of the sample at `t`, if there is one.
    pub(super) fn find(&self, series: u32, t: TimestampMs) -> Option<u64> {
        let late = self.of(series);
        late.binary_search_by_key(&t, |(t, _)| *t).ok().map(|at| late[at].1)
    }

    /// Adds a sample whose timestamp the series does not have; a full buffer is sealed.
    pub(super) fn add(
        &mut self,
        series: u32,
        sample: LateSample,
        index: u64,
        sealed: &mut SealedChunks,
    ) {
        let late = self.buffers.entry(series).or_default();
        let at = late.partition_point(|(t, _)| *t < sample.0);
        late.insert(at, sample);
        if late.len() >= BUFFER_SAMPLES {
            seal(series, late, index, sealed);
            self.buffers.remove(&series);
        }
    }

    /// Takes a series' samples from a checkpoint.
    pub(super) fn restore(&mut self, series: u32, late: Vec<LateSample>) {
        self.buffers.insert(series, late);
    }

    /// Seals the buffers of series for which `is_idle` says yes, and returns these series.
    pub(super) fn seal_idle(
        &mut self,
        index: u64,
        sealed: &mut SealedChunks,
        is_idle: impl Fn(u32) -> bool,
    ) -> Vec<u32> {
        let idle = self.buffers.extract_if(.., |series, _| is_idle(*series));
        idle.map(|(series, late)| {
            seal(series, &late, index, sealed);
            series
        })
        .collect()
    }

    /// Forgets the samples before `before_ms`, and returns the series that had some.
    pub(super) fn drop_before(&mut self, before_ms: TimestampMs) -> Vec<u32> {
        let mut changed = Vec::new();
        self.buffers.retain(|series, late| {
            let dropped = late.partition_point(|(t, _)| *t < before_ms);
            if dropped > 0 {
                changed.push(*series);
                late.drain(..dropped);
            }
            !late.is_empty()
        });
        changed
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.buffers.values().map(|late| 64 + late.capacity() * size_of::<LateSample>()).sum()
    }
}

/// Seals sorted samples, one chunk a window.
fn seal(series: u32, late: &[LateSample], index: u64, sealed: &mut SealedChunks) {
    for window in late.chunk_by(|a, b| window_hour(a.0) == window_hour(b.0)) {
        let (first_ms, last_ms) = (window[0].0, window[window.len() - 1].0);
        let mut chunk = XorChunk::default();
        for (t, bits) in window {
            chunk.append(*t, f64::from_bits(*bits));
        }
        let key = ChunkKey { hour: window_hour(first_ms), series, first_ms };
        sealed.add(key, (ChunkKind::OutOfOrder, last_ms, index), |out| chunk.write_to(out));
    }
}
