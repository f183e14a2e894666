//! The ingester of a node: its partitions opened, written to, read from, and closed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use chassis::{Context, Readiness};
use cluster::client::{FamilyMetadata, FragmentStream, SeriesRequest};
use cluster::{AppendAck, IngesterClient, RoutesWatch};
use model::{Failure, FailureKind, Labels, PartitionId, TenantId};
use promql::fragment::Fragment;
use tracing::info;
use uuid::Uuid;

use crate::append::{Appender, AppenderParts};
use crate::config::{Config, ConfigError};
use crate::gate::{Gate, Measure, System};
use crate::head::{Head, HeadError};
use crate::meta::Meta;
use crate::metrics::IngesterMetrics;
use crate::opening::{self, Opened};
use crate::raft::group::{Group, GroupError};
use crate::select::{self, QueryLimits};
use crate::storage::log::LogStore;
use crate::storage::{StateStore, StorageError};
use crate::upkeep::{self, Kept};

/// The raft log's folder, under the storage path.
pub(crate) const LOG_FOLDER: &str = "raft";
/// The state store's folder, under the storage path.
pub(crate) const STATE_FOLDER: &str = "state";

/// Keeps recent series for one node.
#[derive(Debug)]
pub struct Ingester {
    meta: Arc<Group<Meta>>,
    /// In order of id, from 0 without a gap: a node of one holds all of them.
    partitions: Vec<Kept>,
    routes: RoutesWatch,
    limits: QueryLimits,
    log: Arc<dyn LogStore>,
    state: Arc<dyn StateStore>,
}

/// Why an ingester cannot start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The storage folder cannot be created.
    #[error("cannot create the folder {}; choose another with --storage.path", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// There is nothing to recover.
    #[error("{} holds no storage of a node; name its folder with --storage.path", path.display())]
    NoStorage {
        /// The folder.
        path: PathBuf,
    },
    /// The system has no thread to give.
    #[error("cannot start the log writer's threads")]
    Thread(#[source] io::Error),
    /// A replica lacks something that was acknowledged.
    #[error(
        "{what}; the node does not start from it: `varve recover --storage.path=…` says what would \
         be lost, and cuts it with --apply"
    )]
    Damaged {
        /// Which replica, what it has, and what is wrong.
        what: String,
    },
    /// The log and the meta group are of different clusters.
    #[error(
        "the node record is of cluster {node}, the meta group is of cluster {meta}: the folders raft \
         and state do not belong together; restore both from one copy, `varve recover` cannot mend it"
    )]
    OtherCluster {
        /// By the node record.
        node: Uuid,
        /// By the meta group.
        meta: Uuid,
    },
    /// The storage failed.
    #[error("{0}")]
    Failed(String),
    /// What is in the folder cannot be started from.
    #[error("cannot start from {}: {reason}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: Box<Self>,
    },
}

// === impl Error ===

impl Error {
    /// Names the folder whose content is at fault.
    fn at(self, path: &Path) -> Self {
        match self {
            Self::Damaged { .. } | Self::OtherCluster { .. } | Self::Failed(_) => {
                Self::Unusable { path: path.to_owned(), reason: Box::new(self) }
            }
            other => other,
        }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<GroupError> for Error {
    fn from(error: GroupError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<HeadError> for Error {
    fn from(error: HeadError) -> Self {
        Self::Failed(error.to_string())
    }
}

// === impl Ingester ===

impl Ingester {
    /// Opens the storage under `storage_path`, replays what the last checkpoints do not hold, and
    /// takes reads and writes from then on.
    ///
    /// # Errors
    /// When a setting or the folder cannot be used, or something acknowledged is missing.
    pub async fn start(
        config: Config,
        context: &Context,
        storage_path: &Path,
        progress: Readiness,
    ) -> Result<Arc<Self>, Error> {
        let measure = Box::new(System::new(storage_path.to_owned()));
        Self::start_measured(config, context, (storage_path, measure), progress).await
    }

    /// As [`Ingester::start`], with figures of `measure` for memory and disk.
    async fn start_measured(
        config: Config,
        context: &Context,
        (storage_path, measure): (&Path, Box<dyn Measure>),
        progress: Readiness,
    ) -> Result<Arc<Self>, Error> {
        config.validate()?;
        let opened = opening::open(&config, context, storage_path, &progress)
            .await
            .map_err(|error| error.at(storage_path))?;
        let Opened { log, state, meta, partitions } = opened;
        let routes = meta.machine().routes();
        let gate = gate(&config, measure);
        gate.watch(&context.tasks);
        let queue_bytes_max = usize::try_from(config.queue_bytes_max).unwrap_or(usize::MAX);
        let keep = |(id, group): (PartitionId, Arc<Group<Head>>)| {
            let parts = AppenderParts {
                partition: id,
                group: Arc::clone(&group),
                routes: routes.clone(),
                gate: gate.clone(),
                clock: Arc::clone(&context.clock),
                timeout: Duration::from_millis(config.write_timeout_ms),
                queue_bytes_max,
            };
            Kept { id, group, appender: Appender::start(parts, &context.tasks) }
        };
        let partitions: Vec<Kept> = partitions.into_iter().map(keep).collect();
        let heads = partitions.iter().map(|kept| Arc::clone(kept.group.machine())).collect();
        IngesterMetrics::register(&mut context.metrics.lock(), heads, &state);
        upkeep::start(partitions.clone(), &config, &context.tasks);
        let limits = query_limits(&config);
        Ok(Arc::new(Self { meta, partitions, routes, limits, log, state }))
    }

    /// What the ingester itself answers over HTTP.
    pub fn router(self: &Arc<Self>) -> Router {
        crate::http::router(self)
    }

    /// Takes a last checkpoint of everything, so that the next start has nothing to replay, and
    /// stops. Writes that come later are refused.
    ///
    /// # Errors
    /// When a checkpoint failed; the next start replays the log instead.
    pub async fn drain(&self) -> Result<(), Error> {
        for kept in &self.partitions {
            kept.group.checkpoint().await?;
        }
        self.meta.checkpoint().await?;
        for kept in &self.partitions {
            kept.group.stop().await;
        }
        self.meta.stop().await;
        let log = Arc::clone(&self.log);
        let flushed = tokio::task::spawn_blocking(move || log.flush()).await;
        flushed.unwrap_or(Err(StorageError::Closed))?;
        info!("the ingester has stopped after a last checkpoint");
        Ok(())
    }

    /// The partitions, for the status page.
    pub(crate) fn partitions(&self) -> &[Kept] {
        &self.partitions
    }

    /// The state store, for the status page.
    pub(crate) fn state(&self) -> &dyn StateStore {
        &*self.state
    }

    fn partition(&self, id: PartitionId) -> Result<&Kept, Failure> {
        self.partitions.get(id.0 as usize).filter(|kept| kept.id == id).ok_or_else(|| {
            Failure::new(
                FailureKind::Unavailable,
                "err-varve-stale-routes",
                format!("partition {} is not on this node; retry with fresh routes", id.0),
            )
        })
    }

    /// Every head, each current: a read of them sees every write that was acknowledged before.
    fn heads(&self) -> Result<Vec<Arc<Head>>, Failure> {
        let current = |kept: &Kept| {
            if kept.group.may_read() {
                return Ok(Arc::clone(kept.group.machine()));
            }
            let text = format!("partition {} has no leader here; retry", kept.id.0);
            Err(Failure::new(FailureKind::Unavailable, "err-varve-no-leader", text))
        };
        self.partitions.iter().map(current).collect()
    }

    /// Answers a question about labels off the runtime's workers: it may walk every series.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&[Arc<Head>]) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let heads = self.heads()?;
        tokio::task::spawn_blocking(move || question(&heads)).await.map_err(|error| {
            Failure::new(FailureKind::Internal, "err-varve-internal", error.to_string())
        })
    }
}

#[async_trait]
impl IngesterClient for Ingester {
    fn routes(&self) -> RoutesWatch {
        self.routes.clone()
    }

    async fn append(
        &self,
        partition: PartitionId,
        generation: u64,
        frame: Bytes,
    ) -> Result<AppendAck, Failure> {
        self.partition(partition)?.appender.append(generation, frame).await
    }

    async fn run(&self, fragment: Fragment) -> Result<FragmentStream, Failure> {
        Ok(select::run(self.heads()?, fragment, self.limits))
    }

    async fn series(&self, request: SeriesRequest) -> Result<Vec<Labels>, Failure> {
        self.ask(move |heads| select::series(heads, &request)).await
    }

    async fn label_names(&self, request: SeriesRequest) -> Result<Vec<String>, Failure> {
        self.ask(move |heads| select::label_names(heads, &request)).await
    }

    async fn label_values(
        &self,
        name: &str,
        request: SeriesRequest,
    ) -> Result<Vec<String>, Failure> {
        let name = name.to_owned();
        self.ask(move |heads| select::label_values(heads, &name, &request)).await
    }

    async fn metadata(
        &self,
        tenant: &TenantId,
        family: Option<&str>,
    ) -> Result<Vec<FamilyMetadata>, Failure> {
        let (tenant, family) = (tenant.clone(), family.map(str::to_owned));
        self.ask(move |heads| select::metadata(heads, &tenant, family.as_deref())).await
    }
}

fn gate(config: &Config, measure: Box<dyn Measure>) -> Gate {
    let limit = match config.memory_limit {
        0 => System::default_memory_limit_bytes(),
        bytes => bytes,
    };
    Gate::new(measure, limit)
}

fn query_limits(config: &Config) -> QueryLimits {
    QueryLimits {
        samples_max: config.query_samples_max,
        bytes_max: usize::try_from(config.query_bytes_max).unwrap_or(usize::MAX),
        timeout: Duration::from_millis(config.query_timeout_ms),
        workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    }
}

#[cfg(test)]
mod tests;
