//! The row: what one series (or group) is at every step of a grid; what nodes pass to each other.

use std::sync::Arc;

use model::Histogram;

use crate::roster::series_index;
use crate::tile::{ABSENT, count_present, is_absent};

/// One series over the steps of a grid.
///
/// Invariant: a step has a number, or a histogram, or nothing. Where it has a histogram its cell is
/// [`ABSENT`], so that code for numbers passes over it; almost every row has no histogram at all and
/// is one slice of floats.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// One cell a step.
    pub cells: Vec<f64>,
    /// Native histograms by ascending step, at most one a step.
    pub histograms: Vec<StepHistogram>,
}

/// The native histogram of one step.
#[derive(Debug, Clone)]
pub struct StepHistogram {
    /// The step.
    pub step: u32,
    /// Its value; shared, because most operators pass it on as it is.
    pub value: Arc<Histogram>,
}

/// The value of a row at one step.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    /// None.
    Absent,
    /// A number.
    Number(f64),
    /// A native histogram.
    Histogram(&'a Arc<Histogram>),
}

// === impl Row ===

impl Row {
    /// A row without a value.
    #[must_use]
    pub fn absent(steps: usize) -> Self {
        Self { cells: vec![ABSENT; steps], histograms: vec![] }
    }

    /// Makes it a row of `steps` steps without a value; keeps its buffers.
    pub fn reset(&mut self, steps: usize) {
        self.cells.clear();
        self.cells.resize(steps, ABSENT);
        self.histograms.clear();
    }

    /// Takes over the values of `other`; keeps its buffers.
    pub fn copy_from(&mut self, other: &Self) {
        self.cells.clear();
        self.cells.extend_from_slice(&other.cells);
        self.histograms.clear();
        self.histograms.extend_from_slice(&other.histograms);
    }

    /// The number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is a value at any step.
    #[must_use]
    pub fn has_value(&self) -> bool {
        !self.histograms.is_empty() || count_present(&self.cells) > 0
    }

    /// The value at `step`; looks histograms up by bisection, so loops over all steps should walk
    /// along [`Row::histograms`] instead.
    #[must_use]
    pub fn at(&self, step: usize) -> Cell<'_> {
        if !is_absent(self.cells[step]) {
            return Cell::Number(self.cells[step]);
        }
        match self.histograms.binary_search_by_key(&series_index(step), |at| at.step) {
            Ok(place) => Cell::Histogram(&self.histograms[place].value),
            Err(_) => Cell::Absent,
        }
    }

    /// Gives `step`, which comes after all that have a histogram, a histogram.
    pub fn push_histogram(&mut self, step: usize, value: Arc<Histogram>) {
        debug_assert!(is_absent(self.cells[step]), "a step has a number or a histogram");
        debug_assert!(self.histograms.last().is_none_or(|last| (last.step as usize) < step));
        self.histograms.push(StepHistogram { step: series_index(step), value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_a_number_or_a_histogram_or_nothing() {
        let mut row = Row::absent(3);
        assert!(!row.has_value());
        row.cells[2] = f64::NAN;
        row.push_histogram(1, Arc::default());
        assert!(matches!(row.at(0), Cell::Absent));
        assert!(matches!(row.at(1), Cell::Histogram(_)));
        assert!(matches!(row.at(2), Cell::Number(number) if number.is_nan()));
        assert!(row.has_value());
        row.reset(2);
        assert!(!row.has_value() && row.steps() == 2);
    }
}
