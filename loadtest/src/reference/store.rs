//! Series in memory, as Prometheus' head would give them back.
//!
//! A head does not keep a histogram's counter reset hint: it starts a new chunk at each reset and
//! at each change of kind, and says `unknown` for the first sample of a chunk and `not reset` for
//! the others (`tsdb/chunkenc/histogram_meta.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::histogram::{CounterResetHint, FloatHistogram};
use model::{Labels, Matcher};

use crate::promqltest::engine::{Point, Series, Value};

/// All series, sorted by labels.
#[derive(Debug, Default)]
pub(super) struct Store {
    series: BTreeMap<Labels, Vec<Point>>,
}

// === impl Store ===

impl Store {
    /// Appends samples to a series.
    pub(super) fn append(&mut self, series: &Series) -> Result<(), String> {
        let points = self.series.entry(series.labels.clone()).or_default();
        for point in &series.points {
            match points.last() {
                Some(last) if last.timestamp_ms >= point.timestamp_ms => {
                    let (labels, t) = (&series.labels, point.timestamp_ms);
                    return Err(format!("{labels}: out of order sample at {t} ms"));
                }
                last => {
                    let value = with_hint(last.map(|last| &last.value), &point.value);
                    points.push(Point { value, ..point.clone() });
                }
            }
        }
        Ok(())
    }

    /// The series that satisfy all matchers.
    pub(super) fn select<'a>(
        &'a self,
        matchers: &'a [Matcher],
    ) -> impl Iterator<Item = (&'a Labels, &'a [Point])> {
        self.series
            .iter()
            .filter(|(labels, _)| matches(matchers, labels))
            .map(|(labels, points)| (labels, points.as_slice()))
    }
}

/// Whether labels satisfy all matchers; an absent label is empty.
pub(super) fn matches(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|it| it.matches(labels.get(it.name()).unwrap_or_default()))
}

/// `value` with the hint that a head would return after `last`.
fn with_hint(last: Option<&Value>, value: &Value) -> Value {
    let Value::Histogram(histogram) = value else { return value.clone() };
    if value.is_stale() || histogram.counter_reset_hint == CounterResetHint::Gauge {
        return value.clone();
    }
    let hint = match last {
        Some(Value::Histogram(last)) if continues(last, histogram) => {
            CounterResetHint::NotCounterReset
        }
        _ => CounterResetHint::Unknown,
    };
    let histogram = FloatHistogram { counter_reset_hint: hint, ..FloatHistogram::clone(histogram) };
    Value::Histogram(Arc::new(histogram))
}

/// Whether a counter's sample goes into the chunk of the one before it.
fn continues(last: &FloatHistogram, next: &FloatHistogram) -> bool {
    last.counter_reset_hint != CounterResetHint::Gauge
        && next.counter_reset_hint != CounterResetHint::CounterReset
        && !model::sample::is_stale(last.sum)
        && last.schema == next.schema
        && last.zero_threshold.to_bits() == next.zero_threshold.to_bits()
        && last.custom_values == next.custom_values
        && !next.detect_reset(last)
}
