//! The evaluator: which rule an expression falls under.

use std::cell::RefCell;

use model::TimestampMs;
use model::labels::LabelsBuilder;
use promql::ast::{Expr, ExprKind, Span, ValueType};

use super::notes::Notes;
use super::store::Store;
use super::vector::{Sample, Window, is_metadata, seconds};
use super::{NameRemoval, aggregate, binary, call, element, select};
use crate::promqltest::engine::{Grid, Value};

/// A value, or what Prometheus says when there is none.
pub(super) type Fallible<T> = Result<T, String>;

/// One query.
#[derive(Debug)]
pub(super) struct Evaluator<'a> {
    pub(super) store: &'a Store,
    pub(super) name_removal: NameRemoval,
    /// The query's times.
    pub(super) query: Grid,
    /// The query's step; 0 for an instant query.
    pub(super) step_ms: i64,
    pub(super) notes: RefCell<Notes>,
}

/// When an expression is evaluated: a step, and the steps beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    pub(super) grid: Grid,
    pub(super) at_ms: TimestampMs,
    pub(super) reading: Reading,
}

/// How much of the histograms is read below a function, which shows in their counter reset hints:
/// Prometheus does not decode the buckets below `histogram_count` and its like, and then looks for
/// resets itself, sample by sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// All.
    Whole,
    /// Count and sum.
    Stats,
    /// All, whatever functions are further below.
    AlwaysWhole,
}

// === impl Reading ===

impl Reading {
    /// Below the function `name`.
    pub(super) fn below(self, name: &str) -> Self {
        match (self, name) {
            (Self::AlwaysWhole, _)
            | (_, "histogram_quantile" | "histogram_quantiles" | "histogram_fraction") => {
                Self::AlwaysWhole
            }
            (_, "histogram_count" | "histogram_sum" | "histogram_avg") => Self::Stats,
            _ => self,
        }
    }
}

/// The text of two samples with the same labels.
pub(super) const SAME_LABELS: &str = "vector cannot contain metrics with the same labelset";

/// How long a sample is valid.
pub(super) const LOOKBACK_MS: i64 = 5 * 60_000;

// === impl Evaluator ===

impl Evaluator<'_> {
    /// The value of a scalar expression.
    pub(super) fn scalar(&self, expr: &Expr, scope: Scope) -> Fallible<f64> {
        match &expr.kind {
            ExprKind::Number { value, .. } => Ok(*value),
            ExprKind::Paren(inner) => self.scalar(inner, scope),
            ExprKind::Unary { is_negative, inner } => {
                let value = self.scalar(inner, scope)?;
                Ok(if *is_negative { -value } else { value })
            }
            ExprKind::Binary(binary) => {
                let left = self.scalar(&binary.left, scope)?;
                Ok(element::scalars(binary.op, left, self.scalar(&binary.right, scope)?))
            }
            ExprKind::Call { function, args } => self.scalar_call(function.name, args, scope),
            _ => Err(format!("{expr} is no scalar")),
        }
    }

    fn scalar_call(&self, name: &str, args: &[Expr], scope: Scope) -> Fallible<f64> {
        let two =
            || Ok::<_, String>((self.scalar(&args[0], scope)?, self.scalar(&args[1], scope)?));
        Ok(match name {
            "time" => seconds(scope.at_ms),
            "pi" => std::f64::consts::PI,
            "start" => seconds(self.query.start_ms),
            "end" => seconds(self.query.end_ms),
            "step" => seconds(self.step_ms),
            "range" => seconds(self.query.end_ms - self.query.start_ms),
            "min_of" => two().map(|(a, b)| least(a, b))?,
            "max_of" => two().map(|(a, b)| greatest(a, b))?,
            "scalar" => {
                let vector = self.vector(&args[0], scope)?;
                let mut floats = vector.iter().filter_map(|sample| sample.value.float());
                match (floats.next(), floats.next()) {
                    (Some(only), None) => only,
                    _ => f64::NAN,
                }
            }
            _ => return Err(format!("unknown function {name}")),
        })
    }

    /// The value of an instant vector expression.
    pub(super) fn vector(&self, expr: &Expr, scope: Scope) -> Fallible<Vec<Sample>> {
        match &expr.kind {
            ExprKind::Paren(inner) => self.vector(inner, scope),
            ExprKind::Unary { is_negative, inner } => {
                let vector = self.vector(inner, scope)?;
                if *is_negative { self.negated(vector) } else { Ok(vector) }
            }
            ExprKind::Vector(selector) => {
                let selected = select::instant(self, selector, expr.span, scope)?;
                let at = |sample| Sample { timestamp_ms: scope.at_ms, ..sample };
                Ok(selected.into_iter().map(at).collect())
            }
            ExprKind::Binary(binary) => {
                let result = binary::evaluate(self, binary, expr.span, scope)?;
                self.distinct(result, scope)
            }
            ExprKind::Aggregate(aggregate) => {
                aggregate::evaluate(self, aggregate, expr.span, scope)
            }
            ExprKind::Call { function, args } => {
                call::evaluate(self, function.name, args, expr.span, scope)
            }
            _ => Err(format!("{expr} is no instant vector")),
        }
    }

    /// The value of a range vector expression.
    pub(super) fn windows(&self, expr: &Expr, scope: Scope) -> Fallible<Vec<Window>> {
        match &expr.unparen().kind {
            ExprKind::Matrix { selector, range, .. } => {
                select::windows(self, selector, range, scope)
            }
            ExprKind::Subquery(subquery) => select::subquery(self, subquery, scope),
            _ => Err(format!("{expr} is no range vector")),
        }
    }

    fn negated(&self, mut vector: Vec<Sample>) -> Fallible<Vec<Sample>> {
        for sample in &mut vector {
            self.drop_name(sample);
            sample.value = match &sample.value {
                Value::Float(float) => Value::Float(-float),
                Value::Histogram(histogram) => element::scaled(histogram, -1.0).into(),
            };
        }
        match self.name_removal {
            NameRemoval::Immediate => unique(vector),
            NameRemoval::Delayed => Ok(vector),
        }
    }

    /// Takes the metric's name away, now or later.
    pub(super) fn drop_name(&self, sample: &mut Sample) {
        match self.name_removal {
            NameRemoval::Immediate => {
                sample.labels = sample.labels.retain(|name| !is_metadata(name));
            }
            NameRemoval::Delayed => sample.drops_name = true,
        }
    }

    /// The end of a query: removes the names that were to be removed.
    pub(super) fn without_names(&self, mut vector: Vec<Sample>) -> Fallible<Vec<Sample>> {
        for sample in vector.iter_mut().filter(|sample| sample.drops_name) {
            sample.labels = sample.labels.retain(|name| !is_metadata(name));
        }
        unique(vector)
    }

    /// The check of a function's or operator's result. With delayed removal, Prometheus checks an
    /// instant query only at its end.
    pub(super) fn distinct(&self, vector: Vec<Sample>, scope: Scope) -> Fallible<Vec<Sample>> {
        match self.name_removal {
            NameRemoval::Delayed if scope.grid.is_instant() => Ok(vector),
            _ => unique(vector),
        }
    }

    /// Notes a warning.
    pub(super) fn warn(&self, span: Span, text: String) {
        self.notes.borrow_mut().add(true, span, text);
    }

    /// Notes an info.
    pub(super) fn inform(&self, span: Span, text: String) {
        self.notes.borrow_mut().add(false, span, text);
    }

    /// A vector expression, or a scalar one as a number without labels.
    pub(super) fn vector_or_scalar(&self, expr: &Expr, scope: Scope) -> Fallible<Vec<Sample>> {
        match expr.value_type() {
            ValueType::Scalar => Ok(vec![Sample::scalar(self.scalar(expr, scope)?, scope.at_ms)]),
            _ => self.vector(expr, scope),
        }
    }
}

/// Fails if two samples of the same kind have the same labels.
pub(super) fn unique(vector: Vec<Sample>) -> Fallible<Vec<Sample>> {
    let mut seen = std::collections::HashSet::new();
    for sample in &vector {
        if !seen.insert((sample.labels.clone(), sample.value.float().is_some())) {
            return Err(SAME_LABELS.to_owned());
        }
    }
    Ok(vector)
}

/// Labels with some of them changed.
pub(super) fn relabel(
    labels: &model::Labels,
    change: impl FnOnce(&mut LabelsBuilder),
) -> model::Labels {
    let mut builder = LabelsBuilder::from_labels(labels);
    change(&mut builder);
    builder.build()
}

/// Go's `math.Min`: NaN if either is.
pub(super) fn least(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// Go's `math.Max`: NaN if either is.
pub(super) fn greatest(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}
