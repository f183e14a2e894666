//! `rate`, `increase`, `delta`, `irate`, `idelta` (`extrapolatedRate`, `instantValue`).

use model::TimestampMs;

use super::select::Scratch;
use super::window::Windows;
use crate::roster::series_index;
use crate::tile::{ABSENT, is_absent};

/// A share of the mean distance between samples: where the first or last sample is farther from
/// its edge of the window, the series is taken to start or end inside.
const THRESHOLD: f64 = 1.1;

/// What is made of the first and last sample of a window.
#[derive(Debug, Clone, Copy)]
pub struct Extrapolation {
    is_counter: bool,
    is_rate: bool,
    /// The width of the window in seconds, as Go's `Duration.Seconds` has it.
    width_s: f64,
}

// === impl Extrapolation ===

impl Extrapolation {
    /// Per second, of a counter.
    #[must_use]
    pub fn rate(width_ms: i64) -> Self {
        Self { is_counter: true, is_rate: true, width_s: seconds(width_ms) }
    }

    /// Of a counter.
    #[must_use]
    pub fn increase(width_ms: i64) -> Self {
        Self { is_counter: true, is_rate: false, width_s: seconds(width_ms) }
    }

    /// Of a gauge.
    #[must_use]
    pub fn delta(width_ms: i64) -> Self {
        Self { is_counter: false, is_rate: false, width_s: seconds(width_ms) }
    }

    /// Fills the row of one series.
    ///
    /// Resets are rare, so their positions are gathered once per series; a window without any
    /// costs two loads. The corrections inside a window are added in the order in which
    /// Prometheus adds them: a difference of running totals would not have the same bits.
    pub(super) fn run(
        self,
        windows: &Windows,
        (t, v): (&[TimestampMs], &[f64]),
        row: &mut [f64],
        scratch: &mut Scratch,
    ) -> usize {
        let Scratch { positions: resets, layout, .. } = scratch;
        resets.clear();
        if self.is_counter {
            find_resets(v, resets);
        }
        layout.follow(self, windows, t, row.len());
        let (mut next_reset, mut present) = (0, 0);
        for (cell, stretch) in row.iter_mut().zip(&layout.stretches) {
            let (first, past) = (stretch.first as usize, stretch.past as usize);
            if past == 0 {
                *cell = ABSENT;
                continue;
            }
            let mut difference = v[past - 1] - v[first];
            if !resets.is_empty() {
                while next_reset < resets.len() && resets[next_reset] as usize <= first {
                    next_reset += 1;
                }
                let inside = resets[next_reset..].iter().take_while(|at| (**at as usize) < past);
                difference = inside.fold(difference, |sum, at| sum + v[*at as usize - 1]);
            }
            *cell = difference * self.factor(stretch, difference, v[first]);
            present += usize::from(!is_absent(*cell));
        }
        present
    }

    /// How far the difference between the first and the last sample is extended: to the edges of
    /// the window, or by half a distance between samples where an edge is too far away.
    fn stretch(self, of: Distances) -> Stretch {
        let mut to_start = of.to_start_ms as f64 / 1000.0;
        let mut to_end = of.to_end_ms as f64 / 1000.0;
        let sampled = of.sampled_ms as f64 / 1000.0;
        let mean = sampled / of.intervals as f64;
        let threshold = mean * THRESHOLD;
        if to_start >= threshold {
            to_start = mean / 2.0;
        }
        if to_end >= threshold {
            to_end = mean / 2.0;
        }
        let factor = self.per_window((sampled + to_start + to_end) / sampled);
        Stretch { first: 0, past: 0, sampled, to_start, to_end, factor }
    }

    /// By what the difference is multiplied. A counter is not extended beyond the point where it
    /// was zero, which is rare enough to be ruled out without a division.
    #[inline]
    fn factor(self, stretch: &Stretch, difference: f64, first: f64) -> f64 {
        let Stretch { sampled, to_start, to_end, factor, .. } = *stretch;
        // Far enough from equality, and from denormal numbers, that no rounding can turn it.
        let is_far = sampled * first > to_start * difference * 1.001 + 1e-300;
        if !self.is_counter || is_far || !(difference > 0.0 && first >= 0.0) {
            return factor;
        }
        let to_zero = sampled * (first / difference);
        if to_zero < to_start {
            self.per_window((sampled + to_zero + to_end) / sampled)
        } else {
            factor
        }
    }

    fn per_window(self, factor: f64) -> f64 {
        if self.is_rate { factor / self.width_s } else { factor }
    }
}

/// Where the samples lie in their window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Distances {
    to_start_ms: i64,
    sampled_ms: i64,
    to_end_ms: i64,
    intervals: usize,
}

/// What follows from where the samples of a window lie, in seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Stretch {
    /// The first sample inside.
    first: u32,
    /// One past the last sample inside; 0 when there are fewer than two.
    past: u32,
    sampled: f64,
    to_start: f64,
    to_end: f64,
    factor: f64,
}

/// The stretches of all windows over samples at some timestamps.
///
/// The series of a target are sampled together, so that one series' layout is mostly the next
/// one's, too: comparing timestamps is much cheaper than cursors and six divisions a window.
/// One kernel has one function, so the layout needs not remember whose it is.
#[derive(Debug, Default)]
pub(super) struct Layout {
    timestamps_ms: Vec<TimestampMs>,
    stretches: Vec<Stretch>,
}

// === impl Layout ===

impl Layout {
    /// Makes this the layout of samples at `t`.
    fn follow(&mut self, of: Extrapolation, windows: &Windows, t: &[TimestampMs], steps: usize) {
        if self.timestamps_ms == t && self.stretches.len() == steps {
            return;
        }
        self.timestamps_ms.clear();
        self.timestamps_ms.extend_from_slice(t);
        self.stretches.clear();
        // Where samples and steps are regular, one window is like the one before.
        let (mut last, mut stretch) = (Distances::default(), Stretch::default());
        windows.visit(t, steps, |span| {
            if span.len() < 2 {
                self.stretches.push(Stretch::default());
                return;
            }
            let distances = Distances {
                to_start_ms: t[span.first] - windows.start_ms(span.end_ms),
                sampled_ms: t[span.past - 1] - t[span.first],
                to_end_ms: span.end_ms - t[span.past - 1],
                intervals: span.len() - 1,
            };
            if distances != last {
                (last, stretch) = (distances, of.stretch(distances));
            }
            let (first, past) = (series_index(span.first), series_index(span.past));
            self.stretches.push(Stretch { first, past, ..stretch });
        });
    }
}

/// `irate` and `idelta`: from the last two samples alone.
#[must_use]
pub fn instant_value(t: &[TimestampMs], v: &[f64], is_rate: bool) -> f64 {
    let ([.., t0, t1], [.., v0, v1]) = (t, v) else { return ABSENT };
    let sampled_ms = t1 - t0;
    if sampled_ms == 0 {
        return ABSENT;
    }
    let is_reset = is_rate && v1 < v0;
    let difference = if is_reset { *v1 } else { v1 - v0 };
    if is_rate { difference / (sampled_ms as f64 / 1000.0) } else { difference }
}

/// Go's `Duration.Seconds`: whole seconds and the rest are converted apart.
fn seconds(ms: i64) -> f64 {
    (ms / 1000) as f64 + ((ms % 1000) * 1_000_000) as f64 / 1e9
}

/// Positions of samples that are less than their predecessors.
fn find_resets(v: &[f64], resets: &mut Vec<u32>) {
    const CHUNK: usize = 64;
    for (chunk, start) in v.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        // Together with the last sample of the chunk before.
        let before = start.max(1) - 1;
        let pairs = v[before..start + chunk.len()].iter().zip(&v[before + 1..start + chunk.len()]);
        if pairs.fold(false, |any, (prev, curr)| any | (curr < prev)) {
            let at = before + 1..start + chunk.len();
            resets.extend(at.filter(|i| v[*i] < v[i - 1]).map(series_index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Grid;

    const S: i64 = 1000;

    fn run(of: fn(i64) -> Extrapolation, width_ms: i64, at: i64, samples: &[(i64, f64)]) -> f64 {
        let (t, v): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
        let mut row = [0.0];
        let windows = Windows::new(&Grid::instant(at), width_ms, 0);
        of(width_ms).run(&windows, (&t, &v), &mut row, &mut Scratch::default());
        row[0]
    }

    #[test]
    fn samples_at_regular_distances_extend_to_the_edges() {
        // 10 s apart, window (0 s, 60 s]: 5 s from the first sample to the start.
        let samples: Vec<_> = (0..6).map(|i| (5 * S + i * 10 * S, 100.0 + i as f64)).collect();
        let increase = run(Extrapolation::increase, 60 * S, 60 * S, &samples);
        assert_eq!(increase, 5.0 * ((50.0 + 5.0 + 5.0) / 50.0));
        let rate = run(Extrapolation::rate, 60 * S, 60 * S, &samples);
        assert_eq!(rate, 5.0 * ((50.0 + 5.0 + 5.0) / 50.0 / 60.0));
        let delta = run(Extrapolation::delta, 60 * S, 60 * S, &samples);
        assert_eq!(delta, increase);
    }

    #[test]
    fn a_series_that_starts_inside_is_extended_by_half_a_distance() {
        // Distance 10 s, threshold 11 s; the start is 30 s away, the end 11 s.
        let samples = [(30 * S, 50.0), (40 * S, 51.0), (49 * S + 999, 52.0)];
        let increase = run(Extrapolation::increase, 60 * S, 60 * S, &samples);
        let (sampled, mean) = (19.999, 19.999 / 2.0);
        assert_eq!(increase, 2.0 * ((sampled + mean / 2.0 + 10.001) / sampled));
        let samples = [(30 * S, 50.0), (40 * S, 51.0), (48 * S, 52.0)];
        let increase = run(Extrapolation::increase, 60 * S, 60 * S, &samples);
        assert_eq!(increase, 2.0 * ((18.0 + 4.5 + 4.5) / 18.0));
    }

    #[test]
    fn a_counter_is_not_extended_below_zero() {
        let samples = [(10 * S, 1.0), (20 * S, 5.0), (30 * S, 9.0)];
        // It was zero 20 s × 1/8 = 2.5 s before the first sample, not 10 s.
        assert_eq!(
            run(Extrapolation::increase, 30 * S, 30 * S, &samples),
            8.0 * ((20.0 + 2.5 + 0.0) / 20.0)
        );
        assert_eq!(
            run(Extrapolation::delta, 30 * S, 30 * S, &samples),
            8.0 * ((20.0 + 10.0 + 0.0) / 20.0)
        );
    }

    #[test]
    fn resets_are_added_back_for_counters_only() {
        let samples = [(10 * S, 100.0), (20 * S, 110.0), (30 * S, 5.0), (40 * S, 7.0)];
        let factor = (30.0 + 10.0) / 30.0;
        assert_eq!(run(Extrapolation::increase, 40 * S, 40 * S, &samples), 17.0 * factor);
        assert_eq!(run(Extrapolation::delta, 40 * S, 40 * S, &samples), -93.0 * factor);
    }

    #[test]
    fn one_sample_has_no_rate() {
        assert!(is_absent(run(Extrapolation::rate, S, S, &[(S, 1.0)])));
    }

    #[test]
    fn the_last_two_samples_decide_the_instant_rate() {
        let t = [0, 10 * S, 15 * S];
        assert_eq!(instant_value(&t, &[0.0, 10.0, 20.0], true), 2.0);
        assert_eq!(instant_value(&t, &[0.0, 10.0, 20.0], false), 10.0);
        assert_eq!(instant_value(&t, &[0.0, 10.0, 5.0], true), 1.0);
        assert_eq!(instant_value(&t, &[0.0, 10.0, 5.0], false), -5.0);
        assert!(is_absent(instant_value(&t[..1], &[1.0], true)));
    }

    #[test]
    fn resets_are_found_across_chunks() {
        for reset in [1, 63, 64, 65, 128, 199] {
            let v: Vec<f64> =
                (0..200).map(|i| if i < reset { 1000.0 + i as f64 } else { i as f64 }).collect();
            let mut resets = vec![];
            find_resets(&v, &mut resets);
            assert_eq!(resets, [u32::try_from(reset).unwrap()]);
        }
    }

    #[test]
    fn a_layout_serves_only_the_series_that_have_it() {
        let windows = Windows::new(&Grid::range(0, 120 * S, 15 * S), 40 * S, 0);
        let of = Extrapolation::rate(40 * S);
        let row = |t: &[i64], v: &[f64], scratch: &mut Scratch| {
            let mut row = vec![0.0; 9];
            let present = of.run(&windows, (t, v), &mut row, scratch);
            (present, row.into_iter().map(f64::to_bits).collect::<Vec<_>>())
        };
        let regular: Vec<i64> = (0..8).map(|i| i * 15 * S).collect();
        let shifted: Vec<i64> = regular.iter().map(|t| t + 7).collect();
        let steady: Vec<f64> = (0..8).map(f64::from).collect();
        let with_reset = [5.0, 9.0, 13.0, 2.0, 3.0, 1.0, 8.0, 8.5];
        let mut recycled = Scratch::default();
        for (t, v) in [
            (&regular[..], &steady[..]),
            (&regular, &with_reset),
            (&shifted, &steady),
            (&regular[..5], &with_reset[..5]),
            (&regular[1..], &steady[1..]),
            (&[], &[]),
            (&regular, &steady),
        ] {
            assert_eq!(row(t, v, &mut recycled), row(t, v, &mut Scratch::default()));
        }
    }

    #[test]
    fn seconds_are_go_s() {
        assert_eq!(seconds(300_000), 300.0);
        assert_eq!(seconds(1_500), 1.5);
        assert_eq!(seconds(1_100), 1.0 + 1e8 / 1e9);
    }
}
