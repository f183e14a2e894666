//! Prometheus' own tests, run through fragments and final stage, value by value.
//!
//! The files lie beside the repository, in `../shared/promqltest`, and are never copied into it;
//! without them this test fails. Every expression that is not refused is evaluated over three
//! partitions, once with aggregations pushed to them and once without, and instants also as steps
//! of a range. Left out are expressions whose selectors find native histograms or start
//! timestamps.

mod lower;
mod memory;
mod script;

use model::Labels;
use promql::ast::ExprKind;
use promql::fragment::ScalarOperand;
use promql::grid::Grid;
use promql::parse::{ParseOptions, parse};
use promql::refuse::refuse;

use lower::{Outcome, Pushdown, evaluate, selectors};
use memory::Storage;
use script::{Command, Eval, Expectation};

/// How many evaluations have to agree; more when more of PromQL is not refused.
const AGREEING_MIN: usize = 379;

#[test]
fn values_are_those_of_prometheus() {
    let entries = std::fs::read_dir("../../../shared/promqltest")
        .expect("../shared/promqltest with Prometheus' test files lies beside the repository");
    let (mut agreeing, mut complaints) = (0, vec![]);
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        if path.extension().is_none_or(|extension| extension != "test") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut storage = Storage::default();
        for command in script::read(&text) {
            match command {
                Command::Clear => storage = Storage::default(),
                Command::Load(series) => storage.load(series),
                Command::Eval(eval) => match check(&storage, &eval) {
                    Ok(true) => agreeing += 1,
                    Ok(false) => {}
                    Err(why) => {
                        complaints.push(format!("{file}:{}: {}\n    {why}", eval.line, eval.text));
                    }
                },
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "{agreeing} agree, {} do not:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    assert!(agreeing >= AGREEING_MIN, "only {agreeing} of {AGREEING_MIN} evaluations were made");
}

/// Whether it was evaluated; what differs, if anything does.
fn check(storage: &Storage, eval: &Eval) -> Result<bool, String> {
    let Ok(expr) = parse(&eval.text, &ParseOptions::all()) else { return Ok(false) };
    let has_value = !matches!(expr.unparen().kind, ExprKind::String(_) | ExprKind::Matrix { .. });
    if !has_value || refuse(&eval.text, &expr).is_err() {
        return Ok(false);
    }
    let mut found = vec![];
    selectors(&expr, &mut found);
    if storage.hides_any_of(&found) {
        return Ok(false);
    }
    for pushdown in [Pushdown::Aggregations, Pushdown::Nothing] {
        let outcome = evaluate(&expr, eval.grid, storage, pushdown);
        compare(&eval.expected, outcome, eval.grid)?;
        if eval.grid.steps == 1 && !matches!(eval.expected, Expectation::Failure) {
            let outcome = evaluate(&expr, around(eval.grid), storage, pushdown);
            compare(&eval.expected, outcome.map(middle), eval.grid)
                .map_err(|why| format!("as the middle of a range: {why}"))?;
        }
    }
    Ok(true)
}

/// As in Prometheus' harness: the same instant as the second of three steps.
fn around(grid: Grid) -> Grid {
    Grid { start_ms: grid.start_ms - 60_000, step_ms: 60_000, steps: 3 }
}

fn middle(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Scalar(scalar) => Outcome::Scalar(ScalarOperand::Constant(scalar.at(1))),
        Outcome::Series(rows) => {
            let cells = rows.into_iter().filter_map(|(labels, row)| Some((labels, row[1]?)));
            Outcome::Series(cells.map(|(labels, cell)| (labels, vec![Some(cell)])).collect())
        }
    }
}

fn compare(
    expected: &Expectation,
    outcome: Result<Outcome, String>,
    grid: Grid,
) -> Result<(), String> {
    match (expected, outcome) {
        (Expectation::Failure, Err(_)) => Ok(()),
        (Expectation::Failure, Ok(_)) => Err("should fail".to_owned()),
        (_, Err(error)) => Err(format!("fails: {error}")),
        (Expectation::Scalar(expected), Ok(Outcome::Scalar(got))) => {
            same(*expected, got.at(0)).then_some(()).ok_or_else(|| format!("got {got:?}"))
        }
        (Expectation::Scalar(_), Ok(Outcome::Series(got))) => Err(format!("got {got:?}")),
        (Expectation::Series(expected), Ok(Outcome::Scalar(scalar))) => {
            let row = (0..grid.steps).map(|step| Some(scalar.at(step))).collect();
            compare_series(expected, vec![(Labels::empty(), row)])
        }
        (Expectation::Series(expected), Ok(Outcome::Series(got))) => compare_series(expected, got),
    }
}

fn compare_series(expected: &[script::Row], mut got: Vec<script::Row>) -> Result<(), String> {
    let mut expected = expected.to_vec();
    expected.retain(|(_, row)| row.iter().any(Option::is_some));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    got.sort_by(|a, b| a.0.cmp(&b.0));
    let agrees = expected.len() == got.len()
        && expected.iter().zip(&got).all(|((labels, row), (got_labels, got_row))| {
            let cells = (0..row.len().max(got_row.len()))
                .map(|i| (row.get(i).copied().flatten(), got_row.get(i).copied().flatten()));
            labels == got_labels
                && cells.into_iter().all(|cells| match cells {
                    (Some(expected), Some(got)) => same(expected, got),
                    (None, None) => true,
                    _ => false,
                })
        });
    agrees.then_some(()).ok_or_else(|| format!("expected {expected:?}\n    got      {got:?}"))
}

/// Prometheus' comparison: six digits, but nothing is close to zero but zero.
fn same(expected: f64, got: f64) -> bool {
    let is_close = || {
        expected != 0.0
            && got != 0.0
            && (expected - got).abs() / (expected.abs() + got.abs()).min(f64::MAX) < 1e-6
    };
    expected == got || (expected.is_nan() && got.is_nan()) || is_close()
}
