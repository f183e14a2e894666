//! `left op right` over series that are matched one to one.

use std::sync::Arc;

use super::node::{RowNode, Rows};
use crate::ast::BinaryOp;
use crate::bind::{MatchTable, several_on_left};
use crate::kernel::scalar::combine_rows;
use crate::op::{OpError, OpRt};
use crate::tile::{count_present, is_absent};

/// Joins the rows of two operands.
///
/// Where both sides of a match group have one series, the result passes on as soon as the second
/// row has come. Other groups wait for the end, because whether they are ambiguous is decided
/// step by step.
#[derive(Debug)]
pub(super) struct BinaryNode {
    op: BinaryOp,
    is_bool: bool,
    table: Arc<MatchTable>,
    left: Rows,
    right: Rows,
    /// At which steps the left operand has any value at all; kept only when the right one has
    /// duplicates, which matter at no other steps.
    left_steps: Vec<bool>,
    /// Series of the left operand whose results wait for the end.
    waiting: Vec<u32>,
}

// === impl BinaryNode ===

impl BinaryNode {
    pub(super) fn new(op: BinaryOp, is_bool: bool, table: Arc<MatchTable>, steps: usize) -> Self {
        Self {
            op,
            is_bool,
            left: Rows::new(steps, table.left.len()),
            right: Rows::new(steps, table.right.len()),
            left_steps: vec![false; if table.has_right_duplicates { steps } else { 0 }],
            waiting: vec![],
            table,
        }
    }

    fn take_left(
        &mut self,
        series: u32,
        row: &mut [f64],
        rt: &dyn OpRt,
    ) -> Result<Option<u32>, OpError> {
        for (seen, cell) in self.left_steps.iter_mut().zip(&*row) {
            *seen |= !is_absent(*cell);
        }
        let group = &self.table.groups[self.table.left[series as usize] as usize];
        if group.right.is_empty() {
            return Ok(None);
        }
        if group.is_simple()
            && let Some(right) = self.right.get(group.right[0])
        {
            combine_rows(self.op, self.is_bool, row, right);
            return Ok((count_present(row) > 0).then_some(series));
        }
        self.left.insert(series, row, rt)?;
        Ok(None)
    }

    fn take_right(
        &mut self,
        series: u32,
        row: &mut [f64],
        rt: &dyn OpRt,
    ) -> Result<Option<u32>, OpError> {
        let group = &self.table.groups[self.table.right[series as usize] as usize];
        if group.is_simple()
            && let Some(left) = self.left.get_mut(group.left[0])
        {
            combine_rows(self.op, self.is_bool, left, row);
            row.copy_from_slice(left);
            return Ok((count_present(row) > 0).then_some(group.left[0]));
        }
        if !group.left.is_empty() || group.right.len() > 1 {
            self.right.insert(series, row, rt)?;
        }
        Ok(None)
    }

    /// Merges the right series of a group into the first of them that has a row, and returns it.
    fn merge_right(&mut self, group: usize) -> Result<Option<u32>, OpError> {
        let mut merged: Option<u32> = None;
        // What each step of the merged row came from.
        let mut owners: Vec<u32> = vec![];
        for series in &self.table.groups[group].right {
            let Some(row) = self.right.get(*series) else { continue };
            let Some(first) = merged else {
                (merged, owners) = (Some(*series), vec![*series; row.len()]);
                continue;
            };
            let row = row.to_vec();
            let Some(target) = self.right.get_mut(first) else { continue };
            for (step, (target, new)) in target.iter_mut().zip(row).enumerate() {
                if is_absent(new) {
                    continue;
                }
                if is_absent(*target) {
                    (*target, owners[step]) = (new, *series);
                } else if self.left_steps[step] {
                    return Err(self.table.duplicate_on_right(owners[step], *series));
                }
            }
        }
        Ok(merged)
    }

    /// Computes the results of a group that is not simple, in the rows of its left series.
    fn join_group(&mut self, group: usize) -> Result<(), OpError> {
        let Some(right) = self.merge_right(group)? else { return Ok(()) };
        let Some(right) = self.right.get(right) else { return Ok(()) };
        let mut taken = vec![false; right.len()];
        for series in &self.table.groups[group].left {
            let Some(left) = self.left.get_mut(*series) else { continue };
            for ((taken, left), right) in taken.iter_mut().zip(&*left).zip(right) {
                let meets = !is_absent(*left) && !is_absent(*right);
                if meets && std::mem::replace(taken, true) {
                    return Err(several_on_left());
                }
            }
            combine_rows(self.op, self.is_bool, left, right);
            self.waiting.push(*series);
        }
        Ok(())
    }
}

impl RowNode for BinaryNode {
    fn take(
        &mut self,
        operand: usize,
        series: u32,
        row: &mut [f64],
        rt: &dyn OpRt,
    ) -> Result<Option<u32>, OpError> {
        if operand == 0 {
            self.take_left(series, row, rt)
        } else {
            self.take_right(series, row, rt)
        }
    }

    fn close(&mut self) -> Result<usize, OpError> {
        for group in 0..self.table.groups.len() {
            if !self.table.groups[group].is_simple() {
                self.join_group(group)?;
            }
        }
        Ok(self.waiting.len())
    }

    fn emit(&mut self, k: usize, row: &mut [f64]) -> Result<Option<u32>, OpError> {
        let series = self.waiting[k];
        let Some(result) = self.left.get(series) else { return Ok(None) };
        row.copy_from_slice(result);
        Ok((count_present(row) > 0).then_some(series))
    }

    fn release(&mut self, rt: &dyn OpRt) {
        self.left.release(rt);
        self.right.release(rt);
    }
}
