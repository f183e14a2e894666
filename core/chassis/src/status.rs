//! From failure to HTTP answer: the only table in the tree.
//!
//! Writers get one line of text; readers get Prometheus' JSON envelope. Both carry the failure's
//! immutable id in the header [`ERROR_ID`], so that texts stay comparable with Prometheus'.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use model::{Failure, FailureKind};
use serde::Serialize;

/// The header with the failure's immutable id (`err-varve-…`).
pub const ERROR_ID: HeaderName = HeaderName::from_static("x-varve-error");

/// What a sender is asked to wait before it tries again, in seconds. Short, because what answers 503
/// here (a leader election, a full queue, a gate) mostly passes in about that time; Prometheus backs
/// off by itself when it does not.
pub const RETRY_AFTER_S: u32 = 1;

/// Prometheus' non-standard status for a caller that went away.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Prometheus' error envelope, in its field order.
#[derive(Serialize)]
struct Envelope<'a> {
    status: &'static str,
    #[serde(rename = "errorType")]
    error_type: &'static str,
    error: &'a str,
}

/// The status for a kind of failure.
#[must_use]
pub fn http_status(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::Invalid => StatusCode::BAD_REQUEST,
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FailureKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        FailureKind::Execution => StatusCode::UNPROCESSABLE_ENTITY,
        FailureKind::Unavailable | FailureKind::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        FailureKind::Canceled => {
            StatusCode::from_u16(CLIENT_CLOSED_REQUEST).expect("499 lies between 100 and 999")
        }
        FailureKind::Corrupt | FailureKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Prometheus' `errorType` for a kind of failure.
#[must_use]
pub const fn error_type(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Invalid | FailureKind::TooLarge | FailureKind::Unsupported => "bad_data",
        FailureKind::NotFound => "not_found",
        FailureKind::Execution => "execution",
        FailureKind::Unavailable => "unavailable",
        FailureKind::Timeout => "timeout",
        FailureKind::Canceled => "canceled",
        FailureKind::Corrupt | FailureKind::Internal => "internal",
    }
}

/// One line of plain text, as remote-write senders log it.
#[must_use]
pub fn text(failure: &Failure) -> Response {
    // A sender logs the first line only; a message over several lines would lose its remedy.
    let mut line = failure.message.replace(['\n', '\r'], " ");
    line.push('\n');
    answer(failure, "text/plain; charset=utf-8", line.into())
}

/// Prometheus' JSON: `{"status":"error","errorType":…,"error":…}`.
#[must_use]
pub fn api_error(failure: &Failure) -> Response {
    let envelope =
        Envelope { status: "error", error_type: error_type(failure.kind), error: &failure.message };
    let json = serde_json::to_vec(&envelope).expect("three strings are always JSON");
    answer(failure, "application/json", json.into())
}

fn answer(failure: &Failure, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = http_status(failure.kind);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ERROR_ID, HeaderValue::from_static(failure.id));
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    }
    response
}

#[cfg(test)]
mod tests;
