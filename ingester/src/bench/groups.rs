//! One-voter groups over the real storage, with a machine that does nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::Tasks;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::log_writer::LogWriter;
use crate::machine::{Checkpointed, Machine};
use crate::metrics::LogMetrics;
use crate::raft::group::{Group, GroupParts};
use crate::raft::log::CacheBudget;
use crate::raft::snapshot::Checkpoints;
use crate::storage::log::{GroupId, LogStore};
use crate::storage::rocks::{BlockCache, RocksLog, RocksState, Tolerance};
use crate::storage::{StateBatch, StateStore};

/// Entries of one group that are on their way at once, as in the appender.
const IN_FLIGHT: usize = 2;

/// A node's groups, running.
#[derive(Debug)]
pub struct Groups {
    groups: Vec<Arc<Group<Nothing>>>,
    tasks: Tasks,
}

/// What came of a load.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    /// Entries that were committed and applied.
    pub entries: u64,
    /// The time that they took to that, added up.
    pub waited: Duration,
}

#[derive(Debug)]
struct Nothing;

impl Machine for Nothing {
    type Reply = u64;

    fn apply(&self, index: u64, _command: &[u8]) -> u64 {
        index
    }

    fn checkpoint(&self, _batch: &mut StateBatch) -> Checkpointed {
        Checkpointed(0)
    }

    fn checkpoint_done(&self, _checkpointed: Checkpointed) {}
}

// === impl Groups ===

impl Groups {
    /// Opens `count` groups under `folder`, and waits until each leads and has replayed its log.
    pub async fn open(folder: &Path, count: u32) -> Self {
        let tasks = Tasks::new();
        let cache = BlockCache::new();
        let log = RocksLog::open(&folder.join("raft"), &cache, Tolerance::TornTail);
        let log: Arc<dyn LogStore> = Arc::new(log.expect("the folder is the bench's own"));
        let state = RocksState::open(&folder.join("state"), &cache);
        let state: Arc<dyn StateStore> = Arc::new(state.expect("the folder is the bench's own"));
        let metrics = LogMetrics::unregistered();
        let writer = LogWriter::start(log, &tasks, metrics, LogWriter::abort_process())
            .expect("a bench has threads to spare");
        let budget = Arc::new(CacheBudget::default());
        let starts = (0..count).map(|partition| {
            let stid = u64::from(partition) + 1;
            let (checkpoints, applied) =
                Checkpoints::open(Arc::clone(&state), stid).expect("nothing is damaged");
            let parts = GroupParts {
                id: GroupId { partition, replica: stid },
                node: 1,
                writer: writer.clone(),
                budget: Arc::clone(&budget),
                checkpoints,
                applied,
                machine: Arc::new(Nothing),
            };
            Group::start(parts, &tasks)
        });
        let groups = futures::future::try_join_all(starts).await.expect("nothing is damaged");
        Self { groups: groups.into_iter().map(Arc::new).collect(), tasks }
    }

    /// Stops everything.
    pub async fn close(self) {
        for group in &self.groups {
            group.stop().await;
        }
        drop(self.groups);
        self.tasks.drain(Duration::from_secs(10)).await.expect("stopped groups end");
    }

    /// Has every group propose `payload` every `pace`, or as fast as it commits if that is slower.
    pub async fn load(&self, payload: &Bytes, pace: Duration, run: Duration) -> Load {
        let end = Instant::now() + run;
        let drives = self.groups.iter().map(|group| drive(group, payload, pace, end));
        let loads = futures::future::join_all(drives).await;
        loads.into_iter().fold(Load::default(), |sum, load| Load {
            entries: sum.entries + load.entries,
            waited: sum.waited + load.waited,
        })
    }

    /// Whether all of them may answer a strong read.
    #[must_use]
    pub fn may_read(&self) -> bool {
        self.groups.iter().all(|group| group.may_read())
    }

    /// Entries that all of them have applied.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.groups.iter().filter_map(|group| group.applied_index()).sum()
    }
}

async fn drive(group: &Group<Nothing>, payload: &Bytes, pace: Duration, end: Instant) -> Load {
    let mut load = Load::default();
    let mut next = Instant::now();
    let mut in_flight = FuturesUnordered::new();
    while Instant::now() < end {
        if in_flight.len() == IN_FLIGHT
            && let Some(took) = in_flight.next().await
        {
            load.waited += took;
        }
        tokio::time::sleep_until(next).await;
        next += pace;
        let (started, id) = (Instant::now(), group.id());
        let pending = group.propose(payload.clone()).await.expect("the group runs");
        in_flight.push(async move {
            pending.reply(id).await.expect("the group runs");
            started.elapsed()
        });
        load.entries += 1;
    }
    while let Some(took) = in_flight.next().await {
        load.waited += took;
    }
    load
}
