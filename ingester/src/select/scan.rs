//! The samples of a selection, a few hundred series at a time.
//!
//! When a scan starts it notes each series' newest timestamp. Samples in order only ever come with
//! newer ones, so that number marks, for as long as the scan lasts, which of them it may see,
//! wherever they have moved meanwhile: open chunk, sealed and in memory, or in the store. Late
//! samples are copied at the start, and chunks of late samples that were sealed afterwards are
//! known by their log index. So a scan sees one instant, and holds the lock only to copy.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use model::{Labels, TimeRange, TimestampMs};
use promql::ast::Grouping;
use promql::bind::GroupMap;
use promql::op::OpError;
use promql::roster::{Roster, SharedRoster};
use promql::source::{SampleBlock, SampleScan};

use super::chunks::Chunks;
use super::groups::Groups;
use crate::head::{Head, LateSample, State, window_hour};

/// Series whose chunks are gathered together.
const BATCH_SERIES: usize = 512;
/// Series whose labels are read under one lock.
const ROSTER_SERIES: usize = 4096;

/// A running scan over one head.
#[derive(Debug)]
pub(crate) struct HeadScan<'a> {
    head: &'a Head,
    view: View,
    /// Whether of each series only the newest sample in range matters.
    newest_only: bool,
    series: Vec<Found>,
    next: usize,
    late: BTreeMap<u32, Vec<LateSample>>,
    chunks: Chunks,
    roster: OnceCell<SharedRoster>,
}

/// A series of the selection, as it stood when the scan started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) series: u32,
    pub(super) last_ms: TimestampMs,
    pub(super) last_bits: u64,
}

/// Which samples the scan may see.
#[derive(Debug)]
pub(super) struct View {
    /// The selection's range without what retention has dropped.
    pub(super) range: TimeRange,
    /// The log index of the last command.
    pub(super) applied: u64,
}

// === impl View ===

impl View {
    fn new(state: &State, range: TimeRange) -> Self {
        let start_ms = range.start_ms.max(state.counters.dropped_before_ms);
        Self { range: TimeRange::new(start_ms, range.end_ms), applied: state.counters.applied }
    }
}

// === impl HeadScan ===

impl<'a> HeadScan<'a> {
    /// Starts a scan over `refs`, which `state` has just found.
    pub(super) fn new(
        head: &'a Head,
        state: &State,
        refs: &[u32],
        range: TimeRange,
        newest_only: bool,
    ) -> Self {
        let view = View::new(state, range);
        let series: Vec<Found> = in_range(state, refs, view.range).collect();
        let is_selected = |wanted: u32| series.binary_search_by_key(&wanted, |f| f.series).is_ok();
        let late = state.late.range(0..u32::MAX).filter(|(series, _)| is_selected(*series));
        let late = late.map(|(series, late)| (series, late.to_vec())).collect();
        Self {
            head,
            view,
            newest_only,
            series,
            next: 0,
            late,
            chunks: Chunks::default(),
            roster: OnceCell::new(),
        }
    }

    /// How many series there are.
    pub(super) fn series(&self) -> usize {
        self.series.len()
    }

    /// Answers series from their newest sample as far as it lies in the range; returns the others.
    fn take_newest(&mut self, samples_hint: usize, block: &mut SampleBlock) -> Range<usize> {
        let end_ms = self.view.range.end_ms;
        while let Some(found) = self.series.get(self.next).copied() {
            if found.last_ms > end_ms || block.values.len() >= samples_hint {
                break;
            }
            block.timestamps_ms.push(found.last_ms);
            block.values.push(f64::from_bits(found.last_bits));
            block.close_series(roster_index(self.next));
            self.next += 1;
        }
        let rest = &self.series[self.next..];
        let others = rest.iter().take(BATCH_SERIES).take_while(|f| f.last_ms > end_ms).count();
        self.next..self.next + others
    }

    fn build_roster(&self) -> SharedRoster {
        let mut labels = Vec::with_capacity(self.series.len());
        let mut buffer = Vec::new();
        for part in self.series.chunks(ROSTER_SERIES) {
            let state = self.head.read();
            labels.extend(part.iter().map(|found| {
                // A series that retention dropped since the start has no samples left either.
                let pairs = state.pages.pairs(found.series);
                if pairs.is_empty() {
                    Labels::empty()
                } else {
                    state.index.labels(pairs, &mut buffer)
                }
            }));
        }
        Arc::new(Roster { series: labels })
    }
}

impl SampleScan for HeadScan<'_> {
    fn groups(&self, grouping: &Grouping, drops_name: bool) -> GroupMap {
        // One lock for all of them: between two, a pair's number could come to mean another pair.
        let state = self.head.read();
        let mut groups = Groups::new(grouping, drops_name);
        self.series.iter().for_each(|found| groups.add(&state, found.series));
        groups.finish()
    }

    fn roster(&self) -> SharedRoster {
        Arc::clone(self.roster.get_or_init(|| self.build_roster()))
    }

    fn next(&mut self, samples_hint: usize, block: &mut SampleBlock) -> Result<bool, OpError> {
        block.clear();
        while self.next < self.series.len() && block.values.len() < samples_hint {
            let batch = if self.newest_only {
                self.take_newest(samples_hint, block)
            } else {
                self.next..(self.next + BATCH_SERIES).min(self.series.len())
            };
            let found = &self.series[batch.clone()];
            self.chunks.gather(self.head, &self.view, found)?;
            for (i, found) in found.iter().enumerate() {
                let late = self.late.get(&found.series).map_or(&[][..], Vec::as_slice);
                self.chunks.decode(i, found, late, &self.view, block)?;
                if block.ends.last().map_or(0, |end| *end as usize) < block.values.len() {
                    block.close_series(roster_index(batch.start + i));
                }
            }
            self.next = batch.end;
        }
        Ok(!block.series.is_empty() || self.next < self.series.len())
    }
}

/// The series of `refs` that may have samples in `range`.
pub(super) fn in_range(
    state: &State,
    refs: &[u32],
    range: TimeRange,
) -> impl Iterator<Item = Found> {
    let end_hour = window_hour(range.end_ms);
    refs.iter().filter_map(move |series| {
        let (page, at) = state.pages.find(*series)?;
        let (last_ms, last_bits) = (page.open(at).last_ms(), page.open(at).last_bits());
        let overlaps = last_ms >= range.start_ms && page.series(at).born_hour() <= end_hour;
        overlaps.then_some(Found { series: *series, last_ms, last_bits })
    })
}

fn roster_index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
