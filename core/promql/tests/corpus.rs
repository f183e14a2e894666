//! Every expression that Prometheus' own tests evaluate is parsed, printed and parsed again.
//!
//! The test files are Prometheus'; they lie beside the repository, in `../shared/promqltest`, and
//! are never copied into it. A clone without them says so on standard error; CI, which has them,
//! fails without them: a skipped proof is no proof.

use std::io::Write as _;
use std::path::Path;

use std::sync::LazyLock;

use promql::ast::{Expr, ExprKind};
use promql::parse::{ParseOptions, parse};
use promql::pretty::Pretty;
use regex::Regex;

/// The number of `eval` lines in the files that were handed to us, a subset of Prometheus' 2,214.
const EVALS_MIN: usize = 1_588;

static SPANS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"Span \{ start: \d+, end: \d+ \}").expect("it compiles"));

#[test]
fn every_evaluated_expression_parses_and_prints_stably() {
    let Some(folder) = folder() else { return };
    let mut complaints = Vec::new();
    let expressions = expressions(folder);
    for (place, text) in &expressions {
        if let Err(complaint) = round_trip(text) {
            complaints.push(format!("{place}: {text}\n    {complaint}"));
        }
    }
    assert!(
        complaints.is_empty(),
        "{} of {} fail:\n{}",
        complaints.len(),
        expressions.len(),
        complaints.join("\n")
    );
    assert!(
        expressions.len() >= EVALS_MIN,
        "found only {} of {EVALS_MIN} expressions",
        expressions.len()
    );
}

fn round_trip(text: &str) -> Result<(), String> {
    let expr = parse_all(text)?;
    let printed = expr.to_string();
    let again = parse_all(&printed).map_err(|error| format!("{printed}: {error}"))?;
    if again.to_string() != printed {
        return Err(format!("{printed} is printed as {again} the second time"));
    }
    if shape(&again) != shape(&expr) {
        return Err(format!("{printed} is another tree"));
    }
    let pretty = Pretty::new(&expr).to_string();
    let again = parse_all(&pretty).map_err(|error| format!("{pretty}: {error}"))?;
    if shape(&again) != shape(&expr) {
        return Err(format!("{pretty} is another tree"));
    }
    Ok(())
}

/// The tree without its places; matchers in the order of their texts, as they are printed.
fn shape(expr: &Expr) -> String {
    let mut expr = expr.clone();
    sort_matchers(&mut expr);
    SPANS.replace_all(&format!("{expr:?}"), "_").into_owned()
}

fn sort_matchers(expr: &mut Expr) {
    match &mut expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bytes(_) => {}
        ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => sort_matchers(inner),
        ExprKind::Binary(binary) => {
            sort_matchers(&mut binary.left);
            sort_matchers(&mut binary.right);
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.param.iter_mut().for_each(sort_matchers);
            sort_matchers(&mut aggregate.inner);
        }
        ExprKind::Call { args, .. } => args.iter_mut().for_each(sort_matchers),
        ExprKind::Vector(selector) | ExprKind::Matrix { selector, .. } => {
            selector.matchers.sort_by_cached_key(ToString::to_string);
        }
        ExprKind::Subquery(subquery) => sort_matchers(&mut subquery.inner),
    }
}

fn parse_all(text: &str) -> Result<Expr, String> {
    parse(text, &ParseOptions::all()).map_err(|errors| errors.to_string())
}

/// The folder, if it is there.
fn folder() -> Option<&'static Path> {
    const FOLDER: &str = "../../../shared/promqltest";
    if Path::new(FOLDER).is_dir() {
        return Some(Path::new(FOLDER));
    }
    #[expect(clippy::disallowed_methods, reason = "a test asks its surroundings, once")]
    let is_ci = std::env::var("CI").is_ok();
    assert!(!is_ci, "{FOLDER} is missing: CI must parse Prometheus' test files");
    _ = writeln!(std::io::stderr(), "NOT PROVED: Prometheus' test files are not in {FOLDER}");
    None
}

/// All expressions behind `eval instant at <time>` and `eval range from … to … step …`.
fn expressions(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).expect("the folder can be listed");
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        if path.extension().is_none_or(|extension| extension != "test") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (i, line) in text.lines().enumerate() {
            if let Some(expression) = expression(line.trim()) {
                found.push((format!("{file}:{}", i + 1), expression.to_owned()));
            }
        }
    }
    found
}

/// The expression of an `eval` line; legacy lines say `eval_fail` and the like.
fn expression(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("eval")?;
    let (_, rest) = rest.split_once(char::is_whitespace)?;
    let words_before = if rest.trim_start().starts_with("instant") { 3 } else { 7 };
    let mut rest = rest.trim_start();
    for _ in 0..words_before {
        rest = rest.split_once(char::is_whitespace)?.1.trim_start();
    }
    Some(rest)
}
