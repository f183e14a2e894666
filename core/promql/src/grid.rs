//! The instants at which a query is evaluated.

use model::{TimeRange, TimestampMs};

/// `start, start + step, …, end` in milliseconds; an instant query is a grid of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// First instant.
    pub start_ms: TimestampMs,
    /// Distance between instants; positive.
    pub step_ms: i64,
    /// Number of instants; at least 1.
    pub steps: usize,
}

// === impl Grid ===

impl Grid {
    /// One instant.
    #[must_use]
    pub const fn instant(at_ms: TimestampMs) -> Self {
        Self { start_ms: at_ms, step_ms: 1, steps: 1 }
    }

    /// From `start_ms` to at most `end_ms`. The caller has checked `start ≤ end` and `step > 0`.
    #[must_use]
    pub const fn range(start_ms: TimestampMs, end_ms: TimestampMs, step_ms: i64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the caller has checked the order; pointers have 64 bits"
        )]
        let steps = ((end_ms - start_ms) / step_ms + 1) as usize;
        Self { start_ms, step_ms, steps }
    }

    /// The instant of step `i`.
    #[must_use]
    pub const fn at(&self, i: usize) -> TimestampMs {
        self.start_ms + self.step_ms * (i as i64)
    }

    /// The last instant.
    #[must_use]
    pub const fn end_ms(&self) -> TimestampMs {
        self.at(self.steps - 1)
    }

    /// The samples that windows `(t − width, t]`, moved back by `offset`, can touch.
    #[must_use]
    pub const fn needs(&self, width_ms: i64, offset_ms: i64) -> TimeRange {
        TimeRange::new(
            self.start_ms.saturating_sub(offset_ms).saturating_sub(width_ms).saturating_add(1),
            self.end_ms().saturating_sub(offset_ms),
        )
    }
}
