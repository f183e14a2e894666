//! How long the hot loops take: nanoseconds a step for windows, a cell for aggregations.
//!
//! Data: a counter every 15 s, so 20 samples in a window of 5 m; grids of 240 steps. Throughput is
//! in steps (cells).

use std::hint::black_box;

use arrow_array::RecordBatch;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model::{Labels, TenantId};
use promql::ast::{AggregateOp, BinaryOp, Grouping};
use promql::bind::{GroupMap, roster_without_name};
use promql::fragment::{
    Fragment, MapStep, PartialAggregate, RangeFunction, ScalarOperand, Selector, Window,
};
use promql::grid::Grid;
use promql::kernel::aggregate::GroupStates;
use promql::kernel::map::map_row;
use promql::kernel::select::WindowKernel;
use promql::op::{OpError, OpRt};
use promql::roster::{Roster, SharedRoster};
use promql::run::{FragmentSink, run_fragment};
use promql::source::{SampleBlock, SampleScan, SampleSource, Selection};

const STEPS: usize = 240;
const SERIES: usize = 256;

/// Samples every 15 s for the grid and five minutes before it, each late by up to `jitter_ms`.
fn counter(step_ms: i64, resets_every: i64, jitter_ms: i64) -> (Vec<i64>, Vec<f64>) {
    let end_ms = step_ms * STEPS as i64 + 300_000;
    let at = |i: i64| i * 15_000 + 7_000 + i * 31 % (jitter_ms + 1);
    let value = |i: i64| (i % resets_every) as f64 * 3.25;
    (0..end_ms / 15_000).map(|i| (at(i), value(i))).unzip()
}

fn windows(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    group.throughput(Throughput::Elements(STEPS as u64));
    let range = |function| Window::Range { function, range_ms: 300_000 };
    let all = i64::MAX;
    let instant = Window::Instant { lookback_ms: 300_000 };
    for (name, window, step_ms, (resets_every, jitter_ms)) in [
        ("rate, step 15s", range(RangeFunction::Rate), 15_000, (all, 0)),
        ("rate, step 60s", range(RangeFunction::Rate), 60_000, (all, 0)),
        ("rate, irregular samples", range(RangeFunction::Rate), 15_000, (all, 900)),
        ("rate, reset every 40", range(RangeFunction::Rate), 15_000, (40, 0)),
        ("delta", range(RangeFunction::Delta), 15_000, (all, 0)),
        ("irate", range(RangeFunction::Irate), 15_000, (all, 0)),
        ("changes", range(RangeFunction::Changes), 15_000, (all, 0)),
        ("sum_over_time", range(RangeFunction::SumOverTime), 15_000, (40, 0)),
        ("avg_over_time", range(RangeFunction::AvgOverTime), 15_000, (40, 0)),
        ("max_over_time", range(RangeFunction::MaxOverTime), 15_000, (40, 0)),
        ("stddev_over_time", range(RangeFunction::StddevOverTime), 15_000, (40, 0)),
        ("quantile_over_time", range(RangeFunction::QuantileOverTime(0.9)), 15_000, (40, 0)),
        ("instant, step 15s", instant.clone(), 15_000, (all, 0)),
        ("instant, step 60s", instant, 60_000, (all, 0)),
    ] {
        let grid = Grid { start_ms: 300_000, step_ms, steps: STEPS };
        let (t, v) = counter(step_ms, resets_every, jitter_ms);
        let mut kernel = WindowKernel::new(&window, &grid, 0);
        let mut row = vec![0.0; STEPS];
        group.bench_function(name, |b| {
            b.iter(|| kernel.run(black_box(&t), black_box(&v), &mut row));
        });
    }
    group.finish();
}

fn aggregations(c: &mut Criterion) {
    let mut group = c.benchmark_group("aggregate");
    group.throughput(Throughput::Elements((STEPS * SERIES) as u64));
    let rows: Vec<Vec<f64>> = (0..SERIES)
        .map(|series| (0..STEPS).map(|step| (series * 31 + step * 7) as f64 * 0.1).collect())
        .collect();
    for op in [AggregateOp::Sum, AggregateOp::Avg, AggregateOp::Max, AggregateOp::Stddev] {
        group.bench_function(op.as_str(), |b| {
            let mut states = GroupStates::new(op, 8, STEPS).expect("an operator with a state");
            b.iter(|| {
                for (i, row) in rows.iter().enumerate() {
                    states.add(i % 8, black_box(row));
                }
            });
        });
    }
    let sparse: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            let mut row = row.clone();
            row[..10].fill(promql::tile::ABSENT);
            row
        })
        .collect();
    group.bench_function("sum, rows with gaps", |b| {
        let mut states = GroupStates::new(AggregateOp::Sum, 8, STEPS).expect("sum has a state");
        b.iter(|| {
            for (i, row) in sparse.iter().enumerate() {
                states.add(i % 8, black_box(row));
            }
        });
    });
    group.finish();
}

fn maps(c: &mut Criterion) {
    let mut group = c.benchmark_group("map");
    group.throughput(Throughput::Elements(STEPS as u64));
    for op in [BinaryOp::Mul, BinaryOp::Gtr, BinaryOp::Pow] {
        let operand = ScalarOperand::Constant(2.5);
        let step = MapStep::Scalar { op, operand, series_on_left: true, is_bool: false };
        group.bench_function(op.as_str(), |b| {
            let mut row = vec![3.0; STEPS];
            b.iter(|| map_row(&step, black_box(&mut row)));
        });
    }
    group.finish();
}

/// Series of 100 hosts with nine labels each.
fn roster(series: usize) -> SharedRoster {
    let labels = |i: usize| {
        Labels::from_pairs([
            ("__name__", "node_cpu_seconds_total".to_owned()),
            ("cluster", "production".to_owned()),
            ("cpu", (i / 100).to_string()),
            ("datacenter", "fra1".to_owned()),
            ("instance", format!("host-{:03}.example.org:9100", i % 100)),
            ("job", "node".to_owned()),
            ("mode", "idle".to_owned()),
            ("rack", format!("r{}", i % 7)),
            ("team", "infrastructure".to_owned()),
        ])
    };
    Roster::shared((0..series).map(labels).collect())
}

fn binding(c: &mut Criterion) {
    const SERIES: usize = 8_700;
    let roster = roster(SERIES);
    let mut group = c.benchmark_group("bind");
    group.throughput(Throughput::Elements(SERIES as u64));
    group.sample_size(20);
    for (name, labels) in [("by instance", &["instance"][..]), ("by all but cpu", &["cpu"][..])] {
        let grouping = Grouping {
            is_without: name.contains("but"),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        };
        group.bench_function(name, |b| b.iter(|| GroupMap::bind(&roster, &grouping, false)));
    }
    group.bench_function("without name", |b| b.iter(|| roster_without_name(&roster)));
    group.finish();
}

/// One hour of counters in memory.
struct Counters {
    roster: SharedRoster,
    timestamps_ms: Vec<i64>,
    values: Vec<f64>,
}

struct CountersScan<'a> {
    of: &'a Counters,
    next: u32,
}

impl SampleSource for Counters {
    fn select(&self, _: &Selection<'_>) -> Result<Box<dyn SampleScan + '_>, OpError> {
        Ok(Box::new(CountersScan { of: self, next: 0 }))
    }
}

impl SampleScan for CountersScan<'_> {
    fn roster(&self) -> SharedRoster {
        SharedRoster::clone(&self.of.roster)
    }

    fn next(&mut self, samples_hint: usize, block: &mut SampleBlock) -> Result<bool, OpError> {
        block.clear();
        while (self.next as usize) < self.of.roster.len() && block.values.len() < samples_hint {
            block.timestamps_ms.extend_from_slice(&self.of.timestamps_ms);
            block.values.extend_from_slice(&self.of.values);
            block.close_series(self.next);
            self.next += 1;
        }
        Ok(!block.series.is_empty())
    }
}

/// Drops everything.
struct Nowhere;

impl FragmentSink for Nowhere {
    fn roster(&mut self, roster: SharedRoster) -> Result<(), OpError> {
        black_box(roster);
        Ok(())
    }

    fn tile(&mut self, tile: RecordBatch) -> Result<(), OpError> {
        black_box(tile);
        Ok(())
    }
}

impl OpRt for Nowhere {
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

fn fragments(c: &mut Criterion) {
    const SERIES: usize = 1_000;
    let (timestamps_ms, values) = counter(15_000, i64::MAX, 0);
    let source = Counters { roster: roster(SERIES), timestamps_ms, values };
    let mut group = c.benchmark_group("fragment");
    group.sample_size(20);
    let by_instance = Grouping { is_without: false, labels: vec!["instance".to_owned()] };
    let sum = PartialAggregate { op: AggregateOp::Sum, grouping: by_instance };
    let rate = Window::Range { function: RangeFunction::Rate, range_ms: 300_000 };
    let hour = Grid { start_ms: 300_000, step_ms: 15_000, steps: STEPS };
    for (name, grid, aggregate) in [
        ("sum by (instance) (rate), 240 steps", hour, Some(sum.clone())),
        ("rate, 240 steps", hour, None),
        ("sum by (instance) (rate), instant", Grid::instant(600_000), Some(sum)),
    ] {
        let fragment = Fragment {
            tenant: TenantId::anonymous(),
            grid,
            selector: Selector { matchers: vec![], offset_ms: 0 },
            window: rate.clone(),
            maps: vec![],
            aggregate,
        };
        group.throughput(Throughput::Elements((SERIES * grid.steps) as u64));
        group.bench_function(name, |b| {
            b.iter(|| run_fragment(&fragment, &source, &Nowhere, &mut Nowhere));
        });
    }
    group.finish();
}

criterion_group!(benches, windows, aggregations, maps, binding, fragments);
criterion_main!(benches);
