//! The values that expressions pass to each other at one step.

use std::sync::Arc;

use crate::histogram::FloatHistogram;
use model::{Labels, TimestampMs};
use promql::ast::RangeExtension;

use crate::promqltest::engine::Value;

/// One sample of an instant vector.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) labels: Labels,
    pub(super) value: Value,
    /// The step's time; a selector's own samples have theirs.
    pub(super) timestamp_ms: TimestampMs,
    /// Since when the counter counts; 0 when unknown.
    pub(super) start_ms: TimestampMs,
    /// The metric name is only here until the query is done.
    pub(super) drops_name: bool,
}

/// A float of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct FloatPoint {
    pub(super) t: TimestampMs,
    pub(super) v: f64,
    pub(super) start_ms: TimestampMs,
}

/// A histogram of a window.
#[derive(Debug, Clone)]
pub(super) struct HistogramPoint {
    pub(super) t: TimestampMs,
    pub(super) h: Arc<FloatHistogram>,
    pub(super) start_ms: TimestampMs,
}

/// One series of a range vector at one step: what lies in `(start_ms, end_ms]`, and around it if
/// the selector is extended.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) labels: Labels,
    pub(super) floats: Vec<FloatPoint>,
    pub(super) histograms: Vec<HistogramPoint>,
    pub(super) start_ms: TimestampMs,
    pub(super) end_ms: TimestampMs,
    pub(super) extension: Option<RangeExtension>,
}

// === impl Sample ===

impl Sample {
    pub(super) fn new(labels: Labels, value: Value, timestamp_ms: TimestampMs) -> Self {
        Self { labels, value, timestamp_ms, start_ms: 0, drops_name: false }
    }

    /// A number without labels.
    pub(super) fn scalar(value: f64, timestamp_ms: TimestampMs) -> Self {
        Self::new(Labels::empty(), Value::Float(value), timestamp_ms)
    }

    pub(super) fn name(&self) -> &str {
        self.labels.metric_name()
    }
}

// === impl Window ===

impl Window {
    pub(super) fn name(&self) -> &str {
        self.labels.metric_name()
    }

    /// The width in seconds.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus computes with floats, too")]
    pub(super) fn seconds(&self) -> f64 {
        (self.end_ms - self.start_ms) as f64 / 1000.0
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty()
    }
}

/// Whether a label is about the metric, not about the series: such labels go with the name.
pub(super) fn is_metadata(name: &str) -> bool {
    matches!(name, "__name__" | "__type__" | "__unit__")
}

/// Milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "Prometheus computes with floats, too")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
