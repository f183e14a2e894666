//! Aggregations and the lists of labels that group them.

use super::{Deep, Feature, Parser, Step, Stop};
use crate::ast::{Aggregate, AggregateOp, Expr, ExprKind, Grouping, Span};
use crate::lex::quote::quote;
use crate::lex::token::{Keyword, Token, TokenKind};
use crate::parse::expression::number_at;

const NO_ARGUMENTS: &str = "no arguments for aggregate expression provided";

impl Parser<'_> {
    /// An aggregation; its operator has been read.
    pub(super) fn aggregate(&mut self, name: Token, op: AggregateOp) -> Step<Deep<Expr>> {
        match self.aggregate_parts() {
            Ok(parts) => self.aggregate_of(name, op, parts),
            Err(stop) => {
                let reported = self.report(stop, "aggregation", "");
                if stop == Stop::Unexpected {
                    // Prometheus goes on as if the parentheses were empty.
                    let start = name.span.start;
                    self.log.add(Span::new(start, start), NO_ARGUMENTS);
                }
                Err(reported)
            }
        }
    }

    fn aggregate_of(
        &mut self,
        name: Token,
        op: AggregateOp,
        (grouping, mut args, depth): (Grouping, Vec<Expr>, u32),
    ) -> Step<Deep<Expr>> {
        let span = self.span_from(name.span);
        let wanted = 1 + usize::from(op.has_param());
        let complaint = if args.is_empty() {
            Some(NO_ARGUMENTS.to_owned())
        } else if op.is_experimental() && !self.options.has(Feature::ExperimentalFunctions) {
            let name = op.as_str();
            Some(format!(
                "{name}() is experimental and must be enabled with \
                 --enable-feature=promql-experimental-functions"
            ))
        } else if args.len() != wanted {
            let got = args.len();
            Some(format!(
                "wrong number of arguments for aggregate expression provided, \
                 expected {wanted}, got {got}"
            ))
        } else {
            None
        };
        let inner = match (complaint, args.pop()) {
            (None, Some(inner)) => inner,
            (complaint, _) => {
                self.log.add(span, complaint.unwrap_or_default());
                return Ok(Deep::leaf(number_at(span)));
            }
        };
        let aggregate = Aggregate { op, inner, param: args.pop(), grouping };
        self.above(depth, Expr { kind: ExprKind::Aggregate(Box::new(aggregate)), span })
    }

    /// Grouping and arguments, in either order.
    fn aggregate_parts(&mut self) -> Step<(Grouping, Vec<Expr>, u32)> {
        if let Some(grouping) = self.grouping()? {
            let (args, depth) = self.call_body()?;
            return Ok((grouping, args, depth));
        }
        let (args, depth) = self.call_body()?;
        Ok((self.grouping()?.unwrap_or_default(), args, depth))
    }

    /// `by (…)`, `without (…)`, or nothing.
    fn grouping(&mut self) -> Step<Option<Grouping>> {
        let TokenKind::Keyword(word @ (Keyword::By | Keyword::Without)) = self.current.kind else {
            return Ok(None);
        };
        self.bump();
        let labels = self.grouping_labels()?;
        Ok(Some(Grouping { is_without: word == Keyword::Without, labels }))
    }

    /// `(a, b, "c d")`; the last comma may have nothing behind it.
    pub(super) fn grouping_labels(&mut self) -> Step<Vec<String>> {
        let mut labels = Vec::new();
        if self.take(TokenKind::LeftParen).is_none() {
            return Err(self.report(Stop::Unexpected, "grouping opts", "\"(\""));
        }
        if self.take(TokenKind::RightParen).is_some() {
            return Ok(labels);
        }
        loop {
            labels.push(self.grouping_label()?);
            if self.take(TokenKind::RightParen).is_some() {
                return Ok(labels);
            }
            if self.take(TokenKind::Comma).is_none() {
                return Err(self.report(Stop::Unexpected, "grouping opts", "\",\" or \")\""));
            }
            if self.take(TokenKind::RightParen).is_some() {
                return Ok(labels);
            }
        }
    }

    fn grouping_label(&mut self) -> Step<String> {
        let label = match self.current.kind {
            TokenKind::String => {
                let token = self.bump();
                self.unquoted(token)
            }
            kind if kind.is_label_name() => self.bump().text(self.text).to_owned(),
            _ => return Err(self.report(Stop::Unexpected, "grouping opts", "label")),
        };
        if label.is_empty() {
            let message = format!("invalid label name for grouping: {}", quote(&label));
            self.log.add(self.previous.span, message);
        }
        Ok(label)
    }
}
