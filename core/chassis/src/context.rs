//! The components a role is built with, as opposed to the settings in its `Config`.

use std::sync::Arc;

use model::Clock;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;

use crate::clock::SystemClock;
use crate::task::Tasks;

/// Clock, metrics and tasks of one node. Cheap to clone; all clones are the same node.
#[derive(Debug, Clone)]
pub struct Context {
    /// Tells the wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// What `/metrics` shows. The registry has no prefix: a role registers below
    /// `sub_registry_with_prefix("varve_<role>")`, once, when it is built.
    pub metrics: Arc<Mutex<Registry>>,
    /// Spawns and drains everything that runs in the background.
    pub tasks: Tasks,
}

// === impl Context ===

impl Context {
    /// A context with its own registry and tasks, on the given clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, metrics: Arc::new(Mutex::new(Registry::default())), tasks: Tasks::new() }
    }

    /// A context on the machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}
