//! The leaf: the tiles of one fragment as a DataFusion plan, a partition of which is the stream of one
//! ingester node.
//!
//! A fragment is opened before the plan exists, because binding needs the rosters of all partitions.
//! What arrives meanwhile is kept. Tiles are passed on partition by partition, in the order of the
//! routes, whatever the order of arrival: sums over the same data are then the same bits each time.
//!
//! ```text
//!  partition: UInt32 │ series: UInt32 │ cells …      the columns of promql::tile behind the tag
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use cluster::client::FragmentStream;
use cluster::{FragmentMessage, IngesterClient};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::stream::StreamExt;
use model::{Failure, FailureKind, PartitionId};
use parking_lot::Mutex;
use promql::fragment::{Fragment, Window};
use promql::kernel::aggregate::state_parts;
use promql::op::OpRt;
use promql::roster::SharedRoster;
use promql::tile::{SamplesBuilder, TileBuilder};

use super::budget::Budget;
use super::failure::to_datafusion;
use crate::metrics::QuerierMetrics;
use crate::plan::FragmentLine;

/// A fragment that runs, all of whose rosters have arrived.
pub(crate) struct OpenFragment {
    stream: FragmentStream,
    partitions: Vec<Source>,
    /// The partition whose tiles are being passed on.
    turn: usize,
    budget: Arc<Budget>,
    metrics: Arc<QuerierMetrics>,
}

/// What one partition has sent.
struct Source {
    id: PartitionId,
    roster: Option<SharedRoster>,
    kept: VecDeque<RecordBatch>,
    has_ended: bool,
}

/// The tiles of an [`OpenFragment`].
pub(crate) struct RemoteFragmentExec {
    description: String,
    /// Taken by the one execution that there is.
    open: Mutex<Option<OpenFragment>>,
    properties: Arc<PlanProperties>,
}

// === impl OpenFragment ===

impl OpenFragment {
    /// Sends `fragment` to all partitions and waits for their rosters.
    pub(crate) async fn open(
        client: &dyn IngesterClient,
        fragment: Fragment,
        budget: Arc<Budget>,
        metrics: Arc<QuerierMetrics>,
    ) -> std::result::Result<Self, Failure> {
        metrics.fragments.inc();
        let routes = client.routes().current();
        let partitions = routes.partitions.iter().map(|partition| Source::new(partition.id));
        let partitions = partitions.collect();
        let stream = client.run(fragment).await?;
        let mut open = Self { stream, partitions, turn: 0, budget, metrics };
        while open.partitions.iter().any(|partition| partition.roster.is_none()) {
            open.receive().await?;
        }
        Ok(open)
    }

    /// The partitions' rosters, in the order of partitions.
    pub(crate) fn rosters(&self) -> Vec<SharedRoster> {
        let rosters = self.partitions.iter().filter_map(|partition| partition.roster.as_ref());
        rosters.map(SharedRoster::clone).collect()
    }

    /// The next tile and the number of its partition.
    pub(crate) async fn next(
        &mut self,
    ) -> std::result::Result<Option<(usize, RecordBatch)>, Failure> {
        while let Some(partition) = self.partitions.get_mut(self.turn) {
            if let Some(tile) = partition.kept.pop_front() {
                self.budget.release(tile.get_array_memory_size());
                return Ok(Some((self.turn, tile)));
            }
            if partition.has_ended {
                self.turn += 1;
                continue;
            }
            self.receive().await?;
        }
        Ok(None)
    }

    /// Takes one message of the stream in.
    async fn receive(&mut self) -> std::result::Result<(), Failure> {
        let message = self.stream.next().await.ok_or_else(cut_off)??;
        match message {
            FragmentMessage::Roster { partition, roster } => {
                self.source(partition)?.roster = Some(roster);
            }
            FragmentMessage::Tile { partition, tile } => {
                self.metrics.fragment_rows.inc_by(tile.num_rows() as u64);
                self.budget.count_samples(samples_of(&tile)).map_err(|e| e.failure)?;
                self.budget.reserve(tile.get_array_memory_size()).map_err(|e| e.failure)?;
                self.source(partition)?.kept.push_back(tile);
            }
            FragmentMessage::End { partition, samples_read } => {
                self.metrics.samples_read.inc_by(samples_read);
                let source = self.source(partition)?;
                source.has_ended = true;
                if source.roster.is_none() {
                    return Err(cut_off());
                }
            }
        }
        Ok(())
    }

    fn source(&mut self, id: PartitionId) -> std::result::Result<&mut Source, Failure> {
        let source = self.partitions.iter_mut().find(|source| source.id == id);
        source.ok_or_else(|| {
            Failure::new(
                FailureKind::Unavailable,
                "err-varve-routes-changed",
                format!("partition {} joined while the query was running; please retry", id.0),
            )
        })
    }
}

// === impl Source ===

impl Source {
    const fn new(id: PartitionId) -> Self {
        Self { id, roster: None, kept: VecDeque::new(), has_ended: false }
    }
}

// === impl RemoteFragmentExec ===

impl RemoteFragmentExec {
    /// A plan that reads `open`, which runs `fragment`.
    pub(crate) fn new(fragment: &Fragment, open: OpenFragment) -> Result<Self> {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(tagged_schema(fragment)?),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            description: FragmentLine(fragment).to_string(),
            open: Mutex::new(Some(open)),
            properties: Arc::new(properties),
        })
    }
}

impl fmt::Debug for RemoteFragmentExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFragmentExec")
            .field("fragment", &self.description)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for RemoteFragmentExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteFragmentExec: {}", self.description)
    }
}

impl ExecutionPlan for RemoteFragmentExec {
    fn name(&self) -> &'static str {
        "RemoteFragmentExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(open) = self.open.lock().take() else {
            let text = "a fragment can be executed only once".to_owned();
            return Err(DataFusionError::Internal(text));
        };
        let schema = self.schema();
        let tag_schema = SchemaRef::clone(&schema);
        let tiles = futures::stream::try_unfold((open, tag_schema), |(mut open, schema)| async {
            let next = open.next().await;
            let next = next.map_err(|failure| DataFusionError::External(Box::new(failure)))?;
            let Some((partition, tile)) = next else { return Ok(None) };
            let tagged = put_partition(&schema, partition, &tile)?;
            Ok(Some((tagged, (open, schema))))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, tiles)))
    }
}

/// A tile with the number of its partition in front of each row.
fn put_partition(schema: &SchemaRef, partition: usize, tile: &RecordBatch) -> Result<RecordBatch> {
    let partition = u32::try_from(partition)
        .map_err(|_| DataFusionError::Internal("more than 2^32 partitions".to_owned()))?;
    let tag: ArrayRef = Arc::new(UInt32Array::from_value(partition, tile.num_rows()));
    let columns = std::iter::once(tag).chain(tile.columns().iter().cloned()).collect();
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
}

/// Undoes [`put_partition`]; `None` for a tile without rows, which says nothing.
pub(super) fn take_partition(tagged: &RecordBatch) -> Result<Option<(usize, RecordBatch)>> {
    let tags = tagged.columns().first().and_then(|column| column.as_primitive_opt::<UInt32Type>());
    let Some(tags) = tags else {
        return Err(DataFusionError::Internal("a tile has lost its partition".to_owned()));
    };
    let Some(partition) = tags.values().first() else { return Ok(None) };
    let columns: Vec<usize> = (1..tagged.num_columns()).collect();
    Ok(Some((*partition as usize, tagged.project(&columns)?)))
}

fn tagged_schema(fragment: &Fragment) -> Result<SchemaRef> {
    let steps = fragment.grid.steps;
    let tile = match (&fragment.window, &fragment.aggregate) {
        (Window::Samples { .. }, _) => SamplesBuilder::default().take(),
        (_, None) => TileBuilder::for_series(steps).take(),
        (_, Some(aggregate)) => {
            state_parts(aggregate.op).and_then(|parts| TileBuilder::new(steps, parts).take())
        }
    };
    let tile = tile.map_err(to_datafusion)?.schema();
    let tag = Arc::new(Field::new("partition", DataType::UInt32, false));
    let fields = std::iter::once(tag).chain(tile.fields().iter().cloned());
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// Samples that a tile brings into memory.
fn samples_of(tile: &RecordBatch) -> usize {
    let Some(column) = tile.columns().get(1) else { return 0 };
    if let Some(cells) = column.as_fixed_size_list_opt() {
        return cells.values().len();
    }
    column.as_list_opt::<i32>().map_or(0, |samples| samples.values().len())
}

fn cut_off() -> Failure {
    Failure::new(
        FailureKind::Unavailable,
        "err-varve-fragment-cut-off",
        "a partition stopped before it had sent everything; please retry",
    )
}
