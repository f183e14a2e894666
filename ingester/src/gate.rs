//! Refuses writes before the machine runs out of disk or memory, and takes them again by itself.
//!
//! What was acknowledged has to be applied, checkpointed and read from here on; all of that takes
//! disk and memory. So the gate closes while there is still some left, and only for new writes.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chassis::Tasks;
use model::{Failure, FailureKind};
use tracing::{info, warn};

/// Between two measurements. Short enough that neither fills up in between: at 100 MB/s that is
/// 50 MB, a fifth of the least reserve.
const INTERVAL: Duration = Duration::from_millis(500);
/// The least free disk.
const DISK_FREE_BYTES: u64 = 256 << 20;
/// The least free disk, as a part of the volume: 2 %.
const DISK_FREE_DIVISOR: u64 = 50;

const OPEN: u64 = 0;
const DISK: u64 = 1;
const MEMORY: u64 = 2;

/// Tells how much there is.
pub(crate) trait Measure: Debug + Send + Sync + 'static {
    /// What the volume has left; `None` when that cannot be told.
    fn disk(&self) -> Option<Disk>;
    /// Resident bytes of this process; `None` when that cannot be told.
    fn memory_bytes(&self) -> Option<u64>;
}

/// Room on a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Bytes that can still be written.
    pub(crate) free_bytes: u64,
    /// Its size.
    pub(crate) total_bytes: u64,
}

/// Asks the operating system.
#[derive(Debug)]
pub(crate) struct System {
    folder: PathBuf,
}

/// The gate. Clones are the same gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    measure: Box<dyn Measure>,
    memory_limit_bytes: u64,
    state: AtomicU64,
    /// What was measured when the gate closed, for the text.
    measured: AtomicU64,
    needed: AtomicU64,
}

// === impl Gate ===

impl Gate {
    /// An open gate. `memory_limit_bytes` is the most resident memory.
    pub(crate) fn new(measure: Box<dyn Measure>, memory_limit_bytes: u64) -> Self {
        let shared = Shared {
            measure,
            memory_limit_bytes,
            state: AtomicU64::new(OPEN),
            measured: AtomicU64::new(0),
            needed: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether a write may come in.
    ///
    /// # Errors
    /// `Unavailable` with the figures while it may not.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let shared = &self.shared;
        let figures =
            || (shared.measured.load(Ordering::Relaxed), shared.needed.load(Ordering::Relaxed));
        match shared.state.load(Ordering::Acquire) {
            DISK => {
                let (free, needed) = figures();
                Err(Failure::new(
                    FailureKind::Unavailable,
                    "err-varve-disk-full",
                    format!(
                        "the storage volume has {free} bytes left, writes need {needed}; make room \
                         or lower --storage.retention.time"
                    ),
                ))
            }
            MEMORY => {
                let (used, limit) = figures();
                Err(Failure::new(
                    FailureKind::Unavailable,
                    "err-varve-memory-full",
                    format!(
                        "the process uses {used} bytes of memory, writes are taken up to {limit} \
                         (--ingester.memory-limit)"
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Measures, and closes or opens the gate accordingly.
    pub(crate) fn measure(&self) {
        let shared = &self.shared;
        let (state, measured, needed) = shared.judge();
        shared.measured.store(measured, Ordering::Relaxed);
        shared.needed.store(needed, Ordering::Relaxed);
        let before = shared.state.swap(state, Ordering::AcqRel);
        if before == state {
            return;
        }
        match self.check() {
            Ok(()) => info!("writes are taken again"),
            Err(failure) => warn!(reason = failure.id, "writes are refused: {failure}"),
        }
    }

    /// Measures at once, and again and again until the node stops.
    pub(crate) fn watch(&self, tasks: &Tasks) {
        self.measure();
        let gate = self.clone();
        let stopping = tasks.stopping();
        tasks.spawn("gate", async move {
            let mut stopping = std::pin::pin!(stopping);
            let mut ticks = tokio::time::interval(INTERVAL);
            loop {
                tokio::select! {
                    () = &mut stopping => return,
                    _ = ticks.tick() => gate.measure(),
                }
            }
        });
    }
}

// === impl Shared ===

impl Shared {
    /// The state, what was measured, and what it was held against.
    fn judge(&self) -> (u64, u64, u64) {
        if let Some(disk) = self.measure.disk() {
            let needed = DISK_FREE_BYTES.max(disk.total_bytes / DISK_FREE_DIVISOR);
            if disk.free_bytes < needed {
                return (DISK, disk.free_bytes, needed);
            }
        }
        match self.measure.memory_bytes() {
            Some(used) if used > self.memory_limit_bytes => (MEMORY, used, self.memory_limit_bytes),
            _ => (OPEN, 0, 0),
        }
    }
}

// === impl System ===

impl System {
    /// Measures the volume of `folder` and this process.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// 85 % of what the process may use: of its cgroup's limit, or of the machine's memory.
    /// Unlimited when neither can be told.
    pub(crate) fn default_memory_limit_bytes() -> u64 {
        let number = |path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let cgroup = number("/sys/fs/cgroup/memory.max")
            .or_else(|| number("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
        let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1_024)
        });
        let total = cgroup.unwrap_or(u64::MAX).min(machine.unwrap_or(u64::MAX));
        if total == u64::MAX { total } else { total / 100 * 85 }
    }
}

impl Measure for System {
    fn disk(&self) -> Option<Disk> {
        let volume = rustix::fs::statvfs(&self.folder).ok()?;
        Some(Disk {
            free_bytes: volume.f_bavail.saturating_mul(volume.f_frsize),
            total_bytes: volume.f_blocks.saturating_mul(volume.f_frsize),
        })
    }

    fn memory_bytes(&self) -> Option<u64> {
        // `VmRSS` in KiB; `statm` would need the page size.
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1_024)
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[derive(Debug, Clone)]
    struct Injected(Arc<Mutex<(u64, u64)>>);

    impl Measure for Injected {
        fn disk(&self) -> Option<Disk> {
            Some(Disk { free_bytes: self.0.lock().0, total_bytes: 100 << 30 })
        }

        fn memory_bytes(&self) -> Option<u64> {
            Some(self.0.lock().1)
        }
    }

    #[test]
    fn the_gate_closes_before_anything_breaks_and_opens_by_itself() {
        let injected = Injected(Arc::new(Mutex::new((50 << 30, 1 << 20))));
        let gate = Gate::new(Box::new(injected.clone()), 2 << 20);
        for (free, used, closed_by) in [
            (50 << 30, 1 << 20, None),
            (1 << 30, 1 << 20, Some("err-varve-disk-full")),
            (3 << 30, 1 << 20, None),
            (3 << 30, 3 << 20, Some("err-varve-memory-full")),
            (1 << 30, 3 << 20, Some("err-varve-disk-full")),
            (3 << 30, 2 << 20, None),
        ] {
            *injected.0.lock() = (free, used);
            gate.measure();
            let refused = gate.check().err();
            assert_eq!(refused.as_ref().map(|failure| failure.id), closed_by, "{free} {used}");
            assert!(refused.is_none_or(|failure| failure.is_retryable()));
        }
    }

    #[test]
    fn the_system_can_be_measured() {
        let system = System::new(std::env::temp_dir());
        assert!(system.disk().is_some_and(|disk| disk.total_bytes >= disk.free_bytes));
        assert!(system.memory_bytes().is_some_and(|used| used > 1 << 20));
        assert!(System::default_memory_limit_bytes() > 1 << 20);
    }
}
