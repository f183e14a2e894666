//! What the gateway knows about series: from the hash of a series' raw label bytes to the partition
//! and ref by which the partition knows it.
//!
//! With it a known series' labels are neither parsed, nor checked, nor sent again; this is what
//! makes a steady write cheap. It is only ever a shortcut: with nothing in it every request still
//! works, because series that it does not know are sent with their labels.
//!
//! Invariants: an entry is used only with the routes under which it was learned; the number of
//! entries never exceeds the limit; the hash is keyed by a secret that never leaves the process, so
//! nobody outside can make two series collide.

mod table;

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use cluster::Routes;
use model::{SeriesRef, TenantId};
use parking_lot::{RwLock, RwLockReadGuard};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128_with_secret;

use table::{Key, Table};

/// Parts of the cache with their own lock, table and growth, so that an insert never stops all
/// readers and only a sixteenth of the cache is twice in memory while it grows.
const SHARDS: usize = 16;

/// Size of the secret: xxh3 takes 136 bytes or more and reads at most 192.
const SECRET_BYTES: usize = 192;

/// Identifies raw label bytes of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u128);

/// Fingerprints label bytes for one tenant.
#[derive(Debug)]
pub(crate) struct LabelHasher<'a> {
    secret: &'a [u8; SECRET_BYTES],
    tenant: u128,
}

/// Where a series lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The partition's position in [`Routes::partitions`].
    pub(crate) position: u16,
    /// The series' ref there.
    pub(crate) series: SeriesRef,
}

/// The cache; see the module's documentation.
pub(crate) struct SeriesCache {
    secret: [u8; SECRET_BYTES],
    /// The routes under which all entries were learned. Held for reading by whoever reads or
    /// inserts, for writing by whoever forgets.
    routes: RwLock<Arc<Routes>>,
    shards: [RwLock<Table>; SHARDS],
}

/// The size of the cache at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheSize {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

// === impl LabelHasher ===

impl LabelHasher<'_> {
    /// The fingerprint of one series' label fields.
    #[inline]
    pub(crate) fn fingerprint(&self, label_fields: &[u8]) -> Fingerprint {
        Fingerprint(xxh3_128_with_secret(label_fields, self.secret) ^ self.tenant)
    }
}

// === impl Fingerprint ===

impl Fingerprint {
    #[inline]
    const fn shard(self) -> usize {
        (self.0 >> 124) as usize
    }

    /// The 96 bits that the table keeps; the shard stands for four more. Two of four million series
    /// meet in all 100 with a probability of 10⁻¹⁷.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the key is made of the low 96 bits")]
    const fn key(self) -> Key {
        [self.0 as u32, (self.0 >> 32) as u32, (self.0 >> 64) as u32]
    }
}

// === impl SeriesCache ===

impl SeriesCache {
    /// An empty cache of at most `entries_max` series, which grows as it needs to.
    pub(crate) fn new(entries_max: usize, routes: Arc<Routes>) -> Self {
        let per_shard = entries_max.div_ceil(SHARDS).max(1);
        Self {
            secret: random_secret(),
            routes: RwLock::new(routes),
            shards: std::array::from_fn(|_| RwLock::new(Table::new(per_shard))),
        }
    }

    /// The hasher of a tenant's labels.
    pub(crate) fn hasher(&self, tenant: &TenantId) -> LabelHasher<'_> {
        let tenant = xxh3_128_with_secret(tenant.as_str().as_bytes(), &self.secret).rotate_left(64);
        LabelHasher { secret: &self.secret, tenant }
    }

    /// Forgets what `routes` has made invalid: everything when slots have moved, else the
    /// partitions with another generation.
    pub(crate) fn follow(&self, routes: &Arc<Routes>) {
        if Arc::ptr_eq(&self.routes.read(), routes) {
            return;
        }
        let mut current = self.routes.write();
        let ids = |routes: &Routes| routes.partitions.iter().map(|p| p.id).collect::<Vec<_>>();
        let same_slots =
            current.slots.epoch() == routes.slots.epoch() && ids(&current) == ids(routes);
        let stays = |position: u16| {
            let of = |routes: &Routes| routes.partitions.get(usize::from(position)).copied();
            same_slots && of(&current) == of(routes)
        };
        for shard in &self.shards {
            shard.write().retain(stays);
        }
        *current = Arc::clone(routes);
    }

    /// Looks up a batch of series into `places`, one each; knows nothing if `routes` are not those
    /// that the cache follows. Returns how many are known.
    pub(crate) fn probe(
        &self,
        routes: &Arc<Routes>,
        batch: &[Fingerprint],
        places: &mut Vec<Option<Place>>,
    ) -> usize {
        places.clear();
        let current = self.routes.read();
        if !Arc::ptr_eq(&current, routes) {
            places.resize(batch.len(), None);
            return 0;
        }
        let shards: [RwLockReadGuard<'_, Table>; SHARDS] =
            std::array::from_fn(|i| self.shards[i].read());
        // The tables are larger than the CPU's caches. Touching every home slot first lets those
        // misses overlap; one after the other they would cost a memory round trip each.
        let touched =
            batch.iter().fold(0_u32, |sum, print| sum ^ shards[print.shard()].touch(print.key()));
        std::hint::black_box(touched);
        places.extend(batch.iter().map(|print| shards[print.shard()].find(print.key())));
        places.iter().flatten().count()
    }

    /// Remembers the refs that a partition has given to new series. Returns how many older entries
    /// made room. Does nothing when the cache follows other routes by now.
    pub(crate) fn learn(
        &self,
        routes: &Arc<Routes>,
        position: u16,
        learned: impl Iterator<Item = (Fingerprint, SeriesRef)>,
    ) -> usize {
        let current = self.routes.read();
        if !Arc::ptr_eq(&current, routes) {
            return 0;
        }
        learned
            .map(|(print, series)| {
                self.shards[print.shard()].write().insert(print.key(), Place { position, series })
            })
            .sum()
    }

    /// Forgets a partition's series: it has said that it does not know one of them.
    pub(crate) fn forget(&self, position: u16) {
        for shard in &self.shards {
            shard.write().retain(|p| p != position);
        }
    }

    /// The size at this moment.
    pub(crate) fn size(&self) -> CacheSize {
        let tables: SmallVec<[CacheSize; SHARDS]> =
            self.shards.iter().map(|shard| shard.read().size()).collect();
        CacheSize {
            entries: tables.iter().map(|size| size.entries).sum(),
            bytes: tables.iter().map(|size| size.bytes).sum(),
        }
    }
}

impl std::fmt::Debug for SeriesCache {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeriesCache").field("size", &self.size()).finish_non_exhaustive()
    }
}

/// A secret from the operating system's randomness, by way of the standard library's keyed hash.
fn random_secret() -> [u8; SECRET_BYTES] {
    let state = std::collections::hash_map::RandomState::new();
    let mut secret = [0; SECRET_BYTES];
    for (i, chunk) in secret.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let mut hasher = state.build_hasher();
        hasher.write_usize(i);
        *chunk = hasher.finish().to_le_bytes();
    }
    secret
}

#[cfg(test)]
mod tests;
