//! Fragments and label questions over several heads.

use std::sync::Arc;
use std::time::Duration;

use cluster::FragmentMessage;
use cluster::client::SeriesRequest;
use futures::{StreamExt, TryStreamExt};
use model::{Failure, FailureKind, Labels, Matcher, TenantId, TimeRange};
use promql::ast::{AggregateOp, Grouping};
use promql::fragment::{Fragment, PartialAggregate, RangeFunction, Selector, Window};
use promql::grid::Grid;

use super::*;
use crate::head::tests::{BASE_MS, Rig, labels};

fn host(partition: usize, i: usize) -> Labels {
    let instance = format!("host-{}", i % 3);
    let id = format!("{partition}-{i}");
    labels(&[("__name__", "load"), ("instance", &instance), ("id", &id)])
}

/// Two heads with four series each and `ticks` samples a series.
fn heads(ticks: i64) -> Vec<Arc<Head>> {
    let fill = |partition| {
        let mut rig = Rig::new();
        for tick in 0..ticks {
            let t = BASE_MS + tick * 15_000;
            let sample = |i| (host(partition, i), t, (tick as f64).to_bits());
            rig.write_known(&(0..4).map(sample).collect::<Vec<_>>());
        }
        rig.head
    };
    vec![fill(0), fill(1)]
}

fn fragment(window: Window, aggregate: Option<PartialAggregate>) -> Fragment {
    Fragment {
        tenant: TenantId::anonymous(),
        grid: Grid::instant(BASE_MS + 600_000),
        selector: Selector { matchers: vec![Matcher::equal("__name__", "load")], offset_ms: 0 },
        window,
        maps: Vec::new(),
        aggregate,
    }
}

const LIMITS: QueryLimits = QueryLimits {
    samples_max: 1_000_000,
    bytes_max: 1 << 30,
    timeout: Duration::from_secs(60),
    workers: 2,
};

#[tokio::test]
async fn each_partition_sends_roster_tiles_and_end() {
    let aggregate = PartialAggregate {
        op: AggregateOp::Sum,
        grouping: Grouping { is_without: false, labels: vec!["instance".to_owned()] },
    };
    let window = Window::Instant { lookback_ms: 300_000 };
    let stream = run(heads(41), fragment(window, Some(aggregate)), LIMITS);
    let messages: Vec<FragmentMessage> = stream.try_collect().await.unwrap();
    let picture: Vec<String> = messages
        .iter()
        .map(|message| match message {
            FragmentMessage::Roster { roster, .. } => format!("roster {:?}", roster.series),
            FragmentMessage::Tile { tile, .. } => format!("tile of {} rows", tile.num_rows()),
            FragmentMessage::End { samples_read, .. } => format!("end, {samples_read} read"),
        })
        .collect();
    let of_one = [
        r#"roster [{instance="host-0"}, {instance="host-1"}, {instance="host-2"}]"#,
        "tile of 3 rows",
        "end, 4 read",
    ];
    let mut expected: Vec<&str> = of_one.iter().chain(&of_one).copied().collect();
    let mut picture: Vec<&str> = picture.iter().map(String::as_str).collect();
    expected.sort_unstable();
    picture.sort_unstable();
    assert_eq!(picture, expected);
}

async fn last_message(limits: QueryLimits) -> Result<FragmentMessage, Failure> {
    let window = Window::Range { function: RangeFunction::Rate, range_ms: 600_000 };
    let messages: Vec<_> = run(heads(41), fragment(window, None), limits).collect().await;
    messages.into_iter().find(Result::is_err).expect("a limit is exceeded")
}

#[tokio::test]
async fn limits_end_the_stream_with_a_failure() {
    let samples = last_message(QueryLimits { samples_max: 100, ..LIMITS }).await.unwrap_err();
    assert_eq!((samples.kind, samples.id), (FailureKind::Execution, "err-varve-query-samples"));
    let timeout = QueryLimits { timeout: Duration::ZERO, ..LIMITS };
    let timeout = last_message(timeout).await.unwrap_err();
    assert_eq!(timeout.kind, FailureKind::Timeout);
}

#[tokio::test]
async fn work_ends_when_nobody_listens() {
    let heads = heads(41);
    let weak: Vec<_> = heads.iter().map(Arc::downgrade).collect();
    let window = Window::Range { function: RangeFunction::Rate, range_ms: 600_000 };
    drop(run(heads, fragment(window, None), LIMITS));
    while weak.iter().any(|head| head.strong_count() > 0) {
        tokio::task::yield_now().await;
    }
}

fn request(matcher_sets: Vec<Vec<Matcher>>, range: TimeRange) -> SeriesRequest {
    SeriesRequest { tenant: TenantId::anonymous(), matcher_sets, range, limit: 0 }
}

#[test]
fn label_questions_are_sorted_deduplicated_and_limited() {
    let heads = heads(2);
    let all = request(Vec::new(), TimeRange::ALL);
    assert_eq!(label_names(&heads, &all), ["__name__", "id", "instance"]);
    assert_eq!(label_values(&heads, "instance", &all), ["host-0", "host-1", "host-2"]);
    assert_eq!(label_values(&heads, "nope", &all), Vec::<String>::new());
    assert_eq!(series(&heads, &all).len(), 8);
    let two = SeriesRequest { limit: 2, ..all.clone() };
    assert_eq!(label_values(&heads, "id", &two), ["0-0", "0-1"]);
    assert_eq!(series(&heads, &two).len(), 2);

    let sets = vec![
        vec![Matcher::equal("id", "0-1")],
        vec![Matcher::equal("id", "1-2"), Matcher::equal("instance", "host-2")],
        vec![Matcher::equal("id", "0-1")],
    ];
    let some = request(sets, TimeRange::ALL);
    assert_eq!(series(&heads, &some), [host(0, 1), host(1, 2)]);
    assert_eq!(label_values(&heads, "instance", &some), ["host-1", "host-2"]);
    assert_eq!(label_names(&heads, &some), ["__name__", "id", "instance"]);

    for range in
        [TimeRange::new(0, BASE_MS - 86_400_000), TimeRange::new(BASE_MS + 60_000, i64::MAX)]
    {
        let none = request(Vec::new(), range);
        assert_eq!(series(&heads, &none), []);
        assert_eq!(label_names(&heads, &none), Vec::<String>::new());
        assert_eq!(label_values(&heads, "id", &none), Vec::<String>::new());
    }
}

#[test]
fn a_scrape_is_seen_whole_or_not_at_all() {
    let mut rig = Rig::new();
    let series: Vec<Labels> = (0..700).map(|i| host(0, i)).collect();
    let head = Arc::clone(&rig.head);
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for tick in 0..400_i64 {
                let t = BASE_MS + tick * 15_000;
                let sample = |labels: &Labels| (labels.clone(), t, tick.cast_unsigned());
                rig.write_known(&series.iter().map(sample).collect::<Vec<_>>());
                if tick % 50 == 49 {
                    rig.checkpoint();
                }
            }
        });
        while !writer.is_finished() {
            let content = crate::head::tests::read(&head, &[], TimeRange::ALL);
            let counts: std::collections::BTreeSet<usize> =
                content.values().map(std::collections::BTreeMap::len).collect();
            assert!(counts.len() <= 1, "{counts:?}");
        }
    });
}
