//! The language of Prometheus' test files, as far as floats go.

use model::Labels;
use model::time::parse_duration_ms;
use promql::grid::Grid;
use promql::parse::parse_selector;

/// A line of expected values, or of loaded samples: `None` for `_`.
pub(crate) type Row = (Labels, Vec<Option<f64>>);

/// One command.
pub(crate) enum Command {
    Clear,
    Load(Load),
    Eval(Eval),
}

/// `load 5m` and its series.
pub(crate) struct Load {
    pub(crate) step_ms: i64,
    pub(crate) rows: Vec<Row>,
    /// Labels of series with histograms or start timestamps, which we cannot hold yet.
    pub(crate) histograms: Vec<Labels>,
}

/// `eval …` and what it expects.
pub(crate) struct Eval {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) grid: Grid,
    pub(crate) expected: Expectation,
}

/// What should come out.
pub(crate) enum Expectation {
    Failure,
    Scalar(f64),
    Series(Vec<Row>),
}

/// All commands of a file.
pub(crate) fn read(text: &str) -> Vec<Command> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let (mut commands, mut at) = (vec![], 0);
    while at < lines.len() {
        let line = lines[at];
        let block: Vec<&str> = lines[at + 1..]
            .iter()
            .take_while(|line| !line.is_empty())
            .copied()
            .filter(|line| !line.starts_with('#'))
            .collect();
        let past_block =
            at + 1 + lines[at + 1..].iter().take_while(|line| !line.is_empty()).count();
        if line == "clear" {
            commands.push(Command::Clear);
            at += 1;
        } else if let Some(step) = line.strip_prefix("load") {
            commands.push(Command::Load(load(step, &block)));
            at = past_block;
        } else if line.starts_with("eval") {
            commands.extend(eval(at + 1, line, &block).map(Command::Eval));
            at = past_block;
        } else {
            at += 1;
        }
    }
    commands
}

fn load(step: &str, block: &[&str]) -> Load {
    let is_nhcb = step.starts_with("_with_nhcb");
    let step_ms = step.split_whitespace().last().map_or(0, duration);
    let is_special = |line: &str| line.contains("{{") || line.contains("@st");
    let (special, plain): (Vec<&str>, Vec<&str>) = block.iter().partition(|line| is_special(line));
    let rows: Vec<Row> = plain.into_iter().filter_map(row).collect();
    let special = special.into_iter().filter_map(labels);
    let mut histograms: Vec<Labels> = special.map(|(labels, _)| labels).collect();
    if is_nhcb {
        // Each classic histogram is loaded as a native one, too.
        histograms.extend(rows.iter().map(|(labels, _)| {
            let name = labels.metric_name();
            let family = name.strip_suffix("_bucket").unwrap_or(name);
            let rest = labels.iter().filter(|(label, _)| *label != "__name__" && *label != "le");
            Labels::from_pairs(rest.chain([("__name__", family)]))
        }));
    }
    Load { step_ms, rows, histograms }
}

fn eval(line: usize, text: &str, block: &[&str]) -> Option<Eval> {
    let (kind, rest) = text.split_once(char::is_whitespace)?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (grid, words_before) = match words[..] {
        ["instant", "at", at, ..] => (Grid::instant(duration(at)), 3),
        ["range", "from", start, "to", end, "step", step, ..] => {
            (Grid::range(duration(start), duration(end), duration(step)), 7)
        }
        _ => return None,
    };
    let mut text = rest.trim();
    for _ in 0..words_before {
        text = text.split_once(char::is_whitespace)?.1.trim_start();
    }
    let fails = kind == "eval_fail" || block.iter().any(|line| line.starts_with("expect fail"));
    let lines = block.iter().filter(|line| !line.starts_with("expect"));
    let values: Vec<&str> = lines.copied().collect();
    let expected = match values[..] {
        _ if fails => Expectation::Failure,
        [value] if number(value).is_some() => Expectation::Scalar(number(value)?),
        _ => Expectation::Series(values.iter().map(|line| row(line)).collect::<Option<_>>()?),
    };
    Some(Eval { line, text: text.to_owned(), grid, expected })
}

/// `name{label="value"} 1 2+3x4 _ stale`.
fn row(line: &str) -> Option<Row> {
    let (labels, values) = labels(line)?;
    let mut row = vec![];
    for item in values.split_whitespace() {
        append(item, &mut row)?;
    }
    Some((labels, row))
}

/// The series at the start of a line, and the rest of it.
fn labels(line: &str) -> Option<(Labels, &str)> {
    let past_name = match line.find('{') {
        Some(open) if !line[..open].contains(char::is_whitespace) => line.find('}')? + 1,
        _ => line.find(char::is_whitespace).unwrap_or(line.len()),
    };
    let (name, rest) = line.split_at(past_name);
    if name == "{}" {
        return Some((Labels::empty(), rest));
    }
    let matchers = parse_selector(name.trim_end_matches("@st")).ok()?;
    let pairs = matchers.iter().map(|matcher| (matcher.name(), matcher.value()));
    Some((Labels::from_pairs(pairs), rest))
}

/// `1`, `_`, `stale`, `1x2`, `1+2x3`, `_x4`.
fn append(item: &str, row: &mut Vec<Option<f64>>) -> Option<()> {
    let (value, times) = match item.rsplit_once('x') {
        Some((value, times)) => (value, Some(times.parse::<usize>().ok()?)),
        None => (item, None),
    };
    if value == "_" {
        row.extend(vec![None; times.unwrap_or(1)]);
        return Some(());
    }
    if value == "stale" {
        row.push(Some(model::sample::stale_nan()));
        return Some(());
    }
    if let Some(value) = number(value) {
        row.extend(vec![Some(value); times.map_or(1, |times| times + 1)]);
        return Some(());
    }
    let sign = value.rfind(['+', '-'])?;
    let (start, step) = (number(&value[..sign])?, number(&value[sign..])?);
    let mut next = start;
    for _ in 0..=times? {
        row.push(Some(next));
        next += step;
    }
    Some(())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// `5m`, or a number of seconds, possibly negative.
fn duration(text: &str) -> i64 {
    let (sign, magnitude) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    // A bare number counts seconds.
    let ms = parse_duration_ms(magnitude)
        .or_else(|_| parse_duration_ms(&format!("{magnitude}s")))
        .expect("times are durations or whole seconds");
    sign * ms
}
