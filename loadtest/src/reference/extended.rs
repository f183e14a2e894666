//! `anchored` and `smoothed`: the window's edges have values, taken from or computed between the
//! samples around them.

use std::sync::Arc;

use crate::histogram::{CounterResetHint, FloatHistogram};
use promql::ast::{RangeExtension, Span};

use super::element::scaled;
use super::eval::Evaluator;
use super::notes::{mixed_schemas, not_a_counter, not_a_gauge, reconciled};
use super::rate::{self, Kind};
use super::vector::{FloatPoint, HistogramPoint, Window, seconds};
use super::windowed::Applied;
use crate::promqltest::engine::Value;

pub(super) const fn is_extended(window: &Window) -> bool {
    window.extension.is_some()
}

/// Which samples the edges are made of: of all `n`, the last at or before the window's start, or
/// the first of all; and the first at or after its end if smoothed, else the last of all.
fn edges(window: &Window, times: &[i64]) -> Option<(usize, usize)> {
    let is_smoothed = window.extension == Some(RangeExtension::Smoothed);
    let last = times.len().checked_sub(1)?;
    let first = times[..last].partition_point(|t| *t <= window.start_ms).saturating_sub(1);
    let last =
        if is_smoothed { times[..last].partition_point(|t| *t < window.end_ms) } else { last };
    let is_outside =
        times[last] <= window.start_ms || (is_smoothed && times[first] > window.end_ms);
    (!is_outside).then_some((first, last))
}

/// The value at `t` on the line between two samples; a counter that was reset begins at 0.
fn between(before: FloatPoint, after: FloatPoint, t: i64, is_counter: bool) -> f64 {
    let low = if is_counter && after.v < before.v { 0.0 } else { before.v };
    #[expect(clippy::cast_precision_loss, reason = "Prometheus computes with floats, too")]
    let (part, whole) = ((t - before.t) as f64, (after.t - before.t) as f64);
    low + (after.v - low) * part / whole
}

/// The values at both edges.
fn float_edges(window: &Window, first: usize, last: usize, is_counter: bool) -> (f64, f64) {
    let (floats, is_smoothed) =
        (&window.floats, window.extension == Some(RangeExtension::Smoothed));
    let left = match floats.get(first + 1) {
        Some(next) if is_smoothed && floats[first].t < window.start_ms => {
            between(floats[first], *next, window.start_ms, is_counter)
        }
        _ => floats[first].v,
    };
    let right = if is_smoothed && last > 0 && floats[last].t > window.end_ms {
        between(floats[last - 1], floats[last], window.end_ms, is_counter)
    } else {
        floats[last].v
    };
    (left, right)
}

/// `rate`, `increase` and `delta` between the edges.
pub(super) fn rate(applied: &Applied<'_>, kind: Kind) -> Option<Value> {
    let window = applied.window;
    if !window.histograms.is_empty() {
        return histogram_rate(applied, kind).map(Value::from);
    }
    let times: Vec<i64> = window.floats.iter().map(|p| p.t).collect();
    let (first, last) = edges(window, &times)?;
    let is_counter = kind != Kind::Delta;
    let (left, right) = float_edges(window, first, last, is_counter);
    let mut change = right - left;
    if is_counter {
        let inside = window.floats[first..=last]
            .iter()
            .filter(|p| window.start_ms < p.t && p.t < window.end_ms)
            .map(|p| p.v);
        let mut previous = left;
        for value in inside.chain([right]) {
            if value < previous {
                change += previous;
            }
            previous = value;
        }
    }
    Some(Value::Float(if kind == Kind::Rate { change / window.seconds() } else { change }))
}

fn histogram_rate(applied: &Applied<'_>, kind: Kind) -> Option<FloatHistogram> {
    let (window, name) = (applied.window, applied.window.name());
    let points = &window.histograms;
    let times: Vec<i64> = points.iter().map(|p| p.t).collect();
    let (first, last) = edges(window, &times)?;
    let is_counter = kind != Kind::Delta;
    let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == CounterResetHint::Gauge;
    let used = &points[first..=last];
    for point in used {
        if point.h.uses_custom_buckets() != used[0].h.uses_custom_buckets() {
            applied.warn(mixed_schemas(name));
            return None;
        }
        if is_counter && is_gauge(&point.h) {
            applied.warn(not_a_counter(name));
        }
    }
    let is_smoothed = window.extension == Some(RangeExtension::Smoothed);
    let is_computed = is_smoothed && points[first].t < window.start_ms;
    let line = Line { evaluator: applied.evaluator, span: applied.first_span, name, is_counter };
    let left = match points.get(first + 1) {
        Some(next) if is_computed => line.between(&points[first], next, window.start_ms)?,
        _ => FloatHistogram::clone(&points[first].h),
    };
    let right = if is_smoothed && last > 0 && points[last].t > window.end_ms {
        line.between(&points[last - 1], &points[last], window.end_ms)?
    } else {
        FloatHistogram::clone(&points[last].h)
    };
    if !is_counter && (!is_gauge(&left) || !is_gauge(&right)) {
        applied.warn(not_a_gauge(name));
    }
    let mut change = right.clone();
    rate::subtract(applied, &mut change, &left)?;
    if is_counter {
        let edges = Corrected { points, first, last, left: &left, right: &right, is_computed };
        if let Some(correction) = edges.correction(applied)? {
            rate::add(applied, &mut change, &correction)?;
        }
    }
    if kind == Kind::Rate {
        change.div(window.seconds());
    }
    change.counter_reset_hint = CounterResetHint::Gauge;
    change.compact();
    Some(change)
}

/// A counter between two edges.
struct Corrected<'a> {
    points: &'a [HistogramPoint],
    first: usize,
    last: usize,
    left: &'a FloatHistogram,
    right: &'a FloatHistogram,
    /// Whether the left edge lies between two samples.
    is_computed: bool,
}

// === impl Corrected ===

impl Corrected<'_> {
    /// What was counted before the resets between the edges. The edges stand for the samples next
    /// to them; a reset that the left edge's line spans is in its value already.
    fn correction(&self, applied: &Applied<'_>) -> Option<Option<FloatHistogram>> {
        let (mut from, mut previous) = (self.first + 1, self.left);
        if self.is_computed
            && let Some(next) = self.points.get(self.first + 1)
            && next.h.detect_reset(&self.points[self.first].h)
        {
            previous = &next.h;
            from += 1;
        }
        if from > self.last {
            return Some(None);
        }
        let mut correction: Option<FloatHistogram> = None;
        let inner = self.points[from..self.last].iter().map(|point| &*point.h);
        for histogram in inner.chain([self.right]) {
            if histogram.detect_reset(previous) {
                match &mut correction {
                    Some(correction) => rate::add(applied, correction, previous)?,
                    None => correction = Some(previous.clone()),
                }
            }
            previous = histogram;
        }
        Some(correction)
    }
}

/// How to compute a histogram between two others.
struct Line<'a> {
    evaluator: &'a Evaluator<'a>,
    span: Span,
    name: &'a str,
    is_counter: bool,
}

// === impl Line ===

impl Line<'_> {
    fn between(
        &self,
        before: &HistogramPoint,
        after: &HistogramPoint,
        t: i64,
    ) -> Option<FloatHistogram> {
        if t == before.t || t == after.t {
            return Some(FloatHistogram::clone(if t == before.t { &before.h } else { &after.h }));
        }
        let fraction = seconds(t - before.t) / seconds(after.t - before.t);
        if self.is_counter && after.h.detect_reset(&before.h) {
            return Some(scaled(&after.h, fraction));
        }
        let mut result = FloatHistogram::clone(&after.h);
        let difference = result.sub(&before.h).ok().or_else(|| self.mixed())?;
        result.mul(fraction);
        let sum = result.add(&before.h).ok().or_else(|| self.mixed())?;
        for (is_reconciled, operation) in
            [(difference.bounds_reconciled, "subtraction"), (sum.bounds_reconciled, "addition")]
        {
            if is_reconciled {
                self.evaluator.inform(self.span, reconciled(operation));
            }
        }
        Some(result)
    }

    fn mixed<T>(&self) -> Option<T> {
        self.evaluator.warn(self.span, mixed_schemas(self.name));
        None
    }
}

/// A smoothed selector's value at `t`: on the line between the samples around it, or the newest.
pub(super) fn smoothed(
    evaluator: &Evaluator<'_>,
    window: &Window,
    t: i64,
    span: Span,
) -> Option<Value> {
    let floats = window.floats.iter().map(|p| (p.t, Value::Float(p.v)));
    let histograms = window.histograms.iter().map(|p| (p.t, Value::Histogram(Arc::clone(&p.h))));
    let mut samples: Vec<(i64, Value)> = floats.chain(histograms).collect();
    samples.sort_by_key(|(t, _)| *t);
    let next = samples.partition_point(|(time, _)| *time < t);
    match (next.checked_sub(1).map(|i| &samples[i]), samples.get(next)) {
        (_, Some((time, value))) if *time == t => Some(value.clone()),
        (Some((t0, Value::Float(a))), Some((t1, Value::Float(b)))) => {
            let point = |t: i64, v: f64| FloatPoint { t, v, start_ms: 0 };
            Some(Value::Float(between(point(*t0, *a), point(*t1, *b), t, false)))
        }
        (Some((t0, Value::Histogram(a))), Some((t1, Value::Histogram(b)))) => {
            let point = |t: i64, h: &Arc<_>| HistogramPoint { t, h: Arc::clone(h), start_ms: 0 };
            let line = Line { evaluator, span, name: window.name(), is_counter: false };
            line.between(&point(*t0, a), &point(*t1, b), t).map(Value::from)
        }
        (Some((_, value)), _) => Some(value.clone()),
        (None, _) => None,
    }
}

/// An extended window whose first and last samples lie on its edges.
pub(super) fn with_edges(mut window: Window) -> Window {
    if window.extension.is_none() || window.floats.is_empty() {
        return window;
    }
    let times: Vec<i64> = window.floats.iter().map(|p| p.t).collect();
    let Some((first, last)) = edges(&window, &times) else {
        window.floats.clear();
        return window;
    };
    let (left, right) = float_edges(&window, first, last, false);
    let (start_ms, end_ms) = (window.start_ms, window.end_ms);
    let edge = |t, v| FloatPoint { t, v, start_ms: 0 };
    let inside = window.floats.iter().filter(|p| start_ms < p.t && p.t < end_ms).copied();
    let floats = std::iter::once(edge(start_ms, left)).chain(inside).chain([edge(end_ms, right)]);
    window.floats = floats.collect();
    window
}
