//! Running one fragment on every head of the node: a few workers, one bounded stream.
//!
//! Workers block: on locks, on the store, and on a receiver that is slower than they are. They
//! learn that the receiver is gone from the channel, and stop at the next tile or block.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use cluster::FragmentMessage;
use cluster::client::FragmentStream;
use futures::StreamExt;
use model::{Failure, FailureKind, PartitionId};
use promql::fragment::Fragment;
use promql::op::{OpError, OpRt};
use promql::roster::SharedRoster;
use promql::run::{FragmentSink, run_fragment};
use promql::source::{SampleScan, SampleSource, Selection};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;

use super::HeadSource;
use crate::head::Head;

/// Tiles between the workers and the receiver; a tile is up to about a megabyte.
const TILES_MAX: usize = 8;

/// Cells of one head beyond which a fragment is worth more than one worker: waking another thread
/// takes longer than computing that many.
const CELLS_ALONE_MAX: usize = 4096;

/// What one fragment may use on this node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryLimits {
    /// Samples that it may read.
    pub(crate) samples_max: u64,
    /// Bytes that it may hold at a time.
    pub(crate) bytes_max: usize,
    /// How long it may take.
    pub(crate) timeout: Duration,
    /// Heads that it may read at a time; the number of cores.
    pub(crate) workers: usize,
}

/// A running fragment, shared by its workers.
#[derive(Debug)]
struct Job {
    fragment: Fragment,
    heads: Vec<Arc<Head>>,
    limits: QueryLimits,
    deadline: Instant,
    /// The next head that no worker has taken.
    next: AtomicUsize,
    /// Whether all workers have been started, not only the first one.
    is_shared: AtomicBool,
    samples: AtomicU64,
    bytes: AtomicUsize,
}

/// What kernels need from this place.
#[derive(Debug)]
struct JobRt<'a> {
    job: &'a Job,
    sender: &'a Sender<Result<FragmentMessage, Failure>>,
}

/// A head whose first selection tells how much work there is.
struct JobSource<'a> {
    job: &'a Arc<Job>,
    sender: &'a Sender<Result<FragmentMessage, Failure>>,
    head: HeadSource<'a>,
}

/// Sends one head's results.
#[derive(Debug)]
struct JobSink<'a> {
    partition: PartitionId,
    sender: &'a Sender<Result<FragmentMessage, Failure>>,
}

/// Runs `fragment` on each of `heads`; the stream ends after every partition's end, or with the
/// first failure. Call it inside the runtime. Dropping the stream cancels the work.
pub(crate) fn run(
    heads: Vec<Arc<Head>>,
    fragment: Fragment,
    limits: QueryLimits,
) -> FragmentStream {
    // Each head also says a roster and an end; a small answer never waits for the receiver.
    let (sender, receiver) = channel(TILES_MAX + 2 * heads.len());
    let job = Arc::new(Job {
        fragment,
        heads,
        limits,
        deadline: Instant::now() + limits.timeout,
        next: AtomicUsize::new(0),
        is_shared: AtomicBool::new(false),
        samples: AtomicU64::new(0),
        bytes: AtomicUsize::new(0),
    });
    tokio::task::spawn_blocking(move || job.work(&sender));
    stream(receiver)
}

fn stream(mut receiver: Receiver<Result<FragmentMessage, Failure>>) -> FragmentStream {
    futures::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

// === impl Job ===

impl Job {
    /// Takes heads until there is none left. A failure, or a panic, becomes the last message.
    fn work(self: &Arc<Self>, sender: &Sender<Result<FragmentMessage, Failure>>) {
        while let Some(head) = self.heads.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.run_head(head, sender)));
            let failure = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.failure,
                Err(_) => panicked(head.partition()),
            };
            // The other workers find no head any more; what they have begun ends by itself.
            self.next.store(self.heads.len(), Ordering::Relaxed);
            // When nobody listens any more, nobody needs to know.
            _ = sender.blocking_send(Err(failure));
            return;
        }
    }

    /// Starts the other workers, once.
    fn share(self: &Arc<Self>, sender: &Sender<Result<FragmentMessage, Failure>>) {
        if self.is_shared.swap(true, Ordering::Relaxed) {
            return;
        }
        for _ in 1..self.limits.workers.min(self.heads.len()) {
            let (job, sender) = (Arc::clone(self), sender.clone());
            tokio::task::spawn_blocking(move || job.work(&sender));
        }
    }

    fn run_head(
        self: &Arc<Self>,
        head: &Head,
        sender: &Sender<Result<FragmentMessage, Failure>>,
    ) -> Result<(), OpError> {
        let partition = head.partition();
        let mut sink = JobSink { partition, sender };
        let rt = JobRt { job: self, sender };
        let source = JobSource { job: self, sender, head: HeadSource(head) };
        let end = run_fragment(&self.fragment, &source, &rt, &mut sink)?;
        sink.send(FragmentMessage::End { partition, samples_read: end.samples_read })
    }
}

// === impl JobSource ===

impl<'a> JobSource<'a> {
    fn scan(&self, selection: &Selection<'_>, newest_only: bool) -> Box<dyn SampleScan + 'a> {
        let scan = self.head.scan(selection, newest_only);
        if scan.series().saturating_mul(self.job.fragment.grid.steps) > CELLS_ALONE_MAX {
            self.job.share(self.sender);
        }
        Box::new(scan)
    }
}

impl SampleSource for JobSource<'_> {
    fn select(&self, selection: &Selection<'_>) -> Result<Box<dyn SampleScan + '_>, OpError> {
        Ok(self.scan(selection, false))
    }

    fn select_newest(
        &self,
        selection: &Selection<'_>,
    ) -> Result<Box<dyn SampleScan + '_>, OpError> {
        Ok(self.scan(selection, true))
    }
}

// === impl JobRt ===

impl OpRt for JobRt<'_> {
    fn reserve(&self, bytes: usize) -> Result<(), OpError> {
        let used = self.job.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used <= self.job.limits.bytes_max {
            return Ok(());
        }
        self.release(bytes);
        Err(OpError::new(
            FailureKind::Execution,
            "err-varve-query-memory",
            format!(
                "the query needs {used} bytes on this ingester, the limit is {}; select fewer \
                 series, or aggregate",
                self.job.limits.bytes_max
            ),
        ))
    }

    fn release(&self, bytes: usize) {
        self.job.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), OpError> {
        if self.sender.is_closed() {
            return Err(gone());
        }
        if Instant::now() >= self.job.deadline {
            let timeout = self.job.limits.timeout;
            let message = format!("query timed out after {timeout:?} in query execution");
            return Err(OpError::new(FailureKind::Timeout, "err-varve-query-timeout", message));
        }
        Ok(())
    }

    fn count_samples(&self, samples: usize) -> Result<(), OpError> {
        let samples = samples as u64;
        let read = self.job.samples.fetch_add(samples, Ordering::Relaxed) + samples;
        if read <= self.job.limits.samples_max {
            return Ok(());
        }
        Err(OpError::new(
            FailureKind::Execution,
            "err-varve-query-samples",
            format!(
                "query processing would load too many samples into memory in query execution: \
                 more than {}",
                self.job.limits.samples_max
            ),
        ))
    }
}

// === impl JobSink ===

impl JobSink<'_> {
    fn send(&self, message: FragmentMessage) -> Result<(), OpError> {
        self.sender.blocking_send(Ok(message)).map_err(|_| gone())
    }
}

impl FragmentSink for JobSink<'_> {
    fn roster(&mut self, roster: SharedRoster) -> Result<(), OpError> {
        self.send(FragmentMessage::Roster { partition: self.partition, roster })
    }

    fn tile(&mut self, tile: RecordBatch) -> Result<(), OpError> {
        self.send(FragmentMessage::Tile { partition: self.partition, tile })
    }
}

fn gone() -> OpError {
    OpError::new(FailureKind::Canceled, "err-varve-query-canceled", "query was canceled")
}

fn panicked(partition: PartitionId) -> Failure {
    Failure::new(
        FailureKind::Internal,
        "err-varve-internal",
        format!("a query worker of partition {} panicked; the log has the place", partition.0),
    )
}
