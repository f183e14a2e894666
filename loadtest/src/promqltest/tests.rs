//! That the harness judges: what is right passes, and each thing that may be wrong is found.

use super::run::run;
use super::script::{Command, When, parse};
use crate::reference::{NameRemoval, Reference};

const DATA: &str = "load 1m\n  up{job=\"a\"} 1+1x9\n  up{job=\"b\"} 5 _ 7 stale\n\n";

/// The reason of the only failure of a statement over [`DATA`].
fn failure(statement: &str) -> Option<String> {
    let script = parse(&format!("{DATA}{statement}\n")).expect("it is a script");
    let report = run(&script, &mut Reference::new(NameRemoval::Delayed)).expect("the data loads");
    assert_eq!(report.passed + report.failures.len(), 1, "{statement}");
    report.failures.first().map(|(_, reason)| reason.clone())
}

#[test]
fn what_is_right_passes() {
    for statement in [
        "eval instant at 2m up\n  up{job=\"a\"} 3\n  up{job=\"b\"} 7",
        "eval instant at 3m sort_desc(up * 2)\n  expect ordered\n  {job=\"a\"} 8",
        "eval range from 0 to 2m step 1m up{job=\"b\"}\n  up{job=\"b\"} 5 5 7",
        "eval instant at 1m 1 + 2\n  3",
        "eval instant at 1m \"x\"\n  expect string \"x\"",
        "eval instant at 1m up * on() up\n  expect fail regex: found duplicate",
        "eval_fail instant at 1m up * on() up",
        "eval instant at 1m quantile(2, up)\n  expect warn regex: got 2 .1:10.$\n  {} Inf",
        "eval instant at 1m up{job=\"a\"}[2m]\n  expect range vector from 0 to 1m step 1m\n  \
         up{job=\"a\"} 1 2",
    ] {
        assert_eq!(failure(statement), None, "{statement}");
    }
}

#[test]
fn what_is_wrong_is_found() {
    for (statement, reason) in [
        ("eval instant at 2m up\n  up{job=\"a\"} 3\n  up{job=\"b\"} 8", "Float(7.0), expected"),
        ("eval instant at 2m up\n  up{job=\"a\"} 3", "unexpected series"),
        ("eval instant at 3m up\n  up{job=\"a\"} 4\n  up{job=\"b\"} 7", "is missing"),
        (
            "eval instant at 2m sort(up)\n  expect ordered\n  up{job=\"b\"} 7\n  up{job=\"a\"} 3",
            "at 1",
        ),
        ("eval range from 0 to 2m step 1m up{job=\"b\"}\n  up{job=\"b\"} 5 _ 7", "expected 2"),
        ("eval instant at 1m 1 + 2\n  4", "expected Some(4.0)"),
        ("eval instant at 1m up\n  expect fail", "does not fail"),
        ("eval instant at 1m up * on() up\n  {} 1", "fails: found duplicate"),
        ("eval instant at 1m vector(1)\n  expect warn\n  {} 1", "no remark"),
        ("eval instant at 1m quantile(2, up)\n  expect no_warn\n  {} Inf", "unexpected remarks"),
        ("eval instant at 1m quantile(2, up)\n  expect warn msg: x\n  {} Inf", "no remark is like"),
    ] {
        let found = failure(statement).expect("the statement fails");
        assert!(found.contains(reason), "{statement}: {found}");
    }
}

#[test]
fn an_instant_query_runs_in_twelve_ways() {
    let script = parse(&format!("{DATA}eval instant at 2m sum(up)\n  {{}} 10\n")).unwrap();
    let report = run(&script, &mut Reference::new(NameRemoval::Delayed)).unwrap();
    assert_eq!((report.executions, report.is_clean()), (12, true));
}

#[test]
fn loads_repeat_step_and_have_start_timestamps() {
    let text = "load 10s\n  m@st -1s _ *x1\n  m 1 2 3+1x1\n";
    let script = parse(text).unwrap();
    let [Command::Load(series)] = script.commands.as_slice() else { panic!("{script:?}") };
    let points = series[0].points.iter().map(|p| (p.timestamp_ms, p.value.float(), p.start_ms));
    let expected =
        [(0, 1.0, -1000), (10_000, 2.0, 0), (20_000, 3.0, 19_000), (30_000, 4.0, 29_000)];
    assert_eq!(points.collect::<Vec<_>>(), expected.map(|(t, v, st)| (t, Some(v), st)));
}

#[test]
fn lines_that_are_not_of_the_language_are_named() {
    for (text, line) in [
        ("clear\n\nlaod 1m\n", 3),
        ("load 1m\n  m 1 2 x\n", 2),
        ("eval instant at 5x up\n", 1),
        ("eval instant at 1m up\n  expect nothing\n", 2),
        ("eval instant at 1m up\n  expect warn\n  expect no_warn\n", 3),
        ("load 1m\n  m@st 1s 2s\n  m 1\n", 3),
    ] {
        assert_eq!(parse(text).unwrap_err().line, line, "{text}");
    }
    let script = parse("eval range from 1m to 2m step 30s up\n").unwrap();
    let [Command::Eval(eval)] = script.commands.as_slice() else { panic!("{script:?}") };
    assert!(matches!(eval.when, When::Range(grid) if grid.times().count() == 3));
}
