//! A one-voter group on a store that loses its unsynced tail.

use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::log_writer::OnFatal;
use crate::machine::Checkpointed;
use crate::metrics::LogMetrics;
use crate::storage::log::LogStore;
use crate::storage::memory::{MemoryLog, MemoryState};
use crate::storage::{Column, StateBatch, StateStore};

const ID: GroupId = GroupId { partition: 0, replica: 1 };
const STID: u64 = 1;

/// Counts commands and remembers the last one.
#[derive(Debug, Default)]
struct Tally {
    inner: Mutex<(u64, Vec<u8>)>,
}

/// A node's two stores, which outlive its processes.
#[derive(Debug, Default, Clone)]
struct Disk {
    log: Arc<MemoryLog>,
    state: Arc<MemoryState>,
}

struct Node {
    group: Group<Tally>,
    tasks: Tasks,
}

fn tally_key() -> Vec<u8> {
    [&STID.to_be_bytes()[..], &[0x10]].concat()
}

impl Machine for Tally {
    type Reply = u64;

    fn apply(&self, _index: u64, command: &[u8]) -> u64 {
        let mut inner = self.inner.lock();
        inner.0 += 1;
        inner.1 = command.to_vec();
        inner.0
    }

    fn checkpoint(&self, batch: &mut StateBatch) -> Checkpointed {
        let inner = self.inner.lock();
        let value = [&inner.0.to_le_bytes()[..], &inner.1].concat();
        batch.put(Column::Pages, &tally_key(), &value);
        Checkpointed(inner.0)
    }

    fn checkpoint_done(&self, _checkpointed: Checkpointed) {}
}

impl Tally {
    fn restore(state: &dyn StateStore) -> Self {
        let Some(value) = state.get(Column::Pages, &tally_key()).unwrap() else {
            return Self::default();
        };
        let (count, last) = value.split_first_chunk::<8>().unwrap();
        Self { inner: Mutex::new((u64::from_le_bytes(*count), last.to_vec())) }
    }
}

impl Disk {
    async fn boot(&self) -> Node {
        let tasks = Tasks::new();
        let on_fatal: OnFatal = Box::new(|failure| panic!("{failure}"));
        let log: Arc<dyn LogStore> = Arc::clone(&self.log) as Arc<_>;
        let writer = LogWriter::start(log, &tasks, LogMetrics::unregistered(), on_fatal).unwrap();
        let state: Arc<dyn StateStore> = Arc::clone(&self.state) as Arc<_>;
        let machine = Arc::new(Tally::restore(&*state));
        let (checkpoints, applied) = Checkpoints::open(state, STID).unwrap();
        let budget = Arc::new(CacheBudget::default());
        let parts = GroupParts { id: ID, node: 1, writer, budget, checkpoints, applied, machine };
        Node { group: Group::start(parts, &tasks).await.unwrap(), tasks }
    }

    fn crash(&self) {
        self.log.crash();
        self.state.crash();
    }
}

impl Node {
    async fn execute(&self, command: &'static [u8]) -> u64 {
        self.group.execute(Bytes::from_static(command)).await.unwrap()
    }

    async fn stop(self) {
        let Self { group, tasks } = self;
        group.stop().await;
        drop(group);
        tasks.drain(Duration::from_secs(10)).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let disk = Disk::default();
    let node = disk.boot().await;
    assert!(node.group.may_read());
    for expected in 1..=20 {
        assert_eq!(node.execute(b"x").await, expected);
    }
    node.stop().await;
    disk.crash();
    let node = disk.boot().await;
    assert_eq!(node.execute(b"y").await, 21);
    node.stop().await;
}

#[tokio::test]
async fn a_checkpoint_cuts_the_log_and_is_restored() {
    let disk = Disk::default();
    let node = disk.boot().await;
    for _ in 0..5 {
        node.execute(b"x").await;
    }
    node.group.checkpoint().await.unwrap();
    assert_eq!(node.execute(b"after").await, 6);
    node.stop().await;
    disk.crash();
    let mut stored = Vec::new();
    disk.log
        .read(ID, 0..u64::MAX, &mut |index, _| {
            stored.push(index);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(stored.len(), 1, "entries behind the checkpoint remained: {stored:?}");
    let node = disk.boot().await;
    assert_eq!(node.execute(b"y").await, 7);
    assert_eq!(node.group.machine().inner.lock().1, b"y");
    node.stop().await;
}

#[tokio::test]
async fn a_checkpoint_that_was_not_flushed_did_not_happen() {
    let disk = Disk::default();
    let node = disk.boot().await;
    node.execute(b"x").await;
    node.group.checkpoint().await.unwrap();
    node.execute(b"y").await;
    let mut batch = disk.state.batch();
    node.group.machine().checkpoint(&mut batch);
    disk.state.write(batch).unwrap();
    node.stop().await;
    disk.crash();
    let node = disk.boot().await;
    assert_eq!(node.execute(b"z").await, 3);
    node.stop().await;
}
