//! The `*_over_time` family, `changes` and `resets`; each over the values of one window.

use model::TimestampMs;

use super::kahan;
use super::select::Scratch;
use super::window::Windows;

/// `sum_over_time`
#[must_use]
pub fn sum(values: &[f64]) -> f64 {
    let (sum, compensation) =
        values.iter().fold((0.0, 0.0), |(sum, comp), value| kahan::add(sum, comp, *value));
    if sum.is_infinite() { sum } else { sum + compensation }
}

/// `avg_over_time`: sum by count; from where the sum would overflow, an incremental mean.
#[must_use]
pub fn avg(values: &[f64]) -> f64 {
    let Some((first, rest)) = values.split_first() else { return f64::NAN };
    let (mut sum, mut compensation, mut count) = (*first, 0.0, 1.0);
    let mut is_incremental = false;
    for value in rest {
        count += 1.0;
        if !is_incremental {
            let (new_sum, new_compensation) = kahan::add(sum, compensation, *value);
            if !new_sum.is_infinite() {
                (sum, compensation) = (new_sum, new_compensation);
                continue;
            }
            is_incremental = true;
            sum /= count - 1.0;
            compensation /= count - 1.0;
        }
        let share = (count - 1.0) / count;
        (sum, compensation) = kahan::add(share * sum, share * compensation, value / count);
    }
    if is_incremental { sum + compensation } else { sum / count + compensation / count }
}

/// `min_over_time`; NaN only when there is nothing else.
#[must_use]
pub fn min(values: &[f64]) -> f64 {
    let less = |min: f64, value: &f64| if *value < min || min.is_nan() { *value } else { min };
    values.iter().fold(f64::NAN, less)
}

/// `max_over_time`; NaN only when there is nothing else.
#[must_use]
pub fn max(values: &[f64]) -> f64 {
    let more = |max: f64, value: &f64| if *value > max || max.is_nan() { *value } else { max };
    values.iter().fold(f64::NAN, more)
}

/// `stdvar_over_time`: Welford's method with compensated sums.
#[must_use]
pub fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, (0.0, 0.0), (0.0, 0.0));
    for value in values {
        count += 1.0;
        let delta = value - (mean.0 + mean.1);
        mean = kahan::add(mean.0, mean.1, delta / count);
        squares = kahan::add(squares.0, squares.1, delta * (value - (mean.0 + mean.1)));
    }
    (squares.0 + squares.1) / count
}

/// `quantile_over_time`; `sorted` is scratch.
#[must_use]
pub fn quantile(phi: f64, values: &[f64], sorted: &mut Vec<f64>) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    sorted.clear();
    sorted.extend_from_slice(values);
    // NaN comes first, as in Prometheus.
    sorted.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())));
    let last = sorted.len() - 1;
    let rank = phi * last as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 ≤ φ ≤ 1, so the rank is an index"
    )]
    let lower = rank.floor() as usize;
    let upper = last.min(lower + 1);
    let weight = rank - rank.floor();
    sorted[lower] * (1.0 - weight) + sorted[upper] * weight
}

/// `changes`: how often a value differs from its predecessor in the window; NaN equals NaN.
pub(super) fn changes(
    windows: &Windows,
    samples: (&[TimestampMs], &[f64]),
    row: &mut [f64],
    scratch: &mut Scratch,
) -> usize {
    let differs = |prev: f64, curr: f64| prev != curr && !(prev.is_nan() && curr.is_nan());
    count_pairs(windows, samples, row, scratch, differs)
}

/// `resets`: how often a value is less than its predecessor in the window.
pub(super) fn resets(
    windows: &Windows,
    samples: (&[TimestampMs], &[f64]),
    row: &mut [f64],
    scratch: &mut Scratch,
) -> usize {
    count_pairs(windows, samples, row, scratch, |prev, curr| curr < prev)
}

/// Counts neighbours inside each window by the difference of running counts, which are exact.
fn count_pairs(
    windows: &Windows,
    (t, v): (&[TimestampMs], &[f64]),
    row: &mut [f64],
    scratch: &mut Scratch,
    counts: impl Fn(f64, f64) -> bool,
) -> usize {
    let running = &mut scratch.positions;
    running.clear();
    let (mut total, mut prev) = (0, v.first().copied().unwrap_or_default());
    running.extend(v.iter().map(|curr| {
        total += u32::from(counts(prev, *curr));
        prev = *curr;
        total
    }));
    // The pair before the first sample is not one: nothing counts a value against itself.
    windows.fill(t, row, |span| f64::from(running[span.past - 1] - running[span.first]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_survive_an_overflowing_sum() {
        assert_eq!(avg(&[1e308, 1e308, 1e308]), 1e308);
        assert!(avg(&[f64::MAX, f64::MAX, -f64::MAX, -f64::MAX]).abs() < 1e293);
        assert_eq!(avg(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(avg(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(avg(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(avg(&[-1e308, -1e308]), -1e308);
    }

    #[test]
    fn sums_are_compensated() {
        assert_eq!(sum(&[5.0, 1e100, 5.0, -1e100]), 10.0);
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(sum(&[f64::NAN, 1.0]).is_nan());
    }

    #[test]
    fn nan_is_the_last_choice_of_min_and_max() {
        assert_eq!(min(&[f64::NAN, 2.0, 1.0, f64::NAN]), 1.0);
        assert_eq!(max(&[f64::NAN, 2.0, 1.0, f64::NAN]), 2.0);
        assert!(min(&[f64::NAN]).is_nan());
        assert_eq!(max(&[f64::NEG_INFINITY]), f64::NEG_INFINITY);
    }

    #[test]
    fn variance_is_that_of_the_population() {
        assert_eq!(variance(&[10.0, 10.0, 40.0]), 200.0);
        assert_eq!(variance(&[0.0, 2.0]), 1.0);
        assert_eq!(variance(&[1.5990505637277868; 3]), 0.0);
        assert_eq!(variance(&[2.0]), 0.0);
    }

    #[test]
    fn quantiles_interpolate_and_nan_sorts_first() {
        let q = |phi, values: &[f64]| quantile(phi, values, &mut vec![]);
        assert_eq!(q(0.5, &[3.0, 1.0]), 2.0);
        assert_eq!(q(0.75, &[0.0, 1.0, 2.0]), 1.5);
        assert_eq!(q(1.0, &[0.0, 1.0, 2.0]), 2.0);
        assert_eq!(q(-1.0, &[0.0]), f64::NEG_INFINITY);
        assert_eq!(q(2.0, &[0.0]), f64::INFINITY);
        assert!(q(f64::NAN, &[0.0]).is_nan());
        assert!(q(0.0, &[0.0, f64::NAN]).is_nan());
        assert_eq!(q(1.0, &[0.0, f64::NAN]), 0.0);
    }

    #[test]
    fn pairs_are_counted_inside_windows_only() {
        use crate::grid::Grid;
        let t: Vec<i64> = (1..=6).map(|i| i * 10).collect();
        let v = [1.0, 2.0, f64::NAN, f64::NAN, 0.0, -1.0];
        let windows = Windows::new(&Grid::range(20, 60, 20), 30, 0);
        let mut row = [0.0; 3];
        changes(&windows, (&t, &v), &mut row, &mut Scratch::default());
        assert_eq!(row, [1.0, 1.0, 2.0]);
        resets(&windows, (&t, &v), &mut row, &mut Scratch::default());
        assert_eq!(row, [0.0, 0.0, 1.0]);
    }
}
