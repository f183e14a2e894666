//! Which samples each step looks at: the window `(t − width, t]`, moved back by the offset.

use model::TimestampMs;

use crate::grid::Grid;
use crate::tile::{ABSENT, is_absent};

/// The windows of a grid.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// The end of the first window, included.
    pub first_end_ms: TimestampMs,
    /// From one window's end to the next one's.
    pub step_ms: i64,
    /// The start is the end less this, excluded.
    pub width_ms: i64,
}

/// The samples `first..past` of a series are inside a window.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The first sample inside.
    pub first: usize,
    /// One past the last sample inside; `first` when there is none.
    pub past: usize,
    /// The end of the window.
    pub end_ms: TimestampMs,
}

/// The first sample after a limit that only grows.
///
/// Samples and steps are mostly regular, so a step moves as far as the one before; that guess costs
/// two comparisons, however many samples are passed over.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Cursor {
    /// The position of the sample; the number of samples when there is none.
    pub(super) at: usize,
    stride: usize,
}

// === impl Windows ===

impl Windows {
    /// The windows of `width_ms` at the steps of `grid`.
    #[must_use]
    pub const fn new(grid: &Grid, width_ms: i64, offset_ms: i64) -> Self {
        let first_end_ms = grid.start_ms.saturating_sub(offset_ms);
        Self { first_end_ms, step_ms: grid.step_ms, width_ms }
    }

    /// The start, excluded, of the window that ends at `end_ms`. Queries may stand at either end
    /// of time.
    #[inline]
    pub(super) const fn start_ms(&self, end_ms: TimestampMs) -> TimestampMs {
        end_ms.saturating_sub(self.width_ms)
    }

    /// The end of the next window.
    #[inline]
    pub(super) const fn next_ms(&self, end_ms: TimestampMs) -> TimestampMs {
        end_ms.saturating_add(self.step_ms)
    }

    /// Writes to each step of `row` what `of` makes of its window, which is never empty; steps whose
    /// window is become absent. Returns how many steps have a value.
    #[inline]
    pub fn fill(
        &self,
        timestamps_ms: &[TimestampMs],
        row: &mut [f64],
        mut of: impl FnMut(Span) -> f64,
    ) -> usize {
        let (steps, mut cells, mut present) = (row.len(), row.iter_mut(), 0);
        self.visit(timestamps_ms, steps, |span| {
            let value = if span.is_empty() { ABSENT } else { of(span) };
            present += usize::from(!is_absent(value));
            if let Some(cell) = cells.next() {
                *cell = value;
            }
        });
        present
    }

    /// Shows the span of each step in turn, empty ones, too.
    #[inline]
    pub(super) fn visit(
        &self,
        timestamps_ms: &[TimestampMs],
        steps: usize,
        mut show: impl FnMut(Span),
    ) {
        let (mut first, mut past) = (Cursor::default(), Cursor::default());
        let mut end_ms = self.first_end_ms;
        for _ in 0..steps {
            past.advance(timestamps_ms, end_ms);
            first.advance(timestamps_ms, self.start_ms(end_ms));
            show(Span { first: first.at.min(past.at), past: past.at, end_ms });
            end_ms = self.next_ms(end_ms);
        }
    }
}

// === impl Cursor ===

impl Cursor {
    /// Moves on to the first sample after `limit_ms`.
    #[inline]
    pub(super) fn advance(&mut self, timestamps_ms: &[TimestampMs], limit_ms: TimestampMs) {
        let rest = &timestamps_ms[self.at..];
        let ends_at = |past: usize| rest.get(past).is_none_or(|t| *t > limit_ms);
        let starts_before = |past: usize| past == 0 || rest[past - 1] <= limit_ms;
        let is_right =
            self.stride <= rest.len() && ends_at(self.stride) && starts_before(self.stride);
        if !is_right {
            self.stride = passed_over(rest, limit_ms);
        }
        self.at += self.stride;
    }
}

/// How many samples are not after `limit_ms`: a few are counted, many are searched for.
fn passed_over(timestamps_ms: &[TimestampMs], limit_ms: TimestampMs) -> usize {
    const FEW: usize = 16;
    let few = &timestamps_ms[..timestamps_ms.len().min(FEW)];
    match few.iter().position(|t| *t > limit_ms) {
        Some(count) => count,
        None => few.len() + timestamps_ms[few.len()..].partition_point(|t| *t <= limit_ms),
    }
}

// === impl Span ===

impl Span {
    /// How many samples are inside.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.past - self.first
    }

    /// Whether no sample is inside.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.past == self.first
    }

    /// What is inside.
    #[must_use]
    pub fn of<'a, T>(&self, samples: &'a [T]) -> &'a [T] {
        &samples[self.first..self.past]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_open_on_the_left_and_closed_on_the_right() {
        let grid = Grid::range(100, 160, 20);
        let mut seen = vec![];
        let mut row = [0.0; 4];
        let present = Windows::new(&grid, 20, 0).fill(&[80, 81, 100, 119, 140], &mut row, |span| {
            seen.push((span.end_ms, span.first, span.past));
            1.0
        });
        assert_eq!(seen, [(100, 1, 3), (120, 3, 4), (140, 4, 5)]);
        assert_eq!(present, 3);
        assert!(is_absent(row[3]));
    }

    #[test]
    fn windows_at_the_ends_of_time() {
        for (start_ms, offset_ms) in [(i64::MIN, 1), (i64::MAX, -1), (i64::MAX - 1, 0)] {
            let grid = Grid { start_ms, step_ms: i64::MAX, steps: 1 };
            let mut row = [0.0];
            let windows = Windows::new(&grid, 1_000, offset_ms);
            assert_eq!(windows.fill(&[0], &mut row, |_| 1.0), 0);
        }
    }

    #[test]
    fn an_offset_moves_windows_back() {
        let grid = Grid::instant(100);
        let mut row = [0.0];
        let windows = Windows::new(&grid, 10, 30);
        assert_eq!(windows.fill(&[60, 61, 70, 71], &mut row, |span| span.len() as f64), 1);
        assert_eq!(row, [2.0]);
    }
}
