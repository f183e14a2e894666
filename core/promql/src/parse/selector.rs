//! Vector selectors: `name{label="value"}` and `{"name", label=~"value"}`.

use model::labels::METRIC_NAME;
use model::{MatchOp, Matcher};

use super::regexp::complaint;
use super::{Parser, REGEXES_MAX, Step, Stop};
use crate::ast::{BinaryOp, VectorSelector};
use crate::lex::token::{Token, TokenKind};

impl Parser<'_> {
    /// A selector that is not followed by modifiers.
    pub(super) fn selector(&mut self) -> Step<VectorSelector> {
        match self.current.kind {
            TokenKind::LeftBrace => self.selector_after_name(None),
            kind if kind.is_metric_name() => {
                let name = self.bump();
                self.selector_after_name(Some(name))
            }
            _ => Err(Stop::Unexpected),
        }
    }

    /// The rest of a selector whose name, if it has one, has been read. The name's matcher comes
    /// last.
    pub(super) fn selector_after_name(&mut self, name: Option<Token>) -> Step<VectorSelector> {
        let mut matchers = Vec::new();
        if self.take(TokenKind::LeftBrace).is_some() {
            self.matchers(&mut matchers)?;
        }
        let name = name.map_or_else(String::new, |name| name.text(self.text).to_owned());
        if !name.is_empty() {
            matchers.push(Matcher::equal(METRIC_NAME, &name));
        }
        Ok(VectorSelector { name, matchers, offset: None, at: None, extension: None })
    }

    /// Matchers up to the closing brace; the last comma may have nothing behind it.
    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Step<()> {
        if self.take(TokenKind::RightBrace).is_some() {
            return Ok(());
        }
        loop {
            matchers.push(self.matcher()?);
            if self.take(TokenKind::RightBrace).is_some() {
                return Ok(());
            }
            if self.take(TokenKind::Comma).is_none() {
                return Err(self.unexpected_in_braces("\",\" or \"}\""));
            }
            if self.take(TokenKind::RightBrace).is_some() {
                return Ok(());
            }
        }
    }

    fn matcher(&mut self) -> Step<Matcher> {
        let label = match self.current.kind {
            TokenKind::Identifier | TokenKind::String => self.bump(),
            _ => return Err(self.unexpected_in_braces("identifier or \"}\"")),
        };
        let name = match label.kind {
            TokenKind::String => self.unquoted(label),
            _ => label.text(self.text).to_owned(),
        };
        let op = match self.current.kind {
            TokenKind::Equal => MatchOp::Equal,
            TokenKind::Binary(BinaryOp::Neq) => MatchOp::NotEqual,
            TokenKind::EqualRegex => MatchOp::Regex,
            TokenKind::NotEqualRegex => MatchOp::NotRegex,
            // A quoted text alone is the metric's name.
            _ if label.kind == TokenKind::String => {
                return Ok(Matcher::equal(METRIC_NAME, &name));
            }
            _ => return Err(self.unexpected_in_braces("label matching operator")),
        };
        self.bump();
        if self.current.kind != TokenKind::String {
            return Err(self.unexpected_in_braces("string"));
        }
        let token = self.bump();
        let value = self.unquoted(token);
        self.count_regex(op)?;
        Matcher::new(&name, op, &value).map_err(|error| {
            let message = complaint(&value, &error.message);
            self.log.add(self.span_from(label.span), message);
            // To find a regular expression too large takes long; one such find is enough.
            Stop::Reported
        })
    }

    fn count_regex(&mut self, op: MatchOp) -> Step<()> {
        self.regexes += u32::from(matches!(op, MatchOp::Regex | MatchOp::NotRegex));
        if self.regexes <= REGEXES_MAX {
            return Ok(());
        }
        self.give_up(&format!(
            "too many regular expressions: the limit is {REGEXES_MAX} in a query"
        ))
    }

    fn unexpected_in_braces(&mut self, expected: &str) -> Stop {
        self.report(Stop::Unexpected, "label matching", expected)
    }
}
