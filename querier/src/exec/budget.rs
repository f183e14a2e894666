//! What one query may use: memory of DataFusion's pool, samples, and time.

use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use model::FailureKind;
use promql::op::{OpError, OpRt};
use tokio::time::Instant;

use crate::engine::turn::Turn;

/// Limits of one query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BudgetLimits {
    /// Bytes.
    pub(crate) memory_bytes_max: usize,
    /// Samples in memory.
    pub(crate) samples_max: usize,
}

/// One query's share of the node. Everything that it holds comes back when the last clone of the
/// `Arc` around it goes, be that the query's future or the body that is being sent.
#[derive(Debug)]
pub(crate) struct Budget {
    reservation: MemoryReservation,
    limits: BudgetLimits,
    samples: AtomicUsize,
    deadline: Instant,
    _turn: Turn,
}

// === impl Budget ===

impl Budget {
    /// A budget from the pool of `context`, for a query whose turn it is.
    pub(crate) fn new(
        context: &TaskContext,
        limits: BudgetLimits,
        deadline: Instant,
        turn: Turn,
    ) -> Self {
        let reservation = MemoryConsumer::new("query").register(context.memory_pool());
        Self { reservation, limits, samples: AtomicUsize::new(0), deadline, _turn: turn }
    }
}

impl OpRt for Budget {
    fn reserve(&self, bytes: usize) -> Result<(), OpError> {
        let max = self.limits.memory_bytes_max;
        if self.reservation.size().saturating_add(bytes) > max {
            return Err(OpError::new(
                FailureKind::Execution,
                "err-varve-query-memory",
                format!(
                    "query needs more than {max} bytes of memory (--query.memory-bytes-max); \
                     select fewer series or a shorter range"
                ),
            ));
        }
        self.reservation.try_grow(bytes).map_err(|_| {
            OpError::new(
                FailureKind::Unavailable,
                "err-varve-total-query-memory",
                "the running queries use all of their memory (--query.total-memory-bytes-max); \
                 please retry",
            )
        })
    }

    fn release(&self, bytes: usize) {
        let released = self.reservation.try_shrink(bytes);
        debug_assert!(released.is_ok(), "more was released than reserved");
    }

    fn check(&self) -> Result<(), OpError> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(timed_out("expression evaluation"))
    }

    fn count_samples(&self, samples: usize) -> Result<(), OpError> {
        let now = self.samples.fetch_add(samples, Ordering::Relaxed).saturating_add(samples);
        if now <= self.limits.samples_max {
            return Ok(());
        }
        Err(OpError::new(
            FailureKind::Execution,
            "err-varve-too-many-samples",
            "query processing would load too many samples into memory in query execution",
        ))
    }
}

/// Prometheus' text for a query whose time is over.
pub(crate) fn timed_out(during: &str) -> OpError {
    OpError::new(
        FailureKind::Timeout,
        "err-varve-query-timeout",
        format!("query timed out in {during}"),
    )
}
