//! Whether an outcome is as expected: Prometheus' rules of equality.

use crate::histogram::FloatHistogram;
use model::{Labels, sample};

use super::engine::{Annotation, Answer, Evaluated, Grid, Series, Value};
use super::expect::{Expectations, ExpectedSeries, Remarks};
use super::histogram;
use super::sequence::Item;

/// Nothing, or what is not as expected.
pub type Verdict = Result<(), String>;

/// Judges failure and remarks, and returns the answer that is left to be judged, if any.
///
/// # Errors
/// When something is not as expected.
pub fn outcome(
    expected: &Expectations,
    outcome: Result<Evaluated, String>,
) -> Result<Option<Answer>, String> {
    match (&expected.fail, outcome) {
        (Some(remark), Err(error)) if remark.matches(&error) => Ok(None),
        (Some(remark), Err(error)) => Err(format!("fails with {error:?}, expected {remark:?}")),
        (Some(_), Ok(_)) => Err("does not fail".to_owned()),
        (None, Err(error)) => Err(format!("fails: {error}")),
        (None, Ok(evaluated)) => {
            remarks(expected, &evaluated.annotations)?;
            Ok(Some(evaluated.answer))
        }
    }
}

fn remarks(expected: &Expectations, annotations: &[Annotation]) -> Verdict {
    let texts = |is_warning| -> Vec<&str> {
        let kind = annotations.iter().filter(|it| it.is_warning == is_warning);
        kind.map(|annotation| annotation.text.as_str()).collect()
    };
    let (warnings, infos) = (texts(true), texts(false));
    remarks_of_kind(&expected.warnings, &warnings)?;
    remarks_of_kind(&expected.infos, &infos)
}

fn remarks_of_kind(expected: &Remarks, texts: &[&str]) -> Verdict {
    if expected.are_forbidden && !texts.is_empty() {
        return Err(format!("unexpected remarks: {texts:?}"));
    }
    if expected.are_needed && texts.is_empty() {
        return Err("there is no remark".to_owned());
    }
    if expected.some.is_empty() {
        return Ok(());
    }
    for remark in &expected.some {
        if !texts.iter().any(|text| remark.matches(text)) {
            return Err(format!("no remark is like {remark:?}; there are {texts:?}"));
        }
    }
    match texts.iter().find(|text| !expected.some.iter().any(|remark| remark.matches(text))) {
        Some(text) => Err(format!("unexpected remark: {text}")),
        None => Ok(()),
    }
}

/// Judges an answer; `grid` has the times of the values of a matrix.
///
/// # Errors
/// When it is not as expected.
pub fn answer(expected: &Expectations, answer: &Answer, grid: Grid) -> Verdict {
    match answer {
        Answer::Matrix(matrix) => self::matrix(expected, matrix, grid),
        Answer::Vector(vector) => self::vector(expected, vector),
        Answer::Scalar(scalar) => match expected.scalar {
            Some(wanted) if almost_equal(wanted, *scalar) => Ok(()),
            wanted => Err(format!("the scalar is {scalar}, expected {wanted:?}")),
        },
        Answer::String(string) if expected.string.as_ref() == Some(string) => Ok(()),
        Answer::String(string) => {
            Err(format!("the string is {string:?}, expected {:?}", expected.string))
        }
    }
}

fn matrix(expected: &Expectations, matrix: &[Series], grid: Grid) -> Verdict {
    if expected.is_ordered || expected.scalar.is_some() {
        return Err("the answer is a matrix".to_owned());
    }
    sorted(matrix)?;
    for series in matrix {
        let labels = &series.labels;
        let wanted = find(expected, labels)
            .ok_or_else(|| format!("unexpected series {labels}: {:?}", series.points))?;
        points(wanted, series, grid).map_err(|reason| format!("{labels}: {reason}"))?;
    }
    missing(expected, matrix.iter().map(|series| &series.labels))
}

/// Whether a matrix is sorted by labels, as the answers of range queries are.
///
/// # Errors
/// With the first series that is out of place.
pub fn sorted(matrix: &[Series]) -> Verdict {
    match matrix.windows(2).find(|pair| pair[0].labels > pair[1].labels) {
        Some(pair) => Err(format!("{} comes before {}", pair[0].labels, pair[1].labels)),
        None => Ok(()),
    }
}

/// Floats and histograms are compared apart from each other, as they are kept.
fn points(wanted: &ExpectedSeries, series: &Series, grid: Grid) -> Verdict {
    let n_times = grid.times().count();
    if wanted.items.len() > n_times {
        return Err(format!("{} values at {n_times} times", wanted.items.len()));
    }
    for is_float in [true, false] {
        let kind = |value: &Value| value.float().is_some() == is_float;
        let wanted: Vec<_> = wanted
            .items
            .iter()
            .zip(grid.times())
            .filter(|(item, _)| matches!(item, Item::Present { value, .. } if kind(value)))
            .collect();
        let found: Vec<_> = series.points.iter().filter(|point| kind(&point.value)).collect();
        if wanted.len() != found.len() {
            let points = &series.points;
            return Err(format!("{} values, expected {}: {points:?}", found.len(), wanted.len()));
        }
        for ((item, timestamp_ms), point) in wanted.into_iter().zip(found) {
            if timestamp_ms != point.timestamp_ms {
                return Err(format!("at {} ms, expected {timestamp_ms}", point.timestamp_ms));
            }
            same(item, &point.value).map_err(|reason| format!("at {timestamp_ms} ms: {reason}"))?;
        }
    }
    Ok(())
}

fn vector(expected: &Expectations, vector: &[(Labels, Value)]) -> Verdict {
    if expected.scalar.is_some() {
        return Err(format!("the answer is a vector: {vector:?}"));
    }
    for (i, (labels, value)) in vector.iter().enumerate() {
        let wanted = find(expected, labels)
            .ok_or_else(|| format!("unexpected series {labels} with {value:?}"))?;
        if expected.is_ordered && wanted.position != i + 1 {
            return Err(format!("{labels} is at {}, expected at {}", i + 1, wanted.position));
        }
        let item = wanted.items.first().ok_or_else(|| format!("no value for {labels}"))?;
        same(item, value).map_err(|reason| format!("{labels}: {reason}"))?;
    }
    missing(expected, vector.iter().map(|(labels, _)| labels))
}

fn find<'a>(expected: &'a Expectations, labels: &Labels) -> Option<&'a ExpectedSeries> {
    expected.series.iter().find(|series| series.labels == *labels)
}

fn missing<'a>(expected: &Expectations, found: impl Iterator<Item = &'a Labels>) -> Verdict {
    let found: Vec<&Labels> = found.collect();
    match expected.series.iter().find(|series| !found.contains(&&series.labels)) {
        Some(series) => Err(format!("series {} is missing", series.labels)),
        None => Ok(()),
    }
}

fn same(item: &Item, found: &Value) -> Verdict {
    let Item::Present { value: wanted, has_hint } = item else {
        return Err(format!("{found:?}, expected nothing"));
    };
    let is_same = match (wanted, found) {
        (Value::Float(wanted), Value::Float(found)) => almost_equal(*wanted, *found),
        (Value::Histogram(wanted), Value::Histogram(found)) => {
            same_histogram(wanted, found, *has_hint)
        }
        _ => false,
    };
    if is_same { Ok(()) } else { Err(format!("{found:?}, expected {wanted:?}")) }
}

fn same_histogram(wanted: &FloatHistogram, found: &FloatHistogram, has_hint: bool) -> bool {
    let (wanted, found) = (histogram::compacted(wanted), histogram::compacted(found));
    let same_buckets = |a: &[f64], b: &[f64]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| almost_equal(*a, *b))
    };
    wanted.schema == found.schema
        && almost_equal(wanted.count, found.count)
        && almost_equal(wanted.sum, found.sum)
        && (!wanted.uses_custom_buckets() || wanted.custom_values == found.custom_values)
        && wanted.zero_threshold.to_bits() == found.zero_threshold.to_bits()
        && almost_equal(wanted.zero_count, found.zero_count)
        && histogram::places(&wanted.negative_spans) == histogram::places(&found.negative_spans)
        && same_buckets(&wanted.negative_buckets, &found.negative_buckets)
        && histogram::places(&wanted.positive_spans) == histogram::places(&found.positive_spans)
        && same_buckets(&wanted.positive_buckets, &found.positive_buckets)
        && (!has_hint || wanted.counter_reset_hint == found.counter_reset_hint)
}

/// Whether two numbers differ by at most a millionth; exactly when one of them is 0. NaNs are
/// equal, but a stale marker equals only stale markers (`util/almost/almost.go`).
#[must_use]
pub fn almost_equal(a: f64, b: f64) -> bool {
    within(a, b, 1e-6)
}

/// [`almost_equal`] with another tolerance.
pub(crate) fn within(a: f64, b: f64, epsilon: f64) -> bool {
    if sample::is_stale(a) || sample::is_stale(b) {
        return sample::is_stale(a) && sample::is_stale(b);
    }
    #[expect(clippy::float_cmp, reason = "equal infinities have no difference")]
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < epsilon
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_within_a_millionth() {
        assert!(almost_equal(1.0, 1.000_000_1) && !almost_equal(1.0, 1.000_01));
        assert!(almost_equal(0.0, -0.0) && !almost_equal(0.0, 1e-300));
        assert!(almost_equal(f64::INFINITY, f64::INFINITY));
        assert!(!almost_equal(f64::INFINITY, f64::NEG_INFINITY));
    }

    #[test]
    fn a_stale_marker_is_no_ordinary_nan() {
        let stale = sample::stale_nan();
        assert!(almost_equal(f64::NAN, f64::NAN) && almost_equal(stale, stale));
        assert!(!almost_equal(f64::NAN, stale));
    }
}
