//! Walks a `prometheus.WriteRequest` (remote write 1.0) and gathers what the distributor needs,
//! batch by batch, without looking inside labels.
//!
//! ```text
//!  WriteRequest  1 TimeSeries*   3 MetricMetadata*
//!  TimeSeries    1 Label*  2 Sample*  3 Exemplar*  4 Histogram*
//!  Sample        1 value double  2 timestamp int64
//! ```
//!
//! A series' labels are one run of bytes in every request that a real sender makes, and those bytes
//! are hashed as they stand. Label fields that are scattered over the message are copied together
//! first; that is legal protobuf and seen in tests only.

use crate::remote_write::DecodeError;
use crate::remote_write::wire::{Reader, WireError, varint_of_word};
use crate::series_cache::{Fingerprint, LabelHasher};

/// Series in one batch: enough to overlap the cache misses of the probes that follow, few enough
/// for the batch to stay in the L1 and L2 caches.
pub(crate) const BATCH_SERIES_MAX: usize = 512;

/// Samples after which a batch takes no further series.
const BATCH_SAMPLES: usize = 2 * BATCH_SERIES_MAX;

/// Fields of the request after which a batch ends, whatever they were: series without samples,
/// metadata and unknown fields cost time, too, and other requests are waiting.
const BATCH_FIELDS: usize = 8 * BATCH_SERIES_MAX;

const SERIES_TAG: u8 = 0x0a;
const SAMPLE_TAG: u8 = 0x12;
const LABEL_TAG: u8 = 0x0a;
const VALUE_TAG: u8 = 0x09;
const TIMESTAMP_TAG: u8 = 0x10;

/// What a batch of series holds; all buffers are kept from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What the series cache is asked for, one a series.
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// The series, in the request's order.
    pub(crate) series: Vec<Walked>,
    /// Timestamps and values of all series, series by series.
    pub(crate) samples: Vec<(i64, f64)>,
    /// Labels that did not stand in one piece.
    gathered: Vec<u8>,
    /// Exemplars that went by.
    pub(crate) exemplars: u64,
    /// Histograms that went by.
    pub(crate) histograms: u64,
}

/// One series of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walked {
    /// Its label fields, within the body or, if `is_gathered`, within the batch.
    labels_start: u32,
    labels_end: u32,
    is_gathered: bool,
    /// Its samples' number in [`Batch::samples`].
    pub(crate) samples: u32,
    /// Native histograms that it has.
    pub(crate) histograms: u32,
}

/// Metadata of one metric family, still unchecked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RawMetadata<'a> {
    pub(crate) kind: u64,
    pub(crate) family: &'a [u8],
    pub(crate) help: &'a [u8],
    pub(crate) unit: &'a [u8],
}

/// A position in the request.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    body: &'a [u8],
    reader: Reader<'a>,
    samples_max: usize,
    samples_left: usize,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    /// Begins at the front of a decompressed body of less than 4 GiB.
    pub(crate) const fn new(body: &'a [u8], samples_max: usize) -> Self {
        Self { body, reader: Reader::new(body, 0), samples_max, samples_left: samples_max }
    }

    /// Fills `batch` with the next series, and calls `metadata` for what stands between them.
    /// Says whether there may be more.
    pub(crate) fn next_batch(
        &mut self,
        hasher: &LabelHasher<'_>,
        batch: &mut Batch,
        mut metadata: impl FnMut(RawMetadata<'a>),
    ) -> Result<bool, DecodeError> {
        batch.clear();
        let mut more = true;
        for _ in 0..BATCH_FIELDS {
            if batch.series.len() >= BATCH_SERIES_MAX || batch.samples.len() >= BATCH_SAMPLES {
                break;
            }
            if let Some(series) = self.plain_series() {
                batch.take_series(self.body, series, self.samples_left, hasher)?;
                continue;
            }
            let Some(tag) = self.reader.tag()? else {
                more = false;
                break;
            };
            match tag.field {
                1 => {
                    let series = self.reader.message(tag)?;
                    batch.take_series(self.body, series, self.samples_left, hasher)?;
                }
                3 => metadata(take_metadata(self.reader.message(tag)?)?),
                _ => self.reader.skip(tag)?,
            }
        }
        let too_many = DecodeError::TooManySamples { limit: self.samples_max };
        self.samples_left = self.samples_left.checked_sub(batch.samples.len()).ok_or(too_many)?;
        Ok(more)
    }

    /// The next series, if it comes next and has 128 to 16,383 bytes, as nearly all have: the same as
    /// by tag and length, without the questions.
    #[inline]
    fn plain_series(&mut self) -> Option<Reader<'a>> {
        let [SERIES_TAG, low @ 0x80..=0xff, high @ 0..0x80, rest @ ..] = self.reader.rest() else {
            return None;
        };
        let len = usize::from(low & 0x7f) | usize::from(*high) << 7;
        let series = Reader::new(rest.get(..len)?, self.reader.offset() + 3);
        self.reader.advance(3 + len);
        Some(series)
    }
}

// === impl Walked ===

impl Walked {
    /// Where its labels stand in the body; 0 when they stand in several places.
    pub(crate) const fn offset(&self) -> usize {
        if self.is_gathered { 0 } else { self.labels_start as usize }
    }

    /// Its samples and histograms.
    pub(crate) fn things(&self) -> u64 {
        u64::from(self.samples) + u64::from(self.histograms)
    }
}

// === impl Batch ===

impl Batch {
    fn clear(&mut self) {
        self.fingerprints.clear();
        self.series.clear();
        self.samples.clear();
        self.gathered.clear();
        (self.exemplars, self.histograms) = (0, 0);
    }

    /// Bytes of its buffers, roughly.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.samples.capacity() * size_of::<(i64, f64)>() + self.gathered.capacity()
    }

    /// The label fields of a series of this batch.
    #[inline]
    pub(crate) fn labels<'b>(&'b self, body: &'b [u8], series: &Walked) -> &'b [u8] {
        let whole = if series.is_gathered { &self.gathered } else { body };
        whole.get(series.labels_start as usize..series.labels_end as usize).unwrap_or_default()
    }

    #[inline]
    fn take_series(
        &mut self,
        body: &[u8],
        mut series: Reader<'_>,
        samples_left: usize,
        hasher: &LabelHasher<'_>,
    ) -> Result<(), WireError> {
        let first_sample = self.samples.len();
        let labels_start = series.offset();
        let labels_bytes = labels_run(series.rest());
        series.advance(labels_bytes);
        let mut walked = Walked {
            labels_start: offset32(labels_start),
            labels_end: offset32(labels_start + labels_bytes),
            is_gathered: false,
            samples: 0,
            histograms: 0,
        };
        let mut left = series.rest().len();
        while let Some((sample, len)) = plain_sample(body.get(series.offset()..), left) {
            self.samples.push(sample);
            series.advance(len);
            left -= len;
        }
        if !series.rest().is_empty() {
            self.take_rest(body, series, samples_left, &mut walked)?;
        }
        walked.samples = offset32(self.samples.len() - first_sample);
        // A series without anything to store says nothing.
        if walked.samples > 0 || walked.histograms > 0 {
            self.fingerprints.push(hasher.fingerprint(self.labels(body, &walked)));
            self.series.push(walked);
        }
        Ok(())
    }

    /// What a plain series does not have: exemplars, histograms, unknown fields, label fields after
    /// other ones, samples with fields left out.
    #[cold]
    fn take_rest(
        &mut self,
        body: &[u8],
        mut series: Reader<'_>,
        samples_left: usize,
        walked: &mut Walked,
    ) -> Result<(), WireError> {
        // A sample may be two bytes short; without the limit they would take eight times the body.
        while self.samples.len() <= samples_left {
            let start = series.offset();
            let Some(tag) = series.tag()? else { return Ok(()) };
            match tag.field {
                1 => {
                    series.bytes(tag)?;
                    self.gather(body, start..series.offset(), walked);
                }
                2 => self.samples.push(take_sample(series.message(tag)?)?),
                3 => {
                    series.bytes(tag)?;
                    self.exemplars += 1;
                }
                4 => {
                    series.bytes(tag)?;
                    walked.histograms += 1;
                    self.histograms += 1;
                }
                _ => series.skip(tag)?,
            }
        }
        Ok(())
    }

    /// Adds a label field that stands apart from the series' others.
    fn gather(&mut self, body: &[u8], field: std::ops::Range<usize>, walked: &mut Walked) {
        if walked.labels_end as usize == field.start && !walked.is_gathered {
            walked.labels_end = offset32(field.end);
            return;
        }
        if !walked.is_gathered {
            let run = walked.labels_start as usize..walked.labels_end as usize;
            walked.labels_start = offset32(self.gathered.len());
            walked.is_gathered = true;
            self.gathered.extend_from_slice(body.get(run).unwrap_or_default());
        }
        self.gathered.extend_from_slice(body.get(field).unwrap_or_default());
        walked.labels_end = offset32(self.gathered.len());
    }
}

/// Offsets fit 32 bits because the body's limit does ([`crate::Config`]).
#[inline]
fn offset32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// The number of leading bytes that are label fields below 128 bytes; whatever else comes is left
/// to [`Batch::take_rest`].
#[inline]
fn labels_run(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let [LABEL_TAG, len @ 0..0x80, tail @ ..] = rest
        && let Some(after) = tail.get(usize::from(*len)..)
    {
        rest = after;
    }
    bytes.len() - rest.len()
}

/// A sample field exactly as Prometheus writes it (value, then timestamp, no more), and its length.
/// Encoders leave a value of zero out.
///
/// `ahead` goes on past the `left` bytes of the series, so that the timestamp can be read as one
/// word even where the series ends with it.
#[inline]
fn plain_sample(ahead: Option<&[u8]>, left: usize) -> Option<((i64, f64), usize)> {
    let ahead = ahead?;
    let (len, value, head_bytes) = match ahead {
        [SAMPLE_TAG, len, VALUE_TAG, a, b, c, d, e, f, g, h, TIMESTAMP_TAG, ..] => {
            (*len, f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 12)
        }
        [SAMPLE_TAG, len, TIMESTAMP_TAG, ..] => (*len, 0.0, 3),
        _ => return None,
    };
    let rest = ahead.get(head_bytes..)?;
    let word = match rest.first_chunk::<8>() {
        Some(word) => *word,
        None => {
            let mut padded = [0x80; 8];
            padded.get_mut(..rest.len())?.copy_from_slice(rest);
            padded
        }
    };
    let (timestamp, timestamp_bytes) = varint_of_word(u64::from_le_bytes(word))?;
    let bytes = head_bytes + timestamp_bytes;
    let is_whole = usize::from(len) + 2 == bytes && bytes <= left;
    is_whole.then_some(((timestamp.cast_signed(), value), bytes))
}

fn take_sample(mut sample: Reader<'_>) -> Result<(i64, f64), WireError> {
    let (mut timestamp_ms, mut value) = (0, 0.0);
    while let Some(tag) = sample.tag()? {
        match tag.field {
            1 => value = f64::from_bits(sample.fixed64(tag)?),
            2 => timestamp_ms = sample.varint_field(tag)?.cast_signed(),
            _ => sample.skip(tag)?,
        }
    }
    Ok((timestamp_ms, value))
}

fn take_metadata(mut message: Reader<'_>) -> Result<RawMetadata<'_>, WireError> {
    let mut metadata = RawMetadata::default();
    while let Some(tag) = message.tag()? {
        match tag.field {
            1 => metadata.kind = message.varint_field(tag)?,
            2 => metadata.family = message.bytes(tag)?,
            4 => metadata.help = message.bytes(tag)?,
            5 => metadata.unit = message.bytes(tag)?,
            _ => message.skip(tag)?,
        }
    }
    Ok(metadata)
}
