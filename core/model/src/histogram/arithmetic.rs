//! Sum, difference, product and quotient.
//!
//! Two histograms are brought to one layout first, always the coarser of both: the lower schema,
//! the zero threshold that cuts through no populated bucket of either, the custom bounds they share.

use std::sync::Arc;

use super::bounds::exponential_bound;
use super::side::SideWriter;
use super::{Histogram, HistogramError, ResetHint, Side};

/// What a query should warn about after two histograms were combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Combined {
    /// One was marked as reset and the other as not reset.
    pub hints_collide: bool,
    /// The custom bounds differed: only those of both are left.
    pub bounds_reconciled: bool,
}

// === impl Combined ===

impl Combined {
    /// What either of two combinations gives reason to warn about.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            hints_collide: self.hints_collide || other.hints_collide,
            bounds_reconciled: self.bounds_reconciled || other.bounds_reconciled,
        }
    }
}

// === impl Histogram ===

impl Histogram {
    /// Adds `other`. Empty buckets and adjacent spans may be left: see [`Histogram::compact`].
    ///
    /// # Errors
    /// When one has custom buckets and the other has not; nothing has changed then.
    pub fn add(&mut self, other: &Self) -> Result<Combined, HistogramError> {
        self.combine(other, 1.0)
    }

    /// Subtracts `other`. The reset hint is treated as in [`Histogram::add`]; the operator `-` of
    /// PromQL sets it to [`ResetHint::Gauge`] afterwards.
    ///
    /// # Errors
    /// As [`Histogram::add`].
    pub fn sub(&mut self, other: &Self) -> Result<Combined, HistogramError> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &Self, sign: f64) -> Result<Combined, HistogramError> {
        self.check_kinds(other)?;
        let mut combined =
            Combined { hints_collide: self.adjust_hint(other.hint), bounds_reconciled: false };
        if !self.is_custom() {
            let (count, threshold) = self.common_zero(other);
            self.widen_zero(threshold);
            self.zero_count += sign * count;
        }
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        if self.is_custom() {
            combined.bounds_reconciled = !self.has_bounds_of(other);
            if combined.bounds_reconciled {
                self.map_to_shared_bounds(other, sign);
            } else {
                self.positive.add(other.positive.indexed().map(|(i, count)| (i, sign * count)));
            }
            return Ok(combined);
        }
        self.coarsen(self.schema.min(other.schema));
        for is_positive in [true, false] {
            let buckets = other.outside_zero(is_positive, self.schema, self.zero_threshold);
            let own = if is_positive { &mut self.positive } else { &mut self.negative };
            own.add(buckets.map(|(index, count)| (index, sign * count)));
        }
        Ok(combined)
    }

    /// Multiplies all counts and the sum. A negative factor makes a gauge.
    pub fn mul(&mut self, factor: f64) {
        self.each_number(|number| number * factor);
        if factor < 0.0 {
            self.hint = ResetHint::Gauge;
        }
    }

    /// Divides all counts and the sum. A negative divisor makes a gauge, 0 removes all buckets.
    pub fn div(&mut self, divisor: f64) {
        if divisor == 0.0 {
            self.positive = Side::default();
            self.negative = Side::default();
        }
        self.each_number(|number| number / divisor);
        if divisor < 0.0 {
            self.hint = ResetHint::Gauge;
        }
    }

    /// Removes empty buckets, except where at most `empty_max` lie between two populated ones;
    /// such gaps are filled, so that the two share a span.
    pub fn compact(&mut self, empty_max: usize) {
        self.positive.compact(empty_max);
        self.negative.compact(empty_max);
    }

    /// The histogram at a lower resolution, without its reset hint: the buckets are not the same.
    ///
    /// # Errors
    /// When there are custom buckets, or when `schema` is higher than the histogram's.
    pub fn copy_to_schema(&self, schema: i32) -> Result<Self, HistogramError> {
        let mut copy = self.clone();
        if schema != self.schema {
            copy.reduce_resolution(schema)?;
            copy.hint = ResetHint::Unknown;
        }
        Ok(copy)
    }

    /// Merges buckets until the schema is `schema`.
    ///
    /// # Errors
    /// As [`Histogram::copy_to_schema`]; also when the schema is `schema` already.
    pub fn reduce_resolution(&mut self, schema: i32) -> Result<(), HistogramError> {
        if self.is_custom() || schema >= self.schema || schema < super::check::SCHEMA_MIN {
            return Err(HistogramError::Resolution { from: self.schema, to: schema });
        }
        self.coarsen(schema);
        Ok(())
    }

    /// Whether any number has grown out of the range of floats.
    #[must_use]
    pub fn has_overflow(&self) -> bool {
        let numbers = [self.zero_count, self.count, self.sum];
        let counts = self.positive.counts.iter().chain(&self.negative.counts);
        numbers.iter().chain(counts).any(|number| number.is_infinite())
    }

    fn each_number(&mut self, change: impl Fn(f64) -> f64) {
        let scalars = [&mut self.zero_count, &mut self.count, &mut self.sum];
        let counts = self.positive.counts.iter_mut().chain(&mut self.negative.counts);
        scalars.into_iter().chain(counts).for_each(|number| *number = change(*number));
    }

    pub(super) fn check_kinds(&self, other: &Self) -> Result<(), HistogramError> {
        if self.is_custom() == other.is_custom() { Ok(()) } else { Err(HistogramError::MixedKinds) }
    }

    /// The hint of the combination; tells whether the two hints contradict each other.
    pub(super) fn adjust_hint(&mut self, other: ResetHint) -> bool {
        let own = self.hint;
        if own == other {
            return false;
        }
        let has = |hint| own == hint || other == hint;
        self.hint = if has(ResetHint::Gauge) { ResetHint::Gauge } else { ResetHint::Unknown };
        !has(ResetHint::Gauge) && !has(ResetHint::Unknown)
    }

    pub(super) fn has_bounds_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.custom_bounds, &other.custom_bounds)
            || self.custom_bounds == other.custom_bounds
    }

    pub(super) fn coarsen(&mut self, schema: i32) {
        let shift = shift(self.schema, schema);
        self.positive.reduce(shift);
        self.negative.reduce(shift);
        self.schema = schema;
    }

    /// The buckets of one side at a lower schema, without those that lie within `threshold`.
    pub(super) fn outside_zero(
        &self,
        is_positive: bool,
        schema: i32,
        threshold: f64,
    ) -> impl Iterator<Item = (i32, f64)> + Clone + '_ {
        let side = if is_positive { &self.positive } else { &self.negative };
        let is_custom = self.is_custom();
        let is_inside = move |index| !is_custom && exponential_bound(index, schema) <= threshold;
        side.merged(shift(self.schema, schema)).skip_while(move |(index, _)| is_inside(*index))
    }

    /// The smallest zero threshold that cuts through no populated bucket of either histogram, and
    /// what `other`'s zero bucket would count with it.
    pub(super) fn common_zero(&self, other: &Self) -> (f64, f64) {
        let mut threshold = self.zero_threshold.max(other.zero_threshold);
        loop {
            let (_, own) = self.zero_count_within(threshold);
            let (count, others) = other.zero_count_within(own);
            // Both answers are at least what was asked for; equal ones need no further round.
            if others <= own || own.is_nan() || others.is_nan() {
                return (count, own);
            }
            threshold = others;
        }
    }

    /// What the zero bucket would count if it reached up to `threshold`. If that is within a
    /// populated bucket, the threshold moves to that bucket's end and is returned.
    pub(super) fn zero_count_within(&self, mut threshold: f64) -> (f64, f64) {
        if threshold <= self.zero_threshold {
            return (self.zero_count, self.zero_threshold);
        }
        loop {
            let mut count = self.zero_count;
            let is_inside = |bucket: &super::Bucket, edge: f64| {
                bucket.lower.abs().min(bucket.upper.abs()) < edge
            };
            let mut reach = threshold;
            for bucket in self.positive_buckets().take_while(|bucket| is_inside(bucket, threshold))
            {
                count += bucket.count;
                if bucket.upper > threshold && bucket.count != 0.0 {
                    reach = bucket.upper;
                }
            }
            threshold = reach;
            for bucket in self.negative_buckets().take_while(|bucket| is_inside(bucket, threshold))
            {
                count += bucket.count;
                if bucket.lower < -threshold && bucket.count != 0.0 {
                    reach = -bucket.lower;
                }
            }
            if reach > threshold {
                // The positive side has to be looked at again with the wider zero bucket.
                threshold = reach;
            } else {
                return (count, threshold);
            }
        }
    }

    /// Lets the zero bucket reach up to `threshold`, which cuts through no populated bucket.
    fn widen_zero(&mut self, threshold: f64) {
        if threshold <= self.zero_threshold {
            return;
        }
        (self.zero_count, self.zero_threshold) = self.zero_count_within(threshold);
        for is_positive in [true, false] {
            let inside = self.inside_zero(is_positive);
            let side = if is_positive { &mut self.positive } else { &mut self.negative };
            side.counts.iter_mut().take(inside).for_each(|count| *count = 0.0);
        }
        self.compact(0);
    }

    /// How many buckets of a side begin within the zero bucket.
    pub(super) fn inside_zero(&self, is_positive: bool) -> usize {
        let side = if is_positive { &self.positive } else { &self.negative };
        let begins_inside = |index: i32| self.bound(index.wrapping_sub(1)) < self.zero_threshold;
        side.indexed().take_while(|(index, _)| begins_inside(*index)).count()
    }

    /// Adds `other`, whose custom bounds differ: both are mapped to the bounds they share.
    fn map_to_shared_bounds(&mut self, other: &Self, sign: f64) {
        let shared = shared_bounds(&self.custom_bounds, &other.custom_bounds);
        let mut counts = vec![0.0; shared.len() + 1];
        for (index, count) in self.mapped_to(&shared) {
            counts[index] += count;
        }
        for (index, count) in other.mapped_to(&shared) {
            counts[index] += sign * count;
        }
        let mut writer = SideWriter::with_capacity(counts.len());
        for (index, count) in (0..).zip(counts).filter(|(_, count)| *count != 0.0) {
            writer.push(index, count);
        }
        self.positive = writer.finish();
        self.custom_bounds = shared;
    }

    /// The custom buckets, each with the index it has under the bounds `shared`, a subset of its
    /// own bounds.
    pub(super) fn mapped_to<'a>(
        &'a self,
        shared: &'a [f64],
    ) -> impl Iterator<Item = (usize, f64)> + 'a {
        self.positive.indexed().map(|(index, count)| {
            let upper = self.bound(index);
            (shared.partition_point(|bound| *bound < upper), count)
        })
    }
}

/// Schemas that lie between two of them, the finer one first.
pub(super) fn shift(from: i32, to: i32) -> u32 {
    u32::try_from(from.saturating_sub(to)).unwrap_or(0)
}

/// The bounds that are in both of two ascending lists.
pub(super) fn shared_bounds(left: &[f64], right: &[f64]) -> Arc<[f64]> {
    let is_shared =
        |bound: &&f64| right.binary_search_by(|candidate| candidate.total_cmp(bound)).is_ok();
    left.iter().filter(is_shared).copied().collect()
}
