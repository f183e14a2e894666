//! Tokens → tree: a recursive-descent parser with precedence climbing for the whole grammar of
//! Prometheus 3.14 (`promql/parser/generated_parser.y`), with Prometheus' error texts.
//!
//! Mistakes of meaning (an unknown function, two offsets) are noted and parsing goes on, so that
//! one run finds several. The first unexpected token ends it: the innermost construct that has
//! words for the surprise reports it, as the `error` productions of the grammar do. Types are
//! checked when the syntax is sound.
//!
//! Invariant: no tree is deeper than [`DEPTH_MAX`], so that whoever walks, copies or drops one by
//! recursion stays within a stack of 2 MiB. Texts are at most [`QUERY_BYTES_MAX`] long.

mod aggregate;
mod binary;
mod duration;
mod expression;
mod postfix;
mod regexp;
mod selector;

use model::Matcher;

use crate::ast::{Expr, Span};
use crate::check;
use crate::lex::Lexer;
use crate::lex::token::{Token, TokenKind};
use crate::position::{ErrorLog, ParseErrors};

/// The deepest tree that is accepted, in nodes from root to leaf. An operator chain such as
/// `1 + 1 + 1` is as deep as it has operators. Measured in an unoptimised build: a level takes up
/// to 2.6 KiB of stack, so that 800 KiB suffice.
pub const DEPTH_MAX: u32 = 300;

/// The longest text that is parsed, in bytes.
pub const QUERY_BYTES_MAX: usize = 1 << 20;

/// The most operands that an expression may have. A node takes a hundred times the memory of the
/// two bytes that can stand for it, so the length of the text alone bounds too little.
pub const OPERANDS_MAX: u32 = 20_000;

/// The most regular expressions that a query may have; each may compile to 1 MiB.
pub const REGEXES_MAX: u32 = 128;

/// Parts of the language that Prometheus has behind flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `promql-experimental-functions`: `info`, `limitk`, `sort_by_label`, ….
    ExperimentalFunctions,
    /// `[5m + step()]`; stable since 3.14.
    DurationExpressions,
    /// `promql-extended-range-selectors`: `anchored`, `smoothed`.
    ExtendedRangeSelectors,
    /// `promql-binop-fill-modifiers`: `fill`, `fill_left`, `fill_right`.
    FillModifiers,
}

/// Which [`Feature`]s are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseOptions {
    features: u8,
}

/// Parses an expression and checks its types.
///
/// # Errors
/// When the text is not PromQL, too long, too deep, or uses a feature that is off.
pub fn parse(text: &str, options: &ParseOptions) -> Result<Expr, ParseErrors> {
    let mut parser = Parser::new(text, *options);
    let expr = parser.whole_expression();
    let mut log = parser.log;
    if log.is_empty()
        && let Some(expr) = &expr
    {
        check::check(expr, &mut log);
    }
    log.into_result()?;
    Ok(expr.expect("the parser reports why there is no expression"))
}

/// Parses a vector selector without modifiers, as in `match[]`. Whether it would select
/// everything is not checked here; see [`crate::check::selects_all`].
///
/// # Errors
/// When the text is not a selector, or too long.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseErrors> {
    let mut parser = Parser::new(text, ParseOptions::default());
    let matchers = parser.whole_selector();
    parser.log.into_result()?;
    Ok(matchers)
}

/// Parsing cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The current token is not expected; nobody has said so yet.
    Unexpected,
    /// The user has been told.
    Reported,
}

type Step<T> = Result<T, Stop>;

/// A node and the depth of the tree below it, itself included. The box keeps the frames of the
/// recursion small: nodes have hundreds of bytes.
#[derive(Debug)]
struct Deep<T> {
    node: Box<T>,
    depth: u32,
}

/// The state of one run.
struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    log: ErrorLog<'a>,
    options: ParseOptions,
    /// The next token, not yet consumed.
    current: Token,
    /// The last consumed token.
    previous: Token,
    /// How many expressions are being parsed inside each other.
    nesting: u32,
    /// How many operands have been begun.
    operands: u32,
    /// How many regular expressions have been compiled.
    regexes: u32,
    /// The expression with a range that it must not have; its modifiers are no further news.
    refused_range: Option<Span>,
}

// === impl ParseOptions ===

impl ParseOptions {
    /// Everything is on.
    #[must_use]
    pub const fn all() -> Self {
        Self { features: u8::MAX }
    }

    /// Everything that has ever been behind a flag is off.
    #[must_use]
    pub const fn none() -> Self {
        Self { features: 0 }
    }

    /// These options with `feature` on.
    #[must_use]
    pub const fn with(mut self, feature: Feature) -> Self {
        self.features |= 1 << feature as u8;
        self
    }

    /// Whether `feature` is on.
    #[must_use]
    pub const fn has(&self, feature: Feature) -> bool {
        self.features & (1 << feature as u8) != 0
    }
}

impl Default for ParseOptions {
    /// What Prometheus 3.14 accepts without flags.
    fn default() -> Self {
        Self::none().with(Feature::DurationExpressions)
    }
}

// === impl Parser ===

impl<'a> Parser<'a> {
    fn new(text: &'a str, options: ParseOptions) -> Self {
        let mut log = ErrorLog::new(text);
        let mut lexer = Lexer::new(text);
        let nothing = Token { kind: TokenKind::Error, span: Span::default() };
        let current = if text.len() > QUERY_BYTES_MAX {
            let (got, max) = (text.len(), QUERY_BYTES_MAX);
            log.add(Span::default(), format!("query too long: {got} bytes exceed {max}"));
            nothing
        } else {
            lexer.next(&mut log)
        };
        Self {
            text,
            lexer,
            log,
            options,
            current,
            previous: nothing,
            nesting: 0,
            operands: 0,
            regexes: 0,
            refused_range: None,
        }
    }

    /// `None` when the reason has been reported.
    fn whole_expression(&mut self) -> Option<Expr> {
        if self.current.kind == TokenKind::End {
            self.log.add(Span::default(), "no expression found in input");
            return None;
        }
        let parsed = self.expression(0).and_then(|sub| self.expect(TokenKind::End).map(|_| sub));
        self.report_at_last(parsed).map(|sub| *sub.node)
    }

    fn whole_selector(&mut self) -> Vec<Matcher> {
        let parsed =
            self.selector().and_then(|sub| self.expect(TokenKind::End).map(|_| sub.matchers));
        self.report_at_last(parsed).unwrap_or_default()
    }

    fn report_at_last<T>(&mut self, parsed: Step<T>) -> Option<T> {
        parsed.map_err(|stop| self.report(stop, "", "")).ok()
    }

    /// Consumes the current token.
    fn bump(&mut self) -> Token {
        self.previous = self.current;
        self.current = self.lexer.next(&mut self.log);
        self.previous
    }

    /// Consumes the current token if it is of this kind.
    fn take(&mut self, kind: TokenKind) -> Option<Token> {
        (self.current.kind == kind).then(|| self.bump())
    }

    /// Consumes the current token, which must be of this kind.
    fn expect(&mut self, kind: TokenKind) -> Step<Token> {
        self.take(kind).ok_or(Stop::Unexpected)
    }

    /// Tells the user that the current token is not expected in `context`, unless somebody further
    /// inside has told already. The lexer reports its own errors.
    fn report(&mut self, stop: Stop, context: &str, expected: &str) -> Stop {
        if stop == Stop::Reported || self.current.kind == TokenKind::Error {
            return Stop::Reported;
        }
        let mut message = format!("unexpected {}", self.current.describe(self.text));
        for (word, what) in [(" in ", context), (", expected ", expected)] {
            if !what.is_empty() {
                message.push_str(word);
                message.push_str(what);
            }
        }
        self.log.add(self.current.span, message);
        Stop::Reported
    }

    /// Begins one more operand and one more level of nesting; [`Self::leave`] ends the level.
    fn enter(&mut self) -> Step<()> {
        self.nesting += 1;
        self.operands += 1;
        if self.operands > OPERANDS_MAX {
            return self
                .give_up(&format!("expression too large: more than {OPERANDS_MAX} operands"));
        }
        self.check_depth(self.nesting)
    }

    const fn leave(&mut self) {
        self.nesting -= 1;
    }

    fn check_depth(&mut self, depth: u32) -> Step<()> {
        if depth <= DEPTH_MAX {
            return Ok(());
        }
        self.give_up(&format!("expression nested too deeply: the limit is {DEPTH_MAX} levels"))
    }

    /// Ends the run at the current token.
    fn give_up(&mut self, why: &str) -> Step<()> {
        self.log.add(self.current.span, why);
        Err(Stop::Reported)
    }

    /// A node above others, the deepest of which has the given depth.
    fn above<T>(&mut self, depth_below: u32, node: T) -> Step<Deep<T>> {
        let depth = depth_below + 1;
        self.check_depth(depth)?;
        Ok(Deep { node: Box::new(node), depth })
    }

    /// From `start` to the end of the last consumed token.
    const fn span_from(&self, start: Span) -> Span {
        start.to(self.previous.span)
    }
}

impl<T> Deep<T> {
    /// A node with nothing below it.
    fn leaf(node: T) -> Self {
        Self { node: Box::new(node), depth: 1 }
    }
}

#[cfg(test)]
mod tests;
