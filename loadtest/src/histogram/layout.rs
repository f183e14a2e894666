//! Buckets by index, and how two histograms get the same ones: the coarser schema, the wider zero
//! bucket, the bounds that both have.

use std::collections::BTreeMap;

use model::histogram::Histogram;

use super::{Bucket, CUSTOM_BUCKETS_SCHEMA, FloatHistogram, IncompatibleSchemas, Span};

/// Observations by bucket.
type Counts = BTreeMap<i32, f64>;

/// A histogram's numbers without its hint.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    schema: i32,
    pub(super) zero_threshold: f64,
    zero_count: f64,
    count: f64,
    sum: f64,
    pub(super) positive: Counts,
    pub(super) negative: Counts,
    custom_values: Vec<f64>,
}

/// Gives both the same buckets; returns whether custom bounds were given up for it.
pub(super) fn align(a: &mut Layout, b: &mut Layout) -> Result<bool, IncompatibleSchemas> {
    if a.is_custom() != b.is_custom() {
        return Err(IncompatibleSchemas);
    }
    if a.is_custom() {
        if a.custom_values == b.custom_values {
            return Ok(false);
        }
        let in_b = |bound: &f64| b.custom_values.contains(bound);
        let bounds: Vec<f64> = a.custom_values.iter().copied().filter(in_b).collect();
        a.keep_bounds(&bounds);
        b.keep_bounds(&bounds);
        return Ok(true);
    }
    let mut zero = b.clone();
    while a.zero_threshold.to_bits() != zero.zero_threshold.to_bits() {
        zero.widen_zero(a.zero_threshold);
        a.widen_zero(zero.zero_threshold);
    }
    (b.zero_count, b.zero_threshold) = (zero.zero_count, zero.zero_threshold);
    let schema = a.schema.min(b.schema);
    a.reduce(schema);
    b.reduce(schema);
    // Prometheus leaves out what is in the zero bucket only now: of a bucket that the coarser schema
    // has made reach beyond it, nothing.
    b.leave_out_zero();
    Ok(false)
}

// === impl Layout ===

impl Layout {
    pub(super) fn of(histogram: &FloatHistogram) -> Self {
        let FloatHistogram { positive_spans, negative_spans, .. } = histogram;
        Self {
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: histogram.zero_count,
            count: histogram.count,
            sum: histogram.sum,
            positive: counts(positive_spans, &histogram.positive_buckets),
            negative: counts(negative_spans, &histogram.negative_buckets),
            custom_values: histogram.custom_values.clone(),
        }
    }

    pub(super) fn store(self, histogram: &mut FloatHistogram) {
        histogram.schema = self.schema;
        histogram.zero_threshold = self.zero_threshold;
        histogram.zero_count = self.zero_count;
        histogram.count = self.count;
        histogram.sum = self.sum;
        (histogram.positive_spans, histogram.positive_buckets) = spans(&self.positive);
        (histogram.negative_spans, histogram.negative_buckets) = spans(&self.negative);
        histogram.custom_values = self.custom_values;
    }

    const fn is_custom(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// The same buckets without observations.
    pub(super) fn zeros(&self) -> Self {
        let mut zeros = self.clone();
        zeros.combine(self, |_, _| 0.0);
        zeros
    }

    /// These numbers, which once had the buckets of `other`, in the buckets that `other` has now.
    pub(super) fn fitted(mut self, other: &Self) -> Self {
        if self.is_custom() {
            self.keep_bounds(&other.custom_values);
            return self;
        }
        self.absorb(other.zero_threshold);
        self.reduce(other.schema);
        self
    }

    /// Combines number by number; buckets that one lacks have no observations.
    pub(super) fn combine(&mut self, other: &Self, with: impl Fn(f64, f64) -> f64) {
        self.zero_count = with(self.zero_count, other.zero_count);
        self.count = with(self.count, other.count);
        self.sum = with(self.sum, other.sum);
        let sides = [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)];
        for (mine, others) in sides {
            for index in others.keys() {
                mine.entry(*index).or_insert(0.0);
            }
            for (index, count) in mine {
                *count = with(*count, others.get(index).copied().unwrap_or(0.0));
            }
        }
    }

    /// Whether a bucket has fewer observations than in `before`.
    pub(super) fn counts_less_than(&self, before: &Self) -> bool {
        let is_less = |now: &Counts, before: &Counts| {
            before.iter().any(|(i, count)| now.get(i).copied().unwrap_or(0.0) < *count)
        };
        self.zero_count < before.zero_count
            || is_less(&self.positive, &before.positive)
            || is_less(&self.negative, &before.negative)
    }

    /// Goes down to a coarser schema, in which each bucket has a power of 2 of these.
    pub(super) fn reduce(&mut self, schema: i32) {
        let by = self.schema - schema;
        if by <= 0 || self.is_custom() {
            return;
        }
        for side in [&mut self.positive, &mut self.negative] {
            let mut reduced = Counts::new();
            for (index, count) in &*side {
                *reduced.entry(((index - 1) >> by) + 1).or_default() += count;
            }
            *side = reduced;
        }
        self.schema = schema;
    }

    /// Merges custom buckets until only these bounds are left.
    fn keep_bounds(&mut self, bounds: &[f64]) {
        let mut merged = Counts::new();
        for (index, count) in &self.positive {
            let upper = self.upper(*index);
            let index = bounds.partition_point(|bound| *bound < upper);
            *merged.entry(i32::try_from(index).unwrap_or(i32::MAX)).or_default() += count;
        }
        self.positive = merged;
        self.custom_values = bounds.to_vec();
    }

    /// The upper bound of a positive bucket.
    fn upper(&self, index: i32) -> f64 {
        if self.is_custom() {
            let bound = usize::try_from(index).ok().and_then(|i| self.custom_values.get(i));
            return bound.copied().unwrap_or(f64::INFINITY);
        }
        // Prometheus has these bounds in a table, whose last bits no formula gives.
        Histogram { schema: self.schema, ..Histogram::default() }.bound(index)
    }

    fn lower(&self, index: i32) -> f64 {
        if self.is_custom() && index == 0 { f64::NEG_INFINITY } else { self.upper(index - 1) }
    }

    /// Makes the zero bucket reach at least to `threshold`; a populated bucket that the threshold
    /// would cut goes in whole.
    fn widen_zero(&mut self, threshold: f64) {
        if threshold <= self.zero_threshold {
            return;
        }
        let mut threshold = threshold;
        let indexes: Vec<(i32, f64)> =
            self.positive.iter().chain(&self.negative).map(|(i, count)| (*i, *count)).collect();
        while let Some((index, _)) = indexes.iter().find(|(index, count)| {
            *count != 0.0 && self.lower(*index) < threshold && self.upper(*index) > threshold
        }) {
            threshold = self.upper(*index);
        }
        self.absorb(threshold);
    }

    /// Forgets the buckets that end within the zero bucket.
    fn leave_out_zero(&mut self) {
        let [positive, negative] = [&self.positive, &self.negative].map(|side| -> Counts {
            let is_beyond = |index: &i32| self.upper(*index) > self.zero_threshold;
            side.iter().filter(|(index, _)| is_beyond(index)).map(|(i, n)| (*i, *n)).collect()
        });
        (self.positive, self.negative) = (positive, negative);
    }

    /// Moves all buckets that begin below `threshold` into the zero bucket.
    fn absorb(&mut self, threshold: f64) {
        let (positive, negative) = (self.positive.clone(), self.negative.clone());
        let is_inside = |(index, _): &(&i32, &f64)| self.lower(**index) < threshold;
        let absorbed: f64 =
            positive.iter().chain(&negative).filter(is_inside).map(|(_, count)| count).sum();
        let outside = |counts: &Counts| -> Counts {
            counts.iter().filter(|it| !is_inside(it)).map(|(i, count)| (*i, *count)).collect()
        };
        let (positive, negative) = (outside(&positive), outside(&negative));
        self.zero_count += absorbed;
        self.zero_threshold = threshold;
        (self.positive, self.negative) = (positive, negative);
    }

    /// All buckets in ascending order; the zero bucket if it is populated.
    pub(super) fn buckets(&self) -> Vec<Bucket> {
        let zero = Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            count: self.zero_count,
        };
        // A bucket that overlaps with the zero bucket begins where that ends.
        let lower = |index: i32| match self.lower(index) {
            lower if lower > 0.0 && !self.is_custom() => lower.max(self.zero_threshold),
            lower => lower,
        };
        let negative = self.negative.iter().rev().map(|(index, count)| Bucket {
            lower: -self.upper(*index),
            upper: -lower(*index),
            count: *count,
        });
        let positive = self.positive.iter().map(|(index, count)| Bucket {
            lower: lower(*index),
            upper: self.upper(*index),
            count: *count,
        });
        negative.chain((self.zero_count > 0.0).then_some(zero)).chain(positive).collect()
    }

    /// Replaces each bucket's observations by what `kept` says; the zero bucket comes last.
    pub(super) fn retain(&mut self, mut kept: impl FnMut(Bucket, Side) -> f64) {
        for side in [Side::Positive, Side::Negative] {
            let counts = match side {
                Side::Negative => &self.negative,
                _ => &self.positive,
            };
            let mut retained = Counts::new();
            for (index, count) in counts {
                let (lower, upper) = (self.lower(*index), self.upper(*index));
                let (lower, upper) =
                    if side == Side::Negative { (-upper, -lower) } else { (lower, upper) };
                let is_populated = *count != 0.0;
                let bucket = Bucket { lower, upper, count: *count };
                retained.insert(*index, if is_populated { kept(bucket, side) } else { 0.0 });
            }
            match side {
                Side::Negative => self.negative = retained,
                _ => self.positive = retained,
            }
        }
        if self.zero_count > 0.0 {
            let (lower, upper) = (-self.zero_threshold, self.zero_threshold);
            let bucket = Bucket { lower, upper, count: self.zero_count };
            self.zero_count = kept(bucket, Side::Zero);
        }
    }

    pub(super) const fn set_totals(&mut self, count: f64, sum: f64) {
        (self.count, self.sum) = (count, sum);
    }
}

/// Where a bucket lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Positive,
    Negative,
    Zero,
}

fn counts(spans: &[Span], buckets: &[f64]) -> Counts {
    let (mut index, mut counts) = (0, Counts::new());
    let mut buckets = buckets.iter();
    for span in spans {
        index += span.offset;
        for _ in 0..span.length {
            counts.insert(index, buckets.next().copied().unwrap_or(0.0));
            index += 1;
        }
    }
    counts
}

fn spans(counts: &Counts) -> (Vec<Span>, Vec<f64>) {
    let (mut spans, mut next): (Vec<Span>, i32) = (Vec::new(), 0);
    for index in counts.keys() {
        match spans.last_mut() {
            Some(span) if *index == next => span.length += 1,
            _ => spans.push(Span { offset: index - next, length: 1 }),
        }
        next = index + 1;
    }
    (spans, counts.values().copied().collect())
}
