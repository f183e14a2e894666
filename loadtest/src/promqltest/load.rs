//! `load` blocks: series at a fixed distance of samples, with start timestamps and, on demand, the
//! native histograms of classic ones.

use model::Labels;

use super::engine::{Point, Series};
use super::nhcb;
use super::script::{Lines, duration, word};
use super::sequence::{self, Item};

/// The start timestamps of a series: offsets from its samples' times, where they are known.
type Starts = Vec<Option<i64>>;

/// Parses the block below `load 5m` or `load_with_nhcb 5m`.
pub(super) fn parse(head: &str, lines: &mut Lines<'_>) -> Result<Vec<Series>, String> {
    let (command, gap) = word(head).ok_or("load without a distance of samples")?;
    let gap_ms = duration(gap.trim())?;
    let mut loaded = Vec::new();
    let mut default_starts = Starts::new();
    let mut starts: Option<(Labels, Starts)> = None;
    while let Some(line) = lines.next_in_block() {
        if let Some((metric, offsets)) = starts_line(line) {
            if starts.is_some() {
                return Err("start timestamps without their series".to_owned());
            }
            let offsets = parse_starts(offsets)?;
            if metric.is_empty() {
                default_starts = offsets;
            } else {
                starts = Some((sequence::labels(metric)?, offsets));
            }
            continue;
        }
        let (labels, items) = sequence::series(line)?;
        let own = match starts.take() {
            Some((metric, own)) if metric == labels && own.len() == items.len() => Some(own),
            Some(_) => return Err(format!("the start timestamps are not those of {labels}")),
            None => None,
        };
        let points = points(&items, gap_ms, own.as_deref(), &default_starts);
        loaded.retain(|series: &Series| series.labels != labels);
        loaded.push(Series { labels, points });
    }
    match command {
        _ if starts.is_some() => Err("start timestamps without their series".to_owned()),
        "load" => Ok(loaded),
        "load_with_nhcb" => {
            let histograms = nhcb::convert(&loaded)?;
            loaded.extend(histograms);
            Ok(loaded)
        }
        _ => Err(format!("not a command: {command}")),
    }
}

fn points(
    items: &[Item],
    gap_ms: i64,
    own: Option<&[Option<i64>]>,
    default: &Starts,
) -> Vec<Point> {
    let times = (0..).map(|i: i64| i * gap_ms);
    let points = items.iter().zip(times).enumerate().filter_map(|(i, (item, timestamp_ms))| {
        let Item::Present { value, .. } = item else { return None };
        let offset = match own {
            Some(own) => own.get(i).copied().flatten(),
            None if default.is_empty() => None,
            None => default[i % default.len()],
        };
        let start_ms = offset.map_or(0, |offset| timestamp_ms + offset);
        Some(Point { timestamp_ms, value: value.clone(), start_ms })
    });
    points.collect()
}

/// `metric{…}@st offsets`: the metric and the offsets, if the line is one of start timestamps.
fn starts_line(line: &str) -> Option<(&str, &str)> {
    let (metric, offsets) = line.split_at(sequence::metric_end(line));
    Some((metric.strip_suffix("@st")?, offsets))
}

fn parse_starts(text: &str) -> Result<Starts, String> {
    let mut starts = Starts::new();
    for item in text.split_whitespace() {
        let last = starts.iter().rev().find_map(|start| *start).unwrap_or(0);
        parse_start(item, last, &mut starts).map_err(|error| format!("{item}: {error}"))?;
    }
    Ok(starts)
}

/// `_`, `_x3`, `*`, `*x3`, `-1m`, `-1mx3`, `-1m+1sx3`
fn parse_start(item: &str, last: i64, starts: &mut Starts) -> Result<(), String> {
    let repeat = |text: &str| -> Result<usize, String> {
        let digits = text.strip_prefix('x').ok_or("expected x and a number")?;
        digits.parse().map_err(|_| "not a number of times".to_owned())
    };
    if let Some(rest) = item.strip_prefix('_') {
        let times = if rest.is_empty() { 1 } else { repeat(rest)? };
        starts.extend(std::iter::repeat_n(None, times));
        return Ok(());
    }
    let (base, rest) = match item.strip_prefix('*') {
        Some(rest) => (last, rest),
        None => signed_duration(item)?,
    };
    let (step, rest) = match rest.chars().next() {
        Some('+' | '-') => signed_duration(rest)?,
        _ => (0, rest),
    };
    let steps = if rest.is_empty() { 0 } else { repeat(rest)? };
    let mut offset = base;
    for _ in 0..=steps {
        starts.push(Some(offset));
        offset += step;
    }
    Ok(())
}

/// The duration with which `text` begins, and what follows it.
fn signed_duration(text: &str) -> Result<(i64, &str), String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let is_unit = |b: &u8| b.is_ascii_alphabetic() && *b != b'x';
    let letters = unsigned.as_bytes()[digits..].iter().take_while(|b| is_unit(b)).count();
    let (number, rest) = unsigned.split_at(digits + letters);
    Ok((sign * duration(number)?, rest))
}
