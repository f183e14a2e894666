//! Quoted texts, both ways, in the syntax that PromQL has from Go (`strconv.Quote`,
//! `util/strutil/quote.go`).

use std::fmt::Write as _;

/// What stands between quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unquoted {
    /// A text.
    Text(String),
    /// `\xff` and the like made it something else than UTF-8.
    Bytes(Vec<u8>),
}

/// `text` in double quotes, readable by the lexer.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        push_escaped(&mut out, c);
    }
    out.push('"');
    out
}

/// `bytes` in double quotes; what is not UTF-8 becomes `\xff`.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut out, c);
        }
        for byte in chunk.invalid() {
            push(&mut out, format_args!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

/// A character as Go's `%q` prints it: `'x'`, `'\''`, `'\n'`.
pub(crate) fn quote_char(c: char) -> String {
    let mut out = String::from("'");
    match c {
        '\'' => out.push_str("\\'"),
        '"' => out.push('"'),
        c => push_escaped(&mut out, c),
    }
    out.push('\'');
    out
}

/// The value of a quoted text that the lexer has accepted.
pub(crate) fn unquote(quoted: &str) -> Unquoted {
    let inner = &quoted[1..quoted.len() - 1];
    if quoted.starts_with('`') {
        // As Go: a raw text has no carriage returns.
        return Unquoted::Text(inner.replace('\r', ""));
    }
    if !inner.contains('\\') {
        return Unquoted::Text(inner.to_owned());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = push_unescaped(&mut bytes, &rest[at + 1..]);
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes)
        .map_or_else(|error| Unquoted::Bytes(error.into_bytes()), Unquoted::Text)
}

fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    // A `String` never refuses to be written to.
    let _ = out.write_fmt(what);
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c < ' ' || c == '\u{7f}' => push(out, format_args!("\\x{:02x}", u32::from(c))),
        // The lexer takes an unescaped replacement character for broken UTF-8.
        c if is_printable(c) && c != char::REPLACEMENT_CHARACTER => out.push(c),
        c if u32::from(c) < 0x1_0000 => push(out, format_args!("\\u{:04x}", u32::from(c))),
        c => push(out, format_args!("\\U{:08x}", u32::from(c))),
    }
}

/// Whether a character shows, as far as the standard library knows.
fn is_printable(c: char) -> bool {
    c.is_ascii() || matches!(c, '\u{300}'..='\u{36f}') || !c.escape_debug().eq(c.escape_unicode())
}

/// Appends the value of the escape whose backslash has been read; returns what follows it.
fn push_unescaped<'a>(bytes: &mut Vec<u8>, escape: &'a str) -> &'a str {
    let mut chars = escape.chars();
    let kind = chars.next().unwrap_or('\\');
    let (from, digits, radix) = match kind {
        'x' => (1, 2, 16),
        'u' => (1, 4, 16),
        'U' => (1, 8, 16),
        '0'..='7' => (0, 3, 8),
        _ => {
            let plain = match kind {
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                other => other,
            };
            bytes.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
            return chars.as_str();
        }
    };
    let (code, rest) = escape.split_at_checked(from + digits).unwrap_or((escape, ""));
    let value = u32::from_str_radix(code.get(from..).unwrap_or_default(), radix).unwrap_or(0);
    match u8::try_from(value) {
        // `\x` and octal escapes are bytes; the others are characters.
        Ok(byte) if digits <= 3 => bytes.push(byte),
        _ => {
            let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    fn text(value: &str) -> Unquoted {
        Unquoted::Text(value.to_owned())
    }

    #[test]
    fn escapes_are_go_escapes() {
        for (quoted, expected) in [
            (r#""plain""#, text("plain")),
            (r#""a\"b\\c""#, text("a\"b\\c")),
            (r#"'a\'b'"#, text("a'b")),
            (r#""\a\b\f\n\r\t\v""#, text("\u{7}\u{8}\u{c}\n\r\t\u{b}")),
            (r#""\x41\101\u00e9\U0001F600""#, text("AAé😀")),
            (r#""\xc3\xa9""#, text("é")),
            (r#""\xff""#, Unquoted::Bytes(vec![0xff])),
            ("`a\\n\r\n`", text("a\\n\n")),
        ] {
            assert_eq!(unquote(quoted), expected, "{quoted}");
        }
    }

    #[test]
    fn what_does_not_show_is_escaped() {
        assert_eq!(quote("a\"\\\n\u{0}é\u{200b}\u{fffd}"), "\"a\\\"\\\\\\n\\x00é\\u200b\\ufffd\"");
        assert_eq!(quote_bytes(b"a\xff"), "\"a\\xff\"");
        assert_eq!(quote_char('\''), "'\\''");
        assert_eq!(quote_char('"'), "'\"'");
        assert_eq!(quote_char(';'), "';'");
    }

    proptest! {
        #[test]
        fn unquoting_undoes_quoting(value in any::<String>(), bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(unquote(&quote(&value)), text(&value));
            let expected = String::from_utf8(bytes.clone())
                .map_or(Unquoted::Bytes(bytes.clone()), Unquoted::Text);
            prop_assert_eq!(unquote(&quote_bytes(&bytes)), expected);
        }
    }
}
