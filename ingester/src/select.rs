//! Reading heads: selections of samples, questions about labels, and running fragments.
//!
//! ```text
//!  run(fragment) ─► worker, or workers ─► promql::run over HeadSource ─► messages ─► stream
//!                                            │
//!                   matching (matchers → refs) ─► scan ─► chunks (memory, store) ─► SampleBlock
//! ```
//!
//! Guarantees: a selection sees one instant of each partition, and a damaged chunk fails the
//! queries that need it, by name, instead of leaving a gap.

mod chunks;
mod groups;
mod labels;
mod matching;
mod run;
mod scan;

use promql::op::OpError;
use promql::source::{SampleScan, SampleSource, Selection};

pub(crate) use labels::{label_names, label_values, metadata, series};
pub(crate) use run::{QueryLimits, run};
use scan::HeadScan;

use crate::head::Head;

/// A head as kernels see it.
#[derive(Debug)]
pub(crate) struct HeadSource<'a>(pub(crate) &'a Head);

// === impl HeadSource ===

impl<'a> HeadSource<'a> {
    fn scan(&self, selection: &Selection<'_>, newest_only: bool) -> HeadScan<'a> {
        let state = self.0.read();
        let refs = matching::find(&state, selection.tenant, selection.matchers);
        HeadScan::new(self.0, &state, &refs, selection.range, newest_only)
    }
}

impl SampleSource for HeadSource<'_> {
    fn select(&self, selection: &Selection<'_>) -> Result<Box<dyn SampleScan + '_>, OpError> {
        Ok(Box::new(self.scan(selection, false)))
    }

    fn select_newest(
        &self,
        selection: &Selection<'_>,
    ) -> Result<Box<dyn SampleScan + '_>, OpError> {
        Ok(Box::new(self.scan(selection, true)))
    }
}

#[cfg(test)]
mod tests;
