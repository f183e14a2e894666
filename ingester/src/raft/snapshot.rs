//! Snapshots: a flushed checkpoint is the snapshot, so building one writes nothing twice.
//!
//! ```text
//!  in log order, by the applying task          by another task
//!  machine.checkpoint(batch) + `applied` ──►   flush ──► checkpoint_done ──► openraft purges the log
//!  StateStore::write(batch)
//! ```
//!
//! Invariant: the log is purged only behind a checkpoint whose flush has returned.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use openraft::storage::RaftSnapshotBuilder;
use openraft::{Snapshot, SnapshotMeta as Meta};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::codec::{self, Applied};
use super::state_machine::AnyMachine;
use super::types::{LeaderId, Member, SnapshotMeta, TypeConfig};
use crate::machine::Checkpointed;
use crate::storage::{Column, StateStore, StorageError, keys};

/// The checkpoints of one replica, shared by whoever makes, reads or waits for them.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    pub(super) store: Arc<dyn StateStore>,
    pub(super) stid: u64,
    latest: Mutex<Option<SnapshotMeta>>,
    /// How many checkpoints have ended since the start, and how the last one did.
    ended: watch::Sender<(u64, Result<(), StorageError>)>,
}

/// A checkpoint as another replica would read it.
#[derive(Clone)]
pub(crate) struct SnapshotView {
    store: Arc<dyn StateStore>,
    stid: u64,
}

/// A checkpoint that has been written and still has to be flushed.
pub(crate) struct SnapshotBuilder {
    pub(super) checkpoints: Arc<Checkpoints>,
    pub(super) machine: Arc<dyn AnyMachine>,
    pub(super) applied: Applied,
    pub(super) written: Result<Checkpointed, StorageError>,
    /// Tells whoever stops the group that this is gone.
    pub(super) held: watch::Sender<()>,
}

// === impl Checkpoints ===

impl Checkpoints {
    /// The checkpoints of the replica whose state id is `stid`, and what the last one covers.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn open(
        store: Arc<dyn StateStore>,
        stid: u64,
    ) -> Result<(Arc<Self>, Applied), StorageError> {
        let applied = read_applied(&*store, stid)?;
        let latest = applied.log_id.map(|_| meta(&applied));
        let checkpoints = Self {
            store,
            stid,
            latest: Mutex::new(latest),
            ended: watch::Sender::new((0, Ok(()))),
        };
        Ok((Arc::new(checkpoints), applied))
    }

    /// What the last completed checkpoint covers.
    pub(crate) fn latest(&self) -> Option<SnapshotMeta> {
        self.latest.lock().clone()
    }

    /// Follows the count and outcome of checkpoints.
    pub(crate) fn ended(&self) -> watch::Receiver<(u64, Result<(), StorageError>)> {
        self.ended.subscribe()
    }

    /// A handle to the state as of the last checkpoint.
    pub(super) fn view(&self) -> SnapshotView {
        SnapshotView { store: Arc::clone(&self.store), stid: self.stid }
    }

    /// Replaces this replica's state by what `view` shows.
    pub(super) fn install(
        &self,
        view: &SnapshotView,
        applied: &Applied,
    ) -> Result<(), StorageError> {
        let mut batch = self.store.batch();
        let (own, own_end) = (self.stid.to_be_bytes(), (self.stid + 1).to_be_bytes());
        let (from, to) = (view.stid.to_be_bytes(), (view.stid + 1).to_be_bytes());
        for column in Column::ALL {
            batch.delete_range(column, &own, &own_end);
            view.store.scan(column, &from, &to, &mut |key, value| {
                let key = [&own[..], key.get(own.len()..).unwrap_or_default()].concat();
                batch.put(column, &key, value);
                ControlFlow::Continue(())
            })?;
        }
        let key = keys::applied_key(self.stid);
        batch.put(Column::Meta, &key, &codec::encode_applied(&key, applied));
        self.store.write(batch)?;
        self.store.flush()?;
        *self.latest.lock() = Some(meta(applied));
        Ok(())
    }

    fn end(&self, outcome: &Result<SnapshotMeta, StorageError>) {
        if let Ok(meta) = outcome {
            *self.latest.lock() = Some(meta.clone());
        }
        let outcome = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
        self.ended.send_modify(|(count, last)| {
            *count += 1;
            *last = outcome;
        });
    }
}

/// What the last checkpoint of `stid` covers; nothing before the first one.
///
/// # Errors
/// When the record cannot be read.
pub(crate) fn read_applied(store: &dyn StateStore, stid: u64) -> Result<Applied, StorageError> {
    let key = keys::applied_key(stid);
    let Some(value) = store.get(Column::Meta, &key)? else { return Ok(Applied::default()) };
    codec::decode_applied(&key, &value).map_err(|error| StorageError::Damaged {
        what: format!("the checkpoint of state {stid}"),
        reason: error.to_string(),
    })
}

pub(super) fn meta(applied: &Applied) -> SnapshotMeta {
    Meta { last_log_id: applied.log_id, last_membership: applied.membership.clone() }
}

// === impl SnapshotBuilder ===

impl SnapshotBuilder {
    fn finish(
        checkpoints: &Checkpoints,
        machine: &dyn AnyMachine,
        applied: &Applied,
        written: Result<Checkpointed, StorageError>,
    ) -> Result<SnapshotMeta, StorageError> {
        let checkpointed = written?;
        checkpoints.store.flush()?;
        machine.checkpoint_done(checkpointed);
        Ok(meta(applied))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotView;

    async fn build_snapshot(
        &mut self,
    ) -> io::Result<Snapshot<LeaderId, u64, Member, SnapshotView>> {
        let (checkpoints, machine) = (Arc::clone(&self.checkpoints), Arc::clone(&self.machine));
        let (applied, written) = (self.applied.clone(), self.written.clone());
        let held = self.held.clone();
        let finish = move || {
            let outcome = Self::finish(&checkpoints, &*machine, &applied, written);
            checkpoints.end(&outcome);
            drop((checkpoints, machine, held));
            outcome
        };
        let meta = tokio::task::spawn_blocking(finish).await?.map_err(io::Error::other)?;
        Ok(Snapshot { meta, snapshot: self.checkpoints.view() })
    }
}

// === impl SnapshotView ===

impl fmt::Debug for SnapshotView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotView").field("stid", &self.stid).finish_non_exhaustive()
    }
}
