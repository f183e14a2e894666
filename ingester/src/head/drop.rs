//! Retention: old windows leave, and then the series that have nothing else.
//!
//! The cut is rounded down to a window, so that what leaves the store is whole windows. From the
//! command on nothing before it is seen any more; the store's keys are deleted once a checkpoint
//! has made that durable, because a replay of older log entries may still have to look at them.
//! The same command seals what idle series still hold open: an open chunk costs memory, a sealed
//! one does not.

use super::samples::seal;
use super::sealed::{WINDOW_MS, window_hour, window_start_ms};
use super::state::State;

/// A series is idle when its newest sample is this much older than the partition's newest.
const IDLE_MS: i64 = 2 * WINDOW_MS;

impl State {
    /// Drops the windows that end at `before_ms` or earlier, and what has nothing else.
    pub(super) fn drop_before(&mut self, before_ms: i64) {
        let before_ms = window_start_ms(before_ms).max(self.counters.dropped_before_ms);
        self.counters.dropped_before_ms = before_ms;
        self.sealed.drop_before(window_hour(before_ms));
        let changed = self.late.drop_before(before_ms);
        self.mark_changed(&changed);
        self.metadata.drop_before(before_ms, self.epoch);
        self.drop_series(before_ms);
        self.seal_idle();
    }

    /// Late samples are older than their series' newest, so that one alone decides.
    fn drop_series(&mut self, before_ms: i64) {
        let mut dead = Vec::new();
        let mut pairs = Vec::new();
        let mut fingerprints = Vec::new();
        for (number, page) in self.pages.iter() {
            for (series, at) in page.refs(number) {
                if page.open(at).last_ms() < before_ms {
                    dead.push(series);
                    pairs.extend_from_slice(page.pairs(at));
                    fingerprints.push(page.series(at).fingerprint);
                }
            }
        }
        if dead.is_empty() {
            return;
        }
        pairs.sort_unstable();
        pairs.dedup();
        self.index.remove(&pairs, |series| dead.binary_search(&series).is_ok());
        for (series, fingerprint) in dead.iter().zip(fingerprints) {
            self.leave(fingerprint, *series);
            self.series_dirty.mark(*series);
            self.counters.series -= 1;
        }
        self.pages.remove(&dead);
        let pages = &self.pages;
        self.by_fingerprint.shrink_to_fit(|series| pages.fingerprint(*series));
    }

    fn seal_idle(&mut self) {
        let idle_before_ms = self.counters.newest_ms.saturating_sub(IDLE_MS);
        let (index, epoch) = (self.counters.applied, self.epoch);
        for (number, page) in self.pages.iter_mut() {
            let places: Vec<(u32, usize)> = page.refs(number).collect();
            for (series, at) in places {
                let open = page.open_mut(at);
                if open.last_ms() < idle_before_ms && open.samples() > 0 {
                    seal(&mut self.sealed, index, series, open);
                    page.changed = epoch;
                }
            }
        }
        let pages = &self.pages;
        let last_ms = |series| pages.find(series).map(|(page, at)| page.open(at).last_ms());
        let is_idle = |series| last_ms(series).is_none_or(|last_ms| last_ms < idle_before_ms);
        let changed = self.late.seal_idle(index, &mut self.sealed, is_idle);
        self.mark_changed(&changed);
    }

    fn mark_changed(&mut self, changed: &[u32]) {
        for series in changed {
            if let Some((page, _)) = self.pages.find_mut(*series) {
                page.changed = self.epoch;
            }
        }
    }
}
