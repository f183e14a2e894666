//! What a script needs from an engine, and the data that passes between the two.

use std::sync::Arc;

use crate::histogram::FloatHistogram;
use model::{Labels, TimestampMs};

/// The value of a sample.
#[derive(Debug, Clone)]
pub enum Value {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
}

/// A sample.
#[derive(Debug, Clone)]
pub struct Point {
    /// When.
    pub timestamp_ms: TimestampMs,
    /// What.
    pub value: Value,
    /// Since when the counter counts; 0 when that is unknown.
    pub start_ms: TimestampMs,
}

/// Samples of one series in ascending order of time.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its identity.
    pub labels: Labels,
    /// Its samples.
    pub points: Vec<Point>,
}

/// What a query evaluates to.
#[derive(Debug, Clone)]
pub enum Answer {
    /// One number.
    Scalar(f64),
    /// A text, which need not be UTF-8.
    String(Vec<u8>),
    /// One value a series, in the engine's order.
    Vector(Vec<(Labels, Value)>),
    /// Several values a series, in the engine's order.
    Matrix(Vec<Series>),
}

/// A remark beside the answer, rendered with its position.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Annotation {
    /// Whether it is a warning, not an info.
    pub is_warning: bool,
    /// The text as the API shows it.
    pub text: String,
}

/// An answer with its remarks.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The answer.
    pub answer: Answer,
    /// The remarks, each once.
    pub annotations: Vec<Annotation>,
}

/// An engine under test. It has all experimental parts of the language on, names are removed
/// late, start timestamps are used, the lookback is 5 minutes, a subquery's default step is 1
/// minute.
pub trait Engine {
    /// Forgets everything that was loaded.
    ///
    /// # Errors
    /// When it cannot, with the reason.
    fn clear(&mut self) -> Result<(), String>;

    /// Takes samples that are later than all it has of these series.
    ///
    /// # Errors
    /// When it refuses one, with the reason.
    fn load(&mut self, series: &[Series]) -> Result<(), String>;

    /// Evaluates at one time.
    ///
    /// # Errors
    /// With Prometheus' text, without position unless Prometheus has one.
    fn instant(&mut self, query: &str, at_ms: TimestampMs) -> Result<Evaluated, String>;

    /// Evaluates at `start_ms`, `start_ms + step_ms`, … up to `end_ms`; the answer is a matrix
    /// sorted by labels.
    ///
    /// # Errors
    /// As [`Engine::instant`].
    fn range(&mut self, query: &str, grid: Grid) -> Result<Evaluated, String>;
}

/// The times of a range query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// The first.
    pub start_ms: TimestampMs,
    /// No time is later.
    pub end_ms: TimestampMs,
    /// The distance; at least 1.
    pub step_ms: i64,
}

// === impl Value ===

impl Value {
    /// The number, if it is one.
    #[must_use]
    pub const fn float(&self) -> Option<f64> {
        match self {
            Self::Float(float) => Some(*float),
            Self::Histogram(_) => None,
        }
    }

    /// The histogram, if it is one.
    #[must_use]
    pub const fn histogram(&self) -> Option<&Arc<FloatHistogram>> {
        match self {
            Self::Float(_) => None,
            Self::Histogram(histogram) => Some(histogram),
        }
    }

    /// Whether it marks the end of a series.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        model::sample::is_stale(match self {
            Self::Float(float) => *float,
            Self::Histogram(histogram) => histogram.sum,
        })
    }
}

impl From<FloatHistogram> for Value {
    fn from(histogram: FloatHistogram) -> Self {
        Self::Histogram(Arc::new(histogram))
    }
}

// === impl Grid ===

impl Grid {
    /// The times in ascending order.
    pub fn times(self) -> impl Iterator<Item = TimestampMs> {
        let after = move |t: &TimestampMs| t.checked_add(self.step_ms);
        std::iter::successors(Some(self.start_ms), after).take_while(move |t| *t <= self.end_ms)
    }

    /// Whether there is at most one time.
    #[must_use]
    pub const fn is_instant(self) -> bool {
        self.start_ms == self.end_ms
    }
}
