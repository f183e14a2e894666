//! `deriv`: least squares (`linearRegression`).

use model::TimestampMs;

use super::kahan;
use crate::tile::ABSENT;

/// The slope per second; absent with fewer than two samples.
#[must_use]
pub fn slope(t: &[TimestampMs], v: &[f64]) -> f64 {
    let (Some(t0), Some(v0)) = (t.first(), v.first()) else { return ABSENT };
    if v.len() < 2 {
        return ABSENT;
    }
    if v.iter().all(|value| value == v0) {
        return if v0.is_infinite() { f64::NAN } else { 0.0 };
    }
    // Pairs of sum and compensation.
    let (mut x, mut y, mut xy, mut x2) = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0));
    let add = |sum: &mut (f64, f64), term| *sum = kahan::add(sum.0, sum.1, term);
    for (time, value) in t.iter().zip(v) {
        let seconds = (time - t0) as f64 / 1e3;
        add(&mut x, seconds);
        add(&mut y, *value);
        add(&mut xy, seconds * value);
        add(&mut x2, seconds * seconds);
    }
    let n = v.len() as f64;
    let (x, y, xy, x2) = (x.0 + x.1, y.0 + y.1, xy.0 + xy.1, x2.0 + x2.1);
    let (covariance, variance) = (xy - x * y / n, x2 - x * x / n);
    covariance / variance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope() {
        let t: Vec<i64> = (0..10).map(|i| i * 1_000).collect();
        let v: Vec<f64> = (0..10).map(|i| 3.0 + 2.0 * f64::from(i)).collect();
        assert_eq!(slope(&t, &v), 2.0);
    }

    #[test]
    fn constants_have_none() {
        assert_eq!(slope(&[0, 1, 2], &[5.0, 5.0, 5.0]), 0.0);
        assert!(slope(&[0, 1], &[f64::INFINITY, f64::INFINITY]).is_nan());
        assert!(crate::tile::is_absent(slope(&[0], &[1.0])));
    }
}
