//! Where in a query text something went wrong, and the error that says so.
//!
//! Positions are `line:column`, both from 1, columns in bytes, as Prometheus prints them
//! (`promql/parser/posrange/posrange.go`).

use std::fmt;

use crate::ast::Span;

/// `line:column` of a byte in a text; an empty text has only [`Position::UNKNOWN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The byte within the line, from 1.
    pub column: u32,
}

/// One thing that is wrong with a query, displayed as `1:5: parse error: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: parse error: {message}")]
pub struct ParseError {
    /// The bytes that are to blame.
    pub span: Span,
    /// Where they start.
    pub position: Position,
    /// What is wrong, in Prometheus' words where Prometheus has words for it.
    pub message: String,
}

/// What was found wrong with a query, in the order in which it was found: 1 to 20 errors.
/// Displays the first error only, as Prometheus does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseErrors {
    first: ParseError,
    others: Vec<ParseError>,
}

/// Errors beyond this many are dropped: nobody reads them, and each costs a walk over the text.
const ERRORS_MAX: usize = 20;

/// Gathers the errors of one text.
#[derive(Debug)]
pub(crate) struct ErrorLog<'a> {
    text: &'a str,
    errors: Vec<ParseError>,
}

// === impl Position ===

impl Position {
    /// Where nothing is; displayed as `unknown position`, as in Prometheus.
    pub const UNKNOWN: Self = Self { line: 0, column: 0 };

    /// The position of byte `offset` of `text`; past the end it is the position after the last
    /// byte.
    #[must_use]
    pub fn of(text: &str, offset: u32) -> Self {
        if text.is_empty() {
            return Self::UNKNOWN;
        }
        let offset = (offset as usize).min(text.len());
        let before = &text.as_bytes()[..offset];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: narrow(line), column: narrow(offset - line_start + 1) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UNKNOWN => f.write_str("unknown position"),
            Self { line, column } => write!(f, "{line}:{column}"),
        }
    }
}

// === impl ParseErrors ===

impl ParseErrors {
    /// The error that is shown.
    #[must_use]
    pub const fn first(&self) -> &ParseError {
        &self.first
    }

    /// All errors.
    pub fn iter(&self) -> impl Iterator<Item = &ParseError> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl std::error::Error for ParseErrors {}

// === impl ErrorLog ===

impl<'a> ErrorLog<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, errors: Vec::new() }
    }

    /// Notes one error.
    pub(crate) fn add(&mut self, span: Span, message: impl Into<String>) {
        if self.errors.len() == ERRORS_MAX {
            return;
        }
        let position = Position::of(self.text, span.start);
        self.errors.push(ParseError { span, position, message: message.into() });
    }

    /// The text that the errors are about.
    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Succeeds when there was no error.
    pub(crate) fn into_result(self) -> Result<(), ParseErrors> {
        let mut errors = self.errors.into_iter();
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(ParseErrors { first, others: errors.collect() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_bytes_within_the_line() {
        for (text, offset, expected) in [
            ("", 0, "unknown position"),
            ("abc", 2, "1:3"),
            ("abc", 3, "1:4"),
            ("abc", 99, "1:4"),
            ("a\nbc", 1, "1:2"),
            ("a\nbc", 2, "2:1"),
            ("a\n\nbc", 4, "3:2"),
            ("é", 2, "1:3"),
        ] {
            assert_eq!(Position::of(text, offset).to_string(), expected, "{text:?} {offset}");
        }
    }

    #[test]
    fn the_first_error_is_shown_and_all_are_kept() {
        let mut log = ErrorLog::new("foo\nbar");
        log.add(Span::new(4, 7), "bad bar");
        log.add(Span::new(0, 3), "bad foo");
        let errors = log.into_result().unwrap_err();
        assert_eq!(errors.to_string(), "2:1: parse error: bad bar");
        assert_eq!(errors.iter().count(), 2);
        assert_eq!(ErrorLog::new("").into_result(), Ok(()));
    }
}
