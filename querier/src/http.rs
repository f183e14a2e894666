//! The door: forms, tenants, times and limits; then ask, and answer in Prometheus' envelope.
//!
//! Texts and statuses are those of Prometheus' `web/api/v1/api.go`, parameter by parameter and in its
//! order of complaints, because clients (Grafana first of all) show and match them.

mod build;
mod expression;
mod form;
mod labels;
mod limit;
mod metadata;
mod query;
mod time;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use cluster::IngesterClient;
use model::{Clock, Failure, FailureKind, TenantId};

use crate::config::Config;
use crate::engine::Engine;

/// The header that names the tenant when tenancy is on; Cortex' name for it.
const TENANT_HEADER: &str = "x-scope-orgid";

/// Everything that a request needs.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) config: Config,
    pub(crate) engine: Engine,
    pub(crate) client: Arc<dyn IngesterClient>,
    pub(crate) clock: Arc<dyn Clock>,
}

// === impl Door ===

impl Door {
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
}

/// The routes of the query API.
pub(crate) fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/format_query", get(expression::format).post(expression::format))
        .route(
            "/api/v1/parse_query",
            get(expression::describe_tree).post(expression::describe_tree),
        )
        .route("/api/v1/series", get(labels::series).post(labels::series))
        .route("/api/v1/labels", get(labels::names).post(labels::names))
        .route("/api/v1/label/{name}/values", get(labels::values))
        .route("/api/v1/metadata", get(metadata::metadata))
        .route("/api/v1/status/buildinfo", get(build::buildinfo))
        .with_state(door)
}

/// The answer to a request, in the envelope either way.
fn respond(answer: Result<Body, Failure>) -> Response {
    match answer {
        Ok(body) => {
            let mut response = Response::new(body);
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        Err(failure) => chassis::status::api_error(&failure),
    }
}

/// A request that can never succeed as it is.
fn bad_data(text: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Invalid, "err-varve-bad-parameter", text.into())
}

/// A parameter whose value cannot be understood, in Prometheus' words.
fn bad_parameter(name: &str, why: impl std::fmt::Display) -> Failure {
    bad_data(format!("invalid parameter \"{name}\": {why}"))
}

#[cfg(test)]
mod tests;
