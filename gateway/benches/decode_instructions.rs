//! Instructions of a write's stages inside the gateway, counted under valgrind: the same on any
//! machine. One request of 2,000 samples, all series known.

#![expect(
    unused_qualifications,
    missing_docs,
    clippy::exit,
    reason = "the macros write public modules and a main that exits"
)]

#[path = "../tests/support/fleet.rs"]
mod fleet;
#[path = "../tests/support/request.rs"]
mod request;

use std::hint::black_box;

use gateway::bench::Stages;
use gungraun::{library_benchmark, library_benchmark_group, main};

/// A gateway that has seen the request before, and the request.
fn warm(timestamp_ms: i64) -> (Stages, Vec<u8>) {
    let requests = fleet::scrape(timestamp_ms);
    let body = request::body(requests.first().expect("a scrape has requests"));
    let mut stages = Stages::new(4);
    for _ in 0..2 {
        stages.decompress(&body);
        stages.scatter();
        stages.learn();
    }
    (stages, body)
}

#[library_benchmark]
#[bench::known(args = (1_700_000_000_000), setup = warm)]
fn decompress((mut stages, body): (Stages, Vec<u8>)) -> usize {
    stages.decompress(black_box(&body))
}

#[library_benchmark]
#[bench::known(args = (1_700_000_000_000), setup = warm)]
fn walk_and_hash((mut stages, _): (Stages, Vec<u8>)) -> usize {
    black_box(stages.walk())
}

#[library_benchmark]
#[bench::known(args = (1_700_000_000_000), setup = warm)]
fn walk_probe_and_scatter((mut stages, _): (Stages, Vec<u8>)) -> u64 {
    black_box(stages.scatter())
}

library_benchmark_group!(
    name = write,
    benchmarks = [decompress, walk_and_hash, walk_probe_and_scatter]
);
main!(library_benchmark_groups = write);
