//! Time for the load test: the only file that reads the machine's clocks.
//!
//! The product reads time from `model::Clock` so that simulations can drive it. A load test measures
//! real machines, has no runtime, and blocks its own threads, so it has its own small clock.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "measures real time on threads of its own; no runtime and no simulation is involved"
)]

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Measures elapsed time, monotonically.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

// === impl Stopwatch ===

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Seconds since the start.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }

    /// Blocks until `target` has passed since the start.
    pub fn wait_until(&self, target: Duration) {
        if let Some(left) = target.checked_sub(self.elapsed()) {
            thread::sleep(left);
        }
    }
}

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Blocks this thread: the pause between two looks at another process.
pub fn pause(duration: Duration) {
    thread::sleep(duration);
}
