//! The same query in other words: with `@` at the statement's time on every selector, an instant
//! query must have the same result whenever it is evaluated.

use model::TimestampMs;
use promql::ast::{At, Expr, ExprKind};
use promql::parse::{ParseOptions, parse};

/// A query and when to evaluate it.
#[derive(Debug)]
pub struct Variant {
    /// The query.
    pub query: String,
    /// When.
    pub at_ms: TimestampMs,
}

/// Functions whose value depends on the time of evaluation even if their arguments do not.
pub(crate) const TIME_DEPENDENT: &[&str] = &[
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// `query` with `@ at_ms` on its selectors, at five other times; nothing when it has functions
/// that depend on the time of evaluation.
///
/// # Errors
/// When the query does not parse.
pub fn pinned(query: &str, at_ms: TimestampMs) -> Result<Vec<Variant>, String> {
    let mut expr = parse(query, &ParseOptions::all()).map_err(|error| error.to_string())?;
    if !pin(&mut expr, at_ms) {
        return Ok(Vec::new());
    }
    let times = match at_ms {
        0 => vec![-1000, 0, 1000],
        _ => vec![-10 * at_ms, 0, at_ms / 5, at_ms, 10 * at_ms],
    };
    let query = expr.to_string();
    Ok(times.into_iter().map(|at_ms| Variant { query: query.clone(), at_ms }).collect())
}

/// Whether the query asks for its own range, which is another in a range query.
#[must_use]
pub fn depends_on_range(query: &str) -> bool {
    ["start()", "end()", "range()", "step()"].iter().any(|call| query.contains(call))
}

/// Pins selectors and subqueries that are not pinned yet; what is below a subquery stays. Returns
/// whether the expression, apart from what is below subqueries, does not depend on the time.
fn pin(expr: &mut Expr, at_ms: TimestampMs) -> bool {
    let set = |at: &mut Option<At>| {
        if !matches!(at, Some(At::Timestamp(_))) {
            *at = Some(At::Timestamp(at_ms));
        }
        true
    };
    match &mut expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bytes(_) => true,
        ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => pin(inner, at_ms),
        ExprKind::Binary(binary) => pin(&mut binary.left, at_ms) & pin(&mut binary.right, at_ms),
        ExprKind::Aggregate(aggregate) => {
            let param = aggregate.param.as_mut().is_none_or(|param| pin(param, at_ms));
            pin(&mut aggregate.inner, at_ms) & param
        }
        ExprKind::Call { function, args } => {
            let is_steady = !TIME_DEPENDENT.contains(&function.name);
            args.iter_mut().fold(is_steady, |is_steady, arg| pin(arg, at_ms) & is_steady)
        }
        ExprKind::Vector(selector) | ExprKind::Matrix { selector, .. } => set(&mut selector.at),
        ExprKind::Subquery(subquery) => set(&mut subquery.at),
    }
}
