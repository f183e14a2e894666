//! Who owns what: the slot map and each partition's generation, published by the meta group.

use std::sync::Arc;

use arc_swap::ArcSwap;
use model::{PartitionId, SlotMap};

/// One version of the routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// Slot → partition.
    pub slots: SlotMap,
    /// Partitions in order of id.
    pub partitions: Vec<PartitionRoute>,
}

/// One partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRoute {
    /// Its id.
    pub id: PartitionId,
    /// Grows whenever refs given out before may have become invalid (after `varve recover`).
    pub generation: u64,
}

/// The current routes; cheap to clone and to read.
#[derive(Debug, Clone)]
pub struct RoutesWatch(Arc<ArcSwap<Routes>>);

// === impl RoutesWatch ===

impl RoutesWatch {
    /// Starts with `routes`.
    #[must_use]
    pub fn new(routes: Routes) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(routes)))
    }

    /// The routes of this moment.
    #[must_use]
    pub fn current(&self) -> Arc<Routes> {
        self.0.load_full()
    }

    /// Publishes new routes.
    pub fn publish(&self, routes: Routes) {
        self.0.store(Arc::new(routes));
    }
}
