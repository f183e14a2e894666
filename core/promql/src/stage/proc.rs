//! A running final stage: pushes rows from the leaves up to the output.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::aggregate::AggregateNode;
use super::binary::BinaryNode;
use super::node::{MapNode, RowNode, Rows};
use super::quantile::QuantileNode;
use super::unique::UniqueNode;
use super::{Bound, LeafKind, NodeKind, Target};
use crate::kernel::aggregate::GroupStates;
use crate::op::{Flow, OpError, OpRt, TileProc, TileSink};
use crate::roster::series_index;
use crate::tile::{TileBuilder, TileView, count_present};

/// All operators of one query's final stage.
pub(super) struct StageProc {
    bound: Arc<Bound>,
    leaves: Vec<RunningLeaf>,
    nodes: Vec<RunningNode>,
    /// Whether leaves without inputs have been told that they have ended.
    has_started: bool,
    /// The row that is on its way up; recycled.
    row: Vec<f64>,
    output: TileBuilder,
}

struct RunningLeaf {
    /// Partitions that have not ended.
    open: usize,
    /// Of a leaf that merges.
    states: Option<GroupStates>,
}

struct RunningNode {
    /// Operands that have not ended.
    open: usize,
    node: Box<dyn RowNode>,
}

// === impl StageProc ===

impl StageProc {
    pub(super) fn start(bound: Arc<Bound>, rt: &dyn OpRt) -> Result<Self, OpError> {
        let steps = bound.grid.steps;
        let leaves = bound.leaves.iter().map(|leaf| match &leaf.kind {
            LeafKind::Series { fragment, .. } => {
                Ok(RunningLeaf { open: bound.partitions[*fragment], states: None })
            }
            LeafKind::Merge { fragment, op, groups, .. } => {
                let states = GroupStates::reserve(*op, *groups, steps, rt)?;
                Ok(RunningLeaf { open: bound.partitions[*fragment], states: Some(states) })
            }
            LeafKind::Vector(_) => Ok(RunningLeaf { open: 0, states: None }),
        });
        let leaves = leaves.collect::<Result<_, OpError>>()?;
        let nodes = bound.nodes.iter().map(|node| {
            let running = start_node(&node.kind, steps, rt)?;
            Ok(RunningNode { open: node.operands, node: running })
        });
        let nodes = nodes.collect::<Result<_, OpError>>()?;
        let (row, output) = (vec![0.0; steps], TileBuilder::for_series(steps));
        Ok(Self { leaves, nodes, has_started: false, row, output, bound })
    }

    /// Which fragment and partition an input stands for.
    fn place(&self, mut input: usize) -> (usize, usize) {
        for (fragment, partitions) in self.bound.partitions.iter().enumerate() {
            if input < *partitions {
                return (fragment, input);
            }
            input -= partitions;
        }
        (self.bound.partitions.len(), input)
    }

    fn start_once(&mut self, out: &mut dyn TileSink, rt: &dyn OpRt) -> Result<(), OpError> {
        if std::mem::replace(&mut self.has_started, true) {
            return Ok(());
        }
        for leaf in 0..self.leaves.len() {
            if self.leaves[leaf].open == 0 {
                self.close_leaf(leaf, out, rt)?;
            }
        }
        Ok(())
    }

    /// Takes `self.row`, a row of `series` for `target`, as far up as it goes.
    fn push_row(
        &mut self,
        mut target: Option<Target>,
        mut series: u32,
        out: &mut dyn TileSink,
        rt: &dyn OpRt,
    ) -> Result<(), OpError> {
        while let Some(Target { node, operand }) = target {
            match self.nodes[node].node.take(operand, series, &mut self.row, rt)? {
                Some(passed) => series = passed,
                None => return Ok(()),
            }
            target = self.bound.nodes[node].target;
        }
        if self.output.is_full() {
            out.emit(self.output.take()?)?;
        }
        self.output.push_row(series).copy_from_slice(&self.row);
        Ok(())
    }

    fn push_series(
        &mut self,
        (leaf, offset): (usize, u32),
        tile: &TileView<'_>,
        out: &mut dyn TileSink,
        rt: &dyn OpRt,
    ) -> Result<(), OpError> {
        let target = self.bound.leaves[leaf].target;
        for (i, series) in tile.series().iter().enumerate() {
            self.row.copy_from_slice(tile.row(i));
            self.push_row(target, series + offset, out, rt)?;
        }
        Ok(())
    }

    /// All partitions of a leaf have ended.
    fn close_leaf(
        &mut self,
        leaf: usize,
        out: &mut dyn TileSink,
        rt: &dyn OpRt,
    ) -> Result<(), OpError> {
        let bound = Arc::clone(&self.bound);
        let target = bound.leaves[leaf].target;
        if let Some(states) = self.leaves[leaf].states.take() {
            for group in 0..states.groups() {
                states.finish(group, &mut self.row);
                if count_present(&self.row) > 0 {
                    self.push_row(target, series_index(group), out, rt)?;
                }
            }
            rt.release(states.bytes());
        }
        if let LeafKind::Vector(scalar) = &bound.leaves[leaf].kind {
            for (step, cell) in self.row.iter_mut().enumerate() {
                *cell = scalar.at(step);
            }
            self.push_row(target, 0, out, rt)?;
        }
        self.close_operand(target, out, rt)
    }

    /// An operand of a node has ended; ends the node, too, when it was the last one.
    fn close_operand(
        &mut self,
        mut target: Option<Target>,
        out: &mut dyn TileSink,
        rt: &dyn OpRt,
    ) -> Result<(), OpError> {
        while let Some(Target { node, .. }) = target {
            self.nodes[node].open -= 1;
            if self.nodes[node].open > 0 {
                return Ok(());
            }
            target = self.bound.nodes[node].target;
            let rows = self.nodes[node].node.close()?;
            for k in 0..rows {
                if let Some(series) = self.nodes[node].node.emit(k, &mut self.row)? {
                    self.push_row(target, series, out, rt)?;
                }
            }
            self.nodes[node].node.release(rt);
        }
        Ok(())
    }
}

impl TileProc for StageProc {
    fn push(
        &mut self,
        input: usize,
        tile: &RecordBatch,
        out: &mut dyn TileSink,
        rt: &dyn OpRt,
    ) -> Result<Flow, OpError> {
        rt.check()?;
        self.start_once(out, rt)?;
        let tile = TileView::new(tile, self.bound.grid.steps)?;
        let (of_fragment, partition) = self.place(input);
        let bound = Arc::clone(&self.bound);
        for (leaf, bound_leaf) in bound.leaves.iter().enumerate() {
            match &bound_leaf.kind {
                LeafKind::Series { fragment, offsets } if *fragment == of_fragment => {
                    self.push_series((leaf, offsets[partition]), &tile, out, rt)?;
                }
                LeafKind::Merge { fragment, of, .. } if *fragment == of_fragment => {
                    if let Some(states) = &mut self.leaves[leaf].states {
                        merge_tile(states, &of[partition], &tile)?;
                    }
                }
                _ => {}
            }
        }
        Ok(Flow::More)
    }

    fn end(&mut self, input: usize, out: &mut dyn TileSink, rt: &dyn OpRt) -> Result<(), OpError> {
        self.start_once(out, rt)?;
        let (of_fragment, _) = self.place(input);
        let bound = Arc::clone(&self.bound);
        for (leaf, of) in bound.leaves.iter().enumerate() {
            let reads = match &of.kind {
                LeafKind::Series { fragment, .. } | LeafKind::Merge { fragment, .. } => {
                    *fragment == of_fragment
                }
                LeafKind::Vector(_) => false,
            };
            if reads && self.leaves[leaf].open > 0 {
                self.leaves[leaf].open -= 1;
                if self.leaves[leaf].open == 0 {
                    self.close_leaf(leaf, out, rt)?;
                }
            }
        }
        let has_ended = self.leaves.iter().all(|leaf| leaf.open == 0);
        if has_ended && !self.output.is_empty() {
            out.emit(self.output.take()?)?;
        }
        Ok(())
    }
}

/// Merges the groups of a state tile into those that `group_of` names.
fn merge_tile(
    states: &mut GroupStates,
    group_of: &[u32],
    tile: &TileView<'_>,
) -> Result<(), OpError> {
    for (i, group) in tile.series().iter().enumerate() {
        states.merge(group_of[*group as usize] as usize, &tile.parts(i))?;
    }
    Ok(())
}

fn start_node(kind: &NodeKind, steps: usize, rt: &dyn OpRt) -> Result<Box<dyn RowNode>, OpError> {
    Ok(match kind {
        NodeKind::Map(step) => Box::new(MapNode(step.clone())),
        NodeKind::Unique { map, refuses } => {
            let rows = Rows::new(steps, map.sharers.len());
            Box::new(UniqueNode { map: Arc::clone(map), refuses: *refuses, rows })
        }
        NodeKind::Aggregate { op, map } => {
            let states = GroupStates::reserve(*op, map.groups.len(), steps, rt)?;
            Box::new(AggregateNode { map: Arc::clone(map), states })
        }
        NodeKind::Binary { op, is_bool, table } => {
            Box::new(BinaryNode::new(*op, *is_bool, Arc::clone(table), steps))
        }
        NodeKind::Quantile { phi, map } => {
            Box::new(QuantileNode::new(phi.clone(), Arc::clone(map), steps))
        }
    })
}
