//! From the syntax tree to fragments and a final stage; the querier's planner in small.

use std::sync::Arc;

use model::TenantId;
use promql::ast::{DurationKind, Expr, ExprKind, VectorSelector};
use promql::fragment::{
    Fragment, MapStep, PartialAggregate, RangeFunction, ScalarOperand, Selector, Window,
};
use promql::grid::Grid;
use promql::kernel::scalar::combine_scalars;
use promql::op::TileOp;
use promql::refuse::constant;
use promql::stage::FinalStage;
use promql::tile::TileView;

use crate::memory::{Sent, Storage, Unlimited};
use crate::script::Row;

/// What runs in the partitions.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pushdown {
    Aggregations,
    Nothing,
}

/// What came out.
pub(crate) enum Outcome {
    Scalar(ScalarOperand),
    Series(Vec<Row>),
}

enum Operand {
    Scalar(ScalarOperand),
    Chain(Fragment),
    Stage(FinalStage),
}

struct Planner {
    grid: Grid,
    pushdown: Pushdown,
    fragments: Vec<Fragment>,
}

/// Plans and runs an expression.
pub(crate) fn evaluate(
    expr: &Expr,
    grid: Grid,
    storage: &Storage,
    pushdown: Pushdown,
) -> Result<Outcome, String> {
    let mut planner = Planner { grid, pushdown, fragments: vec![] };
    let stage = match planner.operand(expr)? {
        Operand::Scalar(scalar) => return Ok(Outcome::Scalar(scalar)),
        operand => planner.close(operand),
    };
    let sent: Result<Vec<Vec<Sent>>, _> =
        planner.fragments.iter().map(|fragment| storage.run(fragment)).collect();
    let sent = sent.map_err(|error| error.to_string())?;
    let rosters: Vec<_> = sent
        .iter()
        .map(|partitions| partitions.iter().map(|sent| Arc::clone(&sent.roster)).collect())
        .collect();
    let bound = stage.bind(grid, &rosters);
    let mut tiles = vec![];
    let mut run = || {
        let mut proc = bound.start(&Unlimited)?;
        for (fragment, partitions) in sent.iter().enumerate() {
            for (partition, sent) in partitions.iter().enumerate() {
                let input = bound.input(fragment, partition);
                for tile in &sent.tiles {
                    proc.push(input, tile, &mut tiles, &Unlimited)?;
                }
                proc.end(input, &mut tiles, &Unlimited)?;
            }
        }
        if bound.inputs() == 0 {
            proc.end(0, &mut tiles, &Unlimited)?;
        }
        Ok(())
    };
    run().map_err(|error: promql::op::OpError| error.to_string())?;
    let mut rows = vec![];
    for tile in &tiles {
        let view = TileView::new(tile, grid.steps).map_err(|error| error.to_string())?;
        for (i, series) in view.series().iter().enumerate() {
            let row = (0..grid.steps).map(|step| view.cell(i, step)).collect();
            rows.push((bound.roster().series[*series as usize].clone(), row));
        }
    }
    Ok(Outcome::Series(rows))
}

/// All vector selectors below an expression, into `found`.
pub(crate) fn selectors<'a>(expr: &'a Expr, found: &mut Vec<&'a VectorSelector>) {
    match &expr.kind {
        ExprKind::Vector(selector) | ExprKind::Matrix { selector, .. } => found.push(selector),
        ExprKind::Paren(inner) | ExprKind::Unary { inner, .. } => selectors(inner, found),
        ExprKind::Binary(binary) => {
            selectors(&binary.left, found);
            selectors(&binary.right, found);
        }
        ExprKind::Aggregate(aggregate) => selectors(&aggregate.inner, found),
        ExprKind::Call { args, .. } => args.iter().for_each(|arg| selectors(arg, found)),
        _ => {}
    }
}

// === impl Planner ===

impl Planner {
    fn operand(&mut self, expr: &Expr) -> Result<Operand, String> {
        match &expr.kind {
            ExprKind::Number { value, .. } => Ok(Operand::Scalar(ScalarOperand::Constant(*value))),
            ExprKind::Paren(inner) | ExprKind::Unary { is_negative: false, inner } => {
                self.operand(inner)
            }
            ExprKind::Unary { inner, .. } => Ok(match self.operand(inner)? {
                Operand::Scalar(scalar) => {
                    let minus = ScalarOperand::Constant(-1.0);
                    let times = promql::ast::BinaryOp::Mul;
                    Operand::Scalar(combine_scalars(times, &minus, &scalar, self.grid.steps))
                }
                vector => self.map(vector, MapStep::Negate),
            }),
            ExprKind::Binary(binary) => {
                let (left, right) = (self.operand(&binary.left)?, self.operand(&binary.right)?);
                let (op, is_bool) = (binary.op, binary.is_bool);
                let step = |operand, series_on_left| MapStep::Scalar {
                    op,
                    operand,
                    series_on_left,
                    is_bool,
                };
                Ok(match (left, right) {
                    (Operand::Scalar(left), Operand::Scalar(right)) => {
                        Operand::Scalar(combine_scalars(op, &left, &right, self.grid.steps))
                    }
                    (vector, Operand::Scalar(right)) => self.map(vector, step(right, true)),
                    (Operand::Scalar(left), vector) => self.map(vector, step(left, false)),
                    (left, right) => {
                        let left = Box::new(self.close(left));
                        let right = Box::new(self.close(right));
                        let matching = binary.matching.clone();
                        Operand::Stage(FinalStage::Binary { op, is_bool, matching, left, right })
                    }
                })
            }
            ExprKind::Aggregate(aggregate) => {
                let (op, grouping) = (aggregate.op, aggregate.grouping.clone());
                Ok(match self.operand(&aggregate.inner)? {
                    Operand::Chain(mut fragment)
                        if self.pushdown == Pushdown::Aggregations && fragment.can_aggregate() =>
                    {
                        fragment.aggregate = Some(PartialAggregate { op, grouping });
                        Operand::Stage(self.close(Operand::Chain(fragment)))
                    }
                    operand => {
                        let inner = Box::new(self.close(operand));
                        Operand::Stage(FinalStage::Aggregate { op, grouping, inner })
                    }
                })
            }
            ExprKind::Call { function, args } => self.call(function.name, args),
            ExprKind::Vector(selector) => {
                self.chain(selector, Window::Instant { lookback_ms: 300_000 })
            }
            _ => Err(format!("no plan for {expr}")),
        }
    }

    fn call(&mut self, name: &str, args: &[Expr]) -> Result<Operand, String> {
        match (name, args) {
            ("time", []) => {
                let seconds: Vec<f64> =
                    (0..self.grid.steps).map(|step| self.grid.at(step) as f64 / 1000.0).collect();
                Ok(Operand::Scalar(ScalarOperand::PerStep(Arc::from(seconds))))
            }
            ("vector", [value]) => {
                let scalar = self.operand(value)?;
                Ok(Operand::Stage(self.close(scalar)))
            }
            ("histogram_quantile", [phi, buckets]) => {
                let Operand::Scalar(phi) = self.operand(phi)? else {
                    return Err("φ is no scalar".to_owned());
                };
                let buckets = self.operand(buckets)?;
                let inner = Box::new(self.close(buckets));
                Ok(Operand::Stage(FinalStage::HistogramQuantile { phi, inner }))
            }
            ("quantile_over_time", [phi, window]) => {
                let phi = constant(phi).ok_or("φ is not constant")?;
                self.range(RangeFunction::QuantileOverTime(phi), window)
            }
            (_, [window]) => {
                let function = RangeFunction::named(name);
                self.range(function.ok_or_else(|| format!("no plan for {name}"))?, window)
            }
            _ => Err(format!("no plan for {name}")),
        }
    }

    fn range(&self, function: RangeFunction, window: &Expr) -> Result<Operand, String> {
        let ExprKind::Matrix { selector, range, .. } = &window.unparen().kind else {
            return Err("no matrix".to_owned());
        };
        let DurationKind::Literal(range_ms) = range.kind else {
            return Err("computed range".to_owned());
        };
        self.chain(selector, Window::Range { function, range_ms })
    }

    fn chain(&self, selector: &VectorSelector, window: Window) -> Result<Operand, String> {
        let offset_ms = match selector.offset.as_ref().map(|offset| &offset.kind) {
            None => 0,
            Some(DurationKind::Literal(ms)) => *ms,
            Some(_) => return Err("computed offset".to_owned()),
        };
        Ok(Operand::Chain(Fragment {
            tenant: TenantId::anonymous(),
            grid: self.grid,
            selector: Selector { matchers: selector.matchers.clone(), offset_ms },
            window,
            maps: vec![],
            aggregate: None,
        }))
    }

    fn map(&mut self, operand: Operand, step: MapStep) -> Operand {
        match operand {
            Operand::Chain(mut fragment) if fragment.can_aggregate() => {
                fragment.maps.push(step);
                Operand::Chain(fragment)
            }
            operand => {
                let inner = Box::new(self.close(operand));
                Operand::Stage(FinalStage::Map { step, inner })
            }
        }
    }

    fn close(&mut self, operand: Operand) -> FinalStage {
        match operand {
            Operand::Stage(stage) => stage,
            Operand::Scalar(scalar) => FinalStage::Vector(scalar),
            Operand::Chain(fragment) => {
                let stage = FinalStage::of_fragment(self.fragments.len(), &fragment);
                self.fragments.push(fragment);
                stage
            }
        }
    }
}
