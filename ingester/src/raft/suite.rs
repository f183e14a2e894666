//! openraft's own storage tests, over both storages.

use std::sync::Arc;

use chassis::Tasks;
use openraft::StorageError as RaftStorageError;
use openraft::testing::log::{StoreBuilder, Suite};

use super::log::{CacheBudget, GroupLog};
use super::snapshot::Checkpoints;
use super::state_machine::StateMachine;
use super::types::TypeConfig;
use crate::log_writer::LogWriter;
use crate::machine::{Checkpointed, Machine};
use crate::metrics::LogMetrics;
use crate::storage::log::{GroupId, LogStore};
use crate::storage::memory::{MemoryLog, MemoryState};
use crate::storage::rocks::{BlockCache, RocksLog, RocksState, Tolerance};
use crate::storage::{StateBatch, StateStore, StorageError};

const GROUP: GroupId = GroupId { partition: 3, replica: 7 };

/// A machine with nothing to remember.
#[derive(Debug)]
struct Blank;

impl Machine for Blank {
    type Reply = ();

    fn apply(&self, _index: u64, _command: &[u8]) {}

    fn checkpoint(&self, _batch: &mut StateBatch) -> Checkpointed {
        Checkpointed(0)
    }

    fn checkpoint_done(&self, _checkpointed: Checkpointed) {}

    fn reload(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

struct Memory;

struct Rocks;

fn parts(log: Arc<dyn LogStore>, state: Arc<dyn StateStore>) -> (GroupLog, StateMachine) {
    let fatal = Box::new(|failure: &StorageError| panic!("{failure}"));
    let metrics = LogMetrics::unregistered();
    let (held, _) = tokio::sync::watch::channel(());
    let writer = LogWriter::start(log, &Tasks::new(), metrics, fatal).unwrap();
    let log =
        GroupLog::open(GROUP, writer, Arc::new(CacheBudget::default()), held.clone()).unwrap();
    let (checkpoints, applied) = Checkpoints::open(state, 1).unwrap();
    let applied_end = log.applied_end();
    (log, StateMachine::new(Arc::new(Blank), checkpoints, applied, applied_end, held))
}

impl StoreBuilder<TypeConfig, GroupLog, StateMachine> for Memory {
    async fn build(&self) -> Result<((), GroupLog, StateMachine), RaftStorageError<TypeConfig>> {
        let (log, state) = parts(Arc::new(MemoryLog::default()), Arc::new(MemoryState::default()));
        Ok(((), log, state))
    }
}

impl StoreBuilder<TypeConfig, GroupLog, StateMachine, tempfile::TempDir> for Rocks {
    async fn build(
        &self,
    ) -> Result<(tempfile::TempDir, GroupLog, StateMachine), RaftStorageError<TypeConfig>> {
        let folder = tempfile::tempdir().unwrap();
        let cache = BlockCache::new();
        let log = RocksLog::open(&folder.path().join("log"), &cache, Tolerance::TornTail).unwrap();
        let state = RocksState::open(&folder.path().join("state"), &cache).unwrap();
        let (log, state) = parts(Arc::new(log), Arc::new(state));
        Ok((folder, log, state))
    }
}

#[tokio::test]
async fn memory_passes_openrafts_suite() {
    Suite::test_all(Memory).await.unwrap();
}

#[tokio::test]
async fn rocks_passes_openrafts_suite() {
    Suite::test_all(Rocks).await.unwrap();
}
