//! Milliseconds, ranges of them, and Prometheus' duration texts.

use std::fmt::Write as _;

/// Milliseconds since the Unix epoch; negative before 1970.
pub type TimestampMs = i64;

/// A closed range of timestamps, as queries over stored samples use it.
///
/// PromQL's windows are open on the left: `(t − r, t]` is the closed range `[t − r + 1, t]` of
/// integer milliseconds, so one kind of range is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// First millisecond inside.
    pub start_ms: TimestampMs,
    /// Last millisecond inside.
    pub end_ms: TimestampMs,
}

// === impl TimeRange ===

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { start_ms: i64::MIN, end_ms: i64::MAX };

    /// `[start_ms, end_ms]`; empty when `end_ms < start_ms`.
    #[must_use]
    pub const fn new(start_ms: TimestampMs, end_ms: TimestampMs) -> Self {
        Self { start_ms, end_ms }
    }

    /// Whether `t` lies inside.
    #[must_use]
    pub const fn contains(self, t: TimestampMs) -> bool {
        self.start_ms <= t && t <= self.end_ms
    }

    /// Whether the two ranges share a millisecond.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start_ms <= other.end_ms && other.start_ms <= self.end_ms
    }

    /// Whether no millisecond lies inside.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end_ms < self.start_ms
    }
}

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was given.
    #[error("empty duration string")]
    Empty,
    /// Not of the form `1y2w3d4h5m6s7ms`, units descending, each at most once.
    #[error("not a valid duration string: {text:?}")]
    Malformed {
        /// The text that was given.
        text: String,
    },
    /// Does not fit Prometheus' 2^63 nanoseconds (about 292 years).
    #[error("duration out of range")]
    OutOfRange,
}

/// Units in Prometheus' order, with their milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a Prometheus duration (`1h30m`, `15d`, `500ms`, `0`) as milliseconds.
///
/// Source of the grammar: Prometheus `common/model.ParseDuration`.
///
/// # Errors
/// When the text is empty, malformed, or out of range.
pub fn parse_duration_ms(text: &str) -> Result<i64, DurationError> {
    const MAX_MS: i64 = i64::MAX / 1_000_000;
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text == "0" {
        return Ok(0);
    }
    let malformed = || DurationError::Malformed { text: text.to_owned() };
    let (mut rest, mut total, mut next_unit) = (text, 0_i64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(malformed());
        }
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let index = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(malformed)?;
        if index < next_unit {
            return Err(malformed());
        }
        next_unit = index + 1;
        let number: i64 = number.parse().map_err(|_| DurationError::OutOfRange)?;
        total = number
            .checked_mul(UNITS[index].1)
            .and_then(|ms| total.checked_add(ms))
            .filter(|ms| *ms <= MAX_MS)
            .ok_or(DurationError::OutOfRange)?;
        rest = tail;
    }
    Ok(total)
}

/// Writes milliseconds the way Prometheus prints a duration (`common/model.Duration.String`):
/// the largest units that divide exactly; years, weeks only when nothing is left over.
#[must_use]
pub fn format_duration(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    if ms < 0 {
        out.push('-');
    }
    let mut rest = ms.unsigned_abs();
    for (i, (unit, unit_ms)) in UNITS.iter().enumerate() {
        let unit_ms = unit_ms.unsigned_abs();
        let exact_only = i < 3; // y, w, d are printed only when they divide the rest.
        if exact_only && !rest.is_multiple_of(unit_ms) {
            continue;
        }
        let count = rest / unit_ms;
        if count > 0 {
            _ = write!(out, "{count}{unit}");
            rest -= count * unit_ms;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_prometheus_reads_them() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("15d", 1_296_000_000),
            ("1h30m", 5_400_000),
            ("1y2w3d4h5m6s7ms", 33_019_506_007),
            ("500ms", 500),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
        }
        for text in
            ["", "1", "h", "1h1h", "1s1m", "-1s", "1.5h", "1 h", "300y", "99999999999999999999s"]
        {
            assert!(parse_duration_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_print_as_prometheus_prints_them() {
        for text in ["0s", "1d", "2w", "1y", "1h30m", "324ms", "3s1ms", "25h", "36h"] {
            assert_eq!(format_duration(parse_duration_ms(text).unwrap()), text);
        }
    }
}
