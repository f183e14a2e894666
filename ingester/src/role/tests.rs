//! An ingester on a real folder: restarts, a second process, a log with an entry torn out.

use cluster::{FrameBuilder, FrameRef};
use model::clock::ManualClock;

use super::*;
use crate::gate::Disk;
use crate::storage::rocks::{BlockCache, RocksLog, Tolerance};

const NOW_MS: i64 = 1_700_000_000_000;
const DEADLINE: Duration = Duration::from_secs(30);

struct Running {
    ingester: Arc<Ingester>,
    context: Context,
}

async fn try_start(folder: &Path) -> Result<Running, Error> {
    let context = Context::new(Arc::new(ManualClock::new(NOW_MS)));
    let config = Config::default();
    match Ingester::start(config, &context, folder, Readiness::new()).await {
        Ok(ingester) => Ok(Running { ingester, context }),
        Err(error) => {
            context.tasks.drain(DEADLINE).await.unwrap();
            Err(error)
        }
    }
}

impl Running {
    async fn append(&self, partition: u32, series: u32, timestamp_ms: i64) -> AppendAck {
        self.try_append(partition, series, timestamp_ms).await.unwrap()
    }

    async fn try_append(
        &self,
        partition: u32,
        series: u32,
        timestamp_ms: i64,
    ) -> Result<AppendAck, Failure> {
        let mut builder = FrameBuilder::default();
        builder.start(&TenantId::anonymous());
        let name = format!("metric_{series}");
        let new = builder.add_series(Labels::from_pairs([("__name__", &*name)]).encoded());
        builder.push(FrameRef::New(new), timestamp_ms, 1.5);
        let routes = self.ingester.routes().current();
        let generation = routes.partitions[partition as usize].generation;
        self.ingester.append(PartitionId(partition), generation, builder.finish()).await
    }

    fn digests(&self) -> Vec<u64> {
        self.ingester.partitions.iter().map(|kept| kept.group.machine().digest()).collect()
    }

    /// As a crash would: nothing is told to finish.
    async fn crash(self) {
        let Self { ingester, context } = self;
        for kept in &ingester.partitions {
            kept.group.stop().await;
        }
        ingester.meta.stop().await;
        drop(ingester);
        context.tasks.drain(DEADLINE).await.unwrap();
    }

    async fn drain(self) {
        self.ingester.drain().await.unwrap();
        self.crash().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let node = try_start(folder.path()).await.unwrap();
    let routes = node.ingester.routes().current();
    assert!(routes.partitions.len() >= 4, "{routes:?}");
    for series in 0..40 {
        assert_eq!(node.append(series % 4, series, NOW_MS).await.accepted, 1);
    }
    let digests = node.digests();
    node.crash().await;
    let node = try_start(folder.path()).await.unwrap();
    assert_eq!(node.digests(), digests, "after a crash");
    assert_eq!(node.ingester.routes().current(), routes);
    node.drain().await;
    let node = try_start(folder.path()).await.unwrap();
    assert_eq!(node.digests(), digests, "after a clean stop");
    assert_eq!(node.append(0, 0, NOW_MS).await.duplicates, 1);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = try_start(folder.path()).await.unwrap();
    let Err(refused) = try_start(folder.path()).await else { panic!("two nodes on one folder") };
    let text = refused.to_string();
    assert!(text.contains("is in use by another process"), "{text}");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_entry_keeps_the_node_from_starting_until_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let node = try_start(folder.path()).await.unwrap();
    for series in 0..10 {
        node.append(1, series, NOW_MS).await;
    }
    node.crash().await;
    lose_entry(folder.path(), 1, 5);
    let Err(refused) = try_start(folder.path()).await else { panic!("started on a gap") };
    let text = refused.to_string();
    assert!(text.contains("partition 1 (replica 3)") && text.contains("varve recover"), "{text}");
    let look = crate::recover(folder.path(), false).unwrap().to_string();
    assert!(look.contains("--apply would cut: entries 5..="), "{look}");
    let cut = crate::recover(folder.path(), true).unwrap().to_string();
    assert!(cut.contains("cut: entries 5..="), "{cut}");
    let node = try_start(folder.path()).await.unwrap();
    let generations: Vec<u64> =
        node.ingester.routes().current().partitions.iter().map(|known| known.generation).collect();
    assert_eq!(generations, [1, 2, 1, 1]);
    node.drain().await;
    let healthy = crate::recover(folder.path(), false).unwrap().to_string();
    assert!(healthy.ends_with("nothing is damaged"), "{healthy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_damaged_in_the_middle_is_cut_there_and_says_what_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let node = try_start(folder.path()).await.unwrap();
    // Several blocks of the WAL: what is in the damaged one cannot be seen any more.
    for series in 0..1000 {
        node.append(1, series, NOW_MS).await;
    }
    node.crash().await;
    flip_byte_of_wal(&folder.path().join(LOG_FOLDER));
    let Err(refused) = try_start(folder.path()).await else { panic!("started on a damaged log") };
    assert!(refused.to_string().contains("varve recover"), "{refused}");
    let look = crate::recover(folder.path(), false).unwrap().to_string();
    assert!(look.contains("--apply would cut: entries "), "{look}");
    assert!(look.contains("..=1001 of partition 1 (replica 3) are lost"), "{look}");
    let cut = crate::recover(folder.path(), true).unwrap().to_string();
    assert!(cut.contains("  cut: entries "), "{cut}");
    assert!(cut.ends_with("the damage is cut off; the node can be started"), "{cut}");
    let node = try_start(folder.path()).await.unwrap();
    assert_eq!(node.ingester.routes().current().partitions[1].generation, 2);
    node.drain().await;
    let healthy = crate::recover(folder.path(), false).unwrap().to_string();
    assert!(healthy.ends_with("nothing is damaged"), "{healthy}");
}

/// A volume and a process whose figures the test sets.
#[derive(Debug, Clone)]
struct Figures(Arc<parking_lot::Mutex<(u64, u64)>>);

impl Measure for Figures {
    fn disk(&self) -> Option<Disk> {
        Some(Disk { free_bytes: self.0.lock().0, total_bytes: 100 << 30 })
    }

    fn memory_bytes(&self) -> Option<u64> {
        Some(self.0.lock().1)
    }
}

/// Appends until the answer is `wanted`, the id of a refusal or nothing; the gate looks by itself.
async fn append_until(node: &Running, wanted: Option<&str>) {
    let answered = async {
        loop {
            let answer = node.try_append(2, 7, NOW_MS).await.map_err(|failure| {
                assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
                failure.id
            });
            if answer.err() == wanted {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, answered).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn short_of_disk_or_memory_a_node_refuses_writes_reads_on_and_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let context = Context::new(Arc::new(ManualClock::new(NOW_MS)));
    let figures = Figures(Arc::new(parking_lot::Mutex::new((50 << 30, 1 << 20))));
    let config = Config { memory_limit: 2 << 20, ..Config::default() };
    let storage: (&Path, Box<dyn Measure>) = (folder.path(), Box::new(figures.clone()));
    let started = Ingester::start_measured(config, &context, storage, Readiness::new()).await;
    let node = Running { ingester: started.unwrap(), context };
    append_until(&node, None).await;
    for (shortage, refusal) in [
        ((1 << 30, 1 << 20), "err-varve-disk-full"),
        ((50 << 30, 3 << 20), "err-varve-memory-full"),
    ] {
        *figures.0.lock() = shortage;
        append_until(&node, Some(refusal)).await;
        let applied = node.ingester.partitions[2].group.applied_index();
        node.try_append(2, 8, NOW_MS).await.unwrap_err();
        assert_eq!(node.ingester.partitions[2].group.applied_index(), applied, "{refusal}");
        let request = SeriesRequest {
            tenant: TenantId::anonymous(),
            matcher_sets: Vec::new(),
            range: model::TimeRange::ALL,
            limit: 0,
        };
        assert_eq!(node.ingester.series(request).await.unwrap().len(), 1, "reads go on");
        node.ingester.partitions[2].group.checkpoint().await.unwrap();
        *figures.0.lock() = (50 << 30, 1 << 20);
        append_until(&node, None).await;
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_below_what_the_process_uses_refuses_every_write() {
    let folder = tempfile::tempdir().unwrap();
    let context = Context::new(Arc::new(ManualClock::new(NOW_MS)));
    let config = Config { memory_limit: 1 << 20, ..Config::default() };
    let started = Ingester::start(config, &context, folder.path(), Readiness::new()).await;
    let node = Running { ingester: started.unwrap(), context };
    let refused = node.try_append(2, 7, NOW_MS).await.unwrap_err();
    assert_eq!(refused.id, "err-varve-memory-full", "the gate closes before the first write");
    node.drain().await;
}

fn flip_byte_of_wal(folder: &Path) {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wals = files.filter(|path| path.extension().is_some_and(|it| it == "log"));
    let wal = wals.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&wal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&wal, bytes).unwrap();
}

fn lose_entry(folder: &Path, partition: u32, index: u64) {
    let cache = BlockCache::new();
    let log = RocksLog::open(&folder.join(LOG_FOLDER), &cache, Tolerance::TornTail).unwrap();
    let groups = log.groups().unwrap();
    let group = *groups.iter().find(|group| group.partition == partition).unwrap();
    let lost = crate::storage::log::LogOp::Remove { group, range: index..index + 1 };
    log.write(&[lost]).unwrap();
    log.flush().unwrap();
}
