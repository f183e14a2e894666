//! Nanoseconds a sample to append to and to decode XOR chunks of three kinds of value.
//!
//! Targets: decode ≤ 5 ns, append ≤ 20 ns.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use model::chunk::xor::{SAMPLES_MAX, XorChunk, decode};

fn samples(value: impl Fn(u64) -> f64) -> Vec<(i64, f64)> {
    (0..SAMPLES_MAX as u64).map(|i| (1_700_000_000_000 + i as i64 * 15_000, value(i))).collect()
}

/// A multiplicative generator: full-entropy mantissas without a dependency.
fn noise(i: u64) -> f64 {
    (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / 1e12
}

fn chunk_of(samples: &[(i64, f64)]) -> XorChunk {
    let mut chunk = XorChunk::default();
    for (t, value) in samples {
        chunk.append(*t, *value);
    }
    chunk
}

fn xor(c: &mut Criterion) {
    let kinds = [
        ("constant", samples(|_| 42.0)),
        ("counter", samples(|i| (i * 37 + i % 7) as f64)),
        ("noise", samples(noise)),
    ];
    for (kind, samples) in &kinds {
        let mut group = c.benchmark_group(format!("xor/{kind}"));
        group.throughput(Throughput::Elements(SAMPLES_MAX as u64));
        group.bench_function("append", |b| {
            b.iter_batched_ref(
                || samples.clone(),
                |s| chunk_of(black_box(s)),
                BatchSize::SmallInput,
            );
        });
        let mut bytes = Vec::new();
        chunk_of(samples).write_to(&mut bytes);
        let (mut timestamps_ms, mut values) = (Vec::new(), Vec::new());
        group.bench_function("decode", |b| {
            b.iter(|| {
                timestamps_ms.clear();
                values.clear();
                decode(black_box(&bytes), &mut timestamps_ms, &mut values)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, xor);
criterion_main!(benches);
