//! Which partition owns a series: 65,536 hash slots, each given to a partition by the meta group.

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::labels::METRIC_NAME;
use crate::tenant::TenantId;

/// The number of slots; part of the wire and disk contract.
pub const SLOT_COUNT: usize = 1 << 16;

/// The seed of [`slot_of`]; part of the wire and disk contract.
const SLOT_SEED: u64 = 0x5641_5256_4500_0001; // "VARVE", version 1

/// One of [`SLOT_COUNT`] hash slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// One Raft group's share of the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId(pub u32);

/// The metric family: the name without `_bucket`, `_sum` or `_count`.
///
/// The parts of a classic histogram or summary share a family, so they share a slot.
#[must_use]
pub fn family(metric_name: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| metric_name.strip_suffix(suffix))
        .filter(|family| !family.is_empty())
        .unwrap_or(metric_name)
}

/// The slot of a series: xxh3 of tenant, family and every label but the name, `le`, `quantile` and
/// the HA replica labels. `labels` must be sorted by name.
pub fn slot_of<'a>(
    tenant: &TenantId,
    labels: impl IntoIterator<Item = (&'a str, &'a str)> + Clone,
) -> Slot {
    let mut hash = Xxh3::with_seed(SLOT_SEED);
    let mut field = |text: &str| {
        hash.update(text.as_bytes());
        hash.update(&[0xFF]);
    };
    field(tenant.as_str());
    let name = labels.clone().into_iter().find(|(n, _)| *n == METRIC_NAME);
    field(family(name.map_or("", |(_, value)| value)));
    for (name, value) in labels {
        if matches!(name, METRIC_NAME | "le" | "quantile" | "__replica__") {
            continue;
        }
        field(name);
        field(value);
    }
    Slot((hash.digest() >> 48) as u16)
}

/// Slot → partition, with the epoch at which the meta group published it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotMap {
    epoch: u64,
    owners: Arc<[PartitionId]>,
}

// === impl SlotMap ===

impl SlotMap {
    /// Gives the slots in equal runs to `partitions` partitions numbered from 0.
    #[must_use]
    pub fn even(epoch: u64, partitions: u32) -> Self {
        let partitions = u64::from(partitions.max(1));
        let owner = |slot: u64| PartitionId((slot * partitions / SLOT_COUNT as u64) as u32);
        Self { epoch, owners: (0..SLOT_COUNT as u64).map(owner).collect() }
    }

    /// A map with one owner per slot; `None` unless there are [`SLOT_COUNT`] owners.
    #[must_use]
    pub fn from_owners(epoch: u64, owners: Vec<PartitionId>) -> Option<Self> {
        (owners.len() == SLOT_COUNT).then(|| Self { epoch, owners: owners.into() })
    }

    /// The version of this map; it only grows.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The partition that owns `slot`.
    #[must_use]
    pub fn owner(&self, slot: Slot) -> PartitionId {
        self.owners[usize::from(slot.0)]
    }

    /// The owners in order of slot.
    #[must_use]
    pub fn owners(&self) -> &[PartitionId] {
        &self.owners
    }
}
