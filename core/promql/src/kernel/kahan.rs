//! Compensated addition as Prometheus does it (`util/kahansum`): Kahan's with Neumaier's swap.

/// Adds `x` to the sum `sum + compensation`; an infinite sum has no compensation.
///
/// Without branches, so that loops over steps become vector code.
#[must_use]
#[inline]
pub fn add(sum: f64, compensation: f64, x: f64) -> (f64, f64) {
    let total = sum + x;
    let (large, small) = if sum.abs() >= x.abs() { (sum, x) } else { (x, sum) };
    let compensation = compensation + ((large - total) + small);
    (total, if total.is_infinite() { 0.0 } else { compensation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_terms_survive_large_ones() {
        let terms = [1.0, 1e100, 1.0, -1e100];
        let (sum, compensation) = terms.iter().fold((0.0, 0.0), |(s, c), x| add(s, c, *x));
        assert_eq!(sum + compensation, 2.0);
    }

    #[test]
    fn an_infinite_sum_stays_infinite() {
        let (sum, compensation) = add(f64::MAX, 1.0, f64::MAX);
        assert_eq!((sum, compensation), (f64::INFINITY, 0.0));
        assert_eq!(add(sum, compensation, 1.0), (f64::INFINITY, 0.0));
    }
}
