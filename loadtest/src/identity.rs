//! The value of sample `q` of series `s`: a pure function, so that a stored sample proves itself.
//!
//! Labels say `s`, the timestamp says `q`, and the value is computed from both. In the identity lane
//! the value *is* the pair, `s·2^32 + q`, an integer below 2^53; the other lanes draw from a hash of
//! it, so that the load has the entropy of real metrics and a mixed-up sample still shows.

use serde::{Deserialize, Serialize};

/// Prometheus' stale marker: stored, but hidden by every query.
const STALE_BITS: u64 = model::sample::STALE_NAN_BITS;
/// A NaN with a payload of its own; JSON shows it as `NaN`.
const NAN_BITS: u64 = 0x7ff8_0000_00c0_ffee;

/// How the values of a series run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// `s·2^32 + q`.
    Identity,
    /// A counter with two decimals, like CPU seconds.
    Centiseconds,
    /// An integer counter with irregular steps.
    Counter,
    /// Bucket `i` of the histogram whose first series is `histogram`: monotone in `i` and in `q`.
    Bucket {
        /// Position among the bounds.
        i: u32,
        /// First series of the histogram.
        histogram: u32,
    },
    /// A gauge with two decimals.
    Gauge,
    /// The same number for ever.
    Constant,
    /// NaN, the stale marker, ±Inf, −0, subnormal and huge values among identities.
    Awkward,
}

/// Where a series stands in time: sample `q` is at `start_ms + q·step_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cadence {
    /// Timestamp of sample 0, milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// Distance between two samples in milliseconds.
    pub step_ms: i64,
}

// === impl Cadence ===

impl Cadence {
    /// Timestamp of sample `q`.
    #[must_use]
    pub fn at(&self, q: u32) -> i64 {
        self.start_ms + i64::from(q) * self.step_ms
    }

    /// The `q` of a timestamp, unless it is none of ours.
    #[must_use]
    pub fn q_of(&self, timestamp_ms: i64) -> Option<u32> {
        let since = timestamp_ms - self.start_ms;
        (since % self.step_ms == 0).then(|| u32::try_from(since / self.step_ms).ok())?
    }
}

/// Mixes 64 bits (splitmix64's finaliser, public domain, by Sebastiano Vigna).
#[must_use]
pub const fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The bits of sample `q` of series `s`.
#[must_use]
pub fn value_bits(lane: Lane, s: u32, q: u32) -> u64 {
    let id = (u64::from(s) << 32) | u64::from(q);
    match lane {
        Lane::Identity => exact(id).to_bits(),
        Lane::Centiseconds => {
            let pace = 200 + mix(u64::from(s)) % 1200;
            (exact(u64::from(q) * pace + mix(id) % pace) / 100.0).to_bits()
        }
        Lane::Counter => exact(u64::from(q) * 1000 + mix(id) % 1000).to_bits(),
        Lane::Bucket { i, histogram } => {
            let whole = (u64::from(histogram) << 32) | u64::from(q);
            let total = u64::from(q) * 40 + mix(whole) % 40;
            exact(total * u64::from(i + 1) / 10).to_bits()
        }
        Lane::Gauge => (exact(mix(id) % 10_000) / 100.0).to_bits(),
        Lane::Constant => exact(mix(u64::from(s)) % 1_000_000).to_bits(),
        Lane::Awkward => awkward_bits(s, q, id),
    }
}

/// Whether PromQL shows these bits at all.
#[must_use]
pub const fn is_visible(bits: u64) -> bool {
    bits != STALE_BITS
}

/// Whether `shown`, parsed from JSON, is what a query shows of the stored `bits`. JSON has one NaN.
#[must_use]
pub fn shows_as(bits: u64, shown: f64) -> bool {
    bits == shown.to_bits() || (f64::from_bits(bits).is_nan() && shown.is_nan())
}

fn awkward_bits(s: u32, q: u32, id: u64) -> u64 {
    match (s + q) % 16 {
        0 => NAN_BITS,
        1 => STALE_BITS,
        2 => f64::INFINITY.to_bits(),
        3 => f64::NEG_INFINITY.to_bits(),
        4 => (-0.0_f64).to_bits(),
        // The smallest subnormals, one a series.
        5 => 1 + u64::from(s),
        6 => f64::MAX.to_bits(),
        7 => f64::MIN_POSITIVE.to_bits(),
        _ => exact(id).to_bits(),
    }
}

/// Integers here stay below 2^53, where every one is a float.
fn exact(integer: u64) -> f64 {
    debug_assert!(integer < 1 << 53);
    integer as f64
}

#[cfg(test)]
mod tests {
    use super::{Cadence, Lane, is_visible, shows_as, value_bits};

    #[test]
    fn timestamps_and_sequence_numbers_are_a_bijection() {
        let cadence = Cadence { start_ms: 1_700_000_000_123, step_ms: 250 };
        for q in [0, 1, 77, 1_000_000] {
            assert_eq!(cadence.q_of(cadence.at(q)), Some(q));
        }
        assert_eq!(cadence.q_of(cadence.at(3) + 1), None);
        assert_eq!(cadence.q_of(cadence.start_ms - 250), None);
    }

    #[test]
    fn the_identity_lane_spells_series_and_sequence() {
        let value = f64::from_bits(value_bits(Lane::Identity, 3, 5));
        assert_eq!(value, 3.0 * 4_294_967_296.0 + 5.0);
    }

    #[test]
    fn counters_never_fall_and_buckets_are_cumulative() {
        for lane in [Lane::Centiseconds, Lane::Counter, Lane::Bucket { i: 3, histogram: 10 }] {
            let values: Vec<f64> =
                (0..500).map(|q| f64::from_bits(value_bits(lane, 13, q))).collect();
            assert!(values.is_sorted(), "{lane:?}");
        }
        let buckets: Vec<f64> = (0..10)
            .map(|i| f64::from_bits(value_bits(Lane::Bucket { i, histogram: 10 }, 10 + i, 99)))
            .collect();
        assert!(buckets.is_sorted());
    }

    #[test]
    fn the_awkward_lane_has_one_hidden_value_and_a_nan_shows_as_nan() {
        let bits: Vec<u64> = (0..16).map(|q| value_bits(Lane::Awkward, 0, q)).collect();
        assert_eq!(bits.iter().filter(|bits| !is_visible(**bits)).count(), 1);
        assert!(shows_as(bits[0], f64::NAN));
        assert!(!shows_as(bits[4], 0.0), "minus zero is not zero");
    }
}
