//! The layers of time: resolution and default retention of each. They stand nowhere else.

/// A resolution at which samples are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// Samples as they came.
    Raw,
    /// One row per series and 5 minutes.
    FiveMinutes,
    /// One row per series and hour.
    OneHour,
    /// One row per series and day.
    OneDay,
}

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

// === impl Tier ===

impl Tier {
    /// All tiers, finest first.
    pub const ALL: [Self; 4] = [Self::Raw, Self::FiveMinutes, Self::OneHour, Self::OneDay];

    /// Width of a row in milliseconds; `None` for raw samples.
    #[must_use]
    pub const fn resolution_ms(self) -> Option<i64> {
        match self {
            Self::Raw => None,
            Self::FiveMinutes => Some(5 * MINUTE_MS),
            Self::OneHour => Some(60 * MINUTE_MS),
            Self::OneDay => Some(DAY_MS),
        }
    }

    /// How long a tier is kept unless configured otherwise, in milliseconds.
    #[must_use]
    pub const fn retention_default_ms(self) -> i64 {
        match self {
            Self::Raw => 15 * DAY_MS,
            Self::FiveMinutes => 60 * DAY_MS,
            Self::OneHour => 365 * DAY_MS,
            Self::OneDay => 3 * 365 * DAY_MS,
        }
    }
}
