//! The only DataFusion plan node that computes PromQL: [`PromqlExec`] runs a whole final stage.
//!
//! A plan is built directly, once per query, after every partition of every fragment has sent its
//! roster; it is executed at once and thrown away. One node for the whole tree, instead of a node an
//! operator, because operators exchange rows without queues, tasks or batches of their own.
//!
//! ```text
//!  PromqlExec            one output partition: series tiles
//!  ├ RemoteFragmentExec  fragment #0: tiles, each row tagged with its partition
//!  └ RemoteFragmentExec  fragment #1
//! ```
//!
//! Inputs are polled together, so that a slow fragment holds up no other. Dropping the stream drops
//! the inputs and with them the calls to the ingesters.

pub(crate) mod budget;
mod failure;
pub(crate) mod remote;

use std::any::type_name;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::stream::{BoxStream, SelectAll, StreamExt};
use promql::op::{TileOp, TileProc};
use promql::stage::BoundStage;
use promql::tile::TileBuilder;

use budget::Budget;
pub(crate) use failure::from_datafusion;
use failure::to_datafusion;
use remote::take_partition;

/// A bound final stage over the fragments that it reads.
#[derive(Debug)]
pub(crate) struct PromqlExec {
    stage: BoundStage,
    /// One for each fragment, in the order of their numbers.
    fragments: Vec<Arc<dyn ExecutionPlan>>,
    /// How many partitions each fragment has.
    partitions: Vec<usize>,
    budget: Arc<Budget>,
    properties: Arc<PlanProperties>,
}

/// What an input has to say.
enum Message {
    Tile(RecordBatch),
    End,
}

/// A final stage that is being executed.
struct Running {
    stage: BoundStage,
    partitions: Vec<usize>,
    proc: Box<dyn TileProc>,
    inputs: SelectAll<BoxStream<'static, Result<(usize, Message)>>>,
    budget: Arc<Budget>,
    ready: VecDeque<RecordBatch>,
    has_ended: bool,
}

// === impl PromqlExec ===

impl PromqlExec {
    /// A plan of `stage` over `fragments`, which have so many `partitions`.
    pub(crate) fn new(
        stage: BoundStage,
        fragments: Vec<Arc<dyn ExecutionPlan>>,
        partitions: Vec<usize>,
        budget: Arc<Budget>,
    ) -> Result<Self> {
        let tile = TileBuilder::for_series(stage.grid().steps).take().map_err(to_datafusion)?;
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(tile.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Both,
            Boundedness::Bounded,
        ));
        Ok(Self { stage, fragments, partitions, budget, properties })
    }
}

impl DisplayAs for PromqlExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PromqlExec: ")?;
        self.stage.describe(f)
    }
}

impl ExecutionPlan for PromqlExec {
    fn name(&self) -> &'static str {
        "PromqlExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.fragments.iter().collect()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != self.fragments.len() {
            let (got, wanted) = (children.len(), self.fragments.len());
            let text = format!("{} needs {wanted} inputs, got {got}", type_name::<Self>());
            return Err(DataFusionError::Internal(text));
        }
        let (stage, partitions) = (self.stage.clone(), self.partitions.clone());
        Ok(Arc::new(Self::new(stage, children, partitions, Arc::clone(&self.budget))?))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        _partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut inputs = SelectAll::new();
        for (fragment, plan) in self.fragments.iter().enumerate() {
            let parts = plan.properties().output_partitioning().partition_count();
            let streams = (0..parts).map(|part| plan.execute(part, Arc::clone(&context)));
            let tiles = futures::stream::select_all(streams.collect::<Result<Vec<_>>>()?);
            let messages = tiles.map(move |tile| Ok((fragment, Message::Tile(tile?))));
            let end = futures::stream::once(async move { Ok((fragment, Message::End)) });
            inputs.push(messages.chain(end).boxed());
        }
        let running = Running {
            proc: self.stage.start(&*self.budget).map_err(to_datafusion)?,
            stage: self.stage.clone(),
            partitions: self.partitions.clone(),
            inputs,
            budget: Arc::clone(&self.budget),
            ready: VecDeque::new(),
            has_ended: false,
        };
        let tiles = futures::stream::try_unfold(running, |mut running| async move {
            Ok(running.next().await?.map(|tile| (tile, running)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), tiles)))
    }
}

// === impl Running ===

impl Running {
    /// The next tile of the result.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(tile) = self.ready.pop_front() {
                return Ok(Some(tile));
            }
            if self.has_ended {
                return Ok(None);
            }
            match self.inputs.next().await.transpose()? {
                Some((fragment, message)) => {
                    self.take(fragment, message)?;
                    // A tile may have kept this thread for a while, and all inputs may be ready:
                    // other queries and the deadline get their chance here.
                    tokio::task::yield_now().await;
                }
                None => self.end()?,
            }
        }
    }

    fn take(&mut self, fragment: usize, message: Message) -> Result<()> {
        let mut out = vec![];
        match message {
            Message::Tile(tagged) => {
                let Some((partition, tile)) = take_partition(&tagged)? else { return Ok(()) };
                let input = self.stage.input(fragment, partition);
                self.proc.push(input, &tile, &mut out, &*self.budget).map_err(to_datafusion)?;
            }
            Message::End => {
                for partition in 0..self.partitions[fragment] {
                    let input = self.stage.input(fragment, partition);
                    self.proc.end(input, &mut out, &*self.budget).map_err(to_datafusion)?;
                }
            }
        }
        self.ready.extend(out);
        Ok(())
    }

    /// All inputs have ended.
    fn end(&mut self) -> Result<()> {
        self.has_ended = true;
        if self.stage.inputs() == 0 {
            let mut out = vec![];
            self.proc.end(0, &mut out, &*self.budget).map_err(to_datafusion)?;
            self.ready.extend(out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
