//! From a folder to running groups: storage, identity, the meta group, then every partition.
//!
//! Partitions are checked, restored and replayed beside each other. A replica that fails its check
//! keeps the node from starting: with one replica there is nobody to get the data back from, and
//! what to give up is a person's decision (`varve recover`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chassis::{Context, Readiness};
use cluster::ring::PreferenceRing;
use model::PartitionId;
use tracing::{info, warn};

use crate::check::{Health, inspect, log_is_lost, state_ids};
use crate::config::Config;
use crate::head::Head;
use crate::identity::Identity;
use crate::log_writer::LogWriter;
use crate::machine::Machine;
use crate::meta::table::META_REPLICA;
use crate::meta::{Meta, MetaCommand};
use crate::metrics::LogMetrics;
use crate::raft::codec;
use crate::raft::group::{Group, GroupParts};
use crate::raft::log::CacheBudget;
use crate::raft::snapshot::Checkpoints;
use crate::role::{Error, LOG_FOLDER, STATE_FOLDER};
use crate::storage::keys::mark_key;
use crate::storage::log::{GroupId, LogOp, LogStore, Mark};
use crate::storage::rocks::{BlockCache, RocksLog, RocksState, Tolerance};
use crate::storage::{StateStore, StorageError};

/// Replicas of a partition. More take a network between nodes.
const REPLICAS: usize = 1;
/// The fewest partitions of a new cluster, so that its writes can use more cores than it has today.
const PARTITIONS_MIN: u32 = 4;

/// A node's storage and groups, running.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The raft log.
    pub(crate) log: Arc<dyn LogStore>,
    /// The state store.
    pub(crate) state: Arc<dyn StateStore>,
    /// The meta group.
    pub(crate) meta: Arc<Group<Meta>>,
    /// The partitions that have a replica here, in order of id.
    pub(crate) partitions: Vec<(PartitionId, Arc<Group<Head>>)>,
}

/// What groups are opened with.
#[derive(Debug, Clone)]
struct Opener {
    node: u64,
    log: Arc<dyn LogStore>,
    state: Arc<dyn StateStore>,
    writer: LogWriter,
    budget: Arc<CacheBudget>,
    context: Context,
    next_stid: Arc<AtomicU64>,
}

/// Opens everything under `storage_path`.
///
/// # Errors
/// When the folder is in use, cannot be read, or something acknowledged is missing.
pub(crate) async fn open(
    config: &Config,
    context: &Context,
    storage_path: &Path,
    progress: &Readiness,
) -> Result<Opened, Error> {
    progress.starting("opening the storage", 0, 0);
    let path = storage_path.to_owned();
    let (log, state) = run_blocking(move || open_stores(&path)).await?;
    if log_is_lost(&*log, &*state)? {
        let what = "the raft log knows no replica, although the state store has checkpoints";
        return Err(Error::Damaged { what: what.to_owned() });
    }
    let metrics = LogMetrics::register(&mut context.metrics.lock());
    let writer =
        LogWriter::start(Arc::clone(&log), &context.tasks, metrics, LogWriter::abort_process())
            .map_err(Error::Thread)?;
    let identity = Identity::load_or_create(&*log)?;
    let opener = Opener {
        node: identity.node,
        next_stid: Arc::new(AtomicU64::new(first_free_stid(&*log, &*state)?)),
        log: Arc::clone(&log),
        state: Arc::clone(&state),
        writer,
        budget: Arc::new(CacheBudget::default()),
        context: context.clone(),
    };
    progress.starting("opening the meta group", 0, 0);
    let meta = opener.open_meta(config, identity).await?;
    let partitions = match opener.open_partitions(&meta, progress).await {
        Ok(partitions) => partitions,
        Err(error) => {
            meta.stop().await;
            return Err(error);
        }
    };
    info!(
        cluster = %identity.cluster,
        node = identity.node,
        partitions = partitions.len(),
        "the ingester is open"
    );
    Ok(Opened { log, state, meta, partitions })
}

type Stores = (Arc<dyn LogStore>, Arc<dyn StateStore>);

fn open_stores(storage_path: &Path) -> Result<Stores, Error> {
    std::fs::create_dir_all(storage_path)
        .map_err(|source| Error::Folder { path: storage_path.to_owned(), source })?;
    let cache = BlockCache::new();
    let log = RocksLog::open(&storage_path.join(LOG_FOLDER), &cache, Tolerance::TornTail)?;
    for what in log.dropped_tail() {
        warn!(%what, "the end of the raft log was torn; writes that were never acknowledged are dropped");
    }
    let state = RocksState::open(&storage_path.join(STATE_FOLDER), &cache)?;
    Ok((Arc::new(log), Arc::new(state)))
}

/// State ids are never given twice, not even those of replicas that `varve recover` has cut.
fn first_free_stid(log: &dyn LogStore, state: &dyn StateStore) -> Result<u64, StorageError> {
    let mut free = state_ids(state)?.last().map_or(1, |last| last + 1);
    for group in log.groups()? {
        let value = log.mark(group, Mark::Replica)?;
        let key = mark_key(group, Mark::Replica);
        // A damaged record is reported by the replica's own check.
        let stid = value.and_then(|value| codec::decode_number(&key, &value).ok());
        free = free.max(stid.map_or(0, |stid| stid + 1));
    }
    Ok(free)
}

// === impl Opener ===

impl Opener {
    async fn open_meta(
        &self,
        config: &Config,
        identity: Identity,
    ) -> Result<Arc<Group<Meta>>, Error> {
        let id = GroupId { partition: GroupId::META_PARTITION, replica: META_REPLICA };
        let group = self.open_group(id, |stid, state| Ok(Meta::restore(stid, &*state)?)).await?;
        if group.machine().table().partitions.is_empty() {
            let command = MetaCommand::Bootstrap {
                cluster: *identity.cluster.as_bytes(),
                placement: placement(partition_count(config), &[identity.node]),
            };
            group.execute(command.encode()).await?;
        }
        let cluster = group.machine().table().cluster;
        if cluster != *identity.cluster.as_bytes() {
            return Err(Error::OtherCluster {
                node: identity.cluster,
                meta: uuid::Uuid::from_bytes(cluster),
            });
        }
        Ok(group)
    }

    async fn open_partitions(
        &self,
        meta: &Group<Meta>,
        progress: &Readiness,
    ) -> Result<Vec<(PartitionId, Arc<Group<Head>>)>, Error> {
        let table = meta.machine().table();
        let here = table.partitions.iter().filter_map(|partition| {
            let replica = partition.replicas.iter().find(|replica| replica.node == self.node)?;
            Some((partition.id, replica.id))
        });
        let here: Vec<(PartitionId, u64)> = here.collect();
        let total = here.len() as u64;
        progress.starting("replaying the log of partitions", 0, total);
        let done = AtomicU64::new(0);
        let open_one = async |(partition, replica): (PartitionId, u64)| {
            let id = GroupId { partition: partition.0, replica };
            let restore = move |stid, state| Ok(Head::restore(partition, stid, state)?);
            let group = self.open_group(id, restore).await?;
            self.raise_generation_after_cut(id, meta).await?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress.starting("replaying the log of partitions", done, total);
            Ok::<_, Error>((partition, group))
        };
        let opened = futures::future::join_all(here.into_iter().map(open_one)).await;
        if opened.iter().all(Result::is_ok) {
            return opened.into_iter().collect();
        }
        // The others would go on leading, and hold the folder against `varve recover`.
        for (_, group) in opened.iter().flatten() {
            group.stop().await;
        }
        opened.into_iter().collect()
    }

    /// Checks, restores and starts one group.
    async fn open_group<M: Machine>(
        &self,
        id: GroupId,
        restore: impl FnOnce(u64, Arc<dyn StateStore>) -> Result<M, Error> + Send + 'static,
    ) -> Result<Arc<Group<M>>, Error> {
        let opener = self.clone();
        let parts = run_blocking(move || opener.prepare(id, restore)).await?;
        Ok(Arc::new(Group::start(parts, &self.context.tasks).await?))
    }

    fn prepare<M: Machine>(
        self,
        id: GroupId,
        restore: impl FnOnce(u64, Arc<dyn StateStore>) -> Result<M, Error>,
    ) -> Result<GroupParts<M>, Error> {
        let health = inspect(&*self.log, &*self.state, id)?;
        if health.damage.is_some() {
            return Err(Error::Damaged { what: health.to_string() });
        }
        // A new replica has nothing to tell.
        if health.last.is_some() || health.purged.is_some() {
            info!("{health}");
        }
        let stid = self.stid_of(&health)?;
        let (checkpoints, applied) = Checkpoints::open(Arc::clone(&self.state), stid)?;
        let machine = Arc::new(restore(stid, self.state)?);
        Ok(GroupParts {
            id,
            node: self.node,
            writer: self.writer,
            budget: self.budget,
            checkpoints,
            applied,
            machine,
        })
    }

    /// The replica's state id; a fresh one, on disk before it is used, for a new replica.
    fn stid_of(&self, health: &Health) -> Result<u64, StorageError> {
        if health.stid != 0 {
            return Ok(health.stid);
        }
        let group = health.group;
        let stid = self.next_stid.fetch_add(1, Ordering::Relaxed);
        let value = codec::encode_number(&mark_key(group, Mark::Replica), stid);
        self.log.write(&[LogOp::Put { group, mark: Mark::Replica, value }])?;
        self.log.sync()?;
        Ok(stid)
    }

    /// Refs that were given out by entries that `varve recover` has cut are void.
    async fn raise_generation_after_cut(
        &self,
        id: GroupId,
        meta: &Group<Meta>,
    ) -> Result<(), Error> {
        if self.log.mark(id, Mark::Cut)?.is_none() {
            return Ok(());
        }
        let partition = PartitionId(id.partition);
        meta.execute(MetaCommand::RaiseGeneration { partition }.encode()).await?;
        self.writer.submit_durable(vec![LogOp::Clear { group: id, mark: Mark::Cut }]).await?;
        warn!(partition = id.partition, "the log was cut; refs given out before are void");
        Ok(())
    }
}

/// For each partition, the nodes of its replicas.
fn placement(partitions: u32, nodes: &[u64]) -> Vec<Vec<u64>> {
    let ring = PreferenceRing::new(nodes);
    let key = |partition| format!("partition-{partition}");
    (0..partitions).map(|partition| ring.preferred(&key(partition), REPLICAS)).collect()
}

fn partition_count(config: &Config) -> u32 {
    if config.partitions > 0 {
        return config.partitions;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = u32::try_from(cores).unwrap_or(u32::MAX).min(1 << 10);
    (2 * cores).next_power_of_two().max(PARTITIONS_MIN)
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(StorageError::Closed.into()))
}
