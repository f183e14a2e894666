//! Series that have the same labels after names were dropped become one series.

use model::Labels;

use super::KeyIndex;
use crate::roster::{Roster, SharedRoster};

/// Which series are one and the same; exists only when some are.
#[derive(Debug)]
pub(crate) struct DuplicateMap {
    /// Labels, each once.
    pub(crate) roster: SharedRoster,
    /// Where each series went.
    pub(crate) of: Vec<u32>,
    /// Of each place, how many series share it.
    pub(crate) sharers: Vec<u32>,
}

// === impl DuplicateMap ===

impl DuplicateMap {
    /// Looks for equal labels in `roster`; `None` when there are none.
    pub(crate) fn find(roster: &Roster) -> Option<Self> {
        let mut index = KeyIndex::default();
        let of: Vec<u32> =
            roster.series.iter().map(|labels| index.get_or_insert(labels.encoded())).collect();
        if index.len() == roster.len() {
            return None;
        }
        let mut sharers = vec![0; index.len()];
        let mut unique: Vec<Labels> = Vec::with_capacity(index.len());
        for (labels, place) in roster.series.iter().zip(&of) {
            if *place as usize == unique.len() {
                unique.push(labels.clone());
            }
            sharers[*place as usize] += 1;
        }
        Some(Self { roster: Roster::shared(unique), of, sharers })
    }
}
