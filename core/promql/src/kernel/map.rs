//! Per-series steps after the window: changes a row in place.

use super::scalar::{combine_row_scalar, combine_scalar_row};
use crate::fragment::MapStep;
use crate::tile::{ABSENT, is_absent};

/// Applies `step` to a row.
pub fn map_row(step: &MapStep, row: &mut [f64]) {
    match step {
        MapStep::Scalar { op, operand, series_on_left, is_bool } => {
            if *series_on_left {
                combine_row_scalar(*op, *is_bool, row, operand);
            } else {
                combine_scalar_row(*op, *is_bool, operand, row);
            }
        }
        MapStep::Negate => {
            for cell in row {
                *cell = if is_absent(*cell) { ABSENT } else { -*cell };
            }
        }
        MapStep::DropName => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negation_leaves_absent_cells_absent() {
        let mut row = [1.0, ABSENT, -0.0];
        map_row(&MapStep::Negate, &mut row);
        let expected = [-1.0, ABSENT, 0.0].map(f64::to_bits);
        assert_eq!(row.map(f64::to_bits), expected);
    }
}
