//! Histogram functions that take classic histograms (series with `le`) beside native ones.

use model::{Labels, TimestampMs};
use promql::ast::{Expr, Span};

use super::call::Call;
use super::eval::{Evaluator, Fallible, relabel};
use super::labelling::text;
use super::notes::{Fixed, bad_quantile, for_metric};
use super::number::open_metrics;
use super::quantile::{self, Nans};
use super::vector::Sample;
use crate::promqltest::compare::within;
use crate::promqltest::engine::Value;

/// `histogram_quantile(q, vector)`
pub(super) fn quantile(call: &Call<'_>) -> Fallible<Vec<Sample>> {
    let q = call.scalar(0)?;
    check_quantile(call.evaluator, q, &call.args[0]);
    let histograms = Histograms::of(call, 1)?;
    Ok(histograms.quantiles(call, q, call.args[1].span, None))
}

/// `histogram_quantiles(vector, label, q…)`
pub(super) fn quantiles(call: &Call<'_>) -> Fallible<Vec<Sample>> {
    let label = text(&call.args[1]);
    let mut quantiles = Vec::new();
    for (i, arg) in call.args.iter().enumerate().skip(2) {
        let q = call.scalar(i)?;
        check_quantile(call.evaluator, q, arg);
        quantiles.push(q);
    }
    let histograms = Histograms::of(call, 0)?;
    let of = |q| histograms.quantiles(call, q, call.args[0].span, Some(&label));
    Ok(quantiles.into_iter().flat_map(of).collect())
}

/// `histogram_fraction(lower, upper, vector)`
pub(super) fn fraction(call: &Call<'_>) -> Fallible<Vec<Sample>> {
    let (lower, upper) = (call.scalar(0)?, call.scalar(1)?);
    let histograms = Histograms::of(call, 2)?;
    let mut result = Vec::new();
    for sample in &histograms.native {
        let Some(histogram) = sample.value.histogram() else { continue };
        let (value, nans) = quantile::fraction(lower, upper, histogram);
        note_nans(call.evaluator, nans, sample.name(), call.args[2].span);
        result.push(Sample { value: Value::Float(value), ..sample.clone() });
    }
    for classic in &histograms.classic {
        let value = fraction_of_classic(lower, upper, classic.buckets.clone());
        result.push(Sample::new(classic.labels.clone(), Value::Float(value), call.scope.at_ms));
    }
    result.iter_mut().for_each(|sample| call.evaluator.drop_name(sample));
    Ok(result)
}

fn check_quantile(evaluator: &Evaluator<'_>, q: f64, arg: &Expr) {
    if !(0.0..=1.0).contains(&q) {
        evaluator.warn(arg.span, bad_quantile(q));
    }
}

fn note_nans(evaluator: &Evaluator<'_>, nans: Nans, name: &str, span: Span) {
    let what = match nans {
        Nans::Harmless => return,
        Nans::Result => "quantile has NaN observations, result is NaN",
        Nans::Skew => "quantile has NaN observations, result is skewed higher",
        Nans::Excluded => "fraction has NaN observations, which are excluded from all fractions",
    };
    evaluator.inform(span, format!("input to histogram_{what}{}", for_metric(name)));
}

/// The histograms of a vector.
struct Histograms {
    native: Vec<Sample>,
    classic: Vec<Classic>,
}

/// A classic histogram: how many observations are at most so large.
struct Classic {
    /// Without `le`.
    labels: Labels,
    buckets: Vec<Cumulative>,
}

#[derive(Debug, Clone, Copy)]
struct Cumulative {
    upper: f64,
    count: f64,
}

// === impl Histograms ===

impl Histograms {
    /// Sorts an argument's samples; a series that is both classic and native counts as neither.
    fn of(call: &Call<'_>, arg: usize) -> Fallible<Self> {
        let span = call.args[arg].span;
        let (mut native, mut classic): (Vec<Sample>, Vec<Classic>) = (Vec::new(), Vec::new());
        for sample in call.vector(arg)? {
            let Some(count) = sample.value.float() else {
                native.push(sample);
                continue;
            };
            let le = sample.labels.get("le").unwrap_or_default();
            let Ok(upper) = le.parse() else {
                let name = for_metric(sample.name());
                let text = format!(
                    "bucket label \"le\" is missing or has a malformed value of {le:?}{name}"
                );
                call.evaluator.warn(span, text);
                continue;
            };
            let labels = sample.labels.retain(|name| name != "le");
            let bucket = Cumulative { upper, count };
            match classic.iter_mut().find(|classic| classic.labels == labels) {
                Some(classic) => classic.buckets.push(bucket),
                None => classic.push(Classic { labels, buckets: vec![bucket] }),
            }
        }
        native.retain(|sample| {
            let before = classic.len();
            classic.retain(|classic| classic.labels != sample.labels);
            let is_both = classic.len() < before;
            if is_both {
                let name = for_metric(sample.name());
                let what = "vector contains a mix of classic and native histograms";
                call.evaluator.warn(span, format!("{what}{name}"));
            }
            !is_both
        });
        Ok(Self { native, classic })
    }

    fn quantiles(&self, call: &Call<'_>, q: f64, span: Span, label: Option<&str>) -> Vec<Sample> {
        let mut result = Vec::new();
        for sample in &self.native {
            let Some(histogram) = sample.value.histogram() else { continue };
            let (value, nans) = quantile::of_histogram(q, histogram);
            note_nans(call.evaluator, nans, sample.name(), span);
            result.push(Sample { value: Value::Float(value), ..sample.clone() });
        }
        for classic in &self.classic {
            let buckets = classic.buckets.clone();
            let (value, fixed) = quantile_of_classic(q, buckets, call.scope.at_ms);
            if let Some(fixed) = fixed {
                let text = format!(
                    "input to histogram_quantile needed to be fixed for monotonicity (see \
                     https://prometheus.io/docs/prometheus/latest/querying/functions/\
                     #histogram_quantile){}",
                    for_metric(classic.labels.metric_name())
                );
                call.evaluator.notes.borrow_mut().add_fixed(span, text, fixed);
            }
            let value = Value::Float(value);
            result.push(Sample::new(classic.labels.clone(), value, call.scope.at_ms));
        }
        for sample in &mut result {
            if let Some(label) = label {
                sample.labels = relabel(&sample.labels, |labels| {
                    labels.set(label, &open_metrics(q));
                });
            }
            call.evaluator.drop_name(sample);
        }
        result
    }
}

/// Sorted by bound, each bound once; `None` unless the last bound is infinite.
fn sorted(mut buckets: Vec<Cumulative>) -> Option<Vec<Cumulative>> {
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    if buckets.last()?.upper != f64::INFINITY {
        return None;
    }
    let mut merged: Vec<Cumulative> = Vec::new();
    for bucket in buckets {
        #[expect(clippy::float_cmp, reason = "the same bound, written differently")]
        match merged.last_mut() {
            Some(last) if last.upper == bucket.upper => last.count += bucket.count,
            _ => merged.push(bucket),
        }
    }
    Some(merged)
}

/// Raises counts that are lower than those of smaller bounds; differences that are rounding errors
/// vanish silently.
fn make_monotonic(buckets: &mut [Cumulative], at_ms: TimestampMs) -> Option<Fixed> {
    let mut fixed: Option<Fixed> = None;
    let mut before = buckets.first()?.count;
    for bucket in &mut buckets[1..] {
        if within(before, bucket.count, 1e-12) {
            bucket.count = before;
        } else if bucket.count < before {
            let difference = before - bucket.count;
            let fixed = fixed.get_or_insert(Fixed {
                first_ms: at_ms,
                last_ms: at_ms,
                lowest: bucket.upper,
                highest: bucket.upper,
                difference,
                samples: 1,
            });
            fixed.highest = bucket.upper;
            fixed.difference = fixed.difference.max(difference);
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
    fixed
}

fn quantile_of_classic(
    q: f64,
    buckets: Vec<Cumulative>,
    at_ms: TimestampMs,
) -> (f64, Option<Fixed>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if !(0.0..=1.0).contains(&q) {
        return (if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY }, None);
    }
    let Some(mut buckets) = sorted(buckets) else { return (f64::NAN, None) };
    let fixed = make_monotonic(&mut buckets, at_ms);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return (f64::NAN, None);
    }
    let rank = q * observations;
    let i = buckets[..last].partition_point(|bucket| bucket.count < rank);
    if i == last {
        return (buckets[last - 1].upper, fixed);
    }
    let Cumulative { upper, count } = buckets[i];
    if i == 0 && upper <= 0.0 {
        return (upper, fixed);
    }
    let below = match i {
        0 => Cumulative { upper: 0.0, count: 0.0 },
        i => buckets[i - 1],
    };
    let fraction = (rank - below.count) / (count - below.count);
    (below.upper + (upper - below.upper) * fraction, fixed)
}

fn fraction_of_classic(lower: f64, upper: f64, buckets: Vec<Cumulative>) -> f64 {
    let Some(buckets) = sorted(buckets) else { return f64::NAN };
    let total = buckets.last().map_or(0.0, |bucket| bucket.count);
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let first = if buckets[0].upper <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let lowers = std::iter::once(first).chain(buckets.iter().map(|bucket| bucket.upper));
    let ranks = std::iter::once(0.0).chain(buckets.iter().map(|bucket| bucket.count));
    let rank_of = |value: f64| {
        for ((low, rank), bucket) in lowers.clone().zip(ranks.clone()).zip(&buckets) {
            if low >= value {
                return rank;
            }
            if bucket.upper > value {
                return match low {
                    f64::NEG_INFINITY => bucket.count,
                    _ => rank + (bucket.count - rank) * (value - low) / (bucket.upper - low),
                };
            }
        }
        total
    };
    let rank_of = |value| Some(rank_of(value)).filter(|rank| *rank <= total).unwrap_or(total);
    (rank_of(upper) - rank_of(lower)) / total
}
