//! Times and durations of requests, as Prometheus reads them.

use model::TimestampMs;
use model::time::parse_duration_ms;

/// Nanoseconds in a millisecond.
pub(super) const NANOS_PER_MS: i64 = 1_000_000;

/// Times are brought within this distance from 1970 (73 million years), so that no sum of a time, a
/// range and an offset overflows. Nothing is stored beyond it.
const TIME_MS_MAX: i64 = 1 << 61;

/// Prometheus' first and last time, which Go's parser cannot read and clients send nevertheless.
const EDGES: [(&str, TimestampMs); 2] = [
    ("-292273086-05-16T16:47:06Z", -TIME_MS_MAX),
    ("292277025-08-18T07:12:54.999999999Z", TIME_MS_MAX),
];

/// Why a text is not a time or a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TimeError {
    /// Neither seconds nor RFC 3339.
    #[error("cannot parse {0:?} to a valid timestamp")]
    Timestamp(String),
    /// Neither seconds nor `1h30m`.
    #[error("cannot parse {0:?} to a valid duration")]
    Duration(String),
    /// More than 292 years.
    #[error("cannot parse {0:?} to a valid duration. It overflows int64")]
    Overflow(String),
}

/// Reads a time: seconds since 1970, or RFC 3339.
pub(super) fn read_time_ms(text: &str) -> Result<TimestampMs, TimeError> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    let ms = seconds.map(seconds_to_ms).or_else(|| read_rfc3339(text));
    let edge = || EDGES.iter().find(|(edge, _)| *edge == text).map(|(_, ms)| *ms);
    let ms = ms.or_else(edge).ok_or_else(|| TimeError::Timestamp(text.to_owned()))?;
    Ok(ms.clamp(-TIME_MS_MAX, TIME_MS_MAX))
}

/// Reads a duration: seconds, or `1h30m`. In nanoseconds, of which a request may have fractions of a
/// millisecond.
pub(super) fn read_duration_ns(text: &str) -> Result<i64, TimeError> {
    let malformed = || TimeError::Duration(text.to_owned());
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_nan() => Err(malformed()),
        Ok(seconds) => {
            let ns = seconds * 1e9;
            // 2^63 itself does not fit, although Go lets it pass.
            let fitting = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
            if !fitting.contains(&ns) {
                return Err(TimeError::Overflow(text.to_owned()));
            }
            #[expect(clippy::cast_possible_truncation, reason = "cut off, as Go does; it fits")]
            let ns = ns as i64;
            Ok(ns)
        }
        // The longest of these fits: the parser's limit is Go's.
        Err(_) => parse_duration_ms(text).map(|ms| ms * NANOS_PER_MS).map_err(|_| malformed()),
    }
}

/// The fraction is rounded to milliseconds, so that `1435781430.781` is what it says.
fn seconds_to_ms(seconds: f64) -> TimestampMs {
    let whole = seconds.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and is clamped afterwards")]
    let (whole, fraction) = (whole as i64, ((seconds - whole) * 1000.0).round() as i64);
    whole.saturating_mul(1000).saturating_add(fraction)
}

/// `2015-07-01T20:10:51.781Z`, `2015-07-01T20:10:51+02:00`.
fn read_rfc3339(text: &str) -> Option<TimestampMs> {
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, zone_ms) = match time.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let (clock, zone) = time.split_at(at);
            let [hours, minutes] = numbers(&zone[1..], ':', [2, 2])?;
            let ms = (hours * 60 + minutes) * 60_000;
            if hours >= 24 || minutes >= 60 {
                return None;
            }
            (clock, if zone.starts_with('-') { -ms } else { ms })
        }
    };
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(c, f)| (c, Some(f)));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let is_valid = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let ms = seconds * 1000 + fraction.map_or(Some(0), milliseconds)? - zone_ms;
    is_valid.then_some(ms)
}

/// Numbers of so many digits, separated.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The milliseconds of a fraction of a second; further digits are cut off.
fn milliseconds(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut three = digits.to_owned();
    three.push_str("00");
    three[..3].parse().ok()
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the years 0 to 9999.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let months: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    before * 365 + leap_days + months + day - 1 - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc3339() {
        for (text, ms) in [
            ("1435781430.781", 1_435_781_430_781),
            ("0", 0),
            ("-1.5", -1_500),
            ("1e3", 1_000_000),
            ("2015-07-01T20:10:30.781Z", 1_435_781_430_781),
            ("2015-07-01T20:10:51.781123456Z", 1_435_781_451_781),
            ("2015-07-01T22:10:30.7+02:00", 1_435_781_430_700),
            ("2016-02-29T00:00:00Z", 1_456_704_000_000),
            ("1969-12-31T23:59:59-00:30", 1_799_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
            ("-292273086-05-16T16:47:06Z", -TIME_MS_MAX),
            ("1e300", TIME_MS_MAX),
            ("9223309901257974", 9_223_309_901_257_974_000_i64.min(TIME_MS_MAX)),
        ] {
            assert_eq!(read_time_ms(text), Ok(ms), "{text}");
        }
        for text in [
            "",
            "x",
            "NaN",
            "+Inf",
            "1e400",
            "2015-07-01",
            "2015-7-01T20:10:30Z",
            "2015-02-29T00:00:00Z",
            "2015-07-01T24:10:30Z",
            "2015-07-01T20:10:30",
            "2015-07-01T20:10:30.Z",
            "2015-07-01T20:10:30+2:00",
            "2015-07-01T20:10:30+25:00",
            "é015-07-01T20:10:30Z",
        ] {
            let error = read_time_ms(text).unwrap_err().to_string();
            assert_eq!(error, format!("cannot parse {text:?} to a valid timestamp"));
        }
    }

    #[test]
    fn durations_are_seconds_or_prometheus_durations() {
        for (text, ns) in [
            ("15", 15_000_000_000),
            ("0.0005", 500_000),
            ("-1", -1_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("500ms", 500_000_000),
            ("0", 0),
        ] {
            assert_eq!(read_duration_ns(text), Ok(ns), "{text}");
        }
        let text = |text| read_duration_ns(text).unwrap_err().to_string();
        assert_eq!(text("x"), "cannot parse \"x\" to a valid duration");
        assert_eq!(text(""), "cannot parse \"\" to a valid duration");
        assert_eq!(text("NaN"), "cannot parse \"NaN\" to a valid duration");
        assert_eq!(text("1e10"), "cannot parse \"1e10\" to a valid duration. It overflows int64");
    }
}
