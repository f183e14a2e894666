//! What becomes of each kind of sample, one by one.

use cluster::RejectReason::{DuplicateTimestamp, TooOld, UnknownRef};
use expect_test::expect;
use model::MatchOp;
use model::sample::{NORMAL_NAN_BITS, STALE_NAN_BITS};

use super::*;

const MINUTE_MS: i64 = 60_000;

fn up() -> Labels {
    labels(&[("__name__", "up"), ("job", "a")])
}

/// Counts of accepted, duplicate and refused samples, with the reason of the latter.
fn outcome(applied: &AppliedFrame) -> (u32, u32, Option<cluster::RejectReason>) {
    (applied.accepted, applied.duplicates, applied.first_rejection.map(|first| first.reason))
}

#[test]
fn each_kind_of_sample_has_its_fate() {
    let mut rig = Rig::new();
    let at = |minute: i64, bits: u64| (up(), BASE_MS + minute * MINUTE_MS, bits);
    for (minute, bits, expected, why) in [
        (300, 1, (1, 0, None), "the first"),
        (300, 1, (0, 1, None), "a retry"),
        (300, 2, (0, 0, Some(DuplicateTimestamp)), "another value"),
        (301, STALE_NAN_BITS, (1, 0, None), "a stale marker"),
        (301, NORMAL_NAN_BITS, (0, 0, Some(DuplicateTimestamp)), "NaNs differ by their bits"),
        (303, 0, (1, 0, None), "a gap"),
        (302, 7, (1, 0, None), "late"),
        (302, 7, (0, 1, None), "late, again"),
        (302, 8, (0, 0, Some(DuplicateTimestamp)), "late, another value"),
        (301, STALE_NAN_BITS, (0, 1, None), "a late retry of what came in order"),
        (183, 1, (1, 0, None), "two hours late"),
        (182, 1, (0, 0, Some(TooOld)), "more than two hours late"),
        (303, (-0.0_f64).to_bits(), (0, 0, Some(DuplicateTimestamp)), "zeros have signs"),
    ] {
        assert_eq!(outcome(&rig.write(&[at(minute, bits)])), expected, "{why}");
    }
    assert_eq!(rig.head.stats().series, 1);
}

#[test]
fn late_samples_meet_sealed_ones() {
    let mut rig = Rig::new();
    let sample = |second: i64| (up(), BASE_MS + second * 1000, second.cast_unsigned());
    for second in (0..1000).step_by(2) {
        rig.write_known(&[sample(second)]);
    }
    rig.checkpoint();
    for second in [0, 100, 239, 240, 500, 998] {
        let expected = if second % 2 == 0 { (0, 1, None) } else { (1, 0, None) };
        assert_eq!(outcome(&rig.write_known(&[sample(second)])), expected, "{second}");
    }
    for second in (1..999).step_by(2) {
        rig.write_known(&[sample(second)]);
    }
    rig.checkpoint();
    for second in 0..999 {
        assert_eq!(outcome(&rig.write_known(&[sample(second)])), (0, 1, None), "{second}");
        let (labels, t, bits) = sample(second);
        let conflict = rig.write_known(&[(labels, t, bits + 1)]);
        assert_eq!(outcome(&conflict).2, Some(DuplicateTimestamp), "{second}");
    }
    let content = rig.read(&[], TimeRange::ALL);
    assert_eq!(content[&up()].len(), 999);
}

#[test]
fn refs_are_found_again_and_unknown_ones_refused() {
    let mut rig = Rig::new();
    let a = rig.write(&[(up(), BASE_MS, 1)]);
    let b = rig.write(&[(up(), BASE_MS + 1, 1), (labels(&[("x", "y")]), BASE_MS + 1, 1)]);
    assert_eq!(a.new_refs, [SeriesRef(0)]);
    assert_eq!(b.new_refs, [SeriesRef(0), SeriesRef(1)]);
    rig.refs.insert(labels(&[("z", "z")]), SeriesRef(2));
    let c = rig.write_known(&[(up(), BASE_MS + 2, 1), (labels(&[("z", "z")]), BASE_MS + 2, 1)]);
    assert_eq!((c.accepted, c.rejected.clone()), (1, vec![(UnknownRef, 1)]));
    assert_eq!(c.first_rejection.unwrap().sample, 1);
    let text = c.into_ack(|series| rig.head.labels(series)).first_rejection.unwrap();
    expect!["unknown series ref 2, timestamp 1699920000002"].assert_eq(&text);
    let conflict = rig.write(&[(up(), BASE_MS + 2, 9)]);
    let text = conflict.into_ack(|series| rig.head.labels(series)).first_rejection.unwrap();
    expect![[r#"duplicate sample for timestamp with another value for series {__name__="up", job="a"}, timestamp 1699920000002"#]]
    .assert_eq(&text);
}

#[test]
fn matchers_select_as_prometheus_selects() {
    let mut rig = Rig::new();
    let series = [
        labels(&[("__name__", "a"), ("i", "1")]),
        labels(&[("__name__", "a"), ("i", "2")]),
        labels(&[("__name__", "a"), ("i", "2.5")]),
        labels(&[("__name__", "b"), ("i", "\n")]),
        labels(&[("__name__", "b")]),
    ];
    let samples: Vec<Write> = series.iter().map(|labels| (labels.clone(), BASE_MS, 1)).collect();
    rig.write(&samples);
    // Another tenant's series are never found.
    let mut builder = FrameBuilder::default();
    builder.start(&TenantId::new("other").unwrap());
    let new = builder.add_series(series[0].encoded());
    builder.push(FrameRef::New(new), BASE_MS, 1.0);
    rig.apply(frames(&[&builder.finish()]));
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    for (matchers, expected) in [
        (&[][..], &[0, 1, 2, 3, 4][..]),
        (&[("__name__", Equal, "a")], &[0, 1, 2]),
        (&[("__name__", NotEqual, "a")], &[3, 4]),
        (&[("__name__", Equal, "a"), ("i", Equal, "2")], &[1]),
        (&[("__name__", Equal, "a"), ("i", NotEqual, "2")], &[0, 2]),
        (&[("i", Equal, "")], &[4]),
        (&[("i", NotEqual, "")], &[0, 1, 2, 3]),
        (&[("i", Regex, "")], &[4]),
        (&[("i", Regex, ".*")], &[0, 1, 2, 3, 4]),
        (&[("i", Regex, ".+")], &[0, 1, 2, 3]),
        (&[("i", Regex, "2.*")], &[1, 2]),
        (&[("i", Regex, "1|2")], &[0, 1]),
        (&[("i", Regex, "1|")], &[0, 4]),
        (&[("i", NotRegex, "1|2")], &[2, 3, 4]),
        (&[("i", NotRegex, ".+")], &[4]),
        (&[("nope", Equal, "")], &[0, 1, 2, 3, 4]),
        (&[("nope", NotEqual, "x")], &[0, 1, 2, 3, 4]),
        (&[("nope", Equal, "x")], &[]),
        (&[("__name__", Regex, "a|b"), ("i", Regex, "[12]")], &[0, 1]),
        (&[("__name__", Equal, "nope"), ("i", Equal, "1")], &[]),
    ] {
        let built: Vec<Matcher> = matchers
            .iter()
            .map(|(name, op, value)| Matcher::new(name, *op, value).unwrap())
            .collect();
        let found: Vec<Labels> = rig.read(&built, TimeRange::ALL).into_keys().collect();
        let mut wanted: Vec<Labels> = expected.iter().map(|i: &usize| series[*i].clone()).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{built:?}");
    }
}

#[test]
fn a_payload_that_is_no_command_changes_nothing() {
    let mut rig = Rig::new();
    rig.write(&[(up(), BASE_MS, 1)]);
    let before = rig.read(&[], TimeRange::ALL);
    for payload in [&[][..], &[1], &[1, 1], &[1, 1, 1, 0, 9, 0, 0, 0], &[1, 9, 0], &[2, 1, 0, 0]] {
        assert_eq!(rig.apply(payload.to_vec()), []);
    }
    assert_eq!(rig.read(&[], TimeRange::ALL), before);
}

#[test]
fn the_last_writer_of_metadata_wins() {
    let mut rig = Rig::new();
    for help in ["old", "new"] {
        let record = MetadataRecord { kind: 1, family: "up", help, unit: "s" };
        rig.apply(metadata_frame(&record));
        rig.checkpoint();
    }
    rig.crash();
    let state = rig.head.read();
    let tenant = state.index.find_tenant("anonymous").unwrap();
    let list = state.metadata.list(tenant, None);
    assert_eq!(state.metadata.list(tenant, Some("up")), list);
    assert_eq!(state.metadata.list(tenant, Some("u")), []);
    expect![[r#"[FamilyMetadata { family: "up", kind: "counter", help: "new", unit: "s" }]"#]]
        .assert_eq(&format!("{list:?}"));
}

#[test]
fn a_damaged_chunk_fails_the_queries_that_need_it_and_no_others() {
    let mut rig = Rig::new();
    for i in 0..240 {
        let t = BASE_MS + i * MINUTE_MS;
        rig.write_known(&[(up(), t, 1), (labels(&[("x", "y")]), t, 1)]);
    }
    rig.checkpoint();
    let key = ChunkKey { hour: window_hour(BASE_MS), series: 0, first_ms: BASE_MS };
    let key = key.encode(STID);
    let mut value = rig.store.get(Column::Chunks, &key).unwrap().unwrap();
    let middle = value.len() / 2;
    value[middle] ^= 1;
    let mut batch = rig.store.batch();
    batch.put(Column::Chunks, &key, &value);
    rig.store.write(batch).unwrap();

    let tenant = TenantId::anonymous();
    let select = |matchers: &[Matcher], range| {
        let source = HeadSource(&rig.head);
        let mut scan = source.select(&Selection { tenant: &tenant, matchers, range }).unwrap();
        scan.next(1000, &mut SampleBlock::default())
    };
    let error = select(&[], TimeRange::ALL).unwrap_err().failure;
    assert_eq!(error.kind, model::FailureKind::Corrupt);
    expect![[r#"partition 3, series {__name__="up", job="a"}: the chunk that begins at 1699920000000 ms is damaged on disk; queries outside the two hours from hour 472200 on are not affected"#]]
    .assert_eq(&error.message);
    assert!(select(&[Matcher::equal("x", "y")], TimeRange::ALL).unwrap());
    let later = TimeRange::new(BASE_MS + 120 * MINUTE_MS, i64::MAX);
    assert!(select(&[], later).unwrap());
}
