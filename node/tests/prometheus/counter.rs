//! Where Prometheus 2.42 extends a counter differently from 3.x, and what 3.x makes of it.
//!
//! Both stop at the point where the counter was zero, and both extend by half a distance between
//! samples where the window's edge is too far from the first sample. 3.x looks at the edge first,
//! 2.42 at the zero. So they differ in windows that begin in a gap before a counter that has just
//! begun at almost nothing: after a restart, that is. There ours is held against the formula of 3.x
//! (`promql/functions.go`, `extrapolatedRate`), over the samples that Prometheus has.

/// The samples of one series: milliseconds, values.
pub(crate) type Samples = [(i64, f64)];

/// `increase` over the samples in `(start_ms, end_ms]` as 3.x has it, if 2.42 differs there.
pub(crate) fn increase_where_they_differ(
    samples: &Samples,
    start_ms: i64,
    end_ms: i64,
) -> Option<f64> {
    let first = samples.partition_point(|(at_ms, _)| *at_ms <= start_ms);
    let past = samples.partition_point(|(at_ms, _)| *at_ms <= end_ms);
    let window = samples.get(first..past)?;
    let ([(first_ms, first), ..], [.., (last_ms, last)]) = (window, window) else { return None };
    let resets = window.windows(2).filter(|pair| pair[1].1 < pair[0].1);
    let increase = resets.fold(last - first, |sum, pair| sum + pair[0].1);
    let seconds = |from_ms: i64, to_ms: i64| (to_ms - from_ms) as f64 / 1000.0;
    let sampled = seconds(*first_ms, *last_ms);
    let mean = sampled / (window.len() - 1) as f64;
    let threshold = mean * 1.1;
    let to_zero = sampled * (first / increase);
    let is_late = seconds(start_ms, *first_ms) >= threshold;
    if !(is_late && increase > 0.0 && (mean / 2.0..threshold).contains(&to_zero)) {
        return None;
    }
    let to_end = seconds(*last_ms, end_ms);
    let to_end = if to_end >= threshold { mean / 2.0 } else { to_end };
    Some(increase * ((sampled + mean / 2.0 + to_end) / sampled))
}
