//! The head by itself: nanoseconds a sample to apply, a series to create, a series to select.
//!
//! Targets: known series ≤ 90 ns a sample, new ones ≤ 1.5 µs, restore of 250,000 series (a quarter
//! of a million-series node) well under a second, selections of 25,000 series a few milliseconds.

use cluster::{FrameBuilder, FrameRef};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ingester::bench::BenchHead;
use model::{Labels, Matcher, SeriesRef, TenantId, TimeRange};
use promql::ast::Grouping;
use promql::source::{SampleBlock, SampleScan, SampleSource, Selection};
use tempfile::TempDir;

const BASE_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 15_000;
const SERIES: u32 = 25_000;
/// Samples a frame: 2,000 a request, over four partitions.
const FRAME_SAMPLES: usize = 500;

fn series(i: u32) -> Labels {
    let (host, metric) = (i / 250, i % 250);
    Labels::from_pairs([
        ("__name__", format!("node_metric_{metric}_total")),
        ("instance", format!("host-{host:04}.example.org:9100")),
        ("job", "node".to_owned()),
        ("cluster", "eu-1".to_owned()),
        ("device", format!("dev{}", metric % 16)),
        ("mode", format!("mode{}", metric % 8)),
        ("env", "production".to_owned()),
        ("run", "a".to_owned()),
    ])
}

/// Constants, counters, smooth and noisy values in equal parts.
fn value(i: u32, tick: u32) -> f64 {
    match i % 4 {
        0 => f64::from(i),
        1 => f64::from(tick * 15 + i),
        2 => f64::from(i * 31 + tick * tick) / 7.0,
        _ => {
            let noise = (u64::from(i) * 0x9e37_79b9 * (u64::from(tick) + 1)) & 0xff_ffff_ffff;
            f64::from_bits(0x4059_0000_0000_0000 | noise)
        }
    }
}

/// The commands of one scrape of all series.
fn scrape(series: &[Labels], tick: u32, is_known: bool) -> Vec<Vec<u8>> {
    let mut builder = FrameBuilder::default();
    let mut commands = Vec::new();
    let numbered: Vec<(u32, &Labels)> = (0..).zip(series).collect();
    for part in numbered.chunks(FRAME_SAMPLES) {
        builder.start(&TenantId::anonymous());
        for (i, labels) in part {
            let series = if is_known {
                FrameRef::Known(SeriesRef(*i))
            } else {
                FrameRef::New(builder.add_series(labels.encoded()))
            };
            builder.push(series, BASE_MS + i64::from(tick) * STEP_MS, value(*i, tick));
        }
        commands.push(BenchHead::command(&builder.finish()));
    }
    commands
}

fn empty() -> (BenchHead, TempDir) {
    let folder = tempfile::tempdir().expect("a folder for the bench");
    (BenchHead::open(folder.path()), folder)
}

fn filled(ticks: u32) -> (BenchHead, TempDir) {
    let all: Vec<Labels> = (0..SERIES).map(series).collect();
    let (mut head, folder) = empty();
    for tick in 0..ticks {
        head.apply(&scrape(&all, tick, tick > 0));
    }
    (head, folder)
}

fn apply(c: &mut Criterion) {
    let all: Vec<Labels> = (0..SERIES).map(series).collect();
    let mut group = c.benchmark_group("head/apply");
    group.sample_size(10).throughput(Throughput::Elements(SERIES.into()));
    let first = scrape(&all, 0, false);
    group.bench_function("new series", |b| {
        let apply = |mut rig: (BenchHead, TempDir)| {
            rig.0.apply(&first);
            rig
        };
        b.iter_batched(empty, apply, BatchSize::PerIteration);
    });
    let (mut head, _folder) = empty();
    head.apply(&first);
    let mut tick = 0;
    group.bench_function("known series", |b| {
        let next = || {
            tick += 1;
            scrape(&all, tick, true)
        };
        b.iter_batched(next, |commands| head.apply(&commands), BatchSize::PerIteration);
    });
    group.finish();
}

fn checkpoint(c: &mut Criterion) {
    let (head, _folder) = filled(60);
    let mut group = c.benchmark_group("head/checkpoint");
    group.sample_size(10).throughput(Throughput::Elements(SERIES.into()));
    group.bench_function("gather all", |b| b.iter(|| head.gather_checkpoint()));
    head.write_checkpoint();
    group.bench_function("restore", |b| b.iter(|| head.restore()));
    group.finish();
}

fn drain(mut scan: Box<dyn SampleScan + '_>) -> usize {
    let (mut block, mut samples) = (SampleBlock::default(), 0);
    while scan.next(65_536, &mut block).expect("the bench's chunks are whole") {
        samples += block.values.len();
    }
    samples
}

fn select(c: &mut Criterion) {
    let ticks = 300;
    let (head, _folder) = filled(ticks);
    let source = head.source();
    let tenant = TenantId::anonymous();
    let now_ms = BASE_MS + i64::from(ticks) * STEP_MS;
    let range = |ms: i64| TimeRange::new(now_ms - ms + 1, now_ms);
    let metric = Matcher::equal("__name__", "node_metric_7_total");
    let host = Matcher::equal("instance", "host-0042.example.org:9100");
    let any = Matcher::new("__name__", model::MatchOp::Regex, "node_metric_.+").expect("valid");
    let (all, one, metric) = ([any], [metric.clone(), host], [metric]);
    let selection = |matchers, range| Selection { tenant: &tenant, matchers, range };
    let newest = |matchers| source.select_newest(&selection(matchers, range(300_000)));
    let samples = |matchers, ms| source.select(&selection(matchers, range(ms)));
    let mut group = c.benchmark_group("head/select");
    group.bench_function("instant, 1 series", |b| b.iter(|| drain(newest(&one).expect("selects"))));
    group.bench_function("instant, 25,000 series", |b| {
        b.iter(|| drain(newest(&all).expect("selects")));
    });
    for (name, matchers, ms) in [
        ("5m, 25,000 series", &all[..], 300_000),
        ("1h, 100 series", &metric, 3_600_000),
        ("1h, 25,000 series", &all, 3_600_000),
    ] {
        group.bench_function(name, |b| b.iter(|| drain(samples(matchers, ms).expect("selects"))));
    }
    group.bench_function("group 25,000 series by instance", |b| {
        let grouping = Grouping { is_without: false, labels: vec!["instance".into()] };
        let scan = newest(&all).expect("selects");
        b.iter(|| scan.groups(&grouping, false).groups.len());
    });
    group.bench_function("roster of 25,000 series", |b| {
        b.iter(|| samples(&all, 1).expect("selects").roster().len());
    });
    group.finish();
}

criterion_group!(benches, apply, checkpoint, select);
criterion_main!(benches);
