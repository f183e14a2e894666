//! An ingester on a real folder: restarts, a second process, a log with an entry torn out.

use cluster::{FrameBuilder, FrameRef};
use model::clock::ManualClock;

use super::*;
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
    let ingester = Ingester::start(config, &context, folder, Readiness::new()).await?;
    Ok(Running { ingester, context })
}

impl Running {
    async fn append(&self, partition: u32, series: u32, timestamp_ms: i64) -> AppendAck {
        let mut builder = FrameBuilder::default();
        builder.start(&TenantId::anonymous());
        let name = format!("metric_{series}");
        let new = builder.add_series(Labels::from_pairs([("__name__", &*name)]).encoded());
        builder.push(FrameRef::New(new), timestamp_ms, 1.5);
        let routes = self.ingester.routes().current();
        let generation = routes.partitions[partition as usize].generation;
        self.ingester.append(PartitionId(partition), generation, builder.finish()).await.unwrap()
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
