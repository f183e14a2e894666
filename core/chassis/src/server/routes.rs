//! The routes every node has, and what stands in for the roles' until they are there.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::{Failure, FailureKind};
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

use super::measure::{HttpMetrics, measure};
use crate::context::Context;
use crate::readiness::{Phase, Readiness};
use crate::status;

/// Tells a stopping node from a starting one; Prometheus' own UI looks for it.
const STOPPING: HeaderName = HeaderName::from_static("x-prometheus-stopping");

/// The media type of what `prometheus-client` writes.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Smaller answers are sent as they are, also to clients that take gzip: they fit a few packets, and
/// compressing them would take longer than most queries.
const COMPRESSED_BYTES_MIN: u16 = 16 * 1024;

const INDEX: &str = "\
Varve, a Prometheus-compatible metrics store

  POST /api/v1/write                 remote write 1.0
  GET  /api/v1/query?query=up        instant query
  GET  /api/v1/query_range           range query
  GET  /api/v1/labels                label names
  GET  /api/v1/label/NAME/values     label values
  GET  /api/v1/series                series
  GET  /-/ready  /-/healthy          probes
  GET  /metrics                      metrics about this node

The API is also served below /prometheus.
";

/// Routes while the roles are being built.
pub(super) fn starting(context: &Context, readiness: &Readiness) -> Router {
    management(context).fallback(not_yet).with_state(readiness.clone())
}

/// Routes of a serving node.
pub(super) fn ready(
    context: &Context,
    readiness: &Readiness,
    metrics: &HttpMetrics,
    roles: Router,
) -> Router {
    let routes = management(context)
        .with_state(readiness.clone())
        .merge(roles)
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_found)
        // Fast rather than small: an API answer crosses a local network.
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                .compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_BYTES_MIN))),
        )
        .layer(middleware::from_fn_with_state(metrics.clone(), measure));
    Router::new().nest("/prometheus", routes.clone()).merge(routes)
}

fn management(context: &Context) -> Router<Readiness> {
    let metrics = Arc::clone(&context.metrics);
    let show_metrics = move || {
        let mut text = String::new();
        let encoded = prometheus_client::encoding::text::encode(&mut text, &metrics.lock());
        async move {
            match encoded {
                Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    };
    Router::new()
        .route("/", get(async || INDEX))
        .route("/-/healthy", get(async || "Varve is healthy.\n"))
        .route("/-/ready", get(is_ready))
        .route("/metrics", get(show_metrics))
}

async fn is_ready(State(readiness): State<Readiness>) -> Response {
    match readiness.phase() {
        Phase::Ready => "Varve is ready.\n".into_response(),
        phase @ (Phase::Starting { .. } | Phase::Stopping) => unready(&phase),
    }
}

async fn not_yet(State(readiness): State<Readiness>) -> Response {
    unready(&readiness.phase())
}

/// 503 with how far the node is; a sender waits and tries again.
fn unready(phase: &Phase) -> Response {
    let failure = Failure::new(FailureKind::Unavailable, "err-varve-not-ready", phase.text());
    let mut response = status::text(&failure);
    let is_stopping = if *phase == Phase::Stopping { "true" } else { "false" };
    response.headers_mut().insert(STOPPING, HeaderValue::from_static(is_stopping));
    response
}

async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    let message = format!("there is nothing at {path}; GET / lists what is served");
    let failure = Failure::new(FailureKind::NotFound, "err-varve-no-such-path", message);
    if path.contains("/api/") { status::api_error(&failure) } else { status::text(&failure) }
}

/// 405; axum adds the `Allow` header.
async fn wrong_method(request: Request) -> Response {
    let text =
        format!("{} is not allowed here; the Allow header tells what is\n", request.method());
    (StatusCode::METHOD_NOT_ALLOWED, text).into_response()
}
