//! Tree → text over several lines, as `/api/v1/format_query` answers
//! (`promql/parser/prettier.go`).
//!
//! A node whose one-line form has at most [`LINE_BYTES_MAX`] bytes stays on its line; a longer one
//! puts its children on lines of their own, one level further in. Selectors are never broken.

use std::fmt::{self, Display, Formatter, Write};

use crate::ast::{Aggregate, Binary, Expr, ExprKind, Subquery};
use crate::print;

/// The longest form in one line, indentation aside.
const LINE_BYTES_MAX: usize = 100;

/// An expression that displays itself over several lines where it is long.
#[derive(Debug, Clone, Copy)]
pub struct Pretty<'a>(pub &'a Expr);

/// Counts what is written, and refuses when it becomes too much.
struct Line {
    bytes_left: usize,
}

/// Blanks before the text of a level.
struct Indent(usize);

// === impl Pretty ===

impl Display for Pretty<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        node(f, self.0, 0)
    }
}

fn node(f: &mut Formatter<'_>, expr: &Expr, level: usize) -> fmt::Result {
    match &expr.kind {
        // Prometheus forgets the blanks before a short subquery, and so do we.
        ExprKind::Subquery(_) if fits(expr) => expr.fmt(f),
        ExprKind::Subquery(subquery) => long_subquery(f, subquery, level),
        ExprKind::Unary { is_negative, inner } => {
            Indent(level).fmt(f)?;
            f.write_char(if *is_negative { '-' } else { '+' })?;
            // The sign stands between the operand and its indentation.
            f.write_str(indented(inner, level).trim())
        }
        ExprKind::Paren(inner) if !fits(expr) => {
            writeln!(f, "{}(", Indent(level))?;
            node(f, inner, level + 1)?;
            write!(f, "\n{})", Indent(level))
        }
        ExprKind::Binary(binary) if !fits(expr) => long_binary(f, binary, level),
        ExprKind::Aggregate(aggregate) if !fits(expr) => long_aggregate(f, aggregate, level),
        ExprKind::Call { function, args } if !fits(expr) => {
            writeln!(f, "{}{}(", Indent(level), function.name)?;
            for (i, arg) in args.iter().enumerate() {
                f.write_str(if i > 0 { ",\n" } else { "" })?;
                node(f, arg, level + 1)?;
            }
            write!(f, "\n{})", Indent(level))
        }
        _ => write!(f, "{}{expr}", Indent(level)),
    }
}

fn long_subquery(f: &mut Formatter<'_>, subquery: &Subquery, level: usize) -> fmt::Result {
    node(f, &subquery.inner, level)?;
    print::window(f, subquery)
}

fn long_binary(f: &mut Formatter<'_>, binary: &Binary, level: usize) -> fmt::Result {
    node(f, &binary.left, level + 1)?;
    write!(f, "\n{}", Indent(level))?;
    print::operator(f, binary)?;
    f.write_char('\n')?;
    node(f, &binary.right, level + 1)
}

fn long_aggregate(f: &mut Formatter<'_>, aggregate: &Aggregate, level: usize) -> fmt::Result {
    Indent(level).fmt(f)?;
    print::grouped_operator(f, aggregate)?;
    f.write_str("(\n")?;
    if let Some(param) = &aggregate.param {
        node(f, param, level + 1)?;
        f.write_str(",\n")?;
    }
    node(f, &aggregate.inner, level + 1)?;
    write!(f, "\n{})", Indent(level))
}

fn indented(expr: &Expr, level: usize) -> String {
    struct At<'a>(&'a Expr, usize);
    impl Display for At<'_> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            node(f, self.0, self.1)
        }
    }
    At(expr, level).to_string()
}

/// Whether the form in one line is short enough.
fn fits(expr: &Expr) -> bool {
    write!(Line { bytes_left: LINE_BYTES_MAX }, "{expr}").is_ok()
}

// === impl Line ===

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes_left = self.bytes_left.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

// === impl Indent ===

impl Display for Indent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (0..self.0).try_for_each(|_| f.write_str("  "))
    }
}

#[cfg(test)]
mod tests;
