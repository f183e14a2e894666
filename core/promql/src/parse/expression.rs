//! Expressions: literals, parentheses, signs, calls, and the ladder of operators.

use super::{Deep, Feature, Parser, Step, Stop};
use crate::ast::{Expr, ExprKind, Span};
use crate::functions;
use crate::lex::number::{duration_ms, number};
use crate::lex::quote::{Unquoted, quote, unquote};
use crate::lex::token::{Keyword, Token, TokenKind};
use crate::parse::binary::{POWER_OF_SIGNS, power};

impl Parser<'_> {
    /// An expression whose operators bind at least as strongly as `power_min`.
    pub(super) fn expression(&mut self, power_min: u8) -> Step<Deep<Expr>> {
        self.enter()?;
        let mut left = match self.current.kind {
            kind if is_sign(kind) => self.signed()?,
            _ => self.operand()?,
        };
        while let TokenKind::Binary(op) = self.current.kind
            && power(op).left >= power_min
        {
            let op_span = self.bump().span;
            let modifiers = self.binary_modifiers()?;
            let right = self.expression(power(op).right)?;
            left = self.binary(left, op, op_span, modifiers, right)?;
        }
        self.leave();
        Ok(left)
    }

    /// `-x`, `+x`; a sign before a number becomes part of it.
    fn signed(&mut self) -> Step<Deep<Expr>> {
        let sign = self.bump();
        let operand = self.expression(POWER_OF_SIGNS + 1)?;
        self.with_sign(sign, operand)
    }

    fn with_sign(&mut self, sign: Token, mut operand: Deep<Expr>) -> Step<Deep<Expr>> {
        let is_negative = sign.text(self.text) == "-";
        let span = sign.span.to(operand.node.span);
        if let ExprKind::Number { value, .. } = &mut operand.node.kind {
            if is_negative {
                *value = -*value;
            }
            operand.node.span = span;
            return Ok(operand);
        }
        let kind = ExprKind::Unary { is_negative, inner: operand.node };
        self.above(operand.depth, Expr { kind, span })
    }

    /// An operand with everything that stands behind it: ranges, offsets, `@`.
    fn operand(&mut self) -> Step<Deep<Expr>> {
        let mut expr = self.primary()?;
        loop {
            match self.current.kind {
                TokenKind::LeftBracket => expr = self.range(expr)?,
                TokenKind::Keyword(Keyword::Offset) => self.offset(&mut expr.node)?,
                TokenKind::At => self.at(&mut expr.node)?,
                TokenKind::Keyword(Keyword::Anchored | Keyword::Smoothed) => {
                    self.extension(&mut expr.node);
                }
                _ => return Ok(expr),
            }
        }
    }

    fn primary(&mut self) -> Step<Deep<Expr>> {
        match self.current.kind {
            TokenKind::Number | TokenKind::Duration => Ok(Deep::leaf(self.number_literal())),
            TokenKind::String => Ok(Deep::leaf(self.string_literal())),
            TokenKind::LeftParen => self.parenthesised(),
            TokenKind::Identifier | TokenKind::Preprocessor(_) => {
                let name = self.bump();
                if self.current.kind == TokenKind::LeftParen {
                    return self.call(name);
                }
                self.vector(name.span, Some(name))
            }
            TokenKind::Aggregate(op) => {
                let name = self.bump();
                match self.current.kind {
                    TokenKind::LeftParen | TokenKind::Keyword(Keyword::By | Keyword::Without) => {
                        self.aggregate(name, op)
                    }
                    _ => self.vector(name.span, Some(name)),
                }
            }
            TokenKind::LeftBrace => self.vector(self.current.span, None),
            kind if kind.is_metric_name() => {
                let name = self.bump();
                self.vector(name.span, Some(name))
            }
            _ => Err(Stop::Unexpected),
        }
    }

    fn vector(&mut self, start: Span, name: Option<Token>) -> Step<Deep<Expr>> {
        let selector = self.selector_after_name(name)?;
        Ok(Deep::leaf(Expr { kind: ExprKind::Vector(selector), span: self.span_from(start) }))
    }

    fn parenthesised(&mut self) -> Step<Deep<Expr>> {
        let open = self.bump();
        let inner = self.expression(0)?;
        self.expect(TokenKind::RightParen)?;
        let span = self.span_from(open.span);
        self.above(inner.depth, Expr { kind: ExprKind::Paren(inner.node), span })
    }

    fn call(&mut self, name: Token) -> Step<Deep<Expr>> {
        let args = self.call_body()?;
        self.call_of(name, args)
    }

    fn call_of(&mut self, name: Token, (args, depth): (Vec<Expr>, u32)) -> Step<Deep<Expr>> {
        let word = name.text(self.text);
        let span = self.span_from(name.span);
        let Some(function) = functions::lookup(word) else {
            self.log.add(name.span, format!("unknown function with name {}", quote(word)));
            // Nothing is evaluated after an error; any expression can stand here.
            return Ok(Deep::leaf(number_at(span)));
        };
        if function.is_experimental && !self.options.has(Feature::ExperimentalFunctions) {
            self.log.add(name.span, format!("function {} is not enabled", quote(word)));
        }
        self.above(depth, Expr { kind: ExprKind::Call { function, args }, span })
    }

    /// `(a, b)`; also returns the depth of the deepest argument.
    pub(super) fn call_body(&mut self) -> Step<(Vec<Expr>, u32)> {
        self.expect(TokenKind::LeftParen)?;
        let (mut args, mut depth) = (Vec::new(), 0);
        if self.take(TokenKind::RightParen).is_some() {
            return Ok((args, depth));
        }
        loop {
            let arg = self.expression(0)?;
            depth = depth.max(arg.depth);
            args.push(*arg.node);
            if let Some(comma) = self.take(TokenKind::Comma) {
                if begins_operand(self.current.kind) {
                    continue;
                }
                self.log.add(comma.span, "trailing commas not allowed in function call args");
            }
            self.expect(TokenKind::RightParen)?;
            return Ok((args, depth));
        }
    }

    /// The current token, which is a number or duration.
    pub(super) fn number_literal(&mut self) -> Expr {
        let token = self.bump();
        let (value, is_duration) = self.number_value(token);
        Expr { kind: ExprKind::Number { value, is_duration }, span: token.span }
    }

    /// The value of a number or duration in seconds, and whether it is a duration.
    pub(super) fn number_value(&mut self, token: Token) -> (f64, bool) {
        let text = token.text(self.text);
        let is_duration = token.kind == TokenKind::Duration;
        let value = if is_duration {
            duration_ms(text).map(seconds)
        } else {
            number(text).map_err(|why| format!("error parsing number: {why}"))
        };
        let value = value.unwrap_or_else(|why| {
            self.log.add(token.span, why);
            0.0
        });
        (value, is_duration)
    }

    fn string_literal(&mut self) -> Expr {
        let token = self.bump();
        let kind = match unquote(token.text(self.text)) {
            Unquoted::Text(text) => ExprKind::String(text),
            Unquoted::Bytes(bytes) => ExprKind::Bytes(bytes),
        };
        Expr { kind, span: token.span }
    }

    /// The text of a quoted name or value that must be UTF-8.
    pub(super) fn unquoted(&mut self, token: Token) -> String {
        match unquote(token.text(self.text)) {
            Unquoted::Text(text) => text,
            Unquoted::Bytes(_) => {
                let quoted = token.text(self.text);
                self.log.add(token.span, format!("label name or value {quoted} is not UTF-8"));
                String::new()
            }
        }
    }
}

/// Whether an expression may begin with the token.
const fn begins_operand(kind: TokenKind) -> bool {
    is_sign(kind)
        || kind.is_metric_name()
        || matches!(
            kind,
            TokenKind::Number
                | TokenKind::Duration
                | TokenKind::String
                | TokenKind::LeftParen
                | TokenKind::LeftBrace
        )
}

/// Whether the token is `+` or `-`.
pub(super) const fn is_sign(kind: TokenKind) -> bool {
    use crate::ast::BinaryOp::{Add, Sub};
    matches!(kind, TokenKind::Binary(Add | Sub))
}

/// A stand-in for what could not be parsed.
pub(super) const fn number_at(span: Span) -> Expr {
    Expr { kind: ExprKind::Number { value: 0.0, is_duration: false }, span }
}

#[expect(clippy::cast_precision_loss, reason = "at most 292 years of milliseconds: below 2^53")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
