//! The histogram chunk: samples of one series that are native histograms, without loss of a bit.
//!
//! The layout (schema, zero threshold, spans, custom bounds) is written once and holds until one
//! differs. A sample then costs the difference of its time's differences, a hint, and each number
//! as its difference to the sample before: whole counts as integers, others as xor. Runs of
//! unchanged buckets cost one byte. The format is written down in `docs/formats/histogram_chunk.md`.
//!
//! [`HistogramChunk`] appends, [`decode`] reads all samples into columns.

mod bytes;
mod decode;

pub use decode::{Columns, HistogramChunkError, decode};

use crate::histogram::{Histogram, HistogramError, ResetHint};
use crate::time::TimestampMs;

/// The first byte of a chunk.
pub const VERSION: u8 = 1;

/// The samples after which a chunk is sealed.
pub const SAMPLES_MAX: usize = 120;

/// The most buckets of a histogram in a chunk, so that damaged bytes cannot ask for more.
pub const BUCKETS_MAX: usize = 16_384;

/// Bytes before the samples: the version and the number of samples.
const HEADER_BYTES: usize = 3;

/// The flags of a sample; its lowest two bits are the hint.
mod flag {
    pub(super) const HINT: u8 = 0b11;
    /// The series ended: a stale marker, nothing but times follows.
    pub(super) const STALE: u8 = 1 << 2;
    /// A layout comes before the numbers.
    pub(super) const LAYOUT: u8 = 1 << 3;
    /// Counts are whole numbers.
    pub(super) const WHOLE: u8 = 1 << 4;
    /// There is a start timestamp.
    pub(super) const START: u8 = 1 << 5;
    /// The start timestamp is not that of the sample before, and is written.
    pub(super) const NEW_START: u8 = 1 << 6;
    pub(super) const UNUSED: u8 = 1 << 7;
}

/// A chunk that still grows.
#[derive(Debug, Clone)]
pub struct HistogramChunk {
    bytes: Vec<u8>,
    state: State,
}

/// What the next sample is a difference to. Both directions keep it alike.
#[derive(Debug, Clone, Default)]
struct State {
    samples: usize,
    timestamp_ms: TimestampMs,
    delta_ms: i64,
    start_ms: Option<TimestampMs>,
    /// Schema, threshold, spans and bounds of the newest layout; its numbers mean nothing.
    layout: Option<Histogram>,
    /// Count, zero count, positive and negative buckets of the newest histogram.
    numbers: Vec<f64>,
    sum: f64,
}

// === impl HistogramChunk ===

impl Default for HistogramChunk {
    fn default() -> Self {
        Self { bytes: vec![VERSION, 0, 0], state: State::default() }
    }
}

impl HistogramChunk {
    /// Goes on where a chunk ended.
    ///
    /// # Errors
    /// When the bytes are no chunk.
    pub fn resume(chunk: &[u8]) -> Result<Self, HistogramChunkError> {
        let state = decode::replay(chunk, &mut Columns::default())?;
        Ok(Self { bytes: chunk.to_vec(), state })
    }

    /// Samples in the chunk.
    #[must_use]
    pub const fn samples(&self) -> usize {
        self.state.samples
    }

    /// Timestamp of the newest sample; `None` when there is none.
    #[must_use]
    pub fn last_ms(&self) -> Option<TimestampMs> {
        (self.state.samples > 0).then_some(self.state.timestamp_ms)
    }

    /// The whole chunk.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a histogram, or the stale marker for `None` and for a histogram that is one.
    ///
    /// # Errors
    /// When spans and counts do not fit together, or there are more than [`BUCKETS_MAX`] buckets;
    /// nothing was appended then.
    ///
    /// # Panics
    /// When the chunk holds [`SAMPLES_MAX`] samples already: the caller seals it at that number.
    pub fn append(
        &mut self,
        timestamp_ms: TimestampMs,
        start_ms: Option<TimestampMs>,
        histogram: Option<&Histogram>,
    ) -> Result<(), HistogramError> {
        assert!(self.state.samples < SAMPLES_MAX, "the caller seals a full chunk");
        let histogram = histogram.filter(|histogram| !histogram.is_stale());
        histogram.map_or(Ok(()), check)?;
        let (state, out) = (&mut self.state, &mut self.bytes);
        let is_new = histogram.is_some_and(|histogram| !state.has_layout_of(histogram));
        let flags_at = out.len();
        out.push(0);
        let mut flags = histogram.map_or(flag::STALE, |histogram| hint_bits(histogram.hint));
        let delta_ms = timestamp_ms.wrapping_sub(state.timestamp_ms);
        bytes::put_varint(out, delta_ms.wrapping_sub(state.delta_ms));
        // The first difference would be the distance to 1970, which tells nothing about the next.
        state.delta_ms = if state.samples == 0 { 0 } else { delta_ms };
        state.timestamp_ms = timestamp_ms;
        if let Some(start_ms) = start_ms {
            flags |= flag::START;
            if state.start_ms != Some(start_ms) {
                flags |= flag::NEW_START;
                bytes::put_varint(out, timestamp_ms.wrapping_sub(start_ms));
                state.start_ms = Some(start_ms);
            }
        }
        if let Some(histogram) = histogram {
            if is_new {
                flags |= flag::LAYOUT;
                state.set_layout(histogram);
                bytes::put_layout(out, histogram);
            }
            bytes::put_xor(out, state.sum, histogram.sum);
            state.sum = histogram.sum;
            if bytes::put_numbers(out, &mut state.numbers, &numbers(histogram)) {
                flags |= flag::WHOLE;
            }
        }
        out[flags_at] = flags;
        state.samples += 1;
        #[expect(clippy::cast_possible_truncation, reason = "at most SAMPLES_MAX")]
        let [high, low] = (state.samples as u16).to_be_bytes();
        (out[1], out[2]) = (high, low);
        Ok(())
    }
}

/// Whether a histogram can be stored and read again.
fn check(histogram: &Histogram) -> Result<(), HistogramError> {
    use crate::histogram::SideName::{Negative, Positive};
    for (side, name) in [(&histogram.positive, Positive), (&histogram.negative, Negative)] {
        let needed: u64 = side.spans.iter().map(|span| u64::from(span.length)).sum();
        let found = side.counts.len();
        if needed != found as u64 || found > BUCKETS_MAX / 2 {
            return Err(HistogramError::SpansMismatch { side: name, needed, found });
        }
    }
    Ok(())
}

fn numbers(histogram: &Histogram) -> Vec<f64> {
    let counts = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    [histogram.count, histogram.zero_count].iter().chain(counts).copied().collect()
}

const fn hint_bits(hint: ResetHint) -> u8 {
    match hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    }
}

// === impl State ===

impl State {
    fn has_layout_of(&self, histogram: &Histogram) -> bool {
        let bits = |bounds: &[f64]| bounds.iter().map(|bound| bound.to_bits()).collect::<Vec<_>>();
        self.layout.as_ref().is_some_and(|layout| {
            layout.schema == histogram.schema
                && layout.zero_threshold.to_bits() == histogram.zero_threshold.to_bits()
                && layout.positive.spans == histogram.positive.spans
                && layout.negative.spans == histogram.negative.spans
                && bits(&layout.custom_bounds) == bits(&histogram.custom_bounds)
        })
    }

    /// Takes a layout; numbers begin at 0 under it.
    fn set_layout(&mut self, histogram: &Histogram) {
        let buckets = histogram.positive.counts.len() + histogram.negative.counts.len();
        self.numbers.clear();
        self.numbers.resize(2 + buckets, 0.0);
        self.layout = Some(histogram.clone());
    }
}

#[cfg(test)]
mod tests;
