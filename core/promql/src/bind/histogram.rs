//! Which series are the buckets of which classic histogram.

use model::Labels;

use super::{KeyIndex, describes_metric, put_labels};
use crate::roster::{Roster, SharedRoster};

/// The label with a bucket's upper bound.
const BUCKET_LABEL: &str = "le";

/// Histograms and their buckets.
#[derive(Debug)]
pub(crate) struct BucketMap {
    /// Labels of the histograms, without `le` and the name.
    pub(crate) roster: SharedRoster,
    /// Of each histogram the series of its buckets, by ascending upper bound.
    pub(crate) buckets: Vec<Vec<Bucket>>,
    /// The histogram of each series; `None` when its `le` is no number.
    pub(crate) of: Vec<Option<u32>>,
}

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bucket {
    /// Values up to and including this are counted.
    pub(crate) upper_bound: f64,
    /// The series with the counts.
    pub(crate) series: u32,
}

// === impl BucketMap ===

impl BucketMap {
    /// Finds the histograms in `roster`. Metrics of different names are different histograms,
    /// even though the result loses the name.
    pub(crate) fn bind(roster: &Roster) -> Self {
        let (mut index, mut key) = (KeyIndex::default(), vec![]);
        let mut histograms: Vec<Labels> = vec![];
        let mut buckets: Vec<Vec<Bucket>> = vec![];
        let mut of = Vec::with_capacity(roster.len());
        for (series, labels) in (0..).zip(&roster.series) {
            let Some(upper_bound) = labels.get(BUCKET_LABEL).and_then(parse_bound) else {
                of.push(None);
                continue;
            };
            key.clear();
            put_labels(&mut key, labels, |name| name != BUCKET_LABEL.as_bytes());
            let histogram = index.get_or_insert(&key);
            if histogram as usize == histograms.len() {
                let keep = |name: &[u8]| name != BUCKET_LABEL.as_bytes() && !describes_metric(name);
                histograms.push(labels.retain_raw(keep));
                buckets.push(vec![]);
            }
            buckets[histogram as usize].push(Bucket { upper_bound, series });
            of.push(Some(histogram));
        }
        for buckets in &mut buckets {
            buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
        }
        Self { roster: Roster::shared(histograms), buckets, of }
    }
}

/// Reads a bound as Go's `strconv.ParseFloat` does, which refuses numbers beyond the largest
/// float where Rust returns infinity.
fn parse_bound(text: &str) -> Option<f64> {
    let bound: f64 = text.parse().ok()?;
    let says_infinite = || text.contains(['i', 'I']);
    (bound.is_finite() || bound.is_nan() || says_infinite()).then_some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_sorted_and_bad_bounds_left_out() {
        let labels =
            |name: &str, le: &str| Labels::from_pairs([("__name__", name), ("le", le), ("a", "1")]);
        let map = BucketMap::bind(&Roster {
            series: vec![
                labels("h", "+Inf"),
                labels("h", "0.5"),
                labels("h", "x"),
                labels("i", "1"),
                labels("h", "1e999"),
                Labels::from_pairs([("__name__", "h")]),
            ],
        });
        assert_eq!(map.of, [Some(0), Some(0), None, Some(1), None, None]);
        let bounds: Vec<(f64, u32)> =
            map.buckets[0].iter().map(|b| (b.upper_bound, b.series)).collect();
        assert_eq!(bounds, [(0.5, 1), (f64::INFINITY, 0)]);
        assert_eq!(map.roster.series[0].to_string(), r#"{a="1"}"#);
        assert_eq!(map.roster.series[0], map.roster.series[1]);
    }
}
