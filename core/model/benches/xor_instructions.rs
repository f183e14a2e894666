//! Instructions of the XOR chunk's two loops, counted under valgrind: the same on any machine.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use model::chunk::xor::{SAMPLES_MAX, XorChunk, decode};

fn filled() -> XorChunk {
    let mut chunk = XorChunk::default();
    for i in 0..SAMPLES_MAX as u64 {
        chunk.append(1_700_000_000_000 + i as i64 * 15_000, (i * 37 + i % 7) as f64);
    }
    chunk
}

fn encoded() -> Vec<u8> {
    let mut bytes = Vec::new();
    filled().write_to(&mut bytes);
    bytes
}

#[library_benchmark]
fn append_120() -> XorChunk {
    black_box(filled())
}

#[library_benchmark]
#[bench::counter(encoded())]
fn decode_120(bytes: Vec<u8>) -> (Vec<i64>, Vec<f64>) {
    let mut columns = (Vec::with_capacity(SAMPLES_MAX), Vec::with_capacity(SAMPLES_MAX));
    _ = decode(black_box(&bytes), &mut columns.0, &mut columns.1);
    columns
}

library_benchmark_group!(name = xor, benchmarks = [append_120, decode_120]);
main!(library_benchmark_groups = xor);
