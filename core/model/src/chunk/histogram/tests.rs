//! Bytes checked against the format, and the law that what goes in comes out.

use expect_test::expect;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::histogram::{Side, Span};

type Samples = Vec<(i64, Option<i64>, Option<Histogram>)>;

fn encode(samples: &Samples) -> HistogramChunk {
    let mut chunk = HistogramChunk::default();
    for (timestamp_ms, start_ms, histogram) in samples {
        chunk.append(*timestamp_ms, *start_ms, histogram.as_ref()).unwrap();
    }
    chunk
}

fn decode_all(chunk: &[u8]) -> Result<Samples, HistogramChunkError> {
    let mut columns = Columns::default();
    decode(chunk, &mut columns)?;
    let sample = |i: usize| {
        let mut histogram = Histogram::default();
        let is_histogram = columns.get(i, &mut histogram);
        (columns.timestamps_ms[i], columns.starts_ms[i], is_histogram.then_some(histogram))
    };
    Ok((0..columns.len()).map(sample).collect())
}

/// Times, hints and every bit of the numbers.
fn pictured(samples: &Samples) -> Vec<String> {
    let bits = |it: &[f64]| it.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    let picture = |(timestamp_ms, start_ms, histogram): &(i64, Option<i64>, Option<Histogram>)| {
        let Some(h) = histogram else { return format!("{timestamp_ms} {start_ms:?} stale") };
        let numbers = bits(&[h.zero_threshold, h.zero_count, h.count, h.sum]);
        let counts = [&h.positive.counts, &h.negative.counts].map(|counts| bits(counts));
        let layout = (h.schema, &h.positive.spans, &h.negative.spans, bits(&h.custom_bounds));
        format!("{timestamp_ms} {start_ms:?} {:?} {numbers:?} {counts:?} {layout:?}", h.hint)
    };
    samples.iter().map(picture).collect()
}

fn literal(text: &str) -> Option<Histogram> {
    Some(text.parse().unwrap())
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let samples = vec![
        (
            1000,
            Some(900),
            literal(
                "{{schema:1 count:7 sum:1 z_bucket:1 z_bucket_w:0.5 offset:-1 buckets:[2 3 1]}}",
            ),
        ),
        (
            16_000,
            Some(900),
            literal(
                "{{schema:1 count:8 sum:1 z_bucket:1 z_bucket_w:0.5 offset:-1 buckets:[2 3 2]}}",
            ),
        ),
        (31_000, None, None),
        (
            46_000,
            None,
            literal(
                "{{schema:-53 count:0.5 sum:2 custom_values:[4] counter_reset_hint:gauge buckets:[0.5]}}",
            ),
        ),
    ];
    let chunk = encode(&samples);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    expect!["01000478d00fc80102000000000000e03f010103000034ff071c04080c0430b0ea014004050404000b006900000000000000000100010001000000000000104034ff0f6aff03016aff03"].assert_eq(&hex(chunk.bytes()));
    assert_eq!(pictured(&decode_all(chunk.bytes()).unwrap()), pictured(&samples));
}

#[test]
fn steady_histograms_are_small() {
    let mut chunk = HistogramChunk::default();
    for i in 0..120_u32 {
        let counts: Vec<f64> = (0..40_u32).map(|b| f64::from(i / (b + 1))).collect();
        let count = counts.iter().sum();
        let positive = Side::consecutive(-20, counts);
        let histogram =
            Histogram { schema: 3, count, sum: count, positive, ..Histogram::default() };
        chunk.append(i64::from(i) * 15_000, Some(-5), Some(&histogram)).unwrap();
    }
    // 120 × 43 floats are 41,280 bytes.
    expect!["1615"].assert_eq(&chunk.bytes().len().to_string());
}

#[test]
fn every_truncation_and_more_bytes_are_refused() {
    let text = "{{schema:1 count:7 sum:1 z_bucket:1 z_bucket_w:0.5 buckets:[2 3 1]}}";
    let samples: Samples = (0..5).map(|i| (i * i, Some(i), literal(text))).collect();
    let chunk = encode(&samples);
    for len in 0..chunk.bytes().len() {
        assert!(decode_all(&chunk.bytes()[..len]).is_err(), "{len}");
    }
    let longer = [chunk.bytes(), &[0]].concat();
    assert_eq!(decode_all(&longer).unwrap_err(), HistogramChunkError::Trailing(1));
}

#[test]
fn what_does_not_fit_together_is_not_appended() {
    let mut chunk = HistogramChunk::default();
    let side = Side { spans: vec![Span { offset: 0, length: 2 }], counts: vec![1.0] };
    let broken = Histogram { positive: side, ..Histogram::default() };
    assert!(chunk.append(0, None, Some(&broken)).is_err());
    assert_eq!((chunk.samples(), chunk.bytes()), (0, &[VERSION, 0, 0][..]));
}

fn numbers() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0_u32..9).prop_map(f64::from),
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![-0.0, 0.5, 9_007_199_254_740_992.0, 1e300, f64::NAN]),
    ]
}

fn sides() -> impl Strategy<Value = Side> {
    let span = (any::<i32>(), 0_u32..4).prop_map(|(offset, length)| Span { offset, length });
    (prop::collection::vec(span, 0..3), prop::collection::vec(numbers(), 12)).prop_map(
        |(spans, mut counts)| {
            counts.truncate(spans.iter().map(|span| span.length as usize).sum());
            Side { spans, counts }
        },
    )
}

fn histograms() -> impl Strategy<Value = Histogram> {
    let hints = [ResetHint::Unknown, ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge];
    let bounds = prop::collection::vec(numbers(), 0..4);
    let scalars = [numbers(), numbers(), numbers(), numbers()];
    (any::<i32>(), scalars, sides(), sides(), bounds, prop::sample::select(hints.to_vec()))
        .prop_map(
            |(
                schema,
                [zero_threshold, zero_count, count, sum],
                positive,
                negative,
                bounds,
                hint,
            )| {
                let custom_bounds = bounds.into();
                Histogram {
                    hint,
                    schema,
                    zero_threshold,
                    zero_count,
                    count,
                    sum,
                    positive,
                    negative,
                    custom_bounds,
                }
            },
        )
}

fn samples() -> impl Strategy<Value = Samples> {
    let histogram = prop::option::of(histograms());
    let few = prop::collection::vec(histogram, 1..4);
    let picks = prop::collection::vec(
        (any::<i64>(), prop::option::of(any::<i64>()), any::<prop::sample::Index>()),
        0..12,
    );
    (few, picks).prop_map(|(few, picks)| {
        let sample = |(t, start, which): (i64, Option<i64>, prop::sample::Index)| {
            (t, start, which.get(&few).clone().filter(|histogram| !histogram.is_stale()))
        };
        picks.into_iter().map(sample).collect()
    })
}

proptest! {
    #[test]
    fn decoding_gives_back_what_was_appended(samples in samples()) {
        let chunk = encode(&samples);
        prop_assert_eq!(pictured(&decode_all(chunk.bytes()).unwrap()), pictured(&samples));
        prop_assert_eq!(chunk.last_ms(), samples.last().map(|(t, _, _)| *t));
    }

    #[test]
    fn appending_resumes_anywhere(samples in samples(), cut in 0_usize..12) {
        let mut chunk = HistogramChunk::default();
        for (i, (timestamp_ms, start_ms, histogram)) in samples.iter().enumerate() {
            if i == cut {
                chunk = HistogramChunk::resume(chunk.bytes()).unwrap();
            }
            chunk.append(*timestamp_ms, *start_ms, histogram.as_ref()).unwrap();
        }
        let whole = encode(&samples);
        prop_assert_eq!(chunk.bytes(), whole.bytes());
    }

    #[test]
    fn damaged_chunks_never_panic(
        samples in samples(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = encode(&samples).bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(decoded) = decode_all(&bytes) {
            prop_assert!(decoded.len() <= SAMPLES_MAX);
        }
    }
}
