//! Binary operators: how strongly they bind, and the words between operator and operand.

use super::{Deep, Feature, Parser, Step, Stop};
use crate::ast::{Binary, BinaryOp, Cardinality, Expr, ExprKind, Matching, Span};
use crate::lex::token::{Keyword, TokenKind};
use crate::parse::expression::is_sign;

/// How strongly an operator holds its operands; more is stronger.
pub(super) struct Power {
    pub(super) left: u8,
    /// The least power that an operator in the right operand must have.
    pub(super) right: u8,
}

/// A sign binds like `*`: `-1 ^ 2` is `-(1 ^ 2)`.
pub(super) const POWER_OF_SIGNS: u8 = 5;

/// The words between an operator and its right operand.
pub(super) struct Modifiers {
    is_bool: bool,
    matching: Matching,
}

/// The ladder of precedence; all are left-associative but `^`.
pub(super) const fn power(op: BinaryOp) -> Power {
    use BinaryOp::{
        Add, And, Atan2, Div, Eql, Gte, Gtr, Lss, Lte, Mod, Mul, Neq, Or, Pow, Sub, TrimLower,
        TrimUpper, Unless,
    };
    let left = match op {
        Or => 1,
        And | Unless => 2,
        Eql | Neq | Lss | Lte | Gtr | Gte | TrimUpper | TrimLower => 3,
        Add | Sub => 4,
        Mul | Div | Mod | Atan2 => POWER_OF_SIGNS,
        Pow => 6,
    };
    Power { left, right: if matches!(op, Pow) { left } else { left + 1 } }
}

impl Parser<'_> {
    /// `bool`, `on (…)` or `ignoring (…)`, `group_left (…)` or `group_right (…)`, `fill (…)`.
    pub(super) fn binary_modifiers(&mut self) -> Step<Modifiers> {
        let is_bool = self.take(TokenKind::Keyword(Keyword::Bool)).is_some();
        let mut matching = Matching::default();
        if let TokenKind::Keyword(word @ (Keyword::On | Keyword::Ignoring)) = self.current.kind {
            self.bump();
            matching.is_on = word == Keyword::On;
            matching.labels = self.grouping_labels()?;
            self.group_modifier(&mut matching)?;
        }
        self.fill_modifiers(&mut matching)?;
        Ok(Modifiers { is_bool, matching })
    }

    fn group_modifier(&mut self, matching: &mut Matching) -> Step<()> {
        matching.cardinality = match self.current.kind {
            TokenKind::Keyword(Keyword::GroupLeft) => Cardinality::ManyToOne,
            TokenKind::Keyword(Keyword::GroupRight) => Cardinality::OneToMany,
            _ => return Ok(()),
        };
        self.bump();
        // A parenthesis here is the list of labels, never the right operand.
        if self.current.kind == TokenKind::LeftParen {
            matching.include = self.grouping_labels()?;
        }
        Ok(())
    }

    fn fill_modifiers(&mut self, matching: &mut Matching) -> Step<()> {
        if self.take(TokenKind::Keyword(Keyword::Fill)).is_some() {
            let value = self.fill_value()?;
            (matching.fill_left, matching.fill_right) = (Some(value), Some(value));
            return Ok(());
        }
        loop {
            let side = match self.current.kind {
                TokenKind::Keyword(Keyword::FillLeft) => &mut matching.fill_left,
                TokenKind::Keyword(Keyword::FillRight) => &mut matching.fill_right,
                _ => return Ok(()),
            };
            if side.is_some() {
                return Err(Stop::Unexpected);
            }
            self.bump();
            *side = Some(self.fill_value()?);
        }
    }

    fn fill_value(&mut self) -> Step<f64> {
        self.expect(TokenKind::LeftParen)?;
        let value = self.signed_number()?;
        self.expect(TokenKind::RightParen)?;
        Ok(value)
    }

    /// A number or duration, maybe with a sign.
    pub(super) fn signed_number(&mut self) -> Step<f64> {
        let is_negative = is_sign(self.current.kind) && self.bump().text(self.text) == "-";
        match self.current.kind {
            TokenKind::Number | TokenKind::Duration => {
                let token = self.bump();
                let (value, _) = self.number_value(token);
                Ok(if is_negative { -value } else { value })
            }
            _ => Err(Stop::Unexpected),
        }
    }

    pub(super) fn binary(
        &mut self,
        left: Deep<Expr>,
        op: BinaryOp,
        op_span: Span,
        modifiers: Modifiers,
        right: Deep<Expr>,
    ) -> Step<Deep<Expr>> {
        let Modifiers { is_bool, mut matching } = modifiers;
        let span = left.node.span.to(right.node.span);
        let has_fill = matching.fill_left.is_some() || matching.fill_right.is_some();
        if has_fill && !self.options.has(Feature::FillModifiers) {
            self.log.add(span, "binop fill modifiers are experimental and not enabled");
        }
        if op.is_set() && matching.cardinality == Cardinality::OneToOne {
            matching.cardinality = Cardinality::ManyToMany;
        }
        let depth = left.depth.max(right.depth);
        let (left, right) = (*left.node, *right.node);
        let binary = Binary { op, op_span, left, right, is_bool, matching };
        self.above(depth, Expr { kind: ExprKind::Binary(Box::new(binary)), span })
    }
}
