//! Series with equal labels become one, or are refused.

use std::sync::Arc;

use model::FailureKind;

use super::node::{RowNode, Rows};
use crate::bind::DuplicateMap;
use crate::op::{OpError, OpRt};
use crate::roster::series_index;
use crate::tile::is_absent;

/// Merges the rows of series that have the same labels.
#[derive(Debug)]
pub(super) struct UniqueNode {
    /// Which series share a place.
    pub(super) map: Arc<DuplicateMap>,
    /// Whether two rows for the same labels are an error even if they never meet at a step.
    pub(super) refuses: bool,
    /// Rows of shared places.
    pub(super) rows: Rows,
}

// === impl UniqueNode ===

impl RowNode for UniqueNode {
    fn take(
        &mut self,
        _operand: usize,
        series: u32,
        row: &mut [f64],
        rt: &dyn OpRt,
    ) -> Result<Option<u32>, OpError> {
        let place = self.map.of[series as usize];
        if self.map.sharers[place as usize] == 1 {
            return Ok(Some(place));
        }
        let Some(kept) = self.rows.get_mut(place) else {
            self.rows.insert(place, row, rt)?;
            return Ok(None);
        };
        for (kept, new) in kept.iter_mut().zip(row) {
            match (is_absent(*kept), is_absent(*new)) {
                (_, true) if !self.refuses => {}
                (true, _) if !self.refuses => *kept = *new,
                _ => return Err(same_labels()),
            }
        }
        Ok(None)
    }

    fn close(&mut self) -> Result<usize, OpError> {
        Ok(self.map.sharers.len())
    }

    fn emit(&mut self, k: usize, row: &mut [f64]) -> Result<Option<u32>, OpError> {
        let place = series_index(k);
        Ok(self.rows.get(place).map(|kept| {
            row.copy_from_slice(kept);
            place
        }))
    }

    fn release(&mut self, rt: &dyn OpRt) {
        self.rows.release(rt);
    }
}

/// Text of Prometheus (`promql/engine.go`).
fn same_labels() -> OpError {
    OpError::new(
        FailureKind::Execution,
        "err-varve-same-labelset",
        "vector cannot contain metrics with the same labelset",
    )
}
