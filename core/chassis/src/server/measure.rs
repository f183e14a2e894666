//! Counts and times every request by the route it matched.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

/// Upper bounds in seconds: from the cost of a cached answer to the longest query allowed.
const SECONDS: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0, 120.0];

/// What a node counts about its HTTP requests.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    handler: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    handler: String,
}

// === impl HttpMetrics ===

impl HttpMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        let duration: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        let registry = registry.sub_registry_with_prefix("varve_http");
        registry.register("requests", "HTTP requests by route and status", requests.clone());
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to its answer's head, by route",
            Unit::Seconds,
            duration.clone(),
        );
        Self { requests, duration }
    }
}

/// Wraps a route. The time ends with the answer's head: a streamed body is the client's pace.
pub(super) async fn measure(
    State(metrics): State<HttpMetrics>,
    request: Request,
    next: Next,
) -> Response {
    // Never the path itself: a scanner would make a series of every URL it tries.
    let handler = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    let handler = handler.strip_prefix("/prometheus").unwrap_or(handler).to_owned();
    let begin = Instant::now();
    let response = next.run(request).await;
    let elapsed_s = begin.elapsed().as_secs_f64();
    let route = RouteLabels { handler };
    metrics.duration.get_or_create(&route).observe(elapsed_s);
    let labels = RequestLabels { handler: route.handler, code: response.status().as_u16() };
    metrics.requests.get_or_create(&labels).inc();
    response
}
