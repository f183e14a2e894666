//! Matchers: `=`, `!=`, `=~`, `!~` over one label, anchored as Prometheus anchors.
//!
//! A regular expression matches the whole value and `.` matches a line break, as in Prometheus
//! (`model/labels/regexp.go`). Literal, prefix and alternation forms are recognised so that an
//! index can look values up instead of testing each.

mod dialect;

use std::fmt;

use regex::{Regex, RegexBuilder};

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// One label's condition. An absent label has the empty value.
#[derive(Clone)]
pub struct Matcher {
    name: Box<str>,
    op: MatchOp,
    value: Box<str>,
    regex: Option<ValueRegex>,
}

/// A compiled, anchored regular expression with the shortcuts that could be proved from its text.
#[derive(Clone)]
struct ValueRegex {
    /// The only values that can match, when the expression is a plain alternation of literals.
    literals: Option<Vec<Box<str>>>,
    /// A text with which every match begins.
    prefix: Box<str>,
    regex: Regex,
}

/// Why a matcher cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {message}")]
pub struct MatcherError {
    /// What the regex compiler said.
    pub message: String,
}

/// The largest compiled regular expression, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

// === impl Matcher ===

impl Matcher {
    /// A matcher; compiles the expression when `op` is a regex one.
    ///
    /// # Errors
    /// When the expression does not compile or its automaton exceeds 1 MiB.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(ValueRegex::new(value)?),
        };
        Ok(Self { name: name.into(), op, value: value.into(), regex })
    }

    /// `name="value"`.
    #[must_use]
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    /// The label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    #[must_use]
    pub const fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or the expression, as written.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with `value` satisfies the matcher; pass `""` for an absent label.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::Equal, _) => *self.value == *value,
            (MatchOp::NotEqual, _) => *self.value != *value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            (MatchOp::Regex | MatchOp::NotRegex, None) => false,
        }
    }

    /// Whether series without the label satisfy it.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The only values that can satisfy a positive matcher, when they are known.
    #[must_use]
    pub fn literals(&self) -> Option<Vec<&str>> {
        match (self.op, &self.regex) {
            (MatchOp::Equal, _) => Some(vec![&self.value]),
            (MatchOp::Regex, Some(regex)) => {
                regex.literals.as_ref().map(|all| all.iter().map(AsRef::as_ref).collect())
            }
            _ => None,
        }
    }

    /// A text with which each matching value of a positive regex matcher begins; may be empty.
    #[must_use]
    pub fn prefix(&self) -> &str {
        match (self.op, &self.regex) {
            (MatchOp::Regex, Some(regex)) => &regex.prefix,
            _ => "",
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        };
        write!(f, "{}{op}{:?}", self.name, self.value)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.name == other.name && self.value == other.value
    }
}

impl Eq for Matcher {}

// === impl ValueRegex ===

impl ValueRegex {
    fn new(text: &str) -> Result<Self, MatcherError> {
        let compile = |text: &str| {
            RegexBuilder::new(text)
                .size_limit(REGEX_BYTES_MAX)
                .build()
                .map_err(|error| MatcherError { message: error.to_string() })
        };
        let ours = dialect::translate(text);
        if text.contains(')') || text.ends_with('\\') {
            // The group around it must not lend its parentheses, as to `a)|(b`.
            compile(&ours)?;
        }
        let regex = compile(&format!("^(?s:{ours})$"))?;
        let is_plain = |c: char| !"\\.+*?()|[]{}^$".contains(c);
        let literals = text
            .chars()
            .all(|c| c == '|' || is_plain(c))
            .then(|| text.split('|').map(Into::into).collect());
        let plain: String = text.chars().take_while(|c| is_plain(*c)).collect();
        let after = text[plain.len()..].chars().next();
        // A quantifier takes the last character with it; an alternation takes all of it.
        let prefix = match after {
            _ if text.contains('|') => String::new(),
            Some('*' | '?' | '{') => {
                let mut shorter = plain;
                shorter.pop();
                shorter
            }
            _ => plain,
        };
        Ok(Self { literals, prefix: prefix.into(), regex })
    }

    fn is_match(&self, value: &str) -> bool {
        match &self.literals {
            Some(literals) => literals.iter().any(|literal| **literal == *value),
            None => value.starts_with(&*self.prefix) && self.regex.is_match(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn matches(op: MatchOp, pattern: &str, value: &str) -> bool {
        Matcher::new("l", op, pattern).unwrap().matches(value)
    }

    #[test]
    fn expressions_match_whole_values_and_dots_match_line_breaks() {
        for (pattern, value, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a.b", "a\nb", true),
            ("a|b", "b", true),
            ("a|b", "ab", false),
            ("ab*", "a", true),
            ("ab?c", "ac", true),
            ("ab{0}", "a", true),
            ("ab+", "abb", true),
            ("(?i)abc", "ABC", true),
            ("x|y*", "", true),
            ("", "", true),
            (".+", "", false),
            ("foo.*", "foobar", true),
            ("foo.*", "fobar", false),
            ("a\\|b", "a|b", true),
        ] {
            assert_eq!(matches(MatchOp::Regex, pattern, value), expected, "{pattern} ~ {value:?}");
            assert_eq!(matches(MatchOp::NotRegex, pattern, value), !expected);
        }
    }

    #[test]
    fn an_automaton_that_is_too_large_is_refused() {
        assert!(Matcher::new("l", MatchOp::Regex, "(a{1000}){1000}").is_err());
        assert!(Matcher::new("l", MatchOp::Regex, "a(").is_err());
    }

    #[test]
    fn an_expression_must_be_sound_by_itself() {
        for text in ["a)|(b", "a\\", ")(?:", "a)\\"] {
            assert!(Matcher::new("l", MatchOp::Regex, text).is_err(), "{text}");
        }
        for text in ["(a)|(b)", "a\\\\", "\\)"] {
            assert!(Matcher::new("l", MatchOp::Regex, text).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn shortcuts_change_nothing(pattern in "[ab|*?+.(){1}\\[\\]^$-]{0,8}", value in "[ab|\n]{0,5}") {
            let Ok(matcher) = Matcher::new("l", MatchOp::Regex, &pattern) else { return Ok(()) };
            let plain = Regex::new(&format!("^(?s:{})$", dialect::translate(&pattern))).unwrap();
            prop_assert_eq!(matcher.matches(&value), plain.is_match(&value));
            if let Some(literals) = matcher.literals() {
                prop_assert_eq!(matcher.matches(&value), literals.contains(&value.as_str()));
            }
        }
    }
}
