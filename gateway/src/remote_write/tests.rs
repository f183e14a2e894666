//! The walk against prost, in both directions: what prost writes, and what nobody would.

use cluster::Routes;
use model::{SlotMap, TenantId};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use prost::Message;
use std::sync::Arc;

use super::labels::{LabelLimits, RawLabels};
use super::walk::{Batch, RawMetadata, Walk};
use super::wire::varint_of_word;
use super::*;
use crate::request::{
    Exemplar, Histogram, Label, Metadata, Sample, TimeSeries, WriteRequest, series, snappy,
};
use crate::series_cache::{Fingerprint, SeriesCache};

const SAMPLES_MAX: usize = 10_000;
const LIMITS: LabelLimits =
    LabelLimits { names_per_series_max: 64, name_bytes_max: 1_024, value_bytes_max: 2_048 };

/// Labels, name and value.
type Pairs = Vec<(String, String)>;

/// What a walk finds, with bits for values so that NaNs compare.
#[derive(Debug, Default, PartialEq)]
struct Found {
    series: Vec<(Pairs, Vec<(i64, u64)>)>,
    metadata: Vec<(u64, String, String, String)>,
    exemplars: u64,
    histograms: u64,
}

fn cache() -> SeriesCache {
    let routes = Routes { slots: SlotMap::even(1, 1), partitions: vec![] };
    SeriesCache::new(1, Arc::new(routes))
}

fn walk(body: &[u8]) -> Result<Found, DecodeError> {
    walk_with(&cache(), body).map(|(found, _)| found)
}

fn walk_with(cache: &SeriesCache, body: &[u8]) -> Result<(Found, Vec<Fingerprint>), DecodeError> {
    let tenant = TenantId::anonymous();
    let hasher = cache.hasher(&tenant);
    let (mut found, mut prints) = (Found::default(), Vec::new());
    let (mut batch, mut walk, mut more) = (Batch::default(), Walk::new(body, SAMPLES_MAX), true);
    while more {
        more = walk.next_batch(&hasher, &mut batch, |metadata| {
            found.metadata.push(texts(metadata));
        })?;
        let mut samples = batch.samples.iter();
        for series in &batch.series {
            let raw = RawLabels::read(batch.labels(body, series), series.offset())?;
            let own = samples.by_ref().take(series.samples as usize);
            let own = own.map(|(t, value)| (*t, value.to_bits())).collect();
            found.series.push((raw.to_pairs(), own));
        }
        prints.extend(&batch.fingerprints);
        found.exemplars += batch.exemplars;
        found.histograms += batch.histograms;
    }
    Ok((found, prints))
}

fn texts(raw: RawMetadata<'_>) -> (u64, String, String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (raw.kind, text(raw.family), text(raw.help), text(raw.unit))
}

/// What prost would have the walk find.
fn expected(request: &WriteRequest) -> Found {
    let stored = |s: &&TimeSeries| !s.samples.is_empty() || !s.histograms.is_empty();
    let series = request.timeseries.iter().filter(stored).map(|s| {
        let mut labels: Vec<_> =
            s.labels.iter().map(|l| (l.name.clone(), l.value.clone())).collect();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        (labels, s.samples.iter().map(|s| (s.timestamp, s.value.to_bits())).collect())
    });
    let metadata = request.metadata.iter().map(|m| {
        (i64::from(m.kind).cast_unsigned(), m.family.clone(), m.help.clone(), m.unit.clone())
    });
    Found {
        series: series.collect(),
        metadata: metadata.collect(),
        exemplars: request.timeseries.iter().map(|s| s.exemplars.len() as u64).sum(),
        histograms: request.timeseries.iter().map(|s| s.histograms.len() as u64).sum(),
    }
}

fn label() -> impl Strategy<Value = Label> {
    // From 128 bytes on a length takes a second byte.
    let long = (110..140_usize).prop_map(|n| "é".repeat(n / 2));
    let value = prop_oneof![4 => "\\PC{0,8}", 1 => long];
    ("[a-zé_]{0,6}", value).prop_map(|(name, value)| Label { name, value })
}

fn sample() -> impl Strategy<Value = Sample> {
    let timestamp = prop::sample::select(vec![0, 1, -1, i64::MIN, i64::MAX, 1_700_000_000_000]);
    let timestamp = proptest::strategy::Union::new([timestamp.boxed(), any::<i64>().boxed()]);
    (any::<u64>(), timestamp)
        .prop_map(|(bits, timestamp)| Sample { value: f64::from_bits(bits), timestamp })
}

fn time_series() -> impl Strategy<Value = TimeSeries> {
    (
        prop::collection::vec(label(), 0..8),
        prop::collection::vec(sample(), 0..5),
        0..3_usize,
        0..3_usize,
    )
        .prop_map(|(labels, samples, exemplars, histograms)| TimeSeries {
            labels,
            samples,
            exemplars: vec![Exemplar { value: 1.0, ..Exemplar::default() }; exemplars],
            histograms: vec![Histogram { count: 1, sum: 1.0, schema: 3 }; histograms],
        })
}

fn request() -> impl Strategy<Value = WriteRequest> {
    let metadata = (0..9, "[a-z]{0,9}", "\\PC{0,30}", "[a-z]{0,9}")
        .prop_map(|(kind, family, help, unit)| Metadata { kind, family, help, unit });
    (prop::collection::vec(time_series(), 0..6), prop::collection::vec(metadata, 0..3))
        .prop_map(|(timeseries, metadata)| WriteRequest { timeseries, metadata })
}

proptest! {
    #[test]
    fn the_walk_finds_what_prost_has_written(request in request()) {
        prop_assert_eq!(walk(&request.encode_to_vec()).unwrap(), expected(&request));
    }

    #[test]
    fn fields_in_any_order_mean_the_same(one in time_series(), order in any::<u64>()) {
        let fields = |s: &TimeSeries| {
            let empty = TimeSeries::default;
            let mut fields = Vec::new();
            fields.extend(s.labels.iter().map(|l| TimeSeries { labels: vec![l.clone()], ..empty() }));
            fields.extend(s.samples.iter().map(|x| TimeSeries { samples: vec![*x], ..empty() }));
            fields.extend(
                s.histograms.iter().map(|h| TimeSeries { histograms: vec![*h], ..empty() }),
            );
            fields
        };
        let mut dealt: Vec<_> = fields(&one).iter().map(Message::encode_to_vec).collect();
        let mut rank = 0_u64;
        dealt.sort_by_cached_key(|_| {
            rank += 1;
            rank.wrapping_mul(order | 1)
        });
        let series = dealt.concat();
        let whole = TimeSeries::decode(series.as_slice()).unwrap();
        let mut body = vec![0x0a];
        prost::encoding::encode_varint(series.len() as u64, &mut body);
        body.extend(series);
        let expected = expected(&WriteRequest { timeseries: vec![whole], metadata: vec![] });
        prop_assert_eq!(walk(&body).unwrap(), expected);
    }

    #[test]
    fn bytes_of_any_kind_are_an_answer_not_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        if let Ok(found) = walk(&bytes) {
            prop_assert!(WriteRequest::decode(bytes.as_slice()).is_err() || found.series.len() < 200);
        }
        let mut buffer = Vec::new();
        let inside = decoded_len(&bytes, 1 << 10).and_then(|n| {
            decompress(&bytes, n, &mut buffer).map(<[u8]>::len)
        });
        prop_assert!(inside.is_err() || inside.is_ok_and(|n| n <= 1 << 10));
        prop_assert!(buffer.capacity() <= 1 << 11);
    }

    #[test]
    fn a_damaged_request_is_an_answer_not_a_panic(
        request in request(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = request.encode_to_vec();
        if !body.is_empty() {
            body.truncate(cut.index(body.len()) + 1);
            for (at, byte) in damage {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        // What prost understands the walk understands too, unless prost skips a group.
        let (ours, theirs) = (walk(&body), WriteRequest::decode(body.as_slice()));
        if let (Ok(found), Ok(request)) = (&ours, &theirs) {
            prop_assert_eq!(found, &expected(request));
        }
    }

    #[test]
    fn a_varint_of_one_word_is_the_varint(value in any::<u64>(), bits in 0..64_u32, after in any::<u64>()) {
        let value = value >> bits;
        let mut bytes = Vec::new();
        prost::encoding::encode_varint(value, &mut bytes);
        let len = bytes.len();
        bytes.extend(after.to_le_bytes());
        let word = u64::from_le_bytes(*bytes.first_chunk().unwrap());
        prop_assert_eq!(varint_of_word(word), (len <= 8).then_some((value, len)));
    }
}

#[test]
fn equal_label_bytes_have_equal_fingerprints_wherever_they_stand() {
    let cache = cache();
    let labels = [("__name__", "up"), ("job", "a")];
    let one = WriteRequest { timeseries: vec![series(&labels, &[(1, 1.0)])], metadata: vec![] };
    let mut two = one.clone();
    two.timeseries.insert(0, series(&[("__name__", "up"), ("job", "b")], &[(1, 1.0), (2, 2.0)]));
    let (_, one) = walk_with(&cache, &one.encode_to_vec()).unwrap();
    let (_, two) = walk_with(&cache, &two.encode_to_vec()).unwrap();
    assert_eq!(one[0], two[1]);
    assert_ne!(one[0], two[0]);
}

#[test]
fn tiny_samples_cannot_take_more_memory_than_the_limit_allows() {
    // Two bytes each, eight times that in memory: a million of them in one series, then one each.
    let inside = [0x12_u8, 0x00].repeat(1 << 20);
    let mut one = vec![0x0a];
    prost::encoding::encode_varint(inside.len() as u64, &mut one);
    one.extend(inside);
    let many = [0x0a, 0x02, 0x12, 0x00].repeat(1 << 20);
    for body in [one, many] {
        let (tenant, cache) = (TenantId::anonymous(), cache());
        let (mut batch, mut walk) = (Batch::default(), Walk::new(&body, SAMPLES_MAX));
        let error = loop {
            match walk.next_batch(&cache.hasher(&tenant), &mut batch, |_| ()) {
                Ok(more) => assert!(more, "the limit was not noticed"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, DecodeError::TooManySamples { limit: SAMPLES_MAX });
        assert!(batch.samples.capacity() <= 2 * SAMPLES_MAX, "{}", batch.samples.capacity());
    }
}

#[test]
fn a_recycled_buffer_neither_grows_nor_shows_what_it_held() {
    let (long, short) = (vec![7; 10_000], b"short".to_vec());
    let mut buffer = Vec::new();
    for body in [&long, &short, &long] {
        let compressed = snappy(body);
        let len = decoded_len(&compressed, 10_000).unwrap();
        assert_eq!(decompress(&compressed, len, &mut buffer).unwrap(), body.as_slice());
        assert_eq!(buffer.len(), 10_000);
    }
}

#[test]
fn labels_are_checked_against_the_limits_in_order() {
    let message = series(&[("b", "1"), ("__name__", "up")], &[]);
    let fields = TimeSeries { samples: vec![], ..message }.encode_to_vec();
    let raw = RawLabels::read(&fields, 0).unwrap();
    let mut encoded = vec![1, 2, 3];
    raw.check(&LIMITS).unwrap().encode(&mut encoded);
    assert_eq!(
        model::Labels::from_encoded(&encoded).unwrap().to_string(),
        r#"{__name__="up", b="1"}"#
    );
    let few = LabelLimits { names_per_series_max: 1, ..LIMITS };
    assert_eq!(
        raw.describe(&raw.check(&few).unwrap_err()),
        r#"series has too many labels (actual: 2, limit: 1) series: {__name__="up", b="1"}"#
    );
}
