//! Bind: everything about labels, computed once per query from the rosters.
//!
//! Result labels, groups and matches are decided here; running moves numbers only. Rules of
//! Prometheus 3.14 (`promql/engine.go`: `generateGroupingLabels`, `resultMetric`, `signatureFunc`).

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use model::Labels;
use model::labels::METRIC_NAME;

use crate::ast::{BinaryOp, Grouping, Matching};
use crate::roster::{Roster, SharedRoster, series_index};

mod duplicates;
mod histogram;
mod matching;

pub(crate) use duplicates::DuplicateMap;
pub(crate) use histogram::BucketMap;
pub(crate) use matching::{MatchTable, several_on_left};

/// The labels that describe a metric rather than a series; they go when a computation makes
/// another metric of it.
pub const METADATA_LABELS: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// Which group each series belongs to.
#[derive(Debug, Clone)]
pub struct GroupMap {
    /// Labels of the groups, in order of first appearance.
    pub groups: SharedRoster,
    /// The group of each series.
    pub of: Vec<u32>,
}

/// Numbers distinct keys in order of appearance, without an allocation for a known one.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    table: HashTable<u32>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
    hasher: DefaultHashBuilder,
}

// === impl GroupMap ===

impl GroupMap {
    /// Groups the series of `roster`; as if they had lost their names, if `drops_name`.
    #[must_use]
    pub fn bind(roster: &Roster, grouping: &Grouping, drops_name: bool) -> Self {
        if !grouping.is_without && grouping.labels.is_empty() {
            let groups = if roster.is_empty() { vec![] } else { vec![Labels::empty()] };
            return Self { groups: Roster::shared(groups), of: vec![0; roster.len()] };
        }
        let is_without = grouping.is_without;
        let keep = |name: &[u8]| {
            let is_listed = grouping.labels.iter().any(|label| label.as_bytes() == name);
            let is_kept =
                if is_without { !is_listed && name != METRIC_NAME.as_bytes() } else { is_listed };
            is_kept && !(drops_name && describes_metric(name))
        };
        let (mut index, mut groups, mut key) = (KeyIndex::default(), vec![], vec![]);
        let of = roster.series.iter().map(|labels| {
            key.clear();
            put_labels(&mut key, labels, keep);
            let group = index.get_or_insert(&key);
            if group as usize == groups.len() {
                groups.push(labels.retain_raw(keep));
            }
            group
        });
        let of = of.collect();
        Self { groups: Roster::shared(groups), of }
    }

    /// One roster from several, equal labels being one series; and for each of them where its
    /// series went.
    #[must_use]
    pub fn merge(rosters: &[SharedRoster]) -> (SharedRoster, Vec<Vec<u32>>) {
        let (mut index, mut merged) = (KeyIndex::default(), vec![]);
        let mut place = |labels: &Labels| {
            let group = index.get_or_insert(labels.encoded());
            if group as usize == merged.len() {
                merged.push(labels.clone());
            }
            group
        };
        let maps: Vec<Vec<u32>> =
            rosters.iter().map(|roster| roster.series.iter().map(&mut place).collect()).collect();
        (Roster::shared(merged), maps)
    }
}

// === impl KeyIndex ===

impl KeyIndex {
    /// The number of `key`; the next free one when it is new.
    pub(crate) fn get_or_insert(&mut self, key: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(key);
        let (ends, bytes, hasher) = (&self.ends, &self.bytes, &self.hasher);
        let key_of = |i: u32| {
            let start = if i == 0 { 0 } else { ends[i as usize - 1] };
            &bytes[start..ends[i as usize]]
        };
        if let Some(known) = self.table.find(hash, |i| key_of(*i) == key) {
            return *known;
        }
        let next = series_index(ends.len());
        self.table.insert_unique(hash, next, |i| hasher.hash_one(key_of(*i)));
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        next
    }

    /// How many distinct keys there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

/// Whether `op` makes another metric of its operand.
pub(crate) const fn drops_name(op: BinaryOp, is_bool: bool) -> bool {
    is_bool || !op.is_comparison()
}

/// The labels without the ones that describe a metric.
#[must_use]
pub fn without_name(labels: &Labels) -> Labels {
    if labels.raw().any(|label| describes_metric(label.name)) {
        labels.retain_raw(|name| !describes_metric(name))
    } else {
        labels.clone()
    }
}

/// The same series without the labels that describe a metric.
#[must_use]
pub fn roster_without_name(roster: &Roster) -> SharedRoster {
    Roster::shared(roster.series.iter().map(without_name).collect())
}

/// Appends the labels that `keep` wants, in their encoding.
pub(crate) fn put_labels(out: &mut Vec<u8>, labels: &Labels, keep: impl Fn(&[u8]) -> bool) {
    for label in labels.raw().filter(|label| keep(label.name)) {
        out.extend_from_slice(label.encoded);
    }
}

fn describes_metric(name: &[u8]) -> bool {
    METADATA_LABELS.iter().any(|label| label.as_bytes() == name)
}

/// Whether `name` takes part in a match.
fn is_matched(matching: &Matching, name: &[u8]) -> bool {
    let is_listed = matching.labels.iter().any(|label| label.as_bytes() == name);
    if matching.is_on { is_listed } else { !is_listed && name != METRIC_NAME.as_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    fn roster() -> SharedRoster {
        Roster::shared(vec![
            labels(&[("__name__", "m"), ("a", "1"), ("b", "1")]),
            labels(&[("__name__", "m"), ("a", "2"), ("b", "1")]),
            labels(&[("__name__", "n"), ("a", "1"), ("b", "2")]),
        ])
    }

    fn group(is_without: bool, by: &[&str]) -> (Vec<String>, Vec<u32>) {
        let grouping =
            Grouping { is_without, labels: by.iter().map(|l| (*l).to_owned()).collect() };
        let map = GroupMap::bind(&roster(), &grouping, false);
        (map.groups.series.iter().map(ToString::to_string).collect(), map.of)
    }

    #[test]
    fn groups_are_what_by_and_without_say() {
        assert_eq!(group(false, &[]), (vec!["{}".to_owned()], vec![0, 0, 0]));
        assert_eq!(
            group(false, &["a", "missing"]),
            (vec![r#"{a="1"}"#.to_owned(), r#"{a="2"}"#.to_owned()], vec![0, 1, 0])
        );
        assert_eq!(
            group(true, &["b"]),
            (vec![r#"{a="1"}"#.to_owned(), r#"{a="2"}"#.to_owned()], vec![0, 1, 0])
        );
        assert_eq!(
            group(false, &["__name__"]),
            (vec![r#"{__name__="m"}"#.to_owned(), r#"{__name__="n"}"#.to_owned()], vec![0, 0, 1])
        );
        let (groups, of) = group(true, &[]);
        assert_eq!((groups[0].as_str(), of), (r#"{a="1", b="1"}"#, vec![0, 1, 2]));
    }

    #[test]
    fn names_that_were_dropped_make_no_groups() {
        let by = Grouping { is_without: false, labels: vec![METRIC_NAME.to_owned()] };
        let map = GroupMap::bind(&roster(), &by, true);
        assert_eq!((map.groups.series.clone(), map.of), (vec![Labels::empty()], vec![0, 0, 0]));
    }

    #[test]
    fn no_series_make_no_group() {
        let map = GroupMap::bind(&Roster::default(), &Grouping::default(), false);
        assert!(map.groups.is_empty());
    }

    #[test]
    fn separators_cannot_be_forged() {
        // Texts carry their lengths, so `a="1b"` and `a="1", b=""` never meet.
        let roster = Roster::shared(vec![
            labels(&[("a", "x\u{1}b\u{1}y")]),
            labels(&[("a", "x"), ("b", "y")]),
        ]);
        let by = Grouping { is_without: false, labels: vec!["a".to_owned(), "b".to_owned()] };
        assert_eq!(GroupMap::bind(&roster, &by, false).of, [0, 1]);
    }

    #[test]
    fn rosters_merge_by_labels() {
        let other = Roster::shared(vec![labels(&[("x", "1")]), roster().series[1].clone()]);
        let (merged, maps) = GroupMap::merge(&[roster(), other]);
        assert_eq!(merged.len(), 4);
        assert_eq!(maps, [vec![0, 1, 2], vec![3, 1]]);
    }

    #[test]
    fn names_go_with_type_and_unit() {
        let all =
            labels(&[("__name__", "m"), ("__type__", "gauge"), ("__unit__", "s"), ("a", "1")]);
        assert_eq!(without_name(&all), labels(&[("a", "1")]));
    }
}
