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

// === impl RangeFunction ===

impl RangeFunction {
    /// The function that PromQL calls `name`, if it takes a window and nothing else.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "rate" => Self::Rate,
            "irate" => Self::Irate,
            "increase" => Self::Increase,
            "delta" => Self::Delta,
            "idelta" => Self::Idelta,
            "changes" => Self::Changes,
            "resets" => Self::Resets,
            "deriv" => Self::Deriv,
            "sum_over_time" => Self::SumOverTime,
            "avg_over_time" => Self::AvgOverTime,
            "count_over_time" => Self::CountOverTime,
            "min_over_time" => Self::MinOverTime,
            "max_over_time" => Self::MaxOverTime,
            "last_over_time" => Self::LastOverTime,
            "first_over_time" => Self::FirstOverTime,
            "present_over_time" => Self::PresentOverTime,
            "stddev_over_time" => Self::StddevOverTime,
            "stdvar_over_time" => Self::StdvarOverTime,
            _ => return None,
        })
    }
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

/// What it means that two series of a fragment have the same labels, now that names were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// It cannot happen: every series still has all of its labels.
    None,
    /// One series, unless both have a value at the same step, which is an error. So Prometheus
    /// treats results of operators.
    Merge,
    /// An error as soon as both have any value. So Prometheus treats results of range functions.
    Refuse,
}

// === impl Fragment ===

impl Fragment {
    /// How equal labels among the fragment's series have to be treated.
    #[must_use]
    pub fn duplicates(&self) -> Duplicates {
        let negates = self.maps.iter().any(|map| matches!(map, MapStep::Negate));
        if self.window.drops_name() || negates {
            Duplicates::Refuse
        } else if self.maps.iter().any(MapStep::drops_name) {
            Duplicates::Merge
        } else {
            Duplicates::None
        }
    }

    /// Whether an aggregation may be computed by each partition on its own. It may not when names
    /// are dropped of series with different names: two series might then have the same labels,
    /// perhaps in different partitions, and only the final stage can notice.
    #[must_use]
    pub fn can_aggregate(&self) -> bool {
        let has_one_name = self.selector.matchers.iter().any(|matcher| {
            matcher.name() == model::labels::METRIC_NAME && matcher.op() == model::MatchOp::Equal
        });
        self.duplicates() == Duplicates::None || has_one_name
    }

    /// Whether the fragment's rosters have lost their metric names.
    #[must_use]
    pub fn drops_name(&self) -> bool {
        self.window.drops_name() || self.maps.iter().any(MapStep::drops_name)
    }
}

// === impl Window ===

impl Window {
    /// How far windows reach back, in milliseconds.
    #[must_use]
    pub const fn width_ms(&self) -> i64 {
        match self {
            Self::Instant { lookback_ms } => *lookback_ms,
            Self::Range { range_ms, .. } | Self::Samples { range_ms } => *range_ms,
        }
    }

    /// Whether the result is another metric than what was selected.
    #[must_use]
    pub const fn drops_name(&self) -> bool {
        match self {
            Self::Range { function, .. } => {
                !matches!(function, RangeFunction::LastOverTime | RangeFunction::FirstOverTime)
            }
            Self::Instant { .. } | Self::Samples { .. } => false,
        }
    }
}

// === impl MapStep ===

impl MapStep {
    /// Whether the result is another metric: all of them but comparisons that filter.
    #[must_use]
    pub const fn drops_name(&self) -> bool {
        match self {
            Self::Scalar { op, is_bool, .. } => *is_bool || !op.is_comparison(),
            Self::Negate | Self::DropName => true,
        }
    }
}

// === impl ScalarOperand ===

impl ScalarOperand {
    /// The value at step `step`.
    #[must_use]
    pub fn at(&self, step: usize) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::PerStep(values) => values[step],
        }
    }
}
