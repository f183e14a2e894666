//! What is wrong with a request, in Prometheus' words: a table.

use axum::http::StatusCode;

use super::*;

/// Status, error type and text for a request.
async fn failure(path: &str, parameters: &[(&str, &str)]) -> (u16, String, String) {
    let house = House::usual(2);
    let (status, body) = house.get(path, parameters).await;
    let (by_form, same) = house.post(path, parameters).await;
    if by_form != StatusCode::METHOD_NOT_ALLOWED {
        assert_eq!((status, &body), (by_form, &same), "GET and POST say the same");
    }
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["status"], "error", "{body}");
    let text = |name| body[name].as_str().unwrap().to_owned();
    (status.as_u16(), text("errorType"), text("error"))
}

/// Path and parameters, status, error type, text.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str, &'a str);

async fn check(cases: &[Case<'_>]) {
    for (path, parameters, status, error_type, text) in cases {
        let got = failure(path, parameters).await;
        let expected = (*status, (*error_type).to_owned(), (*text).to_owned());
        assert_eq!(got, expected, "{path} {parameters:?}");
    }
}

const QUERY: &str = "/api/v1/query";
const RANGE: &str = "/api/v1/query_range";
const BAD: &str = "bad_data";

#[tokio::test]
async fn instant_queries() {
    check(&[
        (
            QUERY,
            &[("query", "sum(")],
            400,
            BAD,
            "invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis",
        ),
        (
            QUERY,
            &[],
            400,
            BAD,
            "invalid parameter \"query\": unknown position: parse error: no expression found in input",
        ),
        (
            QUERY,
            &[("query", "{a=~\".*\"}")],
            400,
            BAD,
            "invalid parameter \"query\": 1:1: parse error: vector selector must contain at least one \
             non-empty matcher",
        ),
        (
            QUERY,
            &[("query", "topk(1, up)")],
            400,
            BAD,
            "invalid parameter \"query\": 1:1: parse error: topk() is not supported yet",
        ),
    ])
    .await;
}

/// Texts as a running Prometheus gives them.
#[tokio::test]
async fn texts_of_a_running_prometheus() {
    for (query, text) in [
        ("1+", "1:3: parse error: unexpected end of input"),
        ("foo{", "1:5: parse error: unexpected end of input inside braces"),
        (
            "rate(foo)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("nosuch(foo)", "1:1: parse error: unknown function with name \"nosuch\""),
        (
            "foo + \"a\"",
            "1:7: parse error: binary expression must contain only scalar and instant vector types",
        ),
        ("1 == 2", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        (
            "foo and 1",
            "1:1: parse error: set operator \"and\" not allowed in binary scalar expression",
        ),
        (
            "-foo[5m]",
            "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"range vector\"",
        ),
        ("((1)", "1:5: parse error: unclosed left parenthesis"),
        ("1))", "1:3: parse error: unexpected right parenthesis ')'"),
    ] {
        let got = failure(QUERY, &[("query", query)]).await;
        let text = format!("invalid parameter \"query\": {text}");
        assert_eq!(got, (400, BAD.to_owned(), text), "{query}");
    }
}

#[tokio::test]
async fn parameters() {
    check(&[
        (
            QUERY,
            &[("query", "1"), ("time", "x")],
            400,
            BAD,
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid \
             timestamp",
        ),
        (
            QUERY,
            &[("query", "1"), ("time", "NaN")],
            400,
            BAD,
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"NaN\" to a \
             valid timestamp",
        ),
        (
            QUERY,
            &[("query", "1"), ("timeout", "x")],
            400,
            BAD,
            "invalid parameter \"timeout\": cannot parse \"x\" to a valid duration",
        ),
        (
            QUERY,
            &[("query", "1"), ("limit", "-1")],
            400,
            BAD,
            "invalid parameter \"limit\": limit must be non-negative",
        ),
        (
            QUERY,
            &[("query", "1"), ("limit", "x")],
            400,
            BAD,
            "invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            QUERY,
            &[("query", "1"), ("lookback_delta", "x")],
            400,
            BAD,
            "error parsing lookback delta duration: cannot parse \"x\" to a valid duration",
        ),
        (
            QUERY,
            &[("query", "1"), ("timeout", "1e10")],
            400,
            BAD,
            "invalid parameter \"timeout\": cannot parse \"1e10\" to a valid duration. It overflows \
             int64",
        ),
    ])
    .await;
}

#[tokio::test]
async fn range_queries() {
    let points = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the \
                  query resolution (?step=XX)";
    let step = "invalid parameter \"step\": zero or negative query resolution step widths are not \
                accepted. Try a positive integer";
    let times = |step| [("query", "up"), ("start", "0"), ("end", "11001"), ("step", step)];
    check(&[
        (RANGE, &times("1"), 400, BAD, points),
        (RANGE, &times("0"), 400, BAD, step),
        (RANGE, &times("-1"), 400, BAD, step),
        (RANGE, &times("0.0001"), 400, BAD, step),
        (
            RANGE,
            &times("x"),
            400,
            BAD,
            "invalid parameter \"step\": cannot parse \"x\" to a valid duration",
        ),
        (
            RANGE,
            &[("query", "up"), ("start", "2"), ("end", "1"), ("step", "1")],
            400,
            BAD,
            "invalid parameter \"end\": end timestamp must not be before start time",
        ),
        (
            RANGE,
            &[("query", "up"), ("end", "1"), ("step", "1")],
            400,
            BAD,
            "invalid parameter \"start\": cannot parse \"\" to a valid timestamp",
        ),
        (
            RANGE,
            &[("query", "up[1m]"), ("start", "1"), ("end", "2"), ("step", "1")],
            400,
            BAD,
            "invalid parameter \"query\": invalid expression type \"range vector\" for range query, \
             must be Scalar or instant Vector",
        ),
        (
            RANGE,
            &[("query", "\"a\""), ("start", "1"), ("end", "2"), ("step", "1")],
            400,
            BAD,
            "invalid parameter \"query\": invalid expression type \"string\" for range query, must be \
             Scalar or instant Vector",
        ),
        (
            RANGE,
            &[("query", "up"), ("start", "-9e99"), ("end", "9e99"), ("step", "1")],
            400,
            BAD,
            points,
        ),
    ])
    .await;
}

#[tokio::test]
async fn execution() {
    let same = "vector cannot contain metrics with the same labelset";
    let many = "multiple matches for labels: many-to-one matching must be explicit \
                (group_left/group_right)";
    let ambiguous = "found duplicate series for the match group {instance=\"a\"} on the right \
                     hand-side of the operation: [{__name__=\"http_total\", code=\"500\", \
                     instance=\"a\"}, {__name__=\"http_total\", code=\"200\", instance=\"a\"}];\
                     many-to-many matching not allowed: matching labels must be unique on one side";
    check(&[
        (QUERY, &[("query", "count_over_time({code=\"200\"}[1m])")], 422, "execution", same),
        (QUERY, &[("query", "-{code=\"200\"}")], 422, "execution", same),
        (QUERY, &[("query", "http_total / on (instance) up")], 422, "execution", many),
        (
            QUERY,
            &[("query", "up / on (instance) http_total{instance=\"a\"}")],
            422,
            "execution",
            ambiguous,
        ),
    ])
    .await;
}

#[tokio::test]
async fn labels() {
    check(&[
        ("/api/v1/series", &[], 400, BAD, "no match[] parameter provided"),
        (
            "/api/v1/series",
            &[("match[]", "{}")],
            400,
            BAD,
            "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher",
        ),
        (
            "/api/v1/labels",
            &[("match[]", "up[1m]")],
            400,
            BAD,
            "1:3: parse error: unexpected \"[\"",
        ),
        (
            "/api/v1/label/code/values",
            &[("match[]", "{}")],
            400,
            BAD,
            "match[] must contain at least one non-empty matcher",
        ),
        (
            "/api/v1/series",
            &[("match[]", "sum(up)")],
            400,
            BAD,
            "invalid parameter \"match[]\": 1:4: parse error: unexpected \"(\"",
        ),
        (
            "/api/v1/labels",
            &[("start", "x")],
            400,
            BAD,
            "invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a \
             valid timestamp",
        ),
        ("/api/v1/metadata", &[("limit", "x")], 400, BAD, "limit must be a number"),
    ])
    .await;
}

#[tokio::test]
async fn forms_that_are_none() {
    let house = House::usual(1);
    for (query, text) in [
        ("query=%zz", "invalid URL escape \"%zz\""),
        ("query=1%", "invalid URL escape \"%\""),
        ("query=1;time=2", "invalid semicolon separator in query"),
        ("query=%ff", "a value is not UTF-8"),
    ] {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/v1/query")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(query))
            .unwrap();
        let (status, body) = house.send(request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"], format!("error parsing form values: {text}"));
    }
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/query")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(vec![b'x'; 5 << 20]))
        .unwrap();
    assert_eq!(house.send(request).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn tenants_are_named_when_tenancy_is_on() {
    let config = Config { tenancy_enabled: true, ..Config::default() };
    let house = House::with_config(MemoryIngesters::new(1, []), config);
    let request = |tenant: &str| {
        let request = Request::builder().uri("/api/v1/query?query=1");
        request.header("x-scope-orgid", tenant).body(Body::empty()).unwrap()
    };
    assert_eq!(house.send(request("team-a")).await.0, StatusCode::OK);
    assert_eq!(house.send(request("..")).await.0, StatusCode::BAD_REQUEST);
    let (status, body) = house.get("/api/v1/query", &[("query", "1")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("X-Scope-OrgID"), "{body}");
}
