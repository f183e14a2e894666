//! From the samples of one series to its row: dispatch to the kernel of a window function.

use model::TimestampMs;

use super::over_time;
use super::rate::{Extrapolation, Layout, instant_value};
use super::regression;
use super::window::{Cursor, Windows};
use crate::fragment::{RangeFunction, Window};
use crate::grid::Grid;
use crate::tile::{ABSENT, has_absent, is_absent};

/// Computes rows; keeps scratch buffers from series to series.
#[derive(Debug)]
pub struct WindowKernel {
    windows: Windows,
    /// `None` for instant selection.
    function: Option<RangeFunction>,
    live: LiveSamples,
    scratch: Scratch,
}

/// The samples of a series without its stale markers.
#[derive(Debug, Default)]
struct LiveSamples {
    timestamps_ms: Vec<TimestampMs>,
    values: Vec<f64>,
}

/// Recycled from series to series.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Positions of resets, or counts up to each position.
    pub(super) positions: Vec<u32>,
    /// The values of one window, to be sorted.
    pub(super) sorted: Vec<f64>,
    /// Where the windows of the series before were.
    pub(super) layout: Layout,
}

// === impl WindowKernel ===

impl WindowKernel {
    /// For `window` at the steps of `grid`, moved back by `offset_ms`. [`Window::Samples`] has no
    /// row; it is treated as instant selection.
    #[must_use]
    pub fn new(window: &Window, grid: &Grid, offset_ms: i64) -> Self {
        let function = match window {
            Window::Range { function, .. } => Some(*function),
            Window::Instant { .. } | Window::Samples { .. } => None,
        };
        Self {
            windows: Windows::new(grid, window.width_ms(), offset_ms),
            function,
            live: LiveSamples::default(),
            scratch: Scratch::default(),
        }
    }

    /// Computes the row of one series; returns how many steps have a value.
    pub fn run(&mut self, timestamps_ms: &[TimestampMs], values: &[f64], row: &mut [f64]) -> usize {
        let Some(function) = self.function else {
            return select_instant(&self.windows, timestamps_ms, values, row);
        };
        // Stale markers and absent cells are the same bits.
        let (timestamps_ms, values) = if has_absent(values) {
            self.live.keep(timestamps_ms, values);
            (&self.live.timestamps_ms[..], &self.live.values[..])
        } else {
            (timestamps_ms, values)
        };
        run_function(function, &self.windows, (timestamps_ms, values), row, &mut self.scratch)
    }
}

// === impl LiveSamples ===

impl LiveSamples {
    fn keep(&mut self, timestamps_ms: &[TimestampMs], values: &[f64]) {
        self.timestamps_ms.clear();
        self.values.clear();
        for (t, v) in timestamps_ms.iter().zip(values) {
            if !model::sample::is_stale(*v) {
                self.timestamps_ms.push(*t);
                self.values.push(*v);
            }
        }
    }
}

/// The newest sample of each window, unless it is a stale marker.
fn select_instant(
    windows: &Windows,
    timestamps_ms: &[TimestampMs],
    values: &[f64],
    row: &mut [f64],
) -> usize {
    // Stale marker and absent cell are the same bits, so the marker ends the series by itself.
    let (mut cursor, mut present) = (Cursor::default(), 0);
    let mut end_ms = windows.first_end_ms;
    for cell in row {
        cursor.advance(timestamps_ms, end_ms);
        let newest =
            cursor.at.checked_sub(1).filter(|i| timestamps_ms[*i] > windows.start_ms(end_ms));
        *cell = newest.map_or(ABSENT, |i| values[i]);
        present += usize::from(!is_absent(*cell));
        end_ms = windows.next_ms(end_ms);
    }
    present
}

fn run_function(
    function: RangeFunction,
    windows: &Windows,
    (t, v): (&[TimestampMs], &[f64]),
    row: &mut [f64],
    scratch: &mut Scratch,
) -> usize {
    let over_time =
        |row: &mut [f64], of: fn(&[f64]) -> f64| windows.fill(t, row, |span| of(span.of(v)));
    match function {
        RangeFunction::Rate => {
            Extrapolation::rate(windows.width_ms).run(windows, (t, v), row, scratch)
        }
        RangeFunction::Increase => {
            Extrapolation::increase(windows.width_ms).run(windows, (t, v), row, scratch)
        }
        RangeFunction::Delta => {
            Extrapolation::delta(windows.width_ms).run(windows, (t, v), row, scratch)
        }
        RangeFunction::Irate => {
            windows.fill(t, row, |span| instant_value(span.of(t), span.of(v), true))
        }
        RangeFunction::Idelta => {
            windows.fill(t, row, |span| instant_value(span.of(t), span.of(v), false))
        }
        RangeFunction::Changes => over_time::changes(windows, (t, v), row, scratch),
        RangeFunction::Resets => over_time::resets(windows, (t, v), row, scratch),
        RangeFunction::SumOverTime => over_time(row, over_time::sum),
        RangeFunction::AvgOverTime => over_time(row, over_time::avg),
        RangeFunction::CountOverTime => windows.fill(t, row, |span| span.len() as f64),
        RangeFunction::MinOverTime => over_time(row, over_time::min),
        RangeFunction::MaxOverTime => over_time(row, over_time::max),
        RangeFunction::LastOverTime => windows.fill(t, row, |span| v[span.past - 1]),
        RangeFunction::FirstOverTime => windows.fill(t, row, |span| v[span.first]),
        RangeFunction::PresentOverTime => windows.fill(t, row, |_| 1.0),
        RangeFunction::StddevOverTime => over_time(row, |v| over_time::variance(v).sqrt()),
        RangeFunction::StdvarOverTime => over_time(row, over_time::variance),
        RangeFunction::QuantileOverTime(phi) => {
            windows.fill(t, row, |span| over_time::quantile(phi, span.of(v), &mut scratch.sorted))
        }
        RangeFunction::Deriv => {
            windows.fill(t, row, |span| regression::slope(span.of(t), span.of(v)))
        }
    }
}
