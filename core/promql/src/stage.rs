//! The final stage: what the querier computes over the results of the fragments.
//!
//! Bind, then run. The plan ([`FinalStage`]) is a tree; once every partition of every fragment has
//! sent its roster, [`FinalStage::bind`] computes all group maps, match tables and result labels.
//! The bound tree is one [`TileOp`]; its inputs are (fragment, partition) pairs, numbered by
//! [`BoundStage::input`]; its output tiles are series tiles over [`BoundStage::roster`].
//!
//! ```text
//!  tiles of (fragment, partition) ─► leaf ─row─► node ─row─► node ─row─► output tiles
//!                                    series: partition's index → roster's index
//!                                    merge:  partial states → groups, rows at the end
//! ```
//!
//! Rows are pushed upwards one at a time. A node either changes the row in place and lets it pass, or
//! keeps what it needs and emits its own rows when all of its children have ended. A row without
//! a value is never pushed.

use std::fmt;
use std::sync::Arc;

use crate::ast::{AggregateOp, BinaryOp, Grouping, Matching};
use crate::bind::{BucketMap, DuplicateMap, GroupMap, MatchTable, roster_without_name};
use crate::fragment::{Duplicates, Fragment, MapStep, ScalarOperand};
use crate::grid::Grid;
use crate::op::{OpError, OpRt, TileOp, TileProc};
use crate::roster::{Roster, SharedRoster, series_index};

mod aggregate;
mod binary;
mod explain;
mod node;
mod proc;
mod quantile;
mod unique;

/// A tree of operators over the results of fragments.
#[derive(Debug, Clone)]
pub enum FinalStage {
    /// The series of a fragment without aggregate, all partitions together.
    Series {
        /// Which fragment.
        fragment: usize,
        /// What equal labels mean there; [`Fragment::duplicates`].
        duplicates: Duplicates,
    },
    /// The groups of a fragment with a partial aggregate, merged from all partitions.
    Merge {
        /// Which fragment.
        fragment: usize,
        /// Its aggregation.
        op: AggregateOp,
    },
    /// `vector(scalar)`: one series without labels.
    Vector(ScalarOperand),
    /// `op by (…) (inner)`; the operators of [`crate::fragment::PartialAggregate`].
    Aggregate {
        /// The operator.
        op: AggregateOp,
        /// The groups.
        grouping: Grouping,
        /// The operand.
        inner: Box<Self>,
    },
    /// One step per series.
    Map {
        /// Which.
        step: MapStep,
        /// The operand.
        inner: Box<Self>,
    },
    /// `left op right`, series matched one to one.
    Binary {
        /// Arithmetic or comparison.
        op: BinaryOp,
        /// Whether a comparison yields 0 and 1.
        is_bool: bool,
        /// How series find their partners; no `group_left`, no `fill`.
        matching: Matching,
        /// The left operand.
        left: Box<Self>,
        /// The right operand.
        right: Box<Self>,
    },
    /// `histogram_quantile(φ, inner)` over classic buckets.
    HistogramQuantile {
        /// φ.
        phi: ScalarOperand,
        /// The buckets.
        inner: Box<Self>,
    },
}

/// A final stage with all of its tables; cheap to clone.
#[derive(Debug, Clone)]
pub struct BoundStage(Arc<Bound>);

#[derive(Debug)]
struct Bound {
    grid: Grid,
    roster: SharedRoster,
    /// Number of partitions of each fragment.
    partitions: Vec<usize>,
    leaves: Vec<BoundLeaf>,
    nodes: Vec<BoundNode>,
    explanation: String,
}

/// Where rows go.
#[derive(Debug, Clone, Copy)]
struct Target {
    node: usize,
    operand: usize,
}

#[derive(Debug)]
struct BoundLeaf {
    /// `None` for the output.
    target: Option<Target>,
    kind: LeafKind,
}

#[derive(Debug)]
enum LeafKind {
    /// For each partition, what is added to its series' numbers.
    Series {
        fragment: usize,
        offsets: Vec<u32>,
    },
    /// For each partition, the group of each of its groups.
    Merge {
        fragment: usize,
        op: AggregateOp,
        groups: usize,
        of: Vec<Vec<u32>>,
    },
    Vector(ScalarOperand),
}

#[derive(Debug)]
struct BoundNode {
    /// `None` for the output.
    target: Option<Target>,
    operands: usize,
    kind: NodeKind,
}

#[derive(Debug)]
enum NodeKind {
    Map(MapStep),
    Unique { map: Arc<DuplicateMap>, refuses: bool },
    Aggregate { op: AggregateOp, map: Arc<GroupMap> },
    Binary { op: BinaryOp, is_bool: bool, table: Arc<MatchTable> },
    Quantile { phi: ScalarOperand, map: Arc<BucketMap> },
}

/// Gathers leaves and nodes, operands before their operators.
struct Binder<'a> {
    rosters: &'a [Vec<SharedRoster>],
    leaves: Vec<BoundLeaf>,
    nodes: Vec<BoundNode>,
}

/// Something that pushes rows, and the series they are of.
struct Producer {
    roster: SharedRoster,
    from: Source,
}

/// What pushes rows.
#[derive(Clone, Copy)]
enum Source {
    Leaf(usize),
    Node(usize),
}

// === impl FinalStage ===

impl FinalStage {
    /// The leaf that reads fragment number `fragment`.
    #[must_use]
    pub fn of_fragment(fragment: usize, of: &Fragment) -> Self {
        match &of.aggregate {
            Some(aggregate) => Self::Merge { fragment, op: aggregate.op },
            None => Self::Series { fragment, duplicates: of.duplicates() },
        }
    }

    /// Computes all tables. `rosters[f][p]` is the roster that partition `p` sent for fragment
    /// `f`; the caller chooses the order of partitions.
    #[must_use]
    pub fn bind(&self, grid: Grid, rosters: &[Vec<SharedRoster>]) -> BoundStage {
        let mut binder = Binder { rosters, leaves: vec![], nodes: vec![] };
        let roster = binder.bind(self).roster;
        BoundStage(Arc::new(Bound {
            grid,
            roster,
            partitions: rosters.iter().map(Vec::len).collect(),
            leaves: binder.leaves,
            nodes: binder.nodes,
            explanation: self.to_string(),
        }))
    }
}

// === impl BoundStage ===

impl BoundStage {
    /// The series that output tiles number.
    #[must_use]
    pub fn roster(&self) -> &SharedRoster {
        &self.0.roster
    }

    /// The instants of the output tiles.
    #[must_use]
    pub fn grid(&self) -> Grid {
        self.0.grid
    }

    /// The number of the input for tiles of partition `partition` of fragment `fragment`.
    #[must_use]
    pub fn input(&self, fragment: usize, partition: usize) -> usize {
        self.0.partitions[..fragment].iter().sum::<usize>() + partition
    }

    /// How many inputs there are. Each has to be ended; when there is none, `end(0, …)` is called
    /// all the same.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.0.partitions.iter().sum()
    }
}

impl TileOp for BoundStage {
    fn name(&self) -> &'static str {
        "FinalStage"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.explanation)
    }

    fn start(&self, rt: &dyn OpRt) -> Result<Box<dyn TileProc>, OpError> {
        Ok(Box::new(proc::StageProc::start(Arc::clone(&self.0), rt)?))
    }
}

// === impl Binder ===

impl Binder<'_> {
    fn bind(&mut self, stage: &FinalStage) -> Producer {
        match stage {
            FinalStage::Series { fragment, duplicates } => self.bind_series(*fragment, *duplicates),
            FinalStage::Merge { fragment, op } => {
                let (roster, of) = GroupMap::merge(&self.rosters[*fragment]);
                let groups = roster.len();
                self.leaf(roster, LeafKind::Merge { fragment: *fragment, op: *op, groups, of })
            }
            FinalStage::Vector(scalar) => {
                let roster = Roster::shared(vec![model::Labels::empty()]);
                self.leaf(roster, LeafKind::Vector(scalar.clone()))
            }
            FinalStage::Aggregate { op, grouping, inner } => {
                let inner = self.bind(inner);
                let map = GroupMap::bind(&inner.roster, grouping, false);
                let groups = SharedRoster::clone(&map.groups);
                self.node(&[inner], groups, NodeKind::Aggregate { op: *op, map: Arc::new(map) })
            }
            FinalStage::Map { step, inner } => self.bind_map(step, inner),
            FinalStage::Binary { op, is_bool, matching, left, right } => {
                let (left, right) = (self.bind(left), self.bind(right));
                let table = MatchTable::bind(*op, *is_bool, matching, &left.roster, &right.roster);
                let roster = SharedRoster::clone(&table.roster);
                let kind = NodeKind::Binary { op: *op, is_bool: *is_bool, table: Arc::new(table) };
                let result = self.node(&[left, right], roster, kind);
                self.unique(result, false)
            }
            FinalStage::HistogramQuantile { phi, inner } => {
                let inner = self.bind(inner);
                let map = BucketMap::bind(&inner.roster);
                let roster = SharedRoster::clone(&map.roster);
                let kind = NodeKind::Quantile { phi: phi.clone(), map: Arc::new(map) };
                let result = self.node(&[inner], roster, kind);
                self.unique(result, false)
            }
        }
    }

    fn bind_series(&mut self, fragment: usize, duplicates: Duplicates) -> Producer {
        let partitions = &self.rosters[fragment];
        let mut series = Vec::with_capacity(partitions.iter().map(|roster| roster.len()).sum());
        let mut offsets = Vec::with_capacity(partitions.len());
        for roster in partitions {
            offsets.push(series_index(series.len()));
            series.extend_from_slice(&roster.series);
        }
        let all = self.leaf(Roster::shared(series), LeafKind::Series { fragment, offsets });
        match duplicates {
            Duplicates::None => all,
            Duplicates::Merge => self.unique(all, false),
            Duplicates::Refuse => self.unique(all, true),
        }
    }

    fn bind_map(&mut self, step: &MapStep, inner: &FinalStage) -> Producer {
        let inner = self.bind(inner);
        if !step.drops_name() {
            let roster = SharedRoster::clone(&inner.roster);
            return self.node(&[inner], roster, NodeKind::Map(step.clone()));
        }
        let roster = roster_without_name(&inner.roster);
        let result = self.node(&[inner], roster, NodeKind::Map(step.clone()));
        self.unique(result, matches!(step, MapStep::Negate))
    }

    /// Lets series with equal labels become one, if there are any.
    fn unique(&mut self, producer: Producer, refuses: bool) -> Producer {
        match DuplicateMap::find(&producer.roster) {
            None => producer,
            Some(map) => {
                let roster = SharedRoster::clone(&map.roster);
                self.node(&[producer], roster, NodeKind::Unique { map: Arc::new(map), refuses })
            }
        }
    }

    fn leaf(&mut self, roster: SharedRoster, kind: LeafKind) -> Producer {
        self.leaves.push(BoundLeaf { target: None, kind });
        Producer { roster, from: Source::Leaf(self.leaves.len() - 1) }
    }

    fn node(&mut self, operands: &[Producer], roster: SharedRoster, kind: NodeKind) -> Producer {
        let at = self.nodes.len();
        for (operand, producer) in operands.iter().enumerate() {
            let target = Some(Target { node: at, operand });
            match producer.from {
                Source::Leaf(leaf) => self.leaves[leaf].target = target,
                Source::Node(node) => self.nodes[node].target = target,
            }
        }
        self.nodes.push(BoundNode { target: None, operands: operands.len(), kind });
        Producer { roster, from: Source::Node(at) }
    }
}

#[cfg(test)]
mod tests;
