//! For tests: series in memory, and a query without limits that knows what it was charged.

use std::sync::atomic::{AtomicUsize, Ordering};

use model::{FailureKind, Labels, TenantId};

use crate::ast::{AggregateOp, Grouping};
use crate::fragment::{Fragment, MapStep, PartialAggregate, Selector, Window};
use crate::grid::Grid;
use crate::op::{OpError, OpRt, TileOp};
use crate::roster::{Roster, SharedRoster};
use crate::run::{FragmentSink, run_fragment};
use crate::source::{SampleBlock, SampleScan, SampleSource, Selection};
use crate::stage::{BoundStage, FinalStage};
use crate::tile::{TileView, is_absent};
use arrow_array::RecordBatch;

/// One series: labels as text, samples as pairs.
pub(crate) type Series = (Labels, Vec<(i64, f64)>);

/// Series in memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct MemorySource(pub(crate) Vec<Series>);

/// What a query was charged.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) bytes: AtomicUsize,
    pub(crate) bytes_peak: AtomicUsize,
    pub(crate) bytes_max: Option<usize>,
    pub(crate) samples: AtomicUsize,
}

/// What a fragment sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) roster: SharedRoster,
    pub(crate) tiles: Vec<RecordBatch>,
}

struct MemoryScan {
    roster: SharedRoster,
    series: Vec<Series>,
    next: usize,
    range: model::TimeRange,
}

/// Labels from `name{a="1"}`-like pairs.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

/// A fragment over everything in its source.
pub(crate) fn fragment(grid: Grid, window: Window, maps: Vec<MapStep>) -> Fragment {
    Fragment {
        tenant: TenantId::anonymous(),
        grid,
        selector: Selector { matchers: vec![], offset_ms: 0 },
        window,
        maps,
        aggregate: None,
    }
}

/// `op by (labels)` or `op without (labels)`.
pub(crate) fn partial(op: AggregateOp, is_without: bool, labels: &[&str]) -> PartialAggregate {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    PartialAggregate { op, grouping: Grouping { is_without, labels } }
}

/// Runs a fragment.
pub(crate) fn run(fragment: &Fragment, source: &MemorySource) -> Result<Sent, OpError> {
    let (ledger, mut sent) = (Ledger::default(), Sent::default());
    run_fragment(fragment, source, &ledger, &mut sent)?;
    assert_eq!(ledger.bytes.into_inner(), 0, "a fragment gives back what it was charged");
    Ok(sent)
}

/// Runs a final stage over what the partitions of each fragment sent; lines of
/// `labels value value …`, sorted, `_` for absent.
pub(crate) fn finish(
    stage: &FinalStage,
    grid: Grid,
    sent: &[Vec<Sent>],
) -> Result<Vec<String>, OpError> {
    let rosters: Vec<Vec<SharedRoster>> = sent
        .iter()
        .map(|partitions| partitions.iter().map(|p| SharedRoster::clone(&p.roster)).collect())
        .collect();
    let bound = stage.bind(grid, &rosters);
    let ledger = Ledger::default();
    let mut tiles = vec![];
    let mut proc = bound.start(&ledger)?;
    for (fragment, partitions) in sent.iter().enumerate() {
        for (partition, sent) in partitions.iter().enumerate() {
            let input = bound.input(fragment, partition);
            for tile in &sent.tiles {
                proc.push(input, tile, &mut tiles, &ledger)?;
            }
            proc.end(input, &mut tiles, &ledger)?;
        }
    }
    if bound.inputs() == 0 {
        proc.end(0, &mut tiles, &ledger)?;
    }
    assert_eq!(ledger.bytes.into_inner(), 0, "a stage gives back what it was charged");
    Ok(print(&bound, &tiles))
}

fn print(bound: &BoundStage, tiles: &[RecordBatch]) -> Vec<String> {
    let mut lines = vec![];
    for tile in tiles {
        let view = TileView::new(tile, bound.grid().steps).unwrap();
        for (i, series) in view.series().iter().enumerate() {
            let mut line = bound.roster().series[*series as usize].to_string();
            for cell in view.row(i) {
                let text = if is_absent(*cell) { "_".to_owned() } else { cell.to_string() };
                line = format!("{line} {text}");
            }
            lines.push(line);
        }
    }
    lines.sort();
    lines
}

// === impl MemorySource ===

impl SampleSource for MemorySource {
    fn select(&self, selection: &Selection<'_>) -> Result<Box<dyn SampleScan + '_>, OpError> {
        let matches = |(labels, _): &&Series| {
            let value = |name| labels.get(name).unwrap_or_default();
            selection.matchers.iter().all(|matcher| matcher.matches(value(matcher.name())))
        };
        let series: Vec<Series> = self.0.iter().filter(matches).cloned().collect();
        let roster = Roster::shared(series.iter().map(|(labels, _)| labels.clone()).collect());
        Ok(Box::new(MemoryScan { roster, series, next: 0, range: selection.range }))
    }
}

impl SampleScan for MemoryScan {
    fn roster(&self) -> SharedRoster {
        SharedRoster::clone(&self.roster)
    }

    fn next(&mut self, samples_hint: usize, block: &mut SampleBlock) -> Result<bool, OpError> {
        block.clear();
        while self.next < self.series.len() && block.values.len() < samples_hint {
            for (t, v) in &self.series[self.next].1 {
                if self.range.contains(*t) {
                    block.timestamps_ms.push(*t);
                    block.values.push(*v);
                }
            }
            block.close_series(u32::try_from(self.next).unwrap());
            self.next += 1;
        }
        Ok(!block.series.is_empty())
    }
}

impl FragmentSink for Sent {
    fn roster(&mut self, roster: SharedRoster) -> Result<(), OpError> {
        self.roster = roster;
        Ok(())
    }

    fn tile(&mut self, tile: RecordBatch) -> Result<(), OpError> {
        self.tiles.push(tile);
        Ok(())
    }
}

impl OpRt for Ledger {
    fn reserve(&self, bytes: usize) -> Result<(), OpError> {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes_peak.fetch_max(now, Ordering::Relaxed);
        match self.bytes_max {
            Some(max) if now > max => {
                Err(OpError::new(FailureKind::Execution, "err-varve-test-memory", "too much"))
            }
            _ => Ok(()),
        }
    }

    fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), OpError> {
        Ok(())
    }

    fn count_samples(&self, samples: usize) -> Result<(), OpError> {
        self.samples.fetch_add(samples, Ordering::Relaxed);
        Ok(())
    }
}
