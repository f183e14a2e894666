//! The part of a query that runs where the samples are: a chain over one selector, ending in
//! per-series tiles or in mergeable partial states of groups.

use std::sync::Arc;

use model::{Matcher, TenantId};

use crate::ast::{AggregateOp, BinaryOp, Grouping};
use crate::grid::Grid;

/// One fragment; every partition of the tenant runs it over its own series.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// Whose series.
    pub tenant: TenantId,
    /// When it is evaluated.
    pub grid: Grid,
    /// What is selected.
    pub selector: Selector,
    /// What becomes of the samples.
    pub window: Window,
    /// Per-series steps, in order.
    pub maps: Vec<MapStep>,
    /// The partial aggregation at the end, if there is one.
    pub aggregate: Option<PartialAggregate>,
}

/// Which samples.
#[derive(Debug, Clone)]
pub struct Selector {
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// How far back the windows are moved; negative for the future.
    pub offset_ms: i64,
}

/// What a selector's samples are turned into at each step.
#[derive(Debug, Clone)]
pub enum Window {
    /// The newest sample of `(t − lookback, t]` that is not a stale marker.
    Instant {
        /// Milliseconds.
        lookback_ms: i64,
    },
    /// A function over the samples of `(t − range, t]`.
    Range {
        /// Which one.
        function: RangeFunction,
        /// Milliseconds.
        range_ms: i64,
    },
    /// The samples of `(t − range, t]` themselves; the grid has one step, and there is neither
    /// map nor aggregate. Stale markers are left out.
    Samples {
        /// Milliseconds.
        range_ms: i64,
    },
}

/// Functions of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the names are PromQL's own")]
pub enum RangeFunction {
    Rate,
    Increase,
    Irate,
    Delta,
    Idelta,
    Changes,
    Resets,
    SumOverTime,
    AvgOverTime,
    CountOverTime,
    MinOverTime,
    MaxOverTime,
    LastOverTime,
    FirstOverTime,
    PresentOverTime,
    StddevOverTime,
    StdvarOverTime,
    /// With its φ.
    QuantileOverTime(f64),
    Deriv,
}

/// A scalar operand: the same at all steps, or one value a step.
#[derive(Debug, Clone)]
pub enum ScalarOperand {
    /// Constant.
    Constant(f64),
    /// One value per step of the grid, e.g. from `time()`.
    PerStep(Arc<[f64]>),
}

/// One per-series step.
#[derive(Debug, Clone)]
pub enum MapStep {
    /// `series op scalar` or `scalar op series`.
    Scalar {
        /// Arithmetic or comparison.
        op: BinaryOp,
        /// The other operand.
        operand: ScalarOperand,
        /// Whether the series stands on the left.
        series_on_left: bool,
        /// Whether a comparison yields 0 and 1.
        is_bool: bool,
    },
    /// `-series`.
    Negate,
    /// Forgets the metric name. A function or arithmetic operator implies it; the roster changes,
    /// the numbers do not.
    DropName,
}

/// A partial aggregation: every partition returns one mergeable state a group.
#[derive(Debug, Clone)]
pub struct PartialAggregate {
    /// `sum avg count min max group stddev stdvar`; nothing else.
    pub op: AggregateOp,
    /// The groups.
    pub grouping: Grouping,
}
