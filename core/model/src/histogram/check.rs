//! What makes a histogram valid, and every way in which it can fail to be.

use super::{CUSTOM_SCHEMA, Histogram, Side, Span};

/// The coarsest exponential schema in use.
pub const SCHEMA_MIN: i32 = -4;

/// The finest exponential schema in use.
pub const SCHEMA_MAX: i32 = 8;

/// Exponential schemas that the specification reserves. Those finer than [`SCHEMA_MAX`] can be
/// ingested at a lower resolution ([`Histogram::reduce_resolution`]).
pub const SCHEMAS_RESERVED: std::ops::RangeInclusive<i32> = -9..=52;

/// Which side of zero an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SideName {
    /// Below zero.
    Negative,
    /// Above zero.
    Positive,
    /// Custom buckets.
    Custom,
}

/// Why a histogram is not one, or why an operation on it is not possible. The texts are those of
/// Prometheus, since they reach users through the query API and remote write.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum HistogramError {
    /// Exponential and custom buckets met.
    #[error(
        "cannot apply this operation on histograms with a mix of exponential and custom bucket schemas"
    )]
    MixedKinds,
    /// Resolution can only be reduced, and only between exponential schemas.
    #[error("cannot reduce resolution from schema {from} to {to}")]
    Resolution {
        /// The schema there is.
        from: i32,
        /// The schema that was asked for.
        to: i32,
    },
    /// No such schema.
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema {0}"
    )]
    Schema(i32),
    /// A span that goes back.
    #[error(
        "{side}: span number {number} with offset {offset}: histogram has a span whose offset is negative"
    )]
    NegativeOffset {
        /// Where.
        side: SideName,
        /// Counted from 1.
        number: usize,
        /// Its offset.
        offset: i32,
    },
    /// Spans and counts disagree.
    #[error(
        "{side}: spans need {needed} buckets, have {found} buckets: histogram spans specify different number of buckets than provided"
    )]
    SpansMismatch {
        /// Where.
        side: SideName,
        /// Buckets of the spans.
        needed: u64,
        /// Counts.
        found: usize,
    },
    /// Fewer than no observations in a bucket.
    #[error(
        "{side}: bucket number {number} has observation count of {count}: histogram has a bucket whose observation count is negative"
    )]
    NegativeBucket {
        /// Where.
        side: SideName,
        /// Counted from 1.
        number: usize,
        /// Its count.
        count: f64,
    },
    /// Fewer than no observations in the zero bucket.
    #[error(
        "zero bucket has observation count of {0}: histogram has a bucket whose observation count is negative"
    )]
    NegativeZeroBucket(f64),
    /// Fewer than no observations.
    #[error("observation count is {0}: histogram's observation count is negative")]
    NegativeCount(f64),
    /// Buckets hold more than there is, while a NaN explains missing ones.
    #[error(
        "{found} observations found in buckets, but the Count field is {count}: histogram's observation count should be at least the number of observations found in the buckets"
    )]
    CountNotBigEnough {
        /// Observations in buckets.
        found: u64,
        /// Observations promised.
        count: u64,
    },
    /// Buckets hold another number than the count says.
    #[error(
        "{found} observations found in buckets, but the Count field is {count}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)"
    )]
    CountMismatch {
        /// Observations in buckets.
        found: u64,
        /// Observations promised.
        count: u64,
    },
    /// A custom bound is NaN.
    #[error("custom buckets: histogram custom bounds must not be NaN")]
    BoundNan,
    /// Custom bounds that do not ascend.
    #[error(
        "custom buckets: previous bound is {before:.6} and current is {bound:.6}: histogram custom bounds must be in strictly increasing order"
    )]
    BoundOrder {
        /// The bound before.
        before: f64,
        /// The one that is not greater.
        bound: f64,
    },
    /// +∞ as a custom bound.
    #[error(
        "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite"
    )]
    BoundInfinite,
    /// Buckets behind the last custom bound.
    #[error(
        "custom buckets: only {bounds} custom bounds defined which is insufficient to cover total span length of {buckets}: histogram custom bounds are too few"
    )]
    BoundsTooFew {
        /// Bounds there are.
        bounds: usize,
        /// Buckets the spans reach over.
        buckets: i64,
    },
    /// Custom buckets with a zero bucket.
    #[error("custom buckets: must have zero count of 0")]
    CustomZeroCount,
    /// Custom buckets with a zero threshold.
    #[error("custom buckets: must have zero threshold of 0")]
    CustomZeroThreshold,
    /// Custom buckets with negative spans.
    #[error("custom buckets: must not have negative spans")]
    CustomNegativeSpans,
    /// Custom buckets with negative buckets.
    #[error("custom buckets: must not have negative buckets")]
    CustomNegativeBuckets,
    /// Exponential buckets with custom bounds.
    #[error("histogram with exponential schema must not have custom bounds")]
    ExponentialBounds,
}

// === impl SideName ===

impl std::fmt::Display for SideName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Negative => "negative side",
            Self::Positive => "positive side",
            Self::Custom => "custom buckets",
        })
    }
}

// === impl Histogram ===

impl Histogram {
    /// Checks that spans, counts and bounds fit together and that no count is negative. The count
    /// is not compared with the buckets: floats add up with errors.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), HistogramError> {
        if self.is_custom() {
            self.check_custom()?;
        } else {
            self.check_exponential()?;
        }
        if self.count < 0.0 {
            return Err(HistogramError::NegativeCount(self.count));
        }
        check_counts(&self.positive, SideName::Positive)
    }

    fn check_exponential(&self) -> Result<(), HistogramError> {
        if !(SCHEMA_MIN..=SCHEMA_MAX).contains(&self.schema) {
            return Err(HistogramError::Schema(self.schema));
        }
        check_spans(&self.positive, SideName::Positive)?;
        check_spans(&self.negative, SideName::Negative)?;
        check_counts(&self.negative, SideName::Negative)?;
        if self.zero_count < 0.0 {
            return Err(HistogramError::NegativeZeroBucket(self.zero_count));
        }
        if !self.custom_bounds.is_empty() {
            return Err(HistogramError::ExponentialBounds);
        }
        Ok(())
    }

    fn check_custom(&self) -> Result<(), HistogramError> {
        check_bounds(&self.custom_bounds)?;
        check_spans(&self.positive, SideName::Custom)?;
        let reach = |span: &Span| i64::from(span.offset) + i64::from(span.length);
        let buckets: i64 = self.positive.spans.iter().map(reach).sum();
        let bounds = self.custom_bounds.len();
        if usize::try_from(buckets).is_ok_and(|buckets| buckets > bounds + 1) {
            return Err(HistogramError::BoundsTooFew { bounds, buckets });
        }
        if self.zero_count != 0.0 {
            return Err(HistogramError::CustomZeroCount);
        }
        if self.zero_threshold != 0.0 {
            return Err(HistogramError::CustomZeroThreshold);
        }
        if !self.negative.spans.is_empty() {
            return Err(HistogramError::CustomNegativeSpans);
        }
        if !self.negative.counts.is_empty() {
            return Err(HistogramError::CustomNegativeBuckets);
        }
        Ok(())
    }
}

/// Whether `schema` is one that [`Histogram::validate`] accepts.
#[must_use]
pub const fn is_valid_schema(schema: i32) -> bool {
    schema == CUSTOM_SCHEMA || (SCHEMA_MIN <= schema && schema <= SCHEMA_MAX)
}

pub(super) fn check_bounds(bounds: &[f64]) -> Result<(), HistogramError> {
    if bounds.iter().any(|bound| bound.is_nan()) {
        return Err(HistogramError::BoundNan);
    }
    if let Some(pair) = bounds.windows(2).find(|pair| pair[1] <= pair[0]) {
        return Err(HistogramError::BoundOrder { before: pair[0], bound: pair[1] });
    }
    if bounds.last() == Some(&f64::INFINITY) {
        return Err(HistogramError::BoundInfinite);
    }
    Ok(())
}

fn check_spans(side: &Side, name: SideName) -> Result<(), HistogramError> {
    // Only the first exponential span has an index of its own, which may be negative.
    let first = usize::from(name != SideName::Custom);
    let negative = side.spans.iter().enumerate().skip(first).find(|(_, span)| span.offset < 0);
    if let Some((i, span)) = negative {
        let (number, offset) = (i + 1, span.offset);
        return Err(HistogramError::NegativeOffset { side: name, number, offset });
    }
    let needed: u64 = side.spans.iter().map(|span| u64::from(span.length)).sum();
    let found = side.counts.len();
    if needed != found as u64 {
        return Err(HistogramError::SpansMismatch { side: name, needed, found });
    }
    Ok(())
}

fn check_counts(side: &Side, name: SideName) -> Result<(), HistogramError> {
    match (1..).zip(&side.counts).find(|(_, count)| **count < 0.0) {
        Some((number, count)) => {
            Err(HistogramError::NegativeBucket { side: name, number, count: *count })
        }
        None => Ok(()),
    }
}
