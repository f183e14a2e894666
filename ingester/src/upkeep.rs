//! What runs beside reads and writes: checkpoints, and dropping what is past its retention.
//!
//! Checkpoints of the partitions are spread over the interval; a partition that has logged much gets
//! its own earlier, so that a restart never has much to replay. One at a time is written, whatever
//! falls due: a checkpoint of many new series is held in memory twice until it is flushed.

use std::sync::Arc;
use std::time::Duration;

use chassis::Tasks;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::PartitionId;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::append::Appender;
use crate::config::Config;
use crate::head::{Head, encode_retention};
use crate::raft::group::Group;
use crate::retention::{self, Held, RetentionLimits};

/// Between two looks at how much was logged.
const LOOK: Duration = Duration::from_millis(250);
/// Between two looks at what is past its retention.
const RETENTION_LOOK: Duration = Duration::from_secs(1);
/// What is past its retention is looked at again after this long even if no time passes in the
/// samples: a drop may have failed.
const RETENTION_PATIENCE: Duration = Duration::from_secs(60);

/// One partition, as upkeep sees it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Which.
    pub(crate) id: PartitionId,
    /// Its group.
    pub(crate) group: Arc<Group<Head>>,
    /// Its appender, which knows how much was logged.
    pub(crate) appender: Arc<Appender>,
}

/// Starts upkeep of `partitions`.
pub(crate) fn start(partitions: Vec<Kept>, config: &Config, tasks: &Tasks) {
    let interval = Duration::from_millis(config.checkpoint_interval_ms);
    let checkpoints = Checkpointing {
        partitions: partitions.clone(),
        interval,
        log_bytes: config.checkpoint_log_bytes,
        turn: Mutex::new(()),
    };
    let stopping = tasks.stopping();
    tasks.spawn("checkpoint", async move {
        futures::future::select(std::pin::pin!(checkpoints.run()), std::pin::pin!(stopping)).await;
    });
    let limits = RetentionLimits {
        age_ms: i64::try_from(config.retention_time.as_millis()).unwrap_or(i64::MAX),
        bytes: config.retention_size,
    };
    let retention = Retention { partitions, limits };
    let stopping = tasks.stopping();
    tasks.spawn("retention", async move {
        futures::future::select(std::pin::pin!(retention.run()), std::pin::pin!(stopping)).await;
    });
}

struct Checkpointing {
    partitions: Vec<Kept>,
    interval: Duration,
    log_bytes: u64,
    /// Whose turn it is to write one.
    turn: Mutex<()>,
}

struct Retention {
    partitions: Vec<Kept>,
    limits: RetentionLimits,
}

// === impl Checkpointing ===

impl Checkpointing {
    async fn run(self) {
        let count = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX).max(1);
        let start = Instant::now();
        let first = |place: u32| start + self.interval / count * (place + 1);
        let mut loops: FuturesUnordered<_> = (0..)
            .zip(&self.partitions)
            .map(|(place, kept)| self.keep(kept, first(place)))
            .collect();
        while loops.next().await.is_some() {}
    }

    /// Checkpoints one partition for as long as it runs.
    async fn keep(&self, kept: &Kept, mut due: Instant) {
        loop {
            while Instant::now() < due && kept.appender.logged_bytes() < self.log_bytes {
                tokio::time::sleep(LOOK).await;
            }
            due = Instant::now() + self.interval;
            if kept.appender.take_logged_bytes() == 0 {
                continue;
            }
            let turn = self.turn.lock().await;
            let checkpoint = kept.group.checkpoint().await;
            drop(turn);
            if let Err(error) = checkpoint {
                warn!(partition = kept.id.0, %error, "no checkpoint could be taken");
                return;
            }
        }
    }
}

// === impl Retention ===

impl Retention {
    async fn run(self) {
        let mut last = None;
        let mut due = Instant::now() + RETENTION_PATIENCE;
        loop {
            tokio::time::sleep(RETENTION_LOOK).await;
            let cut = self.cut();
            let has_moved = cut != last;
            last = cut;
            let Some(before_ms) = cut.filter(|_| has_moved || Instant::now() >= due) else {
                continue;
            };
            due = Instant::now() + RETENTION_PATIENCE;
            for kept in &self.partitions {
                self.drop_before(kept, before_ms).await;
            }
        }
    }

    /// What may go, judged by all heads together.
    fn cut(&self) -> Option<i64> {
        let mut held = Held::default();
        for kept in &self.partitions {
            let head = kept.group.machine();
            let stats = head.stats();
            let newest_ms = (stats.samples > 0).then_some(stats.newest_ms);
            let state = head.read();
            let windows = state.sealed.windows().iter();
            held.add(newest_ms, windows.map(|(hour, window)| (*hour, window.bytes)));
        }
        retention::cut(&held, self.limits)
    }

    async fn drop_before(&self, kept: &Kept, before_ms: i64) {
        let stats = kept.group.machine().stats();
        if stats.samples == 0 || stats.dropped_before_ms >= before_ms {
            return;
        }
        match kept.group.execute(encode_retention(before_ms).into()).await {
            Ok(_) => info!(partition = kept.id.0, before_ms, "old samples are dropped"),
            Err(error) => warn!(partition = kept.id.0, %error, "retention has to wait"),
        }
    }
}
