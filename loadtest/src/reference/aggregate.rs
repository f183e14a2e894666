//! Aggregations: which samples belong together, and what a parameter may be.

use model::Labels;
use promql::ast::{Aggregate, AggregateOp, Expr, Grouping, Span};

use super::eval::{Evaluator, Fallible, Scope, relabel};
use super::groups;
use super::labelling::text;
use super::notes::bad_quantile;
use super::number::{general, plain};
use super::rank;
use super::vector::Sample;
use crate::promqltest::engine::Value;

/// Evaluates an aggregation.
pub(super) fn evaluate(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    span: Span,
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    use AggregateOp::{Bottomk, CountValues, LimitRatio, Limitk, Quantile, Topk};
    let Aggregate { op, inner, param, grouping } = aggregate;
    if let (CountValues, Some(param)) = (op, param) {
        let counted = count_values(evaluator, inner, &text(param), grouping, scope)?;
        return evaluator.distinct(counted, scope);
    }
    let param = match param {
        Some(param) => Some(Parameter::new(evaluator, param, scope)?),
        None => None,
    };
    let vector = evaluator.vector(inner, scope)?;
    match (op, &param) {
        (Topk | Bottomk | Limitk, Some(param)) => {
            if !param.check_number()? {
                return Ok(Vec::new());
            }
            Ok(rank::first(evaluator, *op, param.now, group_by(vector, grouping), span))
        }
        (LimitRatio, Some(param)) => {
            if !param.check_ratio(evaluator)? {
                return Ok(Vec::new());
            }
            Ok(rank::ratio(param.now, group_by(vector, grouping)))
        }
        (Quantile, Some(param)) => {
            param.check_quantile(evaluator);
            groups::evaluate(evaluator, aggregate, param.now, group_by(vector, grouping), scope)
        }
        _ => groups::evaluate(evaluator, aggregate, 0.0, group_by(vector, grouping), scope),
    }
}

/// Samples that are aggregated into one, in their order.
pub(super) struct Group {
    pub(super) labels: Labels,
    pub(super) samples: Vec<Sample>,
}

/// The groups in the order of their first samples.
fn group_by(vector: Vec<Sample>, grouping: &Grouping) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for sample in vector {
        let labels = group_labels(&sample.labels, grouping);
        match groups.iter_mut().find(|group| group.labels == labels) {
            Some(group) => group.samples.push(sample),
            None => groups.push(Group { labels, samples: vec![sample] }),
        }
    }
    groups
}

fn group_labels(labels: &Labels, grouping: &Grouping) -> Labels {
    let is_named = |name: &str| grouping.labels.iter().any(|label| label == name);
    match grouping.is_without {
        true => labels.retain(|name| !is_named(name) && name != "__name__"),
        false => labels.retain(is_named),
    }
}

fn count_values(
    evaluator: &Evaluator<'_>,
    inner: &Expr,
    label: &str,
    grouping: &Grouping,
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    if label.is_empty() || label.contains(char::REPLACEMENT_CHARACTER) {
        return Err(format!("invalid label name {label:?}"));
    }
    let mut grouping = grouping.clone();
    if !grouping.is_without {
        grouping.labels.push(label.to_owned());
    }
    let mut vector = evaluator.vector(inner, scope)?;
    for sample in &mut vector {
        let value = match &sample.value {
            Value::Float(float) => plain(*float),
            Value::Histogram(histogram) => histogram.to_string(),
        };
        sample.labels = relabel(&sample.labels, |labels| {
            labels.set(label, &value);
        });
    }
    let count = |group: Group| {
        #[expect(clippy::cast_precision_loss, reason = "vectors are short")]
        let count = Value::Float(group.samples.len() as f64);
        Sample::new(group.labels, count, scope.at_ms)
    };
    Ok(group_by(vector, &grouping).into_iter().map(count).collect())
}

/// An aggregation's parameter at this step, and over all steps.
struct Parameter<'a> {
    expr: &'a Expr,
    now: f64,
    least: f64,
    greatest: f64,
    has_nan: bool,
}

// === impl Parameter ===

impl<'a> Parameter<'a> {
    fn new(evaluator: &Evaluator<'_>, expr: &'a Expr, scope: Scope) -> Fallible<Self> {
        let now = evaluator.scalar(expr, scope)?;
        let (mut least, mut greatest, mut has_nan) = (f64::MAX, f64::MIN, false);
        for at_ms in scope.grid.times() {
            let value = evaluator.scalar(expr, Scope { at_ms, ..scope })?;
            has_nan |= value.is_nan();
            (least, greatest) =
                (super::eval::least(least, value), super::eval::greatest(greatest, value));
        }
        Ok(Self { expr, now, least, greatest, has_nan })
    }

    /// Whether topk, bottomk or limitk can let anything through.
    fn check_number(&self) -> Fallible<bool> {
        if self.greatest < 1.0 {
            return Ok(false);
        }
        if self.has_nan {
            return Err("Parameter value is NaN".to_owned());
        }
        if self.least <= -9_223_372_036_854_775_808.0 {
            return Err(format!("Scalar value {} underflows int64", general(self.least)));
        }
        if self.greatest >= 9_223_372_036_854_774_784.0 {
            return Err(format!("Scalar value {} overflows int64", general(self.greatest)));
        }
        Ok(self.now >= 1.0)
    }

    /// Whether limit_ratio can let anything through.
    fn check_ratio(&self, evaluator: &Evaluator<'_>) -> Fallible<bool> {
        if self.greatest == 0.0 && self.least == 0.0 {
            return Ok(false);
        }
        if self.has_nan {
            return Err("Ratio value is NaN".to_owned());
        }
        for (ratio, bound) in [(self.greatest, 1.0), (self.least, -1.0)] {
            if ratio / bound > 1.0 {
                let (ratio, bound) = (general(ratio), general(bound));
                let text = format!(
                    "ratio value should be between -1 and 1, got {ratio}, capping to {bound}"
                );
                evaluator.warn(self.expr.span, text);
            }
        }
        Ok(self.now != 0.0)
    }

    fn check_quantile(&self, evaluator: &Evaluator<'_>) {
        let nan = self.has_nan.then_some(f64::NAN);
        let high = (self.greatest > 1.0).then_some(self.greatest);
        let low = (self.least < 0.0).then_some(self.least);
        for quantile in [nan, high, low].into_iter().flatten() {
            evaluator.warn(self.expr.span, bad_quantile(quantile));
        }
    }
}
