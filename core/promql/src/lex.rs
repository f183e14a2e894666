//! Text → tokens, as Prometheus' lexer cuts them (`promql/parser/lex.go`).
//!
//! The lexer knows three places, because the same characters mean different things in them:
//! outside, between braces (where keywords are names) and between brackets (where only durations
//! and arithmetic over them may stand). It is lazy, so that its errors come in the order of the
//! text among the parser's; after an error it yields nothing but errors.

pub(crate) mod number;
pub(crate) mod quote;
pub(crate) mod token;

use crate::ast::{BinaryOp, Span};
use crate::position::ErrorLog;
use quote::quote_char;
use token::{Token, TokenKind, keyword, preprocessor};

/// What Go prints for the rune that stands for the end of the input.
const END_CHAR: char = char::REPLACEMENT_CHARACTER;

/// Cuts one text into tokens.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// The next character.
    at: usize,
    /// The first byte of the token in the making.
    start: usize,
    place: Place,
    paren_depth: usize,
    bracket: Bracket,
    has_failed: bool,
}

/// Where the lexer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Braces,
    /// Directly behind `[` or an operator, where a duration must come.
    Duration,
}

/// What is known about the open bracket, if one is open.
#[derive(Debug, Clone, Copy)]
struct Bracket {
    is_open: bool,
    /// A duration has begun, so that a colon may follow.
    colon: Colon,
}

/// Whether a bracket may have a colon at this point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colon {
    TooEarly,
    Allowed,
    Seen,
}

/// The lexer cannot go on; the message is for the user.
struct LexError(String);

// === impl Lexer ===

impl<'a> Lexer<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            start: 0,
            place: Place::Outside,
            paren_depth: 0,
            bracket: Bracket { is_open: false, colon: Colon::TooEarly },
            has_failed: false,
        }
    }

    /// The next token; comments are skipped, errors are logged once.
    pub(crate) fn next(&mut self, log: &mut ErrorLog<'_>) -> Token {
        if self.has_failed {
            return self.token(TokenKind::Error);
        }
        self.skip_blank();
        self.start = self.at;
        let lexed = match self.place {
            Place::Outside => self.outside(),
            Place::Braces => self.inside_braces(),
            Place::Duration => self.duration(),
        };
        match lexed {
            Ok(kind) => self.token(kind),
            Err(LexError(message)) => {
                self.has_failed = true;
                log.add(span(self.start, self.text.len()), message);
                self.token(TokenKind::Error)
            }
        }
    }

    fn outside(&mut self) -> Result<TokenKind, LexError> {
        let Some(c) = self.bump() else { return self.end() };
        Ok(match c {
            '=' => match self.peek() {
                Some('=') => self.longer(TokenKind::Binary(BinaryOp::Eql)),
                Some('~') => {
                    return fail(format!("unexpected character after '=': {}", quote_char('~')));
                }
                _ => TokenKind::Equal,
            },
            '!' => match self.bump() {
                Some('=') => TokenKind::Binary(BinaryOp::Neq),
                other => return fail_after("!", "", other),
            },
            '<' => match self.peek() {
                Some('=') => self.longer(TokenKind::Binary(BinaryOp::Lte)),
                Some('/') => self.longer(TokenKind::Binary(BinaryOp::TrimUpper)),
                _ => TokenKind::Binary(BinaryOp::Lss),
            },
            '>' => match self.peek() {
                Some('=') => self.longer(TokenKind::Binary(BinaryOp::Gte)),
                Some('/') => self.longer(TokenKind::Binary(BinaryOp::TrimLower)),
                _ => TokenKind::Binary(BinaryOp::Gtr),
            },
            '@' => TokenKind::At,
            '{' => {
                self.place = Place::Braces;
                TokenKind::LeftBrace
            }
            '[' => return self.open_bracket(),
            ']' => return self.close_bracket(),
            '"' | '\'' => return self.string(c),
            '`' => return self.raw_string(),
            c if is_alpha(c) || c == ':' => {
                if self.bracket.is_open {
                    return self.word_in_bracket(c);
                }
                self.word()
            }
            c => return self.anywhere(c, "unexpected character: "),
        })
    }

    /// Tokens that mean the same outside and in brackets.
    fn anywhere(&mut self, c: char, otherwise: &str) -> Result<TokenKind, LexError> {
        Ok(match c {
            ',' => TokenKind::Comma,
            '+' => TokenKind::Binary(BinaryOp::Add),
            '-' => TokenKind::Binary(BinaryOp::Sub),
            '*' => TokenKind::Binary(BinaryOp::Mul),
            '/' => TokenKind::Binary(BinaryOp::Div),
            '%' => TokenKind::Binary(BinaryOp::Mod),
            '^' => TokenKind::Binary(BinaryOp::Pow),
            '(' => {
                self.paren_depth += 1;
                TokenKind::LeftParen
            }
            ')' => match self.paren_depth.checked_sub(1) {
                Some(depth) => {
                    self.paren_depth = depth;
                    TokenKind::RightParen
                }
                None => return self.fail_behind("unexpected right parenthesis ')'"),
            },
            c if c.is_ascii_digit() || (c == '.' && self.peek().is_some_and(is_digit)) => {
                self.at = self.start;
                return self.number_or_duration();
            }
            c => return fail(format!("{otherwise}{}", quote_char(c))),
        })
    }

    /// Directly behind `[`, or behind an operator or parenthesis that followed it.
    fn duration(&mut self) -> Result<TokenKind, LexError> {
        let Some(c) = self.bump() else {
            return fail("unexpected end of input in duration expression".to_owned());
        };
        match c {
            ']' => self.close_bracket(),
            ':' => match self.bracket.colon {
                Colon::TooEarly => {
                    self.fail_behind("unexpected colon before duration in duration expression")
                }
                Colon::Allowed => Ok(self.colon()),
                Colon::Seen => self.fail_behind("unexpected repeated colon in duration expression"),
            },
            c if c.is_ascii_digit() || c == '.' => {
                self.place = Place::Outside;
                self.duration_begins();
                self.anywhere(c, "unexpected character in duration expression: ")
            }
            c if is_alpha(c) => match self.duration_word() {
                Some(kind) => Ok(kind),
                None => fail_in_duration(c),
            },
            c => self.anywhere(c, "unexpected character in duration expression: "),
        }
    }

    /// A word or colon behind the first duration of a bracket.
    fn word_in_bracket(&mut self, c: char) -> Result<TokenKind, LexError> {
        if c == ':' {
            if self.bracket.colon == Colon::Seen {
                return fail(format!("unexpected colon {}", quote_char(':')));
            }
            return Ok(self.colon());
        }
        self.duration_word().map_or_else(
            || {
                let (got, expected) = (quote_char(c), quote_char(':'));
                fail(format!("unexpected character: {got}, expected {expected}"))
            },
            Ok,
        )
    }

    /// `step`, `range`, `min_of`, `max_of`: the words that durations may be computed from.
    fn duration_word(&mut self) -> Option<TokenKind> {
        self.skip_while(is_alpha);
        let lower = self.text[self.start..self.at].to_ascii_lowercase();
        match preprocessor(lower.as_bytes())? {
            token::Preprocessor::Start | token::Preprocessor::End => None,
            word => {
                self.duration_begins();
                Some(TokenKind::Preprocessor(word))
            }
        }
    }

    fn duration_begins(&mut self) {
        if self.bracket.colon == Colon::TooEarly {
            self.bracket.colon = Colon::Allowed;
        }
    }

    fn colon(&mut self) -> TokenKind {
        self.bracket.colon = Colon::Seen;
        TokenKind::Colon
    }

    fn open_bracket(&mut self) -> Result<TokenKind, LexError> {
        if self.bracket.is_open {
            return fail(format!("unexpected left bracket {}", quote_char('[')));
        }
        self.bracket = Bracket { is_open: true, colon: Colon::TooEarly };
        self.place = Place::Duration;
        Ok(TokenKind::LeftBracket)
    }

    fn close_bracket(&mut self) -> Result<TokenKind, LexError> {
        if !self.bracket.is_open {
            return fail(format!("unexpected right bracket {}", quote_char(']')));
        }
        self.bracket.is_open = false;
        self.place = Place::Outside;
        Ok(TokenKind::RightBracket)
    }

    fn inside_braces(&mut self) -> Result<TokenKind, LexError> {
        let Some(c) = self.bump() else {
            return fail("unexpected end of input inside braces".to_owned());
        };
        Ok(match c {
            c if is_alpha(c) => {
                self.skip_while(is_alphanumeric);
                TokenKind::Identifier
            }
            ',' => TokenKind::Comma,
            '"' | '\'' => return self.string(c),
            '`' => return self.raw_string(),
            '=' if self.peek() == Some('~') => self.longer(TokenKind::EqualRegex),
            '=' => TokenKind::Equal,
            '!' => match self.bump() {
                Some('~') => TokenKind::NotEqualRegex,
                Some('=') => TokenKind::Binary(BinaryOp::Neq),
                other => return fail_after("!", " inside braces", other),
            },
            '{' => return fail(format!("unexpected left brace {}", quote_char('{'))),
            '}' => {
                self.place = Place::Outside;
                TokenKind::RightBrace
            }
            c => return fail(format!("unexpected character inside braces: {}", quote_char(c))),
        })
    }

    fn end(&self) -> Result<TokenKind, LexError> {
        if self.paren_depth > 0 {
            return fail("unclosed left parenthesis".to_owned());
        }
        if self.bracket.is_open {
            return fail("unclosed left bracket".to_owned());
        }
        Ok(TokenKind::End)
    }

    /// An identifier or keyword; its first character has been read.
    fn word(&mut self) -> TokenKind {
        self.skip_while(|c| is_alphanumeric(c) || c == ':');
        let word = &self.text[self.start..self.at];
        match keyword(word) {
            // These came late, so they are keywords only where nothing else can be meant.
            Some(TokenKind::Keyword(
                token::Keyword::Fill | token::Keyword::FillLeft | token::Keyword::FillRight,
            )) if !self.text[self.at..].trim_start_matches(is_space).starts_with('(') => {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        }
    }

    /// A quoted string; its opening quote has been read.
    fn string(&mut self, quote: char) -> Result<TokenKind, LexError> {
        loop {
            match self.bump() {
                None | Some('\n') => return fail("unterminated quoted string".to_owned()),
                Some('\\') => self.escape(quote)?,
                Some(char::REPLACEMENT_CHARACTER) => return fail("invalid UTF-8 rune".to_owned()),
                Some(c) if c == quote => return Ok(TokenKind::String),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Result<TokenKind, LexError> {
        loop {
            match self.bump() {
                None => return fail("unterminated raw string".to_owned()),
                Some(char::REPLACEMENT_CHARACTER) => return fail("invalid UTF-8 rune".to_owned()),
                Some('`') => return Ok(TokenKind::String),
                Some(_) => {}
            }
        }
    }

    /// An escape sequence; its backslash has been read.
    fn escape(&mut self, quote: char) -> Result<(), LexError> {
        let (digits, radix, value_max) = match self.bump() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => return Ok(()),
            Some(c) if c == quote => return Ok(()),
            Some('0'..='7') => {
                self.at -= 1;
                (3, 8, 0xff)
            }
            Some('x') => (2, 16, 0xff),
            Some('u') => (4, 16, u32::from(char::MAX)),
            Some('U') => (8, 16, u32::from(char::MAX)),
            Some(c) => return fail(format!("unknown escape sequence {}", code_point(c))),
            None => return fail("escape sequence not terminated".to_owned()),
        };
        let mut value = 0_u32;
        for _ in 0..digits {
            let Some(c) = self.bump() else {
                return fail("escape sequence not terminated".to_owned());
            };
            let Some(digit) = c.to_digit(radix) else {
                return fail(format!("illegal character {} in escape sequence", code_point(c)));
            };
            value = value.wrapping_mul(radix).wrapping_add(digit);
        }
        if value > value_max || (0xd800..0xe000).contains(&value) {
            return fail("escape sequence is an invalid Unicode code point".to_owned());
        }
        Ok(())
    }

    fn skip_blank(&mut self) {
        loop {
            self.skip_while(is_space);
            // In a bracket, a comment may stand only behind the first duration.
            if self.peek() != Some('#') || self.place == Place::Duration {
                return;
            }
            self.skip_while(|c| c != '\n' && c != '\r');
        }
    }

    /// Fails at the place behind the token, where Prometheus' lexer is when it notices.
    fn fail_behind(&mut self, message: &str) -> Result<TokenKind, LexError> {
        self.start = self.at;
        fail(message.to_owned())
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn skip_while(&mut self, mut is_wanted: impl FnMut(char) -> bool) {
        while self.peek().is_some_and(&mut is_wanted) {
            self.bump();
        }
    }

    /// Takes one more character into a token.
    fn longer(&mut self, kind: TokenKind) -> TokenKind {
        self.bump();
        kind
    }

    fn token(&self, kind: TokenKind) -> Token {
        Token { kind, span: span(self.start, self.at) }
    }
}

/// A span of offsets; texts are at most 1 MiB long (`parse::QUERY_BYTES_MAX`).
fn span(start: usize, end: usize) -> Span {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span::new(narrow(start), narrow(end))
}

const fn fail<T>(message: String) -> Result<T, LexError> {
    Err(LexError(message))
}

fn fail_after(what: &str, place: &str, got: Option<char>) -> Result<TokenKind, LexError> {
    let got = quote_char(got.unwrap_or(END_CHAR));
    fail(format!("unexpected character after '{what}'{place}: {got}"))
}

fn fail_in_duration(c: char) -> Result<TokenKind, LexError> {
    fail(format!("unexpected character in duration expression: {}", quote_char(c)))
}

/// `U+0040 '@'`
fn code_point(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

const fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

const fn is_alpha(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

const fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || is_digit(c)
}

#[cfg(test)]
mod tests;
