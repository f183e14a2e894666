//! From tree to plan: what the partitions compute and what is left for the final stage.
//!
//! ```text
//!  sum by (job) (rate(http_requests_total[5m])) / 2
//!  └── fragment #0: select, rate, sum by (job) ──┘    pushed to every partition
//!      final stage: map(merge sum #0)                 computed here
//! ```
//!
//! A chain over one selector grows as long as everything in it is computed series by series; an
//! aggregation ends it with partial states. Whatever needs two series that may live in different
//! partitions is the final stage's. Scalars are computed at once, a number a step.
//!
//! Invariant: a fragment never hides what Prometheus would report. Steps that could make two series
//! alike, or hide that two are, are pushed down only where names tell series apart.

mod explain;
mod lower;

use model::{Failure, TenantId};
use promql::ast::{Expr, ExprKind};
use promql::fragment::{Fragment, ScalarOperand, Selector, Window};
use promql::grid::Grid;
use promql::stage::FinalStage;

pub(crate) use explain::FragmentLine;
use lower::{Operand, Planner};

/// How a query will be answered.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// One number a step; nothing is read.
    Scalar(ScalarOperand),
    /// A text.
    Text(String),
    /// The samples of a range selector.
    Samples(Fragment),
    /// Series.
    Vector {
        /// What every partition runs.
        fragments: Vec<Fragment>,
        /// What is computed over their results.
        stage: FinalStage,
    },
}

/// What a query's text does not say.
#[derive(Debug, Clone)]
pub(crate) struct PlanContext<'a> {
    /// Whose series.
    pub(crate) tenant: &'a TenantId,
    /// When it is evaluated.
    pub(crate) grid: Grid,
    /// How far back instant vectors look.
    pub(crate) lookback_ms: i64,
}

// === impl Plan ===

impl Plan {
    /// Plans `expr`, which has passed the checks and [`promql::refuse`].
    ///
    /// # Errors
    /// When `expr` has a form that [`promql::refuse`] should not have let through.
    pub(crate) fn of(expr: &Expr, context: &PlanContext<'_>) -> Result<Self, Failure> {
        let mut planner = Planner::new(context);
        match &expr.unparen().kind {
            ExprKind::String(text) => return Ok(Self::Text(text.clone())),
            ExprKind::Matrix { selector, range, .. } => {
                let window = Window::Samples { range_ms: lower::literal_ms(range)? };
                return Ok(Self::Samples(planner.fragment(selector, window)?));
            }
            _ => {}
        }
        Ok(match planner.operand(expr)? {
            Operand::Scalar(scalar) => Self::Scalar(scalar),
            operand => {
                let stage = planner.close(operand);
                Self::Vector { fragments: planner.fragments, stage }
            }
        })
    }
}

impl PlanContext<'_> {
    fn new_fragment(&self, selector: Selector, window: Window) -> Fragment {
        Fragment {
            tenant: self.tenant.clone(),
            grid: self.grid,
            selector,
            window,
            maps: vec![],
            aggregate: None,
        }
    }
}

#[cfg(test)]
mod tests;
