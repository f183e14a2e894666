//! The proleptic Gregorian calendar in UTC, from seconds since 1970.

/// A date and the time of the day, as numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Date {
    pub(super) year: f64,
    pub(super) month: f64,
    pub(super) day: f64,
    /// 0 is Sunday.
    pub(super) weekday: f64,
    /// From 1.
    pub(super) day_of_year: f64,
    pub(super) days_in_month: f64,
    pub(super) hour: f64,
    pub(super) minute: f64,
}

const DAY_S: i64 = 86_400;

/// A number of seconds without its fraction, as Go converts on amd64: what does not fit is the
/// smallest integer.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit is treated before")]
pub(super) fn whole(number: f64) -> i64 {
    if number.is_nan() || number.abs() >= 9.223_372_036_854_776e18 {
        i64::MIN
    } else {
        number as i64
    }
}

// === impl Date ===

impl Date {
    #[expect(clippy::cast_precision_loss, reason = "parts of dates are small")]
    pub(super) fn of(seconds: i64) -> Self {
        let (days, second) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
        let (year, month, day) = civil(days);
        let first_of_year = days_from_civil(year, 1, 1);
        let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        let length = days_from_civil(next.0, next.1, 1) - days_from_civil(year, month, 1);
        Self {
            year: year as f64,
            month: month as f64,
            day: day as f64,
            weekday: (days + 4).rem_euclid(7) as f64,
            day_of_year: (days - first_of_year + 1) as f64,
            days_in_month: length as f64,
            hour: (second / 3600) as f64,
            minute: (second / 60 % 60) as f64,
        }
    }
}

/// `2006-01-02T15:04:05Z`
pub(super) fn rfc3339(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY_S));
    let second = seconds.rem_euclid(DAY_S);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day since 1970. Years begin in March here, so that the leap day is
/// the last; 400 years have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_before_and_after_1970() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_704_067_199), "2023-12-31T23:59:59Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
        let leap_day = Date::of(1_709_164_800);
        assert_eq!(
            (leap_day.day, leap_day.days_in_month, leap_day.day_of_year),
            (29.0, 29.0, 60.0)
        );
        assert_eq!(leap_day.weekday, 4.0);
    }
}
