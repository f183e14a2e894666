//! Classic histograms, one series per bucket, as histograms with custom buckets.
//! Source: `util/convertnhcb`.

use super::{CUSTOM_SCHEMA, Histogram, Side};

/// Why classic buckets are no histogram.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ClassicError {
    /// A bucket counts fewer than no observations.
    #[error("bucket count must be non-negative: le={le}, count={count}")]
    NegativeBucket {
        /// The bucket's bound.
        le: f64,
        /// Its count.
        count: f64,
    },
    /// A bound is NaN.
    #[error("bucket boundary must not be NaN")]
    BoundNan,
    /// Fewer than no observations.
    #[error("count must be non-negative: count={0}")]
    NegativeCount(f64),
    /// Neither a count nor a bucket.
    #[error("count must be provided when no buckets are present")]
    NoCount,
    /// The count is not that of the last bucket.
    #[error("count mismatch: count={count} != le={le} count={last}")]
    CountMismatch {
        /// The count.
        count: f64,
        /// The last bucket's bound.
        le: f64,
        /// The last bucket's count.
        last: f64,
    },
    /// A bucket counts less than one with a lower bound.
    #[error("count is not cumulative: {count} < {before}")]
    NotCumulative {
        /// The bucket's count.
        count: f64,
        /// The count of the bucket before.
        before: f64,
    },
}

/// The parts of a classic histogram at one instant, in any order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassicHistogram {
    /// (bound, cumulative count), ascending by bound.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

// === impl ClassicHistogram ===

impl ClassicHistogram {
    /// Adds the bucket `le` with the number of observations up to it. A bound that is already
    /// there keeps its count.
    ///
    /// # Errors
    /// When the bound is NaN, or the count is negative or not cumulative.
    pub fn add_bucket(&mut self, le: f64, count: f64) -> Result<(), ClassicError> {
        if le.is_nan() {
            return Err(ClassicError::BoundNan);
        }
        if count < 0.0 {
            return Err(ClassicError::NegativeBucket { le, count });
        }
        let at = self.buckets.partition_point(|(bound, _)| *bound < le);
        if self.buckets.get(at).is_some_and(|(bound, _)| *bound == le) {
            return Ok(());
        }
        if let Some((_, before)) = self.buckets[..at].last().filter(|(_, before)| count < *before) {
            return Err(ClassicError::NotCumulative { count, before: *before });
        }
        if let Some((_, after)) = self.buckets.get(at).filter(|(_, after)| *after < count) {
            return Err(ClassicError::NotCumulative { count: *after, before: count });
        }
        self.buckets.insert(at, (le, count));
        Ok(())
    }

    /// Sets the number of all observations.
    ///
    /// # Errors
    /// When it is negative.
    pub fn set_count(&mut self, count: f64) -> Result<(), ClassicError> {
        if count < 0.0 {
            return Err(ClassicError::NegativeCount(count));
        }
        self.count = Some(count);
        Ok(())
    }

    /// Sets the sum of the observations.
    pub fn set_sum(&mut self, sum: f64) {
        self.sum = sum;
    }

    /// The histogram with custom buckets. Without a count the highest bucket's is taken, without
    /// a bucket up to +∞ the count is.
    ///
    /// # Errors
    /// When there is neither, or both and they differ.
    pub fn convert(mut self) -> Result<Histogram, ClassicError> {
        let highest = self.buckets.last().map(|(_, count)| *count);
        let count = self.count.or(highest).ok_or(ClassicError::NoCount)?;
        if self.buckets.last().is_none_or(|(le, _)| *le != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        if let Some((le, last)) = self.buckets.last().filter(|(_, last)| *last != count) {
            return Err(ClassicError::CountMismatch { count, le: *le, last: *last });
        }
        let below = std::iter::once(0.0).chain(self.buckets.iter().map(|(_, count)| *count));
        let counts = self.buckets.iter().zip(below).map(|((_, count), below)| count - below);
        let bounds = self.buckets.iter().map(|(le, _)| *le).filter(|le| *le != f64::INFINITY);
        let mut histogram = Histogram {
            schema: CUSTOM_SCHEMA,
            count,
            sum: self.sum,
            positive: Side::consecutive(0, counts.collect()),
            custom_bounds: bounds.collect(),
            ..Histogram::default()
        };
        // Prometheus keeps short runs of empty buckets only where it stores integers.
        let is_integer = self.buckets.iter().all(|(_, count)| count.fract() == 0.0);
        histogram.compact(if is_integer { 2 } else { 0 });
        Ok(histogram)
    }
}
