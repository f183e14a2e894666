//! Native histograms for the test language and the reference evaluator: Prometheus' algebra
//! (`model/histogram/float_histogram.go`), naively.
//!
//! Two histograms are brought to one layout ([`layout`]) before they meet; then each number is
//! treated alone.

use std::fmt;

use layout::{Layout, align};

mod convert;
mod layout;
mod trim;

/// The schema of histograms with custom bounds.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// What is known about a counter's reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CounterResetHint {
    /// Nothing.
    #[default]
    Unknown,
    /// It was reset since the sample before.
    CounterReset,
    /// It was not.
    NotCounterReset,
    /// It is no counter.
    Gauge,
}

/// Neighbouring buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// How many buckets lie between this span and the one before; the first span's first index.
    pub offset: i32,
    /// How many buckets it has.
    pub length: u32,
}

/// A histogram of floats. Bucket `i` of schema `s` reaches from `2^((i-1)/2^s)`, exclusive, to
/// `2^(i/2^s)`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FloatHistogram {
    /// Whether the counter was reset.
    pub counter_reset_hint: CounterResetHint,
    /// The resolution, or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// Up to where, on both sides, observations count as 0.
    pub zero_threshold: f64,
    /// Observations around 0.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Which positive buckets there are.
    pub positive_spans: Vec<Span>,
    /// Which negative buckets there are.
    pub negative_spans: Vec<Span>,
    /// Their observations.
    pub positive_buckets: Vec<f64>,
    /// Their observations.
    pub negative_buckets: Vec<f64>,
    /// The upper bounds of custom buckets; one more bucket has none.
    pub custom_values: Vec<f64>,
}

/// A bucket with its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
    /// The observations.
    pub count: f64,
}

/// What came up when histograms were combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// One says that it was reset, the other that it was not.
    pub counter_reset_collision: bool,
    /// Only the bounds that both have are left.
    pub bounds_reconciled: bool,
}

/// Histograms that cannot be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("exponential and custom buckets cannot be combined")]
pub struct IncompatibleSchemas;

// === impl FloatHistogram ===

impl FloatHistogram {
    /// Whether its bounds are its own.
    #[must_use]
    pub const fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Adds `other`.
    ///
    /// # Errors
    /// When only one has custom buckets.
    pub fn add(&mut self, other: &Self) -> Result<Outcome, IncompatibleSchemas> {
        self.combine(other, |a, b| a + b)
    }

    /// Subtracts `other`.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn sub(&mut self, other: &Self) -> Result<Outcome, IncompatibleSchemas> {
        self.combine(other, |a, b| a - b)
    }

    fn combine(
        &mut self,
        other: &Self,
        with: impl Fn(f64, f64) -> f64,
    ) -> Result<Outcome, IncompatibleSchemas> {
        let (mut mine, mut others) = (Layout::of(self), Layout::of(other));
        let bounds_reconciled = align(&mut mine, &mut others)?;
        let counter_reset_collision = self.merge_hint(other.counter_reset_hint);
        mine.combine(&others, with);
        mine.store(self);
        Ok(Outcome { counter_reset_collision, bounds_reconciled })
    }

    /// Adds `other` and returns what rounding took, together with what it took before.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn kahan_add(
        &mut self,
        other: &Self,
        lost: Option<Self>,
    ) -> Result<(Self, Outcome), IncompatibleSchemas> {
        let (mut mine, mut others) = (Layout::of(self), Layout::of(other));
        let bounds_reconciled = align(&mut mine, &mut others)?;
        let counter_reset_collision = self.merge_hint(other.counter_reset_hint);
        let mut lost = match lost {
            Some(lost) => Layout::of(&lost).fitted(&mine),
            None => mine.zeros(),
        };
        let mut rounding = mine.clone();
        rounding.combine(&others, |sum, summand| {
            let total = sum + summand;
            match sum.abs() >= summand.abs() {
                _ if total.is_infinite() => f64::NAN,
                true => (sum - total) + summand,
                false => (summand - total) + sum,
            }
        });
        lost.combine(&rounding, |lost, more| if more.is_nan() { 0.0 } else { lost + more });
        mine.combine(&others, |a, b| a + b);
        mine.store(self);
        let mut compensation = self.clone();
        lost.store(&mut compensation);
        Ok((compensation, Outcome { counter_reset_collision, bounds_reconciled }))
    }

    /// A gauge makes a gauge, the unknown makes unknown; returns whether the two contradict.
    fn merge_hint(&mut self, other: CounterResetHint) -> bool {
        use CounterResetHint::{Gauge, Unknown};
        let hint = self.counter_reset_hint;
        if hint == other || hint == Gauge {
            return false;
        }
        self.counter_reset_hint = if other == Gauge { Gauge } else { Unknown };
        hint != Unknown && other != Unknown && other != Gauge
    }

    /// Multiplies all counts and the sum.
    pub fn mul(&mut self, factor: f64) {
        self.numbers().for_each(|number| *number *= factor);
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Divides all counts and the sum; by 0, there are no buckets left.
    pub fn div(&mut self, divisor: f64) {
        self.numbers().for_each(|number| *number /= divisor);
        if divisor == 0.0 {
            for spans in [&mut self.positive_spans, &mut self.negative_spans] {
                spans.clear();
            }
            for buckets in [&mut self.positive_buckets, &mut self.negative_buckets] {
                buckets.clear();
            }
        }
        if divisor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    fn numbers(&mut self) -> impl Iterator<Item = &mut f64> {
        [&mut self.zero_count, &mut self.count, &mut self.sum]
            .into_iter()
            .chain(&mut self.positive_buckets)
            .chain(&mut self.negative_buckets)
    }

    /// Forgets the buckets without observations.
    pub fn compact(&mut self) {
        let mut layout = Layout::of(self);
        layout.positive.retain(|_, count| *count != 0.0);
        layout.negative.retain(|_, count| *count != 0.0);
        layout.store(self);
    }

    /// Whether all but the hint is the same, bit by bit.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        let bits = |floats: &[f64]| floats.iter().map(|it| it.to_bits()).collect::<Vec<u64>>();
        let [a, b] = [self, other].map(|histogram| {
            let mut compact = histogram.clone();
            compact.compact();
            compact
        });
        let numbers = |h: &Self| {
            bits(&[h.zero_threshold, h.zero_count, h.count, h.sum])
                .into_iter()
                .chain(bits(&h.positive_buckets))
                .chain(bits(&h.negative_buckets))
                .collect::<Vec<u64>>()
        };
        a.schema == b.schema
            && bits(&a.custom_values) == bits(&b.custom_values)
            && a.positive_spans == b.positive_spans
            && a.negative_spans == b.negative_spans
            && numbers(&a) == numbers(&b)
    }

    /// Whether a counter began anew after `previous`: its hint says so, or something counts less.
    #[must_use]
    pub fn detect_reset(&self, previous: &Self) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::CounterReset => return true,
            CounterResetHint::NotCounterReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        let is_finer =
            self.schema > previous.schema || self.zero_threshold < previous.zero_threshold;
        let is_custom = self.uses_custom_buckets();
        if self.count < previous.count || (is_finer && !is_custom) {
            return true;
        }
        let (mut now, mut before) = (Layout::of(self), Layout::of(previous));
        if align(&mut now, &mut before).is_err() {
            return true;
        }
        let is_threshold_moved = now.zero_threshold.to_bits() != self.zero_threshold.to_bits();
        is_threshold_moved || now.counts_less_than(&before)
    }

    /// Whether a number is infinite.
    #[must_use]
    pub fn has_overflow(&self) -> bool {
        self.clone().numbers().any(|number| number.is_infinite())
    }

    /// The histogram with at most the resolution of `schema`.
    #[must_use]
    pub fn copy_to_schema(&self, schema: i32) -> Self {
        let mut copy = self.clone();
        let mut layout = Layout::of(self);
        layout.reduce(schema);
        layout.store(&mut copy);
        copy
    }

    /// All buckets in ascending order; the zero bucket if it is populated.
    pub fn all_buckets(&self) -> impl Iterator<Item = Bucket> {
        Layout::of(self).buckets().into_iter()
    }
}

impl fmt::Display for FloatHistogram {
    /// `{count:4, sum:5, (0.5,1]:1, (1,2]:3}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", self.count, self.sum)?;
        for Bucket { lower, upper, count } in self.all_buckets().filter(|it| it.count != 0.0) {
            let is_exponential = !self.uses_custom_buckets();
            let open = if is_exponential && lower < 0.0 { '[' } else { '(' };
            let close = if is_exponential && upper < 0.0 { ')' } else { ']' };
            write!(f, ", {open}{lower},{upper}{close}:{count}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(schema: i32, buckets: &[f64]) -> FloatHistogram {
        let total = buckets.iter().sum();
        FloatHistogram {
            schema,
            count: total,
            sum: total,
            positive_spans: vec![Span { offset: 0, length: u32::try_from(buckets.len()).unwrap() }],
            positive_buckets: buckets.to_vec(),
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn the_coarser_resolution_wins() {
        let mut sum = exponential(1, &[1.0, 2.0, 4.0]);
        sum.add(&exponential(0, &[10.0, 20.0])).unwrap();
        assert_eq!((sum.schema, sum.count), (0, 37.0));
        assert_eq!(sum.positive_buckets, [11.0, 26.0]);
        assert_eq!(sum.to_string(), "{count:37, sum:37, (0.5,1]:11, (1,2]:26}");
    }

    #[test]
    fn a_wider_zero_bucket_takes_populated_buckets_whole() {
        let mut sum = exponential(0, &[1.0, 2.0]);
        let zero = FloatHistogram {
            zero_threshold: 0.75,
            zero_count: 5.0,
            count: 5.0,
            ..FloatHistogram::default()
        };
        sum.add(&zero).unwrap();
        assert_eq!((sum.zero_threshold, sum.zero_count), (1.0, 6.0));
        assert_eq!(sum.positive_buckets, [2.0]);
    }

    #[test]
    fn a_lower_bucket_is_a_reset_even_if_the_count_grows() {
        let (before, now) = (exponential(0, &[2.0, 1.0]), exponential(0, &[1.0, 5.0]));
        assert!(now.detect_reset(&before) && !before.detect_reset(&before));
    }
}
