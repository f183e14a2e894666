//! Series descriptions: a metric and its values, `metric{a="b"} 1 2x3 0+10x5 _ stale {{sum:1}}`.

use model::{Labels, MatchOp};
use promql::parse::parse_selector;

use super::engine::Value;
use super::histogram;

/// One place of a sequence.
#[derive(Debug, Clone)]
pub enum Item {
    /// `_`: no sample.
    Missing,
    /// A sample.
    Present {
        /// Its value.
        value: Value,
        /// Whether a histogram's counter reset hint was written, so that it must be compared.
        has_hint: bool,
    },
}

/// Parses a metric and its values.
pub(super) fn series(line: &str) -> Result<(Labels, Vec<Item>), String> {
    let (metric, values) = line.split_at(metric_end(line));
    Ok((labels(metric)?, items(values)?))
}

/// Where the metric ends: at the first blank outside of braces and quotes.
pub(super) fn metric_end(line: &str) -> usize {
    let (mut depth, mut quote, mut is_escaped) = (0_usize, None, false);
    for (at, c) in line.char_indices() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(q) if c == '\\' && q != '`' => is_escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' | '`' => quote = Some(c),
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                c if c.is_whitespace() && depth == 0 && !goes_on(&line[at..]) => return at,
                _ => {}
            },
        }
    }
    line.len()
}

/// Whether the braces come behind blanks: `metric {a="b"} 1`, but not `metric {{sum:1}}`.
fn goes_on(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.starts_with('{') && !rest.starts_with("{{")
}

/// The labels of a metric, which is written as a selector with equal matchers only.
pub(super) fn labels(metric: &str) -> Result<Labels, String> {
    let matchers = parse_selector(metric).map_err(|error| format!("{metric}: {error}"))?;
    if let Some(matcher) = matchers.iter().find(|matcher| matcher.op() != MatchOp::Equal) {
        return Err(format!("{metric}: {matcher} is not a label"));
    }
    Ok(Labels::from_pairs(matchers.iter().map(|matcher| (matcher.name(), matcher.value()))))
}

fn items(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let tail = if rest.starts_with("{{") {
            histograms(rest, &mut items)?
        } else {
            let (item, tail) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
            floats(item, &mut items).map_err(|error| format!("{item}: {error}"))?;
            tail
        };
        rest = tail.trim_start();
    }
    Ok(items)
}

/// `_`, `_x3`, `stale`, `1`, `1x3`, `1+2x3`, `1-2x3`
fn floats(item: &str, items: &mut Vec<Item>) -> Result<(), String> {
    if let Some(rest) = item.strip_prefix('_') {
        let times = if rest.is_empty() { 1 } else { repeat(rest)? };
        items.extend(std::iter::repeat_n(Item::Missing, times));
        return Ok(());
    }
    let (mut value, rest) = match item.strip_prefix("stale") {
        Some(rest) => (model::sample::stale_nan(), rest),
        None => number_prefix(item).ok_or("not a number")?,
    };
    let (step, rest) = match rest.strip_prefix(['+', '-']) {
        Some(_) => number_prefix(rest).ok_or("not a step")?,
        None => (0.0, rest),
    };
    let steps = if rest.is_empty() { 0 } else { repeat(rest)? };
    let has_step = step != 0.0;
    for _ in 0..=steps {
        items.push(Item::of(Value::Float(value)));
        // A stale marker is a NaN with its own bits, which adding nothing might change.
        if has_step {
            value += step;
        }
    }
    Ok(())
}

/// `{{…}}`, `{{…}}x3`, `{{…}}+{{…}}x3`, `{{…}}-{{…}}x3`; returns what follows.
fn histograms<'a>(text: &'a str, items: &mut Vec<Item>) -> Result<&'a str, String> {
    let (base, rest) = histogram::parse(text)?;
    let (end, sign) = (rest.find(char::is_whitespace).unwrap_or(rest.len()), rest.chars().next());
    if !matches!(sign, Some('+' | '-')) {
        let (times, tail) = rest.split_at(end);
        let steps = if times.is_empty() { 0 } else { repeat(times)? };
        let item = Item::Present { value: base.histogram.into(), has_hint: base.has_hint };
        items.extend(std::iter::repeat_n(item, steps + 1));
        return Ok(tail);
    }
    let (step, rest) = histogram::parse(&rest[1..])?;
    let (times, tail) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
    let mut current = base.histogram;
    items.push(Item::Present { value: current.clone().into(), has_hint: base.has_hint });
    for _ in 0..repeat(times)? {
        current = histogram::combine(&current, &step.histogram, sign == Some('-'))?;
        items.push(Item::of(current.clone().into()));
    }
    Ok(tail)
}

/// `x3`
fn repeat(text: &str) -> Result<usize, String> {
    let digits = text.strip_prefix('x').ok_or("expected x and a number")?;
    digits.parse().map_err(|_| format!("not a number of times: {digits}"))
}

/// A number as Go reads one, without hexadecimal ones.
pub(super) fn number(text: &str) -> Option<f64> {
    number_prefix(text).and_then(|(number, rest)| rest.is_empty().then_some(number))
}

/// The number with which `text` begins, and what follows it.
pub(super) fn number_prefix(text: &str) -> Option<(f64, &str)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let rest = &text[start..];
    for word in ["infinity", "inf", "nan"] {
        if rest.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word)) {
            let (number, tail) = text.split_at(start + word.len());
            return number.parse().ok().map(|number| (number, tail));
        }
    }
    let mut end = start + digits(start);
    if bytes.get(end) == Some(&b'.') {
        end += 1;
        end += digits(end);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(signed.min(bytes.len()));
        if exponent > 0 {
            end = signed + exponent;
        }
    }
    let (number, tail) = text.split_at(end);
    number.parse().ok().map(|number| (number, tail))
}

// === impl Item ===

impl Item {
    /// A sample whose hint, if it has one, was not written.
    pub(super) const fn of(value: Value) -> Self {
        Self::Present { value, has_hint: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str) -> Vec<Option<f64>> {
        let (_, items) = series(line).unwrap();
        let value = |item| match item {
            Item::Missing => None,
            Item::Present { value, .. } => value.float(),
        };
        items.into_iter().map(value).collect()
    }

    #[test]
    fn sequences_repeat_and_step() {
        assert_eq!(values("m 1 2x1 _ _x2"), [Some(1.0), Some(2.0), Some(2.0), None, None, None]);
        assert_eq!(values("m 0+10x2"), [0.0, 10.0, 20.0].map(Some));
        assert_eq!(values("m 1-2x2 -1-1x1"), [1.0, -1.0, -3.0, -1.0, -2.0].map(Some));
        assert_eq!(values("m 1e+3 -Inf"), [Some(1000.0), Some(f64::NEG_INFINITY)]);
        assert!(values("m stale")[0].is_some_and(model::sample::is_stale));
    }

    #[test]
    fn metrics_are_selectors() {
        let (labels, items) = series(r#"{"a.b", c="x y\"{"} 1"#).unwrap();
        assert_eq!(labels, Labels::from_pairs([("__name__", "a.b"), ("c", "x y\"{")]));
        assert_eq!(items.len(), 1);
        assert!(series(r#"a{b!="c"} 1"#).is_err());
    }
}
