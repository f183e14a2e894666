//! How long samples stay: from what a node holds to the instant before which it forgets.
//!
//! Pure: the caller hands in what the heads report and proposes the result to each partition,
//! whose log then decides. Time is the newest sample's, never a clock's, so a node that stood
//! still for a month does not wake up and delete what it has.

use std::collections::BTreeMap;

use model::TimestampMs;

use crate::head::WINDOW_HOURS;

const HOUR_MS: i64 = 3_600_000;

/// What the operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetentionLimits {
    /// `--storage.retention.time` in milliseconds; 0 for no limit.
    pub(crate) age_ms: i64,
    /// `--storage.retention.size` in bytes of sealed chunks; 0 for no limit.
    pub(crate) bytes: u64,
}

/// What the heads hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The newest timestamp of any sample; `None` without samples.
    pub(crate) newest_ms: Option<TimestampMs>,
    /// Bytes of sealed chunks by window hour.
    pub(crate) windows: BTreeMap<i32, u64>,
}

/// The instant before which everything is to be forgotten; `None` when nothing is. It is the end of
/// a window, and never so late that the newest samples would go.
pub(crate) fn cut(held: &Held, limits: RetentionLimits) -> Option<TimestampMs> {
    let newest_ms = held.newest_ms?;
    let by_age = (limits.age_ms > 0).then(|| newest_ms.saturating_sub(limits.age_ms));
    let latest_ms = newest_ms.saturating_sub(i64::from(WINDOW_HOURS) * HOUR_MS);
    let by_size = by_size(&held.windows, limits.bytes).map(|cut_ms| cut_ms.min(latest_ms));
    by_age
        .max(by_size)
        .map(|cut_ms| cut_ms.saturating_sub(cut_ms.rem_euclid(i64::from(WINDOW_HOURS) * HOUR_MS)))
}

/// The end of the newest window that does not fit into `bytes` together with those after it.
fn by_size(windows: &BTreeMap<i32, u64>, bytes: u64) -> Option<TimestampMs> {
    if bytes == 0 {
        return None;
    }
    let mut sum = 0_u64;
    let first_too_many = windows.iter().rev().find(|(_, window)| {
        sum = sum.saturating_add(**window);
        sum > bytes
    });
    first_too_many.map(|(hour, _)| (i64::from(*hour) + i64::from(WINDOW_HOURS)) * HOUR_MS)
}

// === impl Held ===

impl Held {
    /// Adds what one head holds.
    pub(crate) fn add(
        &mut self,
        newest_ms: Option<TimestampMs>,
        windows: impl IntoIterator<Item = (i32, u64)>,
    ) {
        self.newest_ms = self.newest_ms.max(newest_ms);
        for (hour, bytes) in windows {
            *self.windows.entry(hour).or_default() += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;

    fn held(newest_hour: i64, windows: &[(i32, u64)]) -> Held {
        let mut held = Held::default();
        held.add(Some(newest_hour * HOUR_MS), windows.iter().copied());
        held
    }

    #[test]
    fn the_older_limit_yields_to_the_stricter_one() {
        let windows = [(0, 50), (2, 50), (4, 50), (6, 50)];
        let limits = |age_ms, bytes| RetentionLimits { age_ms, bytes };
        for (age_ms, bytes, expected_hour) in [
            (0, 0, None),
            (DAY_MS, 0, Some(-16)),
            (3 * HOUR_MS, 0, Some(4)),
            (0, 1_000, None),
            (0, 200, None),
            (0, 199, Some(2)),
            (0, 100, Some(4)),
            (0, 99, Some(6)),
            // The newest two hours stay, whatever the size.
            (0, 1, Some(6)),
            (3 * HOUR_MS, 199, Some(4)),
            (5 * HOUR_MS, 100, Some(4)),
        ] {
            let cut_ms = cut(&held(8, &windows), limits(age_ms, bytes));
            assert_eq!(cut_ms, expected_hour.map(|h: i64| h * HOUR_MS), "{age_ms} ms, {bytes} B");
        }
    }

    #[test]
    fn without_samples_there_is_no_time() {
        assert_eq!(cut(&Held::default(), RetentionLimits { age_ms: DAY_MS, bytes: 1 }), None);
    }
}
