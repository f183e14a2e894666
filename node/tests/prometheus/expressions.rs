//! The expressions that Prometheus and Varve are both asked, and how equal their answers must be.

/// How equal two values must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Closeness {
    /// The same float, or both NaN.
    Exact,
    /// Sums of floats: 2.42 and 3.x add in different orders. 1e-12, relative.
    Sum,
    /// Variances cancel what is left of a sum: 1e-9, relative, of their own size or of one.
    Variance,
}

// === impl Closeness ===

impl Closeness {
    pub(crate) fn holds(self, theirs: f64, ours: f64) -> bool {
        let apart = (theirs - ours).abs();
        let scale = theirs.abs().max(ours.abs());
        let is_same = theirs == ours || (theirs.is_nan() && ours.is_nan());
        match self {
            Self::Exact => is_same,
            Self::Sum => is_same || apart <= 1e-12 * scale,
            Self::Variance => is_same || apart <= 1e-9 * scale.max(1.0),
        }
    }
}

use Closeness::{Exact, Sum, Variance};

/// Selectors, windows, aggregations, arithmetic, comparison, matching, offset.
pub(crate) const EXPRESSIONS: &[(&str, Closeness)] = &[
    ("up", Exact),
    ("node_memory_MemFree_bytes", Exact),
    ("{job=\"node\",__name__=~\"node_.+\"}", Exact),
    ("{job=\"prometheus\",__name__=~\"go_.+|process_.+\"}", Exact),
    ("node_cpu_seconds_total{mode!~\"irq|softirq\",cpu!=\"1\"}", Exact),
    ("node_cpu_seconds_total offset 5s", Exact),
    ("rate(node_cpu_seconds_total[10s])", Exact),
    ("rate(node_network_receive_bytes_total[7s] offset 3s)", Exact),
    ("irate(node_cpu_seconds_total{mode=\"user\"}[10s])", Exact),
    ("increase(node_cpu_seconds_total{mode=~\"user|system\"}[15s])", Exact),
    ("resets(prometheus_tsdb_head_samples_appended_total[30s])", Exact),
    ("changes(process_start_time_seconds[30s])", Exact),
    ("irate(prometheus_tsdb_head_samples_appended_total[10s])", Exact),
    ("delta(node_memory_MemFree_bytes[10s])", Exact),
    ("min_over_time(node_memory_MemFree_bytes[8s])", Exact),
    ("max_over_time(go_goroutines[8s])", Exact),
    ("count_over_time(up[20s])", Exact),
    ("last_over_time(scrape_duration_seconds[10s])", Exact),
    ("present_over_time(up[3s])", Exact),
    ("sum_over_time(scrape_duration_seconds[10s])", Sum),
    ("avg_over_time(node_memory_MemFree_bytes[10s])", Sum),
    ("stddev_over_time(scrape_duration_seconds[10s])", Variance),
    ("stdvar_over_time(scrape_duration_seconds[10s])", Variance),
    ("sum(rate(node_cpu_seconds_total[10s]))", Sum),
    ("sum by (mode) (rate(node_cpu_seconds_total[10s]))", Sum),
    ("sum without (cpu, instance) (node_cpu_seconds_total)", Sum),
    ("avg by (mode) (node_cpu_seconds_total)", Sum),
    ("count by (job, mode) (node_cpu_seconds_total)", Exact),
    ("min by (job) (scrape_duration_seconds)", Exact),
    ("max without (device) (node_network_receive_bytes_total)", Exact),
    ("group by (job) (up)", Exact),
    ("stddev by (job) (scrape_samples_scraped)", Variance),
    ("stdvar by (mode) (node_cpu_seconds_total)", Variance),
    ("node_memory_MemTotal_bytes - node_memory_MemFree_bytes", Exact),
    ("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", Exact),
    (
        "node_filesystem_avail_bytes / on (device, mountpoint, fstype) node_filesystem_size_bytes",
        Exact,
    ),
    (
        "rate(node_network_receive_packets_total[9s]) + ignoring (job) rate(node_network_transmit_packets_total[9s])",
        Exact,
    ),
    ("node_memory_MemFree_bytes > 1000000", Exact),
    ("go_goroutines >= bool 20", Exact),
    ("go_memstats_alloc_bytes % 4096 ^ 2", Exact),
    ("100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[10s])))", Sum),
    ("-node_load1", Exact),
    ("histogram_quantile(0.9, sum by (le) (prometheus_http_request_duration_seconds_bucket))", Sum),
];
