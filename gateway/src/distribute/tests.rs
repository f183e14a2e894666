//! The distributor over partitions in memory: what is sent, learned, sent again, and told.

use prost::Message;

use super::*;
use crate::partitions::Partitions;
use crate::request::{WriteRequest, series};

const LIMITS: LabelLimits =
    LabelLimits { names_per_series_max: 64, name_bytes_max: 1_024, value_bytes_max: 2_048 };

struct Bench {
    partitions: Arc<Partitions>,
    distributor: Distributor,
    frames: Frames,
}

impl Bench {
    fn new(partitions: u32) -> Self {
        let partitions = Partitions::new(partitions);
        let client = Arc::<Partitions>::clone(&partitions);
        let metrics = Arc::new(GatewayMetrics::default());
        let distributor = Distributor::new(client, 1_000_000, LIMITS, 1 << 21, metrics);
        Self { partitions, distributor, frames: Frames::default() }
    }

    async fn write(&mut self, request: &WriteRequest) -> Result<Verdict, WriteError> {
        let body = request.encode_to_vec();
        let mut reserve = |_| Ok(());
        self.distributor.write(&TenantId::anonymous(), &body, &mut self.frames, &mut reserve).await
    }

    /// Frames and labels that were sent since the last call.
    fn traffic_since(&self, before: (usize, usize)) -> (usize, usize) {
        let now = self.partitions.traffic();
        (now.0 - before.0, now.1 - before.1)
    }
}

/// One sample of each of `n` series at `t`.
fn scrape(n: usize, t: i64) -> WriteRequest {
    let one = |i: usize| {
        let instance = format!("host-{i}");
        series(&[("__name__", "up"), ("instance", &instance)], &[(t, i as f64)])
    };
    WriteRequest { timeseries: (0..n).map(one).collect(), metadata: vec![] }
}

#[tokio::test]
async fn known_series_are_sent_without_labels_and_stored_as_the_same() {
    let mut bench = Bench::new(4);
    for t in 1..=3 {
        let before = bench.partitions.traffic();
        let verdict = bench.write(&scrape(1_500, t)).await.unwrap();
        assert_eq!(verdict, Verdict { samples: 1_500, refusals: Refusals::default() });
        let labels = if t == 1 { 1_500 } else { 0 };
        assert_eq!(bench.traffic_since(before), (4, labels), "at {t}");
    }
    let mut expected: Vec<_> = (0..1_500_u32)
        .flat_map(|i| (1..=3).map(move |t| (i, t)))
        .map(|(i, t)| {
            let series = format!("anonymous {{__name__=\"up\", instance=\"host-{i}\"}}");
            (series, t, f64::from(i).to_bits())
        })
        .collect();
    expected.sort();
    assert_eq!(bench.partitions.stored(), expected);
}

#[tokio::test]
async fn a_partition_that_has_lost_its_refs_gets_the_labels_once_more() {
    let mut bench = Bench::new(2);
    bench.write(&scrape(100, 1)).await.unwrap();
    bench.partitions.lose_refs();
    let before = bench.partitions.traffic();
    let verdict = bench.write(&scrape(100, 2)).await.unwrap();
    assert_eq!(verdict.refusals, Refusals::default());
    assert_eq!(bench.traffic_since(before), (4, 100), "each partition twice, labels once");
    let before = bench.partitions.traffic();
    bench.write(&scrape(100, 3)).await.unwrap();
    assert_eq!(bench.traffic_since(before), (2, 0), "the new refs are known");
    assert_eq!(bench.partitions.stored().len(), 300);
}

#[tokio::test]
async fn series_follow_their_slots_when_those_move() {
    let mut bench = Bench::new(2);
    bench.write(&scrape(100, 1)).await.unwrap();
    bench.partitions.reroute(2, 8);
    let before = bench.partitions.traffic();
    bench.write(&scrape(100, 2)).await.unwrap();
    assert_eq!(bench.traffic_since(before), (8, 100));
    assert_eq!(bench.partitions.stored().len(), 200);
}

#[tokio::test]
async fn a_huge_series_is_cut_into_frames_in_its_own_order() {
    let mut bench = Bench::new(4);
    let samples: Vec<_> = (0..300_000).map(|t| (t, t as f64)).collect();
    let request = WriteRequest {
        timeseries: vec![series(&[("__name__", "up")], &samples)],
        metadata: vec![],
    };
    let verdict = bench.write(&request).await.unwrap();
    assert_eq!(verdict, Verdict { samples: 300_000, refusals: Refusals::default() });
    let (frames, labels) = bench.partitions.traffic();
    assert!((5..=12).contains(&frames), "{frames} frames of about 1 MiB");
    assert_eq!(frames, labels, "each frame has the labels, since none was acknowledged before");
    assert_eq!(bench.partitions.stored().len(), 300_000);
    bench.write(&request).await.unwrap();
    assert_eq!(bench.partitions.traffic().1, labels, "now it is known");
}

#[tokio::test]
async fn the_same_new_series_twice_in_a_request_is_one_series() {
    let mut bench = Bench::new(1);
    let twice = [(1, 1.0), (2, 2.0)].map(|sample| series(&[("__name__", "up")], &[sample]));
    let request = WriteRequest { timeseries: twice.to_vec(), metadata: vec![] };
    bench.write(&request).await.unwrap();
    bench.write(&request).await.unwrap();
    let up = "anonymous {__name__=\"up\"}".to_owned();
    let stored = [(up.clone(), 1, 1_f64.to_bits()), (up, 2, 2_f64.to_bits())];
    assert_eq!(bench.partitions.stored(), stored);
}

#[tokio::test]
async fn one_failing_partition_fails_the_request_and_the_others_still_store() {
    let mut bench = Bench::new(4);
    bench.partitions.fail(2, FailureKind::Unavailable, "no leader");
    let error = bench.write(&scrape(400, 1)).await.unwrap_err();
    assert!(error.failure().is_retryable());
    let stored = bench.partitions.stored().len();
    assert!((200..400).contains(&stored), "{stored} of 400 samples belong to three of four");
}

#[tokio::test]
async fn a_retryable_failure_comes_before_one_that_is_not() {
    let mut bench = Bench::new(4);
    bench.partitions.fail(0, FailureKind::Internal, "a bug");
    bench.partitions.fail(3, FailureKind::Unavailable, "no leader");
    let error = bench.write(&scrape(400, 1)).await.unwrap_err();
    assert_eq!(error.to_string(), "no leader");
}

#[tokio::test]
async fn routes_without_partitions_are_a_reason_to_retry() {
    let mut bench = Bench::new(1);
    bench.partitions.reroute(2, 0);
    let error = bench.write(&scrape(1, 1)).await.unwrap_err();
    assert!(error.failure().is_retryable(), "{error}");
}

#[tokio::test]
async fn metadata_reaches_one_partition() {
    let mut bench = Bench::new(4);
    let metadata = crate::request::Metadata {
        kind: 1,
        family: "http_requests".to_owned(),
        help: "Requests.".to_owned(),
        unit: String::new(),
    };
    let request = WriteRequest { timeseries: vec![], metadata: vec![metadata] };
    bench.write(&request).await.unwrap();
    assert_eq!(bench.partitions.traffic().0, 1);
    let stored = bench.partitions.stored_metadata();
    assert_eq!(stored.len(), 1);
    assert_eq!((stored[0].family.as_str(), stored[0].kind), ("http_requests", "counter"));
}

#[tokio::test]
async fn buffers_are_used_again() {
    let mut bench = Bench::new(4);
    bench.write(&scrape(2_000, 1)).await.unwrap();
    bench.write(&scrape(2_000, 2)).await.unwrap();
    let kept = bench.frames.kept_bytes();
    for t in 3..20 {
        bench.write(&scrape(2_000, t)).await.unwrap();
        assert_eq!(bench.frames.kept_bytes(), kept, "at {t}");
    }
}
