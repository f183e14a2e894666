//! Compensated sums of histograms: what rounding takes from each number is kept beside it.
//!
//! The compensation is itself a [`Histogram`] with the same layout, so that a mean can scale both.
//! The sum is the histogram plus its compensation. Source: `util/kahansum`, `KahanAdd`.

use super::side::{SideWriter, join};
use super::{Combined, Histogram, HistogramError, Side};

/// Adds `x` to the sum `sum + compensation` (Kahan's method with Neumaier's swap).
#[inline]
#[must_use]
pub(super) fn add(sum: f64, compensation: f64, x: f64) -> (f64, f64) {
    let total = sum + x;
    let (large, small) = if sum.abs() >= x.abs() { (sum, x) } else { (x, sum) };
    let lost = compensation + ((large - total) + small);
    (total, if total.is_infinite() { 0.0 } else { lost })
}

fn add_to(sum: &mut f64, compensation: &mut f64, x: f64) {
    (*sum, *compensation) = add(*sum, *compensation, x);
}

// === impl Histogram ===

impl Histogram {
    /// A compensation for this histogram: the same layout without any observation.
    #[must_use]
    pub fn no_compensation(&self) -> Self {
        let mut compensation = self.clone();
        (compensation.zero_count, compensation.count, compensation.sum) = (0.0, 0.0, 0.0);
        compensation.positive.counts.fill(0.0);
        compensation.negative.counts.fill(0.0);
        compensation
    }

    /// Adds `other` and keeps in `compensation` what rounding took. The compensation MUST come
    /// from [`Histogram::no_compensation`] or an earlier call, and may have been scaled since.
    ///
    /// # Errors
    /// As [`Histogram::add`].
    pub fn kahan_add(
        &mut self,
        other: &Self,
        compensation: &mut Self,
    ) -> Result<Combined, HistogramError> {
        self.check_kinds(other)?;
        let mut combined =
            Combined { hints_collide: self.adjust_hint(other.hint), bounds_reconciled: false };
        if !self.is_custom() {
            let (count, threshold) = self.common_zero(other);
            self.widen_zero_compensated(threshold, compensation);
            add_to(&mut self.zero_count, &mut compensation.zero_count, count);
        }
        add_to(&mut self.count, &mut compensation.count, other.count);
        add_to(&mut self.sum, &mut compensation.sum, other.sum);
        if self.is_custom() {
            combined.bounds_reconciled = !self.has_bounds_of(other);
            if combined.bounds_reconciled {
                self.map_compensated(other, compensation);
            } else {
                let buckets = other.positive.indexed();
                add_side(&mut self.positive, &mut compensation.positive, buckets);
            }
            return Ok(combined);
        }
        let schema = self.schema.min(other.schema);
        let shift = super::arithmetic::shift(self.schema, schema);
        reduce_side(&mut self.positive, &mut compensation.positive, shift);
        reduce_side(&mut self.negative, &mut compensation.negative, shift);
        (self.schema, compensation.schema) = (schema, schema);
        for is_positive in [true, false] {
            let buckets = other.outside_zero(is_positive, schema, self.zero_threshold);
            let [sums, lost] = [&mut *self, &mut *compensation]
                .map(|it| if is_positive { &mut it.positive } else { &mut it.negative });
            add_side(sums, lost, buckets);
        }
        Ok(combined)
    }

    fn widen_zero_compensated(&mut self, threshold: f64, compensation: &mut Self) {
        if threshold <= self.zero_threshold {
            return;
        }
        self.zero_threshold = threshold;
        compensation.zero_threshold = threshold;
        for is_positive in [true, false] {
            let inside = self.inside_zero(is_positive);
            let [sums, lost] = [&mut *self, &mut *compensation].map(|it| {
                let side = if is_positive { &mut it.positive } else { &mut it.negative };
                (&mut it.zero_count, side)
            });
            for (count, more) in sums.1.counts.iter_mut().zip(&mut lost.1.counts).take(inside) {
                add_to(sums.0, lost.0, *count);
                add_to(sums.0, lost.0, *more);
                (*count, *more) = (0.0, 0.0);
            }
            compact_side(sums.1, lost.1);
        }
    }

    fn map_compensated(&mut self, other: &Self, compensation: &mut Self) {
        let shared = super::arithmetic::shared_bounds(&self.custom_bounds, &other.custom_bounds);
        let mut sums = vec![(0.0, 0.0); shared.len() + 1];
        for histogram in [self, compensation, other] {
            for (index, count) in histogram.mapped_to(&shared) {
                let (sum, lost) = &mut sums[index];
                add_to(sum, lost, count);
            }
        }
        let mut writers = (SideWriter::default(), SideWriter::default());
        for (index, (sum, lost)) in (0..).zip(sums) {
            if sum != 0.0 || lost != 0.0 {
                writers.0.push(index, sum);
                writers.1.push(index, lost);
            }
        }
        (self.positive, compensation.positive) = (writers.0.finish(), writers.1.finish());
        compensation.custom_bounds = std::sync::Arc::clone(&shared);
        self.custom_bounds = shared;
    }
}

/// The buckets of both sides, which have the same layout, as (index, (sum, compensation)).
fn pairs<'a>(sums: &'a Side, lost: &'a Side) -> impl Iterator<Item = (i32, (f64, f64))> + 'a {
    sums.indexed().zip(&lost.counts).map(|((index, sum), lost)| (index, (sum, *lost)))
}

fn add_side(sums: &mut Side, lost: &mut Side, other: impl Iterator<Item = (i32, f64)>) {
    let mut writers = (SideWriter::default(), SideWriter::default());
    join(pairs(sums, lost), other, |index, own, other| {
        let (sum, lost) = match (own, other) {
            (Some((sum, lost)), Some(x)) => add(sum, lost, x),
            (own, other) => own.unwrap_or((other.unwrap_or(0.0), 0.0)),
        };
        writers.0.push(index, sum);
        writers.1.push(index, lost);
    });
    (*sums, *lost) = (writers.0.finish(), writers.1.finish());
}

fn reduce_side(sums: &mut Side, lost: &mut Side, shift: u32) {
    if shift == 0 {
        return;
    }
    let mut merged: Vec<(i32, f64, f64)> = Vec::with_capacity(sums.counts.len());
    for (index, (sum, more)) in pairs(sums, lost) {
        let index = super::side::coarser_index(index, shift);
        match merged.last_mut() {
            Some((last, total, lost)) if *last == index => {
                add_to(total, lost, sum);
                add_to(total, lost, more);
            }
            _ => merged.push((index, sum, more)),
        }
    }
    let mut writers = (SideWriter::default(), SideWriter::default());
    for (index, sum, lost) in merged {
        writers.0.push(index, sum);
        writers.1.push(index, lost);
    }
    (*sums, *lost) = (writers.0.finish(), writers.1.finish());
}

/// Removes the buckets in which there is nothing, nor was anything lost.
fn compact_side(sums: &mut Side, lost: &mut Side) {
    let mut writers = (SideWriter::default(), SideWriter::default());
    for (index, (sum, lost)) in pairs(sums, lost) {
        if sum != 0.0 || lost != 0.0 {
            writers.0.push(index, sum);
            writers.1.push(index, lost);
        }
    }
    (*sums, *lost) = (writers.0.finish(), writers.1.finish());
}
