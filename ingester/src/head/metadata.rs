//! Type, help and unit of metric families: the last writer of each wins.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use cluster::client::FamilyMetadata;
use cluster::frame::MetadataRecord;
use model::TimestampMs;

use super::index::TenantNumber;

/// Senders repeat metadata every minute; noting once an hour that it is still sent is enough.
const SEEN_RESOLUTION_MS: i64 = 3_600_000;

/// Remote write's `MetricMetadata.MetricType`, by number.
const KINDS: [&str; 8] =
    ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"];

/// What is known about one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) kind: u8,
    pub(super) help: Box<str>,
    pub(super) unit: Box<str>,
    /// The head's newest timestamp when it was last sent, to within an hour.
    pub(super) seen_ms: TimestampMs,
}

/// A tenant's family by name.
pub(super) type FamilyKey = (TenantNumber, Box<str>);

/// Metadata by tenant and family.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    families: BTreeMap<FamilyKey, Family>,
    /// Keys that changed, with the epoch of the last change.
    changed: BTreeMap<FamilyKey, u64>,
}

// === impl Metadata ===

impl Metadata {
    /// Takes a record of a frame.
    pub(super) fn set(
        &mut self,
        tenant: TenantNumber,
        record: &MetadataRecord<'_>,
        now_ms: TimestampMs,
        epoch: u64,
    ) {
        let key = (tenant, Box::from(record.family));
        let family = Family {
            kind: record.kind,
            help: record.help.into(),
            unit: record.unit.into(),
            seen_ms: now_ms,
        };
        let is_known = self.families.get(&key).is_some_and(|known| {
            let is_fresh = now_ms.saturating_sub(known.seen_ms) < SEEN_RESOLUTION_MS;
            is_fresh && Family { seen_ms: known.seen_ms, ..family.clone() } == *known
        });
        if !is_known {
            self.changed.insert(key.clone(), epoch);
            self.families.insert(key, family);
        }
    }

    /// Forgets families that were not sent since `before_ms`.
    pub(super) fn drop_before(&mut self, before_ms: TimestampMs, epoch: u64) {
        let changed = &mut self.changed;
        self.families.retain(|key, family| {
            let is_kept = family.seen_ms >= before_ms;
            if !is_kept {
                changed.insert(key.clone(), epoch);
            }
            is_kept
        });
    }

    /// A tenant's families, or one of them, ascending by name.
    pub(crate) fn list(&self, tenant: TenantNumber, family: Option<&str>) -> Vec<FamilyMetadata> {
        let first: FamilyKey = (tenant, family.unwrap_or_default().into());
        self.families
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(|((of, name), _)| {
                *of == tenant && family.is_none_or(|wanted| **name == *wanted)
            })
            .map(|((_, name), family)| FamilyMetadata {
                family: name.to_string(),
                kind: KINDS.get(usize::from(family.kind)).unwrap_or(&KINDS[0]),
                help: family.help.to_string(),
                unit: family.unit.to_string(),
            })
            .collect()
    }

    /// Families that changed after the epoch that is on disk; `None` for those that are gone.
    pub(super) fn since(
        &self,
        durable: u64,
    ) -> impl Iterator<Item = (&FamilyKey, Option<&Family>)> {
        let newer = self.changed.iter().filter(move |(_, epoch)| **epoch > durable);
        newer.map(|(key, _)| (key, self.families.get(key)))
    }

    /// Forgets that anything changed up to `epoch`: it is on disk.
    pub(super) fn persisted(&mut self, epoch: u64) {
        self.changed.retain(|_, changed| *changed > epoch);
    }

    /// Takes a family from a checkpoint.
    pub(super) fn restore(&mut self, key: FamilyKey, family: Family) {
        self.families.insert(key, family);
    }

    /// All families, in order.
    #[cfg(test)]
    pub(super) const fn families(&self) -> &BTreeMap<FamilyKey, Family> {
        &self.families
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let texts = |(key, family): (&FamilyKey, &Family)| {
            key.1.len() + family.help.len() + family.unit.len() + 96
        };
        self.families.iter().map(texts).sum()
    }
}

/// Families of several partitions as one sorted list: of equal names, the first stays.
pub(crate) fn merge(lists: impl IntoIterator<Item = Vec<FamilyMetadata>>) -> Vec<FamilyMetadata> {
    let mut seen = BTreeSet::new();
    let mut all: Vec<FamilyMetadata> = lists.into_iter().flatten().collect();
    all.retain(|family| seen.insert(family.family.clone()));
    all.sort();
    all
}
