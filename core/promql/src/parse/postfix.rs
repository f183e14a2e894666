//! What may stand behind an operand: `[5m]`, `[1h:5m]`, `offset`, `@`, `anchored`, `smoothed`.

use model::TimestampMs;

use super::{Deep, Feature, Parser, Step, Stop};
use crate::ast::{
    At, DurationExpr, DurationKind, Expr, ExprKind, RangeExtension, Span, Subquery, VectorSelector,
};
use crate::lex::token::{Keyword, Preprocessor, TokenKind};

const IN_BRACKET: &str = "number, duration, step(), or range()";

const RANGE_OF_VECTOR: &str = "ranges only allowed for vector selectors";

/// Seconds beyond these have no milliseconds in 64 bits.
const TIMESTAMP_SECONDS_MAX: f64 = 9_223_372_036_854_775_807.0 / 1000.0;

/// The modifiers that selectors and subqueries have in common.
struct Modified<'a> {
    offset: &'a mut Option<DurationExpr>,
    at: &'a mut Option<At>,
}

impl Parser<'_> {
    /// `[range]` or `[range:step]` behind an expression.
    pub(super) fn range(&mut self, expr: Deep<Expr>) -> Step<Deep<Expr>> {
        let open = self.bump();
        let range = self
            .positive_duration()
            .map_err(|stop| self.report(stop, "subquery or range selector", IN_BRACKET))?;
        if self.take(TokenKind::RightBracket).is_some() {
            return Ok(self.matrix(expr, range, self.span_from(open.span)));
        }
        if self.take(TokenKind::Colon).is_none() {
            return Err(self.report(Stop::Unexpected, "subquery or range", "\":\" or \"]\""));
        }
        let step = self.subquery_step()?;
        if self.take(TokenKind::RightBracket).is_none() {
            return Err(self.report(Stop::Unexpected, "subquery selector", "\"]\""));
        }
        let span = self.span_from(expr.node.span);
        let subquery = Subquery { inner: *expr.node, range, step, offset: None, at: None };
        self.above(expr.depth, Expr { kind: ExprKind::Subquery(Box::new(subquery)), span })
    }

    fn subquery_step(&mut self) -> Step<Option<DurationExpr>> {
        if self.current.kind == TokenKind::RightBracket {
            return Ok(None);
        }
        let expected = "number, duration, step(), range(), or \"]\"";
        match self.positive_duration() {
            Ok(step) => Ok(Some(step)),
            Err(stop) => Err(self.report(stop, "subquery selector", expected)),
        }
    }

    fn matrix(&mut self, expr: Deep<Expr>, range: DurationExpr, brackets: Span) -> Deep<Expr> {
        let (complaint, at) = match &expr.node.kind {
            ExprKind::Vector(selector) if is_set(selector.offset.as_ref()) => {
                (Some("no offset modifiers allowed before range"), brackets)
            }
            ExprKind::Vector(VectorSelector { at: Some(_), .. }) => {
                (Some("no @ modifiers allowed before range"), brackets)
            }
            ExprKind::Vector(_) => (None, brackets),
            _ => (Some(RANGE_OF_VECTOR), brackets),
        };
        if let Some(complaint) = complaint {
            self.log.add(at, complaint);
        }
        let selector_span = expr.node.span;
        match expr.node.kind {
            ExprKind::Vector(selector) => {
                let kind = ExprKind::Matrix { selector, selector_span, range };
                Deep::leaf(Expr { kind, span: self.span_from(selector_span) })
            }
            kind => {
                let span = self.span_from(selector_span);
                self.refused_range = Some(span);
                Deep { node: Box::new(Expr { kind, span }), depth: expr.depth }
            }
        }
    }

    /// `offset duration` behind an expression.
    pub(super) fn offset(&mut self, expr: &mut Expr) -> Step<()> {
        self.bump();
        let duration =
            self.offset_duration().map_err(|stop| self.report(stop, "offset", IN_BRACKET))?;
        let span = expr.span;
        if self.refused_range == Some(span) {
            self.log.add(span, RANGE_OF_VECTOR);
            return Ok(());
        }
        let Some(modified) = modified(expr) else {
            self.log.add(
                span,
                "offset modifier must be preceded by an instant vector selector or range vector \
                 selector or a subquery",
            );
            return Ok(());
        };
        if is_set(modified.offset.as_ref()) {
            self.log.add(span, "offset may not be set multiple times");
        }
        *modified.offset = Some(duration);
        expr.span = self.span_from(span);
        Ok(())
    }

    /// `@ time`, `@ start()`, `@ end()` behind an expression.
    pub(super) fn at(&mut self, expr: &mut Expr) -> Step<()> {
        self.bump();
        let span = expr.span;
        let at = self.at_time(span).map_err(|stop| self.report(stop, "@", "timestamp"))?;
        if self.refused_range == Some(span) {
            self.log.add(span, RANGE_OF_VECTOR);
            return Ok(());
        }
        let Some(modified) = modified(expr) else {
            self.log.add(
                span,
                "@ modifier must be preceded by an instant vector selector or range vector \
                 selector or a subquery",
            );
            return Ok(());
        };
        if modified.at.is_some() {
            self.log.add(span, "@ <timestamp> may not be set multiple times");
        }
        *modified.at = Some(at);
        expr.span = self.span_from(span);
        Ok(())
    }

    /// The time of `@`; one out of range is blamed on the whole expression.
    fn at_time(&mut self, blamed: Span) -> Step<At> {
        let at = match self.current.kind {
            TokenKind::Preprocessor(Preprocessor::Start) => At::Start,
            TokenKind::Preprocessor(Preprocessor::End) => At::End,
            _ => {
                let seconds = self.signed_number()?;
                return Ok(At::Timestamp(self.timestamp(seconds, blamed)));
            }
        };
        self.bump();
        self.expect(TokenKind::LeftParen)?;
        self.expect(TokenKind::RightParen)?;
        Ok(at)
    }

    fn timestamp(&mut self, seconds: f64, blamed: Span) -> TimestampMs {
        if seconds.is_nan() || seconds.abs() >= TIMESTAMP_SECONDS_MAX {
            let shown = match seconds {
                f64::INFINITY => "+Inf".to_owned(),
                f64::NEG_INFINITY => "-Inf".to_owned(),
                other => format!("{other:.6}"),
            };
            self.log.add(blamed, format!("timestamp out of bounds for @ modifier: {shown}"));
            return 0;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
        let ms = (seconds * 1000.0).round() as TimestampMs;
        ms
    }

    /// `anchored` or `smoothed` behind an expression.
    pub(super) fn extension(&mut self, expr: &mut Expr) {
        let word = self.bump();
        let extension = match word.kind {
            TokenKind::Keyword(Keyword::Anchored) => RangeExtension::Anchored,
            _ => RangeExtension::Smoothed,
        };
        let name = match extension {
            RangeExtension::Anchored => "anchored",
            RangeExtension::Smoothed => "smoothed",
        };
        let span = expr.span;
        let selector = match &mut expr.kind {
            _ if !self.options.has(Feature::ExtendedRangeSelectors) => {
                self.log.add(span, format!("{name} modifier is experimental and not enabled"));
                return;
            }
            _ if self.refused_range == Some(span) => return,
            ExprKind::Vector(selector) | ExprKind::Matrix { selector, .. } => selector,
            ExprKind::Subquery(_) => {
                self.log.add(span, format!("{name} modifier is not supported for subqueries"));
                return;
            }
            _ => {
                self.log.add(span, format!("{name} modifier not implemented"));
                return;
            }
        };
        if selector.extension.is_some_and(|other| other != extension) {
            self.log.add(span, "anchored and smoothed modifiers cannot be used together");
        }
        selector.extension = Some(extension);
        expr.span = self.span_from(span);
    }
}

/// The modifiers of an expression that can have some.
fn modified(expr: &mut Expr) -> Option<Modified<'_>> {
    match &mut expr.kind {
        ExprKind::Vector(selector) | ExprKind::Matrix { selector, .. } => {
            Some(Modified { offset: &mut selector.offset, at: &mut selector.at })
        }
        ExprKind::Subquery(subquery) => {
            Some(Modified { offset: &mut subquery.offset, at: &mut subquery.at })
        }
        _ => None,
    }
}

/// An offset of zero counts as none, as in Prometheus.
fn is_set(offset: Option<&DurationExpr>) -> bool {
    offset.is_some_and(|offset| offset.kind != DurationKind::Literal(0))
}
