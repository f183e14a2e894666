//! Selectors and subqueries: which samples an expression sees at a step.

use std::sync::Arc;

use crate::histogram::{CounterResetHint, FloatHistogram};
use model::{Labels, TimestampMs};
use promql::ast::{At, DurationExpr, RangeExtension, Span, Subquery, VectorSelector};

use super::eval::{Evaluator, Fallible, LOOKBACK_MS, Reading, Scope};
use super::extended;
use super::vector::{FloatPoint, HistogramPoint, Sample, Window};
use crate::promqltest::engine::{Grid, Point, Series, Value};

/// The step of a subquery that does not say one.
const DEFAULT_STEP_MS: i64 = 60_000;

/// The time that a selector looks at.
fn reference_ms(
    evaluator: &Evaluator<'_>,
    at: Option<At>,
    offset: Option<&DurationExpr>,
    scope: Scope,
) -> Fallible<TimestampMs> {
    let at_ms = match at {
        None => scope.at_ms,
        Some(At::Timestamp(ms)) => ms,
        Some(At::Start) => evaluator.query.start_ms,
        Some(At::End) => evaluator.query.end_ms,
    };
    Ok(at_ms - evaluator.offset_ms(offset)?)
}

/// The newest sample of each series that is not older than the lookback. Samples have their own
/// timestamps.
pub(super) fn instant(
    evaluator: &Evaluator<'_>,
    selector: &VectorSelector,
    span: Span,
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    let t = reference_ms(evaluator, selector.at, selector.offset.as_ref(), scope)?;
    let mut vector = Vec::new();
    for (labels, points) in evaluator.store.select(&selector.matchers) {
        let value = match selector.extension {
            Some(RangeExtension::Smoothed) => {
                let window = window(labels, points, (t - LOOKBACK_MS, t + LOOKBACK_MS));
                extended::smoothed(evaluator, &window, t, span).map(|value| Point {
                    timestamp_ms: t,
                    value,
                    start_ms: 0,
                })
            }
            _ if scope.reading == Reading::Stats => {
                newest(&stats(points, t - LOOKBACK_MS), t).cloned()
            }
            _ => newest(points, t).cloned(),
        };
        if let Some(Point { timestamp_ms, value, start_ms }) = value {
            let sample = Sample::new(labels.clone(), value, timestamp_ms);
            vector.push(Sample { start_ms, ..sample });
        }
    }
    Ok(vector)
}

/// The newest sample at or before `t`.
pub(super) fn newest(points: &[Point], t: TimestampMs) -> Option<&Point> {
    let newest = points.iter().rev().find(|point| point.timestamp_ms <= t)?;
    (newest.timestamp_ms > t - LOOKBACK_MS && !newest.value.is_stale()).then_some(newest)
}

/// The samples after `from_ms` without the buckets of histograms. What is a reset is said where the
/// sample before it is there, too.
fn stats(points: &[Point], from_ms: TimestampMs) -> Vec<Point> {
    let mut last: Option<Arc<FloatHistogram>> = None;
    let points = points.iter().filter(|point| point.timestamp_ms > from_ms);
    points
        .map(|point| {
            let Value::Histogram(histogram) = &point.value else { return point.clone() };
            let hint = match (histogram.counter_reset_hint, &last) {
                (CounterResetHint::Unknown, Some(last)) if histogram.detect_reset(last) => {
                    CounterResetHint::CounterReset
                }
                (CounterResetHint::Unknown, Some(_)) => CounterResetHint::NotCounterReset,
                (hint, _) => hint,
            };
            last = Some(Arc::clone(histogram));
            let (count, sum) = (histogram.count, histogram.sum);
            let stats = FloatHistogram {
                counter_reset_hint: hint,
                count,
                sum,
                ..FloatHistogram::default()
            };
            Point { value: stats.into(), ..point.clone() }
        })
        .collect()
}

/// The samples of each series in a window; series without any are left out.
pub(super) fn windows(
    evaluator: &Evaluator<'_>,
    selector: &VectorSelector,
    range: &DurationExpr,
    scope: Scope,
) -> Fallible<Vec<Window>> {
    let end_ms = reference_ms(evaluator, selector.at, selector.offset.as_ref(), scope)?;
    let start_ms = end_ms - evaluator.width_ms(range)?;
    let (before, after) = match selector.extension {
        None => (0, 0),
        Some(RangeExtension::Anchored) => (LOOKBACK_MS, 0),
        Some(RangeExtension::Smoothed) => (LOOKBACK_MS, LOOKBACK_MS),
    };
    let series = evaluator.store.select(&selector.matchers);
    let windows = series.map(|(labels, points)| {
        let (from_ms, to_ms) = (start_ms - before, end_ms + after);
        let window = if scope.reading == Reading::Stats {
            window(labels, &stats(points, from_ms), (from_ms, to_ms))
        } else {
            window(labels, points, (from_ms, to_ms))
        };
        Window { start_ms, end_ms, extension: selector.extension, ..window }
    });
    Ok(windows.filter(|window| !window.is_empty()).collect())
}

/// The samples in `(start, end]` without stale markers.
fn window(labels: &Labels, points: &[Point], (start_ms, end_ms): (i64, i64)) -> Window {
    let mut window = Window {
        labels: labels.clone(),
        floats: Vec::new(),
        histograms: Vec::new(),
        start_ms,
        end_ms,
        extension: None,
    };
    let inside = |point: &&Point| start_ms < point.timestamp_ms && point.timestamp_ms <= end_ms;
    for point in points.iter().filter(inside).filter(|point| !point.value.is_stale()) {
        let (t, start_ms) = (point.timestamp_ms, point.start_ms);
        match &point.value {
            Value::Float(v) => window.floats.push(FloatPoint { t, v: *v, start_ms }),
            Value::Histogram(h) => {
                window.histograms.push(HistogramPoint { t, h: Arc::clone(h), start_ms });
            }
        }
    }
    window
}

/// Evaluates the inner expression at the multiples of the step within the window.
pub(super) fn subquery(
    evaluator: &Evaluator<'_>,
    subquery: &Subquery,
    scope: Scope,
) -> Fallible<Vec<Window>> {
    let end_ms = reference_ms(evaluator, subquery.at, subquery.offset.as_ref(), scope)?;
    let start_ms = end_ms - evaluator.width_ms(&subquery.range)?;
    let step_ms = match &subquery.step {
        Some(step) => evaluator.width_ms(step)?,
        None => DEFAULT_STEP_MS,
    };
    let step_ms = if step_ms == 0 { DEFAULT_STEP_MS } else { step_ms };
    let first_ms = (start_ms.div_euclid(step_ms) + 1) * step_ms;
    let last_ms = end_ms.div_euclid(step_ms) * step_ms;
    let grid = Grid { start_ms: first_ms, end_ms: last_ms, step_ms };
    let mut found: Vec<(Labels, Vec<Point>)> = Vec::new();
    for at_ms in grid.times() {
        for sample in evaluator.vector_or_scalar(
            &subquery.inner,
            Scope { grid, at_ms, reading: Reading::AlwaysWhole },
        )? {
            let value = without_hint(sample.value);
            let point = Point { timestamp_ms: at_ms, value, start_ms: 0 };
            match found.iter_mut().find(|(labels, _)| *labels == sample.labels) {
                Some((_, points)) => points.push(point),
                None => found.push((sample.labels, vec![point])),
            }
        }
    }
    // A name that is still to be removed stays: Prometheus forgets about it here.
    let windows = found.iter().map(|(labels, points)| window(labels, points, (start_ms, end_ms)));
    Ok(windows.filter(|window| !window.is_empty()).collect())
}

/// What a subquery's steps left out may hide a reset, or show it twice.
fn without_hint(value: Value) -> Value {
    match value {
        Value::Histogram(histogram) if histogram.counter_reset_hint != CounterResetHint::Gauge => {
            let hint = CounterResetHint::Unknown;
            let histogram = FloatHistogram { counter_reset_hint: hint, ..(*histogram).clone() };
            Value::from(histogram)
        }
        value => value,
    }
}

/// A range vector as an answer: the samples of extended windows are moved to the edges.
pub(super) fn into_series(window: Window) -> Series {
    let window = extended::with_edges(window);
    let floats = window.floats.into_iter().map(|p| (p.t, p.start_ms, Value::Float(p.v)));
    let histograms =
        window.histograms.into_iter().map(|p| (p.t, p.start_ms, Value::Histogram(p.h)));
    let mut points: Vec<Point> = floats
        .chain(histograms)
        .map(|(timestamp_ms, start_ms, value)| Point { timestamp_ms, value, start_ms })
        .collect();
    points.sort_by_key(|point| point.timestamp_ms);
    Series { labels: window.labels, points }
}
