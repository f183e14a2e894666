//! Tokens: what they are, and how errors name them.

use crate::ast::{AggregateOp, BinaryOp, Span};
use crate::lex::quote::quote;

/// One token and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// The kinds of token of Prometheus' lexer (`promql/parser/lex.go`). Keywords are recognised in
/// any case; which of them may also be names is the parser's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    End,
    /// The lexer has reported why it cannot go on.
    Error,
    Identifier,
    /// An identifier with a colon in it.
    MetricIdentifier,
    Number,
    Duration,
    String,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    /// `=`
    Equal,
    /// `=~`
    EqualRegex,
    /// `!~`
    NotEqualRegex,
    /// `@`
    At,
    Binary(BinaryOp),
    Aggregate(AggregateOp),
    Keyword(Keyword),
    Preprocessor(Preprocessor),
}

/// Words that modify an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyword {
    Offset,
    Smoothed,
    Anchored,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Bool,
}

/// Words whose value depends on the query's grid. Before a parenthesis they are functions,
/// elsewhere they are names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preprocessor {
    Start,
    End,
    Step,
    Range,
    MinOf,
    MaxOf,
}

/// The longest keyword, in bytes.
const KEYWORD_BYTES_MAX: usize = "count_values".len();

/// The meaning of a word outside braces; `None` for a plain name.
pub(crate) fn keyword(word: &str) -> Option<TokenKind> {
    let mut buffer = [0; KEYWORD_BYTES_MAX];
    let lower = buffer.get_mut(..word.len())?;
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"inf" | b"nan" => TokenKind::Number,
        lower => operator(lower)
            .map(TokenKind::Binary)
            .or_else(|| aggregate(lower).map(TokenKind::Aggregate))
            .or_else(|| modifier(lower).map(TokenKind::Keyword))
            .or_else(|| preprocessor(lower).map(TokenKind::Preprocessor))?,
    })
}

const fn operator(word: &[u8]) -> Option<BinaryOp> {
    Some(match word {
        b"and" => BinaryOp::And,
        b"or" => BinaryOp::Or,
        b"unless" => BinaryOp::Unless,
        b"atan2" => BinaryOp::Atan2,
        _ => return None,
    })
}

const fn aggregate(word: &[u8]) -> Option<AggregateOp> {
    Some(match word {
        b"sum" => AggregateOp::Sum,
        b"avg" => AggregateOp::Avg,
        b"count" => AggregateOp::Count,
        b"min" => AggregateOp::Min,
        b"max" => AggregateOp::Max,
        b"group" => AggregateOp::Group,
        b"stddev" => AggregateOp::Stddev,
        b"stdvar" => AggregateOp::Stdvar,
        b"topk" => AggregateOp::Topk,
        b"bottomk" => AggregateOp::Bottomk,
        b"count_values" => AggregateOp::CountValues,
        b"quantile" => AggregateOp::Quantile,
        b"limitk" => AggregateOp::Limitk,
        b"limit_ratio" => AggregateOp::LimitRatio,
        _ => return None,
    })
}

const fn modifier(word: &[u8]) -> Option<Keyword> {
    Some(match word {
        b"offset" => Keyword::Offset,
        b"smoothed" => Keyword::Smoothed,
        b"anchored" => Keyword::Anchored,
        b"by" => Keyword::By,
        b"without" => Keyword::Without,
        b"on" => Keyword::On,
        b"ignoring" => Keyword::Ignoring,
        b"group_left" => Keyword::GroupLeft,
        b"group_right" => Keyword::GroupRight,
        b"fill" => Keyword::Fill,
        b"fill_left" => Keyword::FillLeft,
        b"fill_right" => Keyword::FillRight,
        b"bool" => Keyword::Bool,
        _ => return None,
    })
}

/// A word that depends on the grid.
pub(crate) const fn preprocessor(word: &[u8]) -> Option<Preprocessor> {
    Some(match word {
        b"start" => Preprocessor::Start,
        b"end" => Preprocessor::End,
        b"step" => Preprocessor::Step,
        b"range" => Preprocessor::Range,
        b"min_of" => Preprocessor::MinOf,
        b"max_of" => Preprocessor::MaxOf,
        _ => return None,
    })
}

// === impl TokenKind ===

impl TokenKind {
    /// Whether the token can be a metric's name (`metric_identifier` of the grammar).
    pub(crate) const fn is_metric_name(self) -> bool {
        match self {
            Self::Identifier
            | Self::MetricIdentifier
            | Self::Aggregate(_)
            | Self::Preprocessor(_)
            | Self::Binary(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) => true,
            Self::Keyword(keyword) => matches!(
                keyword,
                Keyword::By
                    | Keyword::Offset
                    | Keyword::Without
                    | Keyword::Anchored
                    | Keyword::Smoothed
            ),
            _ => false,
        }
    }

    /// Whether the token can be a label's name in a list of labels (`maybe_label`).
    pub(crate) const fn is_label_name(self) -> bool {
        match self {
            Self::Identifier
            | Self::MetricIdentifier
            | Self::Aggregate(_)
            | Self::Preprocessor(_)
            | Self::Binary(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless | BinaryOp::Atan2) => {
                true
            }
            Self::Keyword(keyword) => !matches!(
                keyword,
                Keyword::Without | Keyword::Fill | Keyword::FillLeft | Keyword::FillRight
            ),
            _ => false,
        }
    }
}

// === impl Token ===

impl Token {
    /// The token's text.
    pub(crate) fn text(self, source: &str) -> &str {
        &source[self.span.start as usize..self.span.end as usize]
    }

    /// How Prometheus' errors name the token: `identifier "foo"`, `<op:+>`, `end of input`.
    pub(crate) fn describe(self, source: &str) -> String {
        let text = self.text(source);
        match self.kind {
            TokenKind::End => "end of input".to_owned(),
            TokenKind::Error => "error".to_owned(),
            TokenKind::Identifier => format!("identifier {}", quote(text)),
            TokenKind::MetricIdentifier => format!("metric identifier {}", quote(text)),
            TokenKind::Number => format!("number {}", shortened(text)),
            TokenKind::Duration => format!("duration {}", shortened(text)),
            TokenKind::String => format!("string {}", shortened(text)),
            TokenKind::Keyword(_) => format!("<{text}>"),
            TokenKind::Binary(_)
            | TokenKind::At
            | TokenKind::EqualRegex
            | TokenKind::NotEqualRegex => {
                format!("<op:{text}>")
            }
            TokenKind::Aggregate(_) => format!("<aggr:{text}>"),
            _ => shortened(text),
        }
    }
}

/// Texts of more than ten bytes are cut after ten characters.
fn shortened(text: &str) -> String {
    if text.len() <= 10 {
        return quote(text);
    }
    let cut = text.char_indices().nth(10).map_or(text.len(), |(at, _)| at);
    format!("{}...", quote(&text[..cut]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_recognised_in_any_case() {
        for (word, expected) in [
            ("sum", Some(TokenKind::Aggregate(AggregateOp::Sum))),
            ("SUM", Some(TokenKind::Aggregate(AggregateOp::Sum))),
            ("Count_Values", Some(TokenKind::Aggregate(AggregateOp::CountValues))),
            ("inf", Some(TokenKind::Number)),
            ("NaN", Some(TokenKind::Number)),
            ("Offset", Some(TokenKind::Keyword(Keyword::Offset))),
            ("min_of", Some(TokenKind::Preprocessor(Preprocessor::MinOf))),
            ("unless", Some(TokenKind::Binary(BinaryOp::Unless))),
            ("sums", None),
            ("a_name_longer_than_any_keyword", None),
            ("é", None),
        ] {
            assert_eq!(keyword(word), expected, "{word}");
        }
    }

    #[test]
    fn errors_name_tokens_as_prometheus_does() {
        let describe = |kind, text: &str| {
            Token { kind, span: Span::new(0, u32::try_from(text.len()).unwrap()) }.describe(text)
        };
        for (kind, text, expected) in [
            (TokenKind::End, "", "end of input"),
            (TokenKind::Identifier, "foo", "identifier \"foo\""),
            (TokenKind::String, "\"a\"", "string \"\\\"a\\\"\""),
            (TokenKind::Number, "12345678901", "number \"1234567890\"..."),
            (TokenKind::Binary(BinaryOp::Add), "+", "<op:+>"),
            (TokenKind::Aggregate(AggregateOp::Sum), "SUM", "<aggr:SUM>"),
            (TokenKind::Keyword(Keyword::By), "by", "<by>"),
            (TokenKind::Preprocessor(Preprocessor::Start), "start", "\"start\""),
            (TokenKind::RightParen, ")", "\")\""),
        ] {
            assert_eq!(describe(kind, text), expected);
        }
    }
}
