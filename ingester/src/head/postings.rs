//! Postings: the ascending refs of the series that have one label pair.
//!
//! Refs are given in log order, so a list only ever grows at its end: it is kept as varints of
//! the distances, one byte for most entries. A list of one ref takes no allocation at all, which
//! is what labels with a value per series need.

use super::record::{put_uvarint, take_uvarint};

/// Ascending refs, each once.
#[derive(Debug, Default, Clone)]
pub(crate) struct Postings {
    len: u32,
    last: u32,
    /// Distances from the ref before (from 0 for the first), once there are two.
    #[expect(clippy::box_collection, reason = "8 bytes instead of 24 in the many lists of one")]
    distances: Option<Box<Vec<u8>>>,
}

// === impl Postings ===

impl Postings {
    /// The number of refs.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a ref that is greater than all before.
    pub(super) fn push(&mut self, series: u32) {
        debug_assert!(self.len == 0 || series > self.last, "refs ascend");
        if self.len > 0 {
            let first = self.last;
            let distances = self.distances.get_or_insert_with(|| {
                let mut distances = Vec::with_capacity(8);
                put_uvarint(&mut distances, u64::from(first));
                Box::new(distances)
            });
            if distances.capacity() - distances.len() < 5 {
                // A quarter more, not twice as much: lists are a large part of the index.
                distances.reserve_exact(8 + distances.len() / 4);
            }
            put_uvarint(distances, u64::from(series - self.last));
        }
        self.last = series;
        self.len += 1;
    }

    /// The refs, ascending.
    pub(crate) fn iter(&self) -> PostingsIter<'_> {
        let rest = self.distances.as_ref().map_or(&[][..], |distances| distances);
        PostingsIter { left: self.len, at: 0, single: self.last, rest }
    }

    /// Keeps the refs for which `keep` says yes.
    pub(super) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        let mut kept = Self::default();
        for series in self.iter().filter(|series| keep(*series)) {
            kept.push(series);
        }
        *self = kept;
        if let Some(distances) = &mut self.distances {
            distances.shrink_to_fit();
        }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.distances.as_ref().map_or(0, |distances| 24 + distances.capacity())
    }
}

/// The refs of one list, ascending.
#[derive(Debug, Clone)]
pub(crate) struct PostingsIter<'a> {
    left: u32,
    at: u32,
    single: u32,
    rest: &'a [u8],
}

impl Iterator for PostingsIter<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        if self.rest.is_empty() {
            return Some(self.single);
        }
        let (distance, rest) = take_uvarint(self.rest)?;
        self.rest = rest;
        self.at += u32::try_from(distance).ok()?;
        Some(self.at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn a_list_holds_what_was_pushed(
            refs in prop::collection::btree_set(0_u32..1 << 31, 0..40),
            dead in prop::collection::btree_set(0_usize..40, 0..40),
        ) {
            let mut postings = Postings::default();
            refs.iter().for_each(|series| postings.push(*series));
            prop_assert_eq!(postings.iter().collect::<BTreeSet<_>>(), refs.clone());
            prop_assert_eq!(postings.len() as usize, refs.len());
            let dead: BTreeSet<u32> =
                refs.iter().enumerate().filter(|(i, _)| dead.contains(i)).map(|(_, r)| *r).collect();
            postings.retain(|series| !dead.contains(&series));
            prop_assert_eq!(
                postings.iter().collect::<Vec<_>>(),
                refs.difference(&dead).copied().collect::<Vec<_>>()
            );
        }
    }
}
