//! What became of the samples of an applied frame, on the way to the sender's acknowledgement.

use cluster::{AppendAck, FrameRef, RejectReason};
use model::{Labels, SeriesRef, TimestampMs};

use super::series::NO_SERIES;

/// The outcome of one frame, decided in apply and so the same on every replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AppliedFrame {
    /// Samples stored.
    pub(crate) accepted: u32,
    /// Samples that were stored already with the same bits.
    pub(crate) duplicates: u32,
    /// Samples refused, by reason.
    pub(crate) rejected: Vec<(RejectReason, u32)>,
    /// The first of the refused ones.
    pub(crate) first_rejection: Option<Rejection>,
    /// Refs of the frame's new series, in the frame's order.
    pub(crate) new_refs: Vec<SeriesRef>,
}

/// One refused sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Why.
    pub(crate) reason: RejectReason,
    /// Its place in the frame.
    pub(crate) sample: u32,
    /// Its series.
    pub(crate) series: SeriesRef,
    /// Its timestamp.
    pub(crate) timestamp_ms: TimestampMs,
}

/// What became of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Duplicate,
    Rejected(RejectReason),
}

// === impl AppliedFrame ===

impl AppliedFrame {
    /// The series that a sample of the frame belongs to.
    #[inline]
    pub(super) fn series(&self, series: FrameRef) -> SeriesRef {
        match series {
            FrameRef::Known(series) => series,
            FrameRef::New(new) => self.new_refs.get(new as usize).copied().unwrap_or(NO_SERIES),
        }
    }

    /// Counts the frame's sample at `sample`.
    #[inline]
    pub(super) fn count(
        &mut self,
        outcome: Outcome,
        sample: u32,
        series: SeriesRef,
        timestamp_ms: TimestampMs,
    ) {
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Rejected(reason) => {
                self.reject(Rejection { reason, sample, series, timestamp_ms });
            }
        }
    }

    fn reject(&mut self, rejection: Rejection) {
        self.first_rejection.get_or_insert(rejection);
        match self.rejected.iter_mut().find(|(reason, _)| *reason == rejection.reason) {
            Some((_, count)) => *count += 1,
            None => self.rejected.push((rejection.reason, 1)),
        }
    }

    /// The acknowledgement; `labels` tells the labels of the first refused sample's series.
    pub(crate) fn into_ack(self, labels: impl FnOnce(SeriesRef) -> Option<Labels>) -> AppendAck {
        AppendAck {
            accepted: self.accepted,
            duplicates: self.duplicates,
            rejected: self.rejected,
            first_rejection: self
                .first_rejection
                .map(|rejection| rejection.text(labels(rejection.series).as_ref())),
            new_refs: self.new_refs,
        }
    }
}

// === impl Rejection ===

impl Rejection {
    /// What the sender is told.
    fn text(&self, labels: Option<&Labels>) -> String {
        let why = match self.reason {
            RejectReason::DuplicateTimestamp => "duplicate sample for timestamp with another value",
            RejectReason::TooOld => "too old sample",
            RejectReason::TooFarInFuture => "sample too far in the future",
            RejectReason::SeriesLimit => "series limit reached",
            RejectReason::UnknownRef => "unknown series ref",
        };
        let timestamp_ms = self.timestamp_ms;
        match labels {
            Some(labels) => format!("{why} for series {labels}, timestamp {timestamp_ms}"),
            None => format!("{why} {}, timestamp {timestamp_ms}", self.series.0),
        }
    }
}
