//! Tiles: what moves between kernels. A row is a series (or a group), a column of cells a step.
//!
//! ```text
//! series tile   series: UInt32 │ f: FixedSizeList<Float64, S>
//! state tile    series: UInt32 │ one FixedSizeList<Float64, S> for each part of the state
//! samples tile  series: UInt32 │ t: List<Int64> │ v: List<Float64>
//! ```
//!
//! `series` indexes the roster that was sent before the tiles; `S` is the number of steps.
//!
//! Invariant: an absent cell is an Arrow null *and* its slot holds [`ABSENT`], the stale marker,
//! which no selector or function ever returns (arithmetic makes it quiet). So kernels look at
//! one slice of floats and never at bitmaps, and foreign readers of Arrow see nulls. NaN is a
//! value.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float64Array, Int64Array, ListArray, RecordBatch,
    UInt32Array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use model::{FailureKind, TimestampMs};
use smallvec::SmallVec;

use crate::op::OpError;

/// What an absent cell holds.
pub const ABSENT: f64 = model::sample::stale_nan();

/// About how many cells a tile has: 512 KiB a column, so that it stays in the second-level cache.
pub const TILE_CELLS: usize = 65_536;

/// The most rows of a tile, however few steps it has.
pub const TILE_ROWS_MAX: usize = 8_192;

/// The most parts that a state tile has.
pub const STATE_PARTS_MAX: usize = 3;

/// Whether a cell has no value.
#[must_use]
#[inline]
pub const fn is_absent(cell: f64) -> bool {
    model::sample::is_stale(cell)
}

/// How many cells have a value.
#[must_use]
pub fn count_present(row: &[f64]) -> usize {
    row.iter().filter(|cell| !is_absent(**cell)).count()
}

/// Whether any cell has no value; by chunks, so that it becomes vector code.
#[must_use]
pub fn has_absent(cells: &[f64]) -> bool {
    let in_chunk = |chunk: &[f64]| chunk.iter().fold(false, |any, cell| any | is_absent(*cell));
    cells.chunks(64).any(in_chunk)
}

/// How many rows a tile with `steps` steps has when it is full.
#[must_use]
pub fn rows_per_tile(steps: usize) -> usize {
    (TILE_CELLS / steps.max(1)).clamp(1, TILE_ROWS_MAX)
}

/// Gathers rows until a tile is full.
#[derive(Debug)]
pub struct TileBuilder {
    schema: SchemaRef,
    steps: usize,
    series: Vec<u32>,
    columns: SmallVec<[Vec<f64>; STATE_PARTS_MAX]>,
}

/// Reads a series tile or a state tile.
#[derive(Debug, Clone)]
pub struct TileView<'a> {
    steps: usize,
    series: &'a [u32],
    columns: SmallVec<[&'a [f64]; STATE_PARTS_MAX]>,
}

/// Gathers the samples of whole series until a tile is full.
#[derive(Debug, Default)]
pub struct SamplesBuilder {
    series: Vec<u32>,
    ends: Vec<i32>,
    timestamps_ms: Vec<TimestampMs>,
    values: Vec<f64>,
}

/// Reads a samples tile.
#[derive(Debug, Clone)]
pub struct SamplesView<'a> {
    series: &'a [u32],
    ends: &'a [i32],
    timestamps_ms: &'a [TimestampMs],
    values: &'a [f64],
}

// === impl TileBuilder ===

impl TileBuilder {
    /// For series tiles.
    #[must_use]
    pub fn for_series(steps: usize) -> Self {
        Self::new(steps, &["f"])
    }

    /// For tiles with one column of cells for each name.
    #[must_use]
    pub fn new(steps: usize, columns: &[&str]) -> Self {
        let mut fields = vec![Field::new("series", DataType::UInt32, false)];
        let cells = DataType::FixedSizeList(item(), list_size(steps));
        fields.extend(columns.iter().map(|name| Field::new(*name, cells.clone(), false)));
        Self {
            schema: Arc::new(Schema::new(fields)),
            steps,
            series: Vec::new(),
            columns: columns.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// The number of rows gathered so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no row yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Whether the tile should be taken before the next row.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= rows_per_tile(self.steps)
    }

    /// Appends a row of absent cells to a series tile and lends it to be written.
    pub fn push_row(&mut self, series: u32) -> &mut [f64] {
        self.series.push(series);
        let column = &mut self.columns[0];
        let start = column.len();
        if start == 0 {
            column.reserve_exact(rows_per_tile(self.steps) * self.steps);
        }
        column.resize(start + self.steps, ABSENT);
        &mut column[start..]
    }

    /// Takes the last row back.
    pub fn pop_row(&mut self) {
        if self.series.pop().is_some() {
            for column in &mut self.columns {
                column.truncate(column.len() - self.steps);
            }
        }
    }

    /// Appends a row to all columns; `parts` has a slice of cells for each.
    pub fn push_parts(&mut self, series: u32, parts: &[&[f64]]) {
        self.series.push(series);
        for (column, part) in self.columns.iter_mut().zip(parts) {
            column.extend_from_slice(part);
        }
    }

    /// The gathered rows as a tile; the builder is empty afterwards.
    ///
    /// # Errors
    /// When Arrow refuses the columns, which would be a bug.
    pub fn take(&mut self) -> Result<RecordBatch, OpError> {
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(UInt32Array::from(std::mem::take(&mut self.series)))];
        for column in &mut self.columns {
            columns.push(Arc::new(cells_array(std::mem::take(column), self.steps)?));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|e| malformed(&e))
    }
}

// === impl TileView ===

impl<'a> TileView<'a> {
    /// Reads `tile`, whose grid has `steps` steps.
    ///
    /// # Errors
    /// When the columns are not those of a tile.
    pub fn new(tile: &'a RecordBatch, steps: usize) -> Result<Self, OpError> {
        let mut columns = SmallVec::new();
        for column in tile.columns().iter().skip(1) {
            let list = column
                .as_fixed_size_list_opt()
                .filter(|list| list.value_length() == list_size(steps))
                .ok_or_else(|| malformed(&"a column of cells has another number of steps"))?;
            let cells = list
                .values()
                .as_primitive_opt::<Float64Type>()
                .ok_or_else(|| malformed(&"cells are not Float64"))?;
            check_nulls(cells)?;
            columns.push(cells.values().as_ref());
        }
        if columns.is_empty() || columns.len() > STATE_PARTS_MAX {
            return Err(malformed(&"a tile has one to three columns of cells"));
        }
        Ok(Self { steps, series: series_column(tile)?, columns })
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The roster index of each row.
    #[must_use]
    pub fn series(&self) -> &'a [u32] {
        self.series
    }

    /// The cells of row `i` of a series tile.
    #[must_use]
    pub fn row(&self, i: usize) -> &'a [f64] {
        self.part(0, i)
    }

    /// The cells of row `i` in column `part`.
    #[must_use]
    pub fn part(&self, part: usize, i: usize) -> &'a [f64] {
        &self.columns[part][i * self.steps..(i + 1) * self.steps]
    }

    /// All parts of the state in row `i`.
    #[must_use]
    pub fn parts(&self, i: usize) -> SmallVec<[&'a [f64]; STATE_PARTS_MAX]> {
        (0..self.columns.len()).map(|part| self.part(part, i)).collect()
    }

    /// The value of row `i` at step `step`.
    #[must_use]
    pub fn cell(&self, i: usize, step: usize) -> Option<f64> {
        Some(self.row(i)[step]).filter(|cell| !is_absent(*cell))
    }
}

// === impl SamplesBuilder ===

impl SamplesBuilder {
    /// Whether there is no series yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Whether the tile should be taken before the next series.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.values.len() >= TILE_CELLS || self.series.len() >= TILE_ROWS_MAX
    }

    /// Appends one series.
    pub fn push(&mut self, series: u32, timestamps_ms: &[TimestampMs], values: &[f64]) {
        self.series.push(series);
        self.timestamps_ms.extend_from_slice(timestamps_ms);
        self.values.extend_from_slice(values);
        self.ends.push(list_size(self.values.len()));
    }

    /// The gathered series as a tile; the builder is empty afterwards.
    ///
    /// # Errors
    /// When Arrow refuses the columns, which would be a bug.
    pub fn take(&mut self) -> Result<RecordBatch, OpError> {
        let Self { series, ends, timestamps_ms, values } = std::mem::take(self);
        let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let list = |values: ArrayRef, of: &Arc<Field>| {
            ListArray::try_new(Arc::clone(of), offsets.clone(), values, None)
                .map_err(|e| malformed(&e))
        };
        let (t, v) = (item_of(DataType::Int64), item_of(DataType::Float64));
        let schema = Schema::new(vec![
            Field::new("series", DataType::UInt32, false),
            Field::new("t", DataType::List(Arc::clone(&t)), false),
            Field::new("v", DataType::List(Arc::clone(&v)), false),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(series)),
            Arc::new(list(Arc::new(Int64Array::from(timestamps_ms)), &t)?),
            Arc::new(list(Arc::new(Float64Array::from(values)), &v)?),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).map_err(|e| malformed(&e))
    }
}

// === impl SamplesView ===

impl<'a> SamplesView<'a> {
    /// Reads a samples tile.
    ///
    /// # Errors
    /// When the columns are not those of a samples tile.
    pub fn new(tile: &'a RecordBatch) -> Result<Self, OpError> {
        let wrong = || malformed(&"not a samples tile");
        if tile.num_columns() != 3 {
            return Err(wrong());
        }
        let t = tile.column(1).as_list_opt::<i32>().ok_or_else(wrong)?;
        let v = tile.column(2).as_list_opt::<i32>().ok_or_else(wrong)?;
        let timestamps = t.values().as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        let values = v.values().as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
        let ends: &[i32] = t.offsets();
        if ends != &v.offsets()[..] || timestamps.len() != values.len() {
            return Err(wrong());
        }
        Ok(Self {
            series: series_column(tile)?,
            ends,
            timestamps_ms: timestamps.values(),
            values: values.values(),
        })
    }

    /// The number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The roster index of each series.
    #[must_use]
    pub fn series(&self) -> &'a [u32] {
        self.series
    }

    /// The samples of the `i`-th series.
    #[must_use]
    pub fn samples(&self, i: usize) -> (&'a [TimestampMs], &'a [f64]) {
        // Arrow has checked that offsets are not negative and ascend.
        let at = |i: usize| usize::try_from(self.ends[i]).unwrap_or(0);
        let range = at(i)..at(i + 1);
        (&self.timestamps_ms[range.clone()], &self.values[range])
    }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float64, true))
}

fn item_of(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, false))
}

fn list_size(len: usize) -> i32 {
    i32::try_from(len).expect("grids and tiles are limited to far fewer than 2^31 cells")
}

fn cells_array(cells: Vec<f64>, steps: usize) -> Result<FixedSizeListArray, OpError> {
    let nulls = has_absent(&cells).then(|| {
        NullBuffer::new(BooleanBuffer::collect_bool(cells.len(), |i| !is_absent(cells[i])))
    });
    let values = Float64Array::new(ScalarBuffer::from(cells), nulls);
    FixedSizeListArray::try_new(item(), list_size(steps), Arc::new(values), None)
        .map_err(|e| malformed(&e))
}

/// A tile that went through foreign code may have lost what its null slots hold.
fn check_nulls(cells: &Float64Array) -> Result<(), OpError> {
    let first_null = cells.nulls().and_then(|nulls| (!nulls.inner()).set_indices().next());
    match first_null {
        Some(i) if !is_absent(cells.values()[i]) => {
            Err(malformed(&"a null cell does not hold the absent marker"))
        }
        _ => Ok(()),
    }
}

fn series_column(tile: &RecordBatch) -> Result<&[u32], OpError> {
    tile.columns()
        .first()
        .and_then(|column| column.as_primitive_opt::<UInt32Type>())
        .map(|column| column.values().as_ref())
        .ok_or_else(|| malformed(&"the first column is not series: UInt32"))
}

fn malformed(why: &dyn std::fmt::Display) -> OpError {
    OpError::new(
        FailureKind::Internal,
        "err-varve-malformed-tile",
        format!("malformed tile: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_absent_cells_are_nulls() {
        let mut builder = TileBuilder::for_series(3);
        builder.push_row(7).copy_from_slice(&[1.0, ABSENT, f64::NAN]);
        builder.push_row(8);
        builder.pop_row();
        builder.push_row(9).copy_from_slice(&[4.0, 5.0, 6.0]);
        let tile = builder.take().unwrap();
        assert!(builder.is_empty());

        let view = TileView::new(&tile, 3).unwrap();
        assert_eq!(view.series(), [7, 9]);
        assert_eq!(view.cell(0, 0), Some(1.0));
        assert_eq!(view.cell(0, 1), None);
        assert!(view.cell(0, 2).unwrap().is_nan());
        assert_eq!(view.row(1), [4.0, 5.0, 6.0]);
        let cells = tile.column(1).as_fixed_size_list().values();
        assert_eq!(cells.null_count(), 1);
        assert!(cells.is_null(1));
    }

    #[test]
    fn a_slice_of_a_tile_is_a_tile() {
        let mut builder = TileBuilder::for_series(2);
        for series in 0..4_u32 {
            builder.push_row(series).fill(f64::from(series));
        }
        let tile = builder.take().unwrap().slice(2, 2);
        let view = TileView::new(&tile, 2).unwrap();
        assert_eq!((view.series(), view.row(1)), (&[2, 3][..], &[3.0, 3.0][..]));
    }

    #[test]
    fn a_tile_of_another_grid_is_refused() {
        let mut builder = TileBuilder::for_series(2);
        builder.push_row(0);
        let tile = builder.take().unwrap();
        let error = TileView::new(&tile, 3).unwrap_err().to_string();
        assert_eq!(error, "malformed tile: a column of cells has another number of steps");
        assert!(SamplesView::new(&tile).is_err());
    }

    #[test]
    fn a_null_without_its_marker_is_noticed() {
        let cells = Float64Array::from(vec![Some(1.0), None]);
        let list = FixedSizeListArray::try_new(item(), 2, Arc::new(cells), None).unwrap();
        let tile = RecordBatch::try_from_iter([
            ("series", Arc::new(UInt32Array::from(vec![0])) as ArrayRef),
            ("f", Arc::new(list) as ArrayRef),
        ])
        .unwrap();
        assert!(TileView::new(&tile, 2).is_err());
    }

    #[test]
    fn samples_come_back() {
        let mut builder = SamplesBuilder::default();
        builder.push(3, &[10, 20], &[1.0, 2.0]);
        builder.push(5, &[], &[]);
        builder.push(6, &[30], &[3.0]);
        let tile = builder.take().unwrap();
        let view = SamplesView::new(&tile).unwrap();
        assert_eq!(view.series(), [3, 5, 6]);
        assert_eq!(view.samples(0), (&[10, 20][..], &[1.0, 2.0][..]));
        assert_eq!(view.samples(1), (&[][..], &[][..]));
        assert_eq!(view.samples(2), (&[30][..], &[3.0][..]));
    }

    #[test]
    fn tiles_have_about_64_k_cells() {
        assert_eq!(rows_per_tile(1), 8_192);
        assert_eq!(rows_per_tile(240), 273);
        assert_eq!(rows_per_tile(100_000), 1);
    }
}
