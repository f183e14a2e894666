//! Beside a real Prometheus: what it scrapes and forwards, Varve answers the same.
//!
//! ```text
//!  node_exporter ◀── scrape every second ── Prometheus ── remote write ──▶ Varve
//!                                               ▲ the same range queries ▲
//! ```
//!
//! Exporter, Varve and Prometheus are each restarted once on the way. Debian's Prometheus is a 2.42,
//! whose windows include their left edge; ours, as 3.x', do not. So the grid of the queries keeps off
//! the milliseconds at which samples stand, and no edge ever meets a sample.
//!
//! Needs the packages `prometheus` and `prometheus-node-exporter`; a machine without them fails.

#![expect(clippy::print_stdout, reason = "the figures belong into the test's output")]

#[path = "prometheus/counter.rs"]
mod counter;
#[path = "prometheus/expressions.rs"]
mod expressions;
#[path = "prometheus/scraper.rs"]
mod scraper;
#[path = "cluster/varve.rs"]
mod varve;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loadtest::query::{LabelMap, QueryClient, milliseconds, seconds};
use serde_json::Value;

use counter::increase_where_they_differ;
use expressions::{Closeness, EXPRESSIONS};
use scraper::{Exporter, Prometheus};
use varve::{Varve, await_for, this_second_ms};

/// Longest wait for some seconds of scrapes to arrive.
const PATIENCE: Duration = Duration::from_secs(60);
const GRID_STEPS: i64 = 40;

/// A range query's answer: for each series, its points by milliseconds.
type Points = BTreeMap<LabelMap, BTreeMap<i64, f64>>;

#[test]
fn range_queries_equal_those_of_prometheus() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut node = Varve::new(folder.path());
    node.start();
    let mut exporter = Exporter::start();
    let mut prometheus = Prometheus::start(folder.path(), &exporter.address, &node.url());

    let client = node.client();
    await_scrapes(&client, 6);
    exporter.restart();
    await_scrapes(&client, 6);
    node.stop();
    await_scrapes(&prometheus.client(), 4);
    node.start();
    await_scrapes(&client, 4);
    // Without targets there is nothing on its way that Prometheus could forget when it stops.
    prometheus.drop_targets();
    await_same_count(&prometheus.client(), &client);
    prometheus.restart();
    await_scrapes(&client, 12);

    let end_ms = this_second_ms() - 2000;
    let residues = residues(&client, end_ms);
    let off = (0..1000).find(|ms| !residues.contains(ms)).expect("few targets, few residues");
    let end_ms = end_ms + off;
    let start_ms = end_ms - (GRID_STEPS - 1) * 1000;
    await_scrapes(&client, 3);
    let mut n_points = 0;
    for (query, closeness) in EXPRESSIONS {
        let theirs = range(&prometheus.client(), query, start_ms, end_ms);
        let ours = range(&client, query, start_ms, end_ms);
        assert!(!theirs.is_empty(), "{query} has no answer: it compares nothing");
        compare(query, *closeness, &theirs, &ours);
        n_points += theirs.values().map(BTreeMap::len).sum::<usize>();
    }
    n_points += compare_increase(&prometheus.client(), &client, (start_ms, end_ms));
    println!("{} expressions, {n_points} points", EXPRESSIONS.len() + 1);
    assert!(EXPRESSIONS.len() >= 30 && n_points >= 10_000, "{n_points} points");
}

/// Waits until `n` more scrapes of each target have arrived.
fn await_scrapes(client: &QueryClient, n: i64) {
    let from_ms = this_second_ms() + 1000;
    let arrived = await_for("scrapes", PATIENCE, || {
        let range_ms = this_second_ms() + 1000 - from_ms;
        (range_ms > 0).then_some(())?;
        let query = format!("sum by (job) (count_over_time(up[{range_ms}ms]))");
        let counts = client.vector(&query, from_ms + range_ms).ok()?;
        let count = |sample: &loadtest::query::VectorSample| sample.value.1.parse::<i64>().ok();
        let fewest = counts.iter().filter_map(count).min()?;
        (counts.len() == 2 && fewest >= n).then_some(())
    });
    arrived.expect("scrapes arrive");
}

/// Waits until both have the same number of samples of every target's `up`, and its end.
fn await_same_count(theirs: &QueryClient, ours: &QueryClient) {
    let counts = |client: &QueryClient| {
        let at_ms = this_second_ms() + 1000;
        let alive = client.vector("count(up)", at_ms).ok()?;
        let counts = client.vector("sum by (job) (count_over_time(up[1h]))", at_ms).ok()?;
        // Prometheus leaves the order of a vector open.
        let counts: BTreeMap<_, _> = counts.into_iter().map(|s| (s.metric, s.value.1)).collect();
        Some((alive.len(), counts))
    };
    let mut seen = None;
    let same = await_for("the end of every series", PATIENCE, || {
        let (theirs, ours) = (counts(theirs)?, counts(ours)?);
        let is_same = theirs == ours && theirs.0 == 0 && !theirs.1.is_empty();
        seen = Some((theirs, ours));
        is_same.then_some(())
    });
    assert!(same.is_some(), "Varve receives all that Prometheus scraped: theirs, ours {seen:?}");
}

/// The milliseconds of the second at which samples stand.
fn residues(client: &QueryClient, end_ms: i64) -> BTreeSet<i64> {
    let up = client.matrix("up[1h]", end_ms).expect("the node answers queries");
    let at = |point: &(f64, String)| milliseconds(point.0).rem_euclid(1000);
    up.iter().flat_map(|series| series.values.iter().map(at)).collect()
}

fn range(client: &QueryClient, query: &str, start_ms: i64, end_ms: i64) -> Points {
    let (start, end) = (seconds(start_ms), seconds(end_ms));
    let params = [("query", query), ("start", &start), ("end", &end), ("step", "1")];
    let (status, body) = client.get("/api/v1/query_range", &params).expect("an answer");
    assert_eq!(status, 200, "{query}: {body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["data"]["resultType"], "matrix", "{query}: {body}");
    let series = body["data"]["result"].as_array().expect("a matrix is an array");
    series.iter().map(|series| (labels(&series["metric"]), points(&series["values"]))).collect()
}

/// A counter that was reset on the way. Returns the number of points.
fn compare_increase(
    theirs: &QueryClient,
    ours: &QueryClient,
    (start_ms, end_ms): (i64, i64),
) -> usize {
    let selector = "prometheus_tsdb_head_samples_appended_total";
    let query = format!("increase({selector}[15s])");
    let samples = theirs.matrix(&format!("{selector}[1h]"), end_ms).expect("Prometheus answers");
    let mut expected = range(theirs, &query, start_ms, end_ms);
    let mut n_resets = 0;
    for series in samples {
        let value = |(at, text): (f64, String)| (milliseconds(at), text.parse().expect("a number"));
        let samples: Vec<(i64, f64)> = series.values.into_iter().map(value).collect();
        n_resets += samples.windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
        let mut labels = series.metric;
        labels.remove("__name__");
        let points = expected.get_mut(&labels).expect("the series has an increase");
        for (at_ms, value) in points {
            let in_3 = increase_where_they_differ(&samples, *at_ms - 15_000, *at_ms);
            *value = in_3.unwrap_or(*value);
        }
    }
    assert!(n_resets > 0, "the restart has reset {selector}");
    compare(&query, Closeness::Exact, &expected, &range(ours, &query, start_ms, end_ms));
    expected.values().map(BTreeMap::len).sum()
}

fn labels(metric: &Value) -> LabelMap {
    serde_json::from_value(metric.clone()).expect("labels are an object of texts")
}

fn points(values: &Value) -> BTreeMap<i64, f64> {
    let values: Vec<(f64, String)> =
        serde_json::from_value(values.clone()).expect("points are pairs of time and text");
    let parse =
        |(at, text): (f64, String)| (milliseconds(at), text.parse().expect("values are numbers"));
    values.into_iter().map(parse).collect()
}

fn compare(query: &str, closeness: Closeness, theirs: &Points, ours: &Points) {
    let their_series: Vec<_> = theirs.keys().collect();
    let our_series: Vec<_> = ours.keys().collect();
    assert_eq!(their_series, our_series, "{query}: Prometheus' series left, Varve's right");
    for (labels, theirs) in theirs {
        let ours = &ours[labels];
        let times = |points: &BTreeMap<i64, f64>| points.keys().copied().collect::<Vec<_>>();
        assert_eq!(times(theirs), times(ours), "{query} {labels:?}: the points' times");
        for (at_ms, theirs) in theirs {
            let ours = ours[at_ms];
            let is_equal = closeness.holds(*theirs, ours);
            assert!(
                is_equal,
                "{query} {labels:?} at {at_ms}: Prometheus {theirs:?}, Varve {ours:?}"
            );
        }
    }
}
