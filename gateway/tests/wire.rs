//! Remote write over real sockets: what only the bytes of a connection can show. Everything else is in
//! `badinput.rs`, which needs no sockets.

#[path = "support/sink.rs"]
mod sink;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use chassis::server::{Config as Web, Server};
use chassis::{Context, Readiness};
use expect_test::expect;
use gateway::{Config, Gateway};
use sink::Sink;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(10);

struct Bench {
    server: Server,
    _context: Context,
}

impl Bench {
    async fn start() -> Self {
        let (context, readiness) = (Context::system(), Readiness::new());
        let web = Web {
            web_listen_address: "127.0.0.1:0".parse().expect("an address"),
            web_max_connections: 16,
            web_read_timeout: SOON,
        };
        let server = Server::bind(&web, &context, &readiness).await.expect("a free port");
        let config = Config { body_timeout_ms: 50, ..Config::default() };
        let gateway = Gateway::new(config, &context, Arc::new(Sink::new(2)));
        server.install(gateway.expect("the config is valid").router());
        readiness.ready();
        Self { server, _context: context }
    }

    /// Sends `bytes` on a connection of their own: status lines and bodies of all that comes back, and
    /// `closed` when the server closes the connection by itself.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.server.local_address()).await.expect("it listens");
        stream.write_all(bytes).await.expect("the server reads");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer));
        if let Err(error) = read.await.expect("the server closes in time") {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        let text = String::from_utf8(answer).expect("UTF-8");
        let is_told = |line: &&str| line.starts_with("HTTP/1.1") || !line.contains(": ");
        text.lines().filter(is_told).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
    }
}

/// A write request with more headers; the last one of a connection.
fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    request(&format!("Connection: close\r\n{headers}Content-Length: {}\r\n", body.len()), body)
}

fn request(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /api/v1/write HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn chunked(chunks: &[u8]) -> Vec<u8> {
    request("Connection: close\r\nTransfer-Encoding: chunked\r\n", chunks)
}

fn up() -> Vec<u8> {
    let message = b"\x0a\x14\x0a\x0e\x0a\x08__name__\x12\x02up\x12\x02\x10\x01";
    snap::raw::Encoder::new().compress_vec(message).expect("less than 4 GiB")
}

#[tokio::test]
async fn the_bytes_of_a_connection_decide() {
    let bench = Bench::start().await;
    let body = up();
    let kept = |body: &[u8]| request(&format!("Content-Length: {}\r\n", body.len()), body);
    let two = [kept(&body), post("", &body)].concat();
    let bad = [kept(b"\xff"), post("", &body)].concat();
    let size = format!("{:x}\r\n", body.len());
    let whole = [size.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    let many = (0..200).map(|i| format!("x-{i}: 1\r\n")).collect::<String>();
    let mut table = String::new();
    for (what, bytes) in [
        ("plain", post("", &body)),
        ("W12 Expect: 100-continue", post("Expect: 100-continue\r\n", &body)),
        ("W12 200 headers", post(&many, &body)),
        (
            "W12 two encodings",
            post("Content-Encoding: snappy\r\nContent-Encoding: gzip\r\n", &body),
        ),
        ("two requests on one connection", two),
        ("a bad one, then a good one", bad),
        ("chunked", chunked(&whole)),
        ("W11 chunked and stalled", chunked(b"5\r\nab")),
        ("W11 stalled within the body", request("Content-Length: 9\r\n", b"ab")),
        ("chunked with a bad size", chunked(b"zz\r\n")),
        ("W13 HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("length and chunks", post("Transfer-Encoding: chunked\r\n", &body)),
    ] {
        table += &format!("{what}: {}\n", bench.exchange(&bytes).await);
    }
    expect![[r#"
        plain: HTTP/1.1 204 No Content
        W12 Expect: 100-continue: HTTP/1.1 100 Continue | HTTP/1.1 204 No Content
        W12 200 headers: HTTP/1.1 431 Request Header Fields Too Large
        W12 two encodings: HTTP/1.1 204 No Content
        two requests on one connection: HTTP/1.1 204 No Content | HTTP/1.1 204 No Content
        a bad one, then a good one: HTTP/1.1 400 Bad Request | HTTP/1.1 204 No Content
        chunked: HTTP/1.1 204 No Content
        W11 chunked and stalled: HTTP/1.1 408 Request Timeout | request body did not arrive within 50 ms (--gateway.body-timeout-ms)
        W11 stalled within the body: HTTP/1.1 408 Request Timeout | request body did not arrive within 50 ms (--gateway.body-timeout-ms)
        chunked with a bad size: HTTP/1.1 400 Bad Request
        W13 HTTP/2 without asking: 
        length and chunks: HTTP/1.1 400 Bad Request
    "#]].assert_eq(&table);
    assert_eq!(bench.exchange(&post("", &body)).await, "HTTP/1.1 204 No Content");
}
