//! Where kernels get samples from: the head, later blocks and tests.

use std::sync::Arc;

use model::Histogram;
use model::{Matcher, TenantId, TimeRange, TimestampMs};

use crate::ast::Grouping;
use crate::bind::GroupMap;
use crate::op::OpError;
use crate::roster::SharedRoster;

/// Samples of several whole series, column by column; recycled from call to call.
///
/// `series[i]` has the numbers `ends[i - 1]..ends[i]` (from 0 for `i = 0`), timestamps strictly
/// ascending, stale markers included, and likewise its native histograms. No timestamp is in both.
/// Series are ascending and come once in a scan.
#[derive(Debug, Default, Clone)]
pub struct SampleBlock {
    /// Roster indexes.
    pub series: Vec<u32>,
    /// One past the last sample of each series.
    pub ends: Vec<u32>,
    /// Milliseconds.
    pub timestamps_ms: Vec<TimestampMs>,
    /// Values.
    pub values: Vec<f64>,
    /// Since when each sample has been counted, in milliseconds, 0 where that is not known; empty
    /// when it is known of no sample here.
    pub starts_ms: Vec<TimestampMs>,
    /// The native histograms of the same series.
    pub histograms: HistogramColumns,
}

/// Native histograms of the series of a [`SampleBlock`].
#[derive(Debug, Default, Clone)]
pub struct HistogramColumns {
    /// One past the last histogram of each series of the block.
    pub ends: Vec<u32>,
    /// Milliseconds.
    pub timestamps_ms: Vec<TimestampMs>,
    /// As [`SampleBlock::starts_ms`].
    pub starts_ms: Vec<TimestampMs>,
    /// Values; a stale marker is a histogram whose sum is one.
    pub values: Vec<Arc<Histogram>>,
}

/// The native histograms of one series.
#[derive(Debug, Default, Clone, Copy)]
pub struct HistogramSamples<'a> {
    /// Milliseconds, ascending.
    pub timestamps_ms: &'a [TimestampMs],
    /// As long as the timestamps, or empty; see [`SampleBlock::starts_ms`].
    pub starts_ms: &'a [TimestampMs],
    /// Values.
    pub values: &'a [Arc<Histogram>],
}

/// What a selector asks for.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// Whose series.
    pub tenant: &'a TenantId,
    /// All of them must hold.
    pub matchers: &'a [Matcher],
    /// Samples outside are not needed.
    pub range: TimeRange,
}

/// A set of samples that can be selected from; one per partition.
pub trait SampleSource {
    /// Finds the series (bind) and returns a scan over their samples (run).
    ///
    /// # Errors
    /// When a limit is exceeded or stored bytes are damaged.
    fn select(&self, selection: &Selection<'_>) -> Result<Box<dyn SampleScan + '_>, OpError>;

    /// As [`SampleSource::select`], for an instant vector at one step: of each series only the
    /// newest sample in the range matters, stale marker or not. A scan may yield older ones too.
    ///
    /// # Errors
    /// As [`SampleSource::select`].
    fn select_newest(
        &self,
        selection: &Selection<'_>,
    ) -> Result<Box<dyn SampleScan + '_>, OpError> {
        self.select(selection)
    }
}

/// The samples of one selection.
pub trait SampleScan {
    /// The series that were found, in the order in which blocks will name them.
    fn roster(&self) -> SharedRoster;

    /// The groups of these series, as [`GroupMap::bind`] forms them; with `drops_name`, after they
    /// have lost the labels that describe a metric. A source that knows labels by number can tell
    /// groups apart without writing down the labels of every series.
    fn groups(&self, grouping: &Grouping, drops_name: bool) -> GroupMap {
        GroupMap::bind(&self.roster(), grouping, drops_name)
    }

    /// Clears `block` and fills it with the next series, about `samples_hint` samples.
    /// Returns `false` when there is none left. Series without samples in range may be left out.
    ///
    /// # Errors
    /// When stored bytes are damaged or the query was cancelled.
    fn next(&mut self, samples_hint: usize, block: &mut SampleBlock) -> Result<bool, OpError>;
}

// === impl SampleBlock ===

impl SampleBlock {
    /// Forgets all samples and keeps the buffers.
    pub fn clear(&mut self) {
        self.series.clear();
        self.ends.clear();
        self.timestamps_ms.clear();
        self.values.clear();
        self.starts_ms.clear();
        self.histograms.clear();
    }

    /// Closes a series whose samples were appended since the last one was closed.
    pub fn close_series(&mut self, series: u32) {
        self.series.push(series);
        self.ends.push(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        let histograms = &mut self.histograms;
        histograms.ends.push(u32::try_from(histograms.values.len()).unwrap_or(u32::MAX));
    }

    /// The samples of the `i`-th series of this block.
    #[must_use]
    pub fn samples(&self, i: usize) -> (&[TimestampMs], &[f64]) {
        let range = range_of(&self.ends, i);
        (&self.timestamps_ms[range.clone()], &self.values[range])
    }

    /// Since when the samples of the `i`-th series have been counted; empty when that is known of
    /// none in this block.
    #[must_use]
    pub fn starts(&self, i: usize) -> &[TimestampMs] {
        if self.starts_ms.is_empty() { &[] } else { &self.starts_ms[range_of(&self.ends, i)] }
    }

    /// The native histograms of the `i`-th series of this block.
    #[must_use]
    pub fn histograms(&self, i: usize) -> HistogramSamples<'_> {
        let all = &self.histograms;
        let range = range_of(&all.ends, i);
        HistogramSamples {
            timestamps_ms: &all.timestamps_ms[range.clone()],
            starts_ms: if all.starts_ms.is_empty() { &[] } else { &all.starts_ms[range.clone()] },
            values: &all.values[range],
        }
    }
}

// === impl HistogramColumns ===

impl HistogramColumns {
    fn clear(&mut self) {
        self.ends.clear();
        self.timestamps_ms.clear();
        self.starts_ms.clear();
        self.values.clear();
    }
}

/// Where the samples of the `i`-th series are.
fn range_of(ends: &[u32], i: usize) -> std::ops::Range<usize> {
    let start = if i == 0 { 0 } else { ends[i - 1] as usize };
    start..ends[i] as usize
}
