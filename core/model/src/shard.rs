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
        // Slots have 16 bits, so the quotient is below `partitions` and fits.
        let owner = |slot: u16| {
            let share = (u64::from(slot) * partitions) >> 16;
            PartitionId(u32::try_from(share).unwrap_or(u32::MAX))
        };
        Self { epoch, owners: (0..=u16::MAX).map(owner).collect() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Labels;

    fn slot(pairs: &[(&str, &str)]) -> Slot {
        slot_of(&TenantId::anonymous(), Labels::from_pairs(pairs.iter().copied()).iter())
    }

    #[test]
    fn parts_of_a_histogram_share_a_slot() {
        let base = slot(&[("__name__", "rpc"), ("job", "api")]);
        for part in [
            &[("__name__", "rpc_bucket"), ("job", "api"), ("le", "0.5")][..],
            &[("__name__", "rpc_sum"), ("job", "api")],
            &[("__name__", "rpc_count"), ("job", "api")],
            &[("__name__", "rpc"), ("job", "api"), ("quantile", "0.9")],
            &[("__name__", "rpc"), ("job", "api"), ("__replica__", "a")],
        ] {
            assert_eq!(slot(part), base, "{part:?}");
        }
        assert_ne!(slot(&[("__name__", "rpc"), ("job", "web")]), base);
        assert_ne!(slot(&[("__name__", "_bucket")]), slot(&[("__name__", "")]));
    }

    #[test]
    fn slots_are_a_wire_contract() {
        assert_eq!(slot(&[("__name__", "up"), ("instance", "a:9100")]), Slot(50_802));
    }

    #[test]
    fn hot_metrics_and_large_targets_spread_over_partitions() {
        let map = SlotMap::even(1, 16);
        let mut counts = [0_u32; 16];
        for i in 0..16_000 {
            let name = format!("metric_{}", i % 160);
            let instance = format!("host-{}", i / 160);
            let owner = map.owner(slot(&[("__name__", &name), ("instance", &instance)]));
            counts[owner.0 as usize] += 1;
        }
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}, expected about 1000");
    }

    #[test]
    fn an_even_map_uses_every_partition_equally() {
        let map = SlotMap::even(3, 4);
        for partition in 0..4 {
            let slots = map.owners().iter().filter(|owner| owner.0 == partition).count();
            assert_eq!(slots, SLOT_COUNT / 4);
        }
    }
}
