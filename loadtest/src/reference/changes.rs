//! `resets` and `changes`: how often something happens between neighbours.

use std::sync::Arc;

use super::rate::{When, restarted};
use super::windowed::Applied;
use crate::promqltest::engine::Value;

/// How often a counter began anew.
pub(super) fn resets(applied: &Applied<'_>) -> Option<f64> {
    count(applied, |(before, old), (now, new)| match (old, new) {
        (Value::Float(old), Value::Float(new)) => new < old || restarted(*before, *now),
        (Value::Histogram(old), Value::Histogram(new)) => {
            restarted(*before, *now) || new.detect_reset(old)
        }
        _ => true,
    })
}

/// How often the value changed.
pub(super) fn changes(applied: &Applied<'_>) -> Option<f64> {
    #[expect(clippy::float_cmp, reason = "any change counts")]
    count(applied, |(_, old), (_, new)| match (old, new) {
        (Value::Float(old), Value::Float(new)) => new != old && !(new.is_nan() && old.is_nan()),
        (Value::Histogram(old), Value::Histogram(new)) => !new.equals(old),
        _ => true,
    })
}

type Sample = (When, Value);

fn count(applied: &Applied<'_>, happens: impl Fn(&Sample, &Sample) -> bool) -> Option<f64> {
    let window = applied.window;
    let floats =
        window.floats.iter().map(|p| (When { t: p.t, start_ms: p.start_ms }, Value::Float(p.v)));
    let histograms = window
        .histograms
        .iter()
        .map(|p| (When { t: p.t, start_ms: p.start_ms }, Value::Histogram(Arc::clone(&p.h))));
    let mut samples: Vec<Sample> = floats.chain(histograms).collect();
    samples.sort_by_key(|(when, _)| when.t);
    // Of an anchored window, the last sample before it takes part.
    let inside = samples.iter().position(|(when, _)| when.t > window.start_ms)?;
    let samples = &samples[inside.saturating_sub(1)..];
    #[expect(clippy::cast_precision_loss, reason = "windows are short")]
    Some(samples.windows(2).filter(|pair| happens(&pair[0], &pair[1])).count() as f64)
}
