//! Symbols: every label name and value of the partition, stored once.
//!
//! They are interned per partition and not per node, although the same names occur in each: apply
//! takes one lock, its partition's, and a table shared by the node would be a second one on the
//! path of every new series; a partition's state would no longer be a function of its own log; and
//! a partition that moves away would leave strings behind. The price is the strings that
//! partitions have in common, a few bytes per series.
//!
//! A symbol is counted by what uses it and forgotten with its last user; its id is then given to
//! the next new string. Ids never leave this replica.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::dirty::Dirty;

/// The number of a string inside its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Symbol(pub(super) u32);

/// The strings, their numbers, and how often each is used.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    entries: Vec<Entry>,
    by_text: HashTable<u32>,
    free: Vec<u32>,
    pub(super) dirty: Dirty,
}

/// A string; unused ids have none.
#[derive(Debug, Default)]
struct Entry {
    text: Option<Box<str>>,
    users: u32,
}

// === impl Symbols ===

impl Symbols {
    /// The symbol of `text`, if there is one.
    pub(super) fn find(&self, text: &str) -> Option<Symbol> {
        self.by_text
            .find(xxh3_64(text.as_bytes()), |id| self.text(Symbol(*id)) == text)
            .map(|id| Symbol(*id))
    }

    /// The symbol of `text`, new or not. The caller counts itself with [`Symbols::retain`].
    pub(super) fn intern(&mut self, text: &str) -> Symbol {
        self.find(text).unwrap_or_else(|| {
            let id = self.free.pop().unwrap_or_else(|| {
                self.entries.push(Entry::default());
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            });
            self.set(Symbol(id), text);
            self.dirty.mark(id);
            Symbol(id)
        })
    }

    /// Puts `text` at an unused id: a new one, or one that a checkpoint tells.
    fn set(&mut self, symbol: Symbol, text: &str) {
        let Self { entries, by_text, .. } = self;
        entries[symbol.0 as usize].text = Some(text.into());
        by_text.insert_unique(xxh3_64(text.as_bytes()), symbol.0, |id| {
            xxh3_64(entries[*id as usize].text.as_deref().unwrap_or_default().as_bytes())
        });
    }

    /// Counts one more user.
    pub(super) fn retain(&mut self, symbol: Symbol) {
        self.entries[symbol.0 as usize].users += 1;
    }

    /// Counts one user less, and forgets the string with its last one.
    pub(super) fn release(&mut self, symbol: Symbol) {
        let entry = &mut self.entries[symbol.0 as usize];
        entry.users -= 1;
        if entry.users == 0 {
            let text = entry.text.take().unwrap_or_default();
            let hash = xxh3_64(text.as_bytes());
            if let Ok(found) = self.by_text.find_entry(hash, |id| *id == symbol.0) {
                found.remove();
            }
            self.free.push(symbol.0);
            self.dirty.mark(symbol.0);
        }
    }

    /// The string of a symbol.
    pub(super) fn text(&self, symbol: Symbol) -> &str {
        self.entries[symbol.0 as usize].text.as_deref().unwrap_or_default()
    }

    /// The used ids of one page with their strings, ascending.
    pub(super) fn page(&self, page: u32) -> impl Iterator<Item = (u32, &str)> {
        Dirty::ids(page, self.entries.len())
            .filter_map(|id| Some((id, self.entries[id as usize].text.as_deref()?)))
    }

    /// Takes a string from a checkpoint; ids come ascending. Users are counted as they are read.
    pub(super) fn restore(&mut self, id: u32, text: &str) -> Option<()> {
        let index = id as usize;
        if index < self.entries.len() || self.find(text).is_some() {
            return None;
        }
        self.entries.resize_with(index + 1, Entry::default);
        self.set(Symbol(id), text);
        Some(())
    }

    /// Whether the symbol stands for a string.
    pub(super) fn contains(&self, symbol: Symbol) -> bool {
        self.entries.get(symbol.0 as usize).is_some_and(|entry| entry.text.is_some())
    }

    /// Ends a restore: ids without a string are free.
    pub(super) fn restored(&mut self) {
        let ids = (0..).zip(&self.entries);
        self.free = ids.filter(|(_, entry)| entry.text.is_none()).map(|(id, _)| id).collect();
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let texts: usize =
            self.entries.iter().flat_map(|entry| &entry.text).map(|text| text.len()).sum();
        texts
            + self.entries.capacity() * size_of::<Entry>()
            + self.by_text.allocation_size()
            + self.free.capacity() * 4
    }
}
