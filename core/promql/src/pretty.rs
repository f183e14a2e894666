//! Tree → text over several lines, as `/api/v1/format_query` answers
//! (`promql/parser/prettier.go`).
//!
//! A node whose one-line form has at most [`LINE_BYTES_MAX`] bytes stays on its line; a longer one
//! puts its children on lines of their own, one level further in. Selectors are never broken.

use std::fmt::{self, Display, Formatter, Write};

use crate::ast::{Aggregate, Binary, Expr, ExprKind};
use crate::print;

/// The longest form in one line, indentation aside.
const LINE_BYTES_MAX: usize = 100;

/// An expression that displays itself over several lines where it is long.
#[derive(Debug, Clone, Copy)]
pub struct Pretty<'a> {
    expr: &'a Expr,
    line_bytes_max: usize,
}

/// A part of an expression that begins a line of its own.
struct Part<'a> {
    expr: &'a Expr,
    level: usize,
    line_bytes_max: usize,
}

/// Counts what is written, and refuses when it becomes too much.
struct Line {
    bytes_left: usize,
}

/// Blanks before the text of a level.
struct Indent(usize);

// === impl Pretty ===

impl<'a> Pretty<'a> {
    /// In lines of 100 bytes, as Prometheus.
    #[must_use]
    pub const fn new(expr: &'a Expr) -> Self {
        Self::within(expr, LINE_BYTES_MAX)
    }

    const fn within(expr: &'a Expr, line_bytes_max: usize) -> Self {
        Self { expr, line_bytes_max }
    }
}

impl Display for Pretty<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Part { expr: self.expr, level: 0, line_bytes_max: self.line_bytes_max }.fmt(f)
    }
}

// === impl Part ===

impl Display for Part<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (indent, expr) = (Indent(self.level), self.expr);
        match &expr.kind {
            // Prometheus forgets the blanks before a short subquery, and so do we.
            ExprKind::Subquery(_) if self.fits() => expr.fmt(f),
            ExprKind::Subquery(subquery) => {
                self.beside(&subquery.inner).fmt(f)?;
                print::window(f, subquery)
            }
            ExprKind::Unary { is_negative, inner } => {
                let sign = if *is_negative { '-' } else { '+' };
                // The sign stands between the operand and its indentation.
                write!(f, "{indent}{sign}{}", self.beside(inner).to_string().trim())
            }
            ExprKind::Paren(inner) if !self.fits() => {
                write!(f, "{indent}(\n{}\n{indent})", self.below(inner))
            }
            ExprKind::Binary(binary) if !self.fits() => self.long_binary(f, binary),
            ExprKind::Aggregate(aggregate) if !self.fits() => self.long_aggregate(f, aggregate),
            ExprKind::Call { function, args } if !self.fits() => {
                write!(f, "{indent}{}(", function.name)?;
                for (i, arg) in args.iter().enumerate() {
                    write!(f, "{}\n{}", if i > 0 { "," } else { "" }, self.below(arg))?;
                }
                write!(f, "\n{indent})")
            }
            _ => write!(f, "{indent}{expr}"),
        }
    }
}

impl<'a> Part<'a> {
    /// A child at the same level.
    const fn beside(&self, expr: &'a Expr) -> Self {
        Self { expr, level: self.level, line_bytes_max: self.line_bytes_max }
    }

    /// A child one level further in.
    const fn below(&self, expr: &'a Expr) -> Self {
        Self { expr, level: self.level + 1, line_bytes_max: self.line_bytes_max }
    }

    /// Whether the form in one line is short enough.
    fn fits(&self) -> bool {
        write!(Line { bytes_left: self.line_bytes_max }, "{}", self.expr).is_ok()
    }

    fn long_binary(&self, f: &mut Formatter<'_>, binary: &'a Binary) -> fmt::Result {
        write!(f, "{}\n{}", self.below(&binary.left), Indent(self.level))?;
        print::operator(f, binary)?;
        write!(f, "\n{}", self.below(&binary.right))
    }

    fn long_aggregate(&self, f: &mut Formatter<'_>, aggregate: &'a Aggregate) -> fmt::Result {
        let indent = Indent(self.level);
        indent.fmt(f)?;
        print::grouped_operator(f, aggregate)?;
        f.write_str("(\n")?;
        if let Some(param) = &aggregate.param {
            writeln!(f, "{},", self.below(param))?;
        }
        write!(f, "{}\n{indent})", self.below(&aggregate.inner))
    }
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
