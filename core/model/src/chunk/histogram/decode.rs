//! Reading a histogram chunk into columns.

use super::bytes::Cursor;
use super::{HEADER_BYTES, SAMPLES_MAX, State, VERSION, flag};
use crate::histogram::{Histogram, ResetHint};
use crate::sample::stale_nan;
use crate::time::TimestampMs;

/// Why bytes are no histogram chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistogramChunkError {
    /// Another version, or no chunk at all.
    #[error("histogram chunk has version {0}, this program reads version 1")]
    Version(u8),
    /// More samples than a chunk can have.
    #[error("histogram chunk claims {0} samples, 120 are the most")]
    Samples(usize),
    /// The bytes end too early, or say what cannot be.
    #[error("histogram chunk of {bytes} bytes is damaged at sample {sample}")]
    Damaged {
        /// Bytes at hand.
        bytes: usize,
        /// The sample, counted from 0, that could not be read.
        sample: usize,
    },
    /// Bytes behind the last sample.
    #[error("histogram chunk has {0} bytes behind its last sample")]
    Trailing(usize),
}

/// Decoded samples, one entry of each column a sample. Buckets of all samples lie in one vector.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Times.
    pub timestamps_ms: Vec<TimestampMs>,
    /// When counting began, where that is known.
    pub starts_ms: Vec<Option<TimestampMs>>,
    /// Sums; the stale marker where the series ended.
    pub sums: Vec<f64>,
    /// Hints.
    pub hints: Vec<ResetHint>,
    /// The layout of each sample: an index into `layouts`. Means nothing for a stale marker.
    pub layout_idx: Vec<u32>,
    /// Schema, zero threshold, spans and custom bounds; their numbers mean nothing.
    pub layouts: Vec<Histogram>,
    /// Where the numbers of each sample begin in `numbers`.
    pub first_number: Vec<usize>,
    /// Count, zero count, positive buckets and negative buckets of one sample after the other.
    pub numbers: Vec<f64>,
}

// === impl Columns ===

impl Columns {
    /// The number of samples.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.timestamps_ms.len()
    }

    /// Whether there are no samples.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.timestamps_ms.is_empty()
    }

    /// Writes sample `i` into `histogram`, whose buffers are reused. False for a stale marker,
    /// which is written as one, and for a sample that is not there.
    pub fn get(&self, i: usize, histogram: &mut Histogram) -> bool {
        let layout = self.layout_idx.get(i).and_then(|idx| self.layouts.get(*idx as usize));
        let numbers = self.first_number.get(i).and_then(|first| self.numbers.get(*first..));
        let (Some(layout), Some([count, zero_count, buckets @ ..])) = (layout, numbers) else {
            *histogram = Histogram { sum: stale_nan(), ..Histogram::default() };
            return false;
        };
        if crate::sample::is_stale(self.sums[i]) {
            *histogram = Histogram { sum: stale_nan(), ..Histogram::default() };
            return false;
        }
        histogram.clone_from(layout);
        (histogram.count, histogram.zero_count) = (*count, *zero_count);
        (histogram.sum, histogram.hint) = (self.sums[i], self.hints[i]);
        let sides = histogram.positive.counts.iter_mut().chain(&mut histogram.negative.counts);
        sides.zip(buckets).for_each(|(count, bucket)| *count = *bucket);
        true
    }
}

/// Appends all samples of a chunk to `columns`; returns their number.
///
/// # Errors
/// When the bytes are no chunk; `columns` may hold some of its samples then.
pub fn decode(chunk: &[u8], columns: &mut Columns) -> Result<usize, HistogramChunkError> {
    replay(chunk, columns).map(|state| state.samples)
}

/// Decodes, and returns the state behind the last sample.
pub(super) fn replay(chunk: &[u8], columns: &mut Columns) -> Result<State, HistogramChunkError> {
    let Some(([version, high, low], body)) = chunk.split_first_chunk::<HEADER_BYTES>() else {
        return Err(HistogramChunkError::Damaged { bytes: chunk.len(), sample: 0 });
    };
    if *version != VERSION {
        return Err(HistogramChunkError::Version(*version));
    }
    let samples = usize::from(u16::from_be_bytes([*high, *low]));
    if samples > SAMPLES_MAX {
        return Err(HistogramChunkError::Samples(samples));
    }
    let mut cursor = Cursor::new(body);
    let mut state = State::default();
    for sample in 0..samples {
        let damaged = HistogramChunkError::Damaged { bytes: chunk.len(), sample };
        read_sample(&mut cursor, &mut state, columns).ok_or(damaged)?;
    }
    match cursor.left() {
        0 => Ok(state),
        left => Err(HistogramChunkError::Trailing(left)),
    }
}

fn read_sample(cursor: &mut Cursor<'_>, state: &mut State, columns: &mut Columns) -> Option<()> {
    let flags = cursor.byte().filter(|flags| flags & flag::UNUSED == 0)?;
    let delta_ms = state.delta_ms.wrapping_add(cursor.varint()?);
    state.timestamp_ms = state.timestamp_ms.wrapping_add(delta_ms);
    state.delta_ms = if state.samples == 0 { 0 } else { delta_ms };
    if flags & flag::NEW_START != 0 {
        state.start_ms = Some(state.timestamp_ms.wrapping_sub(cursor.varint()?));
    }
    let start_ms = state.start_ms.filter(|_| flags & flag::START != 0);
    let is_stale = flags & flag::STALE != 0;
    if !is_stale {
        if flags & flag::LAYOUT != 0 {
            let layout = cursor.layout()?;
            state.set_layout(&layout);
            columns.layouts.push(layout);
        }
        state.layout.as_ref()?;
        state.sum = cursor.xor(state.sum)?;
        cursor.numbers(&mut state.numbers, flags & flag::WHOLE != 0)?;
    }
    columns.timestamps_ms.push(state.timestamp_ms);
    columns.starts_ms.push(start_ms);
    columns.sums.push(if is_stale { stale_nan() } else { state.sum });
    columns.hints.push(hint(flags));
    let layouts = u32::try_from(columns.layouts.len()).ok()?;
    columns.layout_idx.push(layouts.saturating_sub(1));
    columns.first_number.push(columns.numbers.len());
    if !is_stale {
        columns.numbers.extend_from_slice(&state.numbers);
    }
    state.samples += 1;
    Some(())
}

const fn hint(flags: u8) -> ResetHint {
    match flags & flag::HINT {
        0 => ResetHint::Unknown,
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        _ => ResetHint::Gauge,
    }
}
