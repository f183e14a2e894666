//! Samples, memory, time and turns have limits, and everything comes back.

use std::time::Duration;

use super::*;
use crate::testing::AfterRosters;

async fn run(config: Config, ingesters: MemoryIngesters) -> (u16, String) {
    let house = House::with_config(ingesters, config);
    let (start, end) = (T0.to_string(), (T0 + 60).to_string());
    let parameters = [("query", "http_total"), ("start", &start), ("end", &end), ("step", "1")];
    let (status, body) = house.get("/api/v1/query_range", &parameters).await;
    assert_eq!(house.ingesters.streams.load(Ordering::SeqCst), 0, "no stream is left open");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    (status.as_u16(), body["error"].as_str().unwrap().to_owned())
}

fn usual() -> MemoryIngesters {
    MemoryIngesters::new(2, usual_series())
}

#[tokio::test]
async fn samples() {
    let config = Config { samples_max: 100, ..Config::default() };
    let text = "query processing would load too many samples into memory in query execution";
    assert_eq!(run(config, usual()).await, (422, text.to_owned()));
}

#[tokio::test]
async fn memory() {
    let series = (0..3_000).map(|i| {
        let samples = vec![(T0 * 1000, f64::from(i))];
        (labels(&[("__name__", "http_total"), ("i", &i.to_string())]), samples)
    });
    let series: Vec<Series> = series.collect();
    let config = Config { query_memory_bytes_max: 1 << 20, ..Config::default() };
    let (status, text) = run(config, MemoryIngesters::new(2, series.clone())).await;
    assert_eq!(status, 422, "{text}");
    assert!(text.starts_with("query needs more than 1048576 bytes"), "{text}");
    let config = Config { total_memory_bytes_max: 1 << 20, ..Config::default() };
    let (status, text) = run(config, MemoryIngesters::new(2, series)).await;
    assert_eq!(status, 503, "{text}");
}

#[tokio::test]
async fn time() {
    let ingesters = usual().with(AfterRosters::Silence);
    let expected = (503, "query timed out in expression evaluation".to_owned());
    let config = Config { timeout_ms: 30, ..Config::default() };
    assert_eq!(run(config, ingesters).await, expected);
}

#[tokio::test]
async fn a_partition_that_fails_fails_the_query() {
    let ingesters = usual().with(AfterRosters::Failure);
    let expected = (503, "partition 0 has no leader".to_owned());
    assert_eq!(run(Config::default(), ingesters).await, expected);
}

#[tokio::test]
async fn a_request_can_shorten_its_time() {
    let house = House::new(usual().with(AfterRosters::Silence));
    let started = tokio::time::Instant::now();
    let (status, _) = house.get("/api/v1/query", &[("query", "up"), ("timeout", "50ms")]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_query_along() {
    let house = House::new(usual().with(AfterRosters::Silence));
    {
        let query = house.get("/api/v1/query", &[("query", "up")]);
        let mut query = std::pin::pin!(query);
        for _ in 0..100 {
            assert!(futures::poll!(&mut query).is_pending());
        }
        assert_eq!(house.ingesters.streams.load(Ordering::SeqCst), 1);
    }
    assert_eq!(house.ingesters.streams.load(Ordering::SeqCst), 0);
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &house.context.metrics.lock()).unwrap();
    for line in ["varve_querier_memory_bytes 0\n", "varve_querier_queries_running 0\n"] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test]
async fn a_large_answer_comes_in_chunks_and_whole() {
    let series = (0..3_000).map(|i| {
        let samples = (0..5_i64).map(|k| (T0 * 1000 + k * 15_000, f64::from(i)));
        (labels(&[("__name__", "m"), ("i", &format!("{i:04}"))]), samples.collect())
    });
    let house = House::new(MemoryIngesters::new(4, series));
    let (status, body) = house.get("/api/v1/query", &[("query", "m[5m]")]).await;
    assert_eq!(status, StatusCode::OK);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let result = body["data"]["result"].as_array().unwrap();
    assert_eq!(result.len(), 3_000);
    for (i, series) in result.iter().enumerate() {
        assert_eq!(series["metric"]["i"], format!("{i:04}"));
        assert_eq!(series["values"].as_array().unwrap().len(), 5);
        assert_eq!(series["values"][4][1], i.to_string());
    }
}
