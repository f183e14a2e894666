//! The chunks of a batch of series: gathered from memory and store, then decoded and merged.

use std::ops::{ControlFlow, Range};

use model::TimestampMs;
use model::chunk::{XorChunk, xor};
use model::{Failure, FailureKind};
use promql::op::OpError;
use promql::source::SampleBlock;

use super::scan::{Found, View};
use crate::head::{ChunkKey, ChunkKind, Head, LateSample, SealedChunk, State, window_hour};
use crate::storage::Column;

/// Refs this close are read by one scan of the store that passes over those between.
const GAP_MAX: u32 = 32;

/// Chunks of the current batch; buffers are kept from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    bytes: Vec<u8>,
    found: Vec<Chunk>,
    /// Per series of the batch, its chunks in `found`.
    of: Vec<Range<usize>>,
    /// Series that the open chunk does not answer alone, by place in the batch.
    unanswered: Vec<bool>,
    /// Windows in view that have sealed chunks by now, with whether some hold late samples.
    windows: Vec<(i32, bool)>,
    /// Samples of a chunk that begins before the view.
    early: (Vec<TimestampMs>, Vec<f64>),
    merged: Vec<(TimestampMs, f64)>,
}

/// A chunk of a series of the batch.
#[derive(Debug, Clone)]
struct Chunk {
    /// The series' place in the batch.
    place: usize,
    first_ms: TimestampMs,
    kind: ChunkKind,
    bytes: Range<usize>,
}

// === impl Chunks ===

impl Chunks {
    /// Gathers the chunks that may have samples in view.
    pub(super) fn gather(
        &mut self,
        head: &Head,
        view: &View,
        batch: &[Found],
    ) -> Result<(), OpError> {
        self.bytes.clear();
        self.found.clear();
        self.unanswered.clear();
        self.of.clear();
        if batch.is_empty() {
            return Ok(());
        }
        self.take_from_memory(&head.read(), view, batch).map_err(|key| damaged(head, key))?;
        for i in 0..self.windows.len() {
            self.take_from_store(head, view, batch, self.windows[i])?;
        }
        // A chunk may have moved into the store in between: then both are there, and are the same.
        self.found.sort_by_key(|chunk| (chunk.place, chunk.first_ms));
        self.found.dedup_by_key(|chunk| (chunk.place, chunk.first_ms));
        let mut start = 0;
        for place in 0..batch.len() {
            let rest = &self.found[start..];
            let end = start + rest.partition_point(|chunk| chunk.place <= place);
            self.of.push(start..end);
            start = end;
        }
        Ok(())
    }

    fn take_from_memory(
        &mut self,
        state: &State,
        view: &View,
        batch: &[Found],
    ) -> Result<(), ChunkKey> {
        for (place, found) in batch.iter().enumerate() {
            let open = state.pages.find(found.series).map(|(page, at)| page.open(at));
            let first_ms = open.and_then(XorChunk::first_ms);
            self.unanswered.push(first_ms.is_none_or(|first_ms| first_ms > view.range.start_ms));
            let (Some(open), Some(first_ms)) = (open, first_ms) else { continue };
            if first_ms <= view.range.end_ms.min(found.last_ms) {
                let start = self.bytes.len();
                open.write_to(&mut self.bytes);
                let bytes = start..self.bytes.len();
                self.found.push(Chunk { place, first_ms, kind: ChunkKind::InOrder, bytes });
            }
        }
        let hours = window_hour(view.range.start_ms)..=window_hour(view.range.end_ms);
        self.windows.clear();
        if !view.range.is_empty() {
            let windows = state.sealed.windows().range(hours);
            self.windows.extend(windows.map(|(hour, window)| (*hour, window.late_chunks > 0)));
        }
        let (first, last) = (batch[0].series, batch[batch.len() - 1].series);
        for i in 0..self.windows.len() {
            let hour = self.windows[i].0;
            let (from, to) = (ChunkKey::first(hour, first), ChunkKey::first(hour, last + 1));
            for (key, value) in state.sealed.in_memory(from, to) {
                if let Ok(place) = batch.binary_search_by_key(&key.series, |found| found.series) {
                    self.take(view, (place, &batch[place]), *key, value)?;
                }
            }
        }
        Ok(())
    }

    /// Reads a window of the store, one scan for each run of refs that are close to each other.
    fn take_from_store(
        &mut self,
        head: &Head,
        view: &View,
        batch: &[Found],
        (hour, has_late): (i32, bool),
    ) -> Result<(), OpError> {
        let wanted: Vec<usize> =
            (0..batch.len()).filter(|place| has_late || self.unanswered[*place]).collect();
        let is_close = |a: &usize, b: &usize| batch[*b].series - batch[*a].series <= GAP_MAX;
        for run in wanted.chunk_by(is_close) {
            let (first, last) = (batch[run[0]].series, batch[run[run.len() - 1]].series);
            let view_of_store = head.store();
            let from = ChunkKey::first(hour, first).encode(view_of_store.stid);
            let to = ChunkKey::first(hour, last + 1).encode(view_of_store.stid);
            let mut outcome = Ok(());
            let mut places = run.iter().copied().peekable();
            let mut visit = |key: &[u8], value: &[u8]| {
                let Some(key) = ChunkKey::decode(key) else { return ControlFlow::Continue(()) };
                while places.next_if(|place| batch[*place].series < key.series).is_some() {}
                let place = places.peek().filter(|place| batch[**place].series == key.series);
                if let Some(place) = place {
                    outcome = self.take(view, (*place, &batch[*place]), key, value);
                }
                if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            view_of_store.store.scan(Column::Chunks, &from, &to, &mut visit).map_err(|error| {
                OpError::new(FailureKind::Corrupt, "err-varve-storage", error.to_string())
            })?;
            outcome.map_err(|key| damaged(head, key))?;
        }
        Ok(())
    }

    /// Takes a sealed chunk, if it is in view. Fails with the key of a damaged one.
    fn take(
        &mut self,
        view: &View,
        (place, found): (usize, &Found),
        key: ChunkKey,
        value: &[u8],
    ) -> Result<(), ChunkKey> {
        if key.first_ms > view.range.end_ms.min(found.last_ms) {
            return Ok(());
        }
        let sealed = SealedChunk::decode(key, value).ok_or(key)?;
        let is_newer = sealed.kind == ChunkKind::OutOfOrder && sealed.sealed_at > view.applied;
        if sealed.last_ms >= view.range.start_ms && !is_newer {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(sealed.chunk);
            let bytes = start..self.bytes.len();
            let (first_ms, kind) = (key.first_ms, sealed.kind);
            self.found.push(Chunk { place, first_ms, kind, bytes });
        }
        Ok(())
    }

    /// Appends the samples in view of the series at `place`, ascending.
    pub(super) fn decode(
        &mut self,
        place: usize,
        found: &Found,
        late: &[LateSample],
        view: &View,
        block: &mut SampleBlock,
    ) -> Result<(), OpError> {
        let SampleBlock { timestamps_ms, values, .. } = block;
        let start = values.len();
        let chunks = &self.found[self.of[place].clone()];
        for chunk in chunks {
            let bytes = &self.bytes[chunk.bytes.clone()];
            let decoded = if chunk.first_ms < view.range.start_ms {
                // What comes before the view would have to be cut off from in front of the others.
                let (early_ms, early) = &mut self.early;
                early_ms.clear();
                early.clear();
                let decoded = xor::decode(bytes, early_ms, early);
                let before = early_ms.partition_point(|t| *t < view.range.start_ms);
                timestamps_ms.extend_from_slice(&early_ms[before..]);
                values.extend_from_slice(&early[before..]);
                decoded
            } else {
                xor::decode(bytes, timestamps_ms, values)
            };
            decoded.map_err(|_| {
                let key = ChunkKey { hour: 0, series: found.series, first_ms: chunk.first_ms };
                OpError::new(FailureKind::Corrupt, DAMAGED, format!("{key:?} cannot be decoded"))
            })?;
        }
        if !late.is_empty() || chunks.iter().any(|chunk| chunk.kind == ChunkKind::OutOfOrder) {
            timestamps_ms.extend(late.iter().map(|(t, _)| *t));
            values.extend(late.iter().map(|(_, bits)| f64::from_bits(*bits)));
            self.merge(start, block);
        }
        let end_ms = view.range.end_ms.min(found.last_ms);
        trim(start, view.range.start_ms, end_ms, block);
        Ok(())
    }

    /// Brings the samples from `start` on into order. Of equal timestamps, which only a crash
    /// between sealing and checkpoint can leave behind, all have the same bits.
    fn merge(&mut self, start: usize, block: &mut SampleBlock) {
        let SampleBlock { timestamps_ms, values, .. } = block;
        self.merged.clear();
        self.merged.extend(timestamps_ms.drain(start..).zip(values.drain(start..)));
        self.merged.sort_by_key(|(t, _)| *t);
        self.merged.dedup_by_key(|(t, _)| *t);
        timestamps_ms.extend(self.merged.iter().map(|(t, _)| *t));
        values.extend(self.merged.iter().map(|(_, value)| *value));
    }
}

/// Leaves of the samples from `start` on those of `start_ms..=end_ms`.
fn trim(start: usize, start_ms: TimestampMs, end_ms: TimestampMs, block: &mut SampleBlock) {
    let SampleBlock { timestamps_ms, values, .. } = block;
    let after = start + timestamps_ms[start..].partition_point(|t| *t <= end_ms);
    timestamps_ms.truncate(after);
    values.truncate(after);
    let before = start + timestamps_ms[start..].partition_point(|t| *t < start_ms);
    if before > start {
        timestamps_ms.drain(start..before);
        values.drain(start..before);
    }
}

/// The id of damage in stored chunks.
const DAMAGED: &str = "err-varve-chunk-damaged";

fn damaged(head: &Head, key: ChunkKey) -> OpError {
    let labels = head.labels(model::SeriesRef(key.series));
    let series = labels.map_or_else(|| format!("number {}", key.series), |l| l.to_string());
    let failure = Failure::new(
        FailureKind::Corrupt,
        DAMAGED,
        format!(
            "partition {}, series {series}: the chunk that begins at {} ms is damaged on disk; \
             queries outside the two hours from hour {} on are not affected",
            head.partition().0,
            key.first_ms,
            key.hour
        ),
    );
    failure.into()
}
