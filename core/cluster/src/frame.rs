//! Frame v2: the samples of one request for one partition, column by column.
//!
//! The gateway encodes a frame once; its bytes travel unchanged through the Raft log into apply.
//! All integers are little endian.
//!
//! ```text
//!  0   version u8 = 2 │ 0 u8 │ tenant_bytes u16
//!  4   n_series u32        new series in section A
//!  8   n_samples u32       samples in sections B and D
//!  12  n_runs u32          runs in section C
//!  16  series_bytes u32    size of section A
//!  20  metadata_bytes u32  size of section E
//!  24  refs_bytes u32      size of section B
//!  28  tenant
//!  A   n_series  × { len u32, labels in model::Labels' encoding }
//!  B   { skip, more } …    varints: refs that follow on one another, see below
//!  C   n_runs    × { timestamp_ms i64, count u32 }   counts add up to n_samples
//!  D   n_samples × value u64        the float's bits
//!  E   { kind u8, family len u16, help len u16, unit len u16, texts } …
//! ```
//!
//! A ref is 32 bits: with bit 31 set an index into section A, else a `SeriesRef`. A target's series
//! come in the same order each time, and got their refs in that order, so section B is made of runs:
//! `skip` (zigzag) is how far the run's first ref lies from the one after the last run's (at first, from
//! 0), modulo 2^32, and `more` how many refs follow the first, each the last plus one. Mostly that is
//! some bytes a frame, and 4 a sample when every ref is far from its neighbour.
//!
//! Integrity is the log entry's business (crc32c); shape is checked here, before any allocation.

mod refs;

use bytes::Bytes;
use model::{SeriesRef, TenantId, TimestampMs};

pub use refs::Refs;
use refs::RefsBuilder;

/// Bytes before the tenant.
const HEADER_BYTES: usize = 28;
/// The version that this code writes.
const VERSION: u8 = 2;
/// Bytes of one run in section C.
const RUN_BYTES: usize = 12;

/// Which series a sample of a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameRef {
    /// One that the partition knows.
    Known(SeriesRef),
    /// The n-th new series of this frame.
    New(u32),
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Written by a newer version.
    #[error("frame version {0} is not supported, this build reads version {VERSION}")]
    Version(u8),
    /// Sections do not add up to the bytes at hand.
    #[error("frame of {bytes} bytes is malformed: {what}")]
    Malformed {
        /// Bytes at hand.
        bytes: usize,
        /// What does not fit.
        what: &'static str,
    },
}

/// Gathers one frame; its buffers are kept from frame to frame.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    tenant: Vec<u8>,
    series: Vec<u8>,
    n_series: u32,
    refs: RefsBuilder,
    runs: Vec<(TimestampMs, u32)>,
    values: Vec<u8>,
    n_samples: u32,
    metadata: Vec<u8>,
}

/// A parsed frame: borrowed sections whose shape has been checked.
#[derive(Debug, Clone, Copy)]
pub struct FrameView<'a> {
    tenant: &'a str,
    n_series: u32,
    n_samples: usize,
    series: &'a [u8],
    refs: &'a [u8],
    runs: &'a [u8],
    values: &'a [u8],
    metadata: &'a [u8],
}

/// One metadata record of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataRecord<'a> {
    /// Remote write's `MetricMetadata.MetricType` number.
    pub kind: u8,
    /// The family.
    pub family: &'a str,
    /// The help text.
    pub help: &'a str,
    /// The unit.
    pub unit: &'a str,
}

// === impl FrameRef ===

impl FrameRef {
    /// The ref as it stands in section B.
    #[must_use]
    pub const fn encode(self) -> u32 {
        match self {
            Self::Known(SeriesRef(known)) => known,
            Self::New(index) => index | SeriesRef::LIMIT,
        }
    }

    /// Reads section B's form.
    #[must_use]
    pub const fn decode(raw: u32) -> Self {
        if raw & SeriesRef::LIMIT == 0 {
            Self::Known(SeriesRef(raw))
        } else {
            Self::New(raw & !SeriesRef::LIMIT)
        }
    }
}

// === impl FrameBuilder ===

impl FrameBuilder {
    /// Starts a frame of `tenant`, forgetting what was gathered before.
    pub fn start(&mut self, tenant: &TenantId) {
        self.tenant.clear();
        self.tenant.extend_from_slice(tenant.as_str().as_bytes());
        self.restart();
    }

    /// Starts a further frame of the same tenant.
    pub fn restart(&mut self) {
        self.series.clear();
        self.refs.clear();
        self.runs.clear();
        self.values.clear();
        self.metadata.clear();
        self.n_series = 0;
        self.n_samples = 0;
    }

    /// Adds a new series by its encoded labels and returns its index.
    pub fn add_series(&mut self, encoded_labels: &[u8]) -> u32 {
        let len = u32::try_from(encoded_labels.len()).unwrap_or(u32::MAX);
        self.series.extend_from_slice(&len.to_le_bytes());
        self.series.extend_from_slice(encoded_labels);
        self.n_series += 1;
        self.n_series - 1
    }

    /// Adds one sample. Samples of one series come in the order in which they are to be applied.
    #[inline]
    pub fn push(&mut self, series: FrameRef, timestamp_ms: TimestampMs, value: f64) {
        self.refs.push(series.encode());
        self.values.extend_from_slice(&value.to_bits().to_le_bytes());
        self.n_samples += 1;
        match self.runs.last_mut() {
            Some((last, count)) if *last == timestamp_ms => *count += 1,
            _ => self.runs.push((timestamp_ms, 1)),
        }
    }

    /// Adds metadata of one family; texts beyond 64 KiB are cut at a character boundary.
    pub fn push_metadata(&mut self, record: &MetadataRecord<'_>) {
        let texts = [record.family, record.help, record.unit]
            .map(|text| &text[..text.floor_char_boundary(usize::from(u16::MAX))]);
        self.metadata.push(record.kind);
        for text in texts {
            let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
            self.metadata.extend_from_slice(&len.to_le_bytes());
        }
        for text in texts {
            self.metadata.extend_from_slice(text.as_bytes());
        }
    }

    /// The number of samples so far.
    #[must_use]
    pub const fn samples(&self) -> u32 {
        self.n_samples
    }

    /// The number of new series so far.
    #[must_use]
    pub const fn new_series(&self) -> u32 {
        self.n_series
    }

    /// The size that the frame would have now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        HEADER_BYTES
            + self.tenant.len()
            + self.series.len()
            + self.refs.bytes()
            + self.runs.len() * RUN_BYTES
            + self.values.len()
            + self.metadata.len()
    }

    /// Bytes of the buffers that are kept from frame to frame.
    #[must_use]
    pub const fn capacity_bytes(&self) -> usize {
        self.series.capacity()
            + self.refs.capacity_bytes()
            + self.runs.capacity() * size_of::<(TimestampMs, u32)>()
            + self.values.capacity()
            + self.metadata.capacity()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.n_samples == 0 && self.metadata.is_empty()
    }

    /// The encoded frame. The builder keeps its buffers; [`FrameBuilder::start`] begins the next.
    #[must_use]
    pub fn finish(&self) -> Bytes {
        let len32 = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
        let mut out = Vec::with_capacity(self.bytes());
        out.extend_from_slice(&[VERSION, 0]);
        out.extend_from_slice(&u16::try_from(self.tenant.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&self.n_series.to_le_bytes());
        out.extend_from_slice(&self.n_samples.to_le_bytes());
        out.extend_from_slice(&len32(self.runs.len()));
        out.extend_from_slice(&len32(self.series.len()));
        out.extend_from_slice(&len32(self.metadata.len()));
        out.extend_from_slice(&len32(self.refs.bytes()));
        out.extend_from_slice(&self.tenant);
        out.extend_from_slice(&self.series);
        self.refs.write_to(&mut out);
        for (timestamp_ms, count) in &self.runs {
            out.extend_from_slice(&timestamp_ms.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
        }
        out.extend_from_slice(&self.values);
        out.extend_from_slice(&self.metadata);
        Bytes::from(out)
    }
}

// === impl FrameView ===

impl<'a> FrameView<'a> {
    /// Checks the shape of `bytes`: every section is whole, runs add up, new refs point into
    /// section A, texts are UTF-8.
    ///
    /// # Errors
    /// When any of that does not hold.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let malformed = |what| FrameError::Malformed { bytes: bytes.len(), what };
        let (header, rest) =
            bytes.split_at_checked(HEADER_BYTES).ok_or_else(|| malformed("header is cut"))?;
        if header[0] != VERSION {
            return Err(FrameError::Version(header[0]));
        }
        let u32_at = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let tenant_bytes = usize::from(u16::from_le_bytes([header[2], header[3]]));
        let (n_series, n_samples, n_runs) = (u32_at(4), u32_at(8) as usize, u32_at(12) as usize);
        let sizes = [
            tenant_bytes,
            u32_at(16) as usize,
            u32_at(24) as usize,
            n_runs.saturating_mul(RUN_BYTES),
            n_samples.saturating_mul(8),
            u32_at(20) as usize,
        ];
        if sizes.iter().fold(0_usize, |sum, size| sum.saturating_add(*size)) != rest.len() {
            return Err(malformed("sections do not add up"));
        }
        let mut rest = rest;
        let [tenant, series, refs, runs, values, metadata] = sizes.map(|size| {
            let (section, tail) = rest.split_at(size);
            rest = tail;
            section
        });
        let tenant = std::str::from_utf8(tenant).map_err(|_| malformed("tenant is not UTF-8"))?;
        let view = Self { tenant, n_series, n_samples, series, refs, runs, values, metadata };
        view.check_sections().map_err(malformed)?;
        Ok(view)
    }

    fn check_sections(&self) -> Result<(), &'static str> {
        let mut rest = self.series;
        for _ in 0..self.n_series {
            let (len, tail) = rest.split_first_chunk::<4>().ok_or("section A is cut")?;
            let len = u32::from_le_bytes(*len) as usize;
            rest = tail.split_at_checked(len).ok_or("section A is cut")?.1;
        }
        if !rest.is_empty() {
            return Err("section A is too long");
        }
        let counted: u64 = self.runs().map(|(_, count)| u64::from(count)).sum();
        if counted != self.samples() as u64 {
            return Err("runs do not add up to the samples");
        }
        refs::check(self.refs, self.samples(), self.n_series)?;
        let mut rest = self.metadata;
        while !rest.is_empty() {
            rest = take_metadata(rest).ok_or("section E is cut or not UTF-8")?.1;
        }
        Ok(())
    }

    /// Whose samples these are; the text is not yet checked to be a tenant id.
    #[must_use]
    pub const fn tenant(&self) -> &'a str {
        self.tenant
    }

    /// The number of samples.
    #[must_use]
    pub const fn samples(&self) -> usize {
        self.n_samples
    }

    /// The number of new series.
    #[must_use]
    pub const fn new_series(&self) -> usize {
        self.n_series as usize
    }

    /// Encoded labels of the new series, in order.
    pub fn series(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.series;
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first_chunk::<4>()?;
            let (labels, tail) = tail.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            rest = tail;
            Some(labels)
        })
    }

    /// Section B: raw refs (see [`FrameRef::decode`]).
    #[must_use]
    pub const fn refs(&self) -> Refs<'a> {
        Refs::new(self.refs, self.n_samples)
    }

    /// Section C: timestamps with the number of consecutive samples that have them.
    pub fn runs(&self) -> impl ExactSizeIterator<Item = (TimestampMs, u32)> + Clone + 'a {
        self.runs.as_chunks::<RUN_BYTES>().0.iter().map(|run| {
            let [a, b, c, d, e, f, g, h, i, j, k, l] = *run;
            (i64::from_le_bytes([a, b, c, d, e, f, g, h]), u32::from_le_bytes([i, j, k, l]))
        })
    }

    /// Section D: the values.
    pub fn values(&self) -> impl ExactSizeIterator<Item = f64> + Clone + 'a {
        self.values.as_chunks::<8>().0.iter().map(|raw| f64::from_bits(u64::from_le_bytes(*raw)))
    }

    /// Section E.
    pub fn metadata(&self) -> impl Iterator<Item = MetadataRecord<'a>> {
        let mut rest = self.metadata;
        std::iter::from_fn(move || {
            let (record, tail) = take_metadata(rest)?;
            rest = tail;
            Some(record)
        })
    }
}

fn take_metadata(bytes: &[u8]) -> Option<(MetadataRecord<'_>, &[u8])> {
    let ([kind, a, b, c, d, e, f], mut rest) = bytes.split_first_chunk::<7>()?;
    let mut text = |len: [u8; 2]| {
        let (text, tail) = rest.split_at_checked(usize::from(u16::from_le_bytes(len)))?;
        rest = tail;
        std::str::from_utf8(text).ok()
    };
    let (family, help, unit) = (text([*a, *b])?, text([*c, *d])?, text([*e, *f])?);
    Some((MetadataRecord { kind: *kind, family, help, unit }, rest))
}

#[cfg(test)]
mod tests;
