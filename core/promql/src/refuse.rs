//! What the language has and the engine cannot execute yet. It is refused at its place, never
//! approximated in silence; each capability that is built shortens this file.

use crate::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Cardinality, DurationExpr, DurationKind, Expr,
    ExprKind, RangeExtension, Span, VectorSelector,
};
use crate::functions::Function;
use crate::position::{ErrorLog, ParseErrors};

/// Refuses what cannot be executed yet in `expr`, which was parsed from `text`.
///
/// # Errors
/// `1:5: parse error: <thing> is not supported yet`, one for each thing.
pub fn refuse(text: &str, expr: &Expr) -> Result<(), ParseErrors> {
    let mut log = ErrorLog::new(text);
    let mut refuser = Refuser { log: &mut log };
    match &expr.unparen().kind {
        // Samples and texts can be shown, but not worked with.
        ExprKind::String(_) => {}
        ExprKind::Matrix { selector, range, .. } => refuser.matrix(expr.span, selector, range),
        _ => refuser.expr(expr),
    }
    log.into_result()
}

struct Refuser<'a, 'text> {
    log: &'a mut ErrorLog<'text>,
}

// === impl Refuser ===

impl Refuser<'_, '_> {
    fn unsupported(&mut self, span: Span, what: impl std::fmt::Display) {
        self.log.add(span, format!("{what} is not supported yet"));
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Number { .. } => {}
            ExprKind::String(_) | ExprKind::Bytes(_) => {
                self.unsupported(expr.span, "a string here");
            }
            ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => self.expr(inner),
            ExprKind::Binary(binary) => self.binary(binary),
            ExprKind::Aggregate(aggregate) => self.aggregate(expr.span, aggregate),
            ExprKind::Call { function, args } => self.call(expr.span, function, args),
            ExprKind::Vector(selector) => self.selector(expr.span, selector),
            ExprKind::Matrix { .. } => self.unsupported(expr.span, "a range vector here"),
            ExprKind::Subquery(_) => self.unsupported(expr.span, "a subquery"),
        }
    }

    fn binary(&mut self, binary: &Binary) {
        let matching = &binary.matching;
        if binary.op.is_set() || matches!(binary.op, BinaryOp::TrimUpper | BinaryOp::TrimLower) {
            self.unsupported(binary.op_span, format_args!("operator {}", binary.op.as_str()));
        }
        match matching.cardinality {
            Cardinality::ManyToOne => self.unsupported(binary.op_span, "group_left"),
            Cardinality::OneToMany => self.unsupported(binary.op_span, "group_right"),
            Cardinality::OneToOne | Cardinality::ManyToMany => {}
        }
        if matching.fill_left.is_some() || matching.fill_right.is_some() {
            self.unsupported(binary.op_span, "fill");
        }
        self.expr(&binary.left);
        self.expr(&binary.right);
    }

    fn aggregate(&mut self, span: Span, aggregate: &Aggregate) {
        let is_supported = matches!(
            aggregate.op,
            AggregateOp::Sum
                | AggregateOp::Avg
                | AggregateOp::Count
                | AggregateOp::Min
                | AggregateOp::Max
                | AggregateOp::Group
                | AggregateOp::Stddev
                | AggregateOp::Stdvar
        );
        if !is_supported {
            self.unsupported(span, format_args!("{}()", aggregate.op.as_str()));
        }
        self.expr(&aggregate.inner);
    }

    fn call(&mut self, span: Span, function: &Function, args: &[Expr]) {
        match (function.name, args) {
            ("time", []) => {}
            ("vector", [value]) => self.expr(value),
            ("histogram_quantile", [quantile, buckets]) => {
                self.expr(quantile);
                self.expr(buckets);
            }
            ("quantile_over_time", [quantile, window]) => {
                if constant(quantile).is_none() {
                    self.unsupported(quantile.span, "a quantile that is not a number");
                }
                self.window(window);
            }
            (name, [window]) if is_range_function(name) => self.window(window),
            (name, _) => self.unsupported(span, format_args!("{name}()")),
        }
    }

    /// The argument of a range function.
    fn window(&mut self, expr: &Expr) {
        match &expr.unparen().kind {
            ExprKind::Matrix { selector, range, .. } => self.matrix(expr.span, selector, range),
            _ => self.expr(expr),
        }
    }

    fn matrix(&mut self, span: Span, selector: &VectorSelector, range: &DurationExpr) {
        self.selector(span, selector);
        self.duration(range);
    }

    fn selector(&mut self, span: Span, selector: &VectorSelector) {
        if let Some(at) = selector.at {
            let what = match at {
                At::Timestamp(_) => "@",
                At::Start => "@ start()",
                At::End => "@ end()",
            };
            self.unsupported(span, what);
        }
        match selector.extension {
            Some(RangeExtension::Anchored) => self.unsupported(span, "anchored"),
            Some(RangeExtension::Smoothed) => self.unsupported(span, "smoothed"),
            None => {}
        }
        if let Some(offset) = &selector.offset {
            self.duration(offset);
        }
    }

    fn duration(&mut self, duration: &DurationExpr) {
        if !matches!(duration.kind, DurationKind::Literal(_)) {
            self.unsupported(duration.span, "a computed duration");
        }
    }
}

/// The value of a number, maybe signed and in parentheses.
#[must_use]
pub fn constant(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Number { value, .. } => Some(*value),
        ExprKind::Paren(inner) => constant(inner),
        ExprKind::Unary { is_negative, inner } => {
            constant(inner).map(|value| if *is_negative { -value } else { value })
        }
        _ => None,
    }
}

fn is_range_function(name: &str) -> bool {
    matches!(
        name,
        "rate"
            | "irate"
            | "increase"
            | "delta"
            | "idelta"
            | "changes"
            | "resets"
            | "deriv"
            | "sum_over_time"
            | "avg_over_time"
            | "count_over_time"
            | "min_over_time"
            | "max_over_time"
            | "last_over_time"
            | "first_over_time"
            | "present_over_time"
            | "stddev_over_time"
            | "stdvar_over_time"
    )
}

#[cfg(test)]
mod tests;
