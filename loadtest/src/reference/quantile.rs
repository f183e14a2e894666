//! Quantiles of numbers, and quantiles and fractions of native histograms (`promql/quantile.go`).

use crate::histogram::{Bucket, FloatHistogram};

use super::sort::{nan_first, sort_by};

/// The quantile of numbers, between the two nearest.
pub(super) fn of_floats(q: f64, mut floats: Vec<f64>) -> f64 {
    if floats.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    sort_by(&mut floats, |a, b| nan_first(*a, *b));
    #[expect(clippy::cast_precision_loss, reason = "vectors are short")]
    let rank = q * (floats.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is an index")]
    let lower = rank.floor().max(0.0) as usize;
    let upper = (lower + 1).min(floats.len() - 1);
    let weight = rank - rank.floor();
    floats[lower] * (1.0 - weight) + floats[upper] * weight
}

/// What NaN observations do to a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nans {
    /// There are none, or they make no difference.
    Harmless,
    /// The result is NaN.
    Result,
    /// The result is too high.
    Skew,
    /// They are in no fraction.
    Excluded,
}

/// The quantile of a native histogram.
pub(super) fn of_histogram(q: f64, histogram: &FloatHistogram) -> (f64, Nans) {
    let harmless = |value: f64| (value, Nans::Harmless);
    if q.is_nan() {
        return harmless(f64::NAN);
    }
    if !(0.0..=1.0).contains(&q) {
        return harmless(if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if histogram.count == 0.0 {
        return harmless(f64::NAN);
    }
    let has_nan_sum = histogram.sum.is_nan();
    let is_forward = has_nan_sum || q < 0.5;
    let mut buckets: Vec<Bucket> = histogram.all_buckets().collect();
    let mut rank = if is_forward { q } else { 1.0 - q } * histogram.count;
    if !is_forward {
        buckets.reverse();
    }
    let (mut count, mut bucket, mut rest) = (0.0, None, buckets.as_slice());
    while let Some((next, tail)) = rest.split_first() {
        (bucket, rest) = (Some(*next), tail);
        count += next.count;
        if next.count != 0.0 && count >= rank {
            break;
        }
    }
    let mut bucket = bucket.unwrap_or(Bucket { lower: 0.0, upper: 0.0, count: 0.0 });
    if histogram.uses_custom_buckets() {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return harmless(bucket.upper);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return harmless(bucket.lower);
        }
    } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
        narrow_zero_bucket(&mut bucket, histogram);
    }
    count = count.min(histogram.count);
    if count < rank {
        return if has_nan_sum { (f64::NAN, Nans::Result) } else { harmless(bucket.upper) };
    }
    rank = if is_forward { rank - (count - bucket.count) } else { count - rank };
    let others: f64 = rest.iter().map(|bucket| bucket.count).sum();
    let is_skewed = has_nan_sum && count + others < histogram.count;
    let nans = if is_skewed { Nans::Skew } else { Nans::Harmless };
    (interpolate(histogram, &bucket, rank / bucket.count), nans)
}

/// The value at a fraction of a bucket: linear in custom buckets and in the zero bucket, else
/// exponential.
fn interpolate(histogram: &FloatHistogram, bucket: &Bucket, fraction: f64) -> f64 {
    let Bucket { lower, upper, .. } = *bucket;
    if histogram.uses_custom_buckets() || (lower <= 0.0 && upper >= 0.0) {
        return lower + (upper - lower) * fraction;
    }
    let (log_lower, log_upper) = (lower.abs().log2(), upper.abs().log2());
    if lower > 0.0 {
        return (log_lower + (log_upper - log_lower) * fraction).exp2();
    }
    -(log_upper + (log_lower - log_upper) * (1.0 - fraction)).exp2()
}

/// Without negative buckets, nothing in the zero bucket is negative; and the other way round.
const fn narrow_zero_bucket(bucket: &mut Bucket, histogram: &FloatHistogram) {
    let has_negative = !histogram.negative_buckets.is_empty();
    let has_positive = !histogram.positive_buckets.is_empty();
    match (has_negative, has_positive) {
        (false, true) => bucket.lower = 0.0,
        (true, false) => bucket.upper = 0.0,
        _ => {}
    }
}

/// The fraction of observations between two values.
pub(super) fn fraction(lower: f64, upper: f64, histogram: &FloatHistogram) -> (f64, Nans) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, Nans::Harmless);
    }
    if lower >= upper {
        return (0.0, Nans::Harmless);
    }
    let (mut lower_rank, mut upper_rank) = (None, None);
    let mut rank = 0.0;
    for mut bucket in histogram.all_buckets() {
        let is_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if is_zero {
            narrow_zero_bucket(&mut bucket, histogram);
        }
        let is_linear = histogram.uses_custom_buckets() || is_zero;
        let rank_of = |value: f64| {
            if bucket.lower >= value {
                Some(rank)
            } else if bucket.upper > value {
                Some(rank_within(&bucket, rank, value, is_linear))
            } else {
                None
            }
        };
        lower_rank = lower_rank.or_else(|| rank_of(lower));
        upper_rank = upper_rank.or_else(|| rank_of(upper));
        rank += bucket.count;
    }
    let mut count = histogram.count;
    let mut nans = Nans::Harmless;
    if histogram.sum.is_nan() {
        count = histogram.all_buckets().map(|bucket| bucket.count).sum();
        if count < histogram.count {
            nans = Nans::Excluded;
        }
    }
    let within = |rank: Option<f64>| rank.filter(|rank| *rank <= count).unwrap_or(count);
    ((within(upper_rank) - within(lower_rank)) / histogram.count, nans)
}

/// How many observations are at most `value`, which lies in the bucket.
fn rank_within(bucket: &Bucket, rank: f64, value: f64, is_linear: bool) -> f64 {
    let Bucket { lower, upper, count, .. } = *bucket;
    if is_linear {
        // Nothing is known about how observations lie towards an infinite bound.
        if lower == f64::NEG_INFINITY {
            return count;
        }
        return rank + count * (value - lower) / (upper - lower);
    }
    let [log_lower, log_upper, log_value] = [lower, upper, value].map(|bound| bound.abs().log2());
    let fraction = if value > 0.0 {
        (log_value - log_lower) / (log_upper - log_lower)
    } else {
        1.0 - (log_value - log_upper) / (log_lower - log_upper)
    };
    rank + count * fraction
}
