//! Histogram literals: `{{schema:0 sum:5 count:4 buckets:[1 2 1] offset:-1}}`.

use crate::histogram::{CounterResetHint, FloatHistogram, Span};

use super::sequence::number;

/// A histogram as it is written.
#[derive(Debug)]
pub struct Literal {
    /// The histogram.
    pub histogram: FloatHistogram,
    /// Whether the counter reset hint was written.
    pub has_hint: bool,
}

/// Parses the literal with which `text` begins, and returns what follows it.
pub(super) fn parse(text: &str) -> Result<(Literal, &str), String> {
    let inner = text.strip_prefix("{{").ok_or("expected a histogram")?;
    let (inner, rest) = inner.split_once("}}").ok_or("a histogram without its end")?;
    let mut fields = Fields::default();
    let mut left = inner.trim();
    while !left.is_empty() {
        let (key, value) = left.split_once(':').ok_or("a histogram's field without a value")?;
        let (value, tail) = match value.strip_prefix('[') {
            Some(list) => list.split_once(']').ok_or("a list without its end")?,
            None => value.split_once(char::is_whitespace).unwrap_or((value, "")),
        };
        fields.set(key, value)?;
        left = tail.trim_start();
    }
    Ok((fields.literal(), rest))
}

#[derive(Debug, Default)]
struct Fields {
    histogram: FloatHistogram,
    offset: i32,
    negative_offset: i32,
    has_hint: bool,
}

// === impl Fields ===

impl Fields {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let malformed = || format!("{key}:{value} is not understood");
        let float = || number(value).ok_or_else(malformed);
        let integer = || value.parse::<i32>().map_err(|_| malformed());
        let list = || -> Result<Vec<f64>, String> {
            value.split_whitespace().map(|item| number(item).ok_or_else(malformed)).collect()
        };
        let histogram = &mut self.histogram;
        match key {
            "schema" => histogram.schema = integer()?,
            "sum" => histogram.sum = float()?,
            "count" => histogram.count = float()?,
            "z_bucket" => histogram.zero_count = float()?,
            "z_bucket_w" => histogram.zero_threshold = float()?,
            "buckets" => histogram.positive_buckets = list()?,
            "n_buckets" => histogram.negative_buckets = list()?,
            "custom_values" => histogram.custom_values = list()?,
            "offset" => self.offset = integer()?,
            "n_offset" => self.negative_offset = integer()?,
            "counter_reset_hint" => {
                self.has_hint = true;
                histogram.counter_reset_hint = match value {
                    "unknown" => CounterResetHint::Unknown,
                    "reset" => CounterResetHint::CounterReset,
                    "not_reset" => CounterResetHint::NotCounterReset,
                    "gauge" => CounterResetHint::Gauge,
                    _ => return Err(malformed()),
                };
            }
            _ => return Err(malformed()),
        }
        Ok(())
    }

    fn literal(self) -> Literal {
        let Self { mut histogram, offset, negative_offset, has_hint } = self;
        histogram.positive_spans = span(offset, histogram.positive_buckets.len());
        histogram.negative_spans = span(negative_offset, histogram.negative_buckets.len());
        Literal { histogram, has_hint }
    }
}

fn span(offset: i32, buckets: usize) -> Vec<Span> {
    match u32::try_from(buckets) {
        Ok(length) if length > 0 => vec![Span { offset, length }],
        _ => Vec::new(),
    }
}

/// A step of `a+bxN` or `a-bxN`.
pub(super) fn combine(
    total: &FloatHistogram,
    step: &FloatHistogram,
    is_difference: bool,
) -> Result<FloatHistogram, String> {
    if total.schema > step.schema {
        return Err(format!("schemas {} and {} cannot be combined", total.schema, step.schema));
    }
    let mut result = total.clone();
    let outcome = if is_difference { result.sub(step) } else { result.add(step) };
    outcome.map_err(|error| error.to_string())?;
    Ok(result)
}

/// The histogram without empty buckets.
pub(super) fn compacted(histogram: &FloatHistogram) -> FloatHistogram {
    let mut compacted = histogram.clone();
    compacted.compact();
    compacted
}

/// The indexes of all buckets that spans describe.
pub(super) fn places(spans: &[Span]) -> Vec<i64> {
    let (mut index, mut places) = (0_i64, Vec::new());
    for span in spans {
        index += i64::from(span.offset);
        for _ in 0..span.length {
            places.push(index);
            index += 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_has_fields_in_any_order() {
        let text = "{{schema:-53 custom_values:[5 10] buckets:[1 4] sum:1 count:5}}x3";
        let (literal, rest) = parse(text).unwrap();
        assert_eq!((literal.histogram.schema, rest, literal.has_hint), (-53, "x3", false));
        assert_eq!(literal.histogram.positive_buckets, [1.0, 4.0]);
        assert_eq!(places(&literal.histogram.positive_spans), [0, 1]);
        assert!(parse("{{}}").is_ok() && parse("{{schema:x}}").is_err() && parse("{{").is_err());
    }
}
