//! Functions of all samples of a window: `avg_over_time` and its like.

use std::sync::Arc;

use crate::histogram::{CounterResetHint, FloatHistogram};
use promql::ast::AggregateOp;

use super::eval::Fallible;
use super::kahan::{Kahan, Mean};
use super::notes::{
    bad_quantile, conflicting_resets, ignored_histograms, mixed_schemas, mixed_types, reconciled,
};
use super::quantile::of_floats;
use super::vector::{FloatPoint, seconds};
use super::windowed::Applied;
use crate::promqltest::engine::Value;

/// Evaluates one of the functions; `None` when there is no result.
pub(super) fn evaluate(applied: &Applied<'_>, name: &str) -> Fallible<Option<Value>> {
    let window = applied.window;
    let (floats, histograms) = (&window.floats, &window.histograms);
    let times = || floats.iter().map(|p| p.t).chain(histograms.iter().map(|p| p.t));
    #[expect(clippy::cast_precision_loss, reason = "windows are short")]
    let number = match name {
        "sum_over_time" => return Ok(total(applied, Averaged::No)),
        "avg_over_time" => return Ok(total(applied, Averaged::Yes)),
        "first_over_time" => return Ok(edge(applied, true)),
        "last_over_time" => return Ok(edge(applied, false)),
        "count_over_time" => Some((floats.len() + histograms.len()) as f64),
        "present_over_time" => Some(1.0),
        "ts_of_first_over_time" => times().min().map(seconds),
        "ts_of_last_over_time" => times().max().map(seconds),
        _ => return of_floats_only(applied, name),
    };
    Ok(number.map(Value::Float))
}

/// Functions that ignore histograms, and say so.
fn of_floats_only(applied: &Applied<'_>, name: &str) -> Fallible<Option<Value>> {
    let floats = &applied.window.floats;
    let least = match name {
        "deriv" | "predict_linear" | "double_exponential_smoothing" => 2,
        _ => 1,
    };
    if name == "double_exponential_smoothing" {
        check_smoothing(applied.scalars)?;
    }
    let needs_quantile_check = name == "quantile_over_time" && !floats.is_empty();
    if let (true, Some(quantile)) = (needs_quantile_check, applied.scalars.first())
        && !(0.0..=1.0).contains(quantile)
    {
        applied.warn(bad_quantile(*quantile));
    }
    if !floats.is_empty() && !applied.window.histograms.is_empty() {
        applied.inform(ignored_histograms(applied.window.name()));
    }
    if floats.len() < least {
        return Ok(None);
    }
    let values = || floats.iter().map(|p| p.v);
    let scalar = |i: usize| applied.scalars.get(i).copied().unwrap_or(f64::NAN);
    let number = match name {
        "min_over_time" => extreme(floats, |new, old| new < old).v,
        "max_over_time" => extreme(floats, |new, old| new > old).v,
        "ts_of_min_over_time" => seconds(extreme(floats, |new, old| new <= old).t),
        "ts_of_max_over_time" => seconds(extreme(floats, |new, old| new >= old).t),
        "stdvar_over_time" => variance(values()),
        "stddev_over_time" => variance(values()).sqrt(),
        "quantile_over_time" => of_floats(scalar(0), values().collect()),
        "mad_over_time" if values().any(f64::is_nan) => f64::NAN,
        "mad_over_time" => {
            let median = of_floats(0.5, values().collect());
            of_floats(0.5, values().map(|value| (value - median).abs()).collect())
        }
        "deriv" => regression(floats, floats[0].t).0,
        "predict_linear" => {
            let (slope, intercept) = regression(floats, applied.scope.at_ms);
            slope * scalar(0) + intercept
        }
        "double_exponential_smoothing" => smooth(floats, scalar(0), scalar(1)),
        _ => return Err(format!("unknown function {name}")),
    };
    Ok(Some(Value::Float(number)))
}

/// The last float that is better than all before it; NaN is worse than anything.
fn extreme(floats: &[FloatPoint], is_better: impl Fn(f64, f64) -> bool) -> FloatPoint {
    let mut best = floats[0];
    for &point in floats {
        if is_better(point.v, best.v) || best.v.is_nan() {
            best = point;
        }
    }
    best
}

fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut total) = (0.0, Kahan::default(), Kahan::default());
    for value in values {
        count += 1.0;
        let delta = value - mean.value();
        mean = mean.plus(delta / count);
        total = total.plus(delta * (value - mean.value()));
    }
    total.value() / count
}

/// Slope, and value at `origin_ms`, of the line of least squares.
fn regression(floats: &[FloatPoint], origin_ms: i64) -> (f64, f64) {
    let first = floats[0].v;
    #[expect(clippy::float_cmp, reason = "a constant has exactly one value")]
    let is_constant = floats.iter().skip(1).all(|p| p.v == first);
    let mut n = 0.0;
    let [mut x, mut y, mut xy, mut xx] = [Kahan::default(); 4];
    for point in floats {
        n += 1.0;
        let t = seconds(point.t - origin_ms);
        (x, y) = (x.plus(t), y.plus(point.v));
        (xy, xx) = (xy.plus(t * point.v), xx.plus(t * t));
    }
    if is_constant {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let [x, y, xy, xx] = [x, y, xy, xx].map(Kahan::value);
    let covariance = xy - x * y / n;
    let variance = xx - x * x / n;
    let slope = covariance / variance;
    (slope, y / n - slope * x / n)
}

fn check_smoothing(scalars: &[f64]) -> Fallible<()> {
    for (factor, (what, letter)) in scalars.iter().zip([("smoothing", "sf"), ("trend", "tf")]) {
        if *factor <= 0.0 || *factor >= 1.0 {
            return Err(format!(
                "invalid {what} factor. Expected: 0 < {letter} < 1, got: {factor:.6}"
            ));
        }
    }
    Ok(())
}

/// Holt's linear method.
fn smooth(floats: &[FloatPoint], smoothing: f64, trend: f64) -> f64 {
    let (mut before, mut level) = (0.0, floats[0].v);
    let mut slope = floats[1].v - floats[0].v;
    for (i, point) in floats.iter().enumerate().skip(1) {
        let scaled = smoothing * point.v;
        if i > 1 {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
        let forecast = (1.0 - smoothing) * (level + slope);
        (before, level) = (level, scaled + forecast);
    }
    level
}

/// The first or the last sample, float or histogram.
fn edge(applied: &Applied<'_>, is_first: bool) -> Option<Value> {
    let window = applied.window;
    let (float, histogram) = if is_first {
        (window.floats.first(), window.histograms.first())
    } else {
        (window.floats.last(), window.histograms.last())
    };
    match (float, histogram) {
        (Some(f), Some(h)) if (is_first && f.t < h.t) || (!is_first && h.t < f.t) => {
            Some(Value::Float(f.v))
        }
        (_, Some(h)) => Some(Value::Histogram(Arc::clone(&h.h))),
        (Some(f), None) => Some(Value::Float(f.v)),
        (None, None) => None,
    }
}

fn total(applied: &Applied<'_>, averaged: Averaged) -> Option<Value> {
    let window = applied.window;
    let mut histograms = window.histograms.iter();
    let Some(first) = histograms.next() else {
        let floats = window.floats.iter().map(|p| p.v);
        return total_of_floats(floats, averaged).map(Value::Float);
    };
    if !window.floats.is_empty() {
        applied.warn(mixed_types(window.name()));
        return None;
    }
    let mut total = HistogramTotal::new(&first.h, averaged);
    for point in histograms {
        if total.add(&point.h).is_err() {
            applied.warn(mixed_schemas(window.name()));
            return None;
        }
    }
    if total.has_conflicting_resets() {
        applied.warn(conflicting_resets("aggregation"));
    }
    if total.bounds_reconciled {
        applied.inform(reconciled("aggregation"));
    }
    total.value().map(Value::from)
}

fn total_of_floats(mut floats: impl Iterator<Item = f64>, averaged: Averaged) -> Option<f64> {
    let first = floats.next()?;
    if averaged == Averaged::Yes {
        let mut mean = Mean::new(first);
        floats.for_each(|float| mean.add(float));
        return Some(mean.value());
    }
    let total = floats.fold(Kahan::default().plus(first), Kahan::plus);
    Some(if total.sum.is_infinite() { total.sum } else { total.value() })
}

/// Whether a total is divided by the number of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Averaged {
    Yes,
    No,
}

/// The sum or mean of histograms, added as Kahan adds floats. A mean goes over to fractions as
/// soon as the sum overflows.
pub(super) struct HistogramTotal {
    averaged: Averaged,
    total: FloatHistogram,
    lost: Option<FloatHistogram>,
    count: f64,
    is_incremental: bool,
    hints: Vec<CounterResetHint>,
    pub(super) bounds_reconciled: bool,
}

/// Histograms whose schemas cannot be combined.
#[derive(Debug)]
pub(super) struct Incompatible;

// === impl Averaged ===

impl Averaged {
    pub(super) fn of(op: AggregateOp) -> Self {
        if op == AggregateOp::Avg { Self::Yes } else { Self::No }
    }
}

// === impl HistogramTotal ===

impl HistogramTotal {
    pub(super) fn new(first: &FloatHistogram, averaged: Averaged) -> Self {
        Self {
            averaged,
            total: first.clone(),
            lost: None,
            count: 1.0,
            is_incremental: false,
            hints: vec![first.counter_reset_hint],
            bounds_reconciled: false,
        }
    }

    pub(super) fn add(&mut self, histogram: &FloatHistogram) -> Result<(), Incompatible> {
        self.hints.push(histogram.counter_reset_hint);
        self.count += 1.0;
        if !self.is_incremental {
            let (mut total, mut lost) = (self.total.clone(), self.lost.clone());
            self.bounds_reconciled |= add(&mut total, &mut lost, histogram)?;
            if self.averaged == Averaged::No || !total.has_overflow() {
                (self.total, self.lost) = (total, lost);
                return Ok(());
            }
            self.is_incremental = true;
            let before = self.count - 1.0;
            self.total.div(before);
            if let Some(lost) = &mut self.lost {
                lost.div(before);
            }
        }
        let kept = (self.count - 1.0) / self.count;
        self.total.mul(kept);
        if let Some(lost) = &mut self.lost {
            lost.mul(kept);
        }
        let mut fraction = histogram.clone();
        fraction.div(self.count);
        self.bounds_reconciled |= add(&mut self.total, &mut self.lost, &fraction)?;
        Ok(())
    }

    pub(super) fn has_conflicting_resets(&self) -> bool {
        let has = |hint| self.hints.contains(&hint);
        has(CounterResetHint::CounterReset) && has(CounterResetHint::NotCounterReset)
    }

    pub(super) fn value(mut self) -> Option<FloatHistogram> {
        if self.averaged == Averaged::Yes && !self.is_incremental {
            self.total.div(self.count);
            if let Some(lost) = &mut self.lost {
                lost.div(self.count);
            }
        }
        if let Some(lost) = &self.lost {
            self.total.add(lost).ok()?;
        }
        Some(self.total)
    }
}

/// Adds with compensation; returns whether custom bounds were reconciled.
fn add(
    total: &mut FloatHistogram,
    lost: &mut Option<FloatHistogram>,
    histogram: &FloatHistogram,
) -> Result<bool, Incompatible> {
    let (compensation, outcome) =
        total.kahan_add(histogram, lost.take()).map_err(|_| Incompatible)?;
    *lost = Some(compensation);
    Ok(outcome.bounds_reconciled)
}
