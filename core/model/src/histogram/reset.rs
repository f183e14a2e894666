//! Equality of data, and whether a counter histogram was reset.

use super::arithmetic::shared_bounds;
use super::side::join;
use super::{Histogram, ResetHint, Side};

// === impl Histogram ===

impl Histogram {
    /// Whether both hold the same data: numbers by their bits, buckets (also empty ones) by
    /// their indexes. Hints are not data.
    #[must_use]
    pub fn same_bits(&self, other: &Self) -> bool {
        let numbers = |it: &Self| [it.count, it.sum, it.zero_count].map(f64::to_bits);
        self.schema == other.schema
            && numbers(self) == numbers(other)
            && self.zero_threshold == other.zero_threshold
            && (!self.is_custom() || self.has_bounds_of(other))
            && same_side(&self.negative, &other.negative)
            && same_side(&self.positive, &other.positive)
    }

    /// Whether the counter was reset between `before` and this sample: what this one's hint says,
    /// or else whether any count but the sum of observations went down.
    #[must_use]
    pub fn is_reset_after(&self, before: &Self) -> bool {
        match self.hint {
            ResetHint::Reset => return true,
            ResetHint::NotReset => return false,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < before.count {
            return true;
        }
        if self.is_custom() != before.is_custom() {
            return true;
        }
        if self.is_custom() && !self.has_bounds_of(before) {
            return self.lost_in_shared_bounds(before);
        }
        // Both can only happen together with a reset.
        if self.schema > before.schema || self.zero_threshold < before.zero_threshold {
            return true;
        }
        let (zero_count, threshold) = before.zero_count_within(self.zero_threshold);
        if threshold != self.zero_threshold || self.zero_count < zero_count {
            return true;
        }
        [true, false].into_iter().any(|is_positive| self.lost(before, is_positive))
    }

    /// Whether a bucket of one side counts less than it did.
    fn lost(&self, before: &Self, is_positive: bool) -> bool {
        let now = self.outside_zero(is_positive, self.schema, self.zero_threshold);
        let then = before.outside_zero(is_positive, self.schema, self.zero_threshold);
        let mut is_lost = false;
        join(now, then, |_, now, then| {
            is_lost |= match (now, then) {
                (Some(now), Some(then)) => now < then,
                (None, Some(then)) => then != 0.0,
                (_, None) => false,
            };
        });
        is_lost
    }

    fn lost_in_shared_bounds(&self, before: &Self) -> bool {
        let shared = shared_bounds(&self.custom_bounds, &before.custom_bounds);
        let mut counts = vec![(0.0, 0.0); shared.len() + 1];
        for (index, count) in self.mapped_to(&shared) {
            counts[index].0 += count;
        }
        for (index, count) in before.mapped_to(&shared) {
            counts[index].1 += count;
        }
        counts.iter().any(|(now, then)| now < then)
    }
}

fn same_side(left: &Side, right: &Side) -> bool {
    let bits = |side: &Side| side.counts.iter().map(|count| count.to_bits()).collect::<Vec<_>>();
    left.layout().eq(right.layout()) && bits(left) == bits(right)
}
