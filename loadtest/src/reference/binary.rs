//! Binary operators between vectors and scalars: matching, filling, set operators.

use std::collections::{HashMap, HashSet};

use model::Labels;
use promql::ast::{Binary, BinaryOp, Cardinality, Matching, Span, ValueType};

use super::element::{self, Remark, changes_metric};
use super::eval::{Evaluator, Fallible, Reading, Scope, relabel};
use super::vector::{Sample, is_metadata};
use crate::promqltest::engine::Value;

/// Evaluates an operator of which at least one side is a vector.
pub(super) fn evaluate(
    evaluator: &Evaluator<'_>,
    binary: &Binary,
    span: Span,
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    let Binary { op, left, right, is_bool, .. } = binary;
    // What is trimmed must have its buckets.
    let scope = match op {
        BinaryOp::TrimUpper | BinaryOp::TrimLower => {
            Scope { reading: Reading::AlwaysWhole, ..scope }
        }
        _ => scope,
    };
    let is_scalar = |side: ValueType| side == ValueType::Scalar;
    let operation = Operation { evaluator, binary, op: *op, is_bool: *is_bool, span };
    if is_scalar(left.value_type()) {
        let scalar = evaluator.scalar(left, scope)?;
        let vector = evaluator.vector(right, scope)?;
        return Ok(operation.with_scalar(vector, scalar, Side::Left));
    }
    let vector = evaluator.vector(left, scope)?;
    if is_scalar(right.value_type()) {
        let scalar = evaluator.scalar(right, scope)?;
        return Ok(operation.with_scalar(vector, scalar, Side::Right));
    }
    let others = evaluator.vector(right, scope)?;
    match op {
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => Ok(operation.set(vector, others)),
        _ => operation.matched(vector, others),
    }
}

/// Where a scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

struct Operation<'a> {
    evaluator: &'a Evaluator<'a>,
    binary: &'a Binary,
    op: BinaryOp,
    is_bool: bool,
    span: Span,
}

/// What becomes of the vectors while their samples are matched.
#[derive(Default)]
struct Matched {
    result: Vec<Sample>,
    /// The results' labels of each group that had a match.
    groups: HashMap<Labels, HashSet<Labels>>,
    /// The last remark is the one that is noted.
    remark: Option<Remark>,
}

// === impl Operation ===

impl Operation<'_> {
    fn with_scalar(&self, vector: Vec<Sample>, scalar: f64, side: Side) -> Vec<Sample> {
        let (mut result, mut remark) = (Vec::new(), None);
        let scalar = Value::Float(scalar);
        for mut sample in vector {
            let (left, right) = match side {
                Side::Left => (&scalar, &sample.value),
                Side::Right => (&sample.value, &scalar),
            };
            let computed = match element::compute(self.op, left, right) {
                Ok(computed) => computed,
                Err(incompatible) => {
                    remark = Some(incompatible);
                    continue;
                }
            };
            // A comparison keeps the vector's value, on whichever side the vector stands.
            let kept = if self.op.is_comparison() { sample.value.clone() } else { computed.value };
            sample.value = if self.is_bool { truth(computed.is_kept) } else { kept };
            if computed.is_kept || self.is_bool {
                if changes_metric(self.op) || self.is_bool {
                    self.evaluator.drop_name(&mut sample);
                }
                result.push(sample);
            }
        }
        self.note(remark);
        result
    }

    fn set(&self, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
        let groups = |vector: &[Sample]| -> HashSet<Labels> {
            vector.iter().map(|sample| self.group(&sample.labels)).collect()
        };
        let is_in = |sample: &Sample, groups: &HashSet<Labels>| {
            groups.contains(&self.group(&sample.labels))
        };
        let (in_left, in_right) = (groups(&left), groups(&right));
        match self.op {
            BinaryOp::And => left.into_iter().filter(|it| is_in(it, &in_right)).collect(),
            BinaryOp::Unless => left.into_iter().filter(|it| !is_in(it, &in_right)).collect(),
            _ => {
                let others = right.into_iter().filter(|it| !is_in(it, &in_left));
                left.into_iter().chain(others).collect()
            }
        }
    }

    /// Matches many samples of one side with at most one of the other.
    fn matched(&self, left: Vec<Sample>, right: Vec<Sample>) -> Fallible<Vec<Sample>> {
        let matching = self.matching();
        let has_no_fill = matching.fill_left.is_none() && matching.fill_right.is_none();
        if (left.is_empty() || right.is_empty()) && has_no_fill {
            return Ok(Vec::new());
        }
        let is_swapped = matching.cardinality == Cardinality::OneToMany;
        let (many, ones) = if is_swapped { (right, left) } else { (left, right) };
        // Prometheus does not swap the fillings with the sides.
        let (fill_many, fill_one) = (matching.fill_left, matching.fill_right);
        let partners = self.partners(&ones)?;
        let mut matched = Matched::default();
        for sample in &many {
            let group = self.group(&sample.labels);
            match (partners.get(&group), fill_one) {
                (Some(one), _) => self.pair(sample, one, group, &mut matched)?,
                (None, Some(fill)) => {
                    let one = self.filled(&sample.labels, fill);
                    self.pair(sample, &one, group, &mut matched)?;
                }
                (None, None) => {}
            }
        }
        if let Some(fill) = fill_many {
            for one in &ones {
                let group = self.group(&one.labels);
                if !matched.groups.contains_key(&group) {
                    self.pair(&self.filled(&one.labels, fill), one, group, &mut matched)?;
                }
            }
        }
        self.note(matched.remark);
        Ok(matched.result)
    }

    /// The samples of the one side by group.
    fn partners<'a>(&self, ones: &'a [Sample]) -> Fallible<HashMap<Labels, &'a Sample>> {
        let mut partners: HashMap<Labels, &Sample> = HashMap::new();
        for one in ones {
            let Some(other) = partners.insert(self.group(&one.labels), one) else { continue };
            let is_left = self.matching().cardinality == Cardinality::OneToMany;
            let side = if is_left { "left" } else { "right" };
            return Err(format!(
                "found duplicate series for the match group {} on the {side} hand-side of the \
                 operation: [{}, {}];many-to-many matching not allowed: matching labels must be \
                 unique on one side",
                self.group(&one.labels),
                one.labels,
                other.labels,
            ));
        }
        Ok(partners)
    }

    fn pair(
        &self,
        many: &Sample,
        one: &Sample,
        group: Labels,
        matched: &mut Matched,
    ) -> Fallible<()> {
        let is_swapped = self.matching().cardinality == Cardinality::OneToMany;
        let (left, right) = if is_swapped { (one, many) } else { (many, one) };
        let computed = match element::compute(self.op, &left.value, &right.value) {
            Ok(computed) => computed,
            Err(incompatible) => {
                matched.remark = Some(incompatible);
                return Ok(());
            }
        };
        if computed.remark.is_some() {
            matched.remark = computed.remark;
        }
        let value = if self.is_bool { truth(computed.is_kept) } else { computed.value };
        let mut sample = Sample::new(self.result_labels(many, one), value, many.timestamp_ms);
        if self.is_bool {
            self.evaluator.drop_name(&mut sample);
        }
        let is_one_to_one = self.matching().cardinality == Cardinality::OneToOne;
        let is_first = !matched.groups.contains_key(&group);
        let is_new = matched.groups.entry(group).or_default().insert(sample.labels.clone());
        if is_one_to_one && !is_first {
            return Err("multiple matches for labels: many-to-one matching must be explicit \
                        (group_left/group_right)"
                .to_owned());
        }
        if !is_new {
            return Err("multiple matches for labels: grouping labels must ensure unique matches"
                .to_owned());
        }
        if computed.is_kept || self.is_bool {
            matched.result.push(sample);
        }
        Ok(())
    }

    /// The labels of a result: the many side's, with those that are copied from the one side.
    fn result_labels(&self, many: &Sample, one: &Sample) -> Labels {
        let matching = self.matching();
        let kept = many.labels.retain(|name| {
            let is_named = matching.labels.iter().any(|label| label == name);
            let stays = matching.cardinality != Cardinality::OneToOne || is_named == matching.is_on;
            stays && !(changes_metric(self.op) && is_metadata(name))
        });
        relabel(&kept, |labels| {
            for name in &matching.include {
                labels.set(name, one.labels.get(name).unwrap_or_default());
            }
        })
    }

    /// A sample that stands in for the missing partner of one with `labels`.
    fn filled(&self, labels: &Labels, fill: f64) -> Sample {
        Sample::new(self.group(labels), Value::Float(fill), 0)
    }

    /// What must be equal for two samples to match.
    fn group(&self, labels: &Labels) -> Labels {
        let Matching { is_on, labels: names, .. } = self.matching();
        let is_named = |name: &str| names.iter().any(|label| label == name);
        labels.retain(
            |name| if *is_on { is_named(name) } else { !is_named(name) && name != "__name__" },
        )
    }

    const fn matching(&self) -> &Matching {
        &self.binary.matching
    }

    fn note(&self, remark: Option<Remark>) {
        match remark {
            Some(remark) if remark.is_warning => self.evaluator.warn(self.span, remark.text),
            Some(remark) => self.evaluator.inform(self.span, remark.text),
            None => {}
        }
    }
}

const fn truth(is_true: bool) -> Value {
    Value::Float(if is_true { 1.0 } else { 0.0 })
}
