//! Which series of the left operand meet which of the right one.

use model::{FailureKind, Labels};
use smallvec::SmallVec;

use super::{KeyIndex, describes_metric, drops_name, is_matched, put_labels};
use crate::ast::{BinaryOp, Matching};
use crate::op::OpError;
use crate::roster::{Roster, SharedRoster};

/// Series of both sides whose matching labels agree.
#[derive(Debug, Default, Clone)]
pub(crate) struct MatchGroup {
    /// Series of the left operand.
    pub(crate) left: SmallVec<[u32; 1]>,
    /// Series of the right operand; more than one may not have values at the same step.
    pub(crate) right: SmallVec<[u32; 1]>,
}

/// The match groups of a binary operation, one to one.
#[derive(Debug)]
pub(crate) struct MatchTable {
    /// All groups.
    pub(crate) groups: Vec<MatchGroup>,
    /// The group of each series of the left operand.
    pub(crate) left: Vec<u32>,
    /// The group of each series of the right operand.
    pub(crate) right: Vec<u32>,
    /// Result labels; numbered as the left operand.
    pub(crate) roster: SharedRoster,
    /// Whether some group has several series on the right.
    pub(crate) has_right_duplicates: bool,
    matching: Matching,
    rights: SharedRoster,
}

// === impl MatchGroup ===

impl MatchGroup {
    /// Whether each side has exactly one series, so that nothing can be ambiguous.
    pub(crate) fn is_simple(&self) -> bool {
        self.left.len() == 1 && self.right.len() == 1
    }
}

// === impl MatchTable ===

impl MatchTable {
    /// Matches the series of two rosters.
    pub(crate) fn bind(
        op: BinaryOp,
        is_bool: bool,
        matching: &Matching,
        left: &Roster,
        right: &SharedRoster,
    ) -> Self {
        let (mut index, mut key) = (KeyIndex::default(), vec![]);
        let mut group_of = |labels: &Labels| {
            key.clear();
            put_labels(&mut key, labels, |name| is_matched(matching, name));
            index.get_or_insert(&key)
        };
        let lefts: Vec<u32> = left.series.iter().map(&mut group_of).collect();
        let rights: Vec<u32> = right.series.iter().map(&mut group_of).collect();
        let mut groups = vec![MatchGroup::default(); index.len()];
        for (series, group) in (0..).zip(&lefts) {
            groups[*group as usize].left.push(series);
        }
        for (series, group) in (0..).zip(&rights) {
            groups[*group as usize].right.push(series);
        }
        let result = |labels: &Labels| result_labels(op, is_bool, matching, labels);
        Self {
            roster: Roster::shared(left.series.iter().map(result).collect()),
            has_right_duplicates: groups.iter().any(|group| group.right.len() > 1),
            groups,
            left: lefts,
            right: rights,
            matching: matching.clone(),
            rights: SharedRoster::clone(right),
        }
    }

    /// Two series of the right operand are equal in the matching labels and have values at the
    /// same step. Text of Prometheus (`VectorBinop`).
    pub(crate) fn duplicate_on_right(&self, earlier: u32, later: u32) -> OpError {
        let labels = |series: u32| &self.rights.series[series as usize];
        let group = labels(later).retain_raw(|name| is_matched(&self.matching, name));
        let message = format!(
            "found duplicate series for the match group {group} on the right hand-side of the \
             operation: [{}, {}];many-to-many matching not allowed: matching labels must be \
             unique on one side",
            labels(later),
            labels(earlier),
        );
        OpError::new(FailureKind::Execution, "err-varve-many-to-many", message)
    }
}

/// Two series of the left operand meet the same one on the right. Text of Prometheus.
pub(crate) fn several_on_left() -> OpError {
    OpError::new(
        FailureKind::Execution,
        "err-varve-many-to-one",
        "multiple matches for labels: many-to-one matching must be explicit \
         (group_left/group_right)",
    )
}

/// The labels of the result that a left series takes part in.
fn result_labels(op: BinaryOp, is_bool: bool, matching: &Matching, left: &Labels) -> Labels {
    let drops_name = drops_name(op, is_bool);
    left.retain_raw(|name| {
        let is_listed = matching.labels.iter().any(|label| label.as_bytes() == name);
        is_listed == matching.is_on && !(drops_name && describes_metric(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    fn matching(is_on: bool, names: &[&str]) -> Matching {
        let labels = names.iter().map(|name| (*name).to_owned()).collect();
        Matching { is_on, labels, ..Matching::default() }
    }

    #[test]
    fn results_keep_the_labels_that_prometheus_keeps() {
        let left = labels(&[("__name__", "m"), ("a", "1"), ("b", "2")]);
        let result = |op, is_bool, matching: &Matching| {
            result_labels(op, is_bool, matching, &left).to_string()
        };
        let all = matching(false, &[]);
        assert_eq!(result(BinaryOp::Add, false, &all), r#"{a="1", b="2"}"#);
        assert_eq!(result(BinaryOp::Gtr, false, &all), r#"{__name__="m", a="1", b="2"}"#);
        assert_eq!(result(BinaryOp::Gtr, true, &all), r#"{a="1", b="2"}"#);
        assert_eq!(
            result(BinaryOp::Gtr, false, &matching(false, &["b"])),
            r#"{__name__="m", a="1"}"#
        );
        assert_eq!(result(BinaryOp::Gtr, false, &matching(true, &["a"])), r#"{a="1"}"#);
        assert_eq!(result(BinaryOp::Mul, false, &matching(true, &["a", "__name__"])), r#"{a="1"}"#);
    }

    #[test]
    fn series_meet_by_their_matching_labels() {
        let left = Roster::shared(vec![
            labels(&[("__name__", "m"), ("a", "1"), ("x", "l")]),
            labels(&[("__name__", "m"), ("a", "2"), ("x", "l")]),
        ]);
        let right = Roster::shared(vec![
            labels(&[("__name__", "n"), ("a", "2"), ("x", "r")]),
            labels(&[("__name__", "n"), ("a", "3"), ("x", "r")]),
        ]);
        let bind = |m: &Matching| MatchTable::bind(BinaryOp::Add, false, m, &left, &right);
        let table = bind(&matching(true, &["a"]));
        assert_eq!((table.left, table.right), (vec![0, 1], vec![1, 2]));
        assert!(table.groups[1].is_simple() && !table.has_right_duplicates);
        let table = bind(&matching(false, &["x"]));
        assert_eq!((table.left, table.right), (vec![0, 1], vec![1, 2]));
        let table = bind(&matching(false, &[]));
        assert_eq!((table.left, table.right), (vec![0, 1], vec![2, 3]));
        let table = bind(&matching(true, &[]));
        assert!(table.has_right_duplicates);
        assert_eq!(
            table.duplicate_on_right(0, 1).to_string(),
            "found duplicate series for the match group {} on the right hand-side of the \
             operation: [{__name__=\"n\", a=\"3\", x=\"r\"}, {__name__=\"n\", a=\"2\", x=\"r\"}];\
             many-to-many matching not allowed: matching labels must be unique on one side"
        );
    }
}
