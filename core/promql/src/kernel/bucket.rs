//! Quantiles of classic histograms (`promql/quantile.go`: `BucketQuantile`).

/// Counts that differ by less than this share are taken to be equal: sums of rates are rounded.
const TOLERANCE: f64 = 1e-12;

/// How many observations are at most `upper_bound`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BucketCount {
    /// The bound.
    pub upper_bound: f64,
    /// The count, cumulative.
    pub count: f64,
}

/// The φ-quantile of a histogram whose buckets ascend; interpolated linearly. `buckets` is
/// changed: equal bounds become one bucket and counts ascend afterwards.
///
/// NaN without observations, with fewer than two buckets or without a `+Inf` bucket; the bound below
/// when the quantile lies in the `+Inf` bucket.
#[must_use]
pub fn bucket_quantile(phi: f64, buckets: &mut Vec<BucketCount>) -> f64 {
    if phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    if buckets.last().is_none_or(|last| last.upper_bound != f64::INFINITY) {
        return f64::NAN;
    }
    coalesce(buckets);
    make_monotonic(buckets);
    let [.., before_last, last] = &buckets[..] else { return f64::NAN };
    if last.count == 0.0 {
        return f64::NAN;
    }
    let rank = phi * last.count;
    let finite = &buckets[..buckets.len() - 1];
    let at = first_where(finite.len(), |i| finite[i].count >= rank);
    let Some(bucket) = finite.get(at) else { return before_last.upper_bound };
    if at == 0 && bucket.upper_bound <= 0.0 {
        return bucket.upper_bound;
    }
    let below =
        at.checked_sub(1).map_or(BucketCount { upper_bound: 0.0, count: 0.0 }, |i| finite[i]);
    let share = (rank - below.count) / (bucket.count - below.count);
    below.upper_bound + (bucket.upper_bound - below.upper_bound) * share
}

/// Go's `sort.Search`: the first index for which `holds`, by bisection; defined even when NaN
/// counts break the order.
fn first_where(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Adds up the counts of equal bounds.
fn coalesce(buckets: &mut Vec<BucketCount>) {
    buckets.dedup_by(|next, kept| {
        let is_same = next.upper_bound == kept.upper_bound;
        if is_same {
            kept.count += next.count;
        }
        is_same
    });
}

/// Takes rounding errors and then every decrease out of the counts.
fn make_monotonic(buckets: &mut [BucketCount]) {
    let Some((first, rest)) = buckets.split_first_mut() else { return };
    let mut accepted = first.count;
    for bucket in rest {
        if almost_equal(accepted, bucket.count) || bucket.count < accepted {
            bucket.count = accepted;
        } else {
            accepted = bucket.count;
        }
    }
}

/// `util/almost.Equal`.
fn almost_equal(a: f64, b: f64) -> bool {
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantile(phi: f64, buckets: &[(f64, f64)]) -> f64 {
        let mut buckets = buckets
            .iter()
            .map(|(upper_bound, count)| BucketCount { upper_bound: *upper_bound, count: *count })
            .collect();
        bucket_quantile(phi, &mut buckets)
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn quantiles_are_interpolated() {
        // The example of `histograms.test`: testhistogram3.
        let positive = [(0.1, 5.0), (0.2, 7.0), (1e0, 11.0), (INF, 12.0)];
        assert_eq!(quantile(0.0, &positive), 0.0);
        assert_eq!(quantile(0.25, &positive), 0.1 * (3.0 / 5.0));
        assert_eq!(quantile(0.5, &positive), 0.1 + (0.2 - 0.1) * ((6.0 - 5.0) / 2.0));
        assert_eq!(quantile(1.0, &positive), 1.0);
        let negative = [(-0.2, 1.0), (-0.1, 2.0), (0.3, 2.0), (INF, 3.0)];
        assert_eq!(quantile(0.0, &negative), -0.2);
        assert_eq!(quantile(0.5, &negative), -0.2 + (-0.1 - -0.2) * (0.5 / 1.0));
    }

    #[test]
    fn odd_phis_and_odd_histograms() {
        let usual = [(1.0, 1.0), (INF, 2.0)];
        assert!(quantile(f64::NAN, &usual).is_nan());
        assert_eq!(quantile(-0.1, &usual), -INF);
        assert_eq!(quantile(1.1, &usual), INF);
        assert!(quantile(0.5, &[]).is_nan());
        assert!(quantile(0.5, &[(INF, 2.0)]).is_nan());
        assert!(quantile(0.5, &[(1.0, 1.0), (2.0, 2.0)]).is_nan());
        assert!(quantile(0.5, &[(1.0, 0.0), (INF, 0.0)]).is_nan());
        assert_eq!(quantile(-1.0, &[]), -INF);
    }

    #[test]
    fn counts_that_decrease_are_lifted() {
        let broken = [(1.0, 10.0), (2.0, 8.0), (3.0, 20.0), (INF, 20.0)];
        assert_eq!(quantile(0.75, &broken), 2.0 + (15.0 - 10.0) / 10.0);
        let rounded = [(1.0, 10.0), (2.0, 10.000000000000002), (INF, 10.000000000000002)];
        assert_eq!(quantile(1.0, &rounded), 1.0);
    }

    #[test]
    fn equal_bounds_are_one_bucket() {
        let twice = [(1.0, 1.0), (1.0, 1.0), (INF, 2.0), (INF, 2.0)];
        assert_eq!(quantile(0.25, &twice), 0.5);
    }
}
