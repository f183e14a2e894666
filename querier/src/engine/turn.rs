//! Whose turn it is: so many queries run, so many wait in order of arrival, the rest is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::{Failure, FailureKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::exec::budget::timed_out;
use crate::metrics::QuerierMetrics;

/// The turns of one querier.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    queued: AtomicUsize,
    queued_max: usize,
    metrics: Arc<QuerierMetrics>,
}

/// The right to run; ends when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<QuerierMetrics>,
}

/// A place among the waiting, given up when dropped.
struct Waiting<'a>(&'a Turns);

// === impl Turns ===

impl Turns {
    pub(crate) fn new(running_max: usize, queued_max: usize, metrics: Arc<QuerierMetrics>) -> Self {
        let free = Arc::new(Semaphore::new(running_max));
        Self { free, queued: AtomicUsize::new(0), queued_max, metrics }
    }

    /// Waits for a turn until `deadline`.
    ///
    /// # Errors
    /// When too many wait already, or the deadline passes.
    pub(crate) async fn wait(&self, deadline: Instant) -> Result<Turn, Failure> {
        let free = Arc::clone(&self.free);
        if let Ok(permit) = free.try_acquire_owned() {
            return Ok(self.begin(permit));
        }
        let _waiting = Waiting::enter(self)?;
        let permit = Arc::clone(&self.free).acquire_owned();
        match tokio::time::timeout_at(deadline, permit).await {
            Ok(permit) => Ok(self.begin(permit.expect("the semaphore is never closed"))),
            Err(_) => Err(timed_out("query queue").failure),
        }
    }

    fn begin(&self, permit: OwnedSemaphorePermit) -> Turn {
        self.metrics.running.inc();
        Turn { _permit: permit, metrics: Arc::clone(&self.metrics) }
    }
}

// === impl Turn ===

impl Drop for Turn {
    fn drop(&mut self) {
        self.metrics.running.dec();
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn enter(turns: &'a Turns) -> Result<Self, Failure> {
        // Counted first, so that the limit holds whoever else comes at the same moment.
        let before = turns.queued.fetch_add(1, Ordering::Relaxed);
        turns.metrics.queued.inc();
        let waiting = Self(turns);
        if before < turns.queued_max {
            return Ok(waiting);
        }
        Err(Failure::new(
            FailureKind::Unavailable,
            "err-varve-too-many-queries",
            format!(
                "{} queries are waiting for a turn already (--query.max-queued); please retry",
                turns.queued_max
            ),
        ))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.queued.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn turns_are_given_in_order_and_the_queue_has_an_end() {
        let turns = Arc::new(Turns::new(1, 1, Arc::default()));
        let deadline = Instant::now() + Duration::from_millis(30);
        let first = turns.wait(deadline).await.unwrap();
        let mut second = Box::pin(turns.wait(deadline));
        assert!(futures::poll!(&mut second).is_pending());
        let third = turns.wait(deadline).await.unwrap_err();
        assert_eq!(third.id, "err-varve-too-many-queries");
        drop(first);
        let second = second.await.unwrap();
        let late = turns.wait(deadline).await.unwrap_err();
        assert_eq!(late.message, "query timed out in query queue");
        assert_eq!((turns.metrics.running.get(), turns.metrics.queued.get()), (1, 0));
        drop(second);
        assert_eq!(turns.metrics.running.get(), 0);
    }
}
