//! Instructions of the kernels' hot loops, counted under valgrind: the same on any machine.
//!
//! Each over one series of 240 steps, 20 samples in a window.

#![expect(
    unused_qualifications,
    missing_docs,
    clippy::exit,
    reason = "the macros write public modules and a main that exits"
)]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use promql::ast::AggregateOp;
use promql::fragment::{RangeFunction, Window};
use promql::grid::Grid;
use promql::kernel::aggregate::GroupStates;
use promql::kernel::select::WindowKernel;

const STEPS: usize = 240;

/// A kernel and the samples it runs over.
struct Setup {
    kernel: WindowKernel,
    timestamps_ms: Vec<i64>,
    values: Vec<f64>,
    row: Vec<f64>,
}

fn window(window: &Window) -> Setup {
    let grid = Grid { start_ms: 300_000, step_ms: 15_000, steps: STEPS };
    let samples = (0..STEPS as i64 + 20).map(|i| (i * 15_000 + 7_000, i as f64 * 3.25));
    let (timestamps_ms, values) = samples.unzip();
    let kernel = WindowKernel::new(window, &grid, 0);
    Setup { kernel, timestamps_ms, values, row: vec![0.0; STEPS] }
}

fn rate() -> Setup {
    window(&Window::Range { function: RangeFunction::Rate, range_ms: 300_000 })
}

fn instant() -> Setup {
    window(&Window::Instant { lookback_ms: 300_000 })
}

fn sum() -> (GroupStates, Vec<f64>) {
    let row: Vec<f64> = (0..STEPS).map(|step| step as f64 * 0.1).collect();
    let mut states = GroupStates::new(AggregateOp::Sum, 1, STEPS).expect("sum has a state");
    states.add(0, &row);
    (states, row)
}

#[library_benchmark]
#[bench::rate(rate())]
#[bench::instant(instant())]
fn windows_240(mut setup: Setup) -> (usize, Setup) {
    let Setup { kernel, timestamps_ms, values, row } = &mut setup;
    let present = kernel.run(black_box(timestamps_ms), black_box(values), row);
    (present, setup)
}

#[library_benchmark]
#[bench::sum(sum())]
fn aggregate_240((mut states, row): (GroupStates, Vec<f64>)) -> GroupStates {
    states.add(0, black_box(&row));
    states
}

library_benchmark_group!(name = kernels, benchmarks = [windows_240, aggregate_240]);
main!(library_benchmark_groups = kernels);
