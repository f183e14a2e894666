//! Tree → text, in Prometheus' form (`promql/parser/printer.go`). What is printed parses to the
//! same tree, places apart.

use std::fmt::{self, Display, Formatter, Write as _};

use model::labels::{METRIC_NAME, is_legacy_name};
use model::{MatchOp, Matcher, TimestampMs};

use crate::ast::{
    Aggregate, At, Binary, Cardinality, DurationExpr, DurationKind, DurationOp, Expr, ExprKind,
    Matching, RangeExtension, Subquery, VectorSelector,
};
use crate::lex::number::duration_text;
use crate::lex::quote::{quote, quote_bytes};
use crate::lex::token::keyword;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number { value, is_duration } => number(f, *value, *is_duration),
            ExprKind::String(text) => f.write_str(&quote(text)),
            ExprKind::Bytes(bytes) => f.write_str(&quote_bytes(bytes)),
            ExprKind::Paren(inner) => write!(f, "({inner})"),
            ExprKind::Unary { is_negative, inner } => {
                write!(f, "{}{inner}", if *is_negative { '-' } else { '+' })
            }
            ExprKind::Binary(binary) => binary.fmt(f),
            ExprKind::Aggregate(aggregate) => aggregate.fmt(f),
            ExprKind::Call { function, args } => {
                f.write_str(function.name)?;
                f.write_char('(')?;
                list(f, args, |f, arg| arg.fmt(f))?;
                f.write_char(')')
            }
            ExprKind::Vector(selector) => {
                head(f, selector)?;
                at(f, selector.at)?;
                extension(f, selector.extension)?;
                offset(f, selector.offset.as_ref())
            }
            ExprKind::Matrix { selector, range, .. } => {
                head(f, selector)?;
                write!(f, "[{range}]")?;
                extension(f, selector.extension)?;
                at(f, selector.at)?;
                offset(f, selector.offset.as_ref())
            }
            ExprKind::Subquery(subquery) => {
                subquery.inner.fmt(f)?;
                window(f, subquery)
            }
        }
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.left)?;
        operator(f, self)?;
        write!(f, " {}", self.right)
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        grouped_operator(f, self)?;
        match &self.param {
            Some(param) => write!(f, "({param}, {})", self.inner),
            None => write!(f, "({})", self.inner),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DurationKind::Literal(ms) => f.write_str(&duration_text(*ms)),
            DurationKind::Number { value, is_duration } => number(f, *value, *is_duration),
            DurationKind::Step => f.write_str("step()"),
            DurationKind::Range => f.write_str("range()"),
            DurationKind::Paren(inner) => write!(f, "({inner})"),
            DurationKind::Negate(inner) => write!(f, "-{inner}"),
            DurationKind::Compute { op, left, right } => match op {
                DurationOp::Add => write!(f, "{left} + {right}"),
                DurationOp::Sub => write!(f, "{left} - {right}"),
                DurationOp::Mul => write!(f, "{left} * {right}"),
                DurationOp::Div => write!(f, "{left} / {right}"),
                DurationOp::Mod => write!(f, "{left} % {right}"),
                DurationOp::Pow => write!(f, "{left} ^ {right}"),
                DurationOp::MinOf => write!(f, "min_of({left}, {right})"),
                DurationOp::MaxOf => write!(f, "max_of({left}, {right})"),
            },
        }
    }
}

/// `[range:step]` and the modifiers of a subquery.
pub(crate) fn window(f: &mut Formatter<'_>, subquery: &Subquery) -> fmt::Result {
    write!(f, "[{}:", subquery.range)?;
    if let Some(step) = &subquery.step {
        step.fmt(f)?;
    }
    f.write_char(']')?;
    at(f, subquery.at)?;
    offset(f, subquery.offset.as_ref())
}

/// `== bool on (label)`
pub(crate) fn operator(f: &mut Formatter<'_>, binary: &Binary) -> fmt::Result {
    f.write_str(binary.op.as_str())?;
    if binary.is_bool {
        f.write_str(" bool")?;
    }
    matching(f, &binary.matching)
}

/// `sum by (label) `, with the blank behind the labels if there are some.
pub(crate) fn grouped_operator(f: &mut Formatter<'_>, aggregate: &Aggregate) -> fmt::Result {
    f.write_str(aggregate.op.as_str())?;
    let grouping = &aggregate.grouping;
    if !grouping.is_without && grouping.labels.is_empty() {
        return Ok(());
    }
    f.write_str(if grouping.is_without { " without (" } else { " by (" })?;
    list(f, &grouping.labels, |f, name| label(f, name))?;
    f.write_str(") ")
}

/// A number without exponent, or a duration.
fn number(f: &mut Formatter<'_>, value: f64, is_duration: bool) -> fmt::Result {
    if is_duration {
        #[expect(clippy::cast_possible_truncation, reason = "it was read from a duration")]
        let ms = (value * 1000.0).round() as i64;
        return f.write_str(&duration_text(ms));
    }
    f.write_str(&decimal(value))
}

/// A number without exponent.
pub(crate) fn decimal(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

/// A number as Go's `%v` prints it: with an exponent where it is below -4 or above 5.
fn exponential(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return decimal(value) };
    match exponent.parse::<i32>() {
        Ok(exponent) if value != 0.0 && !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => decimal(value),
    }
}

fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    mut item: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, it) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        item(f, it)?;
    }
    Ok(())
}

/// A label's name in a list of labels; quoted when it would be read as something else.
fn label(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    let is_bare = is_legacy_name(name) && keyword(name).is_none_or(|kind| kind.is_label_name());
    if is_bare { f.write_str(name) } else { f.write_str(&quote(name)) }
}

fn matching(f: &mut Formatter<'_>, matching: &Matching) -> fmt::Result {
    if matching.is_on || !matching.labels.is_empty() || is_grouped(matching) {
        f.write_str(if matching.is_on { " on (" } else { " ignoring (" })?;
        list(f, &matching.labels, |f, name| label(f, name))?;
        f.write_char(')')?;
    }
    if is_grouped(matching) {
        let is_left = matching.cardinality == Cardinality::ManyToOne;
        f.write_str(if is_left { " group_left (" } else { " group_right (" })?;
        list(f, &matching.include, |f, name| label(f, name))?;
        f.write_char(')')?;
    }
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if left.to_bits() == right.to_bits() => {
            fill(f, "fill", Some(left))
        }
        (left, right) => {
            fill(f, "fill_left", left)?;
            fill(f, "fill_right", right)
        }
    }
}

const fn is_grouped(matching: &Matching) -> bool {
    matches!(matching.cardinality, Cardinality::ManyToOne | Cardinality::OneToMany)
}

fn fill(f: &mut Formatter<'_>, word: &str, value: Option<f64>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    write!(f, " {word} ({})", exponential(value))
}

/// The name and the matchers, sorted by their text.
fn head(f: &mut Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    f.write_str(&selector.name)?;
    let stands_for_name = |matcher: &&Matcher| {
        !selector.name.is_empty()
            && matcher.name() == METRIC_NAME
            && matcher.op() == MatchOp::Equal
            && matcher.value() == selector.name
    };
    let mut matchers: Vec<_> =
        selector.matchers.iter().filter(|it| !stands_for_name(it)).map(matcher).collect();
    if matchers.is_empty() && !selector.name.is_empty() {
        return Ok(());
    }
    matchers.sort_unstable();
    write!(f, "{{{}}}", matchers.join(","))
}

fn matcher(matcher: &Matcher) -> String {
    let op = match matcher.op() {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    };
    let value = quote(matcher.value());
    if is_legacy_name(matcher.name()) {
        format!("{}{op}{value}", matcher.name())
    } else {
        format!("{}{op}{value}", quote(matcher.name()))
    }
}

fn extension(f: &mut Formatter<'_>, extension: Option<RangeExtension>) -> fmt::Result {
    match extension {
        None => Ok(()),
        Some(RangeExtension::Anchored) => f.write_str(" anchored"),
        Some(RangeExtension::Smoothed) => f.write_str(" smoothed"),
    }
}

fn at(f: &mut Formatter<'_>, at: Option<At>) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(At::Start) => f.write_str(" @ start()"),
        Some(At::End) => f.write_str(" @ end()"),
        Some(At::Timestamp(ms)) => write!(f, " @ {}", Seconds(ms)),
    }
}

fn offset(f: &mut Formatter<'_>, offset: Option<&DurationExpr>) -> fmt::Result {
    match offset {
        None | Some(DurationExpr { kind: DurationKind::Literal(0), .. }) => Ok(()),
        Some(offset) => write!(f, " offset {offset}"),
    }
}

/// Milliseconds as seconds with three decimals.
struct Seconds(TimestampMs);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let ms = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:03}", ms / 1000, ms % 1000)
    }
}

#[cfg(test)]
mod tests;
