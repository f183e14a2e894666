//! Numbers as Go prints them (`strconv.FormatFloat`).

/// `%g` with as many digits as needed: an exponent below -4 and from 21 on.
pub(super) fn general(number: f64) -> String {
    match number {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        number if number.is_nan() => "NaN".to_owned(),
        0.0 => if number.is_sign_negative() { "-0" } else { "0" }.to_owned(),
        number => {
            let scientific = format!("{number:e}");
            let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
            match exponent.parse::<i32>() {
                Ok(exponent) if !(-4..21).contains(&exponent) => with_exponent(digits, exponent),
                _ => plain(number),
            }
        }
    }
}

/// `%.{digits}g`: so many significant digits, without trailing zeros.
pub(super) fn general_rounded(number: f64, digits: usize) -> String {
    if !number.is_finite() || number == 0.0 {
        return general(number);
    }
    let scientific = format!("{number:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    let rounded = format!("{mantissa}e{exponent}");
    match (exponent.parse::<i32>(), rounded.parse::<f64>(), i32::try_from(digits)) {
        (Ok(exponent), _, Ok(digits)) if !(-4..digits).contains(&exponent) => {
            with_exponent(mantissa, exponent)
        }
        (_, Ok(rounded), _) => plain(rounded),
        _ => rounded,
    }
}

/// `%f` with as many digits as needed.
pub(super) fn plain(number: f64) -> String {
    if number.is_infinite() { general(number) } else { number.to_string() }
}

/// An OpenMetrics number: whole ones have `.0`.
pub(super) fn open_metrics(number: f64) -> String {
    let text = general(number);
    let is_whole = number.is_finite() && !text.contains(['.', 'e']);
    if is_whole { text + ".0" } else { text }
}

fn with_exponent(digits: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_in_go() {
        let cases =
            [(1.1, "1.1"), (1e21, "1e+21"), (1e20, "100000000000000000000"), (1e-5, "1e-05")];
        for (number, text) in cases {
            assert_eq!(general(number), text);
        }
        assert_eq!(general(f64::INFINITY), "+Inf");
        assert_eq!(general_rounded(12345.0, 2), "1.2e+04");
        assert_eq!(general_rounded(0.05, 2), "0.05");
        assert_eq!(general_rounded(10.0, 2), "10");
        assert_eq!([open_metrics(1.0), open_metrics(0.5)], ["1.0", "0.5"]);
    }
}
