//! Durations in brackets and behind `offset`: literals, and arithmetic over them.
//!
//! Behind `offset` a bare literal ends the duration, so that `x offset 5m + y` is a sum of
//! vectors; arithmetic needs parentheses there.

use super::{Deep, Feature, Parser, Step, Stop};
use crate::ast::{BinaryOp, DurationExpr, DurationKind, DurationOp, Span};
use crate::lex::token::{Preprocessor, Token, TokenKind};
use crate::parse::expression::is_sign;

/// Prometheus counts nanoseconds in 63 bits.
const SECONDS_MAX: f64 = 9_223_372_036_854_775_808.0 / 1e9;

/// What stands for a duration that was refused. It has no place, as in Prometheus.
const ZERO_FROM_NOWHERE: DurationExpr = DurationExpr {
    kind: DurationKind::Number { value: 0.0, is_duration: false },
    span: Span::new(0, 0),
};

/// A sign binds like `*`.
const POWER_OF_SIGNS: u8 = 2;

impl Parser<'_> {
    /// The width of a window, or the step of a subquery.
    pub(super) fn positive_duration(&mut self) -> Step<DurationExpr> {
        let duration = whole(*self.duration(0)?.node);
        if matches!(duration.kind, DurationKind::Literal(ms) if ms <= 0) {
            self.log.add(duration.span, "duration must be greater than 0");
        }
        Ok(duration)
    }

    /// What stands behind `offset`.
    pub(super) fn offset_duration(&mut self) -> Step<DurationExpr> {
        let sign = is_sign(self.current.kind).then(|| self.bump());
        let duration = match self.current.kind {
            // A second sign, and everything behind it, is a computed duration.
            kind if is_sign(kind) => self.duration(POWER_OF_SIGNS + 1)?,
            _ => self.duration_primary()?,
        };
        let duration = match sign {
            Some(sign) => self.signed_duration(sign, duration)?,
            None => duration,
        };
        Ok(whole(*duration.node))
    }

    fn duration(&mut self, power_min: u8) -> Step<Deep<DurationExpr>> {
        self.enter()?;
        let mut left = if is_sign(self.current.kind) {
            let sign = self.bump();
            let inner = self.duration(POWER_OF_SIGNS + 1)?;
            self.signed_duration(sign, inner)?
        } else {
            self.duration_primary()?
        };
        while let TokenKind::Binary(op) = self.current.kind
            && let Some((op, power, right_min)) = ladder(op)
            && power >= power_min
        {
            let op_token = self.bump();
            let right = self.duration(right_min)?;
            left = self.computed(op_token, op, left, right)?;
        }
        self.leave();
        Ok(left)
    }

    fn duration_primary(&mut self) -> Step<Deep<DurationExpr>> {
        match self.current.kind {
            TokenKind::Number | TokenKind::Duration => {
                let token = self.bump();
                let (value, is_duration) = self.number_value(token);
                let kind = DurationKind::Number { value, is_duration };
                Ok(Deep::leaf(self.in_range(DurationExpr { kind, span: token.span }, token)))
            }
            TokenKind::Preprocessor(word) => self.duration_of_grid(word),
            TokenKind::LeftParen => {
                let open = self.bump();
                let inner = self.duration(0)?;
                self.expect(TokenKind::RightParen)?;
                self.gate(&inner.node);
                let span = self.span_from(open.span);
                self.above(
                    inner.depth,
                    DurationExpr { kind: DurationKind::Paren(inner.node), span },
                )
            }
            _ => Err(Stop::Unexpected),
        }
    }

    /// `step()`, `range()`, `min_of(a, b)`, `max_of(a, b)`.
    fn duration_of_grid(&mut self, word: Preprocessor) -> Step<Deep<DurationExpr>> {
        let (kind, op) = match word {
            Preprocessor::Step => (DurationKind::Step, None),
            Preprocessor::Range => (DurationKind::Range, None),
            Preprocessor::MinOf => (DurationKind::Step, Some(DurationOp::MinOf)),
            Preprocessor::MaxOf => (DurationKind::Step, Some(DurationOp::MaxOf)),
            Preprocessor::Start | Preprocessor::End => return Err(Stop::Unexpected),
        };
        let start = self.bump();
        self.expect(TokenKind::LeftParen)?;
        let (kind, depth) = if let Some(op) = op {
            let left = self.duration(0)?;
            self.expect(TokenKind::Comma)?;
            let right = self.duration(0)?;
            let depth = left.depth.max(right.depth);
            (DurationKind::Compute { op, left: left.node, right: right.node }, depth)
        } else {
            (kind, 0)
        };
        self.expect(TokenKind::RightParen)?;
        let span = self.span_from(start.span);
        let node = DurationExpr { kind, span };
        self.gate(&node);
        self.above(depth, node)
    }

    fn signed_duration(
        &mut self,
        sign: Token,
        inner: Deep<DurationExpr>,
    ) -> Step<Deep<DurationExpr>> {
        let is_negative = sign.text(self.text) == "-";
        let span = sign.span.to(inner.node.span);
        let Deep { node: inner, depth } = inner;
        if let DurationKind::Number { value, is_duration } = inner.kind {
            let value = if is_negative { -value } else { value };
            let kind = DurationKind::Number { value, is_duration };
            let node = self.in_range(DurationExpr { kind, span }, sign);
            return Ok(Deep { node: Box::new(node), depth });
        }
        if is_negative {
            return self.above(depth, DurationExpr { kind: DurationKind::Negate(inner), span });
        }
        let node = Box::new(DurationExpr { kind: inner.kind, span });
        Ok(Deep { node, depth })
    }

    fn computed(
        &mut self,
        op_token: Token,
        op: DurationOp,
        left: Deep<DurationExpr>,
        right: Deep<DurationExpr>,
    ) -> Step<Deep<DurationExpr>> {
        self.gate(&left.node);
        let is_zero = matches!(right.node.kind, DurationKind::Number { value: 0.0, .. });
        let complaint = match op {
            DurationOp::Div if is_zero => Some("division by zero"),
            DurationOp::Mod if is_zero => Some("modulo by zero"),
            _ => None,
        };
        if let Some(complaint) = complaint {
            self.log.add(op_token.span, complaint);
            return Ok(Deep::leaf(ZERO_FROM_NOWHERE));
        }
        let span = left.node.span.to(right.node.span);
        let depth = left.depth.max(right.depth);
        let (left, right) = (left.node, right.node);
        self.above(depth, DurationExpr { kind: DurationKind::Compute { op, left, right }, span })
    }

    fn in_range(&mut self, literal: DurationExpr, blamed: Token) -> DurationExpr {
        match literal.kind {
            DurationKind::Number { value, .. } if value.abs() > SECONDS_MAX => {
                self.log.add(blamed.span, "duration out of range");
                ZERO_FROM_NOWHERE
            }
            _ => literal,
        }
    }

    /// Computed durations were experimental before they became stable.
    fn gate(&mut self, part: &DurationExpr) {
        if !self.options.has(Feature::DurationExpressions) {
            self.log.add(part.span, "experimental duration expression is not enabled");
        }
    }
}

/// A duration that is nothing but a literal is known now, to the millisecond.
fn whole(duration: DurationExpr) -> DurationExpr {
    let DurationKind::Number { value, .. } = duration.kind else { return duration };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was checked; what is below a millisecond is cut off as in Prometheus"
    )]
    let ms = ((value * 1e9).round() / 1e6) as i64;
    DurationExpr { kind: DurationKind::Literal(ms), span: duration.span }
}

/// The operator with its power and the least power in its right operand.
const fn ladder(op: BinaryOp) -> Option<(DurationOp, u8, u8)> {
    Some(match op {
        BinaryOp::Add => (DurationOp::Add, 1, 2),
        BinaryOp::Sub => (DurationOp::Sub, 1, 2),
        BinaryOp::Mul => (DurationOp::Mul, 2, 3),
        BinaryOp::Div => (DurationOp::Div, 2, 3),
        BinaryOp::Mod => (DurationOp::Mod, 2, 3),
        BinaryOp::Pow => (DurationOp::Pow, 3, 3),
        _ => return None,
    })
}
