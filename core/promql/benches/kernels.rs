//! How long the hot loops take: nanoseconds a step for windows, a cell for aggregations.
//!
//! Data: a counter every 15 s, so 20 samples in a window of 5 m; grids of 240 steps. Throughput is
//! in steps (cells).

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use promql::ast::{AggregateOp, BinaryOp};
use promql::fragment::{MapStep, RangeFunction, ScalarOperand, Window};
use promql::grid::Grid;
use promql::kernel::aggregate::GroupStates;
use promql::kernel::map::map_row;
use promql::kernel::select::WindowKernel;

const STEPS: usize = 240;
const SERIES: usize = 256;

/// Samples every 15 s for the grid and five minutes before it, each late by up to `jitter_ms`.
fn counter(step_ms: i64, resets_every: usize, jitter_ms: i64) -> (Vec<i64>, Vec<f64>) {
    let end_ms = step_ms * STEPS as i64 + 300_000;
    (0..end_ms / 15_000)
        .map(|i| {
            let since_reset = i as usize % resets_every;
            (i * 15_000 + 7_000 + i * 31 % (jitter_ms + 1), since_reset as f64 * 3.25)
        })
        .unzip()
}

fn windows(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    group.throughput(Throughput::Elements(STEPS as u64));
    let range = |function| Window::Range { function, range_ms: 300_000 };
    let all = usize::MAX;
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

criterion_group!(benches, windows, aggregations, maps);
criterion_main!(benches);
