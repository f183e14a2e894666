//! Aggregations over series (`promql/engine.go`: `aggregation`), as states that merge.
//!
//! | operator         | parts of the state                                              |
//! |------------------|-----------------------------------------------------------------|
//! | sum              | sum, compensation                                               |
//! | avg              | sum, compensation, count; negative count: the sum is a mean     |
//! | count            | count                                                           |
//! | min, max, group  | value                                                           |
//! | stddev, stdvar   | count, mean, squares (Σ of squared distances from the mean)     |
//!
//! The first part of a step without series is absent. Prometheus' average switches to an
//! incremental mean where the sum would overflow; so does ours, and the sign of the count tells.

use model::FailureKind;
use smallvec::SmallVec;

use super::kahan;
use crate::ast::AggregateOp;
use crate::op::{OpError, OpRt};
use crate::tile::{ABSENT, STATE_PARTS_MAX, has_absent, is_absent};

/// States of all groups of one aggregation, at all steps.
#[derive(Debug)]
pub struct GroupStates {
    op: AggregateOp,
    steps: usize,
    groups: Vec<Filling>,
    /// Each part has `groups × steps` cells.
    parts: SmallVec<[Vec<f64>; STATE_PARTS_MAX]>,
}

/// How much of a group is known; decides which loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filling {
    /// No series yet.
    Empty,
    /// Some steps may be absent, or some average incremental.
    Mixed,
    /// Every step has a value, and every average is a sum and a count.
    Full,
}

/// The names of the parts of a state, which are the columns of its tiles.
///
/// # Errors
/// When `op` has no state that merges.
pub fn state_parts(op: AggregateOp) -> Result<&'static [&'static str], OpError> {
    match op {
        AggregateOp::Sum => Ok(&["sum", "compensation"]),
        AggregateOp::Avg => Ok(&["sum", "compensation", "count"]),
        AggregateOp::Count => Ok(&["count"]),
        AggregateOp::Min | AggregateOp::Max | AggregateOp::Group => Ok(&["value"]),
        AggregateOp::Stddev | AggregateOp::Stdvar => Ok(&["count", "mean", "squares"]),
        AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::CountValues
        | AggregateOp::Quantile
        | AggregateOp::Limitk
        | AggregateOp::LimitRatio => Err(OpError::new(
            FailureKind::Invalid,
            "err-varve-unsupported-aggregation",
            format!("aggregation operator \"{}\" is not supported yet", op.as_str()),
        )),
    }
}

// === impl GroupStates ===

impl GroupStates {
    /// Empty states, charged to the query; whoever owns them releases [`GroupStates::bytes`].
    ///
    /// # Errors
    /// When `op` has no state that merges, or the query's memory limit would be exceeded.
    pub fn reserve(
        op: AggregateOp,
        groups: usize,
        steps: usize,
        rt: &dyn OpRt,
    ) -> Result<Self, OpError> {
        let parts = state_parts(op)?.len();
        rt.reserve(state_bytes(parts, groups, steps))?;
        Ok(Self::with_parts(op, parts, groups, steps))
    }

    /// Empty states that nobody is charged for.
    ///
    /// # Errors
    /// When `op` has no state that merges.
    pub fn new(op: AggregateOp, groups: usize, steps: usize) -> Result<Self, OpError> {
        Ok(Self::with_parts(op, state_parts(op)?.len(), groups, steps))
    }

    fn with_parts(op: AggregateOp, parts: usize, groups: usize, steps: usize) -> Self {
        let initial = |part| if part == 0 { ABSENT } else { 0.0 };
        let parts = (0..parts).map(|part| vec![initial(part); groups * steps]).collect();
        Self { op, steps, groups: vec![Filling::Empty; groups], parts }
    }

    /// The number of groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// What was charged for these states.
    #[must_use]
    pub fn bytes(&self) -> usize {
        state_bytes(self.parts.len(), self.groups(), self.steps)
    }

    /// The state of a group to be sent on; `None` when it has no series.
    #[must_use]
    pub fn state(&self, group: usize) -> Option<SmallVec<[&[f64]; STATE_PARTS_MAX]>> {
        let cells = group * self.steps..(group + 1) * self.steps;
        (self.groups[group] != Filling::Empty)
            .then(|| self.parts.iter().map(|part| &part[cells.clone()]).collect())
    }

    /// Adds one series to a group.
    pub fn add(&mut self, group: usize, row: &[f64]) {
        let is_dense = !has_absent(row);
        let cells = group * self.steps..(group + 1) * self.steps;
        let mut parts = self.parts.iter_mut().map(|part| &mut part[cells.clone()]);
        let mut state =
            GroupState { parts: [(); STATE_PARTS_MAX].map(|()| parts.next().unwrap_or_default()) };
        let filling = &mut self.groups[group];
        if is_dense && *filling == Filling::Full && state.add_dense(self.op, row) {
            return;
        }
        state.add_sparse(self.op, row);
        // An average may have become incremental, except by its first value.
        let stays_plain = self.op != AggregateOp::Avg || *filling == Filling::Empty;
        *filling = match *filling {
            _ if is_dense && stays_plain => Filling::Full,
            Filling::Full if stays_plain => Filling::Full,
            _ => Filling::Mixed,
        };
    }

    /// Merges the state of a group from another partition.
    ///
    /// # Errors
    /// When the number of parts is not the operator's.
    pub fn merge(&mut self, group: usize, state: &[&[f64]]) -> Result<(), OpError> {
        if state.len() != self.parts.len() {
            let message = format!(
                "state of {} has {} parts instead of {}",
                self.op.as_str(),
                state.len(),
                self.parts.len()
            );
            return Err(OpError::new(FailureKind::Internal, "err-varve-malformed-tile", message));
        }
        let filling = std::mem::replace(&mut self.groups[group], Filling::Mixed);
        if filling == Filling::Empty {
            let cells = group * self.steps..(group + 1) * self.steps;
            for (part, theirs) in self.parts.iter_mut().zip(state) {
                part[cells.clone()].copy_from_slice(theirs);
            }
            return Ok(());
        }
        for step in 0..self.steps {
            if is_absent(state[0][step]) {
                continue;
            }
            let at = group * self.steps + step;
            let theirs = cell_of(state, step);
            let merged = if is_absent(self.parts[0][at]) {
                theirs
            } else {
                merge_cells(self.op, cell_of(&self.parts, at), theirs)
            };
            for (part, merged) in self.parts.iter_mut().zip(merged) {
                part[at] = merged;
            }
        }
        Ok(())
    }

    /// Writes the results of a group.
    pub fn finish(&self, group: usize, row: &mut [f64]) {
        for (step, cell) in row.iter_mut().enumerate() {
            let [first, second, third] = cell_of(&self.parts, group * self.steps + step);
            *cell = match self.op {
                _ if is_absent(first) => ABSENT,
                AggregateOp::Sum => first + second,
                AggregateOp::Avg if third < 0.0 => first + second,
                AggregateOp::Avg => first / third + second / third,
                AggregateOp::Stdvar => third / first,
                AggregateOp::Stddev => (third / first).sqrt(),
                _ => first,
            };
        }
    }
}

/// The parts of one group's state; parts that the operator does not have are empty.
struct GroupState<'a> {
    parts: [&'a mut [f64]; STATE_PARTS_MAX],
}

// === impl GroupState ===

impl GroupState<'_> {
    /// A series with a value at every step, onto a group with one at every step. Returns whether
    /// it was done; nothing was changed when not.
    fn add_dense(&mut self, op: AggregateOp, row: &[f64]) -> bool {
        if op == AggregateOp::Avg {
            let sums = self.parts[0].iter().zip(row);
            if sums.fold(false, |any, (sum, value)| any | (sum + value).is_infinite()) {
                return false;
            }
        }
        self.each::<false>(op, row);
        true
    }

    /// Any series onto any state.
    fn add_sparse(&mut self, op: AggregateOp, row: &[f64]) {
        if op == AggregateOp::Avg {
            // Sums that may overflow need a decision at each step.
            let [sums, compensations, counts] = &mut self.parts;
            let parts = sums.iter_mut().zip(compensations.iter_mut()).zip(counts.iter_mut());
            for (((sum, compensation), count), value) in parts.zip(row) {
                if !is_absent(*value) {
                    [*sum, *compensation, *count] =
                        add_to_average([*sum, *compensation, *count], *value);
                }
            }
        } else {
            self.each::<true>(op, row);
        }
    }

    /// One loop for each operator, without branches inside, so that it becomes vector code.
    fn each<const SPARSE: bool>(&mut self, op: AggregateOp, row: &[f64]) {
        match op {
            AggregateOp::Sum => self.two::<SPARSE>(row, -0.0, |[sum, compensation], value| {
                <[f64; 2]>::from(kahan::add(sum, compensation, value))
            }),
            AggregateOp::Avg => self.three::<SPARSE>(row, |[sum, compensation, count], value| {
                let (sum, compensation) = kahan::add(sum, compensation, value);
                [sum, compensation, count + 1.0]
            }),
            AggregateOp::Count => self.one::<SPARSE>(row, 0.0, |count, _| count + 1.0),
            AggregateOp::Min => self.one::<SPARSE>(row, f64::NAN, less),
            AggregateOp::Max => self.one::<SPARSE>(row, f64::NAN, more),
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                self.three::<SPARSE>(row, add_deviation);
            }
            // `group`; there is no state for any other.
            _ => self.one::<SPARSE>(row, 1.0, |_, _| 1.0),
        }
    }

    fn one<const SPARSE: bool>(&mut self, row: &[f64], empty: f64, add: impl Fn(f64, f64) -> f64) {
        for (first, value) in self.parts[0].iter_mut().zip(row) {
            let old = if SPARSE && is_absent(*first) { empty } else { *first };
            let new = add(old, *value);
            *first = if SPARSE && is_absent(*value) { *first } else { new };
        }
    }

    fn two<const SPARSE: bool>(
        &mut self,
        row: &[f64],
        empty: f64,
        add: impl Fn([f64; 2], f64) -> [f64; 2],
    ) {
        let [first, second, _] = &mut self.parts;
        for ((first, second), value) in first.iter_mut().zip(second.iter_mut()).zip(row) {
            let old = if SPARSE && is_absent(*first) { empty } else { *first };
            let new = add([old, *second], *value);
            let keeps = SPARSE && is_absent(*value);
            *first = if keeps { *first } else { new[0] };
            *second = if keeps { *second } else { new[1] };
        }
    }

    fn three<const SPARSE: bool>(&mut self, row: &[f64], add: impl Fn([f64; 3], f64) -> [f64; 3]) {
        let [first, second, third] = &mut self.parts;
        let parts = first.iter_mut().zip(second.iter_mut()).zip(third.iter_mut());
        for (((first, second), third), value) in parts.zip(row) {
            let old = if SPARSE && is_absent(*first) { 0.0 } else { *first };
            let new = add([old, *second, *third], *value);
            let keeps = SPARSE && is_absent(*value);
            *first = if keeps { *first } else { new[0] };
            *second = if keeps { *second } else { new[1] };
            *third = if keeps { *third } else { new[2] };
        }
    }
}

fn merge_cells(
    op: AggregateOp,
    ours: [f64; STATE_PARTS_MAX],
    theirs: [f64; STATE_PARTS_MAX],
) -> [f64; STATE_PARTS_MAX] {
    match op {
        AggregateOp::Sum => {
            let (sum, compensation) = merge_sums(ours, theirs);
            [sum, compensation, 0.0]
        }
        AggregateOp::Avg => merge_averages(ours, theirs),
        AggregateOp::Count => [ours[0] + theirs[0], 0.0, 0.0],
        AggregateOp::Stddev | AggregateOp::Stdvar => merge_deviations(ours, theirs),
        AggregateOp::Min => [less(ours[0], theirs[0]), 0.0, 0.0],
        AggregateOp::Max => [more(ours[0], theirs[0]), 0.0, 0.0],
        _ => ours,
    }
}

fn merge_sums(ours: [f64; STATE_PARTS_MAX], theirs: [f64; STATE_PARTS_MAX]) -> (f64, f64) {
    let (sum, compensation) = kahan::add(ours[0], ours[1], theirs[0]);
    (sum, if sum.is_infinite() { 0.0 } else { compensation + theirs[1] })
}

fn add_to_average(
    [sum, compensation, count]: [f64; STATE_PARTS_MAX],
    value: f64,
) -> [f64; STATE_PARTS_MAX] {
    if count == 0.0 {
        return [value, 0.0, 1.0];
    }
    let total = count.abs() + 1.0;
    let (mut mean, mut compensation) = (sum, compensation);
    if count > 0.0 {
        let (new_sum, new_compensation) = kahan::add(sum, compensation, value);
        if !new_sum.is_infinite() {
            return [new_sum, new_compensation, total];
        }
        mean /= count;
        compensation /= count;
    }
    let share = (total - 1.0) / total;
    let (mean, compensation) = kahan::add(share * mean, share * compensation, value / total);
    [mean, compensation, -total]
}

fn merge_averages(
    ours: [f64; STATE_PARTS_MAX],
    theirs: [f64; STATE_PARTS_MAX],
) -> [f64; STATE_PARTS_MAX] {
    let total = ours[2].abs() + theirs[2].abs();
    if ours[2] > 0.0 && theirs[2] > 0.0 {
        let (sum, compensation) = merge_sums(ours, theirs);
        if !sum.is_infinite() {
            return [sum, compensation, total];
        }
    }
    // Both as means, each with its share of the count.
    let weighted = |[sum, compensation, count]: [f64; STATE_PARTS_MAX]| {
        let (share, divisor) = (count.abs() / total, if count > 0.0 { count } else { 1.0 });
        (share * (sum / divisor), share * (compensation / divisor))
    };
    let ((mean, compensation), theirs) = (weighted(ours), weighted(theirs));
    let (mean, compensation) = kahan::add(mean, compensation, theirs.0);
    let compensation = if mean.is_infinite() { 0.0 } else { compensation + theirs.1 };
    [mean, compensation, -total]
}

/// Welford's method. The first value is its own mean, from which it has no distance; a distance
/// from something infinite or undefined is undefined.
fn add_deviation(
    [count, mean, squares]: [f64; STATE_PARTS_MAX],
    value: f64,
) -> [f64; STATE_PARTS_MAX] {
    let count = count + 1.0;
    let delta = value - mean;
    let is_first = count == 1.0;
    let mean = if is_first { value } else { mean + delta / count };
    let first_squares = if value.is_finite() { 0.0 } else { f64::NAN };
    let squares = if is_first { first_squares } else { squares + delta * (value - mean) };
    [count, mean, squares]
}

/// Chan's method for two sets.
fn merge_deviations(
    ours: [f64; STATE_PARTS_MAX],
    theirs: [f64; STATE_PARTS_MAX],
) -> [f64; STATE_PARTS_MAX] {
    let total = ours[0] + theirs[0];
    let delta = theirs[1] - ours[1];
    let mean = ours[1] + delta * (theirs[0] / total);
    [total, mean, ours[2] + theirs[2] + delta * delta * (ours[0] * (theirs[0] / total))]
}

fn less(min: f64, value: f64) -> f64 {
    if min > value || min.is_nan() { value } else { min }
}

fn more(max: f64, value: f64) -> f64 {
    if max < value || max.is_nan() { value } else { max }
}

fn cell_of<P: AsRef<[f64]>>(parts: &[P], at: usize) -> [f64; STATE_PARTS_MAX] {
    let part = |i: usize| parts.get(i).map_or(0.0, |part: &P| part.as_ref()[at]);
    [part(0), part(1), part(2)]
}

const fn state_bytes(parts: usize, groups: usize, steps: usize) -> usize {
    parts * groups * steps * size_of::<f64>()
}

#[cfg(test)]
mod tests;
