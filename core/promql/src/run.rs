//! Runs a fragment where the samples are: bind, then one pass over the samples of each series.
//!
//! ```text
//!  select ─► roster ─► names, groups (labels, once)           roster is sent first
//!  scan ─► block ─► window kernel ─► maps ─► tile row         tiles as they fill
//!                                        └─► group's state    state tiles at the end
//! ```
//!
//! Invariant: a series with no value at any step has no row.

use crate::bind::{GroupMap, roster_without_name};
use crate::fragment::{Fragment, PartialAggregate, Window};
use crate::kernel::aggregate::{GroupStates, state_parts};
use crate::kernel::map::map_row;
use crate::kernel::select::WindowKernel;
use crate::op::{OpError, OpRt};
use crate::roster::{SharedRoster, series_index};
use crate::source::{SampleBlock, SampleScan, SampleSource, Selection};
use crate::tile::{SamplesBuilder, TileBuilder, count_present};

use arrow_array::RecordBatch;

/// About how many samples a block has: 512 KiB of timestamps and as much of values.
const BLOCK_SAMPLES: usize = 65_536;

/// Where the results of a fragment go.
pub trait FragmentSink {
    /// Takes the series (or groups) that the tiles will number; comes first, once.
    ///
    /// # Errors
    /// When the receiver is gone.
    fn roster(&mut self, roster: SharedRoster) -> Result<(), OpError>;

    /// Takes one tile; its layout is in [`crate::tile`].
    ///
    /// # Errors
    /// When the receiver is gone.
    fn tile(&mut self, tile: RecordBatch) -> Result<(), OpError>;
}

/// What a fragment has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FragmentEnd {
    /// Samples that were read.
    pub samples_read: u64,
}

/// Runs `fragment` over the samples of `source`.
///
/// # Errors
/// When a limit is exceeded, the query was cancelled, stored bytes are damaged, the fragment is
/// not a valid one, or the receiver is gone.
pub fn run_fragment(
    fragment: &Fragment,
    source: &dyn SampleSource,
    rt: &dyn OpRt,
    out: &mut dyn FragmentSink,
) -> Result<FragmentEnd, OpError> {
    let selection = Selection {
        tenant: &fragment.tenant,
        matchers: &fragment.selector.matchers,
        range: fragment.grid.needs(fragment.window.width_ms(), fragment.selector.offset_ms),
    };
    let newest_is_enough =
        matches!(fragment.window, Window::Instant { .. }) && fragment.grid.steps == 1;
    let scan = if newest_is_enough {
        source.select_newest(&selection)?
    } else {
        source.select(&selection)?
    };
    let mut blocks = Blocks { scan, block: SampleBlock::default(), rt, samples_read: 0 };
    if matches!(fragment.window, Window::Samples { .. }) {
        out.roster(blocks.scan.roster())?;
        run_samples(&mut blocks, out)?;
    } else if let Some(aggregate) = &fragment.aggregate {
        let map = blocks.scan.groups(&aggregate.grouping, fragment.drops_name());
        run_groups(fragment, aggregate, map, &mut blocks, out)?;
    } else {
        let selected = blocks.scan.roster();
        let roster = if fragment.drops_name() { roster_without_name(&selected) } else { selected };
        run_series(fragment, roster, &mut blocks, out)?;
    }
    Ok(FragmentEnd { samples_read: blocks.samples_read })
}

/// The scan's blocks, each counted and checked.
struct Blocks<'a> {
    scan: Box<dyn SampleScan + 'a>,
    block: SampleBlock,
    rt: &'a dyn OpRt,
    samples_read: u64,
}

// === impl Blocks ===

impl Blocks<'_> {
    fn next(&mut self) -> Result<Option<&SampleBlock>, OpError> {
        self.rt.check()?;
        if !self.scan.next(BLOCK_SAMPLES, &mut self.block)? {
            return Ok(None);
        }
        self.rt.count_samples(self.block.values.len())?;
        self.samples_read += self.block.values.len() as u64;
        Ok(Some(&self.block))
    }
}

/// Windows and maps of a fragment.
struct Rows<'a> {
    kernel: WindowKernel,
    fragment: &'a Fragment,
}

// === impl Rows ===

impl<'a> Rows<'a> {
    fn new(fragment: &'a Fragment) -> Self {
        let offset_ms = fragment.selector.offset_ms;
        Self { kernel: WindowKernel::new(&fragment.window, &fragment.grid, offset_ms), fragment }
    }

    /// Computes the row of the `i`-th series of a block; `false` when it has no value.
    fn compute(&mut self, block: &SampleBlock, i: usize, row: &mut [f64]) -> bool {
        let (timestamps_ms, values) = block.samples(i);
        if self.kernel.run(timestamps_ms, values, row) == 0 {
            return false;
        }
        if self.fragment.maps.is_empty() {
            return true;
        }
        for map in &self.fragment.maps {
            map_row(map, row);
        }
        count_present(row) > 0
    }
}

fn run_samples(blocks: &mut Blocks<'_>, out: &mut dyn FragmentSink) -> Result<(), OpError> {
    let mut builder = SamplesBuilder::default();
    let (mut t, mut v) = (vec![], vec![]);
    while let Some(block) = blocks.next()? {
        for (i, series) in block.series.iter().enumerate() {
            let (timestamps_ms, values) = block.samples(i);
            t.clear();
            v.clear();
            let live =
                timestamps_ms.iter().zip(values).filter(|(_, v)| !model::sample::is_stale(**v));
            (t, v) = live.fold((t, v), |(mut t, mut v), (timestamp, value)| {
                t.push(*timestamp);
                v.push(*value);
                (t, v)
            });
            if t.is_empty() {
                continue;
            }
            if builder.is_full() {
                out.tile(builder.take()?)?;
            }
            builder.push(*series, &t, &v);
        }
    }
    if !builder.is_empty() {
        out.tile(builder.take()?)?;
    }
    Ok(())
}

fn run_series(
    fragment: &Fragment,
    roster: SharedRoster,
    blocks: &mut Blocks<'_>,
    out: &mut dyn FragmentSink,
) -> Result<(), OpError> {
    out.roster(roster)?;
    let mut rows = Rows::new(fragment);
    let mut builder = TileBuilder::for_series(fragment.grid.steps);
    while let Some(block) = blocks.next()? {
        for (i, series) in block.series.iter().enumerate() {
            if builder.is_full() {
                out.tile(builder.take()?)?;
            }
            if !rows.compute(block, i, builder.push_row(*series)) {
                builder.pop_row();
            }
        }
    }
    if !builder.is_empty() {
        out.tile(builder.take()?)?;
    }
    Ok(())
}

fn run_groups(
    fragment: &Fragment,
    aggregate: &PartialAggregate,
    map: GroupMap,
    blocks: &mut Blocks<'_>,
    out: &mut dyn FragmentSink,
) -> Result<(), OpError> {
    let (steps, groups) = (fragment.grid.steps, map.groups.len());
    out.roster(map.groups)?;
    let mut states = GroupStates::reserve(aggregate.op, groups, steps, blocks.rt)?;
    let result = fill_groups(&mut Rows::new(fragment), &map.of, blocks, &mut states)
        .and_then(|()| send_groups(aggregate, steps, &states, out));
    blocks.rt.release(states.bytes());
    result
}

fn fill_groups(
    rows: &mut Rows<'_>,
    group_of: &[u32],
    blocks: &mut Blocks<'_>,
    states: &mut GroupStates,
) -> Result<(), OpError> {
    let mut row = vec![0.0; rows.fragment.grid.steps];
    while let Some(block) = blocks.next()? {
        for (i, series) in block.series.iter().enumerate() {
            if rows.compute(block, i, &mut row) {
                states.add(group_of[*series as usize] as usize, &row);
            }
        }
    }
    Ok(())
}

fn send_groups(
    aggregate: &PartialAggregate,
    steps: usize,
    states: &GroupStates,
    out: &mut dyn FragmentSink,
) -> Result<(), OpError> {
    let mut builder = TileBuilder::new(steps, state_parts(aggregate.op)?);
    for group in 0..states.groups() {
        let Some(state) = states.state(group) else { continue };
        if builder.is_full() {
            out.tile(builder.take()?)?;
        }
        builder.push_parts(series_index(group), &state);
    }
    if !builder.is_empty() {
        out.tile(builder.take()?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
