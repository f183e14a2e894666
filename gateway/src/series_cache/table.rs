//! One part of the cache: an open-addressing table that grows by a quarter and forgets by second
//! chance.
//!
//! A slot has 20 bytes and a table is between 64 % and 80 % full, so an entry costs 25 to 31 bytes.
//! (A power-of-two table would need up to twice that, at the worst moment.) A key's home is its
//! leading 32 bits as a fraction of the table, so growing copies entries almost in order.

use std::sync::atomic::{AtomicBool, Ordering};

use model::SeriesRef;

use super::{CacheSize, Place};

/// The part of a fingerprint that is kept.
pub(super) type Key = [u32; 3];

/// Slots of a table that holds something.
const SLOTS_MIN: usize = 64;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Slot>,
    entries: usize,
    entries_max: usize,
    /// Counts sweeps, to choose other victims each time.
    sweeps: u32,
}

#[derive(Debug, Default)]
struct Slot {
    key: Key,
    series: u32,
    position: u16,
    is_used: bool,
    /// Set by every hit, taken away by a sweep.
    was_hit: AtomicBool,
}

// === impl Table ===

impl Table {
    pub(super) const fn new(entries_max: usize) -> Self {
        Self { slots: Vec::new(), entries: 0, entries_max, sweeps: 0 }
    }

    /// Brings the slots where `key` would be into the CPU's cache.
    #[inline]
    pub(super) fn touch(&self, key: Key) -> u32 {
        self.slots.get(self.home(key)).map_or(0, |slot| slot.key[0])
    }

    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<Place> {
        let slot = self.slots.get(self.seek(key)?)?;
        if !slot.is_used {
            return None;
        }
        if !slot.was_hit.load(Ordering::Relaxed) {
            slot.was_hit.store(true, Ordering::Relaxed);
        }
        Some(Place { position: slot.position, series: SeriesRef(slot.series) })
    }

    /// Inserts or replaces; returns how many entries made room for it.
    pub(super) fn insert(&mut self, key: Key, place: Place) -> usize {
        let mut evicted = 0;
        if self.entries >= self.entries_max {
            evicted = self.sweep();
        }
        if (self.entries + 1) * 5 > self.slots.len() * 4 {
            let slots = (self.slots.len() / 4 * 5).max(SLOTS_MIN);
            self.rebuild(slots, |_| true);
        }
        let Some(at) = self.seek(key) else { return evicted };
        if let Some(slot) = self.slots.get_mut(at) {
            self.entries += usize::from(!slot.is_used);
            *slot = Slot {
                key,
                series: place.series.0,
                position: place.position,
                is_used: true,
                was_hit: AtomicBool::new(false),
            };
        }
        evicted
    }

    /// Forgets the entries whose partition does not stay.
    pub(super) fn retain(&mut self, stays: impl Fn(u16) -> bool) {
        if self.slots.iter().any(|slot| slot.is_used && !stays(slot.position)) {
            self.rebuild(self.slots.len(), |slot| stays(slot.position));
        }
        if self.entries == 0 {
            self.slots = Vec::new();
        }
    }

    pub(super) fn size(&self) -> CacheSize {
        CacheSize { entries: self.entries, bytes: self.slots.capacity() * size_of::<Slot>() }
    }

    /// Makes room for an eighth of the table, so that sweeps stay rare: forgets a quarter of what was
    /// not hit since the last sweep; if that is too little, all of it; if that is, an eighth of
    /// everything. Forgetting all that was not hit at once would empty a table that is slightly too
    /// small for its series again and again.
    fn sweep(&mut self) -> usize {
        let before = self.entries;
        self.sweeps = self.sweeps.wrapping_add(1);
        let sweeps = self.sweeps;
        let enough = self.entries_max / 8 * 7;
        let was_hit = |slot: &Slot| slot.was_hit.load(Ordering::Relaxed);
        self.rebuild(self.slots.len(), |slot| was_hit(slot) || slot.key[1] % 4 != sweeps % 4);
        if self.entries > enough {
            self.rebuild(self.slots.len(), was_hit);
        }
        if self.entries > enough {
            self.rebuild(self.slots.len(), |slot| slot.key[1] % 8 != sweeps % 8);
        }
        if self.entries >= self.entries_max {
            self.rebuild(self.slots.len(), |_| false); // A table of a handful of entries.
        }
        for slot in &mut self.slots {
            *slot.was_hit.get_mut() = false;
        }
        before - self.entries
    }

    fn rebuild(&mut self, slots: usize, keep: impl Fn(&Slot) -> bool) {
        let mut fresh = Vec::new();
        fresh.resize_with(slots, Slot::default);
        let old = std::mem::replace(&mut self.slots, fresh);
        self.entries = 0;
        for slot in old.into_iter().filter(|slot| slot.is_used && keep(slot)) {
            let Some(at) = self.seek(slot.key) else { continue };
            self.slots[at] = slot;
            self.entries += 1;
        }
    }

    /// The slot of `key`, or the free one where it belongs. There is always a free one, because a
    /// table is never full; `None` only for a table without slots.
    #[inline]
    fn seek(&self, key: Key) -> Option<usize> {
        let home = self.home(key);
        let (before, after) = self.slots.split_at_checked(home)?;
        let stops = |slot: &Slot| !slot.is_used || slot.key == key;
        if let Some(at) = after.iter().position(stops) {
            return Some(home + at);
        }
        before.iter().position(stops)
    }

    #[inline]
    fn home(&self, key: Key) -> usize {
        ((u64::from(key[0]) * self.slots.len() as u64) >> 32) as usize
    }
}

#[cfg(test)]
mod tests;
