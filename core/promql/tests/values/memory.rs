//! Three partitions in memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use arrow_array::RecordBatch;
use model::{Labels, TimeRange};
use promql::ast::VectorSelector;
use promql::fragment::Fragment;
use promql::op::{OpError, OpRt};
use promql::roster::{Roster, SharedRoster};
use promql::run::{FragmentSink, run_fragment};
use promql::source::{SampleBlock, SampleScan, SampleSource, Selection};

use crate::script::Load;

/// A series and its samples.
type Series = (Labels, Vec<(i64, f64)>);

/// What was loaded.
#[derive(Default)]
pub(crate) struct Storage {
    partitions: [Partition; 3],
    /// Labels of series that we cannot hold yet.
    histograms: Vec<Labels>,
}

#[derive(Default)]
struct Partition(Vec<Series>);

/// What one partition sent.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) roster: SharedRoster,
    pub(crate) tiles: Vec<RecordBatch>,
}

struct Scan {
    series: Vec<Series>,
    next: usize,
    range: TimeRange,
}

/// A query without limits.
pub(crate) struct Unlimited;

// === impl Storage ===

impl Storage {
    pub(crate) fn load(&mut self, load: Load) {
        self.histograms.extend(load.histograms);
        for (labels, row) in load.rows {
            let mut hasher = DefaultHasher::new();
            labels.hash(&mut hasher);
            let [one, two, three] = &mut self.partitions;
            let partition = match hasher.finish() % 3 {
                0 => &mut one.0,
                1 => &mut two.0,
                _ => &mut three.0,
            };
            let samples = (0..).zip(row).filter_map(|(i, v)| Some((i * load.step_ms, v?)));
            match partition.iter_mut().find(|(known, _)| *known == labels) {
                Some((_, known)) => {
                    known.extend(samples);
                    known.sort_by_key(|(t, _)| *t);
                }
                None => partition.push((labels, samples.collect())),
            }
        }
    }

    /// Whether any of the selectors would find a series that we cannot hold.
    pub(crate) fn hides_any_of(&self, selectors: &[&VectorSelector]) -> bool {
        let finds = |selector: &&VectorSelector, labels: &Labels| {
            let value = |name| labels.get(name).unwrap_or_default();
            selector.matchers.iter().all(|matcher| matcher.matches(value(matcher.name())))
        };
        self.histograms.iter().any(|labels| selectors.iter().any(|s| finds(s, labels)))
    }

    pub(crate) fn run(&self, fragment: &Fragment) -> Result<Vec<Sent>, OpError> {
        let run = |partition: &Partition| {
            let mut sent = Sent::default();
            run_fragment(fragment, partition, &Unlimited, &mut sent)?;
            Ok(sent)
        };
        self.partitions.iter().map(run).collect()
    }
}

impl SampleSource for Partition {
    fn select(&self, selection: &Selection<'_>) -> Result<Box<dyn SampleScan + '_>, OpError> {
        let matches = |(labels, _): &&Series| {
            let value = |name| labels.get(name).unwrap_or_default();
            selection.matchers.iter().all(|matcher| matcher.matches(value(matcher.name())))
        };
        let series = self.0.iter().filter(matches).cloned().collect();
        Ok(Box::new(Scan { series, next: 0, range: selection.range }))
    }
}

impl SampleScan for Scan {
    fn roster(&self) -> SharedRoster {
        Roster::shared(self.series.iter().map(|(labels, _)| labels.clone()).collect())
    }

    fn next(&mut self, _: usize, block: &mut SampleBlock) -> Result<bool, OpError> {
        block.clear();
        let Some((_, samples)) = self.series.get(self.next) else { return Ok(false) };
        for (t, v) in samples.iter().filter(|(t, _)| self.range.contains(*t)) {
            block.timestamps_ms.push(*t);
            block.values.push(*v);
        }
        block.close_series(u32::try_from(self.next).expect("tests load few series"));
        self.next += 1;
        Ok(true)
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

impl OpRt for Unlimited {
    fn reserve(&self, _: usize) -> Result<(), OpError> {
        Ok(())
    }

    fn release(&self, _: usize) {}

    fn check(&self) -> Result<(), OpError> {
        Ok(())
    }

    fn count_samples(&self, _: usize) -> Result<(), OpError> {
        Ok(())
    }
}
