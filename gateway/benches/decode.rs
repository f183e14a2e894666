//! The stages of a write inside the gateway, in ns a sample, for requests as a real sender makes
//! them: 100 hosts × 1,000 series, ten labels, 2,000 samples a request, all series known.
//!
//! Each iteration takes the next of the scrape's 50 requests, so that body, labels and cache entries
//! are as cold as they are in a running gateway.

#![expect(missing_docs, reason = "criterion_group makes a public function")]

#[path = "../tests/support/fleet.rs"]
mod fleet;
#[path = "../tests/support/request.rs"]
mod request;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fleet::SAMPLES_PER_REQUEST;
use gateway::bench::Stages;
use prost::Message;

fn stages(c: &mut Criterion) {
    let requests = fleet::scrape(1_700_000_000_000);
    let bodies: Vec<_> = requests.iter().map(Message::encode_to_vec).collect();
    let compressed: Vec<_> = bodies.iter().map(|body| request::snappy(body)).collect();
    let mut stages = Stages::new(4);
    for body in &bodies {
        stages.scatter(body);
        stages.learn();
    }
    let probes: Vec<_> = bodies.iter().map(|body| stages.probes(body)).collect();
    let mut group = c.benchmark_group("write");
    group.throughput(Throughput::Elements(SAMPLES_PER_REQUEST as u64));
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));

    let mut next = (0..bodies.len()).cycle();
    let mut turn = || next.next().unwrap_or_default();
    group.bench_function("decompress", |b| {
        b.iter(|| stages.decompress(black_box(&compressed[turn()])));
    });
    group.bench_function("walk+hash", |b| b.iter(|| stages.walk(black_box(&bodies[turn()]))));
    group.bench_function("probe", |b| b.iter(|| stages.probe(black_box(&probes[turn()]))));
    group.bench_function("walk+hash+probe+scatter", |b| {
        b.iter(|| stages.scatter(black_box(&bodies[turn()])));
    });
    group.bench_function("walk+hash+probe+scatter+encode", |b| {
        b.iter(|| {
            stages.scatter(black_box(&bodies[turn()]));
            stages.encode()
        });
    });
    group.bench_function("new series: walk to encode", |b| {
        let mut stages = Stages::new(4);
        b.iter(|| {
            stages.scatter(black_box(&bodies[turn()]));
            stages.encode()
        });
    });
    group.finish();
}

criterion_group!(decode, stages);
criterion_main!(decode);
