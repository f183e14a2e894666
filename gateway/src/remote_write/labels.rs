//! Labels of a series that the cache does not know: read, checked, sorted, encoded.
//!
//! Senders may send labels in any order; [`model::Labels`]' encoding, in which they travel on, is
//! sorted and has no empty values. A series is checked once, when it is new: its cache entry
//! vouches for the same bytes later.

use std::fmt;

use model::TenantId;
use model::labels::{METRIC_NAME, put_text};
use model::shard::{Slot, slot_of};

use crate::remote_write::refusal::{Reason, Refusal};
use crate::remote_write::wire::{Reader, WireError};

/// Characters of a text that is shown in a refusal; Cortex shows as many.
const SHOWN_CHARS_MAX: usize = 200;

/// What a series may have at most. Cortex' and Mimir's defaults, except for the number of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LabelLimits {
    pub(crate) names_per_series_max: usize,
    pub(crate) name_bytes_max: usize,
    pub(crate) value_bytes_max: usize,
}

/// Reads one series' labels at a time; its buffers are kept.
#[derive(Debug, Default)]
pub(crate) struct LabelReader {
    /// Where names and values stand in the series' label fields.
    pairs: Vec<Pair>,
    encoded: Vec<u8>,
}

/// Texts of one label, as ranges of the series' label fields.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    name: (u32, u32),
    value: (u32, u32),
}

/// Names and values of a refused series, for a text.
struct Shown<'a>(&'a [Pair], &'a [u8]);

// === impl LabelReader ===

impl LabelReader {
    /// Reads the label fields of one series, which begin at `base` of the body, and finds its slot.
    /// [`LabelReader::encoded`] then holds its labels.
    ///
    /// # Errors
    /// The outer error refuses the request, the inner one this series.
    pub(crate) fn read(
        &mut self,
        fields: &[u8],
        base: usize,
        tenant: &TenantId,
        limits: &LabelLimits,
    ) -> Result<Result<Slot, Refusal>, WireError> {
        self.collect(fields, base)?;
        Ok(self.check_and_encode(fields, tenant, limits))
    }

    /// The labels that were read last, in [`model::Labels`]' encoding.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Says that the series read last has native histograms, which this version cannot store.
    pub(crate) fn refuse_histograms(&self, fields: &[u8]) -> Refusal {
        let shown = Shown(&self.pairs, fields);
        Refusal::new(
            Reason::HistogramsUnsupported,
            format!("native histograms are not supported yet, got one for series {shown}"),
        )
    }

    fn collect(&mut self, fields: &[u8], base: usize) -> Result<(), WireError> {
        self.pairs.clear();
        let range = |text: &[u8], end: usize| {
            let end = end - base;
            (offset32(end - text.len()), offset32(end))
        };
        let mut reader = Reader::new(fields, base);
        while let Some(tag) = reader.tag()? {
            let mut label = reader.message(tag)?;
            let mut pair = Pair::default();
            while let Some(tag) = label.tag()? {
                match tag.field {
                    1 => pair.name = range(label.bytes(tag)?, label.offset()),
                    2 => pair.value = range(label.bytes(tag)?, label.offset()),
                    _ => label.skip(tag)?,
                }
            }
            self.pairs.push(pair);
        }
        // Prometheus sorts before it sends; then this is one pass over sorted input.
        self.pairs.sort_by_key(|pair| text(fields, pair.name));
        Ok(())
    }

    /// The order of checks decides which text a series with several faults gets; it is Prometheus'
    /// (`write_handler.go`): name and characters, then duplicates; then the limits.
    fn check_and_encode(
        &mut self,
        fields: &[u8],
        tenant: &TenantId,
        limits: &LabelLimits,
    ) -> Result<Slot, Refusal> {
        let shown = Shown(&self.pairs, fields);
        let invalid = || {
            Refusal::new(
                Reason::InvalidLabels,
                format!("invalid metric name or labels, got {shown}"),
            )
        };
        let mut metric = "";
        for pair in &self.pairs {
            let name = utf8(fields, pair.name).filter(|name| !name.is_empty());
            let value = utf8(fields, pair.value);
            let (name, value) = name.zip(value).ok_or_else(invalid)?;
            if name == METRIC_NAME {
                metric = value;
            }
        }
        if metric.is_empty() {
            return Err(invalid());
        }
        let twice = self
            .pairs
            .windows(2)
            .find(|pair| text(fields, pair[0].name) == text(fields, pair[1].name));
        if let Some([pair, ..]) = twice {
            let name = String::from_utf8_lossy(text(fields, pair.name));
            return Err(Refusal::new(
                Reason::DuplicateLabel,
                format!("invalid labels for series, labels {shown}, duplicated label {name}"),
            ));
        }
        self.check_limits(fields, metric, limits)?;
        self.encode(fields);
        Ok(slot_of(tenant, self.pairs(fields)))
    }

    fn check_limits(
        &self,
        fields: &[u8],
        metric: &str,
        limits: &LabelLimits,
    ) -> Result<(), Refusal> {
        let (actual, limit) = (self.pairs.len(), limits.names_per_series_max);
        if actual > limit {
            let shown = Shown(&self.pairs, fields);
            return Err(Refusal::new(
                Reason::TooManyLabels,
                format!(
                    "series has too many labels (actual: {actual}, limit: {limit}) series: {shown}"
                ),
            ));
        }
        for (name, value) in self.pairs(fields) {
            let (reason, kind, actual, limit) = if name.len() > limits.name_bytes_max {
                (Reason::LabelNameTooLong, "name", name.len(), limits.name_bytes_max)
            } else if value.len() > limits.value_bytes_max {
                (Reason::LabelValueTooLong, "value", value.len(), limits.value_bytes_max)
            } else {
                continue;
            };
            return Err(Refusal::new(
                reason,
                format!(
                    "label {kind} too long for metric (actual: {actual}, limit: {limit}) metric: \
                     {:?} label name: {:?}",
                    cut(metric),
                    cut(name),
                ),
            ));
        }
        Ok(())
    }

    /// Keeps the labels in [`model::Labels`]' encoding; without empty values, which stand for no label.
    fn encode(&mut self, fields: &[u8]) {
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        for (name, value) in self.pairs(fields).filter(|(_, value)| !value.is_empty()) {
            put_text(&mut encoded, name);
            put_text(&mut encoded, value);
        }
        self.encoded = encoded;
    }

    /// Names and values in order of name; only after they have been found to be UTF-8.
    fn pairs<'a>(&'a self, fields: &'a [u8]) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        self.pairs.iter().map(|pair| {
            (
                utf8(fields, pair.name).unwrap_or_default(),
                utf8(fields, pair.value).unwrap_or_default(),
            )
        })
    }
}

impl fmt::Display for Shown<'_> {
    /// As [`model::Labels`] prints, but also with what labels cannot be; each text cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, pair) in self.0.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            let name = String::from_utf8_lossy(text(self.1, pair.name));
            let value = String::from_utf8_lossy(text(self.1, pair.value));
            let (name, value) = (cut(&name), cut(&value));
            if model::labels::is_legacy_name(name) {
                write!(f, "{separator}{name}={value:?}")?;
            } else {
                write!(f, "{separator}{name:?}={value:?}")?;
            }
        }
        f.write_str("}")
    }
}

/// The first [`SHOWN_CHARS_MAX`] characters.
fn cut(text: &str) -> &str {
    text.char_indices().nth(SHOWN_CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}

fn text(fields: &[u8], (start, end): (u32, u32)) -> &[u8] {
    fields.get(start as usize..end as usize).unwrap_or_default()
}

fn utf8(fields: &[u8], range: (u32, u32)) -> Option<&str> {
    std::str::from_utf8(text(fields, range)).ok()
}

fn offset32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
