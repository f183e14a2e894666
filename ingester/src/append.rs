//! The way of a frame into its partition's log: admission, then batches.
//!
//! ```text
//!  append ─► gate, shape, tenant, generation, clock ─► queue (bytes bounded)
//!                                                        │ whatever queued while
//!  ack ◄── reply of apply, per frame ◄── Group::propose ◄┘ earlier entries were on their way
//! ```
//!
//! There is no timer: a lone frame is proposed as soon as nothing else is ready to run, and under load
//! the entries grow with the time that a sync takes. Everything that depends on the clock or on limits is decided here, before
//! the log; from there on only the log decides.

mod admission;
mod queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chassis::Tasks;
use cluster::{AppendAck, RejectReason, RoutesWatch};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::{Clock, Failure, FailureKind, PartitionId};
use tokio::sync::oneshot;

use crate::gate::Gate;
use crate::head::{AppliedFrame, Head, encode_frames};
use crate::raft::group::{Group, GroupError, Pending};
use admission::{Admitted, Cut};
use queue::Queue;

/// Entries of one partition that may be on their way at once: one that is being synced, and one
/// that is being written meanwhile.
const ENTRIES_IN_FLIGHT_MAX: usize = 2;
/// Frames of an entry before it is full; its command counts them in 16 bits.
const ENTRY_FRAMES_MAX: usize = 1 << 12;
/// Bytes of an entry before it is full. One larger frame still makes an entry of its own.
const ENTRY_BYTES: usize = 1 << 20;

/// Takes frames for one partition.
#[derive(Debug)]
pub(crate) struct Appender {
    partition: PartitionId,
    group: Arc<Group<Head>>,
    routes: RoutesWatch,
    gate: Gate,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    queue: Arc<Queue>,
    logged_bytes: AtomicU64,
}

/// What an [`Appender`] is made of.
#[derive(Debug)]
pub(crate) struct AppenderParts {
    /// Whose frames.
    pub(crate) partition: PartitionId,
    /// The partition's group.
    pub(crate) group: Arc<Group<Head>>,
    /// Tells the partition's generation.
    pub(crate) routes: RoutesWatch,
    /// May refuse everything.
    pub(crate) gate: Gate,
    /// The clock that decides what lies in the future.
    pub(crate) clock: Arc<dyn Clock>,
    /// How long an append may take.
    pub(crate) timeout: Duration,
    /// Bytes that may wait.
    pub(crate) queue_bytes_max: usize,
}

/// A frame on its way, and who waits for it.
#[derive(Debug)]
struct Waiting {
    frame: Bytes,
    cut: Option<Cut>,
    answer: oneshot::Sender<Result<AppendAck, Failure>>,
}

// === impl Appender ===

impl Appender {
    /// Starts taking frames.
    pub(crate) fn start(parts: AppenderParts, tasks: &Tasks) -> Arc<Self> {
        let AppenderParts { partition, group, routes, gate, clock, timeout, queue_bytes_max } =
            parts;
        let appender = Arc::new(Self {
            partition,
            group,
            routes,
            gate,
            clock,
            timeout,
            queue: Arc::new(Queue::new(queue_bytes_max)),
            logged_bytes: AtomicU64::new(0),
        });
        let batcher = Arc::clone(&appender);
        let stopping = tasks.stopping();
        tasks.spawn("append", async move {
            futures::future::select(std::pin::pin!(batcher.run()), std::pin::pin!(stopping)).await;
            batcher.queue.close();
        });
        appender
    }

    /// Appends one frame; as [`cluster::IngesterClient::append`].
    pub(crate) async fn append(&self, generation: u64, frame: Bytes) -> Result<AppendAck, Failure> {
        self.gate.check()?;
        self.check_generation(generation)?;
        let Admitted { frame, cut } = admission::admit(frame, self.clock.now_ms())?;
        let (answer, answered) = oneshot::channel();
        self.queue.push(Waiting { frame, cut, answer })?;
        match tokio::time::timeout(self.timeout, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(unknown(format!("partition {} is stopping", self.partition.0))),
            Err(_) => Err(unknown(format!(
                "partition {} did not commit within {:?} (--ingester.write-timeout-ms)",
                self.partition.0, self.timeout
            ))),
        }
    }

    /// Bytes that went to the log since the last call.
    pub(crate) fn take_logged_bytes(&self) -> u64 {
        self.logged_bytes.swap(0, Ordering::Relaxed)
    }

    /// Bytes that went to the log since they were last taken.
    pub(crate) fn logged_bytes(&self) -> u64 {
        self.logged_bytes.load(Ordering::Relaxed)
    }

    fn check_generation(&self, generation: u64) -> Result<(), Failure> {
        let routes = self.routes.current();
        let known = routes.partitions.iter().find(|route| route.id == self.partition);
        match known {
            Some(route) if route.generation == generation => Ok(()),
            Some(route) => Err(Failure::new(
                FailureKind::Unavailable,
                "err-varve-stale-routes",
                format!(
                    "the frame is for generation {generation} of partition {}, which is at {}; \
                     retry with fresh routes",
                    self.partition.0, route.generation
                ),
            )),
            None => Err(Failure::new(
                FailureKind::Unavailable,
                "err-varve-stale-routes",
                format!("partition {} has no route; retry with fresh routes", self.partition.0),
            )),
        }
    }

    async fn run(&self) {
        let mut in_flight = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = in_flight.next(), if !in_flight.is_empty() => {}
                batch = self.queue.next(ENTRY_BYTES, ENTRY_FRAMES_MAX),
                    if in_flight.len() < ENTRIES_IN_FLIGHT_MAX =>
                {
                    // Awaited here, so that entries are proposed in the order of their frames.
                    let proposed = self.propose(&batch).await;
                    in_flight.push(self.finish(batch, proposed));
                }
            }
        }
    }

    async fn propose(&self, batch: &[Waiting]) -> Result<Pending<Vec<AppliedFrame>>, GroupError> {
        let bytes: usize = batch.iter().map(|waiting| waiting.frame.len() + 4).sum();
        let mut command = Vec::with_capacity(bytes + 4);
        encode_frames(batch.iter().map(|waiting| &waiting.frame[..]), &mut command);
        self.logged_bytes.fetch_add(command.len() as u64, Ordering::Relaxed);
        self.group.propose(command.into()).await
    }

    async fn finish(
        &self,
        batch: Vec<Waiting>,
        proposed: Result<Pending<Vec<AppliedFrame>>, GroupError>,
    ) {
        let applied = match proposed {
            Ok(pending) => pending.reply(self.group.id()).await,
            Err(error) => Err(error),
        };
        let expected = batch.len();
        let applied = match applied {
            Ok(applied) if applied.len() == expected => applied,
            Ok(applied) => {
                let text = format!("{} replies for {expected} frames", applied.len());
                return refuse(batch, &internal(text));
            }
            Err(error) => return refuse(batch, &unknown(error.to_string())),
        };
        for (waiting, applied) in batch.into_iter().zip(applied) {
            let applied = match waiting.cut {
                Some(cut) => cut.add_to(applied),
                None => applied,
            };
            let ack = applied.into_ack(|series| self.group.machine().labels(series));
            // Whoever waited may have given up.
            waiting.answer.send(Ok(ack)).ok();
        }
    }
}

fn refuse(batch: Vec<Waiting>, failure: &Failure) {
    for waiting in batch {
        waiting.answer.send(Err(failure.clone())).ok();
    }
}

fn unknown(reason: String) -> Failure {
    Failure::new(
        FailureKind::Unavailable,
        "err-varve-outcome-unknown",
        format!("{reason}; whether the samples were stored is unknown, retry"),
    )
}

fn internal(text: String) -> Failure {
    Failure::new(FailureKind::Internal, "err-varve-internal", text)
}

/// The reason under which [`admission`] cuts samples.
const CUT_REASON: RejectReason = RejectReason::TooFarInFuture;

#[cfg(test)]
mod tests;
