//! The door: paths, methods, media types, tenants and limits; then decode, call, answer.
//!
//! Statuses and texts are those of `client_golang`'s remote-write handler, which Prometheus and the
//! compliance suite use, so that senders behave as they do with Prometheus.

mod body;
mod media;
mod scratch;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use model::{Failure, FailureKind, TenantId};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::distribute::{Distributor, Verdict};
use crate::metrics::GatewayMetrics;
use crate::remote_write::{decoded_len, decompress};
use scratch::{Scratch, ScratchPool};

/// Where senders of remote write send: Prometheus', Mimir's and Thanos' path, and VictoriaMetrics'
/// and Cortex' old one.
const WRITE_PATHS: [&str; 4] =
    ["/api/v1/write", "/api/v1/push", "/api/v1/receive", "/prom/remote/write"];

/// The header that names the tenant when tenancy is on; Cortex' name for it.
const TENANT_HEADER: &str = "x-scope-orgid";

/// Bytes of an error text. Prometheus reads only the first 1,024 of an answer.
const TEXT_BYTES_MAX: usize = 1_000;

/// Everything that a request needs.
#[derive(Debug)]
pub(crate) struct Door {
    config: Config,
    distributor: Arc<Distributor>,
    in_flight: Arc<Semaphore>,
    metrics: Arc<GatewayMetrics>,
    scratch: ScratchPool,
}

/// How a request ends when all of it was not stored.
#[derive(Debug)]
enum Refused {
    /// With the status of its failure.
    Failure(Failure),
    /// With a status that no other role needs.
    Plain(StatusCode, String),
}

// === impl Door ===

impl Door {
    pub(crate) fn new(
        config: Config,
        distributor: Arc<Distributor>,
        in_flight: Arc<Semaphore>,
        metrics: Arc<GatewayMetrics>,
    ) -> Self {
        Self { config, distributor, in_flight, metrics, scratch: ScratchPool::default() }
    }

    async fn write(&self, request: Request) -> Result<(), Refused> {
        if request.method() != Method::POST {
            let text = "Method not allowed".to_owned();
            return Err(Refused::Plain(StatusCode::METHOD_NOT_ALLOWED, text));
        }
        media::check(request.headers()).map_err(|error| error.failure())?;
        let tenant = self.tenant(request.headers())?;
        let mut scratch = self.scratch.borrow();
        let limits = body::BodyLimits {
            bytes_max: self.config.request_bytes_max,
            timeout: Duration::from_millis(self.config.body_timeout_ms),
        };
        let mut lease = body::Lease::new(&self.in_flight, self.config.in_flight_bytes_max);
        body::read(request, limits, &mut lease, &mut scratch.compressed).await?;
        self.store(&tenant, &mut lease, &mut scratch).await
    }

    async fn store(
        &self,
        tenant: &TenantId,
        lease: &mut body::Lease<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Refused> {
        let Scratch { compressed, decoded, frames } = scratch;
        let len = decoded_len(compressed, self.config.decoded_bytes_max)
            .map_err(|error| error.failure())?;
        lease.extend(len)?;
        let body = decompress(compressed, len, decoded).map_err(|error| error.failure())?;
        self.metrics.count_bytes(compressed.len(), body.len());
        let timeout = Duration::from_millis(self.config.write_timeout_ms);
        let mut reserve = |bytes| lease.extend(bytes);
        let written = self.distributor.write(tenant, body, frames, &mut reserve);
        let verdict = tokio::time::timeout(timeout, written)
            .await
            .map_err(|_| self.too_slow())?
            .map_err(|error| Refused::Failure(error.failure()))?;
        self.metrics.count_verdict(&verdict);
        partly_refused(&verdict).map_or(Ok(()), Err)
    }

    fn tenant(&self, headers: &HeaderMap) -> Result<TenantId, Failure> {
        if !self.config.tenancy_enabled {
            return Ok(TenantId::anonymous());
        }
        let failure =
            |text: String| Failure::new(FailureKind::Invalid, "err-varve-invalid-tenant", text);
        let mut values = headers.get_all(TENANT_HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            let text = "tenancy is enabled: the request needs one X-Scope-OrgID header";
            return Err(failure(text.to_owned()));
        };
        let value = String::from_utf8_lossy(value.as_bytes());
        TenantId::new(&value).map_err(|error| failure(error.to_string()))
    }

    fn too_slow(&self) -> Failure {
        let text = format!(
            "write was not acknowledged within {} ms (--gateway.write-timeout-ms); some of it may \
             be stored, please retry",
            self.config.write_timeout_ms
        );
        Failure::new(FailureKind::Unavailable, "err-varve-write-timeout", text)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Failure(failure) => chassis::status::text(&failure),
            Self::Plain(status, mut text) => {
                text.push('\n');
                let mut response = (status, text).into_response();
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    let post = HeaderValue::from_static("POST");
                    response.headers_mut().insert(header::ALLOW, post);
                }
                response
            }
        }
    }
}

/// The routes of remote write. Every method comes here, to get its text.
pub(crate) fn router(door: Arc<Door>) -> Router {
    let router =
        WRITE_PATHS.iter().fold(Router::new(), |router, path| router.route(path, any(write)));
    router.with_state(door)
}

async fn write(State(door): State<Arc<Door>>, request: Request) -> Response {
    let response = match door.write(request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refused) => refused.into_response(),
    };
    door.metrics.count_request(response.status());
    response
}

/// The answer when some of a request was not stored and retrying cannot help. The count and the
/// first reason come first, because a sender logs only the beginning.
fn partly_refused(verdict: &Verdict) -> Option<Refused> {
    let (refused, first) = verdict.refusals.failing()?;
    let mut text = match refused {
        0 => first.text.clone(),
        _ => format!("{refused} of {} samples refused: {}", verdict.samples, first.text),
    };
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    Some(Refused::Failure(Failure::new(FailureKind::Invalid, first.reason.id(), text)))
}
