//! Hostile bodies in numbers: whatever they declare or unfold to, the process never takes more than
//! twice what `--gateway.in-flight-bytes-max` allows.
//!
//! One test, because memory is measured of the whole process.

#[path = "support/sink.rs"]
mod sink;

use std::fs;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use chassis::Context;
use gateway::{Config, Gateway};
use sink::Sink;
use tower::ServiceExt;

const MIB: usize = 1 << 20;
const LIMIT: usize = 64 * MIB;
/// Requests of each kind, all at once.
const AT_ONCE: usize = 64;

/// `/proc/self/status` in bytes.
fn memory(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<usize>().expect("a number") * 1024
}

/// Lets `VmHWM` begin again at what is resident now (proc(5)).
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("one's own peak can be reset");
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("less than 4 GiB")
}

/// A field with `bytes` as its contents.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend(bytes);
    out
}

/// One series with a name and `samples` as its remaining fields.
fn series_of(samples: &[u8]) -> Vec<u8> {
    let label = [field(0x0a, b"__name__"), field(0x12, b"up")].concat();
    field(0x0a, &[field(0x0a, &label), samples.to_vec()].concat())
}

/// Bodies, and the statuses that they may get.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    // A sample without fields has two bytes here, and sixteen in memory.
    let short_samples = |n: usize| snappy(&series_of(&[0x12, 0x00].repeat(n)));
    let bare_series = |n: usize| snappy(&[0x0a, 0x02, 0x12, 0x00].repeat(n));
    let named_series = |n: usize| snappy(&series_of(&[0x12, 0x00]).repeat(n));
    vec![
        ("declares 4 GiB", vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0], &[400]),
        ("declares 32 MiB, has none", vec![0x80, 0x80, 0x80, 0x10, 0, 0], &[400, 503]),
        ("32 MiB of zeros", snappy(&vec![0; 32 * MIB]), &[400, 503]),
        ("16 M samples", short_samples(16 * MIB - 32), &[400, 503]),
        ("1.9 M samples", short_samples(1_900_000), &[204, 503]),
        ("8 M series without labels", bare_series(8 * MIB), &[400, 503]),
        ("1 M series with a name", named_series(1_000_000), &[204, 503]),
        ("16 M empty series", snappy(&[0x0a, 0x00].repeat(16 * MIB)), &[204, 503]),
        ("16 M empty metadata", snappy(&[0x1a, 0x00].repeat(16 * MIB)), &[400, 503]),
        ("one label of 32 MiB", one_label(32 * MIB - 64), &[400, 503]),
    ]
}

fn one_label(bytes: usize) -> Vec<u8> {
    let label = [field(0x0a, b"__name__"), field(0x12, &vec![b'x'; bytes])].concat();
    snappy(&field(0x0a, &[field(0x0a, &label), vec![0x12, 0x00]].concat()))
}

async fn status_of(router: Router, body: Vec<u8>) -> u16 {
    let request = Request::post("/api/v1/write").body(Body::from(body)).expect("a request");
    let response = router.oneshot(request).await.expect("infallible");
    let status = response.status().as_u16();
    let text = to_bytes(response.into_body(), 2_048).await.expect("a text of 1 KiB at most");
    assert!(status == 204 || text.ends_with(b"\n"));
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "requests of a test, joined by it")]
async fn hostile_bodies_take_no_more_memory_than_is_allowed() {
    let config = Config { in_flight_bytes_max: LIMIT, ..Config::default() };
    let client = Arc::new(Sink::new(4));
    let gateway = Gateway::new(config, &Context::system(), client).expect("the config is valid");
    let router = gateway.router();
    for (name, body, allowed) in bombs() {
        forget_peak();
        // What the senders of this test hold themselves is not the gateway's.
        let before = memory("VmRSS") + AT_ONCE * body.len();
        let requests: Vec<_> =
            (0..AT_ONCE).map(|_| tokio::spawn(status_of(router.clone(), body.clone()))).collect();
        let mut statuses = Vec::new();
        for request in requests {
            statuses.push(request.await.expect("no request panics"));
        }
        let grown = memory("VmHWM").saturating_sub(before);
        statuses.sort_unstable();
        statuses.dedup();
        assert!(statuses.iter().all(|status| allowed.contains(status)), "{name}: {statuses:?}");
        assert!(grown <= 2 * LIMIT, "{name}: {} MiB more, {} allowed", grown / MIB, LIMIT / MIB);
        // Whatever was held has been given back: an ordinary request passes.
        let up = snappy(&series_of(&[0x12, 0x02, 0x10, 0x01]));
        assert_eq!(status_of(router.clone(), up).await, 204, "after {name}");
    }
}
