//! Labels: a series' identity, sorted by name, each name once.
//!
//! One shared allocation in Prometheus' `stringlabels` encoding: per label the name, then the
//! value, each behind its length (one byte below 255; else 255 and 24 bits, little endian). Hashes
//! over these bytes are therefore comparable with Prometheus' (`labels_stringlabels.go`).

use std::fmt;
use std::sync::Arc;

/// The label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";

/// The longest name or value that the encoding can hold, in bytes.
pub const LABEL_BYTES_MAX: usize = (1 << 24) - 1;

/// Sorted, deduplicated labels without empty values; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[u8]>);

/// Why bytes are not labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    /// The encoding ends inside a length or a text.
    #[error("encoded labels are truncated")]
    Truncated,
    /// A text is not UTF-8.
    #[error("encoded labels are not UTF-8")]
    NotUtf8,
    /// Names are not strictly ascending.
    #[error("encoded labels are not sorted by name")]
    NotSorted,
}

// === impl Labels ===

impl Labels {
    /// No labels at all.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// Labels from pairs in any order. Empty values are left out, as Prometheus does; of equal
    /// names the last one wins.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// Checks and keeps bytes in the encoding above.
    ///
    /// # Errors
    /// When they are truncated, not UTF-8, or not sorted.
    pub fn from_encoded(bytes: &[u8]) -> Result<Self, LabelsError> {
        LabelsIter::checked(bytes)?;
        Ok(Self(Arc::from(bytes)))
    }

    /// Labels from pairs that are sorted by name, each name once, without empty values. `buffer` is
    /// recycled: the labels take one allocation, of their own size.
    #[must_use]
    pub fn from_sorted<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        buffer: &mut Vec<u8>,
    ) -> Self {
        buffer.clear();
        for (name, value) in pairs {
            put_text(buffer, name);
            put_text(buffer, value);
        }
        debug_assert!(LabelsIter::checked(buffer).is_ok(), "the pairs are sorted by name");
        Self(Arc::from(buffer.as_slice()))
    }

    /// The encoding that the module's documentation describes.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.0
    }

    /// Pairs in ascending order of name.
    #[must_use]
    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter(&self.0)
    }

    /// The value of `name`; `None` when the label is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The metric name; empty when there is none.
    #[must_use]
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// The number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same as bytes, which spares the texts' validation.
    #[must_use]
    pub fn raw(&self) -> RawLabels<'_> {
        RawLabels(&self.0)
    }

    /// These labels without those for whose names `keep` says no.
    #[must_use]
    pub fn retain_raw(&self, mut keep: impl FnMut(&[u8]) -> bool) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len());
        for label in self.raw().filter(|label| keep(label.name)) {
            bytes.extend_from_slice(label.encoded);
        }
        Self(Arc::from(bytes))
    }

    /// These labels without those for which `keep` says no.
    #[must_use]
    pub fn retain(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len());
        for (name, value) in self.iter().filter(|(name, _)| keep(name)) {
            put_text(&mut bytes, name);
            put_text(&mut bytes, value);
        }
        Self(Arc::from(bytes))
    }
}

impl Ord for Labels {
    /// Prometheus' order: label by label, name before value; a prefix comes first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;

    fn into_iter(self) -> LabelsIter<'a> {
        self.iter()
    }
}

impl fmt::Display for Labels {
    /// `{a="1", b="2"}`, quoted as Go quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            if is_legacy_name(name) {
                write!(f, "{separator}{name}={value:?}")?;
            } else {
                write!(f, "{separator}{name:?}={value:?}")?;
            }
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether `name` can stand unquoted in PromQL: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_legacy_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Pairs in ascending order of name.
#[derive(Debug, Clone)]
pub struct LabelsIter<'a>(&'a [u8]);

// === impl LabelsIter ===

impl<'a> LabelsIter<'a> {
    /// The pairs of bytes in [`Labels`]' encoding, which are checked and not copied.
    ///
    /// # Errors
    /// As [`Labels::from_encoded`].
    pub fn checked(bytes: &'a [u8]) -> Result<Self, LabelsError> {
        let (mut rest, mut last): (&[u8], Option<&str>) = (bytes, None);
        while !rest.is_empty() {
            let (name, tail) = take_text(rest)?;
            let (_, tail) = take_text(tail)?;
            if last.is_some_and(|last| last >= name) {
                return Err(LabelsError::NotSorted);
            }
            (last, rest) = (Some(name), tail);
        }
        Ok(Self(bytes))
    }
}

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        if self.0.is_empty() {
            return None;
        }
        // Labels exist only with a valid encoding, so neither can fail.
        let (name, rest) = take_text(self.0).ok()?;
        let (value, rest) = take_text(rest).ok()?;
        self.0 = rest;
        Some((name, value))
    }
}

/// One label as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawLabel<'a> {
    /// The name.
    pub name: &'a [u8],
    /// Name and value as they are encoded.
    pub encoded: &'a [u8],
}

/// Labels as bytes, in ascending order of name.
#[derive(Debug, Clone)]
pub struct RawLabels<'a>(&'a [u8]);

impl<'a> Iterator for RawLabels<'a> {
    type Item = RawLabel<'a>;

    fn next(&mut self) -> Option<RawLabel<'a>> {
        // As above, an encoding that is not empty has a name and a value.
        let (name, rest) = take_bytes(self.0).ok()?;
        let (_, rest) = take_bytes(rest).ok()?;
        let (encoded, _) = self.0.split_at(self.0.len() - rest.len());
        self.0 = rest;
        Some(RawLabel { name, encoded })
    }
}

fn take_text(bytes: &[u8]) -> Result<(&str, &[u8]), LabelsError> {
    let (text, rest) = take_bytes(bytes)?;
    Ok((std::str::from_utf8(text).map_err(|_| LabelsError::NotUtf8)?, rest))
}

fn take_bytes(bytes: &[u8]) -> Result<(&[u8], &[u8]), LabelsError> {
    let (len, rest) = match bytes {
        [255, a, b, c, rest @ ..] => {
            (usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16, rest)
        }
        [255, ..] | [] => return Err(LabelsError::Truncated),
        [len, rest @ ..] => (usize::from(*len), rest),
    };
    rest.split_at_checked(len).ok_or(LabelsError::Truncated)
}

/// Appends one text with its length; texts beyond [`LABEL_BYTES_MAX`] are the caller's to refuse.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = text.len();
    assert!(len <= LABEL_BYTES_MAX, "label text of {len} bytes exceeds {LABEL_BYTES_MAX}");
    match u8::try_from(len) {
        Ok(short @ 0..=254) => out.push(short),
        _ => {
            let len = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
            out.extend_from_slice(&[255, len[0], len[1], len[2]]);
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// Gathers labels in any order.
#[derive(Debug, Default, Clone)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

// === impl LabelsBuilder ===

impl LabelsBuilder {
    /// Starts from `labels`.
    #[must_use]
    pub fn from_labels(labels: &Labels) -> Self {
        Self { pairs: labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect() }
    }

    /// Sets `name`; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.pairs.retain(|(n, _)| n != name);
        if !value.is_empty() {
            self.pairs.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// The labels gathered so far.
    #[must_use]
    pub fn build(mut self) -> Labels {
        self.pairs.sort_unstable();
        let mut bytes = Vec::new();
        for (name, value) in &self.pairs {
            put_text(&mut bytes, name);
            put_text(&mut bytes, value);
        }
        Labels(Arc::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn pairs_are_sorted_deduplicated_and_lose_empty_values() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "2"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="2", b="3"}"#);
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.get("c"), None);
        assert_eq!(labels.len(), 2);
    }

    #[test]
    fn the_encoding_is_prometheus_stringlabels() {
        let long = "x".repeat(300);
        let labels = Labels::from_pairs([("a", "1"), ("bc", long.as_str())]);
        let mut expected = b"\x01a\x011\x02bc\xff\x2c\x01\x00".to_vec();
        expected.extend_from_slice(long.as_bytes());
        assert_eq!(labels.encoded(), expected);
    }

    #[test]
    fn bytes_that_are_not_labels_are_refused() {
        for (bytes, error) in [
            (&b"\x02a"[..], LabelsError::Truncated),
            (b"\xff\x01", LabelsError::Truncated),
            (b"\x01a\x01\xfe", LabelsError::NotUtf8),
            (b"\x01b\x011\x01a\x011", LabelsError::NotSorted),
            (b"\x01a\x011\x01a\x011", LabelsError::NotSorted),
        ] {
            assert_eq!(Labels::from_encoded(bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn the_order_is_label_by_label() {
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        let sorted = [
            labels(&[]),
            labels(&[("a", "1")]),
            labels(&[("a", "1"), ("b", "1")]),
            labels(&[("a", "10")]),
            labels(&[("a", "2")]),
            labels(&[("aa", "0")]),
            labels(&[("b", "0")]),
        ];
        assert!(sorted.is_sorted());
    }

    proptest! {
        #[test]
        fn encoding_and_reading_back_is_identity(
            pairs in prop::collection::btree_map("[a-z_é]{0,300}", "[^\u{0}]{1,20}", 0..6)
        ) {
            let labels = Labels::from_pairs(&pairs);
            prop_assert_eq!(Labels::from_encoded(labels.encoded()).unwrap(), labels.clone());
            let back: Vec<_> = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(back, pairs.clone().into_iter().collect::<Vec<_>>());
            let names: Vec<&[u8]> = labels.raw().map(|label| label.name).collect();
            prop_assert_eq!(names, pairs.keys().map(String::as_bytes).collect::<Vec<_>>());
            let is_short = |name: &[u8]| name.len() < 100;
            let short = labels.retain(|name| is_short(name.as_bytes()));
            prop_assert_eq!(labels.retain_raw(is_short), short);
        }
    }
}
