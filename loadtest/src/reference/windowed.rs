//! Functions of range vectors: one window of one series at a time.

use promql::ast::{Expr, RangeExtension, Span, ValueType};

use super::call::exact_labels;
use super::eval::{Evaluator, Fallible, Scope};
use super::vector::{Sample, Window};
use super::{changes, extended, over_time, rate};
use crate::promqltest::engine::Value;

/// A function applied to a window.
pub(super) struct Applied<'a> {
    pub(super) evaluator: &'a Evaluator<'a>,
    pub(super) window: &'a Window,
    /// The scalar arguments in their order.
    pub(super) scalars: &'a [f64],
    /// Where the first argument stands.
    pub(super) first_span: Span,
    pub(super) scope: Scope,
}

/// Functions that can handle samples before the window.
const ANCHORED: &[&str] = &["changes", "delta", "increase", "rate", "resets"];

/// Functions that can handle samples on both sides of the window.
const SMOOTHED: &[&str] = &["delta", "increase", "rate"];

/// Evaluates a function with a range vector argument.
pub(super) fn evaluate(
    evaluator: &Evaluator<'_>,
    name: &str,
    args: &[Expr],
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    let (mut windows, mut scalars) = (Vec::new(), Vec::new());
    for arg in args {
        match arg.value_type() {
            ValueType::Matrix => {
                check_extension(name, arg)?;
                windows = evaluator.windows(arg, scope)?;
            }
            _ => scalars.push(evaluator.scalar(arg, scope)?),
        }
    }
    let matrix = args.iter().find(|arg| arg.value_type() == ValueType::Matrix);
    if name == "absent_over_time" {
        let absent = matrix.filter(|_| windows.is_empty()).map(exact_labels);
        let one = |labels| Sample::new(labels, Value::Float(1.0), scope.at_ms);
        return Ok(absent.into_iter().map(one).collect());
    }
    let mut vector = Vec::new();
    for window in &windows {
        let first_span = args.first().map_or_else(Span::default, |arg| arg.unparen().span);
        let applied = Applied { evaluator, window, scalars: &scalars, first_span, scope };
        let Some(value) = applied.value(name)? else { continue };
        let mut sample = Sample::new(window.labels.clone(), value, scope.at_ms);
        if !matches!(name, "first_over_time" | "last_over_time") {
            evaluator.drop_name(&mut sample);
        }
        vector.push(sample);
    }
    evaluator.distinct(vector, scope)
}

fn check_extension(name: &str, arg: &Expr) -> Fallible<()> {
    let promql::ast::ExprKind::Matrix { selector, .. } = &arg.unparen().kind else { return Ok(()) };
    let (word, allowed) = match selector.extension {
        None => return Ok(()),
        Some(RangeExtension::Anchored) => ("anchored", ANCHORED),
        Some(RangeExtension::Smoothed) => ("smoothed", SMOOTHED),
    };
    if allowed.contains(&name) {
        return Ok(());
    }
    let allowed = allowed.join(", ");
    Err(format!("{word} modifier can only be used with: {allowed} - not with {name}"))
}

// === impl Applied ===

impl Applied<'_> {
    fn value(&self, name: &str) -> Fallible<Option<Value>> {
        Ok(match name {
            "rate" => self.counter_rate(true),
            "increase" => self.counter_rate(false),
            "delta" => rate::extrapolated(self, rate::Kind::Delta),
            "irate" => rate::instant(self, true),
            "idelta" => rate::instant(self, false),
            "resets" => changes::resets(self).map(Value::Float),
            "changes" => changes::changes(self).map(Value::Float),
            _ => over_time::evaluate(self, name)?,
        })
    }

    /// A rate of a metric whose name is none of a counter's is remarked upon.
    fn counter_rate(&self, is_per_second: bool) -> Option<Value> {
        let kind = if is_per_second { rate::Kind::Rate } else { rate::Kind::Increase };
        let value = rate::extrapolated(self, kind);
        let name = self.window.name();
        let is_counter =
            ["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| name.ends_with(suffix));
        if matches!(value, Some(Value::Float(_))) && !name.is_empty() && !is_counter {
            let text = format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \
                 {name:?}"
            );
            self.evaluator.inform(self.first_span, text);
        }
        value
    }

    pub(super) fn warn(&self, text: String) {
        self.evaluator.warn(self.first_span, text);
    }

    pub(super) fn inform(&self, text: String) {
        self.evaluator.inform(self.first_span, text);
    }

    /// Whether the window is widened to one or both sides.
    pub(super) fn is_extended(&self) -> bool {
        extended::is_extended(self.window)
    }
}
