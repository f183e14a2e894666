//! Groups of series by the numbers of their label pairs.
//!
//! Equal labels have equal numbers, so which group a series is in is decided without looking at a
//! text, but once a pair; labels are written down once a group. The rules are those of
//! `promql::bind::GroupMap::bind`.

use std::collections::HashMap;
use std::sync::Arc;

use model::Labels;
use model::labels::METRIC_NAME;
use promql::ast::Grouping;
use promql::bind::{GroupMap, METADATA_LABELS};
use promql::roster::Roster;
use smallvec::SmallVec;

use crate::head::{PairId, State};

/// The pairs that make a group.
type Key = SmallVec<[u32; 6]>;

/// Whether a pair counts, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Counts {
    #[default]
    Unknown,
    Yes,
    No,
}

/// Gathers series into groups.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    grouping: &'a Grouping,
    drops_name: bool,
    /// By pair.
    counts: Vec<Counts>,
    by_key: HashMap<Key, u32>,
    labels: Vec<Labels>,
    of: Vec<u32>,
    buffer: Vec<u8>,
}

// === impl Groups ===

impl<'a> Groups<'a> {
    pub(super) fn new(grouping: &'a Grouping, drops_name: bool) -> Self {
        Self {
            grouping,
            drops_name,
            counts: Vec::new(),
            by_key: HashMap::new(),
            labels: Vec::new(),
            of: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Adds the next series.
    pub(super) fn add(&mut self, state: &State, series: u32) {
        if !self.grouping.is_without && self.grouping.labels.is_empty() {
            if self.labels.is_empty() {
                self.labels.push(Labels::empty());
            }
            self.of.push(0);
            return;
        }
        let mut key = Key::new();
        for pair in state.pages.pairs(series).iter().skip(1) {
            if self.counts(state, *pair) {
                key.push(*pair);
            }
        }
        let next = u32::try_from(self.labels.len()).unwrap_or(u32::MAX);
        let group = match self.by_key.get(&key) {
            Some(known) => *known,
            None => {
                self.labels.push(Labels::from_sorted(
                    key.iter().map(|pair| {
                        let pair = PairId(*pair);
                        (state.index.name_text(state.index.name(pair)), state.index.value(pair))
                    }),
                    &mut self.buffer,
                ));
                self.by_key.insert(key, next);
                next
            }
        };
        self.of.push(group);
    }

    pub(super) fn finish(self) -> GroupMap {
        GroupMap { groups: Arc::new(Roster { series: self.labels }), of: self.of }
    }

    fn counts(&mut self, state: &State, pair: u32) -> bool {
        let at = pair as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, Counts::Unknown);
        }
        if self.counts[at] == Counts::Unknown {
            let name = state.index.name_text(state.index.name(PairId(pair)));
            self.counts[at] = if self.is_kept(name) { Counts::Yes } else { Counts::No };
        }
        self.counts[at] == Counts::Yes
    }

    fn is_kept(&self, name: &str) -> bool {
        if self.drops_name && METADATA_LABELS.contains(&name) {
            return false;
        }
        let is_listed = self.grouping.labels.iter().any(|label| **label == *name);
        if self.grouping.is_without { !is_listed && name != METRIC_NAME } else { is_listed }
    }
}
