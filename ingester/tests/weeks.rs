//! Eight weeks in half a minute: memory and disk of a node follow what it keeps, not what ever was.
//!
//! Everything is real, the Raft log, the checkpoints, the state store and retention; only the clock
//! is driven. Every day a tenth of the fleet is replaced, as deployments do.

#![expect(clippy::print_stdout, reason = "the figures of each day belong into the test's output")]
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chassis::{Context, Readiness};
use cluster::client::SeriesRequest;
use cluster::{FrameBuilder, FrameRef, IngesterClient};
use futures::future::join_all;
use ingester::{Config, Ingester};
use model::clock::ManualClock;
use model::{Labels, PartitionId, SeriesRef, TenantId, TimeRange, TimestampMs};

const START_MS: TimestampMs = 1_699_920_000_000;
const HOUR_MS: i64 = 3_600_000;
const SCRAPE_MS: i64 = 300_000;
const DAYS: i64 = 56;
const KEPT_DAYS: u32 = 7;
const FLEET: u32 = 1_000;
/// Every how many days an instance is replaced.
const LIFE_DAYS: i64 = 10;
const PARTITIONS: u32 = 4;
/// The fleet and a tenth of it for each kept day, of which the first and the last are cut.
const ALIVE_MAX: usize = (FLEET * (10 + KEPT_DAYS + 2) / 10) as usize;

/// What one partition's sender knows.
struct Sender {
    partition: PartitionId,
    /// Of each instance the generation that runs, and the ref of its series.
    known: Vec<(i64, Option<SeriesRef>)>,
}

/// Bytes that the node holds at some moment.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    memory: u64,
    /// The Raft log, which checkpoints cut.
    log: u64,
    /// Checkpoints and sealed chunks, which retention cuts.
    state: u64,
}

// === impl Sender ===

impl Sender {
    fn new(partition: u32) -> Self {
        let instances = FLEET / PARTITIONS;
        Self { partition: PartitionId(partition), known: vec![(-1, None); instances as usize] }
    }

    /// Sends an hour of scrapes that begins at `from_ms`.
    async fn send(&mut self, node: &Ingester, from_ms: TimestampMs) {
        let day = (from_ms - START_MS) / (24 * HOUR_MS);
        let mut builder = FrameBuilder::default();
        builder.start(&TenantId::anonymous());
        let mut refs = Vec::with_capacity(self.known.len());
        let mut new: Vec<usize> = Vec::new();
        for (place, (instance, (generation, series))) in (0_i64..).zip(&mut self.known).enumerate()
        {
            let now = (day + instance).div_euclid(LIFE_DAYS);
            if *generation != now {
                (*generation, *series) = (now, None);
            }
            refs.push(series.map_or_else(
                || {
                    let host = format!("host-{}-{instance}-{now}", self.partition.0);
                    let labels = [("__name__", "requests_total"), ("instance", &*host)];
                    new.push(place);
                    FrameRef::New(builder.add_series(Labels::from_pairs(labels).encoded()))
                },
                FrameRef::Known,
            ));
        }
        for scrape in 0..HOUR_MS / SCRAPE_MS {
            let t = from_ms + scrape * SCRAPE_MS;
            for (instance, series) in (0_i64..).zip(&refs) {
                builder.push(*series, t, ((t - START_MS) / 1_000 * (instance % 7)) as f64);
            }
        }
        let frame = builder.finish();
        let generation = node.routes().current().partitions[self.partition.0 as usize].generation;
        let ack = loop {
            match node.append(self.partition, generation, frame.clone()).await {
                Ok(ack) => break ack,
                Err(failure) => assert!(failure.is_retryable(), "{failure}"),
            }
        };
        assert_eq!(u64::from(ack.accepted), refs.len() as u64 * (HOUR_MS / SCRAPE_MS) as u64);
        for (place, series) in new.into_iter().zip(ack.new_refs) {
            self.known[place].1 = Some(series);
        }
    }
}

// === impl Held ===

impl Held {
    fn now(folder: &Path) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let [log, state] = ["raft", "state"].map(|name| disk_bytes(&folder.join(name)));
        Self { memory: kib << 10, log, state }
    }

    fn max(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            log: self.log.max(other.log),
            state: self.state.max(other.state),
        }
    }
}

fn disk_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    // A file may be gone by the time it is looked at.
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

async fn start(folder: &Path, clock: &Arc<ManualClock>) -> (Context, Arc<Ingester>) {
    let context = Context::new(Arc::<ManualClock>::clone(clock));
    let config = Config {
        partitions: PARTITIONS,
        checkpoint_log_bytes: 1 << 20,
        retention_time: Duration::from_hours(24) * KEPT_DAYS,
        ..Config::default()
    };
    let node = Ingester::start(config, &context, folder, Readiness::new()).await.unwrap();
    (context, node)
}

async fn living_series(node: &Ingester) -> usize {
    let request = SeriesRequest {
        tenant: TenantId::anonymous(),
        matcher_sets: Vec::new(),
        range: TimeRange::ALL,
        limit: 0,
    };
    node.series(request).await.unwrap().len()
}

/// Waits for retention, which looks once a second, a time in which weeks pass here: of all instances
/// only those that run and those of what is kept are left.
async fn retention_caught_up(node: &Ingester) {
    let caught_up = async {
        while living_series(node).await > ALIVE_MAX {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), caught_up).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_weeks_of_churn_leave_memory_and_disk_flat() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START_MS));
    let (context, node) = start(folder.path(), &clock).await;
    let mut senders: Vec<Sender> = (0..PARTITIONS).map(Sender::new).collect();
    let mut weeks: Vec<Held> = Vec::new();
    for hour in 0..DAYS * 24 {
        let from_ms = START_MS + hour * HOUR_MS;
        clock.set(from_ms + HOUR_MS);
        join_all(senders.iter_mut().map(|sender| sender.send(&node, from_ms))).await;
        let held = Held::now(folder.path());
        if hour % (7 * 24) == 0 {
            weeks.push(Held::default());
            println!("day {}: {held:?}, {} series", hour / 24, living_series(&node).await);
        }
        if let Some(week) = weeks.last_mut() {
            *week = week.max(held);
        }
        if hour % (4 * 24) == 0 {
            retention_caught_up(&node).await;
        }
    }
    println!("peaks of each week: {weeks:?}");
    let (early, late) = (weeks[2].max(weeks[3]), weeks[6].max(weeks[7]));
    // Growth would show as × 2. Files come and go with compactions, hence their greater tolerance.
    for (name, early, late, ratio_max) in [
        ("memory", early.memory, late.memory, 1.15),
        ("the log", early.log, late.log, 1.4),
        ("the state", early.state, late.state, 1.4),
    ] {
        let ratio = late as f64 / early as f64;
        println!("{name}: {early} bytes in weeks 3 and 4, {late} in weeks 7 and 8: × {ratio:.3}");
        assert!(ratio < ratio_max, "{name} grows: {weeks:?}");
    }
    retention_caught_up(&node).await;
    let alive = living_series(&node).await;
    node.drain().await.unwrap();
    drop(node);
    context.tasks.drain(Duration::from_secs(30)).await.unwrap();
    drop(context);
    let (_context, node) = start(folder.path(), &clock).await;
    assert!(living_series(&node).await <= alive);
    node.drain().await.unwrap();
}
