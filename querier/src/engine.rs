//! From question to answer: parse, wait for a turn, plan, bind, run.
//!
//! What a text alone can tell (a parse error, a wrong type) is told before the query takes a turn, so
//! that bad queries are cheap. Everything after is under one deadline and one budget; dropping the
//! future at any point gives all of it back.

pub(crate) mod turn;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use cluster::IngesterClient;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use futures::future::try_join_all;
use futures::stream::StreamExt;
use model::{Failure, FailureKind, TenantId};
use promql::ast::{Expr, ValueType};
use promql::fragment::{Fragment, ScalarOperand};
use promql::grid::Grid;
use promql::op::OpRt;
use promql::parse::{ParseOptions, parse};
use promql::position::ParseErrors;
use promql::refuse::refuse;
use promql::roster::{Roster, SharedRoster};
use promql::stage::FinalStage;
use tokio::time::Instant;

use crate::config::Config;
use crate::exec::budget::{Budget, BudgetLimits, timed_out};
use crate::exec::remote::{OpenFragment, RemoteFragmentExec};
use crate::exec::{PromqlExec, from_datafusion};
use crate::metrics::QuerierMetrics;
use crate::plan::{Plan, PlanContext};
use crate::value::{Rows, Value};
use turn::Turns;

/// Evaluates queries.
#[derive(Debug)]
pub(crate) struct Engine {
    client: Arc<dyn IngesterClient>,
    /// DataFusion's runtime: one for as long as the querier lives.
    context: Arc<TaskContext>,
    limits: BudgetLimits,
    timeout: Duration,
    lookback_ms: i64,
    turns: Turns,
    metrics: Arc<QuerierMetrics>,
}

/// One query with everything that its request says.
#[derive(Debug)]
pub(crate) struct Question {
    /// Whose series.
    pub(crate) tenant: TenantId,
    /// The query's text.
    pub(crate) text: String,
    /// When it is evaluated.
    pub(crate) grid: Grid,
    /// Whether the answer is a matrix over the grid.
    pub(crate) is_range: bool,
    /// Instead of the configured one.
    pub(crate) lookback_ms: Option<i64>,
    /// Shortens the configured one.
    pub(crate) timeout: Option<Duration>,
}

// === impl Engine ===

impl Engine {
    /// An engine with its own DataFusion runtime.
    pub(crate) fn new(
        config: &Config,
        client: Arc<dyn IngesterClient>,
        metrics: Arc<QuerierMetrics>,
    ) -> DataFusionResult<Self> {
        let pool = Arc::new(GreedyMemoryPool::new(config.total_memory_bytes_max));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc()?;
        let context = TaskContext::new(
            None,
            "promql".to_owned(),
            SessionConfig::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            runtime,
        );
        Ok(Self {
            client,
            context: Arc::new(context),
            limits: BudgetLimits {
                memory_bytes_max: config.query_memory_bytes_max,
                samples_max: config.samples_max,
            },
            timeout: Duration::from_millis(config.timeout_ms.unsigned_abs()),
            lookback_ms: config.lookback_ms,
            turns: Turns::new(config.concurrency_max, config.queued_max, Arc::clone(&metrics)),
            metrics,
        })
    }

    /// The pool that all queries draw from.
    pub(crate) fn memory_pool(&self) -> &Arc<dyn MemoryPool> {
        self.context.memory_pool()
    }

    /// Answers `question`.
    ///
    /// # Errors
    /// When the text is not a query that can be executed, a limit is exceeded, or a partition cannot
    /// be read.
    pub(crate) async fn answer(&self, question: Question) -> Result<Value, Failure> {
        let started = Instant::now();
        let answer = self.answer_by(started, question).await;
        match &answer {
            Ok(_) => self.metrics.observe_query(started.elapsed()),
            Err(failure) => self.metrics.count_failure(failure.id),
        }
        answer
    }

    async fn answer_by(&self, started: Instant, question: Question) -> Result<Value, Failure> {
        let expr = read(&question)?;
        let context = PlanContext {
            tenant: &question.tenant,
            grid: question.grid,
            lookback_ms: question.lookback_ms.unwrap_or(self.lookback_ms),
        };
        let plan = Plan::of(&expr, &context)?;
        drop(expr);
        let timeout = question.timeout.map_or(self.timeout, |timeout| timeout.min(self.timeout));
        let deadline = started + timeout;
        let turn = self.turns.wait(deadline).await?;
        let budget = Arc::new(Budget::new(&self.context, self.limits, deadline, turn));
        let run = self.run(plan, &question, budget);
        let answer = tokio::time::timeout_at(deadline, run).await;
        answer.unwrap_or_else(|_| Err(timed_out("expression evaluation").failure))
    }

    async fn run(
        &self,
        plan: Plan,
        question: &Question,
        budget: Arc<Budget>,
    ) -> Result<Value, Failure> {
        let (grid, at_ms) = (question.grid, question.grid.start_ms);
        match plan {
            Plan::Text(text) => Ok(Value::Text { at_ms, text }),
            Plan::Scalar(ScalarOperand::Constant(value)) if !question.is_range => {
                Ok(Value::Scalar { at_ms, value })
            }
            Plan::Scalar(scalar) => {
                let rows = self.run_stage(grid, vec![], FinalStage::Vector(scalar), budget);
                Ok(Value::Matrix(rows.await?))
            }
            Plan::Samples(fragment) => Ok(Value::Matrix(self.run_samples(fragment, budget).await?)),
            Plan::Vector { fragments, stage } => {
                let rows = self.run_stage(grid, fragments, stage, budget).await?;
                Ok(if question.is_range { Value::Matrix(rows) } else { Value::Vector(rows) })
            }
        }
    }

    /// Binds and executes a final stage.
    async fn run_stage(
        &self,
        grid: Grid,
        fragments: Vec<Fragment>,
        stage: FinalStage,
        budget: Arc<Budget>,
    ) -> Result<Rows, Failure> {
        let opened = try_join_all(fragments.into_iter().map(|fragment| {
            let budget = Arc::clone(&budget);
            async move { self.open(fragment, budget).await }
        }));
        let opened = opened.await?;
        let rosters: Vec<_> = opened.iter().map(|(_, open)| open.rosters()).collect();
        let bound = stage.bind(grid, &rosters);
        let partitions = rosters.iter().map(Vec::len).collect();
        let roster = SharedRoster::clone(bound.roster());
        let plan = opened
            .into_iter()
            .map(|(fragment, open)| {
                let leaf = RemoteFragmentExec::new(&fragment, open)?;
                Ok(Arc::new(leaf) as Arc<dyn ExecutionPlan>)
            })
            .collect::<DataFusionResult<Vec<_>>>()
            .and_then(|leaves| PromqlExec::new(bound, leaves, partitions, Arc::clone(&budget)))
            .map_err(|error| from_datafusion(&error))?;
        let tiles = self.execute(&plan, &budget).await?;
        Rows::of_tiles(grid, roster, tiles, budget)
    }

    /// Executes a fragment whose samples are the answer.
    async fn run_samples(&self, fragment: Fragment, budget: Arc<Budget>) -> Result<Rows, Failure> {
        let (_, mut open) = self.open(fragment, Arc::clone(&budget)).await?;
        let (mut series, mut offsets) = (vec![], vec![]);
        for roster in open.rosters() {
            offsets.push(series.len());
            series.extend_from_slice(&roster.series);
        }
        let mut tiles = vec![];
        while let Some((partition, tile)) = open.next().await? {
            budget.check().map_err(|error| error.failure)?;
            budget.reserve(tile.get_array_memory_size()).map_err(|error| error.failure)?;
            tiles.push((offsets[partition], tile));
        }
        Rows::of_samples(Roster::shared(series), tiles, budget)
    }

    async fn open(
        &self,
        fragment: Fragment,
        budget: Arc<Budget>,
    ) -> Result<(Fragment, OpenFragment), Failure> {
        let metrics = Arc::clone(&self.metrics);
        let open = OpenFragment::open(&*self.client, fragment.clone(), budget, metrics).await?;
        Ok((fragment, open))
    }

    async fn execute(
        &self,
        plan: &PromqlExec,
        budget: &Budget,
    ) -> Result<Vec<RecordBatch>, Failure> {
        let stream = plan.execute(0, Arc::clone(&self.context));
        let mut stream: SendableRecordBatchStream =
            stream.map_err(|error| from_datafusion(&error))?;
        let mut tiles = vec![];
        while let Some(tile) = stream.next().await {
            let tile = tile.map_err(|error| from_datafusion(&error))?;
            budget.reserve(tile.get_array_memory_size()).map_err(|error| error.failure)?;
            tiles.push(tile);
        }
        Ok(tiles)
    }
}

/// Everything that the text alone tells.
fn read(question: &Question) -> Result<Expr, Failure> {
    let expr = parse(&question.text, &ParseOptions::default()).map_err(|e| invalid_query(&e))?;
    let got = expr.value_type();
    if question.is_range && !matches!(got, ValueType::Scalar | ValueType::Vector) {
        return Err(invalid(format!(
            "invalid parameter \"query\": invalid expression type \"{got}\" for range query, must \
             be Scalar or instant Vector"
        )));
    }
    refuse(&question.text, &expr).map_err(|e| invalid_query(&e))?;
    Ok(expr)
}

fn invalid_query(errors: &ParseErrors) -> Failure {
    invalid(format!("invalid parameter \"query\": {errors}"))
}

fn invalid(text: String) -> Failure {
    Failure::new(FailureKind::Invalid, "err-varve-invalid-query", text)
}
