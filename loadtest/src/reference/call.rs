//! Functions whose value is an instant vector.

use model::{Labels, MatchOp};
use promql::ast::{Expr, ExprKind, Span, ValueType};

use super::eval::{Evaluator, Fallible, Scope, greatest, least};
use super::vector::{Sample, seconds};
use super::{buckets, dates, info, labelling, map, select, sort, windowed};
use crate::promqltest::engine::Value;

/// Evaluates a call.
pub(super) fn evaluate(
    evaluator: &Evaluator<'_>,
    name: &str,
    args: &[Expr],
    span: Span,
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    if args.iter().any(|arg| arg.value_type() == ValueType::Matrix) {
        return windowed::evaluate(evaluator, name, args, scope);
    }
    match name {
        "label_replace" => return labelling::replace(evaluator, args, scope),
        "label_join" => return labelling::join(evaluator, args, scope),
        "info" => return info::evaluate(evaluator, args, scope),
        _ => {}
    }
    let scope = Scope { reading: scope.reading.below(name), ..scope };
    let call = Call { evaluator, args, span, scope };
    let result = call.evaluate(name)?;
    evaluator.distinct(result, scope)
}

/// A call with its circumstances.
pub(super) struct Call<'a> {
    pub(super) evaluator: &'a Evaluator<'a>,
    pub(super) args: &'a [Expr],
    pub(super) span: Span,
    pub(super) scope: Scope,
}

// === impl Call ===

impl Call<'_> {
    fn evaluate(&self, name: &str) -> Fallible<Vec<Sample>> {
        match name {
            "vector" => {
                let value = self.scalar(0)?;
                Ok(vec![Sample::scalar(value, self.scope.at_ms)])
            }
            "absent" if self.vector(0)?.is_empty() => {
                let one = Value::Float(1.0);
                Ok(vec![Sample::new(exact_labels(&self.args[0]), one, self.scope.at_ms)])
            }
            "absent" => Ok(Vec::new()),
            "timestamp" => self.times(|sample| sample.timestamp_ms),
            "start_timestamp" => self.times(|sample| sample.start_ms),
            "clamp" => self.clamp(self.scalar(1)?, self.scalar(2)?),
            "clamp_min" => self.clamp(self.scalar(1)?, f64::INFINITY),
            "clamp_max" => self.clamp(f64::NEG_INFINITY, self.scalar(1)?),
            "round" => self.round(),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
                sort::evaluate(self, name)
            }
            "histogram_quantile" => buckets::quantile(self),
            "histogram_quantiles" => buckets::quantiles(self),
            "histogram_fraction" => buckets::fraction(self),
            _ => {
                if let Some(part) = map::calendar(name) {
                    return self.calendar(part);
                }
                if let Some(of) = map::of_histogram(name) {
                    return self.map(|value| value.histogram().map(|histogram| of(histogram)));
                }
                match map::of_float(name) {
                    Some(of) => self.map(|value| value.float().map(of)),
                    None => Err(format!("unknown function {name}")),
                }
            }
        }
    }

    pub(super) fn scalar(&self, arg: usize) -> Fallible<f64> {
        self.evaluator.scalar(&self.args[arg], self.scope)
    }

    pub(super) fn vector(&self, arg: usize) -> Fallible<Vec<Sample>> {
        self.evaluator.vector(&self.args[arg], self.scope)
    }

    /// Applies `of` to the samples for which it has a value.
    fn map(&self, of: impl Fn(&Value) -> Option<f64>) -> Fallible<Vec<Sample>> {
        let mut vector = self.vector(0)?;
        vector.retain_mut(|sample| match of(&sample.value) {
            Some(value) => {
                sample.value = Value::Float(value);
                self.evaluator.drop_name(sample);
                true
            }
            None => false,
        });
        Ok(vector)
    }

    /// Times of samples; only a selector's samples have another one than the step.
    fn times(&self, of: impl Fn(&Sample) -> i64) -> Fallible<Vec<Sample>> {
        let arg = self.args[0].unparen();
        let mut vector = match &arg.kind {
            ExprKind::Vector(selector) if selector.extension.is_none() => {
                select::instant(self.evaluator, selector, arg.span, self.scope)?
            }
            _ => self.vector(0)?,
        };
        for sample in &mut vector {
            sample.value = Value::Float(seconds(of(sample)));
            sample.timestamp_ms = self.scope.at_ms;
            self.evaluator.drop_name(sample);
        }
        Ok(vector)
    }

    fn clamp(&self, low: f64, high: f64) -> Fallible<Vec<Sample>> {
        if high < low {
            return Ok(Vec::new());
        }
        self.map(|value| value.float().map(|float| greatest(low, least(high, float))))
    }

    fn round(&self) -> Fallible<Vec<Sample>> {
        let nearest = if self.args.len() > 1 { self.scalar(1)? } else { 1.0 };
        let inverse = 1.0 / nearest;
        self.map(|value| value.float().map(|float| (float * inverse + 0.5).floor() / inverse))
    }

    fn calendar(&self, part: fn(&dates::Date) -> f64) -> Fallible<Vec<Sample>> {
        if self.args.is_empty() {
            let now = part(&dates::Date::of(self.scope.at_ms / 1000));
            return Ok(vec![Sample::scalar(now, self.scope.at_ms)]);
        }
        self.map(|value| value.float().map(|float| part(&dates::Date::of(dates::whole(float)))))
    }
}

/// The labels that a selector demands exactly: those of what is absent.
pub(super) fn exact_labels(expr: &Expr) -> Labels {
    let matchers = match &expr.unparen().kind {
        ExprKind::Vector(selector) | ExprKind::Matrix { selector, .. } => &selector.matchers,
        _ => return Labels::empty(),
    };
    let mut exact: Vec<(&str, &str)> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name() != "__name__") {
        let name = matcher.name();
        if matcher.op() == MatchOp::Equal && !seen.contains(&name) {
            exact.push((name, matcher.value()));
            seen.push(name);
        } else {
            exact.retain(|(found, _)| *found != name);
        }
    }
    Labels::from_pairs(exact)
}
