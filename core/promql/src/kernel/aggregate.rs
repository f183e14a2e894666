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
use crate::tile::{ABSENT, STATE_PARTS_MAX, is_absent};

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
        let filling = self.groups[group];
        let cells = group * self.steps..(group + 1) * self.steps;
        let mut parts = self.parts.iter_mut().map(|part| &mut part[cells.clone()]);
        let (Some(first), second, third) = (parts.next(), parts.next(), parts.next()) else {
            return;
        };
        let mut parts =
            Parts { first, second: second.unwrap_or_default(), third: third.unwrap_or_default() };
        self.groups[group] = match (filling, is_dense) {
            (Filling::Empty, true) => {
                parts.set(self.op, row);
                Filling::Full
            }
            (Filling::Full, true) if parts.add_dense(self.op, row) => Filling::Full,
            (Filling::Full, false) => {
                parts.add_sparse(self.op, row);
                if self.op == AggregateOp::Avg { Filling::Mixed } else { Filling::Full }
            }
            _ => {
                parts.add_sparse(self.op, row);
                if is_dense && self.op != AggregateOp::Avg { Filling::Full } else { Filling::Mixed }
            }
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
        self.groups[group] = Filling::Mixed;
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

/// The parts of one group's state.
struct Parts<'a> {
    first: &'a mut [f64],
    second: &'a mut [f64],
    third: &'a mut [f64],
}

// === impl Parts ===

impl Parts<'_> {
    /// The first series of a group, which has a value at every step.
    fn set(&mut self, op: AggregateOp, row: &[f64]) {
        match op {
            AggregateOp::Count | AggregateOp::Group => self.first.fill(1.0),
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                self.first.fill(1.0);
                self.second.copy_from_slice(row);
                for (squares, value) in self.third.iter_mut().zip(row) {
                    *squares = first_squares(*value);
                }
            }
            _ => {
                self.first.copy_from_slice(row);
                self.third.fill(1.0);
            }
        }
    }

    /// A series with a value at every step, onto a group with one at every step. Returns whether
    /// it was done; nothing was changed when not.
    fn add_dense(&mut self, op: AggregateOp, row: &[f64]) -> bool {
        match op {
            AggregateOp::Sum => self.add_sums(row),
            AggregateOp::Avg => {
                let overflows = |(sum, value): (&f64, &f64)| (sum + value).is_infinite();
                if any(self.first.iter().zip(row), overflows) {
                    return false;
                }
                self.add_sums(row);
                for count in &mut *self.third {
                    *count += 1.0;
                }
            }
            AggregateOp::Count => {
                for count in &mut *self.first {
                    *count += 1.0;
                }
            }
            AggregateOp::Min => {
                for (min, value) in self.first.iter_mut().zip(row) {
                    *min = less(*min, *value);
                }
            }
            AggregateOp::Max => {
                for (max, value) in self.first.iter_mut().zip(row) {
                    *max = more(*max, *value);
                }
            }
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                let means = self.second.iter_mut().zip(&mut *self.third);
                for ((count, (mean, squares)), value) in self.first.iter_mut().zip(means).zip(row) {
                    [*count, *mean, *squares] = add_deviation([*count, *mean, *squares], *value);
                }
            }
            _ => {}
        }
        true
    }

    fn add_sums(&mut self, row: &[f64]) {
        for ((sum, compensation), value) in self.first.iter_mut().zip(&mut *self.second).zip(row) {
            (*sum, *compensation) = kahan::add(*sum, *compensation, *value);
        }
    }

    /// Any series onto any state.
    fn add_sparse(&mut self, op: AggregateOp, row: &[f64]) {
        for (step, value) in row.iter().enumerate() {
            if is_absent(*value) {
                continue;
            }
            let part = |part: &[f64]| part.get(step).copied().unwrap_or_default();
            let state = [self.first[step], part(self.second), part(self.third)];
            let is_first = is_absent(state[0]);
            let state = if is_first { first_cell(op, *value) } else { add_cell(op, state, *value) };
            self.first[step] = state[0];
            for (part, state) in [&mut self.second, &mut self.third].into_iter().zip(&state[1..]) {
                if let Some(cell) = part.get_mut(step) {
                    *cell = *state;
                }
            }
        }
    }
}

/// The state of one cell after its first value.
fn first_cell(op: AggregateOp, value: f64) -> [f64; STATE_PARTS_MAX] {
    match op {
        AggregateOp::Count | AggregateOp::Group => [1.0, 0.0, 0.0],
        AggregateOp::Stddev | AggregateOp::Stdvar => [1.0, value, first_squares(value)],
        _ => [value, 0.0, 1.0],
    }
}

fn add_cell(op: AggregateOp, state: [f64; STATE_PARTS_MAX], value: f64) -> [f64; STATE_PARTS_MAX] {
    let [first, second, third] = state;
    match op {
        AggregateOp::Sum => {
            let (sum, compensation) = kahan::add(first, second, value);
            [sum, compensation, third]
        }
        AggregateOp::Avg => add_to_average(state, value),
        AggregateOp::Count => [first + 1.0, second, third],
        AggregateOp::Min => [less(first, value), second, third],
        AggregateOp::Max => [more(first, value), second, third],
        AggregateOp::Stddev | AggregateOp::Stdvar => add_deviation(state, value),
        _ => state,
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
        _ => add_cell(op, ours, theirs[0]),
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

/// A deviation from something infinite or undefined is undefined.
fn first_squares(value: f64) -> f64 {
    if value.is_finite() { 0.0 } else { f64::NAN }
}

/// Welford's method.
fn add_deviation(
    [count, mean, squares]: [f64; STATE_PARTS_MAX],
    value: f64,
) -> [f64; STATE_PARTS_MAX] {
    let count = count + 1.0;
    let delta = value - mean;
    let mean = mean + delta / count;
    [count, mean, squares + delta * (value - mean)]
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

/// Whether any cell is absent; by chunks, so that it becomes vector code.
fn has_absent(row: &[f64]) -> bool {
    any(row.iter(), |cell| is_absent(*cell))
}

/// Whether `holds` for any item, looking at all of them.
fn any<T>(mut items: impl Iterator<Item = T>, holds: impl Fn(T) -> bool) -> bool {
    items.by_ref().fold(false, |any, item| any | holds(item))
}

const fn state_bytes(parts: usize, groups: usize, steps: usize) -> usize {
    parts * groups * steps * size_of::<f64>()
}

#[cfg(test)]
mod tests;
