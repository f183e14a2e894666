//! Samples of a frame: into open chunks, to the late ones, or refused.
//!
//! Everything is decided here, from the state and the command alone. Samples come in the order in
//! which the sender's series came, so refs mostly ascend, and open chunks that follow on one another in
//! memory are appended to one after the other.

use cluster::{FrameRef, FrameView, RejectReason};
use model::chunk::XorChunk;
use model::chunk::xor::SAMPLES_MAX;
use model::{SeriesRef, TimestampMs};

use super::outcome::{AppliedFrame, Outcome};
use super::sealed::{ChunkKey, ChunkKind, SealedChunk, SealedChunks, window_hour, window_start_ms};
use super::state::{State, StoreView};
use crate::storage::Column;

/// How much older than its series' newest a sample may be.
const LATE_MS: i64 = 2 * 3_600_000;

/// What the samples of one run have in common.
#[derive(Debug, Clone, Copy)]
struct Run {
    timestamp_ms: TimestampMs,
    window_start_ms: TimestampMs,
}

impl State {
    /// Appends the samples of a frame whose new series have been resolved.
    pub(super) fn append(
        &mut self,
        frame: &FrameView<'_>,
        new_refs: Vec<SeriesRef>,
        store: &StoreView<'_>,
    ) -> AppliedFrame {
        let mut applied = AppliedFrame { new_refs, ..AppliedFrame::default() };
        let (mut refs, mut values) = (frame.refs(), frame.values());
        let mut sample = 0;
        for (timestamp_ms, count) in frame.runs() {
            let run = Run { timestamp_ms, window_start_ms: window_start_ms(timestamp_ms) };
            let before = applied.accepted;
            for (raw, value) in refs.by_ref().zip(values.by_ref()).take(count as usize) {
                let series = applied.series(FrameRef::decode(raw));
                let outcome = self.append_one(run, series.0, value, store);
                applied.count(outcome, sample, series, timestamp_ms);
                sample += 1;
            }
            if applied.accepted > before {
                self.counters.newest_ms = self.counters.newest_ms.max(timestamp_ms);
            }
        }
        self.counters.samples += u64::from(applied.accepted);
        applied
    }

    #[inline]
    fn append_one(&mut self, run: Run, series: u32, value: f64, store: &StoreView<'_>) -> Outcome {
        let t = run.timestamp_ms;
        let epoch = self.epoch;
        let Some((page, at)) = self.pages.find_mut(series) else {
            return Outcome::Rejected(RejectReason::UnknownRef);
        };
        let open = page.open_mut(at);
        let last_ms = open.last_ms();
        if t <= last_ms {
            return self.append_at_or_before(t, series, value, store);
        }
        if t < self.counters.dropped_before_ms {
            return Outcome::Rejected(RejectReason::TooOld);
        }
        if last_ms < run.window_start_ms && open.samples() > 0 {
            seal(&mut self.sealed, self.counters.applied, series, open);
        }
        let is_first = open.samples() == 0;
        open.append(t, value);
        if open.samples() == SAMPLES_MAX {
            seal(&mut self.sealed, self.counters.applied, series, open);
        }
        page.changed = epoch;
        if is_first {
            page.born_by(at, window_hour(t));
        }
        Outcome::Accepted
    }

    /// A sample that is not newer than its series' newest: stored already, late, or refused.
    #[cold]
    fn append_at_or_before(
        &mut self,
        t: TimestampMs,
        series: u32,
        value: f64,
        store: &StoreView<'_>,
    ) -> Outcome {
        let Some((page, at)) = self.pages.find(series) else {
            return Outcome::Rejected(RejectReason::UnknownRef);
        };
        let (last_ms, last_bits) = (page.open(at).last_ms(), page.open(at).last_bits());
        let bits = value.to_bits();
        if t < self.counters.dropped_before_ms || t < last_ms.saturating_sub(LATE_MS) {
            return Outcome::Rejected(RejectReason::TooOld);
        }
        let stored = if t == last_ms { Some(last_bits) } else { self.stored(t, series, store) };
        match stored {
            Some(same) if same == bits => Outcome::Duplicate,
            Some(_) => Outcome::Rejected(RejectReason::DuplicateTimestamp),
            None => {
                let index = self.counters.applied;
                self.late.add(series, (t, bits), index, &mut self.sealed);
                if let Some((page, at)) = self.pages.find_mut(series) {
                    page.changed = self.epoch;
                    page.born_by(at, window_hour(t));
                }
                Outcome::Accepted
            }
        }
    }

    /// The bits of the sample that a series has at `t`, wherever it is.
    fn stored(&self, t: TimestampMs, series: u32, store: &StoreView<'_>) -> Option<u64> {
        let (page, at) = self.pages.find(series)?;
        let open = page.open(at);
        if open.first_ms().is_some_and(|first_ms| first_ms <= t) {
            let mut chunk = Vec::new();
            open.write_to(&mut chunk);
            if let Some(bits) = find_in_chunk(&chunk, t) {
                return Some(bits);
            }
        }
        self.late.find(series, t).or_else(|| self.stored_in_sealed(t, series, store))
    }

    fn stored_in_sealed(&self, t: TimestampMs, series: u32, store: &StoreView<'_>) -> Option<u64> {
        let from = ChunkKey::first(window_hour(t), series);
        let to = ChunkKey { first_ms: t.saturating_add(1), ..from };
        let look = |key: ChunkKey, value: &[u8], sealed_before: u64| {
            let sealed = SealedChunk::decode(key, value)?;
            let may_hold = sealed.last_ms >= t && sealed.sealed_at < sealed_before;
            may_hold.then(|| find_in_chunk(sealed.chunk, t))?
        };
        let in_memory =
            self.sealed.in_memory(from, to).find_map(|(key, value)| look(*key, value, u64::MAX));
        in_memory.or_else(|| {
            // In the store may be chunks that a replay has not sealed yet: they do not count.
            let mut found = None;
            let (from, to) = (from.encode(store.stid), to.encode(store.stid));
            let scanned = store.store.scan(Column::Chunks, &from, &to, &mut |key, value| {
                let key = ChunkKey::decode(key);
                found = key.and_then(|key| look(key, value, self.counters.applied));
                if found.is_some() {
                    return std::ops::ControlFlow::Break(());
                }
                std::ops::ControlFlow::Continue(())
            });
            if let Err(error) = scanned {
                tracing::error!(series, t, %error, "sealed chunks cannot be searched for a sample");
            }
            found
        })
    }
}

/// Seals an open chunk; the series' newest sample stays known.
pub(super) fn seal(sealed: &mut SealedChunks, index: u64, series: u32, open: &mut XorChunk) {
    let Some(first_ms) = open.first_ms() else { return };
    let key = ChunkKey { hour: window_hour(first_ms), series, first_ms };
    sealed.add(key, (ChunkKind::InOrder, open.last_ms(), index), |out| open.write_to(out));
    open.restart();
}

/// The bits of a chunk's sample at `t`.
fn find_in_chunk(chunk: &[u8], t: TimestampMs) -> Option<u64> {
    let (mut timestamps_ms, mut values) = (Vec::new(), Vec::new());
    model::chunk::xor::decode(chunk, &mut timestamps_ms, &mut values).ok()?;
    let at = timestamps_ms.binary_search(&t).ok()?;
    Some(values[at].to_bits())
}
