//! Appending on a paused clock: which frames are refused, which share an entry, what is left unknown.

use cluster::{FrameBuilder, FrameRef, PartitionRoute, Routes};
use model::clock::ManualClock;
use model::{Labels, SeriesRef, SlotMap, TenantId};

use super::*;
use crate::gate::{Disk, Measure};
use crate::log_writer::{LogWriter, OnFatal};
use crate::metrics::LogMetrics;
use crate::raft::group::GroupParts;
use crate::raft::log::CacheBudget;
use crate::raft::snapshot::Checkpoints;
use crate::storage::StateStore;
use crate::storage::log::{GroupId, LogStore};
use crate::storage::memory::{MemoryLog, MemoryState};
use crate::storage::slow::SlowSync;

const NOW_MS: i64 = 1_700_000_000_000;
const GENERATION: u64 = 3;

#[derive(Debug)]
struct Roomy;

impl Measure for Roomy {
    fn disk(&self) -> Option<Disk> {
        None
    }

    fn memory_bytes(&self) -> Option<u64> {
        None
    }
}

async fn appender(sync_delay: Duration, timeout: Duration) -> (Arc<Appender>, Tasks) {
    let tasks = Tasks::new();
    let on_fatal: OnFatal = Box::new(|failure| panic!("{failure}"));
    let log: Arc<dyn LogStore> = Arc::new(MemoryLog::default());
    let log: Arc<dyn LogStore> = Arc::new(SlowSync::new(log, sync_delay));
    let writer = LogWriter::start(log, &tasks, LogMetrics::unregistered(), on_fatal).unwrap();
    let state: Arc<dyn StateStore> = Arc::new(MemoryState::default());
    let machine = Arc::new(Head::restore(PartitionId(0), 1, Arc::clone(&state)).unwrap());
    let (checkpoints, applied) = Checkpoints::open(state, 1).unwrap();
    let parts = GroupParts {
        id: GroupId { partition: 0, replica: 2 },
        node: 1,
        writer,
        budget: Arc::new(CacheBudget::default()),
        checkpoints,
        applied,
        machine,
    };
    let group = Arc::new(Group::start(parts, &tasks).await.unwrap());
    let routes = RoutesWatch::new(Routes {
        slots: SlotMap::even(1, 1),
        partitions: vec![PartitionRoute { id: PartitionId(0), generation: GENERATION }],
    });
    let parts = AppenderParts {
        partition: PartitionId(0),
        group,
        routes,
        gate: Gate::new(Box::new(Roomy), u64::MAX),
        clock: Arc::new(ManualClock::new(NOW_MS)),
        timeout,
        queue_bytes_max: 1 << 20,
    };
    (Appender::start(parts, &tasks), tasks)
}

fn frame(series: u32, timestamp_ms: i64, value: f64) -> Bytes {
    let mut builder = FrameBuilder::default();
    builder.start(&TenantId::anonymous());
    let name = format!("metric_{series}");
    let index = builder.add_series(Labels::from_pairs([("__name__", &*name)]).encoded());
    builder.push(FrameRef::New(index), timestamp_ms, value);
    builder.finish()
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn acks_tell_what_became_of_each_frame() {
    let (appender, _tasks) = appender(Duration::ZERO, LONG).await;
    let ack = appender.append(GENERATION, frame(1, NOW_MS, 1.0)).await.unwrap();
    assert_eq!((ack.accepted, ack.new_refs), (1, vec![SeriesRef(0)]));
    let again = appender.append(GENERATION, frame(1, NOW_MS, 1.0)).await.unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 1));
    let other = appender.append(GENERATION, frame(1, NOW_MS, 2.0)).await.unwrap();
    assert_eq!(other.rejected, [(RejectReason::DuplicateTimestamp, 1)]);
    let future = appender.append(GENERATION, frame(1, NOW_MS + 601_000, 3.0)).await.unwrap();
    assert_eq!(future.rejected, [(RejectReason::TooFarInFuture, 1)]);
    let text = future.first_rejection.unwrap();
    assert!(text.contains("metric_1"), "{text}");
}

#[tokio::test]
async fn stale_routes_are_refused_before_the_log() {
    let (appender, _tasks) = appender(Duration::ZERO, LONG).await;
    let refused = appender.append(GENERATION - 1, frame(1, NOW_MS, 1.0)).await.unwrap_err();
    assert_eq!((refused.id, refused.is_retryable()), ("err-varve-stale-routes", true));
    assert_eq!(appender.logged_bytes(), 0);
}

#[tokio::test]
async fn a_write_that_takes_too_long_is_unknown() {
    let (appender, _tasks) = appender(Duration::from_millis(100), Duration::from_millis(1)).await;
    let late = appender.append(GENERATION, frame(1, NOW_MS, 1.0)).await.unwrap_err();
    assert_eq!((late.id, late.is_retryable()), ("err-varve-outcome-unknown", true));
}

#[tokio::test]
async fn frames_that_queue_during_a_sync_share_an_entry() {
    let (appender, _tasks) = appender(Duration::from_millis(20), LONG).await;
    let before = appender.group.applied_index().unwrap();
    let appends = (0..100).map(|series| appender.append(GENERATION, frame(series, NOW_MS, 1.0)));
    for ack in futures::future::join_all(appends).await {
        assert_eq!(ack.unwrap().accepted, 1);
    }
    let entries = appender.group.applied_index().unwrap() - before;
    assert!((1..=4).contains(&entries), "{entries} entries for 100 frames that came at once");
}
