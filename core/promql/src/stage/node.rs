//! What every operator of the final stage can do, and the store of rows it may keep.

use crate::fragment::MapStep;
use crate::kernel::map::map_row;
use crate::op::{OpError, OpRt};
use crate::tile::{count_present, rows_per_tile};

/// An operator that gets rows.
pub(super) trait RowNode: Send {
    /// Takes a row of operand `operand`. Returns the series that `row` is of now when it should
    /// go on to the target; it must have a value then.
    ///
    /// # Errors
    /// When the data violates the operator's rules or a limit is exceeded.
    fn take(
        &mut self,
        operand: usize,
        series: u32,
        row: &mut [f64],
        rt: &dyn OpRt,
    ) -> Result<Option<u32>, OpError>;

    /// All operands have ended: how many times [`RowNode::emit`] may be called.
    ///
    /// # Errors
    /// When what was kept violates the operator's rules.
    fn close(&mut self) -> Result<usize, OpError> {
        Ok(0)
    }

    /// Writes the `k`-th kept row and returns its series; `None` when it has no value.
    ///
    /// # Errors
    /// When what was kept violates the operator's rules.
    fn emit(&mut self, _k: usize, _row: &mut [f64]) -> Result<Option<u32>, OpError> {
        Ok(None)
    }

    /// Gives back what was charged.
    fn release(&mut self, _rt: &dyn OpRt) {}
}

/// Rows by series, charged to the query.
#[derive(Debug)]
pub(super) struct Rows {
    steps: usize,
    /// One more than the row of each series; 0 for none.
    places: Vec<u32>,
    rows: usize,
    /// Blocks of [`rows_per_tile`] rows, so that growing never copies.
    blocks: Vec<Vec<f64>>,
    reserved_bytes: usize,
}

/// One step per series, in place.
#[derive(Debug)]
pub(super) struct MapNode(pub(super) MapStep);

// === impl Rows ===

impl Rows {
    pub(super) fn new(steps: usize, series: usize) -> Self {
        Self { steps, places: vec![0; series], rows: 0, blocks: vec![], reserved_bytes: 0 }
    }

    /// Keeps a copy of `row`.
    pub(super) fn insert(
        &mut self,
        series: u32,
        row: &[f64],
        rt: &dyn OpRt,
    ) -> Result<(), OpError> {
        let in_block = rows_per_tile(self.steps);
        if self.rows.is_multiple_of(in_block) {
            let bytes = in_block * self.steps * size_of::<f64>();
            rt.reserve(bytes)?;
            self.reserved_bytes += bytes;
            self.blocks.push(Vec::with_capacity(in_block * self.steps));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.extend_from_slice(row);
        }
        self.rows += 1;
        self.places[series as usize] = crate::roster::series_index(self.rows);
        Ok(())
    }

    /// The row of `series`, if there is one.
    pub(super) fn get(&self, series: u32) -> Option<&[f64]> {
        let place = (self.places[series as usize] as usize).checked_sub(1)?;
        let in_block = rows_per_tile(self.steps);
        let start = place % in_block * self.steps;
        Some(&self.blocks[place / in_block][start..start + self.steps])
    }

    /// The row of `series` to be changed, if there is one.
    pub(super) fn get_mut(&mut self, series: u32) -> Option<&mut [f64]> {
        let place = (self.places[series as usize] as usize).checked_sub(1)?;
        let in_block = rows_per_tile(self.steps);
        let start = place % in_block * self.steps;
        Some(&mut self.blocks[place / in_block][start..start + self.steps])
    }

    /// Forgets all rows.
    pub(super) fn release(&mut self, rt: &dyn OpRt) {
        rt.release(std::mem::take(&mut self.reserved_bytes));
        *self = Self::new(self.steps, 0);
    }
}

// === impl MapNode ===

impl RowNode for MapNode {
    fn take(
        &mut self,
        _operand: usize,
        series: u32,
        row: &mut [f64],
        _rt: &dyn OpRt,
    ) -> Result<Option<u32>, OpError> {
        map_row(&self.0, row);
        Ok((count_present(row) > 0).then_some(series))
    }
}
