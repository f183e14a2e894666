//! The wall clock of the machine: the only place in the tree that reads it.
//!
//! Everything else takes a [`model::Clock`], so that tests and simulations set the time.

use std::time::{SystemTime, UNIX_EPOCH};

use model::{Clock, TimestampMs};

/// Reads the machine's clock at each call.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

// === impl SystemClock ===

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one Clock that reads the machine's")]
    fn now_ms(&self) -> TimestampMs {
        // A clock before 1970 or past the year 292 million is a broken machine; the epoch is as good
        // an answer as any and keeps the caller's arithmetic defined.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .unwrap_or(0)
    }
}
