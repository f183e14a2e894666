//! `eval` statements: the head line and the block of expectations below it.

use model::Labels;

use super::engine::Grid;
use super::expect::{Expectations, ExpectedSeries, Remark};
use super::script::{Eval, Lines, When, duration, word};
use super::sequence;

/// Parses the statement whose head is `head`; its block is taken from `lines`.
pub(super) fn parse(line: usize, head: &str, lines: &mut Lines<'_>) -> Result<Eval, String> {
    let (command, rest) = word(head).ok_or("an eval statement has no query")?;
    let (kind, rest) = word(rest).ok_or("an eval statement has no query")?;
    let (when, query) = match kind {
        "instant" => instant(rest)?,
        "range" => range(rest)?,
        _ => return Err(format!("neither instant nor range: {kind}")),
    };
    let mut eval = Eval { line, query: query.to_owned(), when, expected: Expectations::default() };
    legacy(command, &mut eval.expected)?;
    let mut position = 0;
    while let Some(line) = lines.next_in_block() {
        position += 1;
        match expectation(line, position, &mut eval)? {
            Next::Line => {}
            Next::Uncounted => position -= 1,
            Next::Command => break,
        }
    }
    eval.expected.check()?;
    Ok(eval)
}

/// What follows a line of a block.
enum Next {
    /// Another line of it.
    Line,
    /// Another line of it; this one has no part in the order of results.
    Uncounted,
    /// The next command: nothing may follow this line.
    Command,
}

/// `at 5m query`
fn instant(text: &str) -> Result<(When, &str), String> {
    match word(text) {
        Some(("at", rest)) => {
            let (at, query) = word(rest).ok_or("no query behind the time")?;
            Ok((When::Instant(duration(at)?), query))
        }
        _ => Err("instant without a time".to_owned()),
    }
}

/// `from 0 to 5m step 1m query`
fn range(text: &str) -> Result<(When, &str), String> {
    let (grid, query) = grid(text)?;
    let query = query.ok_or("no query behind the step")?;
    Ok((When::Range(grid), query))
}

fn grid(text: &str) -> Result<(Grid, Option<&str>), String> {
    let after = |keyword: &str, text| match word(text) {
        Some((found, rest)) if found == keyword => Ok(rest),
        _ => Err(format!("expected {keyword}")),
    };
    let (start, rest) = word(after("from", text)?).ok_or("no start")?;
    let (end, rest) = word(after("to", rest)?).ok_or("no end")?;
    let rest = after("step", rest)?;
    let (step, query) = word(rest).map_or((rest, None), |(step, query)| (step, Some(query)));
    let (start_ms, end_ms) = (duration(start)?, duration(end)?);
    if end_ms < start_ms {
        return Err(format!("the end {end} is before the start {start}"));
    }
    Ok((Grid { start_ms, end_ms, step_ms: duration(step)?.max(1) }, query))
}

/// `eval_fail` and its like, from before there were `expect` lines.
fn legacy(command: &str, expected: &mut Expectations) -> Result<(), String> {
    match command {
        "eval" => {}
        "eval_fail" => expected.fail = Some(Remark::Any),
        "eval_warn" => expected.warnings.are_needed = true,
        "eval_info" => expected.infos.are_needed = true,
        "eval_ordered" => expected.is_ordered = true,
        _ => return Err(format!("not a command: {command}")),
    }
    Ok(())
}

fn expectation(line: &str, position: usize, eval: &mut Eval) -> Result<Next, String> {
    let expected = &mut eval.expected;
    if expected.fail.is_some() {
        if let Some(text) = line.strip_prefix("expected_fail_message") {
            expected.fail = Some(Remark::Exactly(text.trim().to_owned()));
            return Ok(Next::Command);
        }
        if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
            expected.fail = Some(Remark::pattern(pattern.trim())?);
            return Ok(Next::Command);
        }
    }
    if let Some(text) = line.strip_prefix("expect range vector") {
        expected.window = Some(grid(text)?.0);
        return Ok(Next::Line);
    }
    if let Some(text) = line.strip_prefix("expect string") {
        expected.string = Some(string(text.trim())?);
        return Ok(Next::Line);
    }
    if let Some(("expect", text)) = word(line) {
        expected.add(text)?;
        return Ok(Next::Uncounted);
    }
    if let Some(number) = number(line) {
        expected.scalar = Some(number);
        return Ok(Next::Command);
    }
    let (labels, items) = sequence::series(line)?;
    if items.len() > 1 && matches!(eval.when, When::Instant(_)) && expected.window.is_none() {
        return Err("several values of an instant query need `expect range vector`".to_owned());
    }
    add_series(expected, labels, position, items);
    Ok(Next::Line)
}

/// A series that is named twice has the values that come last.
fn add_series(
    expected: &mut Expectations,
    labels: Labels,
    position: usize,
    items: Vec<sequence::Item>,
) {
    expected.series.retain(|series| series.labels != labels);
    expected.series.push(ExpectedSeries { labels, position, items });
}

/// The text of a quoted string; PromQL's own strings are quoted in the same way.
fn string(quoted: &str) -> Result<Vec<u8>, String> {
    use promql::ast::ExprKind;
    use promql::parse::{ParseOptions, parse};
    match parse(quoted, &ParseOptions::all()).map(|expr| expr.kind) {
        Ok(ExprKind::String(text)) => Ok(text.into_bytes()),
        Ok(ExprKind::Bytes(bytes)) => Ok(bytes),
        _ => Err(format!("not a quoted string: {quoted}")),
    }
}

/// A line that is nothing but a number.
fn number(line: &str) -> Option<f64> {
    let digits = line.strip_prefix(['-', '+']).unwrap_or(line);
    let sign = if line.starts_with('-') { -1.0 } else { 1.0 };
    if let Some(hexadecimal) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        #[expect(clippy::cast_precision_loss, reason = "scripts have no such long numbers")]
        return i64::from_str_radix(hexadecimal, 16).ok().map(|number| sign * number as f64);
    }
    sequence::number(line)
}
