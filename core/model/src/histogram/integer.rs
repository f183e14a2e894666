//! Histograms with integer counts, as clients send them: each bucket as the difference to the one
//! before it (remote write 1.0, `prompb.Histogram`).

use std::sync::Arc;

use super::check::SideName;
use super::{Histogram, HistogramError, ResetHint, Side, Span};

/// One side of zero; the first delta is the first bucket's count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeltaSide {
    /// Which bucket indexes are present.
    pub spans: Vec<Span>,
    /// Count of each bucket less that of the one before, also across spans.
    pub deltas: Vec<i64>,
}

/// A histogram with integer counts. Its fields mean what [`Histogram`]'s mean.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IntegerHistogram {
    /// What is known about a reset.
    pub hint: ResetHint,
    /// Resolution.
    pub schema: i32,
    /// Upper bound of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// All observations.
    pub count: u64,
    /// Sum of the observed values.
    pub sum: f64,
    /// Buckets above zero, or all custom buckets.
    pub positive: DeltaSide,
    /// Buckets below zero.
    pub negative: DeltaSide,
    /// Upper bounds of custom buckets.
    pub custom_bounds: Arc<[f64]>,
}

// === impl DeltaSide ===

impl DeltaSide {
    /// Absolute counts, and their sum.
    fn into_side(self, name: SideName) -> Result<(Side, u64), HistogramError> {
        let (mut count, mut total) = (0_i64, 0_u64);
        let mut counts = Vec::with_capacity(self.deltas.len());
        for (number, delta) in (1..).zip(self.deltas) {
            count = count.wrapping_add(delta);
            let Ok(absolute) = u64::try_from(count) else {
                let count = to_float(count.unsigned_abs()).copysign(-1.0);
                return Err(HistogramError::NegativeBucket { side: name, number, count });
            };
            total = total.saturating_add(absolute);
            counts.push(to_float(absolute));
        }
        Ok((Side { spans: self.spans, counts }, total))
    }
}

// === impl IntegerHistogram ===

impl IntegerHistogram {
    /// The same histogram with float counts, which are exact up to 2^53.
    ///
    /// # Errors
    /// When it is not valid. Unlike floats, integers must add up: the count is the number of
    /// observations in buckets, or more of them if the sum is NaN.
    pub fn into_float(self) -> Result<Histogram, HistogramError> {
        let is_custom = self.schema == super::CUSTOM_SCHEMA;
        let name = if is_custom { SideName::Custom } else { SideName::Positive };
        let (positive, above) = self.positive.into_side(name)?;
        let (negative, below) = self.negative.into_side(SideName::Negative)?;
        let histogram = Histogram {
            hint: self.hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: to_float(self.zero_count),
            count: to_float(self.count),
            sum: self.sum,
            positive,
            negative,
            custom_bounds: self.custom_bounds,
        };
        histogram.validate()?;
        let (found, count) =
            (above.saturating_add(below).saturating_add(self.zero_count), self.count);
        match self.sum.is_nan() {
            true if found > count => Err(HistogramError::CountNotBigEnough { found, count }),
            false if found != count => Err(HistogramError::CountMismatch { found, count }),
            _ => Ok(histogram),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 round, as in Prometheus")]
const fn to_float(count: u64) -> f64 {
    count as f64
}
