//! The value of a query, in the order in which it is shown.
//!
//! Rows stay in the tiles that they came in; sorting sorts their places. Series are shown in the order
//! of their labels, which Prometheus does for matrices and leaves open for vectors.
//!
//! Invariant: no two rows have the same labels, and none is without a value.

use std::sync::Arc;

use arrow_array::RecordBatch;
use model::{Failure, Labels, TimestampMs};
use promql::grid::Grid;
use promql::op::OpRt;
use promql::roster::SharedRoster;
use promql::tile::{SamplesView, TileView};

use crate::exec::budget::Budget;

/// What a query evaluates to.
#[derive(Debug)]
pub(crate) enum Value {
    /// A number at one time.
    Scalar {
        /// When.
        at_ms: TimestampMs,
        /// The number.
        value: f64,
    },
    /// A text at one time.
    Text {
        /// When.
        at_ms: TimestampMs,
        /// The text.
        text: String,
    },
    /// Series with one value at one time.
    Vector(Rows),
    /// Series with values at several times.
    Matrix(Rows),
}

/// Series with their values.
#[derive(Debug)]
pub(crate) struct Rows {
    kind: RowKind,
    roster: SharedRoster,
    tiles: Vec<RecordBatch>,
    places: Vec<Place>,
    /// Holds the memory of the tiles, and the query's turn, until the last byte is sent.
    _budget: Arc<Budget>,
}

#[derive(Debug, Clone, Copy)]
enum RowKind {
    Cells(Grid),
    Samples,
}

/// Where a row is.
#[derive(Debug, Clone, Copy)]
struct Place {
    series: u32,
    tile: u32,
    row: u32,
}

/// One row.
#[derive(Debug)]
pub(crate) enum Row<'a> {
    /// A value, or none, at each instant of the grid.
    Cells(&'a [f64]),
    /// Samples with times of their own.
    Samples(&'a [TimestampMs], &'a [f64]),
}

// === impl Value ===

impl Value {
    /// Leaves out all series but the first `limit`; whether there were more.
    pub(crate) fn truncate(&mut self, limit: usize) -> bool {
        match self {
            Self::Vector(rows) | Self::Matrix(rows) => {
                let is_longer = rows.places.len() > limit;
                rows.places.truncate(limit);
                is_longer
            }
            Self::Scalar { .. } | Self::Text { .. } => false,
        }
    }
}

// === impl Rows ===

impl Rows {
    /// The rows of series tiles over `roster`.
    pub(crate) fn of_tiles(
        grid: Grid,
        roster: SharedRoster,
        tiles: Vec<RecordBatch>,
        budget: Arc<Budget>,
    ) -> Result<Self, Failure> {
        let mut places = vec![];
        for (number, tile) in tiles.iter().enumerate() {
            let view = TileView::new(tile, grid.steps).map_err(|error| error.failure)?;
            put_places(&mut places, number, 0, view.series());
        }
        Self::sorted(RowKind::Cells(grid), roster, tiles, places, budget)
    }

    /// The rows of samples tiles; each tile's series are numbered from its offset into `roster`.
    pub(crate) fn of_samples(
        roster: SharedRoster,
        tiles: Vec<(usize, RecordBatch)>,
        budget: Arc<Budget>,
    ) -> Result<Self, Failure> {
        let mut places = vec![];
        for (number, (offset, tile)) in tiles.iter().enumerate() {
            let view = SamplesView::new(tile).map_err(|error| error.failure)?;
            put_places(&mut places, number, narrow(*offset), view.series());
        }
        let tiles = tiles.into_iter().map(|(_, tile)| tile).collect();
        Self::sorted(RowKind::Samples, roster, tiles, places, budget)
    }

    fn sorted(
        kind: RowKind,
        roster: SharedRoster,
        tiles: Vec<RecordBatch>,
        mut places: Vec<Place>,
        budget: Arc<Budget>,
    ) -> Result<Self, Failure> {
        budget.check().map_err(|error| error.failure)?;
        sort_by_labels(&mut places, &roster.series);
        Ok(Self { kind, roster, tiles, places, _budget: budget })
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The instants of the rows, unless each has its own.
    pub(crate) const fn grid(&self) -> Option<Grid> {
        match self.kind {
            RowKind::Cells(grid) => Some(grid),
            RowKind::Samples => None,
        }
    }

    /// The labels of row `i`.
    pub(crate) fn labels(&self, i: usize) -> &Labels {
        &self.roster.series[self.places[i].series as usize]
    }

    /// The values of row `i`.
    pub(crate) fn row(&self, i: usize) -> Result<Row<'_>, Failure> {
        let Place { tile, row, .. } = self.places[i];
        let (tile, row) = (&self.tiles[tile as usize], row as usize);
        match self.kind {
            RowKind::Cells(grid) => {
                let view = TileView::new(tile, grid.steps).map_err(|error| error.failure)?;
                Ok(Row::Cells(view.row(row)))
            }
            RowKind::Samples => {
                let view = SamplesView::new(tile).map_err(|error| error.failure)?;
                let (timestamps_ms, values) = view.samples(row);
                Ok(Row::Samples(timestamps_ms, values))
            }
        }
    }
}

fn put_places(places: &mut Vec<Place>, tile: usize, offset: u32, series: &[u32]) {
    let tile = narrow(tile);
    let rows = series.iter().zip(0..);
    places.extend(rows.map(|(series, row)| Place { series: series + offset, tile, row }));
}

fn narrow(position: usize) -> u32 {
    u32::try_from(position).expect("rosters and results have fewer than 2^32 entries")
}

/// Sorts by labels. Comparing labels walks over lengths and texts, so each is spelled out once, as
/// bytes whose order is the labels' order: a zero byte ends each text and sorts before any other.
fn sort_by_labels(places: &mut [Place], series: &[Labels]) {
    if places.len() < 2 {
        return;
    }
    let mut keys = Vec::new();
    let mut keyed: Vec<(std::ops::Range<usize>, Place)> = Vec::with_capacity(places.len());
    for place in places.iter() {
        let start = keys.len();
        for (name, value) in &series[place.series as usize] {
            for text in [name, value] {
                keys.extend_from_slice(text.as_bytes());
                keys.push(0);
            }
        }
        keyed.push((start..keys.len(), *place));
    }
    keyed.sort_unstable_by(|(a, _), (b, _)| keys[a.clone()].cmp(&keys[b.clone()]));
    for (place, (_, sorted)) in places.iter_mut().zip(keyed) {
        *place = sorted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_is_the_order_of_labels() {
        let mut series: Vec<Labels> = [
            &[("a", "1")][..],
            &[("a", "10")],
            &[("a", "1"), ("b", "2")],
            &[],
            &[("ab", "0")],
            &[("a", "é")],
            &[("__name__", "x"), ("a", "1")],
            &[("B", "1")],
        ]
        .iter()
        .map(|pairs| Labels::from_pairs(pairs.iter().copied()))
        .collect();
        let mut places: Vec<Place> =
            (0..8).map(|series| Place { series, tile: 0, row: 0 }).collect();
        sort_by_labels(&mut places, &series);
        let sorted: Vec<Labels> =
            places.iter().map(|place| series[place.series as usize].clone()).collect();
        series.sort();
        assert_eq!(sorted, series);
    }
}
