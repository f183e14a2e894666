//! Durations that are computed: `[5m + step()]`.

use promql::ast::{DurationExpr, DurationKind, DurationOp};

use super::eval::{Evaluator, Fallible, greatest, least};
use super::vector::seconds;

// === impl Evaluator ===

impl Evaluator<'_> {
    /// An offset in milliseconds; 0 without one.
    pub(super) fn offset_ms(&self, offset: Option<&DurationExpr>) -> Fallible<i64> {
        offset.map_or(Ok(0), |offset| self.duration_ms(offset))
    }

    /// A width or step in milliseconds, which must be positive.
    pub(super) fn width_ms(&self, expr: &DurationExpr) -> Fallible<i64> {
        let is_known = matches!(expr.kind, DurationKind::Literal(_));
        match self.duration_ms(expr)? {
            ms if ms <= 0 && !is_known => Err(at(expr, "duration must be greater than 0")),
            ms => Ok(ms),
        }
    }

    fn duration_ms(&self, expr: &DurationExpr) -> Fallible<i64> {
        if let DurationKind::Literal(ms) = expr.kind {
            return Ok(ms);
        }
        let duration = self.duration_s(expr)?;
        if !(-9.3e9..=9.3e9).contains(&duration) {
            return Err(at(expr, "duration is out of range"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
        Ok((duration * 1000.0) as i64)
    }

    fn duration_s(&self, expr: &DurationExpr) -> Fallible<f64> {
        Ok(match &expr.kind {
            DurationKind::Literal(ms) => seconds(*ms),
            DurationKind::Number { value, .. } => *value,
            DurationKind::Step => seconds(self.step_ms),
            DurationKind::Range => seconds(self.query.end_ms - self.query.start_ms),
            DurationKind::Paren(inner) => self.duration_s(inner)?,
            DurationKind::Negate(inner) => -self.duration_s(inner)?,
            DurationKind::Compute { op, left, right } => {
                let (a, b) = (self.duration_s(left)?, self.duration_s(right)?);
                match op {
                    DurationOp::Add => a + b,
                    DurationOp::Sub => a - b,
                    DurationOp::Mul => a * b,
                    DurationOp::Div if b == 0.0 => return Err(at(expr, "division by zero")),
                    DurationOp::Div => a / b,
                    DurationOp::Mod if b == 0.0 => return Err(at(expr, "modulo by zero")),
                    DurationOp::Mod => a % b,
                    DurationOp::Pow => a.powf(b),
                    DurationOp::MinOf => least(a, b),
                    DurationOp::MaxOf => greatest(a, b),
                }
            }
        })
    }
}

/// Prometheus gives these errors the first and last byte.
fn at(expr: &DurationExpr, text: &str) -> String {
    format!("{}:{}: {text}", expr.span.start, expr.span.end)
}
