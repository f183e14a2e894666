//! Labels of a series that the cache does not know: read, checked, sorted, encoded.
//!
//! Senders may send labels in any order; [`model::Labels`]' encoding, in which they travel on, is
//! sorted and has no empty values. A series is checked once, when it is new: its cache entry
//! vouches for the same bytes later.

use std::borrow::Cow;
use std::fmt;

use model::TenantId;
use model::labels::{METRIC_NAME, is_legacy_name, put_text};
use model::shard::{Slot, slot_of};
use smallvec::SmallVec;

use crate::remote_write::refusal::Reason;
use crate::remote_write::wire::{Reader, WireError};

/// Labels of a series that need no allocation while they are read.
const USUAL_LABELS: usize = 16;

/// Characters of a text that is shown in a refusal; Cortex shows as many.
const SHOWN_CHARS_MAX: usize = 200;

/// What a series may have at most. Cortex' and Mimir's defaults, except for the number of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LabelLimits {
    pub(crate) names_per_series_max: usize,
    pub(crate) name_bytes_max: usize,
    pub(crate) value_bytes_max: usize,
}

/// One series' labels as they came, sorted by name.
#[derive(Debug)]
pub(crate) struct RawLabels<'a>(SmallVec<[RawLabel<'a>; USUAL_LABELS]>);

/// Name and value, still unchecked.
type RawLabel<'a> = (&'a [u8], &'a [u8]);

/// Why a series cannot be stored. Small, because a request may have millions of such series, and only
/// the first is told of in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault<'a> {
    /// No metric name, an empty label name, or a text that is not UTF-8.
    Invalid,
    /// A label name twice.
    Duplicate { name: &'a str },
    /// More labels than are allowed.
    TooMany { limit: usize },
    /// A label name longer than is allowed.
    NameTooLong { name: &'a str, limit: usize },
    /// A label value longer than is allowed.
    ValueTooLong { name: &'a str, bytes: usize, limit: usize },
    /// Native histograms, which this version cannot store.
    Histograms,
}

/// One series' labels, fit to be stored: sorted by name, each name once, none empty.
#[derive(Debug)]
pub(crate) struct CheckedLabels<'a>(SmallVec<[(&'a str, &'a str); USUAL_LABELS]>);

// === impl RawLabels ===

impl<'a> RawLabels<'a> {
    /// Reads the label fields of one series, which begin at `base` of the body.
    ///
    /// # Errors
    /// When they are not label fields.
    pub(crate) fn read(fields: &'a [u8], base: usize) -> Result<Self, WireError> {
        let mut labels = SmallVec::new();
        let mut reader = Reader::new(fields, base);
        while let Some(tag) = reader.tag()? {
            let mut label = reader.message(tag)?;
            let (mut name, mut value): RawLabel<'_> = Default::default();
            while let Some(tag) = label.tag()? {
                match tag.field {
                    1 => name = label.bytes(tag)?,
                    2 => value = label.bytes(tag)?,
                    _ => label.skip(tag)?,
                }
            }
            labels.push((name, value));
        }
        // Prometheus sorts before it sends; then there is nothing to do.
        if !labels.is_sorted_by_key(|(name, _)| *name) {
            labels.sort_by_key(|(name, _)| *name);
        }
        Ok(Self(labels))
    }

    /// Checks them. The order of checks decides which text a series with several faults gets; it is
    /// Prometheus' (`write_handler.go`): name and characters, then duplicates; then the limits.
    ///
    /// # Errors
    /// Why the series is refused.
    pub(crate) fn check(&self, limits: &LabelLimits) -> Result<CheckedLabels<'a>, Fault<'a>> {
        let mut labels = SmallVec::with_capacity(self.0.len());
        let mut metric = "";
        for (name, value) in &self.0 {
            let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Fault::Invalid);
            let (name, value) = (text(name)?, text(value)?);
            if name.is_empty() {
                return Err(Fault::Invalid);
            }
            if name == METRIC_NAME {
                metric = value;
            }
            labels.push((name, value));
        }
        if metric.is_empty() {
            return Err(Fault::Invalid);
        }
        if let Some([(name, _), _]) =
            labels.array_windows().find(|[a, b]: &&[(&str, &str); 2]| a.0 == b.0)
        {
            return Err(Fault::Duplicate { name });
        }
        if labels.len() > limits.names_per_series_max {
            return Err(Fault::TooMany { limit: limits.names_per_series_max });
        }
        let too_long = labels.iter().find_map(|label| refuse_long(*label, limits));
        too_long.map_or(Ok(CheckedLabels(labels)), Err)
    }

    /// What the sender is told of a fault; Prometheus' and Cortex' words.
    pub(crate) fn describe(&self, fault: &Fault<'_>) -> String {
        match fault {
            Fault::Invalid => format!("invalid metric name or labels, got {self}"),
            Fault::Duplicate { name } => {
                format!("invalid labels for series, labels {self}, duplicated label {name}")
            }
            Fault::TooMany { limit } => {
                let actual = self.0.len();
                format!(
                    "series has too many labels (actual: {actual}, limit: {limit}) series: {self}"
                )
            }
            Fault::NameTooLong { name, limit } => {
                self.describe_long("name", name, name.len(), *limit)
            }
            Fault::ValueTooLong { name, bytes, limit } => {
                self.describe_long("value", name, *bytes, *limit)
            }
            Fault::Histograms => {
                format!("native histograms are not supported yet, got one for series {self}")
            }
        }
    }

    fn describe_long(&self, kind: &str, name: &str, actual: usize, limit: usize) -> String {
        let metric = self.0.iter().find(|(name, _)| *name == METRIC_NAME.as_bytes());
        let metric = shown(metric.map_or(&[][..], |(_, value)| value));
        let name = shown(name.as_bytes());
        format!(
            "label {kind} too long for metric (actual: {actual}, limit: {limit}) metric: \
             {metric:?} label name: {name:?}"
        )
    }

    /// All of them, for tests.
    #[cfg(test)]
    pub(crate) fn to_pairs(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.0.iter().map(|(name, value)| (text(name), text(value))).collect()
    }
}

impl fmt::Display for RawLabels<'_> {
    /// As [`model::Labels`] prints, but also with what those cannot be; each text cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.0.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            let (name, value) = (shown(name), shown(value));
            if is_legacy_name(&name) {
                write!(f, "{separator}{name}={value:?}")?;
            } else {
                write!(f, "{separator}{name:?}={value:?}")?;
            }
        }
        f.write_str("}")
    }
}

// === impl Fault ===

impl Fault<'_> {
    /// The reason that metrics count it by.
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::Invalid => Reason::InvalidLabels,
            Self::Duplicate { .. } => Reason::DuplicateLabel,
            Self::TooMany { .. } => Reason::TooManyLabels,
            Self::NameTooLong { .. } => Reason::LabelNameTooLong,
            Self::ValueTooLong { .. } => Reason::LabelValueTooLong,
            Self::Histograms => Reason::HistogramsUnsupported,
        }
    }
}

// === impl CheckedLabels ===

impl CheckedLabels<'_> {
    /// The slot of their series.
    pub(crate) fn slot(&self, tenant: &TenantId) -> Slot {
        slot_of(tenant, self.0.iter().copied())
    }

    /// Writes them in [`model::Labels`]' encoding; without empty values, which stand for no label.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            put_text(out, name);
            put_text(out, value);
        }
    }
}

fn refuse_long<'a>(label: (&'a str, &'a str), limits: &LabelLimits) -> Option<Fault<'a>> {
    let (name, value) = label;
    let (limit, value_limit) = (limits.name_bytes_max, limits.value_bytes_max);
    if name.len() > limit {
        return Some(Fault::NameTooLong { name, limit });
    }
    let too_long = Fault::ValueTooLong { name, bytes: value.len(), limit: value_limit };
    (value.len() > value_limit).then_some(too_long)
}

/// The first [`SHOWN_CHARS_MAX`] characters, with replacements for what is not UTF-8.
pub(crate) fn shown(text: &[u8]) -> Cow<'_, str> {
    let text = &text[..text.len().min(4 * SHOWN_CHARS_MAX)];
    let mut text = String::from_utf8_lossy(text);
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) {
        text.to_mut().truncate(end);
    }
    text
}
