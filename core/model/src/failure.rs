//! The kinds of failure, from which transports derive their status codes.
//!
//! Each module has its own error enum; at a role's boundary it becomes a [`Failure`]: an immutable
//! id (`err-varve-…`), a kind, and a text with numbers and a remedy. `chassis::status` holds the
//! only table from kind to HTTP status.

use std::borrow::Cow;

/// What went wrong, as far as the caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The request can never succeed as it is.
    Invalid,
    /// The thing asked for does not exist.
    NotFound,
    /// The body or an answer would exceed a limit.
    TooLarge,
    /// The media type or encoding is not understood.
    Unsupported,
    /// Well-formed, but it cannot be computed (Prometheus' `execution`).
    Execution,
    /// A retry may succeed: no leader, overload, disk or memory gate, shutdown.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// The caller went away.
    Canceled,
    /// Stored bytes are not what was written.
    Corrupt,
    /// A bug or an unexpected condition of ours.
    Internal,
}

/// A failure at a role's boundary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What the caller can do about it.
    pub kind: FailureKind,
    /// Immutable id; also the `reason` label of metrics and the heading in `docs/errors.md`.
    pub id: &'static str,
    /// What happened, with the numbers, the flag and the remedy.
    pub message: Cow<'static, str>,
}

// === impl Failure ===

impl Failure {
    /// A failure of `kind` with its immutable `id`.
    #[must_use]
    pub fn new(kind: FailureKind, id: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, id, message: message.into() }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, FailureKind::Unavailable | FailureKind::Timeout)
    }
}
