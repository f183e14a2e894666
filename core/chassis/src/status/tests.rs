//! The table, kind by kind, and both forms of an answer.

use axum::body::to_bytes;
use expect_test::{Expect, expect};

use super::*;

const KINDS: [FailureKind; 10] = [
    FailureKind::Invalid,
    FailureKind::NotFound,
    FailureKind::TooLarge,
    FailureKind::Unsupported,
    FailureKind::Execution,
    FailureKind::Unavailable,
    FailureKind::Timeout,
    FailureKind::Canceled,
    FailureKind::Corrupt,
    FailureKind::Internal,
];

async fn check(response: Response, expected: Expect) {
    let mut seen = format!("{}\n", response.status().as_u16());
    for (name, value) in response.headers() {
        seen += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    let body = to_bytes(response.into_body(), 1024).await.unwrap();
    seen += std::str::from_utf8(&body).unwrap();
    expected.assert_eq(&seen);
}

#[test]
fn every_kind_has_its_status_and_type() {
    let mut table = String::new();
    for kind in KINDS {
        table += &format!("{kind:?} {} {}\n", http_status(kind).as_u16(), error_type(kind));
    }
    expect![[r"
        Invalid 400 bad_data
        NotFound 404 not_found
        TooLarge 413 bad_data
        Unsupported 415 bad_data
        Execution 422 execution
        Unavailable 503 unavailable
        Timeout 503 timeout
        Canceled 499 canceled
        Corrupt 500 internal
        Internal 500 internal
    "]]
    .assert_eq(&table);
}

#[tokio::test]
async fn text_is_one_line_and_tells_when_to_retry() {
    let failure =
        Failure::new(FailureKind::Unavailable, "err-varve-no-leader", "no leader\nfor 3 s");
    check(
        text(&failure),
        expect![[r"
            503
            content-type: text/plain; charset=utf-8
            x-varve-error: err-varve-no-leader
            retry-after: 1
            no leader for 3 s
        "]],
    )
    .await;
}

#[tokio::test]
async fn api_errors_have_prometheus_envelope() {
    let failure = Failure::new(FailureKind::Invalid, "err-varve-parse", "1:5: unexpected \"}\"");
    check(
        api_error(&failure),
        expect![[r#"
            400
            content-type: application/json
            x-varve-error: err-varve-parse
            {"status":"error","errorType":"bad_data","error":"1:5: unexpected \"}\""}"#]],
    )
    .await;
}
