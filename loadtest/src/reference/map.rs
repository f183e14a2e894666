//! Functions of one value.

use crate::histogram::FloatHistogram;

use super::dates::Date;
use super::kahan::Kahan;

/// A function of a float.
pub(super) fn of_float(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        "rad" => |degrees| degrees * std::f64::consts::PI / 180.0,
        "deg" => |radians| radians * 180.0 / std::f64::consts::PI,
        "sgn" => |number| match number {
            number if number < 0.0 => -1.0,
            number if number > 0.0 => 1.0,
            number => number,
        },
        _ => return None,
    })
}

/// A part of a date.
pub(super) fn calendar(name: &str) -> Option<fn(&Date) -> f64> {
    Some(match name {
        "year" => |date| date.year,
        "month" => |date| date.month,
        "day_of_month" => |date| date.day,
        "day_of_week" => |date| date.weekday,
        "day_of_year" => |date| date.day_of_year,
        "days_in_month" => |date| date.days_in_month,
        "hour" => |date| date.hour,
        "minute" => |date| date.minute,
        _ => return None,
    })
}

/// A function of a histogram.
pub(super) fn of_histogram(name: &str) -> Option<fn(&FloatHistogram) -> f64> {
    Some(match name {
        "histogram_count" => |histogram| histogram.count,
        "histogram_sum" => |histogram| histogram.sum,
        "histogram_avg" => |histogram| histogram.sum / histogram.count,
        "histogram_stdvar" => variance,
        "histogram_stddev" => |histogram| variance(histogram).sqrt(),
        _ => return None,
    })
}

/// The variance if each observation lay in the middle of its bucket: the geometric one, but the
/// arithmetic one for custom buckets and 0 for the zero bucket.
fn variance(histogram: &FloatHistogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let mut total = Kahan::default();
    for bucket in histogram.all_buckets().filter(|bucket| bucket.count != 0.0) {
        let value = if histogram.uses_custom_buckets() {
            f64::midpoint(bucket.upper, bucket.lower)
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
        };
        let delta = value - mean;
        total = total.plus(bucket.count * delta * delta);
    }
    total.value() / histogram.count
}
