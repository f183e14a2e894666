//! The textual forms of a histogram.
//!
//! `Display` is what queries print, `{count:4, sum:5, (0.5,1]:1, (1,2]:3}`; [`Histogram::to_literal`]
//! and `FromStr` are the literals of Prometheus' test language,
//! `{{schema:0 sum:5 count:4 buckets:[1 3]}}`, which can say all but what several spans say. Numbers
//! are written as Go's `%g` writes them.

use std::fmt::{self, Display, Write};
use std::str::FromStr;

use super::{Bucket, Histogram, ResetHint, Side};

/// Why a text is no histogram literal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiteralError {
    /// The braces are missing.
    #[error("a histogram begins with {{{{ and ends with }}}}, found {0:?}")]
    Braces(String),
    /// A field without a value.
    #[error("histogram field {0:?} has no value")]
    NoValue(String),
    /// A list without its end.
    #[error("list of histogram field {0:?} has no end")]
    OpenList(String),
    /// No such field.
    #[error("histogram has no field {0:?}")]
    UnknownField(String),
    /// A field twice.
    #[error("duplicate key {0:?} in histogram")]
    Twice(String),
    /// A value of the wrong kind.
    #[error("histogram field {field:?} cannot be {value:?}")]
    Value {
        /// The field.
        field: String,
        /// Its text.
        value: String,
    },
}

/// A float as Go's `%g` writes it.
struct GoFloat(f64);

// === impl Histogram ===

impl FromStr for Histogram {
    type Err = LiteralError;

    fn from_str(text: &str) -> Result<Self, LiteralError> {
        let inner = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
        let mut left = inner.ok_or_else(|| LiteralError::Braces(text.to_owned()))?.trim();
        let mut histogram = Self::default();
        let (mut offset, mut negative_offset) = (0, 0);
        let mut seen: Vec<&str> = Vec::new();
        while !left.is_empty() {
            let no_value = || LiteralError::NoValue(left.to_owned());
            let (field, rest) = left.split_once(':').ok_or_else(no_value)?;
            if seen.contains(&field) {
                return Err(LiteralError::Twice(field.to_owned()));
            }
            seen.push(field);
            let (value, tail) = match rest.strip_prefix('[') {
                Some(list) => {
                    list.split_once(']').ok_or_else(|| LiteralError::OpenList(field.to_owned()))?
                }
                None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            };
            match field {
                "offset" => offset = parsed(field, value)?,
                "n_offset" => negative_offset = parsed(field, value)?,
                _ => histogram.set(field, value)?,
            }
            left = tail.trim_start();
        }
        let consecutive = |offset, side: Side| Side::consecutive(offset, side.counts);
        histogram.positive = consecutive(offset, histogram.positive);
        histogram.negative = consecutive(negative_offset, histogram.negative);
        Ok(histogram)
    }
}

impl Histogram {
    fn set(&mut self, field: &str, value: &str) -> Result<(), LiteralError> {
        match field {
            "schema" => self.schema = parsed(field, value)?,
            "sum" => self.sum = parsed(field, value)?,
            "count" => self.count = parsed(field, value)?,
            "z_bucket" => self.zero_count = parsed(field, value)?,
            "z_bucket_w" => self.zero_threshold = parsed(field, value)?,
            "buckets" => self.positive.counts = list(field, value)?,
            "n_buckets" => self.negative.counts = list(field, value)?,
            "custom_values" => self.custom_bounds = list(field, value)?.into(),
            "counter_reset_hint" => {
                self.hint = match value {
                    "unknown" => ResetHint::Unknown,
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    "gauge" => ResetHint::Gauge,
                    _ => return Err(wrong(field, value)),
                }
            }
            _ => return Err(LiteralError::UnknownField(field.to_owned())),
        }
        Ok(())
    }

    /// The histogram as a literal of the test language; fields that are zero are left out, and
    /// gaps between spans become empty buckets.
    #[must_use]
    pub fn to_literal(&self) -> String {
        let mut compact = self.clone();
        compact.compact(usize::MAX);
        let mut fields: Vec<String> = Vec::new();
        if self.schema != 0 {
            fields.push(format!("schema:{}", self.schema));
        }
        let numbers = [
            ("count", self.count),
            ("sum", self.sum),
            ("z_bucket", self.zero_count),
            ("z_bucket_w", self.zero_threshold),
        ];
        for (field, number) in numbers.into_iter().filter(|(_, number)| *number != 0.0) {
            fields.push(format!("{field}:{}", GoFloat(number)));
        }
        if self.is_custom() {
            fields.push(format!("custom_values:{}", go_list(&self.custom_bounds)));
        }
        fields.extend(match self.hint {
            ResetHint::Unknown => None,
            ResetHint::Reset => Some("counter_reset_hint:reset".to_owned()),
            ResetHint::NotReset => Some("counter_reset_hint:not_reset".to_owned()),
            ResetHint::Gauge => Some("counter_reset_hint:gauge".to_owned()),
        });
        for (prefix, side) in [("", &compact.positive), ("n_", &compact.negative)] {
            let offset = side.spans.first().map_or(0, |span| span.offset);
            if offset != 0 {
                fields.push(format!("{prefix}offset:{offset}"));
            }
            if !side.is_empty() {
                fields.push(format!("{prefix}buckets:{}", go_list(&side.counts)));
            }
        }
        format!("{{{{{}}}}}", fields.join(" "))
    }
}

impl Display for Histogram {
    /// Populated buckets only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", GoFloat(self.count), GoFloat(self.sum))?;
        let zero = self.zero_bucket();
        let all = self.negative_buckets().rev().chain(zero).chain(self.positive_buckets());
        for bucket in all.filter(|bucket| bucket.count != 0.0) {
            write!(f, ", {bucket}")?;
        }
        f.write_char('}')
    }
}

impl Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.includes_lower { '[' } else { '(' };
        let close = if self.includes_upper { ']' } else { ')' };
        let [lower, upper, count] = [self.lower, self.upper, self.count].map(GoFloat);
        write!(f, "{open}{lower},{upper}{close}:{count}")
    }
}

fn wrong(field: &str, value: &str) -> LiteralError {
    LiteralError::Value { field: field.to_owned(), value: value.to_owned() }
}

fn parsed<T: FromStr>(field: &str, value: &str) -> Result<T, LiteralError> {
    value.trim().parse().map_err(|_| wrong(field, value))
}

fn list(field: &str, value: &str) -> Result<Vec<f64>, LiteralError> {
    value.split_whitespace().map(|item| parsed(field, item)).collect()
}

fn go_list(numbers: &[f64]) -> String {
    let texts: Vec<String> = numbers.iter().map(|number| GoFloat(*number).to_string()).collect();
    format!("[{}]", texts.join(" "))
}

// === impl GoFloat ===

impl Display for GoFloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The powers of ten that Go writes without an exponent.
        const PLAIN: std::ops::Range<i32> = -4..6;
        let value = self.0;
        if value.is_nan() {
            return f.write_str("NaN");
        }
        if value.is_infinite() {
            return f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        }
        let scientific = format!("{value:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if PLAIN.contains(&exponent) {
            return write!(f, "{value}");
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "{digits}e{sign}{:02}", exponent.unsigned_abs())
    }
}
