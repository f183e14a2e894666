//! The server over real sockets: phases, limits and the drain.

use std::io::ErrorKind;

use axum::routing::{get, post};
use expect_test::{Expect, expect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;

const SOON: Duration = Duration::from_secs(10);

struct Bench {
    context: Context,
    readiness: Readiness,
    server: Server,
}

impl Bench {
    async fn start(limit: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            web_listen_address: "127.0.0.1:0".parse().unwrap(),
            web_max_connections: 512,
            web_read_timeout: SOON,
        };
        limit(&mut config);
        let (context, readiness) = (Context::system(), Readiness::new());
        let server = Server::bind(&config, &context, &readiness).await.unwrap();
        Self { context, readiness, server }
    }

    fn ready(&self, roles: Router) {
        self.server.install(roles);
        self.readiness.ready();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.local_address()).await.unwrap()
    }

    /// Sends bytes on a connection of their own and returns all that comes back.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }

    async fn check(&self, request: &str, expected: Expect) {
        let request = format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let response = self.exchange(&request).await.replace("\r\n", "\n");
        let shown: Vec<&str> =
            response.lines().filter(|line| !line.starts_with("date: ")).collect();
        expected.assert_eq(&shown.join("\n"));
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    match tokio::time::timeout(SOON, stream.read_to_end(&mut all)).await.unwrap() {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn a_node_tells_where_it_stands() {
    let bench = Bench::start(|_| {}).await;
    bench.readiness.starting("replaying the log", 3, 17);
    bench
        .check(
            "GET /-/healthy",
            expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/plain; charset=utf-8
        content-length: 18
        connection: close

        Varve is healthy."#]],
        )
        .await;
    bench
        .check(
            "GET /-/ready",
            expect![[r#"
        HTTP/1.1 503 Service Unavailable
        content-type: text/plain; charset=utf-8
        x-varve-error: err-varve-not-ready
        retry-after: 1
        x-prometheus-stopping: false
        content-length: 35
        connection: close

        starting: replaying the log (3/17)"#]],
        )
        .await;
    bench
        .check(
            "POST /api/v1/write",
            expect![[r#"
        HTTP/1.1 503 Service Unavailable
        content-type: text/plain; charset=utf-8
        x-varve-error: err-varve-not-ready
        retry-after: 1
        x-prometheus-stopping: false
        content-length: 35
        connection: close

        starting: replaying the log (3/17)"#]],
        )
        .await;
}

#[tokio::test]
async fn a_ready_node_serves_until_it_stops() {
    let bench = Bench::start(|_| {}).await;
    bench.ready(Router::new().route("/api/v1/write", post(async || "stored\n")));
    bench
        .check(
            "GET /-/ready",
            expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/plain; charset=utf-8
        content-length: 16
        connection: close

        Varve is ready."#]],
        )
        .await;
    bench
        .check(
            "POST /prometheus/api/v1/write",
            expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/plain; charset=utf-8
        content-length: 7
        connection: close

        stored"#]],
        )
        .await;
    bench.readiness.stopping();
    bench
        .check(
            "GET /-/ready",
            expect![[r#"
                HTTP/1.1 503 Service Unavailable
                content-type: text/plain; charset=utf-8
                x-varve-error: err-varve-not-ready
                retry-after: 1
                x-prometheus-stopping: true
                content-length: 35
                connection: close

                stopping: finishing what was begun"#]],
        )
        .await;
}

#[tokio::test]
async fn a_wrong_path_or_method_is_told_so() {
    let bench = Bench::start(|_| {}).await;
    bench.ready(Router::new().route("/api/v1/write", post(async || "stored\n")));
    bench
        .check(
            "GET /api/v1/write",
            expect![[r#"
                HTTP/1.1 405 Method Not Allowed
                content-type: text/plain; charset=utf-8
                allow: POST
                content-length: 56
                connection: close

                GET is not allowed here; the Allow header tells what is"#]],
        )
        .await;
    bench.check("GET /api/v1/wrote", expect![[r#"
        HTTP/1.1 404 Not Found
        content-type: application/json
        x-varve-error: err-varve-no-such-path
        content-length: 114
        connection: close

        {"status":"error","errorType":"not_found","error":"there is nothing at /api/v1/wrote; GET / lists what is served"}"#]]).await;
    bench
        .check(
            "GET /wrote",
            expect![[r#"
                HTTP/1.1 404 Not Found
                content-type: text/plain; charset=utf-8
                x-varve-error: err-varve-no-such-path
                content-length: 55
                connection: close

                there is nothing at /wrote; GET / lists what is served"#]],
        )
        .await;
}

#[tokio::test]
async fn metrics_count_requests_by_route() {
    let bench = Bench::start(|_| {}).await;
    bench.ready(Router::new().route("/a/{b}", get(async || "")));
    bench.exchange("GET /a/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    bench.exchange("GET /prometheus/a/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let text =
        bench.exchange("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let line = r#"varve_http_requests_total{handler="/a/{b}",code="200"} 2"#;
    assert!(text.contains(line), "{text}");
    assert!(text.contains("content-type: application/openmetrics-text; version=1.0.0"), "{text}");
}

#[tokio::test]
async fn a_head_over_its_limit_is_refused() {
    let bench = Bench::start(|_| {}).await;
    let long = "a".repeat(2 * HEADER_BYTES_MAX);
    let request = format!("GET /-/healthy HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n");
    assert!(bench.exchange(&request).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_body_that_trickles_fails_at_its_deadline() {
    let bench = Bench::start(|config| config.web_read_timeout = Duration::from_millis(30)).await;
    let read = async |body: Body| match axum::body::to_bytes(body, 1024).await {
        Ok(_) => "all there".to_owned(),
        Err(error) => error.to_string(),
    };
    bench.ready(Router::new().route("/read", post(read)));
    let head =
        "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\r\nabc";
    let response = bench.exchange(head).await;
    assert!(response.contains("did not arrive within 30ms (--web.read-timeout)"), "{response}");
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_their_turn() {
    let bench = Bench::start(|config| config.web_max_connections = 1).await;
    let mut first = bench.connect().await;
    first.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    first.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut second = bench.connect().await;
    let request = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    second.write_all(request).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(50), second.readable()).await;
    assert!(waits.is_err(), "the second connection was served beside the first");
    drop(first);
    assert!(read_all(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_drain_finishes_what_was_begun_and_takes_nothing_new() {
    let bench = Bench::start(|_| {}).await;
    let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, gate) = (Arc::clone(&entered), Arc::clone(&go_on));
    let slow = async move || {
        inside.notify_one();
        gate.notified().await;
        "done\n"
    };
    bench.ready(Router::new().route("/slow", get(slow)));
    let mut idle = bench.connect().await;
    let mut busy = bench.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    entered.notified().await;
    let (drained, ()) = tokio::join!(bench.server.drain(SOON), async {
        // The idle connection is closed first, which shows that the drain has begun.
        assert_eq!(read_all(&mut idle).await, "");
        go_on.notify_one();
    });
    drained.unwrap();
    assert!(read_all(&mut busy).await.ends_with("done\n"));
    assert!(TcpStream::connect(bench.server.local_address()).await.is_err());
    bench.context.tasks.drain(SOON).await.unwrap();
}

#[tokio::test]
async fn a_drain_cuts_what_does_not_end() {
    let bench = Bench::start(|_| {}).await;
    bench.ready(Router::new().route("/stuck", get(std::future::pending::<()>)));
    let mut stuck = bench.connect().await;
    stuck.write_all(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // A second exchange shows that the first request has been taken up.
    bench.exchange("GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let error = bench.server.drain(Duration::from_millis(50)).await.unwrap_err();
    expect!["requests were still running after 50ms; their connections were cut"]
        .assert_eq(&error.to_string());
    bench.context.tasks.drain(SOON).await.unwrap();
    assert_eq!(read_all(&mut stuck).await, "");
}

#[tokio::test]
async fn a_taken_address_is_named_with_its_flag() {
    let bench = Bench::start(|_| {}).await;
    let address = bench.server.local_address();
    let config =
        Config { web_listen_address: address, web_max_connections: 1, web_read_timeout: SOON };
    let error = Server::bind(&config, &Context::system(), &bench.readiness).await.unwrap_err();
    let text = error.to_string().replace(&address.to_string(), "ADDRESS");
    expect!["cannot listen on ADDRESS: Address already in use (os error 98); choose another with --web.listen-address"].assert_eq(&text);
}

#[test]
fn listen_addresses_are_written_as_for_prometheus() {
    let parsed = |text| parse_listen_address(text).map(|address| address.to_string());
    assert_eq!(parsed(":9009"), Ok("0.0.0.0:9009".to_owned()));
    assert_eq!(parsed("localhost:1"), Ok("127.0.0.1:1".to_owned()));
    assert_eq!(parsed("[::1]:9009"), Ok("[::1]:9009".to_owned()));
    assert!(parsed("9009").unwrap_err().contains("is not an address"));
}

#[tokio::test]
async fn odd_requests_are_answered_and_never_more_than_that() {
    let bench = Bench::start(|_| {}).await;
    let echo = async |body: String| body;
    bench.ready(Router::new().route("/echo", post(echo)));
    let mut table = String::new();
    for request in [
        "TRACE /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET http://a/-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET //-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /..%2f-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /-/healthy HTTP/1.0\r\n\r\n",
        "GET /-/healthy HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /-/healthy\r\n\r\n",
        "\u{1}\u{2}\u{3}\r\n\r\n",
    ] {
        let first = request.lines().next().unwrap_or_default().escape_default();
        let response = bench.exchange(request).await;
        table += &format!("{first} -> {}\n", response.lines().next().unwrap_or("closed"));
    }
    expect![[r#"
        TRACE /echo HTTP/1.1 -> HTTP/1.1 405 Method Not Allowed
        GET http://a/-/healthy HTTP/1.1 -> HTTP/1.1 200 OK
        GET //-/healthy HTTP/1.1 -> HTTP/1.1 404 Not Found
        GET /..%2f-/healthy HTTP/1.1 -> HTTP/1.1 404 Not Found
        GET /-/healthy HTTP/1.0 -> HTTP/1.0 200 OK
        GET /-/healthy HTTP/1.1 -> HTTP/1.1 200 OK
        PRI * HTTP/2.0 -> closed
        POST /echo HTTP/1.1 -> HTTP/1.1 400 Bad Request
        POST /echo HTTP/1.1 -> HTTP/1.1 400 Bad Request
        POST /echo HTTP/1.1 -> HTTP/1.1 200 OK
        POST /echo HTTP/1.1 -> HTTP/1.1 400 Bad Request
        POST /echo HTTP/1.1 -> HTTP/1.1 400 Bad Request
        GET /-/healthy -> HTTP/1.1 400 Bad Request
        \u{1}\u{2}\u{3} -> HTTP/1.1 400 Bad Request
    "#]]
    .assert_eq(&table);
}
