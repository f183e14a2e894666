//! The native histogram: how many observations fell into each bucket, and all arithmetic on it.
//!
//! Every formula is that of Prometheus' specification of native histograms and of its packages
//! `model/histogram` and `promql`, and gives the same bits: sums run in the same order.
//!
//! ```text
//!        negative side          zero bucket        positive side          bucket i of schema s:
//!  ──┤ −i … −1  0 ├───┤ −threshold … +threshold ├───┤ 0  1 … i ├──▶       (2^((i−1)/2^s), 2^(i/2^s)]
//! ```
//!
//! - Exponential buckets: schema −4 to 8. A bucket of the negative side is the mirror image.
//! - Custom buckets: schema −53. Bucket `i` is `(bounds[i−1], bounds[i]]`, the last one ends at +∞;
//!   there is neither a zero bucket nor a negative side. A classic histogram fits into it.
//!
//! [`Side`] holds the buckets of one side: spans say which indexes are there, counts follow in
//! ascending order of the index. Counts are absolute (never deltas) and floats (rates are
//! fractional). Reusing one [`Histogram`] with [`Clone::clone_from`] allocates nothing.

mod arithmetic;
mod bounds;
mod bucket;
mod check;
mod classic;
mod integer;
mod kahan;
mod quantile;
mod reset;
mod side;
mod text;
mod trim;

use std::sync::Arc;

pub use arithmetic::Combined;
pub use bounds::exponential_bound;
pub use bucket::Bucket;
pub use check::{
    HistogramError, SCHEMA_MAX, SCHEMA_MIN, SCHEMAS_RESERVED, SideName, is_valid_schema,
};
pub use classic::{ClassicError, ClassicHistogram};
pub use integer::{DeltaSide, IntegerHistogram};
pub use quantile::NanEffect;
pub use side::Indexed;
pub use text::LiteralError;
pub use trim::Keep;

/// The schema of custom buckets.
pub const CUSTOM_SCHEMA: i32 = -53;

/// Whether a counter histogram is known to have been reset before this sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResetHint {
    /// Nothing is known: compare with the sample before.
    #[default]
    Unknown,
    /// There was a reset between the sample before and this one.
    Reset,
    /// There was none.
    NotReset,
    /// Not a counter: it may go down without a reset.
    Gauge,
}

/// Buckets with consecutive indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The index of the first bucket, for the first span; else the number of absent buckets
    /// between the span before and this one (never negative then).
    pub offset: i32,
    /// Buckets in the span.
    pub length: u32,
}

/// The buckets of one side of zero.
#[derive(Debug, PartialEq, Default)]
pub struct Side {
    /// Which bucket indexes are present.
    pub spans: Vec<Span>,
    /// Observations of each present bucket, not cumulative. Invariant of a valid histogram: as
    /// many as the spans' lengths together.
    pub counts: Vec<f64>,
}

/// A distribution of observations at one instant.
///
/// `==` compares as floats do; [`Histogram::same_bits`] is Prometheus' equality of data.
#[derive(Debug, PartialEq, Default)]
pub struct Histogram {
    /// What is known about a reset.
    pub hint: ResetHint,
    /// Resolution: −4 to 8, or [`CUSTOM_SCHEMA`].
    pub schema: i32,
    /// Upper bound of the zero bucket, which reaches down to its negative; 0 for custom buckets.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations, NaN among them: at least the sum of all buckets.
    pub count: f64,
    /// Sum of the observed values; the stale marker when the series has ended.
    pub sum: f64,
    /// Buckets above zero, or all custom buckets.
    pub positive: Side,
    /// Buckets below zero, in ascending order of the absolute value.
    pub negative: Side,
    /// Upper bounds of custom buckets, strictly ascending and without +∞; empty for exponential
    /// ones. Histograms of a series share one slice.
    pub custom_bounds: Arc<[f64]>,
}

// === impl Side ===

impl Clone for Side {
    fn clone(&self) -> Self {
        Self { spans: self.spans.clone(), counts: self.counts.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.spans.clone_from(&source.spans);
        self.counts.clone_from(&source.counts);
    }
}

// === impl Histogram ===

impl Clone for Histogram {
    fn clone(&self) -> Self {
        Self {
            positive: self.positive.clone(),
            negative: self.negative.clone(),
            custom_bounds: Arc::clone(&self.custom_bounds),
            ..*self
        }
    }

    fn clone_from(&mut self, source: &Self) {
        self.hint = source.hint;
        self.schema = source.schema;
        self.zero_threshold = source.zero_threshold;
        self.zero_count = source.zero_count;
        self.count = source.count;
        self.sum = source.sum;
        self.positive.clone_from(&source.positive);
        self.negative.clone_from(&source.negative);
        self.custom_bounds.clone_from(&source.custom_bounds);
    }
}

impl Histogram {
    /// Whether the buckets have custom bounds.
    #[inline]
    #[must_use]
    pub const fn is_custom(&self) -> bool {
        self.schema == CUSTOM_SCHEMA
    }

    /// Whether this is the stale marker: its sum has the marker's bits.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        crate::sample::is_stale(self.sum)
    }
}

#[cfg(test)]
mod tests;
