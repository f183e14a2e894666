//! Why parts of a request are not stored, and how many samples that concerns.

use std::collections::BTreeMap;

use cluster::RejectReason;

/// Why samples, exemplars or metadata were not stored. Each reason has an immutable id, which is
/// the `reason` label of the metrics and a heading in `docs/errors.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// No metric name, an empty label name, or a text that is not UTF-8.
    InvalidLabels,
    /// A label name twice.
    DuplicateLabel,
    /// More labels than `--limits.label-names-per-series-max`.
    TooManyLabels,
    /// A name longer than `--limits.label-name-bytes-max`.
    LabelNameTooLong,
    /// A value longer than `--limits.label-value-bytes-max`.
    LabelValueTooLong,
    /// A native histogram.
    HistogramsUnsupported,
    /// An exemplar. Exemplars are dropped, as by a Prometheus without exemplar storage.
    ExemplarsUnsupported,
    /// Metadata without a family name, or not UTF-8.
    InvalidMetadata,
    /// The ingester refused the sample.
    Ingester(RejectReason),
}

/// The first refusal of a request: why, and the text for the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) text: String,
}

/// All refusals of one request: how many by reason, and the first one's text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Refusals {
    by_reason: BTreeMap<Reason, u64>,
    first: Option<Refusal>,
}

// === impl Reason ===

impl Reason {
    /// The immutable id.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::InvalidLabels => "err-varve-invalid-labels",
            Self::DuplicateLabel => "err-varve-duplicate-label",
            Self::TooManyLabels => "err-varve-too-many-labels",
            Self::LabelNameTooLong => "err-varve-label-name-too-long",
            Self::LabelValueTooLong => "err-varve-label-value-too-long",
            Self::HistogramsUnsupported => "err-varve-histograms-unsupported",
            Self::ExemplarsUnsupported => "err-varve-exemplars-unsupported",
            Self::InvalidMetadata => "err-varve-invalid-metadata",
            Self::Ingester(reason) => reason.id(),
        }
    }

    /// Whether the sender is told by a 400. Exemplars beyond what is kept are not (reliability
    /// contract C2): a Prometheus that sends them would otherwise never see a success.
    const fn fails_the_request(self) -> bool {
        !matches!(self, Self::ExemplarsUnsupported)
    }
}

// === impl Refusals ===

impl Refusals {
    /// Counts `n` things that were refused for one reason. The text is made for the first only: a
    /// request may hold millions.
    pub(crate) fn add(&mut self, reason: Reason, n: u64, text: impl FnOnce() -> String) {
        self.count(reason, n);
        if n > 0 && reason.fails_the_request() && self.first.is_none() {
            self.first = Some(Refusal { reason, text: text() });
        }
    }

    /// Counts `n` things without a text of their own.
    pub(crate) fn count(&mut self, reason: Reason, n: u64) {
        if n > 0 {
            *self.by_reason.entry(reason).or_default() += n;
        }
    }

    /// How many things were refused, by reason.
    pub(crate) fn by_reason(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        self.by_reason.iter().map(|(reason, n)| (*reason, *n))
    }

    /// How many samples make the request fail, and the first reason; with 0 it is metadata alone.
    pub(crate) fn failing(&self) -> Option<(u64, &Refusal)> {
        let is_sample = |reason: Reason| {
            !matches!(reason, Reason::ExemplarsUnsupported | Reason::InvalidMetadata)
        };
        let n = self.by_reason().filter(|(reason, _)| is_sample(*reason)).map(|(_, n)| n).sum();
        self.first.as_ref().map(|first| (n, first))
    }
}
