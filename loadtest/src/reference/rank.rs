//! `topk`, `bottomk`, `limitk` and `limit_ratio`: aggregations that choose samples.

use promql::ast::{AggregateOp, Span};
use xxhash_rust::xxh64::xxh64;

use super::aggregate::Group;
use super::eval::Evaluator;
use super::sort::{nan_first, sort_by};
use super::vector::Sample;

/// The first `k` samples of each group: the greatest, the least, or any.
pub(super) fn first(
    evaluator: &Evaluator<'_>,
    op: AggregateOp,
    k: f64,
    groups: Vec<Group>,
    span: Span,
) -> Vec<Sample> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 or more")]
    let k = k.min(1e9) as usize;
    let mut chosen = Vec::new();
    for group in groups {
        if op == AggregateOp::Limitk {
            chosen.extend(group.samples.into_iter().take(k));
            continue;
        }
        let (floats, histograms): (Vec<_>, Vec<_>) =
            group.samples.into_iter().partition(|sample| sample.value.float().is_some());
        let mut heap = Heap { is_top: op == AggregateOp::Topk, k, samples: Vec::new() };
        floats.into_iter().for_each(|sample| heap.offer(sample));
        if !histograms.is_empty() {
            let text = format!("ignored histogram in {} aggregation", op.as_str());
            evaluator.inform(span, text);
        }
        chosen.extend(heap.sorted());
    }
    chosen
}

/// The samples whose labels hash below `ratio`, or above `1 + ratio` if it is negative.
pub(super) fn ratio(ratio: f64, groups: Vec<Group>) -> Vec<Sample> {
    let ratio = ratio.clamp(-1.0, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "Prometheus loses the same bits")]
    let is_chosen = |sample: &Sample| {
        let offset = xxh64(sample.labels.encoded(), 0) as f64 / u64::MAX as f64;
        if ratio >= 0.0 { offset < ratio } else { offset >= 1.0 + ratio }
    };
    groups.into_iter().flat_map(|group| group.samples).filter(is_chosen).collect()
}

/// Go's heap of the best `k` samples, the worst on top: which of equal samples stays depends on it.
struct Heap {
    is_top: bool,
    k: usize,
    samples: Vec<Sample>,
}

// === impl Heap ===

impl Heap {
    fn is_worse(&self, a: &Sample, b: &Sample) -> bool {
        let float = |sample: &Sample| sample.value.float().unwrap_or(f64::NAN);
        let (a, b) = (float(a), float(b));
        if self.is_top { nan_first(a, b) } else { a.is_nan() || a > b }
    }

    fn offer(&mut self, sample: Sample) {
        if self.samples.len() < self.k {
            self.samples.push(sample);
            self.rise(self.samples.len() - 1);
            return;
        }
        let float = |sample: &Sample| sample.value.float().unwrap_or(f64::NAN);
        let (worst, offered) = (float(&self.samples[0]), float(&sample));
        let is_better = if self.is_top { worst < offered } else { worst > offered };
        if is_better || (worst.is_nan() && !offered.is_nan()) {
            self.samples[0] = sample;
            self.sink();
        }
    }

    fn rise(&mut self, mut i: usize) {
        while i > 0 {
            let parent = (i - 1) / 2;
            if !self.is_worse(&self.samples[i], &self.samples[parent]) {
                break;
            }
            self.samples.swap(i, parent);
            i = parent;
        }
    }

    fn sink(&mut self) {
        let mut i = 0;
        loop {
            let (left, right) = (2 * i + 1, 2 * i + 2);
            if left >= self.samples.len() {
                return;
            }
            let is_right_worse = right < self.samples.len()
                && self.is_worse(&self.samples[right], &self.samples[left]);
            let child = if is_right_worse { right } else { left };
            if !self.is_worse(&self.samples[child], &self.samples[i]) {
                return;
            }
            self.samples.swap(i, child);
            i = child;
        }
    }

    /// The samples, the best first.
    fn sorted(mut self) -> Vec<Sample> {
        let mut samples = std::mem::take(&mut self.samples);
        sort_by(&mut samples, |a, b| self.is_worse(b, a));
        samples
    }
}
