//! Aggregations of which each group has one result.

use promql::ast::{Aggregate, AggregateOp, Span};

use super::aggregate::Group;
use super::eval::{Evaluator, Fallible, Scope};
use super::kahan::{Kahan, Mean};
use super::notes::{conflicting_resets, mixed_schemas, reconciled};
use super::over_time::{Averaged, HistogramTotal};
use super::quantile::of_floats;
use super::vector::Sample;
use crate::promqltest::engine::Value;

/// Aggregates each group; one may have no result.
pub(super) fn evaluate(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    param: f64,
    groups: Vec<Group>,
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    let mut result = Vec::new();
    for group in groups {
        let folding = Folding { evaluator, op: aggregate.op, param, span: aggregate.inner.span };
        if let Some(value) = folding.fold(&group.samples) {
            let mut sample = Sample::new(group.labels, value, scope.at_ms);
            if group.samples.iter().any(|sample| sample.drops_name) {
                evaluator.drop_name(&mut sample);
            }
            result.push(sample);
        }
    }
    Ok(result)
}

struct Folding<'a> {
    evaluator: &'a Evaluator<'a>,
    op: AggregateOp,
    param: f64,
    span: Span,
}

// === impl Folding ===

impl Folding<'_> {
    fn fold(&self, samples: &[Sample]) -> Option<Value> {
        #[expect(clippy::cast_precision_loss, reason = "vectors are short")]
        match self.op {
            AggregateOp::Count => return Some(Value::Float(samples.len() as f64)),
            AggregateOp::Group => return Some(Value::Float(1.0)),
            AggregateOp::Sum | AggregateOp::Avg => return self.total(samples),
            _ => {}
        }
        let floats: Vec<f64> = samples.iter().filter_map(|sample| sample.value.float()).collect();
        if floats.len() < samples.len() {
            let text = format!("ignored histogram in {} aggregation", self.op.as_str());
            self.evaluator.inform(self.span, text);
        }
        let first = *floats.first()?;
        let value = match self.op {
            AggregateOp::Min => floats.iter().fold(first, |least, &float| {
                if least > float || least.is_nan() { float } else { least }
            }),
            AggregateOp::Max => floats.iter().fold(first, |greatest, &float| {
                if greatest < float || greatest.is_nan() { float } else { greatest }
            }),
            AggregateOp::Stdvar => variance(&floats),
            AggregateOp::Stddev => variance(&floats).sqrt(),
            AggregateOp::Quantile => of_floats(self.param, floats),
            _ => f64::NAN,
        };
        Some(Value::Float(value))
    }

    /// Sums and averages, of floats or of histograms.
    fn total(&self, samples: &[Sample]) -> Option<Value> {
        let n_floats = samples.iter().filter(|sample| sample.value.float().is_some()).count();
        if n_floats == 0 {
            return self.total_of_histograms(samples);
        }
        if n_floats < samples.len() {
            let text = "encountered a mix of histograms and floats for aggregation".to_owned();
            self.evaluator.warn(self.span, text);
            return None;
        }
        let mut floats = samples.iter().filter_map(|sample| sample.value.float());
        let first = floats.next()?;
        let value = if self.op == AggregateOp::Avg {
            let mut mean = Mean::new(first);
            floats.for_each(|float| mean.add(float));
            mean.value()
        } else {
            floats.fold(Kahan::new(first), Kahan::plus).value()
        };
        Some(Value::Float(value))
    }

    fn total_of_histograms(&self, samples: &[Sample]) -> Option<Value> {
        let mut total: Option<HistogramTotal> = None;
        for sample in samples {
            let histogram = sample.value.histogram()?;
            match &mut total {
                None => total = Some(HistogramTotal::new(histogram, Averaged::of(self.op))),
                Some(total) => {
                    if total.add(histogram).is_err() {
                        self.evaluator.warn(self.span, mixed_schemas(sample.name()));
                        self.note(total);
                        return None;
                    }
                }
            }
        }
        let total = total?;
        self.note(&total);
        let mut histogram = total.value()?;
        histogram.compact();
        Some(histogram.into())
    }

    fn note(&self, total: &HistogramTotal) {
        if total.bounds_reconciled {
            self.evaluator.inform(self.span, reconciled("aggregation"));
        }
        if total.has_conflicting_resets() {
            self.evaluator.warn(self.span, conflicting_resets("aggregation"));
        }
    }
}

/// Welford's variance; infinite first values have none.
fn variance(floats: &[f64]) -> f64 {
    let (mut mean, mut total, mut count) = (0.0, 0.0, 0.0);
    for (i, &float) in floats.iter().enumerate() {
        count += 1.0;
        if i == 0 {
            mean = float;
            total = if float.is_finite() { 0.0 } else { f64::NAN };
            continue;
        }
        let delta = float - mean;
        mean += delta / count;
        total += delta * (float - mean);
    }
    total / count
}
