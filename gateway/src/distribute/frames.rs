//! From the body of a request to frames, partition by partition.
//!
//! Invariant: when a body cannot be read to its end, none of its frames leaves the gateway.

use std::sync::Arc;

use bytes::Bytes;
use cluster::frame::MetadataRecord;
use cluster::{FrameBuilder, FrameRef, Routes};
use model::labels::METRIC_NAME;
use model::shard::slot_of;
use model::{Failure, Slot, TenantId};

use super::{Verdict, WriteError};
use crate::remote_write::labels::{Fault, LabelLimits, RawLabels, shown};
use crate::remote_write::refusal::{Reason, Refusals};
use crate::remote_write::walk::{Batch, RawMetadata, Walk, Walked};
use crate::series_cache::{Fingerprint, Place, SeriesCache};

/// A frame is closed when it has reached this size, so that it fits the log entries of a partition
/// (8 MiB at most) whatever a request holds. Only requests of some 50,000 samples get there.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Samples of one series that are added before the frame's size is looked at again.
const SAMPLES_AT_ONCE: usize = 16 << 10;

/// Batches between two moments at which other requests may run: some 5 ms of work.
const BATCHES_AT_ONCE: u32 = 16;

/// The largest number of remote write's `MetricMetadata.MetricType`; others become 0, `unknown`.
const METADATA_KIND_MAX: u8 = 7;

/// Sets so many bytes aside for the request, or says why it cannot.
pub(crate) type Reserve<'r> = &'r mut (dyn FnMut(usize) -> Result<(), Failure> + Send);

/// What one request is scattered with.
#[derive(Debug)]
pub(crate) struct Scatter<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) routes: &'a Arc<Routes>,
    pub(crate) cache: &'a SeriesCache,
    pub(crate) label_limits: &'a LabelLimits,
    pub(crate) samples_max: usize,
}

/// Which part of a request becomes frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// All of it; known series by their refs.
    All,
    /// What belongs to the partition at this position, with all labels.
    Of(u16),
}

/// A frame that is ready to go.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The frame.
    pub(crate) bytes: Bytes,
    /// Its new series, in order; the ack answers with their refs.
    pub(crate) new: Vec<Fingerprint>,
}

/// The frames of one request while they grow; all buffers are kept for the next request.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    lanes: Vec<Lane>,
    batch: Batch,
    places: Vec<Option<Place>>,
    encoded: Vec<u8>,
    pub(crate) cache_hits: u64,
    pub(crate) cache_misses: u64,
}

/// One partition's frames.
#[derive(Debug, Default)]
struct Lane {
    builder: FrameBuilder,
    new: Vec<Fingerprint>,
    done: Vec<Frame>,
    done_bytes: usize,
}

/// A series that the cache does not know.
#[derive(Debug)]
struct Unknown<'a> {
    walked: &'a Walked,
    fields: &'a [u8],
    print: Fingerprint,
    samples: &'a [(i64, f64)],
}

// === impl Scatter ===

impl Scatter<'_> {
    /// Fills `frames` with the share of a decompressed body.
    ///
    /// A body of samples without fields becomes frames twelve times its size, so memory is set
    /// aside as they grow, not by the size of the body.
    ///
    /// # Errors
    /// When the body is not a write request, or there is no memory for its frames.
    pub(crate) async fn run(
        &self,
        body: &[u8],
        share: Share,
        frames: &mut Frames,
        reserve: Reserve<'_>,
    ) -> Result<Verdict, WriteError> {
        frames.start(self.tenant, self.routes.partitions.len());
        let mut verdict = Verdict::default();
        let mut walk = Walk::new(body, self.samples_max);
        let mut reserved_bytes = 0;
        for n in 1_u32.. {
            let more = self.step(&mut walk, body, share, frames, &mut verdict)?;
            let held_bytes = frames.held_bytes();
            if held_bytes > reserved_bytes {
                reserve(held_bytes - reserved_bytes).map_err(WriteError::NoMemory)?;
                reserved_bytes = held_bytes;
            }
            if !more {
                break;
            }
            if n.is_multiple_of(BATCHES_AT_ONCE) {
                tokio::task::yield_now().await;
            }
        }
        Ok(verdict)
    }

    /// Takes one batch; says whether there may be more.
    pub(crate) fn step<'b>(
        &self,
        walk: &mut Walk<'b>,
        body: &'b [u8],
        share: Share,
        frames: &mut Frames,
        verdict: &mut Verdict,
    ) -> Result<bool, WriteError> {
        let hasher = self.cache.hasher(self.tenant);
        let Frames { lanes, batch, .. } = frames;
        let mut owned = Ok(());
        let more = walk.next_batch(&hasher, batch, |metadata| {
            let added = self.add_metadata(lanes, share, metadata, &mut verdict.refusals);
            owned = owned.clone().and(added);
        })?;
        owned?;
        verdict.samples += batch.samples.len() as u64 + batch.histograms;
        verdict.refusals.count(Reason::ExemplarsUnsupported, batch.exemplars);
        self.probe(share, frames);
        self.scatter_batch(body, share, frames, &mut verdict.refusals)?;
        Ok(more)
    }

    fn probe(&self, share: Share, frames: &mut Frames) {
        let Frames { batch, places, .. } = frames;
        if share != Share::All {
            places.clear();
            places.resize(batch.series.len(), None);
            return;
        }
        let hits = self.cache.probe(self.routes, &batch.fingerprints, places);
        frames.cache_hits += hits as u64;
        frames.cache_misses += (batch.series.len() - hits) as u64;
    }

    fn scatter_batch(
        &self,
        body: &[u8],
        share: Share,
        frames: &mut Frames,
        refusals: &mut Refusals,
    ) -> Result<(), WriteError> {
        let Frames { lanes, batch, places, encoded, .. } = frames;
        let mut samples = batch.samples.as_slice();
        for (i, (walked, place)) in batch.series.iter().zip(places.iter()).enumerate() {
            let (own, rest) = samples.split_at(walked.samples as usize);
            samples = rest;
            match place {
                Some(Place { position, series: known }) if walked.histograms == 0 => {
                    lanes[usize::from(*position)].push(FrameRef::Known(*known), own);
                }
                _ => {
                    let fields = batch.labels(body, walked);
                    let series =
                        Unknown { walked, fields, print: batch.fingerprints[i], samples: own };
                    self.add_unknown(&series, share, lanes, encoded, refusals)?;
                }
            }
        }
        for lane in lanes {
            lane.close_if_full();
        }
        Ok(())
    }

    fn add_unknown(
        &self,
        series: &Unknown<'_>,
        share: Share,
        lanes: &mut [Lane],
        encoded: &mut Vec<u8>,
        refusals: &mut Refusals,
    ) -> Result<(), WriteError> {
        let Unknown { walked, fields, print, samples } = *series;
        let raw = RawLabels::read(fields, walked.offset())?;
        let labels = match raw.check(self.label_limits) {
            Ok(labels) => labels,
            Err(fault) => {
                refusals.add(fault.reason(), walked.things(), || raw.describe(&fault));
                return Ok(());
            }
        };
        if walked.histograms > 0 {
            let text = || raw.describe(&Fault::Histograms);
            refusals.add(Reason::HistogramsUnsupported, u64::from(walked.histograms), text);
        }
        let position = self.position(labels.slot(self.tenant))?;
        if share.has(position) && !samples.is_empty() {
            labels.encode(encoded);
            lanes[usize::from(position)].push_new(encoded, print, samples);
        }
        Ok(())
    }

    /// Metadata lives where the series of its family without labels would.
    fn add_metadata(
        &self,
        lanes: &mut [Lane],
        share: Share,
        raw: RawMetadata<'_>,
        refusals: &mut Refusals,
    ) -> Result<(), WriteError> {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let family = text(raw.family).filter(|family| !family.is_empty());
        let (Some(family), Some(help), Some(unit)) = (family, text(raw.help), text(raw.unit))
        else {
            refusals.add(Reason::InvalidMetadata, 1, || {
                format!("invalid metadata for metric family {:?}", shown(raw.family))
            });
            return Ok(());
        };
        let kind = u8::try_from(raw.kind).ok().filter(|kind| *kind <= METADATA_KIND_MAX);
        let position = self.position(slot_of(self.tenant, [(METRIC_NAME, family)]))?;
        if share.has(position) {
            let lane = &mut lanes[usize::from(position)];
            let kind = kind.unwrap_or_default();
            lane.builder.push_metadata(&MetadataRecord { kind, family, help, unit });
            lane.close_if_full();
        }
        Ok(())
    }

    /// The position of the partition that owns a slot.
    fn position(&self, slot: Slot) -> Result<u16, WriteError> {
        let owner = self.routes.slots.owner(slot);
        let position = self.routes.partitions.binary_search_by_key(&owner, |p| p.id).ok();
        position
            .and_then(|position| u16::try_from(position).ok())
            .ok_or(WriteError::NoOwner { slot: slot.0, partition: owner.0 })
    }
}

// === impl Share ===

impl Share {
    fn has(self, position: u16) -> bool {
        match self {
            Self::All => true,
            Self::Of(own) => own == position,
        }
    }
}

// === impl Frames ===

impl Frames {
    /// Forgets what was gathered before.
    pub(crate) fn start(&mut self, tenant: &TenantId, partitions: usize) {
        self.lanes.resize_with(partitions, Lane::default);
        for lane in &mut self.lanes {
            lane.builder.start(tenant);
            lane.new.clear();
            lane.done.clear();
            lane.done_bytes = 0;
        }
        (self.cache_hits, self.cache_misses) = (0, 0);
    }

    /// The frames of all partitions that have any, by position.
    pub(crate) fn take(&mut self) -> Vec<(u16, Vec<Frame>)> {
        let lanes = (0..).zip(self.lanes.iter_mut());
        lanes
            .map(|(position, lane)| {
                lane.close();
                lane.done_bytes = 0;
                (position, std::mem::take(&mut lane.done))
            })
            .filter(|(_, frames)| !frames.is_empty())
            .collect()
    }

    /// Bytes of the buffers that are kept between requests, roughly.
    pub(crate) fn kept_bytes(&self) -> usize {
        let lanes: usize = self.lanes.iter().map(|lane| lane.builder.capacity_bytes()).sum();
        lanes + self.batch.kept_bytes()
    }

    /// Bytes of all that the request has become so far, roughly.
    fn held_bytes(&self) -> usize {
        let lane = |lane: &Lane| lane.done_bytes + lane.builder.bytes();
        self.lanes.iter().map(lane).sum::<usize>() + self.batch.kept_bytes()
    }
}

// === impl Lane ===

impl Lane {
    #[inline]
    fn push(&mut self, series: FrameRef, samples: &[(i64, f64)]) {
        if let [(timestamp_ms, value)] = samples {
            self.builder.push(series, *timestamp_ms, *value);
            return;
        }
        for some in samples.chunks(SAMPLES_AT_ONCE) {
            for (timestamp_ms, value) in some {
                self.builder.push(series, *timestamp_ms, *value);
            }
            self.close_if_full();
        }
    }

    /// Adds a series with its labels; again in each frame that its samples need.
    fn push_new(&mut self, labels: &[u8], print: Fingerprint, samples: &[(i64, f64)]) {
        let mut series = None;
        for some in samples.chunks(SAMPLES_AT_ONCE) {
            let known = *series.get_or_insert_with(|| {
                self.new.push(print);
                FrameRef::New(self.builder.add_series(labels))
            });
            for (timestamp_ms, value) in some {
                self.builder.push(known, *timestamp_ms, *value);
            }
            if self.close_if_full() {
                series = None;
            }
        }
    }

    /// Says whether it was full.
    fn close_if_full(&mut self) -> bool {
        let is_full = self.builder.bytes() >= FRAME_BYTES_MAX;
        if is_full {
            self.close();
        }
        is_full
    }

    fn close(&mut self) {
        if !self.builder.is_empty() {
            let bytes = self.builder.finish();
            self.done_bytes += bytes.len();
            self.done.push(Frame { bytes, new: std::mem::take(&mut self.new) });
            self.builder.restart();
        }
    }
}
