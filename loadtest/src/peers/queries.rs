//! The query table: each query warmed, repeated, its least and its median time.

use serde::Serialize;

use crate::clock::Stopwatch;
use crate::fleet::Fleet;
use crate::query::{QueryClient, seconds};
use crate::server::{Product, Server};

const WARM_UPS: usize = 3;
const HOUR_MS: i64 = 3_600_000;

/// What one server made of one query.
#[derive(Debug, Serialize)]
pub struct QueryFigure {
    /// Whose server.
    pub product: Product,
    /// The query's name in the table.
    pub name: &'static str,
    /// HTTP status of the last answer.
    pub status: u16,
    /// Bytes of the last answer.
    pub answer_bytes: usize,
    /// Fastest repetition in milliseconds.
    pub min_ms: f64,
    /// Median in milliseconds.
    pub median_ms: f64,
}

/// How a query is asked.
#[derive(Debug, Clone, Copy)]
enum Form {
    Instant,
    HourAtFifteenSeconds,
    LabelValues,
}

const QUERIES: [(&str, Form, &str); 8] = [
    (
        "instant, 1 series",
        Form::Instant,
        "node_cpu_seconds_total{instance=\"HOST\",cpu=\"0\",mode=\"idle\"}",
    ),
    (
        "rate(cpu[5m]), 100 series, 1 h at 15 s",
        Form::HourAtFifteenSeconds,
        "rate(node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}[5m])",
    ),
    (
        "sum by (instance) (rate(cpu[5m])), 8.7 k series",
        Form::HourAtFifteenSeconds,
        "sum by (instance) (rate(node_cpu_seconds_total[5m]))",
    ),
    (
        "sum by (le) (rate(bucket[5m])), 20 k series",
        Form::HourAtFifteenSeconds,
        "sum by (le) (rate(http_request_duration_seconds_bucket[5m]))",
    ),
    (
        "histogram_quantile(.99, sum by (le) (rate(bucket[5m]))), 20 k series",
        Form::HourAtFifteenSeconds,
        "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
    ),
    (
        "count({__name__=~\"node_metric_.+\"}), 70 k series",
        Form::Instant,
        "count({__name__=~\"node_metric_.+\"})",
    ),
    (
        "sum by (__name__) ({run=\"a\"}), 100 k series",
        Form::Instant,
        "sum by (__name__) ({run=\"a\"})",
    ),
    ("/api/v1/label/instance/values", Form::LabelValues, ""),
];

/// Asks every query `repetitions` times.
///
/// # Errors
/// The server does not answer at all; an error as answer is a figure.
pub fn run(server: &Server, end_ms: i64, repetitions: usize) -> anyhow::Result<Vec<QueryFigure>> {
    let client = QueryClient::new(&server.url);
    let mut figures = Vec::new();
    for (name, form, text) in QUERIES {
        let text = text.replace("HOST", &Fleet::instance(7));
        let mut times = Vec::new();
        let mut last = (0, String::new());
        for i in 0..WARM_UPS + repetitions.max(1) {
            let watch = Stopwatch::start();
            last = ask(&client, form, &text, end_ms)?;
            if i >= WARM_UPS {
                times.push(watch.seconds() * 1000.0);
            }
        }
        times.sort_by(f64::total_cmp);
        figures.push(QueryFigure {
            product: server.product,
            name,
            status: last.0,
            answer_bytes: last.1.len(),
            min_ms: times[0],
            median_ms: times[times.len() / 2],
        });
    }
    Ok(figures)
}

fn ask(client: &QueryClient, form: Form, text: &str, end_ms: i64) -> anyhow::Result<(u16, String)> {
    let (start, end) = (seconds(end_ms - HOUR_MS), seconds(end_ms));
    // VictoriaMetrics would answer repetitions from its response cache; the others ignore the word.
    let plain = ("nocache", "1");
    match form {
        Form::Instant => client.get("/api/v1/query", &[("query", text), ("time", &end), plain]),
        Form::HourAtFifteenSeconds => {
            let params = [("query", text), ("start", &start), ("end", &end), ("step", "15"), plain];
            client.get("/api/v1/query_range", &params)
        }
        Form::LabelValues => {
            let params = [("start", start.as_str()), ("end", end.as_str())];
            client.get("/api/v1/label/instance/values", &params)
        }
    }
}
