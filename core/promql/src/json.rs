//! Tree → JSON, as `/api/v1/parse_query` answers (`web/api/v1/translate_ast.go`).
//!
//! What is only known when the query runs is not in it: a computed duration is 0 there, in
//! Prometheus too. Keys are sorted, as Go sorts them.

use std::fmt::{self, Display, Formatter, Write};

use model::{MatchOp, Matcher};

use crate::ast::{
    At, Binary, Cardinality, DurationExpr, DurationKind, Expr, ExprKind, Matching, RangeExtension,
    ValueType, VectorSelector,
};
use crate::functions::{Function, Variadic};
use crate::print::decimal;

/// A JSON document; displays itself without blanks.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// Any number; those that JSON does not have become texts: `"NaN"`, `"+Inf"`.
    Number(f64),
    /// A text.
    Text(String),
    /// `[…]`
    List(Vec<Self>),
    /// `{…}`, in this order.
    Object(Vec<(&'static str, Self)>),
}

/// The document that describes `expr`.
#[must_use]
pub fn describe(expr: &Expr) -> Json {
    match &expr.kind {
        ExprKind::Number { value, .. } => node("numberLiteral", [("val", text(decimal(*value)))]),
        ExprKind::String(value) => node("stringLiteral", [("val", text(value))]),
        ExprKind::Bytes(bytes) => {
            node("stringLiteral", [("val", text(String::from_utf8_lossy(bytes)))])
        }
        ExprKind::Paren(inner) => node("parenExpr", [("expr", describe(inner))]),
        ExprKind::Unary { is_negative, inner } => {
            let op = if *is_negative { "-" } else { "+" };
            node("unaryExpr", [("expr", describe(inner)), ("op", text(op))])
        }
        ExprKind::Binary(binary) => describe_binary(binary),
        ExprKind::Aggregate(aggregate) => node(
            "aggregation",
            [
                ("expr", describe(&aggregate.inner)),
                ("grouping", texts(&aggregate.grouping.labels)),
                ("op", text(aggregate.op.as_str())),
                ("param", aggregate.param.as_ref().map_or(Json::Null, describe)),
                ("without", Json::Bool(aggregate.grouping.is_without)),
            ],
        ),
        ExprKind::Call { function, args } => node(
            "call",
            [
                ("args", Json::List(args.iter().map(describe).collect())),
                ("func", describe_function(function)),
            ],
        ),
        ExprKind::Vector(selector) => node("vectorSelector", describe_selector(selector)),
        ExprKind::Matrix { selector, range, .. } => {
            let range = ("range", milliseconds(Some(range)));
            node("matrixSelector", describe_selector(selector).into_iter().chain([range]))
        }
        ExprKind::Subquery(subquery) => node(
            "subquery",
            [
                ("expr", describe(&subquery.inner)),
                ("offset", milliseconds(subquery.offset.as_ref())),
                ("range", milliseconds(Some(&subquery.range))),
                ("startOrEnd", start_or_end(subquery.at)),
                ("step", milliseconds(subquery.step.as_ref())),
                ("timestamp", timestamp(subquery.at)),
            ],
        ),
    }
}

fn node(name: &'static str, fields: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
    let mut fields: Vec<_> = fields.into_iter().chain([("type", text(name))]).collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    Json::Object(fields)
}

fn describe_binary(binary: &Binary) -> Json {
    let are_vectors = binary.left.value_type() == ValueType::Vector
        && binary.right.value_type() == ValueType::Vector;
    node(
        "binaryExpr",
        [
            ("bool", Json::Bool(binary.is_bool)),
            ("lhs", describe(&binary.left)),
            // Only series of two vectors are matched.
            (
                "matching",
                if are_vectors { describe_matching(&binary.matching) } else { Json::Null },
            ),
            ("op", text(binary.op.as_str())),
            ("rhs", describe(&binary.right)),
        ],
    )
}

fn describe_matching(matching: &Matching) -> Json {
    let cardinality = match matching.cardinality {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    let fill = |value: Option<f64>| value.map_or(Json::Null, Json::Number);
    Json::Object(vec![
        ("card", text(cardinality)),
        (
            "fillValues",
            Json::Object(vec![
                ("lhs", fill(matching.fill_left)),
                ("rhs", fill(matching.fill_right)),
            ]),
        ),
        ("include", texts(&matching.include)),
        ("labels", texts(&matching.labels)),
        ("on", Json::Bool(matching.is_on)),
    ])
}

fn describe_function(function: &Function) -> Json {
    let variadic = match function.variadic {
        Variadic::No => 0,
        Variadic::UpTo(times) => i64::try_from(times).unwrap_or(i64::MAX),
        Variadic::Unbounded => -1,
    };
    let type_name = |value_type: ValueType| {
        text(match value_type {
            ValueType::Scalar => "scalar",
            ValueType::String => "string",
            ValueType::Vector => "vector",
            ValueType::Matrix => "matrix",
        })
    };
    Json::Object(vec![
        ("argTypes", Json::List(function.args.iter().copied().map(type_name).collect())),
        ("name", text(function.name)),
        ("returnType", type_name(function.returns)),
        ("variadic", Json::Integer(variadic)),
    ])
}

/// The fields that instant and range selectors have in common.
fn describe_selector(selector: &VectorSelector) -> Vec<(&'static str, Json)> {
    let is = |extension| Json::Bool(selector.extension == Some(extension));
    vec![
        ("anchored", is(RangeExtension::Anchored)),
        ("matchers", Json::List(selector.matchers.iter().map(describe_matcher).collect())),
        ("name", text(&selector.name)),
        ("offset", milliseconds(selector.offset.as_ref())),
        ("smoothed", is(RangeExtension::Smoothed)),
        ("startOrEnd", start_or_end(selector.at)),
        ("timestamp", timestamp(selector.at)),
    ]
}

fn describe_matcher(matcher: &Matcher) -> Json {
    let op = match matcher.op() {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    };
    Json::Object(vec![
        ("name", text(matcher.name())),
        ("type", text(op)),
        ("value", text(matcher.value())),
    ])
}

fn milliseconds(duration: Option<&DurationExpr>) -> Json {
    match duration {
        Some(DurationExpr { kind: DurationKind::Literal(ms), .. }) => Json::Integer(*ms),
        _ => Json::Integer(0),
    }
}

fn timestamp(at: Option<At>) -> Json {
    match at {
        Some(At::Timestamp(ms)) => Json::Integer(ms),
        _ => Json::Null,
    }
}

fn start_or_end(at: Option<At>) -> Json {
    match at {
        Some(At::Start) => text("start"),
        Some(At::End) => text("end"),
        _ => Json::Null,
    }
}

fn text(value: impl Into<String>) -> Json {
    Json::Text(value.into())
}

fn texts(values: &[String]) -> Json {
    Json::List(values.iter().map(text).collect())
}

// === impl Json ===

impl Display for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Number(value) if value.is_finite() => value.fmt(f),
            Self::Number(value) => quoted(f, &decimal(*value)),
            Self::Text(value) => quoted(f, value),
            Self::List(items) => {
                f.write_char('[')?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", comma(i))?;
                }
                f.write_char(']')
            }
            Self::Object(fields) => {
                f.write_char('{')?;
                for (i, (key, value)) in fields.iter().enumerate() {
                    write!(f, "{}\"{key}\":{value}", comma(i))?;
                }
                f.write_char('}')
            }
        }
    }
}

const fn comma(i: usize) -> &'static str {
    if i > 0 { "," } else { "" }
}

/// A text with JSON's escapes (RFC 8259, section 7), and those of Go that keep it out of the way
/// of HTML.
fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(f, "\\u{:04x}", u32::from(c))?;
            }
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests;
