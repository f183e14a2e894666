//! The reference documents are written by the program itself: flags from its command line, metrics
//! from a running node. `cargo xtask fix` writes them anew; this test fails when they are stale.

use std::fmt::Write;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use expect_test::expect_file;
use node::{Cli, Config, Node};

#[test]
fn flags_are_documented() {
    expect_file!["../../docs/reference/flags.md"].assert_eq(&Cli::reference());
}

#[test]
fn metrics_are_documented() {
    let dir = tempfile::tempdir().expect("there is room for a store");
    let storage = format!("--storage.path={}", dir.path().display());
    let config = Config::from_args([storage.as_str(), "--web.listen-address=127.0.0.1:0"]);
    let runtime = tokio::runtime::Runtime::new().expect("the system has threads left");
    let text = runtime.block_on(async {
        let node = Node::start(config.expect("the arguments are valid")).await.expect("it starts");
        let address = node.address();
        let text = tokio::task::spawn_blocking(move || {
            // Families with labels show once something has happened to them.
            for path in ["/-/ready", "/api/v1/query?query=1", "/api/v1/labels"] {
                get(address, path);
            }
            post(address, "/api/v1/write", &nameless_series());
            get(address, "/metrics")
        });
        let text = text.await;
        node.stop().await.expect("it stops");
        text.expect("the request ends")
    });
    expect_file!["../../docs/reference/metrics.md"].assert_eq(&metrics_reference(&text));
}

/// A write request whose one series is refused: its only label, `a="b"`, is no metric name.
fn nameless_series() -> Vec<u8> {
    let label = b"\x0a\x06\x0a\x01a\x12\x01b";
    let sample = b"\x12\x02\x10\x01";
    let series = [&label[..], sample].concat();
    let length = u8::try_from(series.len()).expect("a few bytes");
    let request = [&[0x0a, length], series.as_slice()].concat();
    snap::raw::Encoder::new().compress_vec(&request).expect("a few bytes compress")
}

fn get(address: SocketAddr, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nHost: varve\r\nConnection: close\r\n\r\n");
    let (status, body) = ask(address, head.as_bytes());
    assert_eq!(status, "200", "{path}: {body}");
    body
}

fn post(address: SocketAddr, path: &str, body: &[u8]) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: varve\r\nConnection: close\r\nContent-Encoding: snappy\r\n\
         Content-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (status, answer) = ask(address, &[head.as_bytes(), body].concat());
    assert_eq!(status, "400", "{path}: {answer}");
}

fn ask(address: SocketAddr, request: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("the node listens");
    stream.write_all(request).expect("the node reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the node answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).expect("a head has a status");
    (status.to_owned(), body.to_owned())
}

/// One row a metric family, by name.
fn metrics_reference(text: &str) -> String {
    let mut rows: Vec<(String, String, String)> = Vec::new();
    let comments = text.lines().filter_map(|line| line.strip_prefix("# "));
    let mut help = "";
    for comment in comments {
        let mut words = comment.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("HELP"), Some(_), Some(text)) => help = text,
            (Some("TYPE"), Some(name), Some(kind)) => {
                let total = if kind == "counter" { "_total" } else { "" };
                rows.push((format!("{name}{total}"), kind.to_owned(), help.to_owned()));
            }
            _ => {}
        }
    }
    rows.sort();
    rows.dedup();
    let mut page =
        "# Metrics\n\nWhat a node shows on `/metrics`. Written by `cargo xtask fix`.\n\n\
                    | metric | type | meaning |\n|---|---|---|\n"
            .to_owned();
    for (name, kind, help) in rows {
        let help = help.trim_end_matches('.').replace('|', "\\|");
        writeln!(page, "| `{name}` | {kind} | {help} |").expect("a String takes any text");
    }
    page
}
