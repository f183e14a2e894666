//! What a query's answer should be read with: warnings and remarks, each at its place in the text.

use crate::ast::Span;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The answer lacks something or may be wrong.
    Warning,
    /// The answer is right if the question was.
    Info,
}

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Annotation {
    /// How much it matters.
    pub level: Level,
    /// What is said, without prefix and position; Prometheus' text
    /// (`util/annotations/annotations.go`).
    pub text: String,
    /// The part of the query that it is about.
    pub span: Option<Span>,
}

// === impl Annotation ===

impl Annotation {
    /// A warning about `span`.
    #[must_use]
    pub fn warning(span: Span, text: impl Into<String>) -> Self {
        Self { level: Level::Warning, text: text.into(), span: Some(span) }
    }

    /// A remark about `span`.
    #[must_use]
    pub fn info(span: Span, text: impl Into<String>) -> Self {
        Self { level: Level::Info, text: text.into(), span: Some(span) }
    }
}
