//! Numbers and durations: how far a literal reaches, and what it is worth.
//!
//! The lexer takes what looks like a number; whether it is one is found when its value is taken,
//! as in Prometheus (`lex.go: scanNumber`; `strconv.ParseInt`, `strconv.ParseFloat`;
//! `common/model/time.go: ParseDuration`).

use super::token::TokenKind;
use super::{LexError, Lexer, fail, is_alphanumeric};
use crate::lex::quote::quote;

/// Units of durations, longest first, in milliseconds; a year has 365 days.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration in milliseconds: Prometheus counts nanoseconds in 63 bits.
const DURATION_MS_MAX: i64 = i64::MAX / 1_000_000;

impl Lexer<'_> {
    pub(super) fn number_or_duration(&mut self) -> Result<TokenKind, LexError> {
        if self.number() {
            return Ok(TokenKind::Number);
        }
        if self.rest_of_duration() {
            return Ok(TokenKind::Duration);
        }
        let so_far = &self.text[self.start..self.at];
        fail(format!("bad number or duration syntax: {}", quote(so_far)))
    }

    /// Reads as much as can belong to a number; whether it is one and nothing follows it.
    fn number(&mut self) -> bool {
        let from = self.at;
        let is_hex = self.accept("0") && self.accept("xX");
        let digits = if is_hex { "0123456789abcdefABCDEF" } else { "0123456789" };
        if is_hex {
            self.accept("_");
        }
        self.accept(".");
        self.accept(digits);
        let (mut has_dot, mut has_exponent) = (false, false);
        loop {
            let is_sound = if self.accept(".") {
                !std::mem::replace(&mut has_dot, true) && !is_hex && !self.accept("_.")
            } else if self.accept("eE") {
                // In hexadecimal these are digits.
                is_hex
                    || (!std::mem::replace(&mut has_exponent, true) && {
                        self.accept("+-");
                        self.continues()
                    })
            } else if self.accept("_") {
                self.continues()
            } else if self.accept(digits) {
                true
            } else {
                break;
            };
            if !is_sound {
                return false;
            }
        }
        self.at > from && !self.peek().is_some_and(is_alphanumeric)
    }

    /// Whether an exponent or underscore may be followed by what comes.
    fn continues(&mut self) -> bool {
        !self.accept("._eE") && self.peek().is_some()
    }

    /// Reads the unit behind a number, and further numbers with units.
    fn rest_of_duration(&mut self) -> bool {
        if !self.accept("smhdwy") {
            return false;
        }
        self.accept("s");
        while self.accept("0123456789") {
            while self.accept("0123456789") {}
            if !self.accept("smhdw") {
                return false;
            }
            self.accept("s");
        }
        let follower = self.peek();
        if follower.is_some_and(is_alphanumeric) {
            // Prometheus has read it by then, and shows it.
            self.bump();
            return false;
        }
        true
    }

    fn accept(&mut self, any_of: &str) -> bool {
        let is_wanted = self.peek().is_some_and(|c| any_of.contains(c));
        if is_wanted {
            self.bump();
        }
        is_wanted
    }
}

/// The value of a number literal.
///
/// # Errors
/// When it is no number or too large for a float.
pub(crate) fn number(text: &str) -> Result<f64, String> {
    if let Some(integer) = integer(text) {
        return Ok(integer);
    }
    let wrong = |why| Err(format!("strconv.ParseFloat: parsing {}: {why}", quote(text)));
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    match text.replace('_', "").parse::<f64>() {
        _ if is_hex || !underscores_separate_digits(text) => wrong("invalid syntax"),
        Ok(value) if value.is_finite() || text.bytes().any(|b| b.eq_ignore_ascii_case(&b'n')) => {
            Ok(value)
        }
        Ok(_) => wrong("value out of range"),
        Err(_) => wrong("invalid syntax"),
    }
}

/// The value of a literal that Go would take for an integer of 64 bits.
fn integer(text: &str) -> Option<f64> {
    if !underscores_separate_digits(text) {
        return None;
    }
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    let value = i64::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "Go converts the integer in the same way")]
    Some(value as f64)
}

/// Whether each underscore stands between digits, or between the prefix `0x` and a digit.
fn underscores_separate_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let is_digit = |at: usize| {
        bytes.get(at).is_some_and(|b| b.is_ascii_digit() || (is_hex && b.is_ascii_hexdigit()))
    };
    (0..bytes.len()).filter(|at| bytes[*at] == b'_').all(|at| {
        let follows = at > 0 && is_digit(at - 1) || is_hex && at == 2;
        follows && is_digit(at + 1)
    })
}

/// The milliseconds of a duration literal such as `1h30m`.
///
/// # Errors
/// When units are unknown, repeated or out of order, or the sum exceeds 292 years.
pub(crate) fn duration_ms(text: &str) -> Result<i64, String> {
    let invalid = || format!("not a valid duration string: {}", quote(text));
    let (mut rest, mut units, mut sum) = (text, UNITS.as_slice(), 0_i64);
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
        let (count, tail) = rest.split_at(unit_at);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let count = count.parse::<i64>().map_err(|_| invalid())?;
        let Some(place) = units.iter().position(|(name, _)| *name == unit) else {
            let is_known = UNITS.iter().any(|(name, _)| *name == unit);
            let unknown = || format!("unknown unit {} in duration {}", quote(unit), quote(text));
            return Err(if is_known { invalid() } else { unknown() });
        };
        sum = count
            .checked_mul(units[place].1)
            .and_then(|ms| ms.checked_add(sum))
            .filter(|sum| *sum <= DURATION_MS_MAX)
            .ok_or("duration out of range")?;
        (rest, units) = (tail, &units[place + 1..]);
    }
    Ok(sum)
}

/// A duration in the shortest form that loses nothing, e.g. `1h30m`; weeks and years only when
/// nothing remains, since 90d reads better than 12w6d. Negative durations get a sign.
pub(crate) fn duration_text(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = if ms < 0 { "-".to_owned() } else { String::new() };
    let mut rest = ms.unsigned_abs();
    for (unit, unit_ms) in UNITS {
        let unit_ms = unit_ms.unsigned_abs();
        let may_leave_rest = !matches!(unit, "y" | "w");
        if rest >= unit_ms && (may_leave_rest || rest.is_multiple_of(unit_ms)) {
            out.push_str(&(rest / unit_ms).to_string());
            out.push_str(unit);
            rest %= unit_ms;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn numbers_are_go_numbers() {
        for (text, expected) in [
            ("1", 1.0),
            ("017", 15.0),
            ("08", 8.0),
            ("0", 0.0),
            ("0x1F", 31.0),
            ("0x_1F", 31.0),
            ("1_000", 1000.0),
            ("1_0.5_0e0_1", 105.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e-3", 0.001),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("Inf", f64::INFINITY),
            ("inf", f64::INFINITY),
        ] {
            assert_eq!(number(text), Ok(expected), "{text}");
        }
        assert!(number("NaN").unwrap().is_nan());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (text, why) in [
            ("1e400", "value out of range"),
            ("0x", "invalid syntax"),
            ("1__0", "invalid syntax"),
            ("0xffffffffffffffffff", "invalid syntax"),
        ] {
            let expected = format!("strconv.ParseFloat: parsing \"{text}\": {why}");
            assert_eq!(number(text), Err(expected));
        }
    }

    #[test]
    fn durations_have_descending_units() {
        for (text, expected) in [
            ("5m", Ok(300_000)),
            ("1h30m", Ok(5_400_000)),
            ("1y2w3d4h5m6s7ms", Ok(33_019_506_007)),
            ("0s", Ok(0)),
            ("1m1h", Err("not a valid duration string: \"1m1h\"")),
            ("1hs", Err("unknown unit \"hs\" in duration \"1hs\"")),
            ("5m5m", Err("not a valid duration string: \"5m5m\"")),
            ("1.5h", Err("unknown unit \".\" in duration \"1.5h\"")),
            ("293y", Err("duration out of range")),
            ("9999999999999999s", Err("duration out of range")),
            (
                "99999999999999999999s",
                Err("not a valid duration string: \"99999999999999999999s\""),
            ),
        ] {
            assert_eq!(duration_ms(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn durations_print_in_days_rather_than_odd_weeks() {
        for (ms, expected) in [
            (0, "0s"),
            (300_000, "5m"),
            (90 * 86_400_000, "90d"),
            (14 * 86_400_000, "2w"),
            (365 * 86_400_000, "1y"),
            (-5_400_001, "-1h30m1ms"),
        ] {
            assert_eq!(duration_text(ms), expected);
        }
    }

    proptest! {
        #[test]
        fn printing_and_reading_a_duration_is_identity(ms in 0..=DURATION_MS_MAX) {
            prop_assert_eq!(duration_ms(&duration_text(ms)), Ok(ms));
        }
    }
}
