//! Every metric of the querier, below the prefix `varve_querier`.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use datafusion::execution::memory_pool::MemoryPool;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the query duration's buckets, in seconds: from a constant to the timeout.
const QUERY_BUCKETS_S: [f64; 12] =
    [0.000_25, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0];

/// Counters of the querier's work.
#[derive(Debug)]
pub(crate) struct QuerierMetrics {
    failures: Family<ReasonLabel, Counter>,
    duration: Histogram,
    /// Queries that are being evaluated.
    pub(crate) running: Gauge,
    /// Queries that wait for their turn.
    pub(crate) queued: Gauge,
    /// Fragments sent to the ingesters.
    pub(crate) fragments: Counter,
    /// Rows of tiles that crossed from partitions to the querier.
    pub(crate) fragment_rows: Counter,
    /// Samples that partitions read for fragments.
    pub(crate) samples_read: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Asks the memory pool for its size when `/metrics` is read.
#[derive(Debug)]
struct PoolCollector(Weak<dyn MemoryPool>);

// === impl QuerierMetrics ===

impl QuerierMetrics {
    /// Registers everything; once a process.
    pub(crate) fn register(&self, registry: &mut Registry, pool: &Arc<dyn MemoryPool>) {
        let querier = registry.sub_registry_with_prefix("varve_querier");
        querier.register("query_failures", "Queries without an answer", self.failures.clone());
        querier.register_with_unit(
            "query_duration",
            "Time from a parsed query to its answer, waiting included",
            Unit::Seconds,
            self.duration.clone(),
        );
        querier.register("queries_running", "Queries being evaluated", self.running.clone());
        querier.register("queries_queued", "Queries waiting for a turn", self.queued.clone());
        querier.register("fragments", "Fragments sent to ingesters", self.fragments.clone());
        querier.register(
            "fragment_rows",
            "Rows (series or groups) that partitions sent for fragments",
            self.fragment_rows.clone(),
        );
        querier.register(
            "samples_read",
            "Samples that partitions read for fragments",
            self.samples_read.clone(),
        );
        querier.register_collector(Box::new(PoolCollector(Arc::downgrade(pool))));
    }

    pub(crate) fn observe_query(&self, took: Duration) {
        self.duration.observe(took.as_secs_f64());
    }

    pub(crate) fn count_failure(&self, reason: &'static str) {
        self.failures.get_or_create(&ReasonLabel { reason }).inc();
    }
}

impl Default for QuerierMetrics {
    fn default() -> Self {
        Self {
            failures: Family::default(),
            duration: Histogram::new(QUERY_BUCKETS_S),
            running: Gauge::default(),
            queued: Gauge::default(),
            fragments: Counter::default(),
            fragment_rows: Counter::default(),
            samples_read: Counter::default(),
        }
    }
}

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(pool) = self.0.upgrade() else { return Ok(()) };
        let gauge = ConstGauge::new(i64::try_from(pool.reserved()).unwrap_or(i64::MAX));
        let descriptor = encoder.encode_descriptor(
            "memory",
            "Memory that running queries have reserved",
            Some(&Unit::Bytes),
            gauge.metric_type(),
        )?;
        gauge.encode(descriptor)
    }
}
