//! Every metric of the gateway, below the prefix `varve_gateway`.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::distribute::{Distributor, Verdict};

/// Upper bounds of the append latency's buckets, in seconds: from an fsync on a fast disk to the
/// write timeout.
const APPEND_BUCKETS_S: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Counters of the gateway's work.
#[derive(Debug)]
pub(crate) struct GatewayMetrics {
    requests: Family<StatusLabel, Counter>,
    samples: Counter,
    discarded: Family<ReasonLabel, Counter>,
    compressed_bytes: Counter,
    decoded_bytes: Counter,
    cache_hits: Counter,
    cache_misses: Counter,
    cache_evictions: Counter,
    append_duration: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Asks the series cache for its size when `/metrics` is read.
#[derive(Debug)]
struct CacheSizeCollector(Weak<Distributor>);

// === impl GatewayMetrics ===

impl GatewayMetrics {
    /// Registers everything; once a process.
    pub(crate) fn register(&self, registry: &mut Registry, distributor: &Arc<Distributor>) {
        let gateway = registry.sub_registry_with_prefix("varve_gateway");
        gateway.register("requests", "Write requests, by HTTP status", self.requests.clone());
        gateway.register("samples", "Samples and histograms received", self.samples.clone());
        gateway.register(
            "discarded",
            "Samples, histograms, exemplars and metadata not stored, by reason",
            self.discarded.clone(),
        );
        gateway.register_with_unit(
            "received",
            "Bodies of write requests as they came",
            Unit::Bytes,
            self.compressed_bytes.clone(),
        );
        gateway.register_with_unit(
            "decoded",
            "Bodies of write requests after decompression",
            Unit::Bytes,
            self.decoded_bytes.clone(),
        );
        gateway.register(
            "series_cache_hits",
            "Series of write requests that were known",
            self.cache_hits.clone(),
        );
        gateway.register(
            "series_cache_misses",
            "Series of write requests that were sent with their labels",
            self.cache_misses.clone(),
        );
        gateway.register(
            "series_cache_evictions",
            "Series forgotten to make room",
            self.cache_evictions.clone(),
        );
        gateway.register_with_unit(
            "append_duration",
            "Time until a partition acknowledged a frame",
            Unit::Seconds,
            self.append_duration.clone(),
        );
        gateway.register_collector(Box::new(CacheSizeCollector(Arc::downgrade(distributor))));
    }

    pub(crate) fn count_request(&self, status: StatusCode) {
        self.requests.get_or_create(&StatusLabel { status: status.as_u16() }).inc();
    }

    pub(crate) fn count_bytes(&self, compressed: usize, decoded: usize) {
        self.compressed_bytes.inc_by(compressed as u64);
        self.decoded_bytes.inc_by(decoded as u64);
    }

    pub(crate) fn count_verdict(&self, verdict: &Verdict) {
        self.samples.inc_by(verdict.samples);
        for (reason, n) in verdict.refusals.by_reason() {
            self.discarded.get_or_create(&ReasonLabel { reason: reason.id() }).inc_by(n);
        }
    }

    pub(crate) fn count_probes(&self, hits: u64, misses: u64) {
        self.cache_hits.inc_by(hits);
        self.cache_misses.inc_by(misses);
    }

    pub(crate) fn count_evictions(&self, n: usize) {
        self.cache_evictions.inc_by(n as u64);
    }

    pub(crate) fn observe_append(&self, took: Duration) {
        self.append_duration.observe(took.as_secs_f64());
    }
}

impl Default for GatewayMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            samples: Counter::default(),
            discarded: Family::default(),
            compressed_bytes: Counter::default(),
            decoded_bytes: Counter::default(),
            cache_hits: Counter::default(),
            cache_misses: Counter::default(),
            cache_evictions: Counter::default(),
            append_duration: Histogram::new(APPEND_BUCKETS_S),
        }
    }
}

impl Collector for CacheSizeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(distributor) = self.0.upgrade() else { return Ok(()) };
        let size = distributor.cache_size();
        for (name, help, unit, value) in [
            ("series_cache_entries", "Series that the cache knows", None, size.entries),
            ("series_cache_size", "Memory of the series cache", Some(&Unit::Bytes), size.bytes),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let descriptor = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(descriptor)?;
        }
        Ok(())
    }
}
