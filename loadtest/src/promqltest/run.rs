//! Runs scripts through an engine and counts.

use super::compare::{self, Verdict};
use super::engine::{Answer, Engine, Grid, Value};
use super::script::{Command, Eval, Script, When};
use super::variants::{self, Variant};

/// What became of a script.
#[derive(Debug, Default)]
pub struct Report {
    /// Statements all of whose executions were as expected.
    pub passed: usize,
    /// The others: line and reason.
    pub failures: Vec<(usize, String)>,
    /// How many `eval` lines the script has.
    pub evals: usize,
    /// How many queries ran, variants included.
    pub executions: usize,
}

// === impl Report ===

impl Report {
    /// Whether every statement of the script ran and passed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.passed == self.evals
    }
}

/// Runs all commands of a script; a failed statement does not keep the next ones from running.
///
/// # Errors
/// When the engine refuses to forget or to load.
pub fn run(script: &Script, engine: &mut dyn Engine) -> Result<Report, String> {
    let mut report = Report { evals: script.evals, ..Report::default() };
    engine.clear()?;
    for command in &script.commands {
        match command {
            Command::Clear => engine.clear()?,
            Command::Load(series) => engine.load(series)?,
            Command::Eval(eval) => match run_eval(eval, engine, &mut report.executions) {
                Ok(()) => report.passed += 1,
                Err(reason) => report.failures.push((eval.line, reason)),
            },
        }
    }
    Ok(report)
}

/// Runs a statement: a range query once; an instant query as it stands, with `@` at other times,
/// and each of these as a range whose middle is the instant.
fn run_eval(eval: &Eval, engine: &mut dyn Engine, executions: &mut usize) -> Verdict {
    let at_ms = match eval.when {
        When::Range(grid) => {
            *executions += 1;
            let outcome = engine.range(&eval.query, grid);
            return match compare::outcome(&eval.expected, outcome)? {
                Some(answer) => compare::answer(&eval.expected, &answer, grid),
                None => Ok(()),
            };
        }
        When::Instant(at_ms) => eval.expected.window.map_or(at_ms, |window| window.end_ms),
    };
    let as_written = Variant { query: eval.query.clone(), at_ms };
    for variant in std::iter::once(as_written).chain(variants::pinned(&eval.query, at_ms)?) {
        let Variant { query, at_ms } = &variant;
        run_instant(eval, &variant, engine, executions)
            .map_err(|reason| format!("{query} at {at_ms} ms: {reason}"))?;
    }
    Ok(())
}

fn run_instant(
    eval: &Eval,
    variant: &Variant,
    engine: &mut dyn Engine,
    executions: &mut usize,
) -> Verdict {
    let Variant { query, at_ms } = variant;
    let expected = &eval.expected;
    *executions += 1;
    let outcome = engine.instant(query, *at_ms);
    let Some(answer) = compare::outcome(expected, outcome)? else { return Ok(()) };
    let grid = expected.window.unwrap_or(Grid { start_ms: *at_ms, end_ms: *at_ms, step_ms: 1 });
    compare::answer(expected, &answer, grid)?;
    if expected.is_instant_only() || variants::depends_on_range(query) {
        return Ok(());
    }
    *executions += 1;
    let minute = Grid { start_ms: at_ms - 60_000, end_ms: at_ms + 60_000, step_ms: 60_000 };
    let evaluated = engine.range(query, minute).map_err(|error| format!("as a range: {error}"))?;
    if expected.is_ordered {
        return Ok(());
    }
    let is_scalar = matches!(answer, Answer::Scalar(_));
    let middle = middle(evaluated.answer, *at_ms, is_scalar)?;
    compare::answer(expected, &middle, grid).map_err(|reason| format!("as a range: {reason}"))
}

/// The values of a matrix at one time.
fn middle(answer: Answer, at_ms: i64, is_scalar: bool) -> Result<Answer, String> {
    let Answer::Matrix(matrix) = answer else {
        return Err("the answer of a range query is no matrix".to_owned());
    };
    compare::sorted(&matrix)?;
    let mut vector = Vec::new();
    for series in matrix {
        let at = |is_float| {
            let wanted = |value: &Value| value.float().is_some() == is_float;
            series.points.iter().find(|p| p.timestamp_ms == at_ms && wanted(&p.value))
        };
        let points = [at(true), at(false)].into_iter().flatten();
        vector.extend(points.map(|point| (series.labels.clone(), point.value.clone())));
    }
    if !is_scalar {
        return Ok(Answer::Vector(vector));
    }
    match vector.first() {
        Some((_, Value::Float(float))) => Ok(Answer::Scalar(*float)),
        _ => Err("as a range: the scalar has no value".to_owned()),
    }
}
