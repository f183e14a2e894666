//! One writer for the raft logs of a node: whatever piled up becomes one batch and one fdatasync.
//!
//! ```text
//!  group ─┐              ┌──────────┐  batch, sync  ┌──────────┐
//!  group ─┼─► queue ────►│   log    ├──────────────►│ LogStore │
//!  group ─┘  (bytes      └────┬─────┘               └──────────┘
//!             bounded)        └─► callbacks, in order
//! ```
//!
//! A batch is whatever queued while the last one was written and synced, and what was proposed by then
//! and is still on its way through Raft ([`Proposed`]): a request has an entry for each partition, and
//! syncing the first of them at once would make the others wait for a second sync. Nobody waits for
//! proposals that may come. One thread does both writing and syncing: a second one that wrote on during
//! the sync was measured, and wrote twice as many batches, with a change of threads for each, to no
//! earlier ack.
//!
//! Invariant: a callback hears `Ok` only after a sync that began after its write had returned. After
//! a failed write or sync nothing is ever acknowledged again: what a kernel did with pages that it
//! could not write is unknowable, so the process has to end and recover from what the disk holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chassis::Tasks;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Semaphore;
use tracing::error;

use crate::metrics::LogMetrics;
use crate::storage::StorageError;
use crate::storage::log::{LogOp, LogStore};

/// What may wait to be written; beyond it `submit` waits, and with it the groups.
const QUEUE_BYTES: u32 = 32 << 20;
/// What one batch takes from the queue.
const BATCH_BYTES: usize = 4 << 20;
/// How long a batch waits for entries that were proposed before it; they need tens of microseconds,
/// unless their group has stopped or its task finds no core.
const GATHER_MAX: Duration = Duration::from_millis(1);

/// Told once the changes are durable, or that they never will be.
pub(crate) type Done = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

/// Called when the log cannot be written any more. The default aborts the process.
pub(crate) type OnFatal = Box<dyn Fn(&StorageError) + Send + Sync>;

/// Counts the entries that were proposed on this node, so that the writer knows what is on its way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proposed(Arc<AtomicU64>);

/// A handle to the writer; the writer ends when the last one is dropped.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn LogStore>,
    metrics: LogMetrics,
    on_fatal: OnFatal,
    gather_max: Duration,
    proposed: Proposed,
    /// Bytes that the queue has room for.
    room: Semaphore,
    writes: Mutex<Queue>,
    write_wakes: Condvar,
}

struct Submission {
    ops: Vec<LogOp>,
    bytes: u32,
    done: Option<Done>,
}

#[derive(Default)]
struct Queue {
    items: Vec<Submission>,
    /// Entries that have come, of those that were proposed; never more than these.
    arrived: u64,
    /// A batch waits until so many have arrived.
    gathers: Option<u64>,
    end: Option<End>,
}

#[derive(Clone)]
enum End {
    Closed,
    Failed(StorageError),
}

// === impl LogWriter ===

impl LogWriter {
    /// Starts the writer's thread over `store`.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(
        store: Arc<dyn LogStore>,
        tasks: &Tasks,
        metrics: LogMetrics,
        on_fatal: OnFatal,
    ) -> std::io::Result<Self> {
        Self::start_with(store, tasks, metrics, on_fatal, GATHER_MAX)
    }

    fn start_with(
        store: Arc<dyn LogStore>,
        tasks: &Tasks,
        metrics: LogMetrics,
        on_fatal: OnFatal,
        gather_max: Duration,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            store,
            metrics,
            on_fatal,
            gather_max,
            proposed: Proposed::default(),
            room: Semaphore::new(QUEUE_BYTES as usize),
            writes: Mutex::default(),
            write_wakes: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        tasks.spawn_thread("log", move || writer.run())?;
        Ok(Self { handle: Arc::new(Handle { shared }) })
    }

    /// What production does when the log cannot be written.
    pub(crate) fn abort_process() -> OnFatal {
        Box::new(|failure| {
            error!(%failure, "the raft log cannot be written; the process aborts without an ack");
            std::process::abort();
        })
    }

    /// Queues changes; they are written together, after everything queued before them. `done` hears
    /// when they are durable; without it they are written but nothing is synced on their account.
    ///
    /// Waits while the queue is full.
    ///
    /// # Errors
    /// When the writer has failed or has been closed; `done` is not called then.
    pub(crate) async fn submit(
        &self,
        ops: Vec<LogOp>,
        done: Option<Done>,
    ) -> Result<(), StorageError> {
        let shared = &self.handle.shared;
        let bytes = ops.iter().map(LogOp::bytes).sum::<usize>();
        let bytes = u32::try_from(bytes).unwrap_or(QUEUE_BYTES).min(QUEUE_BYTES);
        let room = shared.room.acquire_many(bytes).await;
        let room = room.map_err(|_| shared.ended())?;
        let mut writes = shared.writes.lock();
        if writes.end.is_some() {
            drop(writes);
            return Err(shared.ended());
        }
        // Given back by the writing thread once the changes have left the queue.
        room.forget();
        let entries = ops.iter().map(LogOp::entries).sum::<u64>();
        writes.arrived = (writes.arrived + entries).min(shared.proposed.count());
        writes.items.push(Submission { ops, bytes, done });
        if writes.gathers.is_none_or(|expected| writes.arrived >= expected) {
            shared.write_wakes.notify_one();
        }
        Ok(())
    }

    /// As [`LogWriter::submit`], and waits until the changes are durable.
    ///
    /// # Errors
    /// When they are not.
    pub(crate) async fn submit_durable(&self, ops: Vec<LogOp>) -> Result<(), StorageError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let done: Done = Box::new(move |outcome| {
            // A caller that went away has no use for the outcome.
            sender.send(outcome).ok();
        });
        self.submit(ops, Some(done)).await?;
        receiver.await.unwrap_or_else(|_| Err(self.handle.shared.ended()))
    }

    /// Where whoever proposes an entry on this node says so.
    pub(crate) fn proposed(&self) -> Proposed {
        self.handle.shared.proposed.clone()
    }

    /// The store that is written to, for reads.
    pub(crate) fn store(&self) -> &Arc<dyn LogStore> {
        &self.handle.shared.store
    }
}

// === impl Proposed ===

impl Proposed {
    /// One more entry is on its way to the log.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Handle ===

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.end(&End::Closed);
    }
}

// === impl Shared ===

impl Shared {
    fn run(&self) {
        while let Some(submissions) = self.next_writes() {
            let mut ops = Vec::with_capacity(submissions.len());
            let mut bytes = 0;
            let mut done = Vec::with_capacity(submissions.len());
            for submission in submissions {
                ops.extend(submission.ops);
                bytes += submission.bytes as usize;
                done.extend(submission.done);
            }
            let written = self.store.write(&ops);
            drop(ops);
            self.room.add_permits(bytes);
            self.metrics.batch_bytes.observe(bytes as f64);
            // Nobody waits for marks and purges; they become durable with the next sync.
            let outcome =
                if done.is_empty() { written } else { written.and_then(|()| self.sync()) };
            match outcome {
                Ok(()) => complete(done, &Ok(())),
                Err(failure) => self.fail(&failure, done),
            }
        }
    }

    fn sync(&self) -> Result<(), StorageError> {
        let started = tokio::time::Instant::now();
        let outcome = self.store.sync();
        self.metrics.sync_seconds.observe(started.elapsed().as_secs_f64());
        outcome
    }

    /// The next batch, in order; `None` when there is nothing left and never will be.
    fn next_writes(&self) -> Option<Vec<Submission>> {
        let mut writes = self.writes.lock();
        while writes.items.is_empty() {
            if writes.end.is_some() {
                return None;
            }
            self.write_wakes.wait(&mut writes);
        }
        self.gather(&mut writes);
        let mut bytes = 0;
        let fits = |submission: &&Submission| {
            let first = bytes == 0;
            bytes += submission.bytes as usize;
            first || bytes <= BATCH_BYTES
        };
        let count = writes.items.iter().take_while(fits).count();
        let rest = writes.items.split_off(count);
        Some(std::mem::replace(&mut writes.items, rest))
    }

    /// Waits for the entries that were proposed before now.
    fn gather(&self, writes: &mut MutexGuard<'_, Queue>) {
        let expected = self.proposed.count();
        writes.gathers = Some(expected);
        while writes.arrived < expected && writes.end.is_none() {
            if self.write_wakes.wait_for(writes, self.gather_max).timed_out() {
                // Whatever did not come is not waited for again.
                writes.arrived = writes.arrived.max(expected);
            }
        }
        writes.gathers = None;
    }

    fn fail(&self, failure: &StorageError, mut unheard: Vec<Done>) {
        self.end(&End::Failed(failure.clone()));
        (self.on_fatal)(failure);
        let queued = std::mem::take(&mut self.writes.lock().items);
        unheard.extend(queued.into_iter().filter_map(|submission| submission.done));
        complete(unheard, &Err(failure.clone()));
    }

    /// Takes nothing new from now on; the first reason stays.
    fn end(&self, end: &End) {
        let mut writes = self.writes.lock();
        writes.end.get_or_insert_with(|| end.clone());
        self.room.close();
        self.write_wakes.notify_one();
    }

    fn ended(&self) -> StorageError {
        match &self.writes.lock().end {
            Some(End::Failed(failure)) => failure.clone(),
            Some(End::Closed) | None => StorageError::Closed,
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let queued = self.writes.lock().items.len();
        f.debug_struct("Shared").field("store", &self.store).field("queued", &queued).finish()
    }
}

fn complete(done: Vec<Done>, outcome: &Result<(), StorageError>) {
    for callback in done {
        callback(outcome.clone());
    }
}

#[cfg(test)]
mod tests;
