//! Admission: whether bytes are a frame of a tenant, and which of its samples lie in the future.
//!
//! Only the leader judges the future, before the log: a replay would judge by another clock. The
//! samples that are too far ahead are cut out of the frame; everything else goes on.

use bytes::Bytes;
use cluster::frame::MetadataRecord;
use cluster::{FrameBuilder, FrameRef, FrameView};
use model::{Failure, FailureKind, SeriesRef, TenantId, TimestampMs};

use super::CUT_REASON;
use crate::head::{AppliedFrame, Rejection};

/// How far ahead of the leader's clock a sample may be; Prometheus' `maxAheadTime`.
const FUTURE_MS_MAX: i64 = 10 * 60 * 1_000;

/// A frame that may be proposed.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The frame, without what was cut.
    pub(super) frame: Bytes,
    /// What was cut.
    pub(super) cut: Option<Cut>,
}

/// Samples that were cut out of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    count: u32,
    first: u32,
    series: FrameRef,
    timestamp_ms: TimestampMs,
}

/// Checks `frame` against the clock's `now_ms`.
pub(super) fn admit(frame: Bytes, now_ms: TimestampMs) -> Result<Admitted, Failure> {
    let invalid = |text: String| Failure::new(FailureKind::Invalid, "err-varve-bad-frame", text);
    let view = FrameView::parse(&frame).map_err(|error| invalid(error.to_string()))?;
    let tenant = TenantId::new(view.tenant()).map_err(|error| invalid(error.to_string()))?;
    let latest_ms = now_ms.saturating_add(FUTURE_MS_MAX);
    if view.runs().all(|(timestamp_ms, _)| timestamp_ms <= latest_ms) {
        return Ok(Admitted { frame, cut: None });
    }
    let (frame, cut) = cut_after(&view, &tenant, latest_ms);
    Ok(Admitted { frame, cut })
}

/// The frame without its samples after `latest_ms`. All new series stay, so that their refs can be
/// told; one without samples is dropped again by retention.
fn cut_after(
    view: &FrameView<'_>,
    tenant: &TenantId,
    latest_ms: TimestampMs,
) -> (Bytes, Option<Cut>) {
    let mut builder = FrameBuilder::default();
    builder.start(tenant);
    for labels in view.series() {
        builder.add_series(labels);
    }
    let timestamps = view.runs().flat_map(|(at, count)| std::iter::repeat_n(at, count as usize));
    let mut cut: Option<Cut> = None;
    for (sample, ((raw, value), timestamp_ms)) in
        (0..).zip(view.refs().zip(view.values()).zip(timestamps))
    {
        let series = FrameRef::decode(raw);
        if timestamp_ms <= latest_ms {
            builder.push(series, timestamp_ms, value);
            continue;
        }
        let first = Cut { count: 0, first: sample, series, timestamp_ms };
        cut.get_or_insert(first).count += 1;
    }
    for MetadataRecord { kind, family, help, unit } in view.metadata() {
        builder.push_metadata(&MetadataRecord { kind, family, help, unit });
    }
    (builder.finish(), cut)
}

// === impl Cut ===

impl Cut {
    /// The outcome of the whole frame, given that of what was left of it.
    pub(super) fn add_to(self, mut applied: AppliedFrame) -> AppliedFrame {
        let series = match self.series {
            FrameRef::Known(series) => Some(series),
            FrameRef::New(index) => applied.new_refs.get(index as usize).copied(),
        };
        applied.rejected.push((CUT_REASON, self.count));
        applied.first_rejection.get_or_insert(Rejection {
            reason: CUT_REASON,
            sample: self.first,
            series: series.unwrap_or(SeriesRef(SeriesRef::LIMIT)),
            timestamp_ms: self.timestamp_ms,
        });
        applied
    }
}

#[cfg(test)]
mod tests {
    use model::Labels;

    use super::*;

    fn frame(samples: &[(u32, i64)]) -> Bytes {
        let mut builder = FrameBuilder::default();
        builder.start(&TenantId::anonymous());
        builder.add_series(Labels::from_pairs([("__name__", "new")]).encoded());
        for (series, timestamp_ms) in samples {
            let series = match series {
                0 => FrameRef::New(0),
                known => FrameRef::Known(SeriesRef(*known)),
            };
            builder.push(series, *timestamp_ms, 1.5);
        }
        builder.finish()
    }

    #[test]
    fn samples_up_to_ten_minutes_ahead_pass_untouched() {
        let now = 1_000_000;
        let whole = frame(&[(0, now), (7, now + FUTURE_MS_MAX)]);
        let admitted = admit(whole.clone(), now).unwrap();
        assert_eq!((admitted.frame, admitted.cut), (whole, None));
    }

    #[test]
    fn what_lies_further_ahead_is_cut_out_and_the_rest_goes_on() {
        let now = 1_000_000;
        let late = now + FUTURE_MS_MAX + 1;
        let admitted = admit(frame(&[(7, now), (0, late), (8, late), (9, now)]), now).unwrap();
        assert_eq!(admitted.frame, frame(&[(7, now), (9, now)]));
        let applied = AppliedFrame { new_refs: vec![SeriesRef(42)], ..AppliedFrame::default() };
        let applied = admitted.cut.unwrap().add_to(applied);
        assert_eq!(applied.rejected, [(CUT_REASON, 2)]);
        let first = applied.first_rejection.unwrap();
        assert_eq!((first.sample, first.series, first.timestamp_ms), (1, SeriesRef(42), late));
    }

    #[test]
    fn bytes_that_are_no_frame_are_refused_for_good() {
        for bytes in [Bytes::new(), Bytes::from_static(b"nonsense")] {
            assert_eq!(admit(bytes, 0).unwrap_err().kind, FailureKind::Invalid);
        }
    }
}
