//! Binary operators on values, on rows, and on rows with scalars (`vectorElemBinop`).

use std::sync::Arc;

use super::pow::pow;
use crate::ast::BinaryOp;
use crate::fragment::ScalarOperand;
use crate::tile::{ABSENT, is_absent};

/// `left op right` on two scalars; comparisons yield 0 and 1.
#[must_use]
pub fn combine(op: BinaryOp, left: f64, right: f64) -> f64 {
    let mut cell = [left];
    dispatch(op, true, Kept::Left, RowScalar { row: &mut cell, right });
    cell[0]
}

/// `left op right` on scalars that may differ from step to step.
#[must_use]
pub fn combine_scalars(
    op: BinaryOp,
    left: &ScalarOperand,
    right: &ScalarOperand,
    steps: usize,
) -> ScalarOperand {
    if let (ScalarOperand::Constant(left), ScalarOperand::Constant(right)) = (left, right) {
        return ScalarOperand::Constant(combine(op, *left, *right));
    }
    let values = (0..steps).map(|step| combine(op, left.at(step), right.at(step)));
    ScalarOperand::PerStep(Arc::from(values.collect::<Vec<f64>>()))
}

/// `left op right`, cell by cell, into `left`; absent where either is. A comparison that is not
/// `bool` keeps the left value where it holds.
pub fn combine_rows(op: BinaryOp, is_bool: bool, left: &mut [f64], right: &[f64]) {
    dispatch(op, is_bool, Kept::Left, RowRow { left, right });
}

/// `row op scalar` into `row`. A comparison that is not `bool` keeps the row's value where it
/// holds.
pub fn combine_row_scalar(op: BinaryOp, is_bool: bool, row: &mut [f64], scalar: &ScalarOperand) {
    match scalar {
        ScalarOperand::Constant(right) => {
            dispatch(op, is_bool, Kept::Left, RowScalar { row, right: *right });
        }
        ScalarOperand::PerStep(right) => {
            dispatch(op, is_bool, Kept::Left, RowRow { left: row, right });
        }
    }
}

/// `scalar op row` into `row`. A comparison that is not `bool` keeps the row's value where it
/// holds.
pub fn combine_scalar_row(op: BinaryOp, is_bool: bool, scalar: &ScalarOperand, row: &mut [f64]) {
    match scalar {
        ScalarOperand::Constant(left) => {
            dispatch(op, is_bool, Kept::Right, ScalarRow { left: *left, row });
        }
        ScalarOperand::PerStep(left) => {
            dispatch(op, is_bool, Kept::Right, StepsRow { left, row });
        }
    }
}

/// Which operand a filtering comparison returns.
#[derive(Clone, Copy)]
enum Kept {
    Left,
    Right,
}

/// Pairs of operands and the place for their results; one loop for each kind of pair and operator.
trait Pairs {
    fn each(self, of: impl Fn(f64, f64) -> f64);
}

struct RowScalar<'a> {
    row: &'a mut [f64],
    right: f64,
}

struct ScalarRow<'a> {
    left: f64,
    row: &'a mut [f64],
}

struct RowRow<'a> {
    left: &'a mut [f64],
    right: &'a [f64],
}

struct StepsRow<'a> {
    left: &'a [f64],
    row: &'a mut [f64],
}

impl Pairs for RowScalar<'_> {
    fn each(self, of: impl Fn(f64, f64) -> f64) {
        for cell in self.row {
            *cell = if is_absent(*cell) { ABSENT } else { of(*cell, self.right) };
        }
    }
}

impl Pairs for ScalarRow<'_> {
    fn each(self, of: impl Fn(f64, f64) -> f64) {
        for cell in self.row {
            *cell = if is_absent(*cell) { ABSENT } else { of(self.left, *cell) };
        }
    }
}

impl Pairs for RowRow<'_> {
    fn each(self, of: impl Fn(f64, f64) -> f64) {
        for (left, right) in self.left.iter_mut().zip(self.right) {
            let is_gap = is_absent(*left) || is_absent(*right);
            *left = if is_gap { ABSENT } else { of(*left, *right) };
        }
    }
}

impl Pairs for StepsRow<'_> {
    fn each(self, of: impl Fn(f64, f64) -> f64) {
        for (left, cell) in self.left.iter().zip(self.row) {
            *cell = if is_absent(*cell) { ABSENT } else { of(*left, *cell) };
        }
    }
}

fn dispatch(op: BinaryOp, is_bool: bool, kept: Kept, pairs: impl Pairs) {
    match op {
        BinaryOp::Add => pairs.each(|l, r| l + r),
        BinaryOp::Sub => pairs.each(|l, r| l - r),
        BinaryOp::Mul => pairs.each(|l, r| l * r),
        BinaryOp::Div => pairs.each(|l, r| l / r),
        // Rust's remainder is C's `fmod`, exact and with the sign of the left operand, as Go's.
        BinaryOp::Mod => pairs.each(|l, r| l % r),
        BinaryOp::Pow => pairs.each(pow),
        BinaryOp::Atan2 => pairs.each(f64::atan2),
        BinaryOp::Eql => compare(is_bool, kept, pairs, |l, r| l == r),
        BinaryOp::Neq => compare(is_bool, kept, pairs, |l, r| l != r),
        BinaryOp::Lss => compare(is_bool, kept, pairs, |l, r| l < r),
        BinaryOp::Lte => compare(is_bool, kept, pairs, |l, r| l <= r),
        BinaryOp::Gtr => compare(is_bool, kept, pairs, |l, r| l > r),
        BinaryOp::Gte => compare(is_bool, kept, pairs, |l, r| l >= r),
        // Set operators have their own joins, and trims are no operators on floats: Prometheus
        // returns nothing for them.
        BinaryOp::And
        | BinaryOp::Or
        | BinaryOp::Unless
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => pairs.each(|_, _| ABSENT),
    }
}

fn compare(is_bool: bool, kept: Kept, pairs: impl Pairs, holds: impl Fn(f64, f64) -> bool) {
    match (is_bool, kept) {
        (true, _) => pairs.each(|l, r| f64::from(u8::from(holds(l, r)))),
        (false, Kept::Left) => pairs.each(|l, r| if holds(l, r) { l } else { ABSENT }),
        (false, Kept::Right) => pairs.each(|l, r| if holds(l, r) { r } else { ABSENT }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(row: &[f64]) -> Vec<u64> {
        row.iter().map(|cell| cell.to_bits()).collect()
    }

    #[test]
    fn scalars_combine_as_go_does() {
        for (op, left, right, expected) in [
            (BinaryOp::Mod, -7.0, 3.0, -1.0),
            (BinaryOp::Mod, 7.0, -3.0, 1.0),
            (BinaryOp::Mod, 5.0, f64::INFINITY, 5.0),
            (BinaryOp::Div, 1.0, 0.0, f64::INFINITY),
            (BinaryOp::Pow, 2.0, 10.0, 1024.0),
            (BinaryOp::Eql, 1.0, 1.0, 1.0),
            (BinaryOp::Neq, f64::NAN, f64::NAN, 1.0),
            (BinaryOp::Eql, f64::NAN, f64::NAN, 0.0),
            (BinaryOp::Atan2, 1.0, 1.0, std::f64::consts::FRAC_PI_4),
        ] {
            assert_eq!(combine(op, left, right), expected, "{left} {op:?} {right}");
        }
        assert!(combine(BinaryOp::Mod, 1.0, 0.0).is_nan());
    }

    #[test]
    fn comparisons_keep_the_value_of_the_series() {
        let mut row = [1.0, 5.0, ABSENT, f64::NAN];
        combine_scalar_row(BinaryOp::Lss, false, &ScalarOperand::Constant(3.0), &mut row);
        assert_eq!(bits(&row), bits(&[ABSENT, 5.0, ABSENT, ABSENT]));
        let mut row = [1.0, 5.0, ABSENT, f64::NAN];
        combine_row_scalar(BinaryOp::Lss, true, &mut row, &ScalarOperand::Constant(3.0));
        assert_eq!(bits(&row), bits(&[1.0, 0.0, ABSENT, 0.0]));
    }

    #[test]
    fn scalars_may_change_from_step_to_step() {
        let steps = ScalarOperand::PerStep(Arc::from([1.0, 2.0, 3.0]));
        let mut row = [10.0, ABSENT, 10.0];
        combine_scalar_row(BinaryOp::Sub, false, &steps, &mut row);
        assert_eq!(bits(&row), bits(&[-9.0, ABSENT, -7.0]));
        let doubled = combine_scalars(BinaryOp::Mul, &steps, &ScalarOperand::Constant(2.0), 3);
        assert_eq!([doubled.at(0), doubled.at(2)], [2.0, 6.0]);
    }

    #[test]
    fn rows_combine_where_both_have_a_value() {
        let mut left = [1.0, ABSENT, 3.0];
        combine_rows(BinaryOp::Add, false, &mut left, &[10.0, 10.0, ABSENT]);
        assert_eq!(bits(&left), bits(&[11.0, ABSENT, ABSENT]));
    }
}
