//! `info()`: adds the labels of info series (`target_info`) to the series of the same target.

use std::collections::BTreeMap;

use model::{Labels, MatchOp, Matcher};
use promql::ast::{At, DurationExpr, Expr, ExprKind};

use super::eval::{Evaluator, Fallible, Scope, relabel, unique};
use super::select::newest;
use super::store::matches;
use super::vector::Sample;
use crate::promqltest::engine::Value;

/// Info series belong to the series that agree with them in these.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// An info series at a step, and when its sample was taken.
struct Described<'a> {
    labels: &'a Labels,
    timestamp_ms: i64,
}

/// `info(vector)`, `info(vector, {matchers})`
pub(super) fn evaluate(
    evaluator: &Evaluator<'_>,
    args: &[Expr],
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    let base = evaluator.vector(&args[0], scope)?;
    let (names, data) = match args.get(1).map(|arg| &arg.unparen().kind) {
        Some(ExprKind::Vector(selector)) => {
            selector.matchers.iter().cloned().partition(|it| it.name() == "__name__")
        }
        _ => (Vec::new(), Vec::new()),
    };
    let names = effective(names)?;
    let is_info = |sample: &Sample| names.iter().all(|it| it.matches(sample.name()));
    let others: Vec<Sample> = base.iter().filter(|sample| !is_info(sample)).cloned().collect();
    let t = time_of(evaluator, &args[0], scope.at_ms)?.unwrap_or(scope.at_ms);
    let matchers: Vec<Matcher> = names.iter().chain(&data).cloned().collect();
    let found = select(evaluator, &matchers, &others, t)?;
    let mut result = Vec::new();
    for sample in base {
        if is_info(&sample) {
            result.push(sample);
        } else if let Some(labels) = enriched(&sample, &found, &data)? {
            result.push(Sample { labels, ..sample });
        }
    }
    unique(result)
}

/// The matchers of the infos' names: without any that names are wanted, those of infos are.
fn effective(mut names: Vec<Matcher>) -> Fallible<Vec<Matcher>> {
    let is_positive = |it: &Matcher| matches!(it.op(), MatchOp::Equal | MatchOp::Regex);
    if names.is_empty() {
        names.push(Matcher::equal("__name__", "target_info"));
    } else if !names.iter().any(is_positive) {
        let info = Matcher::new("__name__", MatchOp::Regex, ".+_info");
        names.push(info.map_err(|error| error.to_string())?);
    }
    Ok(names)
}

/// The time at which the first selector of an expression looks, through the subqueries around it:
/// infos are looked up then, too.
fn time_of(evaluator: &Evaluator<'_>, expr: &Expr, at_ms: i64) -> Fallible<Option<i64>> {
    let shifted = |at: Option<At>, offset: Option<&DurationExpr>| -> Fallible<i64> {
        let at_ms = match at {
            None => at_ms,
            Some(At::Timestamp(ms)) => ms,
            Some(At::Start) => evaluator.query.start_ms,
            Some(At::End) => evaluator.query.end_ms,
        };
        Ok(at_ms - evaluator.offset_ms(offset)?)
    };
    let inner: Vec<&Expr> = match &expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bytes(_) => Vec::new(),
        ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => vec![inner],
        ExprKind::Binary(binary) => vec![&binary.left, &binary.right],
        ExprKind::Aggregate(aggregate) => {
            std::iter::once(&aggregate.inner).chain(&aggregate.param).collect()
        }
        ExprKind::Call { args, .. } => args.iter().collect(),
        ExprKind::Vector(selector) | ExprKind::Matrix { selector, .. } => {
            return shifted(selector.at, selector.offset.as_ref()).map(Some);
        }
        ExprKind::Subquery(subquery) => {
            let at_ms = shifted(subquery.at, subquery.offset.as_ref())?;
            return time_of(evaluator, &subquery.inner, at_ms);
        }
    };
    for expr in inner {
        if let Some(found) = time_of(evaluator, expr, at_ms)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The info series of the targets in `base`, by name and target; of several for one target the
/// one with the newest sample.
fn select<'a>(
    evaluator: &'a Evaluator<'_>,
    matchers: &'a [Matcher],
    base: &[Sample],
    t: i64,
) -> Fallible<BTreeMap<(String, Labels), Described<'a>>> {
    let mut found: BTreeMap<(String, Labels), Described<'a>> = BTreeMap::new();
    for (labels, points) in evaluator.store.select(matchers) {
        let Some(point) = newest(points, t) else { continue };
        if !is_wanted(labels, base) {
            continue;
        }
        if !matches!(point.value, Value::Float(_)) {
            return Err(format!("this should be an info metric, with float samples: {labels}"));
        }
        let info = Described { labels, timestamp_ms: point.timestamp_ms };
        let key = (labels.metric_name().to_owned(), target(labels));
        match found.get(&key) {
            Some(other) if other.timestamp_ms == info.timestamp_ms => {
                return Err(format!(
                    "found duplicate series for info metric: existing {} @ {}, new {} @ {}",
                    other.labels, other.timestamp_ms, info.labels, info.timestamp_ms
                ));
            }
            Some(other) if other.timestamp_ms > info.timestamp_ms => {}
            _ => {
                found.insert(key, info);
            }
        }
    }
    Ok(found)
}

/// Prometheus selects infos by the values of each identifying label among the base series.
fn is_wanted(labels: &Labels, base: &[Sample]) -> bool {
    let values = |name: &str| -> Vec<&str> {
        base.iter().filter_map(|sample| sample.labels.get(name)).collect()
    };
    let known: Vec<(&str, Vec<&str>)> = IDENTIFYING
        .into_iter()
        .map(|name| (name, values(name)))
        .filter(|(_, values)| !values.is_empty())
        .collect();
    let is_known =
        |(name, values): &(&str, Vec<&str>)| values.contains(&labels.get(name).unwrap_or_default());
    !known.is_empty() && known.iter().all(is_known)
}

fn target(labels: &Labels) -> Labels {
    labels.retain(|name| IDENTIFYING.contains(&name))
}

/// A sample's labels with those of its infos; `None` when it has none although the matchers ask
/// for some.
fn enriched(
    sample: &Sample,
    found: &BTreeMap<(String, Labels), Described<'_>>,
    data: &[Matcher],
) -> Fallible<Option<Labels>> {
    let target = target(&sample.labels);
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    let mut has_info = false;
    for (_, info) in found.iter().filter(|((_, of), _)| *of == target) {
        has_info = true;
        for (name, value) in info.labels {
            let is_asked_for = data.is_empty() || data.iter().any(|it| it.name() == name);
            if name == "__name__" || !is_asked_for {
                continue;
            }
            if added.get(name).is_some_and(|other| *other != value) {
                return Err(format!("conflicting label: {name}"));
            }
            if sample.labels.get(name).is_none() {
                added.insert(name, value);
            }
        }
    }
    if !has_info && !matches(data, &Labels::empty()) {
        return Ok(None);
    }
    Ok(Some(relabel(&sample.labels, |labels| {
        for (name, value) in added {
            labels.set(name, value);
        }
    })))
}
