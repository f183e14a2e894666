//! The head by itself: nanoseconds a sample to apply, a series to create, a series to select.
//!
//! Targets: known series ≤ 90 ns a sample, new ones ≤ 1.5 µs, restore of 250,000 series (a quarter
//! of a million-series node) well under a second, selections of 25,000 series a few milliseconds.
//!
//! The head is private to its crate, so its sources are compiled into this bench.

#![expect(dead_code, unused_imports, clippy::print_stderr, reason = "the bench uses a part of what it compiles in")]

#[path = "../src/head.rs"]
mod head;
#[path = "../src/machine.rs"]
mod machine;
#[path = "../src/select.rs"]
mod select;
#[path = "../src/storage.rs"]
mod storage;

use std::hint::black_box;
use std::sync::Arc;

use cluster::{FrameBuilder, FrameRef};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use model::{Labels, Matcher, PartitionId, SeriesRef, TenantId, TimeRange};
use promql::ast::Grouping;
use promql::source::{SampleBlock, SampleScan, SampleSource, Selection};

use head::{Head, encode_frames};
use machine::Machine;
use select::HeadSource;
use storage::StateStore;
use storage::rocks::{BlockCache, RocksState};
use tempfile::TempDir;

const BASE_MS: i64 = 1_700_000_000_000;
const SERIES: usize = 25_000;
/// Samples a frame: 2,000 a request, over four partitions.
const FRAME_SAMPLES: usize = 500;

fn series(i: usize) -> Labels {
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

fn value(i: usize, tick: usize) -> f64 {
    match i % 4 {
        0 => i as f64,
        1 => (tick * 15 + i) as f64,
        2 => (i * 31 + tick * tick) as f64 / 7.0,
        _ => f64::from_bits(0x4059_0000_0000_0000 | (i as u64 * 0x9e37_79b9 * (tick as u64 + 1)) & 0xff_ffff_ffff),
    }
}

/// The commands of one scrape of all series.
fn tick(series: &[Labels], tick: usize, known: bool) -> Vec<Vec<u8>> {
    let mut builder = FrameBuilder::default();
    let mut commands = Vec::new();
    for (n, part) in series.chunks(FRAME_SAMPLES).enumerate() {
        builder.start(&TenantId::anonymous());
        for (i, labels) in part.iter().enumerate() {
            let i = n * FRAME_SAMPLES + i;
            let at = if known {
                FrameRef::Known(SeriesRef(i as u32))
            } else {
                FrameRef::New(builder.add_series(labels.encoded()))
            };
            builder.push(at, BASE_MS + tick as i64 * 15_000, value(i, tick));
        }
        let mut command = Vec::new();
        encode_frames([&builder.finish()[..]].into_iter(), &mut command);
        commands.push(command);
    }
    commands
}

/// A state store of its own, and the folder that goes with it.
fn empty_store() -> (Arc<dyn StateStore>, TempDir) {
    let folder = tempfile::tempdir().expect("a folder for the bench");
    let store = RocksState::open(folder.path(), &BlockCache::new()).expect("an empty folder opens");
    (Arc::new(store), folder)
}

fn restore(store: &Arc<dyn StateStore>) -> Head {
    Head::restore(PartitionId(0), 1, Arc::clone(store)).expect("what was written restores")
}

fn empty() -> (Head, Arc<dyn StateStore>, TempDir) {
    let (store, folder) = empty_store();
    (restore(&store), store, folder)
}

fn apply_all(head: &Head, index: &mut u64, commands: &[Vec<u8>]) {
    for command in commands {
        *index += 1;
        black_box(head.apply(*index, command));
    }
}

fn apply(c: &mut Criterion) {
    let all: Vec<Labels> = (0..SERIES).map(series).collect();
    let mut group = c.benchmark_group("head/apply");
    group.sample_size(10).throughput(Throughput::Elements(SERIES as u64));
    let first = tick(&all, 0, false);
    group.bench_function("new series", |b| {
        b.iter_batched(
            empty,
            |rig| {
                apply_all(&rig.0, &mut 0, &first);
                rig
            },
            BatchSize::PerIteration,
        );
    });
    let (head, _store, _folder) = empty();
    let (mut index, mut next) = (0, 1);
    apply_all(&head, &mut index, &first);
    group.bench_function("known series", |b| {
        b.iter_batched(
            || {
                next += 1;
                tick(&all, next, true)
            },
            |commands| apply_all(&head, &mut index, &commands),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn filled(ticks: usize) -> (Head, Arc<dyn StateStore>, TempDir) {
    let all: Vec<Labels> = (0..SERIES).map(series).collect();
    let (head, store, folder) = empty();
    let mut index = 0;
    for t in 0..ticks {
        apply_all(&head, &mut index, &tick(&all, t, t > 0));
    }
    (head, store, folder)
}

fn checkpoint(c: &mut Criterion) {
    let (head, store, _folder) = filled(60);
    for ticks in [8, 60] {
        let bytes = filled(ticks).0.heap_bytes() / SERIES;
        eprintln!("head: {bytes} bytes a series at {ticks} samples");
    }
    let mut group = c.benchmark_group("head/checkpoint");
    group.sample_size(10).throughput(Throughput::Elements(SERIES as u64));
    group.bench_function("write all", |b| {
        b.iter(|| {
            let mut batch = store.batch();
            head.checkpoint(&mut batch);
            batch
        });
    });
    let mut batch = store.batch();
    head.checkpoint(&mut batch);
    store.write(batch).expect("the folder takes it");
    store.flush().expect("the folder takes it");
    group.bench_function("restore", |b| {
        b.iter(|| restore(&store));
    });
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
    let (head, _store, _folder) = filled(300);
    let source = HeadSource(&head);
    let tenant = TenantId::anonymous();
    let now_ms = BASE_MS + 300 * 15_000;
    let range = |ms: i64| TimeRange::new(now_ms - ms + 1, now_ms);
    let all = [Matcher::new("__name__", model::MatchOp::Regex, "node_metric_.+").expect("valid")];
    let one = [Matcher::equal("__name__", "node_metric_7_total"), Matcher::equal("instance", "host-0042.example.org:9100")];
    let metric = [Matcher::equal("__name__", "node_metric_7_total")];
    let selection = |matchers, range| Selection { tenant: &tenant, matchers, range };
    let mut group = c.benchmark_group("head/select");
    group.bench_function("instant, 1 series", |b| {
        b.iter(|| drain(source.select_newest(&selection(&one, range(300_000))).expect("selects")));
    });
    group.bench_function("instant, 25,000 series", |b| {
        b.iter(|| drain(source.select_newest(&selection(&all, range(300_000))).expect("selects")));
    });
    group.bench_function("5m, 25,000 series", |b| {
        b.iter(|| drain(source.select(&selection(&all, range(300_000))).expect("selects")));
    });
    group.bench_function("1h, 100 series", |b| {
        b.iter(|| drain(source.select(&selection(&metric, range(3_600_000))).expect("selects")));
    });
    group.bench_function("1h, 25,000 series", |b| {
        b.iter(|| drain(source.select(&selection(&all, range(3_600_000))).expect("selects")));
    });
    group.bench_function("group 25,000 series by instance", |b| {
        let grouping = Grouping { is_without: false, labels: vec!["instance".into()] };
        let scan = source.select_newest(&selection(&all, range(300_000))).expect("selects");
        b.iter(|| scan.groups(&grouping, false).groups.len());
    });
    group.bench_function("roster of 25,000 series", |b| {
        b.iter(|| source.select(&selection(&all, range(1))).expect("selects").roster().len());
    });
    group.finish();
}

criterion_group!(benches, apply, checkpoint, select);
criterion_main!(benches);
