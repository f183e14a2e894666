//! Operators: immutable descriptions (`TileOp`) that start synchronous state machines
//! (`TileProc`), and what the place that runs them provides (`OpRt`).
//!
//! A tile is a `RecordBatch`; its columns are in [`crate::op`].

use std::fmt;

use arrow_array::RecordBatch;
use model::{Failure, FailureKind};

use crate::annotation::Annotation;
use crate::ast::Span;

/// What an operator needs from the place that runs it. The querier implements it over
/// DataFusion's memory pool, the ingester over its own query budget.
pub trait OpRt: Send + Sync {
    /// Charges `bytes` more to the query.
    ///
    /// # Errors
    /// When the query's memory limit would be exceeded.
    fn reserve(&self, bytes: usize) -> Result<(), OpError>;

    /// Gives back what was charged.
    fn release(&self, bytes: usize);

    /// Whether the query was cancelled or its deadline passed; asked once per tile.
    ///
    /// # Errors
    /// When it was.
    fn check(&self) -> Result<(), OpError>;

    /// Counts samples that a selector or window read.
    ///
    /// # Errors
    /// When the query's sample limit is exceeded.
    fn count_samples(&self, samples: usize) -> Result<(), OpError>;

    /// Keeps a remark for the query's answer; the same one twice is kept once.
    fn annotate(&self, _annotation: Annotation) {}
}

/// An operator that cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{failure}")]
pub struct OpError {
    /// What the user is told.
    pub failure: Failure,
    /// The part of the query that is to blame, if one is.
    pub span: Option<Span>,
}

/// Whether an operator wants more input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    More,
    /// The rest of this input would change nothing.
    Done,
}

/// An operator with its bind-time tables; shared by all of its running instances.
pub trait TileOp: fmt::Debug + Send + Sync {
    /// Its name in EXPLAIN.
    fn name(&self) -> &'static str;

    /// Its line in EXPLAIN, after the name.
    ///
    /// # Errors
    /// When `f` cannot be written to.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Starts one instance.
    ///
    /// # Errors
    /// When its tables do not fit the query's memory limit.
    fn start(&self, rt: &dyn OpRt) -> Result<Box<dyn TileProc>, OpError>;
}

/// A running operator. Inputs are numbered from 0.
pub trait TileProc: Send {
    /// Takes one tile of `input` and may emit tiles.
    ///
    /// # Errors
    /// When the data violates the operator's rules or a limit is exceeded.
    fn push(
        &mut self,
        input: usize,
        tile: &RecordBatch,
        out: &mut dyn TileSink,
        rt: &dyn OpRt,
    ) -> Result<Flow, OpError>;

    /// Learns that `input` has ended and may emit tiles.
    ///
    /// # Errors
    /// As [`TileProc::push`].
    fn end(&mut self, input: usize, out: &mut dyn TileSink, rt: &dyn OpRt) -> Result<(), OpError>;
}

/// Where tiles go.
pub trait TileSink {
    /// Takes one tile.
    ///
    /// # Errors
    /// When the receiver is gone or refuses it.
    fn emit(&mut self, tile: RecordBatch) -> Result<(), OpError>;
}

impl TileSink for Vec<RecordBatch> {
    fn emit(&mut self, tile: RecordBatch) -> Result<(), OpError> {
        self.push(tile);
        Ok(())
    }
}

// === impl OpError ===

impl OpError {
    /// An error of `kind` that no part of the query is to blame for.
    #[must_use]
    pub fn new(kind: FailureKind, id: &'static str, message: impl Into<String>) -> Self {
        Self { failure: Failure::new(kind, id, message.into()), span: None }
    }

    /// The same error, blamed on `span`.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }
}

impl From<Failure> for OpError {
    fn from(failure: Failure) -> Self {
        Self { failure, span: None }
    }
}
