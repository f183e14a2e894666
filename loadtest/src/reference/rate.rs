//! Rates: `rate`, `increase`, `delta` extrapolate to the window's edges, `irate` and `idelta` look
//! at the last two samples only. A start timestamp within the window stands for a sample of 0.

use std::sync::Arc;

use crate::histogram::{CounterResetHint, FloatHistogram};

use super::notes::{mixed_schemas, mixed_types, not_a_counter, not_a_gauge, reconciled};
use super::vector::{HistogramPoint, seconds};
use super::windowed::Applied;
use super::{element, extended};
use crate::promqltest::engine::Value;

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rate,
    Increase,
    Delta,
}

/// When a sample was taken, and since when it counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub(super) t: i64,
    pub(super) start_ms: i64,
}

/// Whether a counter began anew between two samples, by its start timestamps. One that equals the
/// previous sample's time is a delta's; an unknown start is none.
pub(super) const fn restarted(before: When, now: When) -> bool {
    if now.start_ms == 0 || now.start_ms >= now.t || now.start_ms < before.t {
        return false;
    }
    if now.start_ms > before.t {
        return true;
    }
    before.start_ms != 0 && before.start_ms < before.t
}

/// Whether a sample counts what the one before it has counted, but from another start.
const fn overlaps(before: When, now: When) -> bool {
    now.start_ms != 0 && now.start_ms < before.t && now.start_ms != before.start_ms
}

/// `rate`, `increase`, `delta`.
pub(super) fn extrapolated(applied: &Applied<'_>, kind: Kind) -> Option<Value> {
    let window = applied.window;
    let is_counter = kind != Kind::Delta;
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        applied.warn(mixed_types(window.name()));
        return None;
    }
    if applied.is_extended() {
        return extended::rate(applied, kind);
    }
    let times: Vec<When> = times(applied);
    let (first, last) = (*times.first()?, *times.last()?);
    if is_counter && times.windows(2).any(|pair| overlaps(pair[0], pair[1])) {
        let name = window.name();
        applied.warn(format!(
            "sample has start time that overlaps with previous sample timestamp for metric {name:?}"
        ));
    }
    let mut total = if window.histograms.is_empty() {
        Some(Value::Float(float_increase(applied, is_counter)))
    } else if times.len() > 1 {
        Some(histogram_increase(applied, is_counter)?.into())
    } else {
        None
    };
    let starts_inside = is_counter
        && first.start_ms != 0
        && first.start_ms > window.start_ms
        && first.start_ms < first.t;
    let edges = if starts_inside {
        total = Some(with_first(applied, total)?);
        Edges::from_start(applied, &times, first.start_ms)
    } else if times.len() == 1 {
        return None;
    } else {
        let zero = if is_counter { zero_distance(applied, total.as_ref()) } else { None };
        Edges::extrapolated(applied, &times, zero)
    };
    let mut factor = edges.factor(last.t);
    if kind == Kind::Rate {
        factor /= window.seconds();
    }
    Some(match total? {
        Value::Float(float) => Value::Float(float * factor),
        Value::Histogram(histogram) => element::scaled(&histogram, factor).into(),
    })
}

fn times(applied: &Applied<'_>) -> Vec<When> {
    let window = applied.window;
    let floats = window.floats.iter().map(|p| When { t: p.t, start_ms: p.start_ms });
    let histograms = window.histograms.iter().map(|p| When { t: p.t, start_ms: p.start_ms });
    floats.chain(histograms).collect()
}

/// How far a rate is extrapolated, in seconds.
struct Edges {
    from_ms: i64,
    to_start: f64,
    to_end: f64,
}

// === impl Edges ===

impl Edges {
    /// From the counter's start; there is nothing to extrapolate on that side.
    fn from_start(applied: &Applied<'_>, times: &[When], start_ms: i64) -> Self {
        let (to_end, threshold, half) = Self::end(applied, times);
        let to_end = if to_end >= threshold { half } else { to_end };
        Self { from_ms: start_ms, to_start: 0.0, to_end }
    }

    /// To the window's edges if they are near, else by half a distance of samples; a counter not
    /// below 0. `zero` is the fraction of the sampled interval that leads down to 0.
    fn extrapolated(applied: &Applied<'_>, times: &[When], zero: Option<f64>) -> Self {
        let (to_end, threshold, half) = Self::end(applied, times);
        let (first, last) = (times[0].t, times[times.len() - 1].t);
        let mut to_start = seconds(first - applied.window.start_ms);
        if to_start >= threshold {
            to_start = half;
        }
        if let Some(zero) = zero.map(|zero| seconds(last - first) * zero)
            && zero < to_start
        {
            to_start = zero;
        }
        let to_end = if to_end >= threshold { half } else { to_end };
        Self { from_ms: first, to_start, to_end }
    }

    /// The distance to the end, the greatest that is bridged, and half a distance of samples.
    fn end(applied: &Applied<'_>, times: &[When]) -> (f64, f64, f64) {
        let (first, last) = (times[0].t, times[times.len() - 1].t);
        #[expect(clippy::cast_precision_loss, reason = "windows are short")]
        let gaps = (times.len() - 1) as f64;
        let average = if gaps > 0.0 { seconds(last - first) / gaps } else { 0.0 };
        (seconds(applied.window.end_ms - last), average * 1.1, average / 2.0)
    }

    fn factor(&self, last_ms: i64) -> f64 {
        let sampled = seconds(last_ms - self.from_ms);
        if sampled == 0.0 { 1.0 } else { (sampled + self.to_start + self.to_end) / sampled }
    }
}

/// Which fraction of the increase a counter had when the window's first sample was taken.
fn zero_distance(applied: &Applied<'_>, total: Option<&Value>) -> Option<f64> {
    match total? {
        Value::Float(increase) => {
            let first = applied.window.floats.first()?.v;
            (*increase > 0.0 && first >= 0.0).then(|| first / increase)
        }
        Value::Histogram(increase) => {
            let first = applied.window.histograms.first()?.h.count;
            (increase.count > 0.0 && first >= 0.0).then(|| first / increase.count)
        }
    }
}

/// The increase and the first sample, which counts from 0.
fn with_first(applied: &Applied<'_>, total: Option<Value>) -> Option<Value> {
    match total {
        Some(Value::Float(increase)) => {
            Some(Value::Float(increase + applied.window.floats.first()?.v))
        }
        Some(Value::Histogram(increase)) => {
            let mut increase = FloatHistogram::clone(&increase);
            add(applied, &mut increase, &applied.window.histograms.first()?.h)?;
            Some(increase.into())
        }
        None => Some(Value::Histogram(Arc::clone(&applied.window.histograms.first()?.h))),
    }
}

fn float_increase(applied: &Applied<'_>, is_counter: bool) -> f64 {
    let floats = &applied.window.floats;
    let mut increase = floats[floats.len() - 1].v - floats[0].v;
    for pair in floats.windows(2).filter(|_| is_counter) {
        let when = |i: usize| When { t: pair[i].t, start_ms: pair[i].start_ms };
        if pair[1].v < pair[0].v || restarted(when(0), when(1)) {
            increase += pair[0].v;
        }
    }
    increase
}

/// The last histogram minus the first, plus what was counted before each reset.
fn histogram_increase(applied: &Applied<'_>, is_counter: bool) -> Option<FloatHistogram> {
    let (points, name) = (&applied.window.histograms, applied.window.name());
    let (first, last) = (&points[0].h, &points[points.len() - 1].h);
    let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == CounterResetHint::Gauge;
    let inner = &points[1..points.len() - 1];
    // Before a reset, the first sample's layout does not matter.
    let mut previous = FloatHistogram::clone(first);
    if is_counter && is_reset(&points[0], &points[1], first) {
        let second = &points[1].h;
        previous = FloatHistogram {
            schema: second.schema,
            custom_values: second.custom_values.clone(),
            ..FloatHistogram::default()
        };
    }
    let is_custom = previous.uses_custom_buckets();
    let is_mixed = |h: &FloatHistogram| h.uses_custom_buckets() != is_custom;
    let is_inner_mixed = is_counter && inner.iter().any(|point| is_mixed(&point.h));
    // Prometheus forgets what it has noted when a schema in the middle is another.
    if is_counter && (is_mixed(last) || !is_inner_mixed) {
        let looked_at = if is_mixed(last) { &points[..0] } else { inner };
        if is_gauge(first) || is_gauge(last) || looked_at.iter().any(|point| is_gauge(&point.h)) {
            applied.warn(not_a_counter(name));
        }
    }
    if is_mixed(last) || is_inner_mixed {
        applied.warn(mixed_schemas(name));
        return None;
    }
    let inner_schemas = inner.iter().filter(|_| is_counter).map(|point| point.h.schema);
    let schema = inner_schemas.fold(last.schema.min(previous.schema), i32::min);
    let mut increase = last.copy_to_schema(schema);
    subtract(applied, &mut increase, &previous)?;
    if is_counter {
        let mut previous = previous;
        for pair in points.windows(2) {
            if is_reset(&pair[0], &pair[1], &previous) {
                add(applied, &mut increase, &previous)?;
            }
            previous = FloatHistogram::clone(&pair[1].h);
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        applied.warn(not_a_gauge(name));
    }
    increase.counter_reset_hint = CounterResetHint::Gauge;
    increase.compact();
    Some(increase)
}

fn is_reset(before: &HistogramPoint, now: &HistogramPoint, previous: &FloatHistogram) -> bool {
    let when = |point: &HistogramPoint| When { t: point.t, start_ms: point.start_ms };
    restarted(when(before), when(now)) || now.h.detect_reset(previous)
}

/// Adds, and notes what there is to note; `None` when the two cannot be added.
pub(super) fn add(
    applied: &Applied<'_>,
    total: &mut FloatHistogram,
    other: &FloatHistogram,
) -> Option<()> {
    let Ok(outcome) = total.add(other) else {
        applied.warn(mixed_schemas(applied.window.name()));
        return None;
    };
    if outcome.bounds_reconciled {
        applied.inform(reconciled("addition"));
    }
    Some(())
}

/// As [`add`].
pub(super) fn subtract(
    applied: &Applied<'_>,
    total: &mut FloatHistogram,
    other: &FloatHistogram,
) -> Option<()> {
    let Ok(outcome) = total.sub(other) else {
        applied.warn(mixed_schemas(applied.window.name()));
        return None;
    };
    if outcome.bounds_reconciled {
        applied.inform(reconciled("subtraction"));
    }
    Some(())
}

/// `irate` and `idelta`.
pub(super) fn instant(applied: &Applied<'_>, is_rate: bool) -> Option<Value> {
    let window = applied.window;
    let floats =
        window.floats.iter().map(|p| (When { t: p.t, start_ms: p.start_ms }, Value::Float(p.v)));
    let histograms = window
        .histograms
        .iter()
        .map(|p| (When { t: p.t, start_ms: p.start_ms }, Value::Histogram(Arc::clone(&p.h))));
    let mut samples: Vec<(When, Value)> = floats.chain(histograms).collect();
    samples.sort_by_key(|(when, _)| when.t);
    let [.., (before, old), (now, new)] = samples.as_slice() else { return None };
    let interval = seconds(now.t - before.t);
    match (old, new) {
        (Value::Float(old), Value::Float(new)) => {
            let is_reset = is_rate && (new < old || restarted(*before, *now));
            let change = if is_reset { *new } else { new - old };
            Some(Value::Float(if is_rate { change / interval } else { change }))
        }
        (Value::Histogram(old), Value::Histogram(new)) => {
            let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == CounterResetHint::Gauge;
            if is_rate && (is_gauge(old) || is_gauge(new)) {
                applied.warn(not_a_counter(window.name()));
            }
            if !is_rate && (!is_gauge(old) || !is_gauge(new)) {
                applied.warn(not_a_gauge(window.name()));
            }
            let mut change = FloatHistogram::clone(new);
            if !is_rate || !(restarted(*before, *now) || new.detect_reset(old)) {
                subtract(applied, &mut change, old)?;
            }
            change.counter_reset_hint = CounterResetHint::Gauge;
            change.compact();
            if is_rate {
                change.div(interval);
            }
            Some(change.into())
        }
        _ => {
            applied.warn(mixed_types(window.name()));
            None
        }
    }
}
