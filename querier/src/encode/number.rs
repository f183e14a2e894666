//! Numbers as Prometheus writes them (`util/jsonutil/marshal.go`).

use model::TimestampMs;

/// Integers below this are floats without a gap between them: their digits are the integer's.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Values that ryu writes without an exponent, as Go does.
const PLAIN: std::ops::Range<f64> = 1e-5..EXACT_MAX;

/// Writes a timestamp in seconds: `1435781430.781`, three decimals or none.
pub(crate) fn put_timestamp(out: &mut Vec<u8>, at_ms: TimestampMs) {
    if at_ms < 0 {
        out.push(b'-');
    }
    let at_ms = at_ms.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(at_ms / 1000).as_bytes());
    let fraction = at_ms % 1000;
    if fraction != 0 {
        out.push(b'.');
        if fraction < 100 {
            out.push(b'0');
        }
        if fraction < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(itoa::Buffer::new().format(fraction).as_bytes());
    }
}

/// Writes a value in quotes, with as few digits as bring it back: as Go's `strconv.AppendFloat` with
/// format `f`, or `e` below 1e-6 and from 1e21 on.
pub(crate) fn put_float(out: &mut Vec<u8>, value: f64) {
    out.push(b'"');
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        put_finite(out, value);
    }
    out.push(b'"');
}

fn put_finite(out: &mut Vec<u8>, value: f64) {
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    if value < EXACT_MAX && value.trunc() == value {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 2^53"
        )]
        let whole = value as u64;
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    if PLAIN.contains(&value) {
        // Not a whole number: those were written above. So there is no `.0` at its end.
        out.extend_from_slice(shortest.as_bytes());
        return;
    }
    match shortest.split_once('e') {
        None => {
            let digits = shortest.strip_suffix(".0").unwrap_or(shortest);
            out.extend_from_slice(digits.as_bytes());
        }
        Some((mantissa, exponent)) => {
            let exponent: i32 = exponent.parse().expect("ryu writes exponents of three digits");
            if (1e-6..1e21).contains(&value) {
                put_shifted(out, mantissa, exponent);
            } else {
                put_scientific(out, mantissa, exponent);
            }
        }
    }
}

/// `mantissa`, `d` or `d.ddd`, times ten to the `exponent`, without an exponent.
fn put_shifted(out: &mut Vec<u8>, mantissa: &str, exponent: i32) {
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = |n: usize| std::iter::repeat_n(b'0', n);
    let by = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(zeros(by - 1));
        out.extend_from_slice(first.as_bytes());
        out.extend_from_slice(rest.as_bytes());
        return;
    }
    out.extend_from_slice(first.as_bytes());
    let (whole, fraction) = rest.split_at(rest.len().min(by));
    out.extend_from_slice(whole.as_bytes());
    out.extend(zeros(by - whole.len()));
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// Go writes the exponent's sign and at least two of its digits.
fn put_scientific(out: &mut Vec<u8>, mantissa: &str, exponent: i32) {
    out.extend_from_slice(mantissa.as_bytes());
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let exponent = exponent.unsigned_abs();
    if exponent < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn float(value: f64) -> String {
        let mut out = vec![];
        put_float(&mut out, value);
        String::from_utf8(out).unwrap().trim_matches('"').to_owned()
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (123_456_789.0, "123456789"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1e16, "10000000000000000"),
            (680_984_950_358_633.0 + 0.25, "680984950358633.2"),
            (12_345_678_901_234_567_890.0, "12345678901234567000"),
            (1.5e20, "150000000000000000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.25e21, "1.25e+21"),
            (-1e100, "-1e+100"),
            (0.001, "0.001"),
            (0.000_01, "0.00001"),
            (0.000_001, "0.000001"),
            (0.000_001_25, "0.00000125"),
            (9.9e-7, "9.9e-07"),
            (1e-10, "1e-10"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn timestamps_have_three_decimals_or_none() {
        for (at_ms, text) in [
            (1_435_781_430_781, "1435781430.781"),
            (1_435_781_430_780, "1435781430.780"),
            (1_000, "1"),
            (1_001, "1.001"),
            (1_010, "1.010"),
            (0, "0"),
            (-1, "-0.001"),
            (-1_500, "-1.500"),
        ] {
            let mut out = vec![];
            put_timestamp(&mut out, at_ms);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn floats_come_back(bits: u64) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                let text = float(value);
                prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
                let is_plain = value == 0.0 || (1e-6..1e21).contains(&value.abs());
                prop_assert_eq!(!text.contains('e'), is_plain);
                // Rust and Go choose differently between two texts that are equally short and close.
                let plain = format!("{value}");
                prop_assert!(!is_plain || text.len() == plain.len());
            }
        }

        #[test]
        fn everyday_floats_are_as_plain_as_rust_writes_them(value in -1e18..1e18) {
            let plain = format!("{value}");
            prop_assert_eq!(float(value).len(), plain.len());
        }
    }
}
