//! Bytes checked by hand against the format, and the law that what goes in comes out.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::sample::{NORMAL_NAN_BITS, STALE_NAN_BITS};

fn encode(samples: &[(i64, u64)]) -> Vec<u8> {
    let mut chunk = XorChunk::default();
    for (t, bits) in samples {
        chunk.append(*t, f64::from_bits(*bits));
    }
    let mut bytes = Vec::new();
    chunk.write_to(&mut bytes);
    bytes
}

fn decode_all(chunk: &[u8]) -> Result<Vec<(i64, u64)>, ChunkError> {
    let (mut timestamps_ms, mut values) = (Vec::new(), Vec::new());
    decode(chunk, &mut timestamps_ms, &mut values)?;
    Ok(timestamps_ms.into_iter().zip(values.into_iter().map(f64::to_bits)).collect())
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let one = 1.0_f64.to_bits();
    let two = 2.0_f64.to_bits();
    let first = [&[0, 1, 0x00, 0x3f, 0xf0][..], &[0; 6]].concat();
    assert_eq!(encode(&[(0, one)]), first);
    // Delta 15 as uvarint; then `0` same value.
    let second = [&[0, 2, 0x00, 0x3f, 0xf0][..], &[0; 6], &[0x0f, 0x00]].concat();
    assert_eq!(encode(&[(0, one), (15, one)]), second);
    // `0` same value, `0` same delta, `11` 00001 001011 and eleven changed bits,
    // then `10` 00000000000001 (one more than the delta before) and `0`.
    let body = [0x0f, 0b0011_0000, 0b1001_0111, 0xff, 0b1110_0000, 0x00, 0b0100_0000];
    let fourth = [&[0, 4, 0x00, 0x3f, 0xf0][..], &[0; 6], &body].concat();
    assert_eq!(encode(&[(0, one), (15, one), (30, two), (46, two)]), fourth);
    // Negative times are zigzag: −1 is 1.
    assert_eq!(encode(&[(-1, 0)]), [&[0, 1, 0x01][..], &[0; 8]].concat());
}

#[test]
fn the_edges_of_each_prefix_survive() {
    let mut samples = vec![(0_i64, 0_u64)];
    let (mut t, mut delta) = (0_i64, 1_000_000_i64);
    for half in [1_i64 << 13, 1 << 16, 1 << 19] {
        for dod in [half, -half, half - 1, 1 - half, half + 1, -half - 1] {
            delta += dod;
            t += delta;
            samples.push((t, 0));
        }
    }
    assert_eq!(decode_all(&encode(&samples)).unwrap(), samples);
}

#[test]
fn every_truncation_is_refused() {
    let samples: Vec<_> = (0..50).map(|i| (i * 15_000, (i as f64 * 0.3).to_bits())).collect();
    let bytes = encode(&samples);
    for len in 0..bytes.len() {
        let (mut timestamps_ms, mut values) = (vec![7], vec![7.0]);
        assert!(decode(&bytes[..len], &mut timestamps_ms, &mut values).is_err(), "{len}");
        assert_eq!((timestamps_ms.len(), values.len()), (1, 1), "{len}");
    }
}

#[test]
fn buffers_fill_their_size_class() {
    let classes: Vec<usize> = [1, 16, 17, 33, 100, 128, 129, 161, 256, 257, 600, 1025, 1281]
        .into_iter()
        .map(size_class)
        .collect();
    assert_eq!(classes, [16, 16, 32, 48, 112, 128, 160, 192, 256, 320, 640, 1280, 1536]);
}

#[test]
fn a_restarted_chunk_still_knows_its_newest_sample() {
    let mut chunk = XorChunk::default();
    chunk.append(5, 1.5);
    chunk.restart();
    assert_eq!((chunk.samples(), chunk.last_ms(), chunk.buffer_bytes()), (0, 5, 0));
    assert_eq!(chunk.last_bits(), 1.5_f64.to_bits());
    assert_eq!(chunk.first_ms(), None);
}

fn timestamps() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        (-100_i64..100).prop_map(|i| i * 15_000),
        (0_i64..1 << 21),
        prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]),
    ]
}

fn value_bits() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0_u32..50).prop_map(|i| f64::from(i).to_bits()),
        prop::sample::select(vec![
            0,
            (-0.0_f64).to_bits(),
            STALE_NAN_BITS,
            NORMAL_NAN_BITS,
            f64::INFINITY.to_bits(),
            1,
            u64::MAX,
        ]),
    ]
}

fn samples() -> impl Strategy<Value = Vec<(i64, u64)>> {
    prop::collection::vec((timestamps(), value_bits()), 0..=SAMPLES_MAX)
}

proptest! {
    #[test]
    fn decoding_gives_back_what_was_appended(samples in samples()) {
        prop_assert_eq!(decode_all(&encode(&samples)).unwrap(), samples);
    }

    #[test]
    fn appending_resumes_anywhere(samples in samples(), cut in 0..=SAMPLES_MAX) {
        let mut chunk = XorChunk::default();
        for (i, (t, bits)) in samples.iter().enumerate() {
            if i == cut {
                let (whole, rest) = chunk.body();
                let resumed = XorChunk::resume(chunk.state(), &[whole, &rest].concat()).unwrap();
                prop_assert_eq!((resumed.body().0, &*resumed.body().1), (whole, &*rest));
                chunk = resumed;
            }
            chunk.append(*t, f64::from_bits(*bits));
        }
        let mut bytes = Vec::new();
        chunk.write_to(&mut bytes);
        prop_assert_eq!(chunk.first_ms(), samples.first().map(|(t, _)| *t));
        prop_assert_eq!(bytes, encode(&samples));
    }

    #[test]
    fn damaged_chunks_never_panic(
        samples in samples(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = encode(&samples);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(decoded) = decode_all(&bytes) {
            prop_assert!(decoded.len() <= bytes.len() * 4);
        }
    }
}
