//! `x ^ y` with the bits of Go's `math.Pow`.
//!
//! Go computes the whole part of the exponent by repeated squaring of the fraction and the rest by
//! `exp(rest · ln x)`; a C library rounds better and so differs in the last bit.

/// `x` to the power of `y`.
#[must_use]
pub fn pow(x: f64, y: f64) -> f64 {
    if let Some(special) = special_case(x, y) {
        return special;
    }
    let magnitude = y.abs();
    let (mut whole, mut rest) = (magnitude.trunc(), magnitude.fract());
    if rest != 0.0 && x < 0.0 {
        return f64::NAN;
    }
    if whole >= 9.223_372_036_854_776e18 {
        // Such an exponent is even, and only the direction matters.
        return if x == -1.0 {
            1.0
        } else if (x.abs() < 1.0) == (y > 0.0) {
            0.0
        } else {
            f64::INFINITY
        };
    }
    let (mut result, mut exponent) = (1.0, 0_i64);
    if rest != 0.0 {
        if rest > 0.5 {
            rest -= 1.0;
            whole += 1.0;
        }
        result = (rest * x.ln()).exp();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ≤ whole < 2^63")]
    let mut bits = whole as u64;
    let (mut fraction, mut power) = split(x);
    while bits != 0 {
        if power.abs() > 1 << 12 {
            // Beyond every float; the sign of the exponent decides at the end.
            exponent += power;
            break;
        }
        if bits & 1 == 1 {
            result *= fraction;
            exponent += power;
        }
        fraction *= fraction;
        power <<= 1;
        if fraction < 0.5 {
            fraction += fraction;
            power -= 1;
        }
        bits >>= 1;
    }
    if y < 0.0 {
        result = 1.0 / result;
        exponent = -exponent;
    }
    scale(result, exponent)
}

/// The cases that Go's documentation lists.
fn special_case(x: f64, y: f64) -> Option<f64> {
    let is_odd = || y.abs() < 9_007_199_254_740_992.0 && y.abs() % 2.0 == 1.0;
    if y == 0.0 || x == 1.0 {
        return Some(1.0);
    }
    if y == 1.0 {
        return Some(x);
    }
    if x.is_nan() || y.is_nan() {
        return Some(f64::NAN);
    }
    if x == 0.0 {
        let magnitude = if y < 0.0 { f64::INFINITY } else { 0.0 };
        return Some(if is_odd() { magnitude.copysign(x) } else { magnitude });
    }
    if y.is_infinite() {
        return Some(if x == -1.0 {
            1.0
        } else if (x.abs() < 1.0) == (y > 0.0) {
            0.0
        } else {
            f64::INFINITY
        });
    }
    if x.is_infinite() {
        let magnitude = if y < 0.0 { 0.0 } else { f64::INFINITY };
        return Some(if x < 0.0 && is_odd() { -magnitude } else { magnitude });
    }
    if y == 0.5 {
        return Some(x.sqrt());
    }
    (y == -0.5).then(|| 1.0 / x.sqrt())
}

/// `x = fraction · 2^power` with 0.5 ≤ |fraction| < 1; `x` is finite and not zero.
fn split(x: f64) -> (f64, i64) {
    let (x, shift) = if x.abs() < f64::MIN_POSITIVE { (x * 2_f64.powi(52), 52) } else { (x, 0) };
    let bits = x.to_bits();
    let power = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0) - 1022 - shift;
    (f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52), power)
}

/// `fraction · 2^power`, rounded once.
fn scale(fraction: f64, power: i64) -> f64 {
    let (fraction, of_fraction) = if fraction == 0.0 || !fraction.is_finite() {
        return fraction;
    } else {
        split(fraction)
    };
    let power = power + of_fraction;
    if power > 1024 {
        return f64::INFINITY.copysign(fraction);
    }
    if power < -1075 {
        return 0.0_f64.copysign(fraction);
    }
    let exact = |power: i64| f64::from_bits(u64::try_from(power + 1023).unwrap_or(0) << 52);
    if power < -1020 {
        // Denormal: one multiplication by an exact power rounds once.
        return fraction * exact(power + 100) * exact(-100);
    }
    // 2^1024 does not exist; the fraction is below 1, so two exact steps do not overflow early.
    fraction * 2.0 * exact(power - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_cases_are_go_s() {
        let inf = f64::INFINITY;
        for (x, y, expected) in [
            (f64::NAN, 0.0, 1.0),
            (1.0, f64::NAN, 1.0),
            (-0.0, -3.0, -inf),
            (-0.0, 3.0, -0.0),
            (0.0, -2.0, inf),
            (-1.0, inf, 1.0),
            (0.5, inf, 0.0),
            (2.0, -inf, 0.0),
            (-inf, 3.0, -inf),
            (-inf, -3.0, -0.0),
            (4.0, 0.5, 2.0),
            (4.0, -0.5, 0.5),
            (2.0, 1024.0, inf),
            (2.0, -1074.0, 5e-324),
            (2.0, 1023.0, 8.98846567431158e307),
            (2.0, 1e300, inf),
            (0.5, 1e300, 0.0),
            (-2.0, 3.0, -8.0),
            (10.0, 3.0, 1000.0),
        ] {
            assert_eq!(pow(x, y).to_bits(), expected.to_bits(), "{x}^{y} = {}", pow(x, y));
        }
        assert!(pow(-8.0, 1.0 / 3.0).is_nan());
        assert!(pow(f64::NAN, 2.0).is_nan());
    }

    proptest::proptest! {
        #[test]
        fn powers_are_close_to_the_c_library_s(x in 1e-3_f64..1e3, y in -30.0_f64..30.0) {
            let (ours, theirs) = (pow(x, y), x.powf(y));
            proptest::prop_assert!((ours - theirs).abs() <= theirs.abs() * 1e-13);
        }
    }
}
