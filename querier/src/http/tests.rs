//! Requests in, JSON out: over 1 to 4 partitions in memory.

mod errors;
mod limits;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use chassis::Context;
use cluster::IngesterClient;
use cluster::client::FamilyMetadata;
use expect_test::{Expect, expect};
use model::clock::ManualClock;
use tower::util::ServiceExt;

use crate::testing::{MemoryIngesters, Series, labels};
use crate::{Config, Querier};

/// 1 January 2026, in seconds.
const T0: i64 = 1_767_225_600;

/// A querier over some ingesters.
struct House {
    querier: Querier,
    ingesters: Arc<MemoryIngesters>,
    context: Context,
}

// === impl House ===

impl House {
    fn new(ingesters: MemoryIngesters) -> Self {
        Self::with_config(ingesters, Config::default())
    }

    fn with_config(ingesters: MemoryIngesters, config: Config) -> Self {
        let ingesters = Arc::new(ingesters);
        let context = Context::new(Arc::new(ManualClock::new((T0 + 60) * 1000)));
        let client: Arc<dyn IngesterClient> = Arc::<MemoryIngesters>::clone(&ingesters);
        let querier = Querier::new(config, &context, client).unwrap();
        Self { querier, ingesters, context }
    }

    /// Series of a counter of requests, four instances and two codes, a sample each 15 s for a
    /// minute; and a gauge of which one instance went away.
    fn usual(partitions: u32) -> Self {
        Self::new(MemoryIngesters::new(partitions, usual_series()))
    }

    async fn send(&self, request: Request) -> (StatusCode, String) {
        let response = self.querier.router().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> (StatusCode, String) {
        let query = encode(parameters);
        let uri = format!("{path}?{query}");
        self.send(Request::builder().uri(uri).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> (StatusCode, String) {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        self.send(request.body(Body::from(encode(parameters))).unwrap()).await
    }

    /// The data of an instant query at T0 + 60 s.
    async fn instant(&self, query: &str) -> String {
        let (status, body) = self.get("/api/v1/query", &[("query", query)]).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        data(&body)
    }

    /// The data of a range query over the minute, at 20 s steps.
    async fn range(&self, query: &str) -> String {
        let (start, end) = (T0.to_string(), (T0 + 60).to_string());
        let parameters = [("query", query), ("start", &start), ("end", &end), ("step", "20")];
        let (status, body) = self.post("/api/v1/query_range", &parameters).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        data(&body)
    }
}

fn usual_series() -> Vec<Series> {
    let mut series = vec![];
    for (instance, speed) in [("a", 1.0), ("b", 2.0), ("c", 3.5), ("d", 0.25)] {
        for (code, share) in [("200", 0.75), ("500", 0.25)] {
            let pairs = [("__name__", "http_total"), ("instance", instance), ("code", code)];
            let samples = (0..5_i32)
                .map(|i| (T0 * 1000 + i64::from(i) * 15_000, f64::from(i) * 15.0 * speed * share));
            series.push((labels(&pairs), samples.collect()));
        }
        let up = [("__name__", "up"), ("instance", instance)];
        let gone = model::sample::stale_nan();
        let samples = match instance {
            "d" => vec![(T0 * 1000, 1.0), (T0 * 1000 + 30_000, gone)],
            _ => vec![(T0 * 1000, 1.0), (T0 * 1000 + 45_000, 0.5)],
        };
        series.push((labels(&up), samples));
    }
    let same = [("__name__", "rpc_total"), ("instance", "a"), ("code", "200")];
    series.push((labels(&same), vec![(T0 * 1000, 1.0), (T0 * 1000 + 30_000, 2.0)]));
    series
}

fn encode(parameters: &[(&str, &str)]) -> String {
    let escape =
        |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let pairs =
        parameters.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn data(body: &str) -> String {
    let data = body.strip_prefix(r#"{"status":"success","data":"#).unwrap();
    // A line a series.
    data.strip_suffix('}').unwrap().replace(r#"{"metric""#, "\n{\"metric\"")
}

#[tokio::test]
async fn expressions_are_formatted_and_described_without_data() {
    let house = House::usual(1);
    let long = r#"sum by(job)(rate(a{b="c"}[5m]))/on(job)group_left topk(3,up offset 5m>1)"#;
    let formatted = house.post("/api/v1/format_query", &[("query", long)]).await.1;
    expect![[r#"
        {"status":"success","data":"sum by (job) (rate(a{b=\"c\"}[5m])) / on (job) group_left () topk(3, up offset 5m > 1)"}"#]]
    .assert_eq(&formatted);
    let tree = house.get("/api/v1/parse_query", &[("query", "-up @ 5")]).await.1;
    expect![[r#"
        {"status":"success","data":{"expr":{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"up"}],"name":"up","offset":0,"smoothed":false,"startOrEnd":null,"timestamp":5000,"type":"vectorSelector"},"op":"-","type":"unaryExpr"}}"#]]
    .assert_eq(&tree);
    for path in ["/api/v1/format_query", "/api/v1/parse_query"] {
        let (status, body) = house.get(path, &[("query", "sum(")]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let start =
            r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:"#;
        assert!(body.starts_with(start), "{body}");
    }
}

async fn check_instant(query: &str, expected: Expect) {
    let one = House::usual(1).instant(query).await;
    expected.assert_eq(&one);
    for partitions in [2, 4] {
        assert_eq!(House::usual(partitions).instant(query).await, one, "{partitions} partitions");
    }
}

async fn check_range(query: &str, expected: Expect) {
    let one = House::usual(1).range(query).await;
    expected.assert_eq(&one);
    for partitions in [2, 4] {
        assert_eq!(House::usual(partitions).range(query).await, one, "{partitions} partitions");
    }
}

#[tokio::test]
async fn instant_queries() {
    check_instant(
        "up",
        expect![[r#"
        {"resultType":"vector","result":[
        {"metric":{"__name__":"up","instance":"a"},"value":[1767225660,"0.5"]},
        {"metric":{"__name__":"up","instance":"b"},"value":[1767225660,"0.5"]},
        {"metric":{"__name__":"up","instance":"c"},"value":[1767225660,"0.5"]}]}"#]],
    )
    .await;
    check_instant(
        "sum by (code) (rate(http_total[1m]))",
        expect![[r#"
        {"resultType":"vector","result":[
        {"metric":{"code":"200"},"value":[1767225660,"5.062499999999999"]},
        {"metric":{"code":"500"},"value":[1767225660,"1.6874999999999998"]}]}"#]],
    )
    .await;
    check_instant(
        "sum by (code) (rate(http_total[1m])) > 4",
        expect![[r#"
        {"resultType":"vector","result":[
        {"metric":{"code":"200"},"value":[1767225660,"5.062499999999999"]}]}"#]],
    )
    .await;
    check_instant(
        "count(up) / count(http_total)",
        expect![[r#"
        {"resultType":"vector","result":[
        {"metric":{},"value":[1767225660,"0.375"]}]}"#]],
    )
    .await;
    check_instant(
        "-up{instance=\"a\"}",
        expect![[r#"
        {"resultType":"vector","result":[
        {"metric":{"instance":"a"},"value":[1767225660,"-0.5"]}]}"#]],
    )
    .await;
    check_instant(
        "http_total{code=\"500\"} / ignoring (code) http_total{code=\"200\"}",
        expect![[r#"
        {"resultType":"vector","result":[
        {"metric":{"instance":"a"},"value":[1767225660,"0.3333333333333333"]},
        {"metric":{"instance":"b"},"value":[1767225660,"0.3333333333333333"]},
        {"metric":{"instance":"c"},"value":[1767225660,"0.3333333333333333"]},
        {"metric":{"instance":"d"},"value":[1767225660,"0.3333333333333333"]}]}"#]],
    )
    .await;
    check_instant(
        "up{instance=\"b\"}[1m]",
        expect![[r#"
        {"resultType":"matrix","result":[
        {"metric":{"__name__":"up","instance":"b"},"values":[[1767225645,"0.5"]]}]}"#]],
    )
    .await;
    check_instant("missing", expect![[r#"{"resultType":"vector","result":[]}"#]]).await;
    check_instant("missing[1m]", expect![[r#"{"resultType":"matrix","result":[]}"#]]).await;
    check_instant("sum(missing)", expect![[r#"{"resultType":"vector","result":[]}"#]]).await;
}

#[tokio::test]
async fn scalars_and_texts() {
    check_instant("1+1", expect![[r#"{"resultType":"scalar","result":[1767225660,"2"]}"#]]).await;
    check_instant(
        "time()",
        expect![[r#"{"resultType":"scalar","result":[1767225660,"1767225660"]}"#]],
    )
    .await;
    check_instant("-1/0", expect![[r#"{"resultType":"scalar","result":[1767225660,"-Inf"]}"#]])
        .await;
    check_instant(
        "vector(1)",
        expect![[r#"
        {"resultType":"vector","result":[
        {"metric":{},"value":[1767225660,"1"]}]}"#]],
    )
    .await;
    check_instant(
        "\"tab\\t\"",
        expect![[r#"{"resultType":"string","result":[1767225660,"tab\t"]}"#]],
    )
    .await;
    check_range("2 * 3", expect![[r#"
        {"resultType":"matrix","result":[
        {"metric":{},"values":[[1767225600,"6"],[1767225620,"6"],[1767225640,"6"],[1767225660,"6"]]}]}"#]]).await;
    check_range("time() - 1767225600", expect![[r#"
        {"resultType":"matrix","result":[
        {"metric":{},"values":[[1767225600,"0"],[1767225620,"20"],[1767225640,"40"],[1767225660,"60"]]}]}"#]]).await;
    check_range("vector(0/0)", expect![[r#"
        {"resultType":"matrix","result":[
        {"metric":{},"values":[[1767225600,"NaN"],[1767225620,"NaN"],[1767225640,"NaN"],[1767225660,"NaN"]]}]}"#]]).await;
}

#[tokio::test]
async fn range_queries() {
    check_range("up", expect![[r#"
        {"resultType":"matrix","result":[
        {"metric":{"__name__":"up","instance":"a"},"values":[[1767225600,"1"],[1767225620,"1"],[1767225640,"1"],[1767225660,"0.5"]]},
        {"metric":{"__name__":"up","instance":"b"},"values":[[1767225600,"1"],[1767225620,"1"],[1767225640,"1"],[1767225660,"0.5"]]},
        {"metric":{"__name__":"up","instance":"c"},"values":[[1767225600,"1"],[1767225620,"1"],[1767225640,"1"],[1767225660,"0.5"]]},
        {"metric":{"__name__":"up","instance":"d"},"values":[[1767225600,"1"],[1767225620,"1"]]}]}"#]]).await;
    check_range("avg(increase(http_total[30s]))", expect![[r#"
        {"resultType":"matrix","result":[
        {"metric":{},"values":[[1767225620,"16.875"],[1767225640,"25.3125"],[1767225660,"25.3125"]]}]}"#]]).await;
    check_range("max by (instance) (http_total) - on (instance) up", expect![[r#"
        {"resultType":"matrix","result":[
        {"metric":{"instance":"a"},"values":[[1767225600,"-1"],[1767225620,"10.25"],[1767225640,"21.5"],[1767225660,"44.5"]]},
        {"metric":{"instance":"b"},"values":[[1767225600,"-1"],[1767225620,"21.5"],[1767225640,"44"],[1767225660,"89.5"]]},
        {"metric":{"instance":"c"},"values":[[1767225600,"-1"],[1767225620,"38.375"],[1767225640,"77.75"],[1767225660,"157"]]},
        {"metric":{"instance":"d"},"values":[[1767225600,"-1"],[1767225620,"1.8125"]]}]}"#]]).await;
    check_range(
        "up < 1",
        expect![[r#"
        {"resultType":"matrix","result":[
        {"metric":{"__name__":"up","instance":"a"},"values":[[1767225660,"0.5"]]},
        {"metric":{"__name__":"up","instance":"b"},"values":[[1767225660,"0.5"]]},
        {"metric":{"__name__":"up","instance":"c"},"values":[[1767225660,"0.5"]]}]}"#]],
    )
    .await;
}

#[tokio::test]
async fn an_aggregation_sends_groups_and_not_series() {
    for (query, rows_max) in [
        ("sum by (code) (rate(http_total[1m]))", 2 * 4),
        ("avg(http_total)", 4),
        ("count(http_total) + count(up)", 2 * 4),
        ("http_total", 8),
    ] {
        let house = House::usual(4);
        house.range(query).await;
        let sent = house.ingesters.rows_sent.load(Ordering::SeqCst);
        assert!(sent <= rows_max, "{query}: {sent} rows crossed");
        let mut metrics = String::new();
        prometheus_client::encoding::text::encode(&mut metrics, &house.context.metrics.lock())
            .unwrap();
        let line = format!("varve_querier_fragment_rows_total {sent}\n");
        assert!(metrics.contains(&line), "{line} is not in:\n{metrics}");
    }
}

#[tokio::test]
async fn a_form_wins_over_the_query_string() {
    let house = House::usual(2);
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/query?query=1&time=5")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from("query=2+%2B+1"))
        .unwrap();
    let (_, body) = house.send(request).await;
    assert_eq!(data(&body), r#"{"resultType":"scalar","result":[5,"3"]}"#);
}

#[tokio::test]
async fn labels_and_series() {
    let house = House::usual(3);
    for (path, parameters, expected) in [
        ("/api/v1/labels", &[][..], r#"["__name__","code","instance"]"#),
        ("/api/v1/labels", &[("match[]", "up")], r#"["__name__","instance"]"#),
        ("/api/v1/labels", &[("end", "1")], "[]"),
        ("/api/v1/label/code/values", &[], r#"["200","500"]"#),
        ("/api/v1/label/missing/values", &[], "[]"),
        (
            "/api/v1/label/instance/values",
            &[("match[]", "up{instance=\"a\"}"), ("match[]", "{instance=\"b\"}")],
            r#"["a","b"]"#,
        ),
        (
            "/api/v1/series",
            &[("match[]", "up{instance=~\"a|b\"}")],
            r#"[{"__name__":"up","instance":"a"},{"__name__":"up","instance":"b"}]"#,
        ),
    ] {
        let (status, body) = house.get(path, parameters).await;
        assert_eq!((status, data(&body).as_str()), (StatusCode::OK, expected), "{path}");
    }
    let (_, body) = house.get("/api/v1/labels", &[("limit", "2")]).await;
    let expected = r#"["__name__","code"],"warnings":["results truncated due to limit"]"#;
    assert_eq!(data(&body), expected);
    let (_, body) = house.get("/api/v1/labels", &[("limit", "3")]).await;
    assert_eq!(data(&body), r#"["__name__","code","instance"]"#);
}

#[tokio::test]
async fn a_limit_cuts_results_and_says_so() {
    let house = House::usual(2);
    let limited = [("query", "up"), ("limit", "1")];
    let (_, body) = house.get("/api/v1/query", &limited).await;
    expect![[r#"
        {"resultType":"vector","result":[
        {"metric":{"__name__":"up","instance":"a"},"value":[1767225660,"0.5"]}]},"warnings":["results truncated due to limit"]"#]].assert_eq(&data(&body));
    let (_, body) = house.get("/api/v1/query", &[("query", "up"), ("limit", "3")]).await;
    assert!(!body.contains("warnings"), "{body}");
}

#[tokio::test]
async fn lookback_can_be_chosen() {
    let house = House::usual(2);
    let query = [("query", "up"), ("lookback_delta", "10s")];
    let (_, body) = house.get("/api/v1/query", &query).await;
    assert_eq!(data(&body), r#"{"resultType":"vector","result":[]}"#);
}

#[tokio::test]
async fn metadata_by_family() {
    let record = |family: &str, kind, help: &str| FamilyMetadata {
        family: family.to_owned(),
        kind,
        help: help.to_owned(),
        unit: String::new(),
    };
    let records = vec![
        record("up", "gauge", "whether"),
        record("http", "counter", "requests"),
        record("http", "counter", "requests, all"),
    ];
    let house = House::new(MemoryIngesters::new(1, []).with_metadata(records));
    for (parameters, expected) in [
        (
            &[][..],
            expect![[
                r#"{"http":[{"type":"counter","unit":"","help":"requests"},{"type":"counter","unit":"","help":"requests, all"}],"up":[{"type":"gauge","unit":"","help":"whether"}]}"#
            ]],
        ),
        (&[("metric", "up")], expect![[r#"{"up":[{"type":"gauge","unit":"","help":"whether"}]}"#]]),
        (
            &[("limit", "1"), ("limit_per_metric", "1")],
            expect![[r#"{"http":[{"type":"counter","unit":"","help":"requests"}]}"#]],
        ),
    ] {
        let (_, body) = house.get("/api/v1/metadata", parameters).await;
        expected.assert_eq(&data(&body));
    }
}

#[tokio::test]
async fn build_information_is_prometheus_shaped() {
    let (status, body) = House::usual(1).get("/api/v1/status/buildinfo", &[]).await;
    assert_eq!(status, StatusCode::OK);
    let info: serde_json::Value = serde_json::from_str(&data(&body)).unwrap();
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["goVersion"], "");
}
