//! What a histogram tells about its observations: quantile, fraction, mean and variance.
//!
//! Within custom buckets and the zero bucket observations are taken to lie evenly. Within an
//! exponential bucket they are taken to fill the buckets of any higher resolution evenly, so that
//! interpolation is linear in the logarithm. Source: `promql/quantile.go`, `promql/functions.go`.

use super::{Bucket, Histogram, kahan};

/// What NaN observations, which are in no bucket, did to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NanEffect {
    /// There are none, or none that matter.
    #[default]
    None,
    /// The answer is NaN because of them.
    IsNan,
    /// The quantile is higher than without them.
    Skews,
    /// The fraction leaves them out.
    Excluded,
}

// === impl Histogram ===

impl Histogram {
    /// Mean of the observations.
    #[must_use]
    pub fn average(&self) -> f64 {
        self.sum / self.count
    }

    /// Variance of the observations, each taken to lie in the middle of its bucket: the geometric
    /// middle, the arithmetic one in custom buckets, 0 in the zero bucket.
    #[must_use]
    pub fn variance(&self) -> f64 {
        let mean = self.average();
        let (mut total, mut compensation) = (0.0, 0.0);
        for bucket in self.buckets().filter(|bucket| bucket.count != 0.0) {
            let middle = if self.is_custom() {
                (bucket.upper + bucket.lower) / 2.0
            } else if bucket.is_at_zero() {
                0.0
            } else {
                (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
            };
            let delta = middle - mean;
            (total, compensation) = kahan::add(total, compensation, bucket.count * delta * delta);
        }
        (total + compensation) / self.count
    }

    /// The value below which the share `q` (0 to 1) of the observations lies. NaN without
    /// observations, ∓∞ when `q` is below 0 or above 1.
    #[must_use]
    pub fn quantile(&self, q: f64) -> (f64, NanEffect) {
        let plain = |value| (value, NanEffect::None);
        if q < 0.0 {
            return plain(f64::NEG_INFINITY);
        }
        if q > 1.0 {
            return plain(f64::INFINITY);
        }
        if self.count == 0.0 || q.is_nan() {
            return plain(f64::NAN);
        }
        // NaN observations count but are in no bucket, so that only ranks from below are known.
        let has_nans = self.sum.is_nan();
        let is_forward = has_nans || q < 0.5;
        let rank = if is_forward { q } else { 1.0 - q } * self.count;
        let (mut bucket, mut reached) = if is_forward {
            reach(self.buckets(), rank)
        } else {
            reach(self.buckets().rev(), rank)
        };
        if self.is_custom() {
            if bucket.lower == f64::NEG_INFINITY {
                if bucket.upper <= 0.0 {
                    return plain(bucket.upper);
                }
                bucket.lower = 0.0;
            } else if bucket.upper == f64::INFINITY {
                return plain(bucket.lower);
            }
        } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
            self.narrow(&mut bucket);
        }
        // Rounding may have made more of the buckets than there is.
        reached = reached.min(self.count);
        if reached < rank {
            return if has_nans { (f64::NAN, NanEffect::IsNan) } else { plain(bucket.upper) };
        }
        let within = if is_forward { rank - (reached - bucket.count) } else { reached - rank };
        let value = self.value_within(&bucket, within / bucket.count);
        let is_skewed = has_nans && self.observations_in_buckets() < self.count;
        (value, if is_skewed { NanEffect::Skews } else { NanEffect::None })
    }

    /// The share of observations between two values. NaN without observations or for a NaN bound.
    #[must_use]
    pub fn fraction(&self, lower: f64, upper: f64) -> (f64, NanEffect) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, NanEffect::None);
        }
        if lower >= upper {
            return (0.0, NanEffect::None);
        }
        let (mut lower_rank, mut upper_rank, mut rank) = (None, None, 0.0);
        for mut bucket in self.buckets() {
            let is_at_zero = bucket.is_at_zero();
            if is_at_zero {
                self.narrow(&mut bucket);
            }
            let is_linear = self.is_custom() || is_at_zero;
            let rank_at = |value: f64| {
                if value <= bucket.lower {
                    Some(rank)
                } else {
                    (value < bucket.upper)
                        .then(|| rank + bucket.count * bucket.share_below(value, is_linear))
                }
            };
            lower_rank = lower_rank.or_else(|| rank_at(lower));
            upper_rank = upper_rank.or_else(|| rank_at(upper));
            if lower_rank.is_some() && upper_rank.is_some() {
                break;
            }
            rank += bucket.count;
        }
        let (mut most, mut effect) = (self.count, NanEffect::None);
        if self.sum.is_nan() {
            most = self.observations_in_buckets();
            if most < self.count {
                effect = NanEffect::Excluded;
            }
        }
        let capped = |rank: Option<f64>| rank.filter(|rank| *rank <= most).unwrap_or(most);
        ((capped(upper_rank) - capped(lower_rank)) / self.count, effect)
    }

    fn observations_in_buckets(&self) -> f64 {
        self.buckets().fold(0.0, |total, bucket| total + bucket.count)
    }

    /// Without negative buckets nothing in the zero bucket is taken to be negative, and without
    /// positive ones nothing positive.
    fn narrow(&self, zero: &mut Bucket) {
        match (self.negative.is_empty(), self.positive.is_empty()) {
            (true, false) => zero.lower = 0.0,
            (false, true) => zero.upper = 0.0,
            _ => {}
        }
    }

    /// The value below which the share `fraction` of a bucket's observations lies.
    fn value_within(&self, bucket: &Bucket, fraction: f64) -> f64 {
        let Bucket { lower, upper, .. } = *bucket;
        if self.is_custom() || bucket.is_at_zero() {
            return lower + (upper - lower) * fraction;
        }
        let (log_lower, log_upper) = (lower.abs().log2(), upper.abs().log2());
        if lower > 0.0 {
            return (log_lower + (log_upper - log_lower) * fraction).exp2();
        }
        -(log_upper + (log_lower - log_upper) * (1.0 - fraction)).exp2()
    }
}

/// The bucket in which the running count reaches `rank`, and the count there. Empty buckets are no
/// candidates, but the last bucket of all is when the rank is never reached.
fn reach(buckets: impl Iterator<Item = Bucket>, rank: f64) -> (Bucket, f64) {
    let (mut last, mut count) = (Bucket::default(), 0.0);
    for bucket in buckets {
        last = bucket;
        count += bucket.count;
        if bucket.count != 0.0 && count >= rank {
            break;
        }
    }
    (last, count)
}

// === impl Bucket ===

impl Bucket {
    /// Whether 0 is in the bucket or a bound of it.
    #[inline]
    #[must_use]
    pub fn is_at_zero(&self) -> bool {
        self.lower <= 0.0 && 0.0 <= self.upper
    }

    /// The share of the bucket's observations that is below `value`, which lies in the bucket.
    pub(super) fn share_below(&self, value: f64, is_linear: bool) -> f64 {
        if is_linear {
            // How observations lie towards −∞ is not known: they count as being below.
            if self.lower == f64::NEG_INFINITY {
                return 1.0;
            }
            return (value - self.lower) / (self.upper - self.lower);
        }
        let [lower, upper, at] = [self.lower, self.upper, value].map(|bound| bound.abs().log2());
        if value > 0.0 {
            (at - lower) / (upper - lower)
        } else {
            1.0 - (at - upper) / (lower - upper)
        }
    }
}
