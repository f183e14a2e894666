//! Supervised tasks: each has a name, none outlives the drain, and none dies unseen.
//!
//! A panic is a bug, and after one the state it touched is unknown; there is no general way to
//! recover it. So a panic in any task aborts the process: the log and the checkpoints are made for
//! exactly that, and a node that limps is worse than a node that restarts.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tracing::error;

/// Spawns tasks and threads, tells them to stop, and waits for them.
#[derive(Clone)]
pub struct Tasks {
    inner: Arc<Inner>,
}

struct Inner {
    tracker: TaskTracker,
    stop: CancellationToken,
    running: Mutex<BTreeMap<&'static str, usize>>,
    on_panic: fn(&'static str),
}

/// Tasks that were still running when the drain's deadline passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("still running {after:?} after they were told to stop: {}", names.join(", "))]
pub struct DrainTimeout {
    /// The names, each once.
    pub names: Vec<&'static str>,
    /// The deadline.
    pub after: Duration,
}

/// Counts a task for as long as it lives, however it ends.
struct Running {
    tasks: Tasks,
    name: &'static str,
}

// === impl Tasks ===

impl Tasks {
    /// An empty set; a panic in one of its tasks aborts the process.
    #[must_use]
    pub fn new() -> Self {
        Self::with_panic_action(|name| {
            error!(task = name, "a task panicked; the process aborts and recovers from its log");
            std::process::abort();
        })
    }

    fn with_panic_action(on_panic: fn(&'static str)) -> Self {
        let inner = Inner {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            running: Mutex::new(BTreeMap::new()),
            on_panic,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Runs `future` in the background. It should end soon after [`Tasks::stopping`] completes.
    ///
    /// Dropping the handle does not stop the task.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that spawns, so that all is named"
    )]
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let running = Running::new(self, name);
        let supervised = async move {
            let outcome = AssertUnwindSafe(future).catch_unwind().await;
            running.outcome(outcome)
        };
        tokio::spawn(self.inner.tracker.track_future(supervised))
    }

    /// Runs `work` on a thread of its own, for work that blocks for as long as the node runs.
    ///
    /// # Errors
    /// When the system has no thread left to give.
    pub fn spawn_thread(
        &self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<()> {
        let running = Running::new(self, name);
        let token = self.inner.tracker.token();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(work));
            running.outcome(outcome);
            drop(token);
        })?;
        Ok(())
    }

    /// Completes when tasks should wind up; at once if that time has come already.
    pub fn stopping(&self) -> WaitForCancellationFutureOwned {
        self.inner.stop.clone().cancelled_owned()
    }

    /// A token that is cancelled when tasks should wind up, for code that polls or passes it on.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.inner.stop.child_token()
    }

    /// Tells every task to stop.
    pub fn stop(&self) {
        self.inner.stop.cancel();
    }

    /// Tells every task to stop and waits until all have ended, or `deadline` has passed.
    ///
    /// # Errors
    /// Names the tasks that did not end in time.
    pub async fn drain(&self, deadline: Duration) -> Result<(), DrainTimeout> {
        self.stop();
        self.inner.tracker.close();
        if tokio::time::timeout(deadline, self.inner.tracker.wait()).await.is_ok() {
            return Ok(());
        }
        let names = self.inner.running.lock().keys().copied().collect();
        Err(DrainTimeout { names, after: deadline })
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &*self.inner.running.lock()).finish()
    }
}

// === impl Running ===

impl Running {
    fn new(tasks: &Tasks, name: &'static str) -> Self {
        *tasks.inner.running.lock().entry(name).or_insert(0) += 1;
        Self { tasks: tasks.clone(), name }
    }

    fn outcome<T>(self, outcome: std::thread::Result<T>) -> T {
        match outcome {
            Ok(value) => value,
            Err(panic) => {
                (self.tasks.inner.on_panic)(self.name);
                // Reached only where the action is a test's: the default one aborts.
                std::panic::resume_unwind(panic)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.tasks.inner.running.lock();
        if let Some(count) = running.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                running.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_tasks_and_threads() {
        let tasks = Tasks::new();
        let ended = Arc::new(AtomicUsize::new(0));
        let (stopping, counter) = (tasks.stopping(), Arc::clone(&ended));
        tasks.spawn("waits", async move {
            stopping.await;
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let counter = Arc::clone(&ended);
        tasks
            .spawn_thread("works", move || {
                counter.fetch_add(1, Ordering::SeqCst);
            })
            .unwrap();
        tasks.drain(Duration::from_secs(10)).await.unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_drain_names_what_does_not_end() {
        let tasks = Tasks::new();
        tasks.spawn("deaf", std::future::pending::<()>());
        tasks.spawn("deaf", std::future::pending::<()>());
        let timeout = tasks.drain(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(timeout.to_string(), "still running 20ms after they were told to stop: deaf");
    }

    #[tokio::test]
    async fn a_panic_is_never_unseen() {
        static SEEN: Mutex<Vec<&str>> = Mutex::new(Vec::new());
        let tasks = Tasks::with_panic_action(|name| SEEN.lock().push(name));
        let joined = tasks.spawn("breaks", async { panic!("a bug") }).await;
        assert!(joined.unwrap_err().is_panic());
        assert_eq!(*SEEN.lock(), ["breaks"]);
    }
}
