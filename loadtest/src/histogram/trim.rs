//! `</` and `>/`: what is left of a histogram below or above a value. Count and sum are those of the
//! buckets that are left, if anything was taken from one.

use super::layout::{Layout, Side};
use super::{Bucket, FloatHistogram};

/// What is left of a bucket: how many observations, and where they lie on average.
struct Left {
    count: f64,
    middle: f64,
}

/// Which sides have populated buckets.
#[derive(Default, Clone, Copy)]
struct Sides {
    has_negative: bool,
    has_positive: bool,
}

/// Where to trim.
#[derive(Clone, Copy)]
struct Trim {
    bound: f64,
    /// Whether what is below the bound is kept.
    keeps_below: bool,
    is_custom: bool,
}

// === impl FloatHistogram ===

impl FloatHistogram {
    /// Forgets the observations above `bound` if `keeps_below`, else those below it.
    pub fn trim(&mut self, bound: f64, keeps_below: bool) {
        let trim = Trim { bound, keeps_below, is_custom: self.uses_custom_buckets() };
        let (mut count, mut sum, mut is_trimmed) = (0.0, 0.0, false);
        let mut sides = Sides::default();
        let mut layout = Layout::of(self);
        layout.retain(|bucket, side| {
            sides.has_positive |= side == Side::Positive;
            sides.has_negative |= side == Side::Negative;
            let left = match side {
                Side::Zero => trim.zero_bucket(bucket, sides),
                _ => trim.bucket(bucket, side == Side::Positive),
            };
            is_trimmed |= left.count.to_bits() != bucket.count.to_bits();
            count += left.count;
            if left.count != 0.0 {
                sum += left.middle * left.count;
            }
            left.count
        });
        if is_trimmed {
            layout.set_totals(count, sum);
            layout.store(self);
            self.compact();
        }
    }
}

// === impl Trim ===

impl Trim {
    fn bucket(self, bucket: Bucket, is_positive: bool) -> Left {
        let Bucket { lower, upper, count } = bucket;
        let is_below = upper <= self.bound;
        let is_above = lower >= self.bound;
        if (is_below && self.keeps_below) || (is_above && !self.keeps_below) {
            return Left { count, middle: self.middle(lower, upper, is_positive) };
        }
        if is_below || is_above {
            return Left { count: 0.0, middle: 0.0 };
        }
        if lower.is_infinite() || upper.is_infinite() {
            return self.infinite(bucket);
        }
        let below = count * self.fraction(bucket, is_positive);
        if self.keeps_below {
            Left { count: below, middle: self.middle(lower, self.bound, is_positive) }
        } else {
            Left { count: count - below, middle: self.middle(self.bound, upper, is_positive) }
        }
    }

    /// How observations lie in an infinite bucket is not known, unless it begins at 0.
    fn infinite(self, Bucket { lower, upper, count }: Bucket) -> Left {
        let bound = self.bound;
        let nothing = Left { count: 0.0, middle: 0.0 };
        if lower == f64::NEG_INFINITY {
            let is_from_zero = upper > 0.0 && upper.is_finite();
            return match self.keeps_below {
                true if bound > 0.0 && is_from_zero => {
                    Left { count: count * bound / upper, middle: bound / 2.0 }
                }
                true if upper <= 0.0 => Left { count, middle: bound },
                false if bound >= 0.0 && is_from_zero => {
                    let count = count * (1.0 - bound / upper);
                    Left { count, middle: f64::midpoint(bound, upper) }
                }
                _ => nothing,
            };
        }
        if self.keeps_below { nothing } else { Left { count, middle: bound } }
    }

    /// Which part of a bucket's observations is below the bound.
    fn fraction(self, Bucket { lower, upper, .. }: Bucket, is_positive: bool) -> f64 {
        if self.is_custom {
            return (self.bound - lower) / (upper - lower);
        }
        let [lower, upper, bound] = [lower, upper, self.bound].map(|it| it.abs().log2());
        if is_positive {
            (bound - lower) / (upper - lower)
        } else {
            1.0 - (bound - upper) / (lower - upper)
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

    /// The zero bucket has no negative half if there are only positive buckets, and none positive if
    /// there are only negative ones.
    fn zero_bucket(self, bucket: Bucket, sides: Sides) -> Left {
        let Sides { has_negative, has_positive } = sides;
        let Bucket { lower, upper, count } = bucket;
        let lower = if has_positive && !has_negative { 0.0 } else { lower };
        let upper = if has_negative && !has_positive { 0.0 } else { upper };
        let bound = self.bound;
        let (is_none, is_all) = match self.keeps_below {
            true => (bound <= lower, bound >= upper),
            false => (bound > lower && bound >= upper, bound <= lower),
        };
        if is_none {
            return Left { count: 0.0, middle: 0.0 };
        }
        if is_all {
            return Left { count, middle: f64::midpoint(lower, upper) };
        }
        let (from, to) = if self.keeps_below { (lower, bound) } else { (bound, upper) };
        Left { count: count * ((to - from) / (upper - lower)), middle: f64::midpoint(from, to) }
    }
}
