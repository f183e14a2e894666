//! The door of the benches: the gateway's private stages, one at a time.
//!
//! Exists only with the feature `bench`, which nothing but the benches switches on.

use std::sync::Arc;

use cluster::{PartitionRoute, Routes};
use model::{PartitionId, SeriesRef, SlotMap, TenantId};

use crate::distribute::Verdict;
use crate::distribute::frames::{Frames, Scatter, Share};
use crate::remote_write::labels::LabelLimits;
use crate::remote_write::walk::{Batch, Walk};
use crate::remote_write::{decoded_len, decompress};
use crate::series_cache::{Fingerprint, Place, SeriesCache};

const SAMPLES_MAX: usize = 1 << 21;
const BODY_MAX: usize = 32 << 20;

/// Everything that the stages of one request need, buffers included.
#[derive(Debug)]
pub struct Stages {
    tenant: TenantId,
    routes: Arc<Routes>,
    cache: SeriesCache,
    limits: LabelLimits,
    decoded: Vec<u8>,
    decoded_len: usize,
    batch: Batch,
    places: Vec<Option<Place>>,
    frames: Frames,
}

/// The fingerprints of one request's series, batch by batch.
#[derive(Debug)]
pub struct Probes(Vec<Vec<Fingerprint>>);

// === impl Stages ===

impl Stages {
    /// An empty cache over `partitions` partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        let ids = (0..partitions).map(|id| PartitionRoute { id: PartitionId(id), generation: 1 });
        let slots = SlotMap::even(1, partitions);
        let routes = Arc::new(Routes { slots, partitions: ids.collect() });
        Self {
            tenant: TenantId::anonymous(),
            cache: SeriesCache::new(4_000_000, Arc::clone(&routes)),
            routes,
            limits: LabelLimits {
                names_per_series_max: 64,
                name_bytes_max: 1_024,
                value_bytes_max: 2_048,
            },
            decoded: Vec::new(),
            decoded_len: 0,
            batch: Batch::default(),
            places: Vec::new(),
            frames: Frames::default(),
        }
    }

    /// Decompresses a body and keeps the result for the stages that follow.
    pub fn decompress(&mut self, compressed: &[u8]) -> usize {
        let len = decoded_len(compressed, BODY_MAX).expect("a snappy block");
        self.decoded_len =
            decompress(compressed, len, &mut self.decoded).expect("a snappy block").len();
        self.decoded_len
    }

    /// Walks over the decompressed body and hashes labels; returns the number of samples.
    pub fn walk(&mut self) -> usize {
        let body = &self.decoded[..self.decoded_len];
        let hasher = self.cache.hasher(&self.tenant);
        let (mut walk, mut samples) = (Walk::new(body, SAMPLES_MAX), 0);
        while walk.next_batch(&hasher, &mut self.batch, |_| ()).expect("a request") {
            samples += self.batch.samples.len();
        }
        samples + self.batch.samples.len()
    }

    /// The fingerprints of the decompressed body.
    #[must_use]
    pub fn probes(&mut self) -> Probes {
        let body = &self.decoded[..self.decoded_len];
        let hasher = self.cache.hasher(&self.tenant);
        let (mut walk, mut probes, mut more) = (Walk::new(body, SAMPLES_MAX), Vec::new(), true);
        while more {
            more = walk.next_batch(&hasher, &mut self.batch, |_| ()).expect("a request");
            probes.push(self.batch.fingerprints.clone());
        }
        Probes(probes)
    }

    /// Looks all series up; returns how many are known.
    pub fn probe(&mut self, probes: &Probes) -> usize {
        let batches = probes.0.iter();
        batches.map(|batch| self.cache.probe(&self.routes, batch, &mut self.places)).sum()
    }

    /// Walks, probes and scatters the decompressed body; returns the number of samples.
    pub fn scatter(&mut self) -> u64 {
        let body = &self.decoded[..self.decoded_len];
        let scatter = Scatter {
            tenant: &self.tenant,
            routes: &self.routes,
            cache: &self.cache,
            label_limits: &self.limits,
            samples_max: SAMPLES_MAX,
        };
        let (mut walk, mut verdict) = (Walk::new(body, SAMPLES_MAX), Verdict::default());
        self.frames.start(&self.tenant, self.routes.partitions.len());
        while scatter
            .step(&mut walk, body, Share::All, &mut self.frames, &mut verdict)
            .expect("a request")
        {}
        verdict.samples
    }

    /// Encodes the frames of what was scattered last; returns their bytes.
    pub fn encode(&mut self) -> usize {
        self.frames
            .take()
            .iter()
            .flat_map(|(_, frames)| frames)
            .map(|frame| frame.bytes.len())
            .sum()
    }

    /// Takes in what was scattered last as if all partitions had acknowledged it.
    pub fn learn(&mut self) {
        let mut next = self.cache.size().entries;
        for (position, frames) in self.frames.take() {
            for print in frames.into_iter().flat_map(|frame| frame.new) {
                let series = SeriesRef(u32::try_from(next).expect("few series"));
                self.cache.learn(&self.routes, position, std::iter::once((print, series)));
                next += 1;
            }
        }
    }

    /// Entries of the cache and the bytes that they take.
    #[must_use]
    pub fn cache_size(&self) -> (usize, usize) {
        let size = self.cache.size();
        (size.entries, size.bytes)
    }
}
