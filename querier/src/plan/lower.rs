//! One operator of the tree after the other, operands first.

use std::sync::Arc;

use model::{Failure, FailureKind};
use promql::ast::{
    Aggregate, Binary, BinaryOp, DurationExpr, DurationKind, Expr, ExprKind, VectorSelector,
};
use promql::fragment::{
    Fragment, MapStep, PartialAggregate, RangeFunction, ScalarOperand, Selector, Window,
};
use promql::kernel::scalar::combine_scalars;
use promql::refuse;
use promql::stage::FinalStage;

use super::PlanContext;

/// The value of a subtree.
#[derive(Debug)]
pub(super) enum Operand {
    /// One number a step.
    Scalar(ScalarOperand),
    /// A fragment that may still grow.
    Chain(Box<Fragment>),
    /// Whatever needs all partitions.
    Stage(FinalStage),
}

/// Gathers fragments while it walks the tree.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    context: &'a PlanContext<'a>,
    /// Finished fragments, numbered as the final stage names them.
    pub(super) fragments: Vec<Fragment>,
}

// === impl Planner ===

impl<'a> Planner<'a> {
    pub(super) const fn new(context: &'a PlanContext<'a>) -> Self {
        Self { context, fragments: vec![] }
    }

    pub(super) fn operand(&mut self, expr: &Expr) -> Result<Operand, Failure> {
        match &expr.kind {
            ExprKind::Number { value, .. } => Ok(Operand::Scalar(ScalarOperand::Constant(*value))),
            ExprKind::Paren(inner) | ExprKind::Unary { is_negative: false, inner } => {
                self.operand(inner)
            }
            ExprKind::Unary { is_negative: true, inner } => Ok(match self.operand(inner)? {
                Operand::Scalar(scalar) => Operand::Scalar(negate(&scalar)),
                vector => self.map(vector, MapStep::Negate),
            }),
            ExprKind::Binary(binary) => self.binary(binary),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate),
            ExprKind::Call { function, args } => self.call(function.name, args, expr),
            ExprKind::Vector(selector) => {
                let window = Window::Instant { lookback_ms: self.context.lookback_ms };
                Ok(Operand::Chain(Box::new(self.fragment(selector, window)?)))
            }
            ExprKind::String(_)
            | ExprKind::Bytes(_)
            | ExprKind::Matrix { .. }
            | ExprKind::Subquery(_) => Err(unplanned(expr)),
        }
    }

    /// A fragment over `selector` alone.
    pub(super) fn fragment(
        &self,
        selector: &VectorSelector,
        window: Window,
    ) -> Result<Fragment, Failure> {
        let offset_ms = selector.offset.as_ref().map_or(Ok(0), literal_ms)?;
        let selector = Selector { matchers: selector.matchers.clone(), offset_ms };
        Ok(self.context.new_fragment(selector, window))
    }

    /// Ends a chain: what follows is computed in the final stage.
    pub(super) fn close(&mut self, operand: Operand) -> FinalStage {
        match operand {
            Operand::Stage(stage) => stage,
            Operand::Scalar(scalar) => FinalStage::Vector(scalar),
            Operand::Chain(fragment) => {
                let stage = FinalStage::of_fragment(self.fragments.len(), &fragment);
                self.fragments.push(*fragment);
                stage
            }
        }
    }

    /// One step per series, where the series are if that hides nothing.
    fn map(&mut self, operand: Operand, step: MapStep) -> Operand {
        match operand {
            Operand::Chain(mut fragment) if takes_maps(&fragment) => {
                fragment.maps.push(step);
                Operand::Chain(fragment)
            }
            operand => {
                let inner = Box::new(self.close(operand));
                Operand::Stage(FinalStage::Map { step, inner })
            }
        }
    }

    fn binary(&mut self, binary: &Binary) -> Result<Operand, Failure> {
        let left = self.operand(&binary.left)?;
        let right = self.operand(&binary.right)?;
        let (op, is_bool) = (binary.op, binary.is_bool);
        let scalar_step =
            |operand, series_on_left| MapStep::Scalar { op, operand, series_on_left, is_bool };
        Ok(match (left, right) {
            (Operand::Scalar(left), Operand::Scalar(right)) => {
                let steps = self.context.grid.steps;
                Operand::Scalar(combine_scalars(op, &left, &right, steps))
            }
            (vector, Operand::Scalar(right)) => self.map(vector, scalar_step(right, true)),
            (Operand::Scalar(left), vector) => self.map(vector, scalar_step(left, false)),
            (left, right) => {
                let (left, right) = (Box::new(self.close(left)), Box::new(self.close(right)));
                let matching = binary.matching.clone();
                Operand::Stage(FinalStage::Binary { op, is_bool, matching, left, right })
            }
        })
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Operand, Failure> {
        let (op, grouping) = (aggregate.op, aggregate.grouping.clone());
        Ok(match self.operand(&aggregate.inner)? {
            Operand::Chain(mut fragment)
                if fragment.aggregate.is_none() && fragment.can_aggregate() =>
            {
                fragment.aggregate = Some(PartialAggregate { op, grouping });
                Operand::Chain(fragment)
            }
            operand => {
                let inner = Box::new(self.close(operand));
                Operand::Stage(FinalStage::Aggregate { op, grouping, inner })
            }
        })
    }

    fn call(&mut self, name: &str, args: &[Expr], expr: &Expr) -> Result<Operand, Failure> {
        match (name, args) {
            ("time", []) => Ok(Operand::Scalar(self.time())),
            ("vector", [value]) => match self.operand(value)? {
                Operand::Scalar(scalar) => Ok(Operand::Stage(FinalStage::Vector(scalar))),
                Operand::Chain(_) | Operand::Stage(_) => Err(unplanned(expr)),
            },
            ("histogram_quantile", [phi, buckets]) => {
                let Operand::Scalar(phi) = self.operand(phi)? else { return Err(unplanned(expr)) };
                let buckets = self.operand(buckets)?;
                let inner = Box::new(self.close(buckets));
                Ok(Operand::Stage(FinalStage::HistogramQuantile { phi, inner }))
            }
            ("quantile_over_time", [phi, window]) => {
                let phi = refuse::constant(phi).ok_or_else(|| unplanned(expr))?;
                self.range(RangeFunction::QuantileOverTime(phi), window)
            }
            (_, [window]) => {
                let function = RangeFunction::named(name).ok_or_else(|| unplanned(expr))?;
                self.range(function, window)
            }
            _ => Err(unplanned(expr)),
        }
    }

    fn range(&self, function: RangeFunction, window: &Expr) -> Result<Operand, Failure> {
        let ExprKind::Matrix { selector, range, .. } = &window.unparen().kind else {
            return Err(unplanned(window));
        };
        let window = Window::Range { function, range_ms: literal_ms(range)? };
        Ok(Operand::Chain(Box::new(self.fragment(selector, window)?)))
    }

    /// `time()`: each step's own time, in seconds.
    fn time(&self) -> ScalarOperand {
        let grid = self.context.grid;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our times are exact")]
        let seconds = |step| grid.at(step) as f64 / 1000.0;
        match grid.steps {
            1 => ScalarOperand::Constant(seconds(0)),
            steps => ScalarOperand::PerStep((0..steps).map(seconds).collect::<Arc<[f64]>>()),
        }
    }
}

/// Whether a further step may be computed in the partitions. It may not once two series may be alike
/// there: the final stage has to notice it before anything filters or changes them.
fn takes_maps(fragment: &Fragment) -> bool {
    fragment.aggregate.is_none() && fragment.can_aggregate()
}

/// A duration that was written as a literal.
pub(super) fn literal_ms(duration: &DurationExpr) -> Result<i64, Failure> {
    match duration.kind {
        DurationKind::Literal(ms) => Ok(ms),
        _ => Err(unplanned_text("a computed duration")),
    }
}

fn negate(scalar: &ScalarOperand) -> ScalarOperand {
    match scalar {
        ScalarOperand::Constant(value) => ScalarOperand::Constant(-value),
        steps @ ScalarOperand::PerStep(values) => {
            let minus_one = ScalarOperand::Constant(-1.0);
            combine_scalars(BinaryOp::Mul, &minus_one, steps, values.len())
        }
    }
}

/// The parser's refusals should have caught it: what cannot be planned is refused there.
fn unplanned(expr: &Expr) -> Failure {
    unplanned_text(&expr.to_string())
}

fn unplanned_text(what: &str) -> Failure {
    Failure::new(
        FailureKind::Internal,
        "err-varve-unplanned-expression",
        format!("no plan for {what}, although it was not refused: please report this query"),
    )
}
