//! Bad input over HTTP: each case of `tests/badinput/*.txt` gets exactly its status, type and text,
//! stores exactly what it may, and leaves the gateway able to take the next request.

#[path = "support/case.rs"]
mod case;
#[path = "support/partitions.rs"]
#[expect(dead_code, reason = "the unit tests use the rest")]
mod partitions;
#[path = "support/request.rs"]
mod request;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response, header};
use case::Case;
use chassis::Context;
use gateway::{Config, Gateway};
use model::FailureKind;
use partitions::Partitions;
use request::{WriteRequest, body, series};
use tower::ServiceExt;

fn gateway(config: Config, partitions: &Arc<Partitions>) -> (Router, Context) {
    let context = Context::system();
    let client = Arc::<Partitions>::clone(partitions);
    let gateway = Gateway::new(config, &context, client).expect("the config is valid");
    (gateway.router(), context)
}

async fn send(router: &Router, request: Request<Body>) -> (u16, Option<String>, String) {
    let response: Response<Body> = router.clone().oneshot(request).await.expect("infallible");
    let status = response.status().as_u16();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.map(|value| value.to_str().expect("ASCII").to_owned());
    let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, content_type, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("/api/v1/write").body(body.into()).expect("a request")
}

fn up(value: f64) -> Vec<u8> {
    let timeseries = vec![series(&[("__name__", "up"), ("job", "a")], &[(1_000, value)])];
    body(&WriteRequest { timeseries, metadata: vec![] })
}

#[tokio::test]
async fn every_case_gets_its_answer() {
    let files = [include_str!("badinput/transport.txt"), include_str!("badinput/content.txt")];
    let cases: Vec<_> = files.iter().flat_map(|file| case::read(file)).collect();
    assert!(cases.len() >= 60, "{} cases were found", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let (expected, seen) = (outcome_of(&case), check(&case).await);
        if expected != seen {
            wrong.push(format!("{}\nexpected {expected:#?}\nsaw {seen:#?}\n", case.title));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a case shows of itself.
#[derive(Debug, PartialEq)]
struct Outcome {
    status: u16,
    content_type: Option<String>,
    answer: String,
    stored: usize,
    /// Whether the gateway took the next request, and had counted this one.
    lives_on: bool,
}

fn outcome_of(case: &Case) -> Outcome {
    Outcome {
        status: case.status,
        content_type: (case.status != 204).then(|| "text/plain; charset=utf-8".to_owned()),
        answer: case.answer.clone(),
        stored: case.stored,
        lives_on: true,
    }
}

async fn check(case: &Case) -> Outcome {
    let partitions = Partitions::new(4);
    let (router, context) = gateway(Config::default(), &partitions);
    let mut request = Request::builder().method(case.method.as_str()).uri(&case.path);
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(case.body.clone())).expect("a request");
    let (status, content_type, answer) = send(&router, request).await;
    let stored = partitions.stored().len();
    let timeseries = vec![series(&[("__name__", "next")], &[(5_000, 1.0)])];
    let next = body(&WriteRequest { timeseries, metadata: vec![] });
    let next = send(&router, post(next)).await.0;
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &context.metrics.lock()).expect("text");
    let counted = metrics.contains(&format!("varve_gateway_requests_total{{status=\"{status}\"}}"));
    Outcome { status, content_type, answer, stored, lives_on: next == 204 && counted }
}

#[tokio::test]
async fn a_head_request_is_not_allowed_either() {
    let (router, _) = gateway(Config::default(), &Partitions::new(1));
    let head = Request::head("/api/v1/push").body(Body::empty()).expect("a request");
    let response = router.oneshot(head).await.expect("infallible");
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()[header::ALLOW], "POST");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off_at_the_limit() {
    let config = Config { request_bytes_max: 1_000, ..Config::default() };
    let (router, _) = gateway(config, &Partitions::new(1));
    // An endless body: the answer can only come if the gateway stops reading.
    let chunk = Ok::<_, Infallible>(Bytes::from_static(&[0; 100]));
    let endless = Body::from_stream(futures::stream::repeat(chunk));
    let (status, _, text) = send(&router, post(endless)).await;
    assert_eq!((status, text.as_str()), (413, "request body exceeds the 1000 bytes limit\n"));
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let config = Config { body_timeout_ms: 20, ..Config::default() };
    let (router, _) = gateway(config, &Partitions::new(1));
    let stalled = futures::stream::pending::<Result<Bytes, Infallible>>();
    let (status, _, text) = send(&router, post(Body::from_stream(stalled))).await;
    assert_eq!(
        (status, text.as_str()),
        (408, "request body did not arrive within 20 ms (--gateway.body-timeout-ms)\n")
    );
}

#[tokio::test]
async fn bytes_in_flight_are_bounded_and_given_back() {
    let config = Config { in_flight_bytes_max: 100, ..Config::default() };
    let partitions = Partitions::new(1);
    let (router, _) = gateway(config, &partitions);
    // Another request holds the bytes for as long as its body is not complete.
    let (sender, receiver) = futures::channel::mpsc::channel::<Result<Bytes, Infallible>>(1);
    let mut sender = sender;
    sender.try_send(Ok(Bytes::from(vec![0; 100]))).expect("room for one");
    let first = send(&router, post(Body::from_stream(receiver)));
    let second = async {
        tokio::task::yield_now().await;
        let response = router.clone().oneshot(post(up(1.0))).await.expect("infallible");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        drop(sender);
        bytes
    };
    let (_, text) = futures::join!(first, second);
    assert_eq!(
        text,
        "write requests in flight already hold their 100 bytes (--gateway.in-flight-bytes-max); \
         please retry\n"
    );
    assert_eq!(send(&router, post(up(1.0))).await.0, 204);
    assert_eq!(partitions.stored().len(), 1);
}

#[tokio::test]
async fn tenants_are_taken_from_the_header_only_when_tenancy_is_enabled() {
    let partitions = Partitions::new(1);
    let with = |tenant: &str| {
        let mut request = post(up(1.0));
        request.headers_mut().insert("x-scope-orgid", tenant.parse().expect("a header"));
        request
    };
    let (router, _) = gateway(Config::default(), &partitions);
    assert_eq!(send(&router, with("team-a")).await.0, 204);
    let config = Config { tenancy_enabled: true, ..Config::default() };
    let (router, _) = gateway(config, &partitions);
    assert_eq!(send(&router, with("team-a")).await.0, 204);
    let series: Vec<_> = partitions.stored().into_iter().map(|(series, ..)| series).collect();
    assert_eq!(
        series,
        [r#"anonymous {__name__="up", job="a"}"#, r#"team-a {__name__="up", job="a"}"#]
    );
    let (status, _, text) = send(&router, with("../etc")).await;
    assert_eq!(status, 400, "{text}");
    let (status, _, text) = send(&router, post(up(1.0))).await;
    assert_eq!(
        (status, text.as_str()),
        (400, "tenancy is enabled: the request needs one X-Scope-OrgID header\n")
    );
}

#[tokio::test]
async fn a_retryable_failure_outranks_invalid_samples() {
    let partitions = Partitions::new(1);
    partitions.fail(0, FailureKind::Unavailable, "partition 0 has no leader");
    let (router, _) = gateway(Config::default(), &partitions);
    let timeseries =
        vec![series(&[("no", "name")], &[(1, 1.0)]), series(&[("__name__", "up")], &[(1, 1.0)])];
    let mixed = body(&WriteRequest { timeseries, metadata: vec![] });
    let response = router.oneshot(post(mixed)).await.expect("infallible");
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    let text = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    assert_eq!(text, "partition 0 has no leader\n");
}

#[tokio::test]
async fn what_the_partition_refuses_is_told_and_the_rest_is_stored() {
    let partitions = Partitions::new(4);
    let (router, _) = gateway(Config::default(), &partitions);
    assert_eq!(send(&router, post(up(1.0))).await.0, 204);
    assert_eq!(send(&router, post(up(1.0))).await.0, 204, "the same bits again are a success");
    let timeseries = vec![
        series(&[("__name__", "up"), ("job", "a")], &[(1_000, 2.0)]),
        series(&[("__name__", "up"), ("job", "b")], &[(1_000, 2.0)]),
    ];
    let conflict = body(&WriteRequest { timeseries, metadata: vec![] });
    let (status, _, text) = send(&router, post(conflict)).await;
    assert_eq!(
        (status, text.as_str()),
        (
            400,
            "1 of 2 samples refused: duplicate sample for timestamp for series anonymous \
             {__name__=\"up\", job=\"a\"}\n"
        )
    );
    assert_eq!(partitions.stored().len(), 2);
}
