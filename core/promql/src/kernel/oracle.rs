//! The kernels against a naive evaluator that takes one step at a time, straight from the
//! definitions of Prometheus' documentation and sources, without moving windows or shortcuts.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{collection, prop_assert};

use super::select::WindowKernel;
use crate::fragment::{RangeFunction, Window};
use crate::grid::Grid;
use crate::tile::is_absent;

/// What Prometheus would return at one step.
fn expected(window: &Window, end_ms: i64, samples: &[(i64, f64)]) -> Option<f64> {
    let inside: Vec<(i64, f64)> = samples
        .iter()
        .copied()
        .filter(|(t, _)| *t <= end_ms && *t > end_ms - window.width_ms())
        .collect();
    let Window::Range { function, range_ms } = window else {
        return inside.last().map(|(_, v)| *v).filter(|v| !model::sample::is_stale(*v));
    };
    let live: Vec<(i64, f64)> =
        inside.into_iter().filter(|(_, v)| !model::sample::is_stale(*v)).collect();
    let values: Vec<f64> = live.iter().map(|(_, v)| *v).collect();
    let n = values.len();
    let (first, last) = (live.first()?, live.last()?);
    let pairs = || values.windows(2).map(|pair| (pair[0], pair[1]));
    Some(match function {
        RangeFunction::Rate | RangeFunction::Increase | RangeFunction::Delta => {
            return extrapolated(*function, &live, end_ms, *range_ms);
        }
        RangeFunction::Irate | RangeFunction::Idelta => {
            let ((t0, v0), (t1, v1)) = (*live.get(n.checked_sub(2)?)?, *last);
            if *function == RangeFunction::Idelta {
                v1 - v0
            } else {
                (if v1 < v0 { v1 } else { v1 - v0 }) / ((t1 - t0) as f64 / 1000.0)
            }
        }
        RangeFunction::Changes => {
            let changed = |(a, b): &(f64, f64)| a != b && !(a.is_nan() && b.is_nan());
            pairs().filter(changed).count() as f64
        }
        RangeFunction::Resets => pairs().filter(|(a, b)| b < a).count() as f64,
        RangeFunction::SumOverTime => values.iter().sum(),
        RangeFunction::AvgOverTime => values.iter().map(|v| v / n as f64).sum(),
        RangeFunction::CountOverTime => n as f64,
        RangeFunction::MinOverTime => values.iter().copied().fold(f64::NAN, f64::min),
        RangeFunction::MaxOverTime => values.iter().copied().fold(f64::NAN, f64::max),
        RangeFunction::LastOverTime => last.1,
        RangeFunction::FirstOverTime => first.1,
        RangeFunction::PresentOverTime => 1.0,
        RangeFunction::StddevOverTime => variance(&values).sqrt(),
        RangeFunction::StdvarOverTime => variance(&values),
        RangeFunction::QuantileOverTime(phi) => {
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let nans = sorted.iter().filter(|v| v.is_nan()).count();
            sorted.rotate_right(nans);
            let rank = phi * (n - 1) as f64;
            let low = (0..n).rfind(|i| *i as f64 <= rank)?;
            let (high, weight) = ((low + 1).min(n - 1), rank - rank.floor());
            sorted[low] * (1.0 - weight) + sorted[high] * weight
        }
        RangeFunction::Deriv => return slope(&live),
    })
}

fn extrapolated(
    function: RangeFunction,
    live: &[(i64, f64)],
    end_ms: i64,
    range_ms: i64,
) -> Option<f64> {
    let ([first, ..], [.., last]) = (live, live) else { return None };
    if live.len() < 2 {
        return None;
    }
    let is_counter = function != RangeFunction::Delta;
    let mut result = last.1 - first.1;
    for pair in live.windows(2) {
        if is_counter && pair[1].1 < pair[0].1 {
            result += pair[0].1;
        }
    }
    let mut to_start = (first.0 - (end_ms - range_ms)) as f64 / 1000.0;
    let mut to_end = (end_ms - last.0) as f64 / 1000.0;
    let sampled = (last.0 - first.0) as f64 / 1000.0;
    let mean = sampled / (live.len() - 1) as f64;
    if to_start >= mean * 1.1 {
        to_start = mean / 2.0;
    }
    if is_counter && result > 0.0 && first.1 >= 0.0 {
        to_start = to_start.min(sampled * (first.1 / result));
    }
    if to_end >= mean * 1.1 {
        to_end = mean / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if function == RangeFunction::Rate {
        // As Go's `Duration.Seconds`: the whole seconds and the rest are converted apart.
        factor /= (range_ms / 1000) as f64 + ((range_ms % 1000) * 1_000_000) as f64 / 1e9;
    }
    Some(result * factor)
}

fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n
}

fn slope(live: &[(i64, f64)]) -> Option<f64> {
    let (first, n) = (live.first()?, live.len() as f64);
    if live.len() < 2 {
        return None;
    }
    if live.iter().all(|(_, v)| *v == first.1) {
        return Some(if first.1.is_infinite() { f64::NAN } else { 0.0 });
    }
    let x = |t: i64| (t - first.0) as f64 / 1000.0;
    let mean_x = live.iter().map(|(t, _)| x(*t)).sum::<f64>() / n;
    let mean_y = live.iter().map(|(_, v)| v).sum::<f64>() / n;
    let covariance: f64 = live.iter().map(|(t, v)| (x(*t) - mean_x) * (v - mean_y)).sum();
    let square: f64 = live.iter().map(|(t, _)| (x(*t) - mean_x).powi(2)).sum();
    Some(covariance / square)
}

/// How far the kernel may be from the oracle, relative to the largest value in the series: the
/// kernel compensates its sums, the oracle does not. 0 for the same bits.
fn tolerance(window: &Window) -> f64 {
    match window {
        Window::Range { function, .. } => match function {
            RangeFunction::SumOverTime | RangeFunction::AvgOverTime => 1e-12,
            RangeFunction::StddevOverTime => 1e-6,
            RangeFunction::StdvarOverTime | RangeFunction::Deriv => 1e-9,
            _ => 0.0,
        },
        Window::Instant { .. } | Window::Samples { .. } => 0.0,
    }
}

fn values() -> impl Strategy<Value = f64> {
    prop_oneof![
        20 => (0_i32..50).prop_map(f64::from),
        10 => -1e6_f64..1e6,
        2 => Just(model::sample::stale_nan()),
    ]
}

fn odd_values() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => values(),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => Just(-0.0),
    ]
}

fn samples(values: impl Strategy<Value = f64>) -> impl Strategy<Value = Vec<(i64, f64)>> {
    collection::vec((1_i64..40, values), 0..120).prop_map(|steps| {
        let mut t = 0;
        let at = |(step, v): (i64, f64)| {
            t += step * 500;
            (t, v)
        };
        steps.into_iter().map(at).collect()
    })
}

fn functions() -> impl Strategy<Value = RangeFunction> {
    prop_oneof![
        3 => Just(RangeFunction::Rate),
        2 => Just(RangeFunction::Increase),
        2 => Just(RangeFunction::Delta),
        1 => Just(RangeFunction::Irate),
        1 => Just(RangeFunction::Idelta),
        1 => Just(RangeFunction::Changes),
        1 => Just(RangeFunction::Resets),
        1 => Just(RangeFunction::SumOverTime),
        1 => Just(RangeFunction::AvgOverTime),
        1 => Just(RangeFunction::CountOverTime),
        1 => Just(RangeFunction::MinOverTime),
        1 => Just(RangeFunction::MaxOverTime),
        1 => Just(RangeFunction::LastOverTime),
        1 => Just(RangeFunction::FirstOverTime),
        1 => Just(RangeFunction::PresentOverTime),
        1 => Just(RangeFunction::StddevOverTime),
        1 => Just(RangeFunction::StdvarOverTime),
        1 => (0.0_f64..=1.0).prop_map(RangeFunction::QuantileOverTime),
        1 => Just(RangeFunction::Deriv),
    ]
}

/// Asserts that the kernel's row is the oracle's.
fn check(
    window: &Window,
    grid: Grid,
    offset_ms: i64,
    samples: &[(i64, f64)],
) -> Result<(), proptest::test_runner::TestCaseError> {
    let (t, v): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
    let mut row = vec![0.0; grid.steps];
    let present = WindowKernel::new(window, &grid, offset_ms).run(&t, &v, &mut row);
    prop_assert!(present == row.iter().filter(|cell| !is_absent(**cell)).count());
    let scale = v.iter().filter(|v| v.is_finite()).fold(1.0_f64, |max, v| max.max(v.abs()));
    let scale = if matches!(window, Window::Range { function: RangeFunction::StdvarOverTime, .. }) {
        scale * scale
    } else {
        scale * t.len().max(1) as f64
    };
    for (step, cell) in row.iter().enumerate() {
        let end_ms = grid.at(step) - offset_ms;
        let expected = expected(window, end_ms, samples);
        let got = Some(*cell).filter(|cell| !is_absent(*cell));
        let agrees = match (got, expected) {
            (None, None) => true,
            (Some(got), Some(expected)) => {
                got == expected
                    || (got.is_nan() && expected.is_nan())
                    || (got - expected).abs() <= tolerance(window) * scale
            }
            _ => false,
        };
        prop_assert!(agrees, "at {end_ms}: got {got:?}, expected {expected:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn functions_agree(
        function in functions(),
        samples in samples(values()),
        start_ms in -100_000_i64..1_500_000,
        step_ms in prop_oneof![Just(15_000_i64), 1_i64..200_000],
        range_ms in prop_oneof![Just(300_000_i64), 1_i64..500_000],
        offset_ms in prop_oneof![Just(0_i64), -50_000_i64..50_000],
        steps in 1_usize..60,
    ) {
        let grid = Grid { start_ms, step_ms, steps };
        check(&Window::Range { function, range_ms }, grid, offset_ms, &samples)?;
    }

    #[test]
    fn exact_functions_agree_on_odd_values(
        function in functions(),
        samples in samples(odd_values()),
        step_ms in 1_i64..100_000,
        range_ms in 1_i64..500_000,
    ) {
        let window = Window::Range { function, range_ms };
        if tolerance(&window) == 0.0 {
            check(&window, Grid { start_ms: 0, step_ms, steps: 40 }, 0, &samples)?;
        }
    }

    #[test]
    fn selection_agrees(
        samples in samples(odd_values()),
        start_ms in -100_000_i64..1_500_000,
        step_ms in 1_i64..200_000,
        lookback_ms in 1_i64..400_000,
        offset_ms in any::<i16>(),
        steps in 1_usize..60,
    ) {
        let grid = Grid { start_ms, step_ms, steps };
        check(&Window::Instant { lookback_ms }, grid, i64::from(offset_ms), &samples)?;
    }
}

#[test]
fn lookback_is_open_and_a_stale_marker_ends_a_series() {
    let window = Window::Instant { lookback_ms: 300_000 };
    let mut kernel = WindowKernel::new(&window, &Grid::range(0, 600_000, 150_000), 0);
    let mut row = [0.0; 5];
    kernel.run(&[0, 450_000], &[1.0, model::sample::stale_nan()], &mut row);
    let cells = row.map(|cell| Some(cell).filter(|cell| !is_absent(*cell)));
    assert_eq!(cells, [Some(1.0), Some(1.0), None, None, None]);
}
