//! The syntax tree. Every node knows which bytes of the query it came from.

use std::fmt;

use model::{Matcher, TimestampMs};

/// Bytes `start..end` of the query text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// An expression with its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expression of Prometheus' grammar (`promql/parser/ast.go`).
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `42`, `0x1f`, `1h` (durations are numbers of seconds).
    Number {
        /// The value.
        value: f64,
        /// Whether it was written as a duration; only the printer cares.
        is_duration: bool,
    },
    /// `"text"`.
    String(String),
    /// `"\xff"`: a string that is not UTF-8. PromQL allows it; no label can have it.
    Bytes(Vec<u8>),
    /// `(inner)`.
    Paren(Box<Expr>),
    /// `-inner`, `+inner`.
    Unary {
        /// Whether the sign is a minus.
        is_negative: bool,
        /// The operand.
        inner: Box<Expr>,
    },
    /// `left op right`.
    Binary(Box<Binary>),
    /// `sum by (a) (inner)`.
    Aggregate(Box<Aggregate>),
    /// `rate(inner[5m])`.
    Call {
        /// The function; its signature is in the function table.
        function: &'static crate::functions::Function,
        /// Arguments in order.
        args: Vec<Expr>,
    },
    /// `name{label="value"}` with its modifiers.
    Vector(VectorSelector),
    /// `selector[range]`.
    Matrix {
        /// What is selected.
        selector: VectorSelector,
        /// Where the vector selector stands, without the brackets.
        selector_span: Span,
        /// The width of the window.
        range: DurationExpr,
    },
    /// `inner[range:step]`.
    Subquery(Box<Subquery>),
}

/// `left op right`.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Where the operator stands.
    pub op_span: Span,
    /// The left operand.
    pub left: Expr,
    /// The right operand.
    pub right: Expr,
    /// Whether a comparison returns 0 and 1 instead of filtering.
    pub is_bool: bool,
    /// How series find their partners.
    pub matching: Matching,
}

/// Operators in Prometheus' spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `atan2`
    Atan2,
    /// `==`
    Eql,
    /// `!=`
    Neq,
    /// `<`
    Lss,
    /// `<=`
    Lte,
    /// `>`
    Gtr,
    /// `>=`
    Gte,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
    /// `</` (histogram trim)
    TrimUpper,
    /// `>/` (histogram trim)
    TrimLower,
}

/// How many series of each side a match may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cardinality {
    /// One to one.
    #[default]
    OneToOne,
    /// `group_left`.
    ManyToOne,
    /// `group_right`.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// `on(…)`, `ignoring(…)`, `group_left(…)`, `fill(…)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matching {
    /// How many of each.
    pub cardinality: Cardinality,
    /// Whether `labels` are the ones that must agree (`on`), not the ones that may differ.
    pub is_on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Labels that `group_left` or `group_right` copies from the one side.
    pub include: Vec<String>,
    /// `fill` and `fill_left`: the value of a missing left partner.
    pub fill_left: Option<f64>,
    /// `fill` and `fill_right`: the value of a missing right partner.
    pub fill_right: Option<f64>,
}

/// `sum by (labels) (param, inner)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// The operand.
    pub inner: Expr,
    /// `topk`'s k, `quantile`'s φ, `count_values`' label.
    pub param: Option<Expr>,
    /// `by` and `without`.
    pub grouping: Grouping,
}

/// Aggregation operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are PromQL's own")]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

/// `by (labels)` or `without (labels)`; the default is `by ()`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Grouping {
    /// Whether the labels are the ones that go.
    pub is_without: bool,
    /// The labels, as written.
    pub labels: Vec<String>,
}

/// A vector selector and its modifiers.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSelector {
    /// The name before the braces; empty when there is none (then `__name__` may be a matcher).
    pub name: String,
    /// All matchers, the name's included.
    pub matchers: Vec<Matcher>,
    /// `offset`.
    pub offset: Option<DurationExpr>,
    /// `@`.
    pub at: Option<At>,
    /// `anchored`, `smoothed`.
    pub extension: Option<RangeExtension>,
}

/// `@ 1609746000`, `@ start()`, `@ end()`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum At {
    /// A fixed time.
    Timestamp(TimestampMs),
    /// The query's start.
    Start,
    /// The query's end.
    End,
}

/// How a range selector treats the samples around its edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeExtension {
    /// `anchored`
    Anchored,
    /// `smoothed`
    Smoothed,
}

/// `inner[range:step] offset … @ …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// The expression that is evaluated at each step.
    pub inner: Expr,
    /// The width of the window.
    pub range: DurationExpr,
    /// The step; `None` for the server's default.
    pub step: Option<DurationExpr>,
    /// `offset`.
    pub offset: Option<DurationExpr>,
    /// `@`.
    pub at: Option<At>,
}

/// A duration that may be computed: `5m`, `(2 * 1m)`, `step()`.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationExpr {
    /// What it is.
    pub kind: DurationKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of duration expression.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationKind {
    /// Known when parsed; milliseconds, negative only in an offset.
    Literal(i64),
    /// `step()`
    Step,
    /// `range()`
    Range,
    /// `(inner)`
    Paren(Box<DurationExpr>),
    /// `-inner`
    Negate(Box<DurationExpr>),
    /// `left op right`, `min_of(left, right)`.
    Compute {
        /// What is done.
        op: DurationOp,
        /// The left operand.
        left: Box<DurationExpr>,
        /// The right operand.
        right: Box<DurationExpr>,
    },
    /// A number inside a computed duration.
    Number {
        /// Seconds, or a plain factor: PromQL does not tell them apart.
        value: f64,
        /// Whether it was written as a duration; only the printer cares.
        is_duration: bool,
    },
}

/// What a computed duration does with two durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are PromQL's own")]
pub enum DurationOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    MinOf,
    MaxOf,
}

/// The type of an expression's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number a step.
    Scalar,
    /// A text.
    String,
    /// One number a series and step.
    Vector,
    /// The samples of a window of each series.
    Matrix,
}

// === impl Span ===

impl Span {
    /// Bytes `start..end`.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// From the start of `self` to the end of `other`.
    #[must_use]
    pub const fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

// === impl Expr ===

impl Expr {
    /// This expression without the parentheses around it.
    #[must_use]
    pub fn unparen(&self) -> &Self {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }

    /// The type of its value. The tree has passed the checks, so that every operator's result
    /// follows from its operands.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number { .. } => ValueType::Scalar,
            ExprKind::String(_) | ExprKind::Bytes(_) => ValueType::String,
            ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => inner.value_type(),
            ExprKind::Binary(binary) => {
                match (binary.left.value_type(), binary.right.value_type()) {
                    (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                    _ => ValueType::Vector,
                }
            }
            ExprKind::Aggregate(_) | ExprKind::Vector(_) => ValueType::Vector,
            ExprKind::Call { function, .. } => function.returns,
            ExprKind::Matrix { .. } | ExprKind::Subquery(_) => ValueType::Matrix,
        }
    }
}

// === impl BinaryOp ===

impl BinaryOp {
    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Eql => "==",
            Self::Neq => "!=",
            Self::Lss => "<",
            Self::Lte => "<=",
            Self::Gtr => ">",
            Self::Gte => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
        }
    }

    /// Whether it compares: such an operator filters, unless `bool` is given.
    #[must_use]
    pub const fn is_comparison(self) -> bool {
        matches!(self, Self::Eql | Self::Neq | Self::Lss | Self::Lte | Self::Gtr | Self::Gte)
    }

    /// Whether it works on sets of series, not on their values.
    #[must_use]
    pub const fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

// === impl AggregateOp ===

impl AggregateOp {
    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::CountValues => "count_values",
            Self::Quantile => "quantile",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// Whether it has a parameter before its operand.
    #[must_use]
    pub const fn has_param(self) -> bool {
        matches!(
            self,
            Self::Topk
                | Self::Bottomk
                | Self::CountValues
                | Self::Quantile
                | Self::Limitk
                | Self::LimitRatio
        )
    }

    /// Whether Prometheus has it behind its flag for experimental functions.
    #[must_use]
    pub const fn is_experimental(self) -> bool {
        matches!(self, Self::Limitk | Self::LimitRatio)
    }
}

// === impl ValueType ===

impl fmt::Display for ValueType {
    /// The name that Prometheus' documentation gives the type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        })
    }
}
