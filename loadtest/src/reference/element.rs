//! Operators between two values.

use std::sync::Arc;

use crate::histogram::{CounterResetHint, FloatHistogram};
use promql::ast::BinaryOp;

use super::notes::{conflicting_resets, reconciled};
use crate::promqltest::engine::Value;

/// What an operator makes of two values.
#[derive(Debug)]
pub(super) struct Computed {
    pub(super) value: Value,
    /// Whether a filtering operator keeps the sample.
    pub(super) is_kept: bool,
    pub(super) remark: Option<Remark>,
}

/// Something to note.
#[derive(Debug)]
pub(super) struct Remark {
    pub(super) is_warning: bool,
    pub(super) text: String,
}

/// Whether the operator's result is another metric than its operands.
pub(super) const fn changes_metric(op: BinaryOp) -> bool {
    use BinaryOp::{Add, Atan2, Div, Mod, Mul, Pow, Sub};
    matches!(op, Add | Sub | Mul | Div | Mod | Pow | Atan2)
}

/// An operator between two scalars.
pub(super) fn scalars(op: BinaryOp, left: f64, right: f64) -> f64 {
    match compare(op, left, right) {
        Some(is_true) => f64::from(u8::from(is_true)),
        None => arithmetic(op, left, right),
    }
}

/// An operator between two samples.
///
/// # Errors
/// With what is noted when the two have no result.
pub(super) fn compute(op: BinaryOp, left: &Value, right: &Value) -> Result<Computed, Remark> {
    let incompatible = || Err(incompatible(op, left, right));
    let kept = |value: Value| Ok(Computed { value, is_kept: true, remark: None });
    match (left, right) {
        (Value::Float(_), Value::Float(_)) if is_trim(op) => incompatible(),
        (Value::Float(a), Value::Float(b)) => match compare(op, *a, *b) {
            Some(is_kept) => Ok(Computed { value: left.clone(), is_kept, remark: None }),
            None => kept(Value::Float(arithmetic(op, *a, *b))),
        },
        (Value::Float(factor), Value::Histogram(h)) if op == BinaryOp::Mul => {
            kept(compacted(scaled(h, *factor)))
        }
        (Value::Histogram(h), Value::Float(number)) => match op {
            BinaryOp::Mul => kept(compacted(scaled(h, *number))),
            BinaryOp::Div => {
                let mut quotient = FloatHistogram::clone(h);
                quotient.div(*number);
                kept(compacted(quotient))
            }
            BinaryOp::TrimUpper | BinaryOp::TrimLower => {
                let mut trimmed = FloatHistogram::clone(h);
                trim(&mut trimmed, *number, op);
                kept(trimmed.into())
            }
            _ => incompatible(),
        },
        (Value::Histogram(a), Value::Histogram(b)) => histograms(op, a, b),
        _ => incompatible(),
    }
}

fn histograms(
    op: BinaryOp,
    a: &Arc<FloatHistogram>,
    b: &Arc<FloatHistogram>,
) -> Result<Computed, Remark> {
    let (left, right) = (Value::Histogram(Arc::clone(a)), Value::Histogram(Arc::clone(b)));
    let mut result = FloatHistogram::clone(a);
    let (outcome, operation) = match op {
        BinaryOp::Eql => return Ok(Computed { value: left, is_kept: a.equals(b), remark: None }),
        BinaryOp::Neq => return Ok(Computed { value: left, is_kept: !a.equals(b), remark: None }),
        BinaryOp::Add => (result.add(b), "addition"),
        BinaryOp::Sub => (result.sub(b), "subtraction"),
        _ => return Err(incompatible(op, &left, &right)),
    };
    let Ok(outcome) = outcome else {
        let op = op.as_str();
        let text = format!("incompatible bucket layout encountered for binary operator {op}");
        return Err(Remark { is_warning: true, text });
    };
    if op == BinaryOp::Sub {
        result.counter_reset_hint = CounterResetHint::Gauge;
    }
    // Prometheus drops the sample, too.
    if outcome.counter_reset_collision {
        return Err(Remark { is_warning: true, text: conflicting_resets(operation) });
    }
    let remark = outcome
        .bounds_reconciled
        .then(|| Remark { is_warning: false, text: reconciled(operation) });
    Ok(Computed { value: compacted(result), is_kept: true, remark })
}

/// The histogram times `factor`.
pub(super) fn scaled(histogram: &FloatHistogram, factor: f64) -> FloatHistogram {
    let mut product = histogram.clone();
    product.mul(factor);
    product
}

fn compacted(mut histogram: FloatHistogram) -> Value {
    histogram.compact();
    histogram.into()
}

/// `</` and `>/`: forgets the observations above or below `bound`.
fn trim(histogram: &mut FloatHistogram, bound: f64, op: BinaryOp) {
    histogram.trim(bound, op == BinaryOp::TrimUpper);
}

const fn is_trim(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower)
}

fn incompatible(op: BinaryOp, left: &Value, right: &Value) -> Remark {
    let kind = |value: &Value| if value.float().is_some() { "float" } else { "histogram" };
    let (op, left, right) = (op.as_str(), kind(left), kind(right));
    let text = format!(
        "incompatible sample types encountered for binary operator {op:?}: {left} {op} {right}"
    );
    Remark { is_warning: false, text }
}

#[expect(clippy::float_cmp, reason = "PromQL compares exactly")]
fn compare(op: BinaryOp, a: f64, b: f64) -> Option<bool> {
    Some(match op {
        BinaryOp::Eql => a == b,
        BinaryOp::Neq => a != b,
        BinaryOp::Lss => a < b,
        BinaryOp::Lte => a <= b,
        BinaryOp::Gtr => a > b,
        BinaryOp::Gte => a >= b,
        _ => return None,
    })
}

fn arithmetic(op: BinaryOp, a: f64, b: f64) -> f64 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => a.powf(b),
        BinaryOp::Atan2 => a.atan2(b),
        _ => f64::NAN,
    }
}
