//! Kahan's summation in Neumaier's form (`util/kahansum`).

/// A sum and what rounding took from it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kahan {
    pub(super) sum: f64,
    pub(super) lost: f64,
}

// === impl Kahan ===

impl Kahan {
    pub(super) const fn new(sum: f64) -> Self {
        Self { sum, lost: 0.0 }
    }

    /// This sum and one more summand.
    #[must_use]
    pub(super) fn plus(self, summand: f64) -> Self {
        let Self { sum, lost } = self;
        let total = sum + summand;
        let lost = if total.is_infinite() {
            0.0
        } else if sum.abs() >= summand.abs() {
            lost + ((sum - total) + summand)
        } else {
            lost + ((summand - total) + sum)
        };
        Self { sum: total, lost }
    }

    /// Both parts times `factor`.
    #[must_use]
    pub(super) fn times(self, factor: f64) -> Self {
        Self { sum: self.sum * factor, lost: self.lost * factor }
    }

    pub(super) fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// A mean that survives sums beyond the largest float: it divides at the end as long as the sum is
/// finite, and adds up fractions from then on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mean {
    total: Kahan,
    count: f64,
    is_incremental: bool,
}

// === impl Mean ===

impl Mean {
    pub(super) const fn new(first: f64) -> Self {
        Self { total: Kahan::new(first), count: 1.0, is_incremental: false }
    }

    pub(super) fn add(&mut self, number: f64) {
        self.count += 1.0;
        if !self.is_incremental {
            let total = self.total.plus(number);
            if total.sum.is_finite() || total.sum.is_nan() {
                self.total = total;
                return;
            }
            self.is_incremental = true;
            let before = self.count - 1.0;
            self.total = Kahan { sum: self.total.sum / before, lost: self.total.lost / before };
        }
        let kept = (self.count - 1.0) / self.count;
        self.total = self.total.times(kept).plus(number / self.count);
    }

    pub(super) fn value(self) -> f64 {
        if self.is_incremental {
            self.total.value()
        } else {
            self.total.sum / self.count + self.total.lost / self.count
        }
    }
}
