//! Types and other rules of meaning, checked on a tree that is sound in syntax
//! (`promql/parser/parse.go: checkAST`, whose texts and order of complaints are kept).

use model::Matcher;
use model::labels::METRIC_NAME;

use crate::ast::{
    Aggregate, AggregateOp, Binary, Cardinality, Expr, ExprKind, Span, ValueType, VectorSelector,
};
use crate::functions::{Function, Variadic};
use crate::lex::quote::quote;
use crate::position::ErrorLog;

/// Whether no matcher refuses the empty value, so that a series could be selected without having
/// any of the labels. Prometheus refuses such selectors: they are mostly typing errors.
#[must_use]
pub fn selects_all(matchers: &[Matcher]) -> bool {
    matchers.iter().all(Matcher::matches_empty)
}

/// Adds all that is wrong in `expr` to `log`.
pub(crate) fn check(expr: &Expr, log: &mut ErrorLog<'_>) {
    Checker { log }.expr(expr);
}

struct Checker<'a, 'text> {
    log: &'a mut ErrorLog<'text>,
}

// === impl Checker ===

impl Checker<'_, '_> {
    /// Checks an expression; returns its type.
    fn expr(&mut self, expr: &Expr) -> ValueType {
        match &expr.kind {
            ExprKind::Number { .. } => ValueType::Scalar,
            ExprKind::String(_) | ExprKind::Bytes(_) => ValueType::String,
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Unary { inner, .. } => self.unary(expr.span, inner),
            ExprKind::Binary(binary) => self.binary(expr.span, binary),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate),
            ExprKind::Call { function, args } => self.call(expr.span, function, args),
            ExprKind::Vector(selector) => {
                self.selector(expr.span, selector);
                ValueType::Vector
            }
            ExprKind::Matrix { selector, selector_span, .. } => {
                self.selector(*selector_span, selector);
                ValueType::Matrix
            }
            ExprKind::Subquery(subquery) => {
                let got = match self.expr(&subquery.inner) {
                    ValueType::Vector => return ValueType::Matrix,
                    ValueType::Scalar => "scalar",
                    ValueType::String => "string",
                    ValueType::Matrix => "matrix",
                };
                self.log.add(
                    expr.span,
                    format!("subquery is only allowed on instant vector, got {got} instead"),
                );
                ValueType::Matrix
            }
        }
    }

    fn expect(&mut self, expr: &Expr, wanted: ValueType, context: &str) {
        let got = self.expr(expr);
        if got != wanted {
            self.log.add(expr.span, format!("expected type {wanted} in {context}, got {got}"));
        }
    }

    fn unary(&mut self, span: Span, inner: &Expr) -> ValueType {
        let got = self.expr(inner);
        if !is_number_like(got) {
            self.log.add(
                span,
                format!(
                    "unary expression only allowed on expressions of type scalar or instant \
                     vector, got \"{got}\""
                ),
            );
        }
        got
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> ValueType {
        self.expect(&aggregate.inner, ValueType::Vector, "aggregation expression");
        if let Some(param) = &aggregate.param {
            let wanted = match aggregate.op {
                AggregateOp::CountValues => ValueType::String,
                _ => ValueType::Scalar,
            };
            self.expect(param, wanted, "aggregation parameter");
        }
        ValueType::Vector
    }

    fn binary(&mut self, span: Span, binary: &Binary) -> ValueType {
        let left = self.expr(&binary.left);
        let right = self.expr(&binary.right);
        let are_scalars = (left, right) == (ValueType::Scalar, ValueType::Scalar);
        if binary.is_bool && !binary.op.is_comparison() {
            let blamed = self.between_operands(binary);
            self.log.add(blamed, "bool modifier can only be used on comparison operators");
        }
        if binary.op.is_comparison() && !binary.is_bool && are_scalars {
            let blamed = self.between_operands(binary);
            self.log.add(blamed, "comparisons between scalars must use BOOL modifier");
        }
        self.labels_on_both_sides(binary);
        for (operand, got) in [(&binary.left, left), (&binary.right, right)] {
            if !is_number_like(got) {
                self.log.add(
                    operand.span,
                    "binary expression must contain only scalar and instant vector types",
                );
            }
        }
        if (left, right) == (ValueType::Vector, ValueType::Vector) {
            self.set_operator(span, binary);
        } else {
            self.not_between_vectors(span, binary);
        }
        if binary.op.is_set() && (left == ValueType::Scalar || right == ValueType::Scalar) {
            let op = binary.op.as_str();
            self.log.add(
                span,
                format!("set operator \"{op}\" not allowed in binary scalar expression"),
            );
        }
        if are_scalars { ValueType::Scalar } else { ValueType::Vector }
    }

    /// The operator with its modifiers.
    fn between_operands(&self, binary: &Binary) -> Span {
        let start = binary.op_span.start;
        let between = &self.log.text()[start as usize..binary.right.span.start as usize];
        let blanks = between.len() - between.trim_end().len();
        let end = binary.right.span.start - u32::try_from(blanks).unwrap_or(0);
        Span::new(start, end)
    }

    fn labels_on_both_sides(&mut self, binary: &Binary) {
        let matching = &binary.matching;
        if !matching.is_on {
            return;
        }
        for label in matching.labels.iter().filter(|label| matching.include.contains(label)) {
            let (label, blamed) = (quote(label), self.between_operands(binary));
            self.log.add(
                blamed,
                format!("label {label} must not occur in ON and GROUP clause at once"),
            );
        }
    }

    fn set_operator(&mut self, span: Span, binary: &Binary) {
        if !binary.op.is_set() {
            return;
        }
        let op = binary.op.as_str();
        if binary.matching.cardinality != Cardinality::ManyToMany {
            self.log.add(span, format!("no grouping allowed for \"{op}\" operation"));
            self.log.add(span, "set operations must always be many-to-many");
        }
        if has_fill(binary) {
            self.log.add(span, "filling in missing series not allowed for set operators");
        }
    }

    fn not_between_vectors(&mut self, span: Span, binary: &Binary) {
        if !binary.matching.labels.is_empty() {
            self.log.add(span, "vector matching only allowed between instant vectors");
        }
        if has_fill(binary) {
            self.log.add(span, "filling in missing series only allowed between instant vectors");
        }
    }

    fn call(&mut self, span: Span, function: &Function, args: &[Expr]) -> ValueType {
        self.count_args(span, function, args.len());
        let is_info = function.name == "info";
        if is_info && let Some(arg) = args.get(1) {
            self.info_selector(span, arg);
        }
        for (i, arg) in args.iter().enumerate() {
            let wanted = match (function.args.get(i), function.variadic) {
                (Some(wanted), _) => *wanted,
                // Prometheus checks no argument that it does not expect.
                (None, Variadic::No) => break,
                (None, _) => match function.args.last() {
                    Some(wanted) => *wanted,
                    None => break,
                },
            };
            let got = match &arg.kind {
                // The data matchers of `info` may all match the empty value.
                ExprKind::Vector(selector) if is_info && i == 1 && selector.name.is_empty() => {
                    ValueType::Vector
                }
                _ => self.expr(arg),
            };
            if got != wanted {
                let name = quote(function.name);
                self.log.add(
                    arg.span,
                    format!("expected type {wanted} in call to function {name}, got {got}"),
                );
            }
        }
        function.returns
    }

    fn count_args(&mut self, span: Span, function: &Function, got: usize) {
        let name = quote(function.name);
        let declared = function.args.len();
        let complaint = match function.variadic {
            Variadic::No if got != declared => ("", declared),
            Variadic::UpTo(_) | Variadic::Unbounded if got + 1 < declared => {
                ("at least ", declared - 1)
            }
            Variadic::UpTo(more) if declared - 1 + more < got => ("at most ", declared - 1 + more),
            _ => return,
        };
        let (bound, expected) = complaint;
        self.log.add(
            span,
            format!("expected {bound}{expected} argument(s) in call to {name}, got {got}"),
        );
    }

    /// The second argument of `info` must be matchers alone.
    fn info_selector(&mut self, span: Span, arg: &Expr) {
        let got = arg.value_type();
        if got != ValueType::Vector {
            let wanted = ValueType::Vector;
            self.log.add(
                span,
                format!("expected type {wanted} in call to function \"info\", got {got}"),
            );
        }
        let complaint = match &arg.kind {
            ExprKind::Vector(selector) if selector.name.is_empty() => return,
            ExprKind::Vector(_) => "expected label selectors only, got vector selector instead",
            _ => "expected label selectors only",
        };
        self.log.add(arg.span, complaint);
    }

    fn selector(&mut self, span: Span, selector: &VectorSelector) {
        if selector.name.is_empty() {
            if selects_all(&selector.matchers) {
                self.log.add(span, "vector selector must contain at least one non-empty matcher");
            }
            return;
        }
        // The last matcher is the one that the name before the braces stands for.
        let others = selector.matchers.split_last().map_or(&[][..], |(_, others)| others);
        for matcher in others.iter().filter(|matcher| matcher.name() == METRIC_NAME) {
            let (name, other) = (quote(&selector.name), quote(matcher.value()));
            self.log.add(span, format!("metric name must not be set twice: {name} or {other}"));
        }
    }
}

const fn is_number_like(value_type: ValueType) -> bool {
    matches!(value_type, ValueType::Scalar | ValueType::Vector)
}

const fn has_fill(binary: &Binary) -> bool {
    binary.matching.fill_left.is_some() || binary.matching.fill_right.is_some()
}

#[cfg(test)]
mod tests;
