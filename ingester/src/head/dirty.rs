//! Which pages of numbered things changed since which checkpoint.
//!
//! A thing's id says its page; a page is one record in the state store and is written whole. Each
//! page remembers the epoch of its last change. Epochs are numbered by checkpoints, so a
//! checkpoint that failed needs no undoing: the next one still sees everything that is newer than
//! the last one that is on disk.

use std::ops::Range;

/// Things in a page.
pub(super) const PAGE_LEN: u32 = 256;

/// The epoch of the last change of each page.
#[derive(Debug)]
pub(super) struct Dirty {
    /// The epoch that changes of this moment belong to.
    epoch: u64,
    changed: Vec<u64>,
}

// === impl Dirty ===

impl Default for Dirty {
    fn default() -> Self {
        Self { epoch: 1, changed: Vec::new() }
    }
}

impl Dirty {
    /// Notes a change of thing `id`.
    pub(super) fn mark(&mut self, id: u32) {
        let page = (id / PAGE_LEN) as usize;
        if page >= self.changed.len() {
            self.changed.resize(page + 1, 0);
        }
        self.changed[page] = self.epoch;
    }

    /// Later changes belong to `epoch`.
    pub(super) const fn begin(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// Pages that changed after the epoch that is on disk.
    pub(super) fn since(&self, durable: u64) -> impl Iterator<Item = u32> {
        (0..).zip(&self.changed).filter(move |(_, epoch)| **epoch > durable).map(|(page, _)| page)
    }

    /// The ids of `page`, of `len` ids in all.
    pub(super) fn ids(page: u32, len: usize) -> Range<u32> {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        (page * PAGE_LEN).min(len)..((page + 1) * PAGE_LEN).min(len)
    }
}
