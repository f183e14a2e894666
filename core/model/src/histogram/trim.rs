//! The operators `</` and `>/`: what is left of a histogram below or above a value.
//!
//! A bucket that the value cuts through keeps the share that interpolation finds. The sum of what
//! is left is not known; it is estimated from the middle of each bucket, so it can be far off.
//! Source: `TrimBuckets` of Prometheus 3.14.

use super::{Bucket, Histogram, Side};

/// Which observations are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Those below the value: `</`.
    Below,
    /// Those above the value: `>/`.
    Above,
}

/// What is left of a bucket: observations, and the value they are taken to have.
#[derive(Debug, Clone, Copy)]
struct Rest {
    count: f64,
    middle: f64,
}

const NOTHING: Rest = Rest { count: 0.0, middle: 0.0 };

/// A cut at a value.
#[derive(Debug, Clone, Copy)]
struct Cut {
    at: f64,
    keep: Keep,
    is_custom: bool,
}

// === impl Histogram ===

impl Histogram {
    /// Removes the observations on the other side of `at`. Count and sum become those of the
    /// buckets that are left, unless nothing was removed.
    pub fn trim(&mut self, at: f64, keep: Keep) {
        let cut = Cut { at, keep, is_custom: self.is_custom() };
        let negative: Vec<_> = self.negative_buckets().map(|b| cut.rest(&b, false)).collect();
        let positive: Vec<_> = self.positive_buckets().map(|b| cut.rest(&b, true)).collect();
        let zero = self.zero_bucket().map_or(NOTHING, |zero| self.rest_of_zero(zero, cut));
        // Buckets are summed up in ascending order, as everywhere.
        let all = negative.iter().rev().chain([&zero]).chain(&positive);
        let (count, sum) = all
            .filter(|rest| rest.count != 0.0)
            .fold((0.0, 0.0), |(c, s), rest| (c + rest.count, s + rest.middle * rest.count));
        let mut is_trimmed = !self.is_custom() && zero.count.to_bits() != self.zero_count.to_bits();
        for (side, rests) in [(&mut self.negative, negative), (&mut self.positive, positive)] {
            for (count, rest) in side.counts.iter_mut().zip(rests) {
                is_trimmed |= count.to_bits() != rest.count.to_bits();
                *count = rest.count;
            }
        }
        if is_trimmed {
            (self.zero_count, self.count, self.sum) = (zero.count, count, sum);
            self.compact(0);
        }
    }

    /// The zero bucket is even, but one-sided when only one side has populated buckets.
    fn rest_of_zero(&self, mut zero: Bucket, cut: Cut) -> Rest {
        let is_populated = |side: &Side| side.counts.iter().any(|count| *count != 0.0);
        match (is_populated(&self.negative), is_populated(&self.positive)) {
            (false, true) => zero.lower = 0.0,
            (true, false) => zero.upper = 0.0,
            _ => {}
        }
        // A zero bucket without a width lies at 0: above it for `>/ 0`, not below it for `</ 0`.
        let is_above = cut.at <= zero.lower;
        let is_below = !is_above && zero.upper <= cut.at;
        let is_kept = if cut.keep == Keep::Below { is_below } else { is_above };
        if is_kept {
            let middle = f64::midpoint(zero.lower, zero.upper);
            return Rest { count: zero.count, middle };
        }
        if is_above || is_below {
            return NOTHING;
        }
        let (from, to) =
            if cut.keep == Keep::Below { (zero.lower, cut.at) } else { (cut.at, zero.upper) };
        let count = zero.count * ((to - from) / (zero.upper - zero.lower));
        Rest { count, middle: f64::midpoint(from, to) }
    }
}

// === impl Cut ===

impl Cut {
    fn rest(self, bucket: &Bucket, is_positive: bool) -> Rest {
        let Bucket { lower, upper, count, .. } = *bucket;
        let (is_below, is_above) = (upper <= self.at, self.at <= lower);
        let keeps_below = self.keep == Keep::Below;
        if (is_below && keeps_below) || (is_above && !keeps_below) {
            return Rest { count, middle: self.middle(lower, upper, is_positive) };
        }
        if is_below || is_above {
            return NOTHING;
        }
        if lower.is_infinite() || upper.is_infinite() {
            return self.rest_of_infinite(bucket);
        }
        let below = count * bucket.share_below(self.at, self.is_custom);
        if keeps_below {
            Rest { count: below, middle: self.middle(lower, self.at, is_positive) }
        } else {
            Rest { count: count - below, middle: self.middle(self.at, upper, is_positive) }
        }
    }

    /// How observations lie in an infinite bucket is not known, unless it is taken to begin at 0.
    fn rest_of_infinite(self, bucket: &Bucket) -> Rest {
        let Bucket { lower, upper, count, .. } = *bucket;
        if lower != f64::NEG_INFINITY {
            return match self.keep {
                Keep::Below => NOTHING,
                Keep::Above => Rest { count, middle: self.at },
            };
        }
        let begins_at_zero = upper > 0.0 && upper.is_finite();
        match self.keep {
            Keep::Below if begins_at_zero && self.at > 0.0 => {
                Rest { count: count * self.at / upper, middle: self.at / 2.0 }
            }
            Keep::Below if upper <= 0.0 => Rest { count, middle: self.at },
            Keep::Above if begins_at_zero && self.at >= 0.0 => Rest {
                count: count * (1.0 - self.at / upper),
                middle: f64::midpoint(self.at, upper),
            },
            Keep::Below | Keep::Above => NOTHING,
        }
    }

    /// The arithmetic mean of custom bounds, the geometric one of exponential bounds.
    fn middle(self, lower: f64, upper: f64, is_positive: bool) -> f64 {
        match (lower.is_infinite(), upper.is_infinite()) {
            (true, true) => 0.0,
            (true, false) => {
                if upper > 0.0 {
                    upper / 2.0
                } else {
                    upper
                }
            }
            (false, true) => lower,
            (false, false) if self.is_custom => f64::midpoint(lower, upper),
            (false, false) => {
                let middle = (lower * upper).abs().sqrt();
                if is_positive { middle } else { -middle }
            }
        }
    }
}
