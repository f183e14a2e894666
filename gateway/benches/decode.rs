//! The stages of a write inside the gateway, in ns a sample, for requests as a real sender makes
//! them: 100 hosts × 1,000 series, ten labels, 2,000 samples a request, all series known.
//!
//! Stages add up: each bench does what the one before does, and more, so that a stage finds in the
//! CPU's caches what the stage before has left there; a stage's cost is the difference. Each
//! iteration takes the next of the scrape's 50 requests, so that bodies and cache entries are as cold
//! as in a running gateway.

#[path = "../tests/support/fleet.rs"]
mod fleet;
#[path = "../tests/support/request.rs"]
mod request;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fleet::SAMPLES_PER_REQUEST;
use gateway::bench::Stages;

fn stages(c: &mut Criterion) {
    let requests = fleet::scrape(1_700_000_000_000);
    let compressed: Vec<_> = requests.iter().map(request::body).collect();
    let mut stages = Stages::new(4);
    for body in &compressed {
        stages.decompress(body);
        stages.scatter();
        stages.learn();
    }
    let mut probes = Vec::new();
    for body in &compressed {
        stages.decompress(body);
        probes.push(stages.probes());
    }
    let mut group = c.benchmark_group("write");
    group.throughput(Throughput::Elements(SAMPLES_PER_REQUEST as u64));
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));

    let mut next = (0..compressed.len()).cycle();
    let mut turn = || next.next().unwrap_or_default();
    group.bench_function("1 decompress", |b| {
        b.iter(|| stages.decompress(black_box(&compressed[turn()])));
    });
    group.bench_function("2 and walk, hash", |b| {
        b.iter(|| {
            stages.decompress(black_box(&compressed[turn()]));
            stages.walk()
        });
    });
    group.bench_function("3 and probe, scatter", |b| {
        b.iter(|| {
            stages.decompress(black_box(&compressed[turn()]));
            stages.scatter()
        });
    });
    group.bench_function("4 and encode", |b| {
        b.iter(|| {
            stages.decompress(black_box(&compressed[turn()]));
            stages.scatter();
            stages.encode()
        });
    });
    group.bench_function("probe alone", |b| b.iter(|| stages.probe(black_box(&probes[turn()]))));
    group.bench_function("all of it, new series", |b| {
        let mut stages = Stages::new(4);
        b.iter(|| {
            stages.decompress(black_box(&compressed[turn()]));
            stages.scatter();
            stages.encode()
        });
    });
    group.finish();
}

criterion_group!(decode, stages);
criterion_main!(decode);
