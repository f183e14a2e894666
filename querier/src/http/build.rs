//! `/api/v1/status/buildinfo`: who answers. Grafana asks, to choose what it may use.

use axum::body::Body;
use axum::response::Response;

use super::respond;
use crate::encode::text::put_string;
use crate::encode::{data_body, put_comma};

pub(super) async fn buildinfo() -> Response {
    let fields = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("revision", ""),
        ("branch", ""),
        ("buildUser", ""),
        ("buildDate", ""),
        // Clients that know Prometheus expect the field.
        ("goVersion", ""),
        ("application", "Varve"),
    ];
    let body = data_body(&[], |out| {
        out.push(b'{');
        for (i, (name, value)) in fields.iter().enumerate() {
            put_comma(out, i);
            put_string(out, name);
            out.push(b':');
            put_string(out, value);
        }
        out.push(b'}');
    });
    respond(Ok(Body::from(body)))
}
