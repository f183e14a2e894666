//! The log writer on a slow or failing disk: no ack before the sync, none after a failure.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::*;
use crate::storage::log::{ENTRY_HEADER_BYTES, EntryVisitor, GroupId, LogRecord, Mark};
use crate::storage::memory::MemoryLog;

const GROUP: GroupId = GroupId { partition: 0, replica: 1 };
const DELAY: Duration = Duration::from_millis(300);

/// Delegates to memory, but syncs slowly, not at all, or only later.
#[derive(Debug, Default)]
struct Odd {
    inner: MemoryLog,
    delay: Duration,
    /// The planted fault: says that the sync is done before it has begun.
    acks_early: bool,
    fails: AtomicBool,
    syncs: AtomicUsize,
}

impl LogStore for Odd {
    fn write(&self, ops: &[LogOp]) -> Result<(), StorageError> {
        self.inner.write(ops)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(StorageError::Io {
                operation: "a sync",
                path: "here".into(),
                reason: "EIO".to_owned(),
            });
        }
        if self.acks_early {
            return Ok(());
        }
        std::thread::park_timeout(self.delay);
        self.inner.sync()
    }

    fn read(
        &self,
        group: GroupId,
        range: std::ops::Range<u64>,
        visit: &mut EntryVisitor<'_>,
    ) -> Result<(), StorageError> {
        self.inner.read(group, range, visit)
    }

    fn last_index(&self, group: GroupId) -> Result<Option<u64>, StorageError> {
        self.inner.last_index(group)
    }

    fn mark(&self, group: GroupId, mark: Mark) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.mark(group, mark)
    }

    fn groups(&self) -> Result<Vec<GroupId>, StorageError> {
        self.inner.groups()
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.inner.flush()
    }
}

fn writer(store: &Arc<Odd>, on_fatal: OnFatal) -> LogWriter {
    let store: Arc<dyn LogStore> = Arc::clone(store) as Arc<_>;
    LogWriter::start(store, &Tasks::new(), LogMetrics::unregistered(), on_fatal).unwrap()
}

fn vote(value: u8) -> Vec<LogOp> {
    vec![LogOp::Put { group: GROUP, mark: Mark::Vote, value: vec![value] }]
}

/// What the invariant promises: no ack before the sync was over, and nothing acked is lost.
async fn acks_wait(store: Odd) -> Result<(), String> {
    let store = Arc::new(store);
    let writer = writer(&store, Box::new(|failure| panic!("{failure}")));
    let started = Instant::now();
    writer.submit_durable(vote(1)).await.map_err(|error| error.to_string())?;
    let took = started.elapsed();
    if took < DELAY {
        return Err(format!("acked after {took:?}, but the sync takes {DELAY:?}"));
    }
    store.inner.crash();
    match store.mark(GROUP, Mark::Vote).map_err(|error| error.to_string())? {
        Some(value) if value == [1] => Ok(()),
        other => Err(format!("acked, but after a crash there is {other:?}")),
    }
}

#[tokio::test]
async fn acks_wait_for_fsync() {
    acks_wait(Odd { delay: DELAY, ..Odd::default() }).await.unwrap();
}

#[tokio::test]
async fn an_ack_before_the_fsync_is_found_out() {
    let planted = Odd { delay: DELAY, acks_early: true, ..Odd::default() };
    let found = acks_wait(planted).await.unwrap_err();
    assert!(found.starts_with("acked after"), "{found}");
}

#[tokio::test]
async fn one_sync_serves_everything_that_queued_meanwhile() {
    let store = Arc::new(Odd { delay: Duration::from_millis(50), ..Odd::default() });
    let writer = writer(&store, Box::new(|failure| panic!("{failure}")));
    let acks = (0..100).map(|value| writer.submit_durable(vote(value)));
    for ack in futures::future::join_all(acks).await {
        ack.unwrap();
    }
    let syncs = store.syncs.load(Ordering::SeqCst);
    assert!((1..=3).contains(&syncs), "{syncs} syncs for 100 writes that came at once");
    assert_eq!(store.mark(GROUP, Mark::Vote).unwrap(), Some(vec![99]), "order was not kept");
}

fn entry(partition: u32) -> Vec<LogOp> {
    let record = LogRecord { index: 1, header: [0; ENTRY_HEADER_BYTES], payload: Bytes::new() };
    let group = GroupId { partition, replica: 1 };
    vec![LogOp::Append { group, records: vec![record] }]
}

#[tokio::test]
async fn one_sync_serves_what_was_proposed_together() {
    let store = Arc::new(Odd::default());
    let fatal: OnFatal = Box::new(|failure| panic!("{failure}"));
    let (log, metrics) = (Arc::clone(&store) as Arc<_>, LogMetrics::unregistered());
    let patient = Duration::from_secs(600);
    let writer = LogWriter::start_with(log, &Tasks::new(), metrics, fatal, patient).unwrap();
    (0..4).for_each(|_| writer.proposed().add());
    let acks = (0..4).map(|partition| writer.submit_durable(entry(partition)));
    for ack in futures::future::join_all(acks).await {
        ack.unwrap();
    }
    assert_eq!(store.syncs.load(Ordering::SeqCst), 1);
    // What was not proposed here, as a follower's entries are not, is not waited for.
    writer.submit_durable(entry(9)).await.unwrap();
    assert_eq!(store.syncs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_proposal_that_never_arrives_is_not_waited_for_long() {
    let store = Arc::new(Odd::default());
    let writer = writer(&store, Box::new(|failure| panic!("{failure}")));
    writer.proposed().add();
    writer.proposed().add();
    writer.submit_durable(entry(0)).await.unwrap();
    writer.submit_durable(entry(1)).await.unwrap();
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acked() {
    static FATAL: AtomicUsize = AtomicUsize::new(0);
    let store = Arc::new(Odd::default());
    let on_fatal: OnFatal = Box::new(|_| {
        FATAL.fetch_add(1, Ordering::SeqCst);
    });
    let writer = writer(&store, on_fatal);
    writer.submit_durable(vote(1)).await.unwrap();
    store.fails.store(true, Ordering::SeqCst);
    writer.submit_durable(vote(2)).await.unwrap_err();
    store.fails.store(false, Ordering::SeqCst);
    let refused = writer.submit_durable(vote(3)).await.unwrap_err();
    assert_eq!(refused.to_string(), "a sync in here failed: EIO");
    assert_eq!(FATAL.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_thread_ends_with_the_last_handle() {
    let tasks = Tasks::new();
    let store: Arc<dyn LogStore> = Arc::new(MemoryLog::default());
    let fatal: OnFatal = Box::new(|failure| panic!("{failure}"));
    let writer = LogWriter::start(store, &tasks, LogMetrics::unregistered(), fatal).unwrap();
    writer.submit_durable(vote(1)).await.unwrap();
    drop(writer);
    tasks.drain(Duration::from_secs(10)).await.unwrap();
}
