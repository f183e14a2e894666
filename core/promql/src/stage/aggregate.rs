//! `sum by (…) (inner)` where the operand is only known here.

use std::sync::Arc;

use super::node::RowNode;
use crate::bind::GroupMap;
use crate::kernel::aggregate::GroupStates;
use crate::op::{OpError, OpRt};
use crate::roster::series_index;
use crate::tile::count_present;

/// Gathers the states of all groups.
#[derive(Debug)]
pub(super) struct AggregateNode {
    /// The group of each series.
    pub(super) map: Arc<GroupMap>,
    /// The states.
    pub(super) states: GroupStates,
}

// === impl AggregateNode ===

impl RowNode for AggregateNode {
    fn take(
        &mut self,
        _operand: usize,
        series: u32,
        row: &mut [f64],
        _rt: &dyn OpRt,
    ) -> Result<Option<u32>, OpError> {
        self.states.add(self.map.of[series as usize] as usize, row);
        Ok(None)
    }

    fn close(&mut self) -> Result<usize, OpError> {
        Ok(self.states.groups())
    }

    fn emit(&mut self, k: usize, row: &mut [f64]) -> Result<Option<u32>, OpError> {
        self.states.finish(k, row);
        Ok((count_present(row) > 0).then(|| series_index(k)))
    }

    fn release(&mut self, rt: &dyn OpRt) {
        rt.release(self.states.bytes());
    }
}
