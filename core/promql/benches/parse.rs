//! How long a query's text takes to become a checked tree, and to be printed.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use promql::parse::{ParseOptions, parse};

/// Queries as dashboards send them, from one name to the widest panel.
const QUERIES: [(&str, &str); 5] = [
    ("name", "up"),
    ("rate", "rate(http_requests_total{job=\"api\",code!~\"5..\"}[5m])"),
    (
        "quantile",
        "histogram_quantile(0.99, sum by (le, route) \
         (rate(http_request_duration_seconds_bucket{job=\"api\"}[5m])))",
    ),
    (
        "ratio",
        "sum by (instance) (rate(http_requests_total{code=~\"5..\"}[5m])) \
         / sum by (instance) (rate(http_requests_total[5m])) * 100 > bool 1",
    ),
    (
        "dashboard",
        "100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\", job=~\"$job\"}\
         [5m] offset 1d)) / ignoring (mode) (node_load1{job=~\"$job\"} - on (instance) \
         avg_over_time(node_load1[1h]))) + (max_over_time(node_load5[1h]) - 3.5e-1) ^ 2",
    ),
];

fn benches(c: &mut Criterion) {
    let options = ParseOptions::default();
    let mut group = c.benchmark_group("parse");
    for (name, text) in QUERIES {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), text, |b, text| {
            b.iter(|| parse(black_box(text), &options));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("print");
    for (name, text) in QUERIES {
        let expr = parse(text, &options).expect("the queries above are PromQL");
        group.bench_with_input(BenchmarkId::from_parameter(name), &expr, |b, expr| {
            b.iter(|| black_box(expr).to_string());
        });
    }
    group.finish();
}

criterion_group!(parse_and_print, benches);
criterion_main!(parse_and_print);
