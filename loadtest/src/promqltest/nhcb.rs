//! `load_with_nhcb`: native histograms with custom buckets from classic ones
//! (`util/convertnhcb`).

use std::collections::BTreeMap;

use crate::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span};
use model::Labels;
use model::labels::LabelsBuilder;

use super::engine::{Point, Series, Value};

/// A classic histogram at one time.
#[derive(Debug, Default)]
struct Classic {
    /// Bounds and cumulative counts in ascending order of bounds.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// The native histograms of all classic ones, which remain.
///
/// # Errors
/// When buckets have no sensible `le` or descending counts.
pub fn convert(series: &[Series]) -> Result<Vec<Series>, String> {
    let mut histograms: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
    for Series { labels, points } in series {
        let Some((base, part)) = part(labels)? else { continue };
        let times = histograms.entry(base).or_default();
        for point in points {
            let Some(value) = point.value.float() else { continue };
            times.entry(point.timestamp_ms).or_default().set(part, value);
        }
    }
    let convert = |(labels, times): (Labels, BTreeMap<i64, Classic>)| {
        let points = times.into_iter().map(|(timestamp_ms, classic)| {
            let value = Value::from(classic.native()?);
            Ok(Point { timestamp_ms, value, start_ms: 0 })
        });
        Ok(Series { labels, points: points.collect::<Result<_, String>>()? })
    };
    histograms.into_iter().map(convert).collect()
}

/// Which part of a histogram a series is.
#[derive(Debug, Clone, Copy)]
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

fn part(labels: &Labels) -> Result<Option<(Labels, Part)>, String> {
    let name = labels.metric_name();
    let (base, part) = if let Some(base) = name.strip_suffix("_bucket") {
        let le = labels.get("le").ok_or_else(|| format!("{labels} has no le"))?;
        match le.parse::<f64>() {
            Ok(bound) if !bound.is_nan() => (base, Part::Bucket(bound)),
            _ => return Ok(None),
        }
    } else if let Some(base) = name.strip_suffix("_count") {
        (base, Part::Count)
    } else if let Some(base) = name.strip_suffix("_sum") {
        (base, Part::Sum)
    } else {
        return Ok(None);
    };
    let mut labels = LabelsBuilder::from_labels(labels);
    labels.set("__name__", base).remove("le");
    Ok(Some((labels.build(), part)))
}

// === impl Classic ===

impl Classic {
    fn set(&mut self, part: Part, value: f64) {
        match part {
            Part::Count => self.count = Some(value),
            Part::Sum => self.sum = value,
            Part::Bucket(bound) => {
                let at = self.buckets.partition_point(|(other, _)| *other < bound);
                self.buckets.insert(at, (bound, value));
            }
        }
    }

    fn native(mut self) -> Result<FloatHistogram, String> {
        let last = self.buckets.last().map_or(0.0, |(_, count)| *count);
        let count = self.count.unwrap_or(last);
        if self.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let mut below = 0.0;
        let mut buckets = Vec::new();
        for (_, count) in &self.buckets {
            if *count < below {
                return Err("bucket counts descend".to_owned());
            }
            buckets.push(*count - below);
            below = *count;
        }
        let bounds = self.buckets.iter().map(|(bound, _)| *bound).filter(|it| it.is_finite());
        let length = u32::try_from(buckets.len()).map_err(|error| error.to_string())?;
        let mut histogram = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            custom_values: bounds.collect(),
            positive_spans: vec![Span { offset: 0, length }],
            positive_buckets: buckets,
            ..FloatHistogram::default()
        };
        histogram.compact();
        Ok(histogram)
    }
}
