//! Every metric of the ingester, registered once.

use std::fmt;
use std::sync::{Arc, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::head::{Head, HeadStats};
use crate::storage::{Column, StateStore};

/// What the log writer measures.
#[derive(Debug, Clone)]
pub(crate) struct LogMetrics {
    /// How long one fdatasync takes.
    pub(crate) sync_seconds: Histogram,
    /// How much one batch holds.
    pub(crate) batch_bytes: Histogram,
}

// === impl LogMetrics ===

impl LogMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::unregistered();
        let registry = registry.sub_registry_with_prefix("varve_ingester");
        registry.register_with_unit(
            "log_sync",
            "Time of one fdatasync of the raft log, which serves every partition",
            Unit::Seconds,
            metrics.sync_seconds.clone(),
        );
        registry.register_with_unit(
            "log_batch",
            "Size of one write of the raft log",
            Unit::Bytes,
            metrics.batch_bytes.clone(),
        );
        metrics
    }

    /// Metrics that nobody reads.
    pub(crate) fn unregistered() -> Self {
        Self {
            sync_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 14)),
            batch_bytes: Histogram::new(exponential_buckets(256.0, 4.0, 8)),
        }
    }
}

/// What the ingester holds, read when it is asked for.
#[derive(Debug)]
pub(crate) struct IngesterMetrics {
    heads: Vec<Arc<Head>>,
    state: Weak<dyn StateStore>,
}

// === impl IngesterMetrics ===

impl IngesterMetrics {
    /// Registers a collector over `heads`.
    pub(crate) fn register(
        registry: &mut Registry,
        heads: Vec<Arc<Head>>,
        state: &Arc<dyn StateStore>,
    ) {
        registry.register_collector(Box::new(Self { heads, state: Arc::downgrade(state) }));
    }
}

impl Collector for IngesterMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats: Vec<HeadStats> = self.heads.iter().map(|head| head.stats()).collect();
        let total = |figure: fn(&HeadStats) -> u64| {
            i64::try_from(stats.iter().map(figure).sum::<u64>()).unwrap_or(i64::MAX)
        };
        let stored = self.state.upgrade().map_or(0, |state| state.size_bytes(Column::Chunks));
        for (name, help, value) in [
            ("varve_ingester_series", "Series that live", total(|stats| stats.series)),
            (
                "varve_ingester_samples_stored",
                "Samples stored since the partitions began",
                total(|stats| stats.samples),
            ),
            (
                "varve_ingester_sealed_chunk_bytes",
                "Bytes of sealed chunks, in memory and stored",
                total(|stats| stats.sealed_bytes),
            ),
            (
                "varve_ingester_stored_chunk_bytes",
                "Bytes of stored chunk files",
                i64::try_from(stored).unwrap_or(i64::MAX),
            ),
        ] {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
