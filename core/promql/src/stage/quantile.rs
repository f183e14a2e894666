//! `histogram_quantile(φ, …)` over classic buckets.

use std::sync::Arc;

use super::node::{RowNode, Rows};
use crate::bind::BucketMap;
use crate::fragment::ScalarOperand;
use crate::kernel::bucket::{BucketCount, bucket_quantile};
use crate::op::{OpError, OpRt};
use crate::roster::series_index;
use crate::tile::{ABSENT, count_present, is_absent};

/// Keeps the rows of all buckets until the last one has come.
#[derive(Debug)]
pub(super) struct QuantileNode {
    phi: ScalarOperand,
    map: Arc<BucketMap>,
    rows: Rows,
    /// Of one histogram at one step; recycled.
    counts: Vec<BucketCount>,
}

// === impl QuantileNode ===

impl QuantileNode {
    pub(super) fn new(phi: ScalarOperand, map: Arc<BucketMap>, steps: usize) -> Self {
        let rows = Rows::new(steps, map.of.len());
        Self { phi, map, rows, counts: vec![] }
    }
}

impl RowNode for QuantileNode {
    fn take(
        &mut self,
        _operand: usize,
        series: u32,
        row: &mut [f64],
        rt: &dyn OpRt,
    ) -> Result<Option<u32>, OpError> {
        if self.map.of[series as usize].is_some() {
            self.rows.insert(series, row, rt)?;
        }
        Ok(None)
    }

    fn close(&mut self) -> Result<usize, OpError> {
        Ok(self.map.buckets.len())
    }

    fn emit(&mut self, k: usize, row: &mut [f64]) -> Result<Option<u32>, OpError> {
        let buckets: Vec<(f64, &[f64])> = self.map.buckets[k]
            .iter()
            .filter_map(|bucket| Some((bucket.upper_bound, self.rows.get(bucket.series)?)))
            .collect();
        for (step, cell) in row.iter_mut().enumerate() {
            self.counts.clear();
            self.counts.extend(
                buckets
                    .iter()
                    .map(|(upper_bound, row)| BucketCount {
                        upper_bound: *upper_bound,
                        count: row[step],
                    })
                    .filter(|bucket| !is_absent(bucket.count)),
            );
            *cell = if self.counts.is_empty() {
                ABSENT
            } else {
                bucket_quantile(self.phi.at(step), &mut self.counts)
            };
        }
        Ok((count_present(row) > 0).then(|| series_index(k)))
    }

    fn release(&mut self, rt: &dyn OpRt) {
        self.rows.release(rt);
    }
}
