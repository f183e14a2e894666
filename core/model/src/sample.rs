//! A sample: one value of one series at one instant.
//!
//! Values are compared by their bits, never by `==`: NaN payloads carry meaning.

use crate::time::TimestampMs;

/// The NaN that Prometheus writes when a series ends (`model/value`: `StaleNaN`).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The NaN that Prometheus writes for an ordinary not-a-number (`model/value`: `NormalNaN`).
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// The stale marker as a float.
#[must_use]
pub const fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether `value` is the stale marker; other NaNs are ordinary values.
#[must_use]
pub const fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// One value at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: TimestampMs,
    /// Any float, NaN payload included.
    pub value: f64,
}

impl Sample {
    /// Whether both samples have the same timestamp and the same bits.
    #[must_use]
    pub const fn same_bits(self, other: Self) -> bool {
        self.timestamp_ms == other.timestamp_ms && self.value.to_bits() == other.value.to_bits()
    }
}
