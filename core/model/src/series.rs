//! What a series is called: by its identity everywhere, by a small number inside a partition.

use xxhash_rust::xxh3::Xxh3Default;

use crate::labels::Labels;
use crate::tenant::TenantId;

/// The identity of a series: xxh3-128 of tenant, `0xFF`, and the encoded labels.
///
/// Part of the on-disk format: it never changes its definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey(pub u128);

/// The number of a series inside its partition, given in log order and never used again.
///
/// The top bit is free: a frame uses it to point at its own new series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef(pub u32);

// === impl SeriesRef ===

impl SeriesRef {
    /// One more than the largest ref.
    pub const LIMIT: u32 = 1 << 31;

    /// The ref as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

// === impl SeriesKey ===

impl SeriesKey {
    /// The key of `labels` for `tenant`.
    #[must_use]
    pub fn new(tenant: &TenantId, labels: &Labels) -> Self {
        Self::of_encoded(tenant, labels.encoded())
    }

    /// The key of labels that are already in [`Labels`]' encoding.
    #[must_use]
    pub fn of_encoded(tenant: &TenantId, encoded_labels: &[u8]) -> Self {
        let mut hash = Xxh3Default::new();
        hash.update(tenant.as_str().as_bytes());
        hash.update(&[0xFF]);
        hash.update(encoded_labels);
        Self(hash.digest128())
    }
}
