//! Regular expressions of Go's dialect, which Prometheus has, in the dialect of our compiler.
//!
//! Both descend from RE2 and differ in corners (`regexp/syntax` against `regex`'s documentation):
//! Go takes a brace that counts nothing for itself, keeps `\d`, `\w`, `\s` and `\b` to ASCII, quotes
//! with `\Q…\E`, and knows neither sets within brackets nor the word marks `\<` and `\>`.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::CharIndices;

/// The expression that matches here what `go` matches in Go.
pub(super) fn translate(go: &str) -> Cow<'_, str> {
    if !go.contains(['\\', '[', '{']) {
        return Cow::Borrowed(go);
    }
    let translator = Translator {
        text: go,
        rest: go.char_indices().peekable(),
        out: String::with_capacity(go.len() + 16),
    };
    Cow::Owned(translator.run())
}

struct Translator<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    out: String,
}

/// Whether brackets surround the place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Brackets,
}

// === impl Translator ===

impl Translator<'_> {
    fn run(mut self) -> String {
        while let Some((at, c)) = self.rest.next() {
            match c {
                '\\' => self.escape(at, Place::Outside),
                '[' => self.brackets(),
                '{' => match counter(&self.text[at..]) {
                    Some(counter) => self.copy(at, at + counter.len()),
                    None => self.out.push_str("\\{"),
                },
                c => self.out.push(c),
            }
        }
        self.out
    }

    /// A set of characters; its opening bracket has been read.
    fn brackets(&mut self) {
        self.out.push('[');
        if let Some((_, c)) = self.rest.next_if(|(_, c)| *c == '^') {
            self.out.push(c);
        }
        // A bracket in the first place closes nothing.
        if self.rest.next_if(|(_, c)| *c == ']').is_some() {
            self.out.push_str("\\]");
        }
        while let Some((at, c)) = self.rest.next() {
            match c {
                ']' => {
                    self.out.push(']');
                    return;
                }
                '\\' => self.escape(at, Place::Brackets),
                '[' => match named_set(&self.text[at..]) {
                    Some(set) => self.copy(at, at + set.len()),
                    None => self.out.push_str("\\["),
                },
                '&' | '~' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                c => self.out.push(c),
            }
        }
    }

    /// An escape; its backslash at `at` has been read.
    fn escape(&mut self, at: usize, place: Place) {
        let Some((_, c)) = self.rest.next() else {
            self.out.push('\\');
            return;
        };
        match (c, place) {
            ('d' | 'w' | 's', _) => self.ascii_set(c, "", place),
            ('D' | 'W' | 'S', _) => self.ascii_set(c.to_ascii_lowercase(), "^", Place::Outside),
            ('b', Place::Outside) => self.out.push_str("(?-u:\\b)"),
            ('Q', Place::Outside) => self.quoted(at + 2),
            ('<' | '>', _) => self.out.push(c),
            ('p' | 'P' | 'x', _) if self.text[at + 2..].starts_with('{') => {
                let name = self.text[at..].find('}').map_or(self.text.len(), |end| at + end + 1);
                self.out.push_str(&self.text[at..at + 2]);
                self.copy(at + 2, name);
            }
            (c, _) => {
                self.out.push('\\');
                self.out.push(c);
            }
        }
    }

    fn ascii_set(&mut self, name: char, not: &str, place: Place) {
        let members = match name {
            'd' => "0-9",
            'w' => "0-9A-Za-z_",
            _ => "\\t\\n\\f\\r ",
        };
        match place {
            Place::Brackets => self.out.push_str(members),
            Place::Outside => {
                for part in ["[", not, members, "]"] {
                    self.out.push_str(part);
                }
            }
        }
    }

    /// Plain text from `start` to `\E` or to the end.
    fn quoted(&mut self, start: usize) {
        let text = &self.text[start..];
        let plain = text.find("\\E").map_or(text, |end| &text[..end]);
        self.out.push_str(&regex::escape(plain));
        self.skip_to(start + plain.len() + "\\E".len());
    }

    fn copy(&mut self, start: usize, end: usize) {
        self.out.push_str(&self.text[start..end]);
        self.skip_to(end);
    }

    fn skip_to(&mut self, end: usize) {
        while self.rest.next_if(|(at, _)| *at < end).is_some() {}
    }
}

/// `{2}`, `{2,}`, `{2,3}` at the start of `text`.
fn counter(text: &str) -> Option<&str> {
    let end = text.find('}')?;
    let (from, to) = text[1..end].split_once(',').unwrap_or((&text[1..end], ""));
    let is_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    (!from.is_empty() && is_number(from) && is_number(to)).then(|| &text[..=end])
}

/// `[:alpha:]` and the like at the start of `text`.
fn named_set(text: &str) -> Option<&str> {
    let end = text.strip_prefix("[:")?.find(":]")?;
    Some(&text[..end + 4])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};
    use regex::Regex;

    use super::*;

    #[test]
    fn corners_are_those_of_go() {
        for (go, value, expected) in [
            ("{.*}", "{a}", true),
            ("a{", "a{", true),
            ("a{,2}", "a{,2}", true),
            ("a{x}", "a{x}", true),
            ("a{2}", "aa", true),
            ("a{2,}", "aaa", true),
            ("a{2,3}", "a", false),
            ("a{{2}", "a{{", true),
            ("\\d+", "12", true),
            ("\\d", "٣", false),
            ("\\D", "٣", true),
            ("\\w", "é", false),
            ("[\\w-]+", "a-b", true),
            ("[^\\w]", "é", true),
            ("[\\D]", "x", true),
            ("[x\\D]", "1", false),
            ("\\s", "\u{a0}", false),
            ("a\\b.*", "aé", true),
            ("\\Qa.b{\\E.", "a.b{c", true),
            ("\\Qa.b", "a.b", true),
            ("\\Qa.b", "axb", false),
            ("[[a]", "[", true),
            ("[]a]", "]", true),
            ("[^]a]", "]", false),
            ("[[:alpha:]]", "b", true),
            ("[a&&b]", "&", true),
            ("[a~~b]", "~", true),
            ("\\<a\\>", "<a>", true),
            ("\\pL\\p{Greek}", "aα", true),
            ("\\x{41}\\x42", "AB", true),
            ("\\{a\\}", "{a}", true),
        ] {
            let regex = Regex::new(&format!("^(?s:{})$", translate(go))).unwrap();
            assert_eq!(regex.is_match(value), expected, "{go} as {regex} on {value}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_plain_text_stays(text in "[\\\\\\[\\]{}^&a-c,:0-9QE\u{e9}]{0,12}", plain in "[a-z.*+?|()]{0,12}") {
            let _ = translate(&text);
            prop_assert_eq!(translate(&plain), plain.as_str());
        }
    }
}
