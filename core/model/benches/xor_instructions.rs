//! Instructions of the XOR chunk's two loops, counted under valgrind: the same on any machine.

#![expect(
    unused_qualifications,
    missing_docs,
    clippy::exit,
    reason = "the macros write public modules and a main that exits"
)]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use model::chunk::xor::{SAMPLES_MAX, XorChunk, decode};

fn filled() -> XorChunk {
    let mut chunk = XorChunk::default();
    for i in (0_u32..).take(SAMPLES_MAX) {
        chunk.append(1_700_000_000_000 + i64::from(i) * 15_000, f64::from(i * 37 + i % 7));
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
