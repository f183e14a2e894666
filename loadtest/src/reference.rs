//! An independent, naive evaluator of PromQL, straight from Prometheus' semantics: the oracle that
//! engines are compared with.
//!
//! ```text
//!  text ─promql::parse─▶ tree ─┐
//!                              ├─▶ eval, one step at a time ─▶ vectors ─▶ answer, sorted
//!  series in memory ─ store ───┘        │
//!                                       └─▶ notes: warnings and infos with their places
//! ```
//!
//! It shares the syntax tree and the histogram algebra with the product and nothing else: no
//! kernel, no tile, no plan. Every step of a range query is evaluated from nothing, so it is slow;
//! being obviously right is the goal. Where a result of Prometheus depends on all steps (the
//! checks of an aggregation's parameter) all of them are looked at again at each step.

use std::cell::RefCell;

use model::TimestampMs;
use promql::ast::{Expr, ExprKind, ValueType};
use promql::parse::{ParseOptions, parse};

use crate::promqltest::engine::{Answer, Engine, Evaluated, Grid, Point, Series};
use eval::{Evaluator, Reading, Scope};
use notes::Notes;
use store::Store;
use vector::Sample;

mod aggregate;
mod binary;
mod buckets;
mod call;
mod changes;
mod dates;
mod duration;
mod element;
mod eval;
mod extended;
mod groups;
mod info;
mod kahan;
mod labelling;
mod map;
mod notes;
mod number;
mod over_time;
mod quantile;
mod rank;
mod rate;
mod select;
mod sort;
mod store;
mod vector;
mod windowed;

/// What the evaluator does with metric names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRemoval {
    /// At once, as Prometheus does by default.
    Immediate,
    /// When the query is done, behind Prometheus' flag `promql-delayed-name-removal`.
    Delayed,
}

/// The evaluator and its series.
#[derive(Debug)]
pub struct Reference {
    store: Store,
    name_removal: NameRemoval,
}

// === impl Reference ===

impl Reference {
    /// An evaluator without series.
    #[must_use]
    pub fn new(name_removal: NameRemoval) -> Self {
        Self { store: Store::default(), name_removal }
    }

    fn evaluate(&self, text: &str, grid: Grid, step_ms: i64) -> Result<Evaluated, String> {
        let expr = parse(text, &ParseOptions::all()).map_err(|error| error.to_string())?;
        let evaluator = Evaluator {
            store: &self.store,
            name_removal: self.name_removal,
            query: grid,
            step_ms,
            notes: RefCell::new(Notes::default()),
        };
        let is_range = step_ms != 0;
        let answer =
            if is_range { range(&evaluator, &expr, grid)? } else { instant(&evaluator, &expr)? };
        let annotations = evaluator.notes.into_inner().render(text);
        Ok(Evaluated { answer, annotations })
    }
}

impl Engine for Reference {
    fn clear(&mut self) -> Result<(), String> {
        self.store = Store::default();
        Ok(())
    }

    fn load(&mut self, series: &[Series]) -> Result<(), String> {
        series.iter().try_for_each(|series| self.store.append(series))
    }

    fn instant(&mut self, query: &str, at_ms: TimestampMs) -> Result<Evaluated, String> {
        self.evaluate(query, Grid { start_ms: at_ms, end_ms: at_ms, step_ms: 1 }, 0)
    }

    fn range(&mut self, query: &str, grid: Grid) -> Result<Evaluated, String> {
        self.evaluate(query, grid, grid.step_ms)
    }
}

fn instant(evaluator: &Evaluator<'_>, expr: &Expr) -> Result<Answer, String> {
    let (grid, at_ms) = (evaluator.query, evaluator.query.start_ms);
    let scope = Scope { grid, at_ms, reading: Reading::Whole };
    Ok(match expr.value_type() {
        ValueType::Scalar => Answer::Scalar(evaluator.scalar(expr, scope)?),
        ValueType::String => Answer::String(string(expr)),
        ValueType::Vector => {
            let samples = evaluator.without_names(evaluator.vector(expr, scope)?)?;
            Answer::Vector(samples.into_iter().map(|it| (it.labels, it.value)).collect())
        }
        ValueType::Matrix => {
            let windows = evaluator.windows(expr, scope)?;
            let mut matrix: Vec<Series> = windows
                .into_iter()
                .map(select::into_series)
                .filter(|it| !it.points.is_empty())
                .collect();
            matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
            Answer::Matrix(matrix)
        }
    })
}

fn range(evaluator: &Evaluator<'_>, expr: &Expr, grid: Grid) -> Result<Answer, String> {
    let mut matrix: Vec<Series> = Vec::new();
    for at_ms in grid.times() {
        let scope = Scope { grid, at_ms, reading: Reading::Whole };
        let samples = match expr.value_type() {
            ValueType::Scalar => vec![Sample::scalar(evaluator.scalar(expr, scope)?, at_ms)],
            ValueType::Vector => evaluator.without_names(evaluator.vector(expr, scope)?)?,
            kind => {
                return Err(format!(
                    "invalid expression type \"{kind}\" for range query, must be Scalar or instant \
                     Vector"
                ));
            }
        };
        for sample in samples {
            let point = Point { timestamp_ms: at_ms, value: sample.value, start_ms: 0 };
            match matrix.iter_mut().find(|series| series.labels == sample.labels) {
                Some(series) => series.points.push(point),
                None => matrix.push(Series { labels: sample.labels, points: vec![point] }),
            }
        }
    }
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(Answer::Matrix(matrix))
}

/// The text of a string expression.
fn string(expr: &Expr) -> Vec<u8> {
    match &expr.unparen().kind {
        ExprKind::String(text) => text.clone().into_bytes(),
        ExprKind::Bytes(bytes) => bytes.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
