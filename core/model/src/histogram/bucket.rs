//! Buckets with their bounds.

use super::bounds::{custom_bound, exponential_bound};
use super::{Histogram, Indexed};

/// One bucket and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bucket {
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
    /// Whether the lower bound itself counts here.
    pub includes_lower: bool,
    /// Whether the upper bound itself counts here.
    pub includes_upper: bool,
    /// Observations.
    pub count: f64,
}

// === impl Histogram ===

impl Histogram {
    /// The upper bound of positive bucket `index`, or of custom bucket `index`.
    #[inline]
    #[must_use]
    pub fn bound(&self, index: i32) -> f64 {
        if self.is_custom() {
            custom_bound(index, &self.custom_bounds)
        } else {
            exponential_bound(index, self.schema)
        }
    }

    /// The zero bucket, populated or not; custom buckets have none.
    #[must_use]
    pub fn zero_bucket(&self) -> Option<Bucket> {
        (!self.is_custom()).then_some(Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            includes_lower: true,
            includes_upper: true,
            count: self.zero_count,
        })
    }

    /// The buckets above zero, or the custom ones, ascending.
    pub fn positive_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + Clone + '_ {
        self.positive.indexed().map(|(index, count)| self.positive_bucket(index, count))
    }

    /// The buckets below zero, away from zero: descending.
    pub fn negative_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + Clone + '_ {
        let buckets: Indexed<'_> = self.negative.indexed();
        buckets.map(|(index, count)| self.negative_bucket(index, count))
    }

    /// All present buckets ascending, the zero bucket only when it is populated. Buckets that
    /// overlap with the zero bucket begin (or end) at the zero threshold.
    pub fn buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        let threshold = self.zero_threshold;
        let negative = self.negative_buckets().rev();
        let zero = self.zero_bucket().filter(|zero| zero.count > 0.0);
        negative.chain(zero).chain(self.positive_buckets()).map(move |mut bucket| {
            if bucket.upper < 0.0 && bucket.upper > -threshold {
                bucket.upper = -threshold;
            } else if bucket.lower > 0.0 && bucket.lower < threshold {
                bucket.lower = threshold;
            }
            bucket
        })
    }

    fn positive_bucket(&self, index: i32, count: f64) -> Bucket {
        Bucket {
            lower: self.bound(index.wrapping_sub(1)),
            upper: self.bound(index),
            includes_lower: self.is_custom() && index == 0,
            includes_upper: true,
            count,
        }
    }

    fn negative_bucket(&self, index: i32, count: f64) -> Bucket {
        Bucket {
            lower: -exponential_bound(index, self.schema),
            upper: -exponential_bound(index.wrapping_sub(1), self.schema),
            includes_lower: true,
            includes_upper: false,
            count,
        }
    }
}
