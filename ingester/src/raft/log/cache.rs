//! The newest entries of a group's log, in memory.
//!
//! Invariant: an entry is here until it is durable and applied, so that applying never asks the
//! store for what was just written. After that it stays for as long as [`CacheBudget`] has room.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::raft::types::{Entry, Payload};

/// What the caches of all groups of a node keep of entries that nobody has to wait for.
const CACHE_BYTES: usize = 8 << 20;
/// What they keep at most, if a machine applies more slowly than the log grows.
const CACHE_BYTES_MAX: usize = 64 << 20;
/// Counted for an entry beside its payload.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// Bytes in the entry caches of a node's groups.
#[derive(Debug, Default)]
pub(crate) struct CacheBudget(AtomicUsize);

/// How far a group's machine is: every entry before this index is applied. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct AppliedEnd(Arc<AtomicU64>);

/// The cache of one group: contiguous entries up to the last of its log.
#[derive(Debug)]
pub(super) struct EntryCache {
    budget: Arc<CacheBudget>,
    applied: AppliedEnd,
    entries: VecDeque<Cached>,
    /// Number of the last append; each entry remembers its own.
    appends: u64,
    /// The last append that is durable. Entries that were truncated since do not count: their
    /// successors at the same index have a later number.
    durable: u64,
}

#[derive(Debug)]
struct Cached {
    entry: Entry,
    append: u64,
    bytes: usize,
}

// === impl EntryCache ===

impl EntryCache {
    /// An empty cache that shares `budget` with those of other groups.
    pub(super) fn new(budget: Arc<CacheBudget>, applied: AppliedEnd) -> Self {
        Self { budget, applied, entries: VecDeque::new(), appends: 0, durable: 0 }
    }

    /// Begins an append and returns its number, for [`EntryCache::mark_durable`].
    pub(super) fn begin_append(&mut self) -> u64 {
        self.appends += 1;
        self.appends
    }

    /// Adds the next entry of the append that was begun last.
    pub(super) fn push(&mut self, entry: Entry) {
        let bytes = entry_bytes(&entry);
        self.budget.0.fetch_add(bytes, Ordering::Relaxed);
        self.entries.push_back(Cached { entry, append: self.appends, bytes });
    }

    /// Notes that `append` and those before it are durable, and lets go of what is too much.
    pub(super) fn mark_durable(&mut self, append: u64) {
        self.durable = self.durable.max(append);
        let applied_end = self.applied.get();
        while let Some(first) = self.entries.front() {
            let held = self.budget.0.load(Ordering::Relaxed);
            let is_done = first.entry.log_id.index < applied_end || held > CACHE_BYTES_MAX;
            if held <= CACHE_BYTES || first.append > self.durable || !is_done {
                break;
            }
            self.pop_front();
        }
    }

    /// Forgets the entries from `index` on.
    pub(super) fn truncate(&mut self, index: u64) {
        while self.entries.back().is_some_and(|last| last.entry.log_id.index >= index) {
            let last = self.entries.pop_back();
            self.budget.release(last.as_ref());
        }
    }

    /// Forgets the entries before `index`.
    pub(super) fn forget_before(&mut self, index: u64) {
        while self.entries.front().is_some_and(|first| first.entry.log_id.index < index) {
            self.pop_front();
        }
    }

    /// The index of the first entry that is here.
    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(|first| first.entry.log_id.index)
    }

    /// The entries of `range` that are here, in order.
    pub(super) fn range(&self, range: Range<u64>) -> Vec<Entry> {
        let Some(first) = self.first() else { return Vec::new() };
        let place = |index: u64| {
            let place = usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
            place.min(self.entries.len())
        };
        let (from, to) = (place(range.start), place(range.end));
        self.entries.range(from..to.max(from)).map(|cached| cached.entry.clone()).collect()
    }

    fn pop_front(&mut self) {
        let first = self.entries.pop_front();
        self.budget.release(first.as_ref());
    }
}

impl Drop for EntryCache {
    fn drop(&mut self) {
        self.truncate(0);
    }
}

// === impl CacheBudget ===

impl CacheBudget {
    fn release(&self, cached: Option<&Cached>) {
        self.0.fetch_sub(cached.map_or(0, |cached| cached.bytes), Ordering::Relaxed);
    }
}

// === impl AppliedEnd ===

impl AppliedEnd {
    /// Notes that `index` and everything before it is applied.
    pub(crate) fn set(&self, index: u64) {
        self.0.store(index.saturating_add(1), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes that an entry counts for.
pub(super) fn entry_bytes(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        Payload::Normal(command) => command.0.len(),
        Payload::Blank | Payload::Membership(_) => 0,
    };
    ENTRY_OVERHEAD_BYTES + payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::types::{Command, LeaderId, LogId};

    fn entry(index: u64, bytes: usize) -> Entry {
        let log_id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index };
        Entry { log_id, payload: Payload::Normal(Command(vec![0; bytes].into())) }
    }

    /// A cache after appends of one entry of 1 MiB each, from index 1 on, all of them durable.
    fn filled(budget: &Arc<CacheBudget>, applied: &AppliedEnd, entries: u64) -> EntryCache {
        let mut cache = EntryCache::new(Arc::clone(budget), applied.clone());
        for index in 1..=entries {
            let append = cache.begin_append();
            cache.push(entry(index, 1 << 20));
            cache.mark_durable(append);
        }
        cache
    }

    #[test]
    fn an_entry_stays_until_it_is_applied_whatever_other_groups_keep() {
        let (budget, applied) = (Arc::default(), AppliedEnd::default());
        let other = filled(&budget, &AppliedEnd::default(), 12);
        let mut cache = filled(&budget, &applied, 4);
        assert_eq!(cache.first(), Some(1), "nothing of it is applied");
        applied.set(3);
        cache.mark_durable(4);
        assert_eq!(cache.first(), Some(4), "the rest is too much");
        drop(other);
        let cached = cache.range(0..9);
        assert_eq!(cached.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn an_entry_stays_until_it_is_durable() {
        let (budget, applied) = (Arc::default(), AppliedEnd::default());
        applied.set(100);
        let mut cache = EntryCache::new(budget, applied);
        let first = cache.begin_append();
        (1..=9).for_each(|index| cache.push(entry(index, 1 << 20)));
        assert_eq!(cache.first(), Some(1));
        cache.mark_durable(first);
        assert_eq!(cache.first(), Some(3), "8 MiB and less than an entry's overhead");
        assert_eq!(cache.range(2..5).len(), 2);
        assert_eq!(cache.range(5..5).len(), 0);
    }

    #[test]
    fn a_machine_that_does_not_keep_up_does_not_take_all_memory() {
        let budget = Arc::default();
        let cache = filled(&budget, &AppliedEnd::default(), 100);
        assert_eq!(cache.range(0..200).len(), 63, "64 MiB and less than the entries' overhead");
        drop(cache);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
    }
}
