//! A group's state machine, as openraft asks for it: hands committed commands to the [`Machine`] in
//! order, and remembers how far it got.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use futures::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, Snapshot};
use tokio::sync::watch;

use super::codec::{self, Applied};
use super::log::AppliedEnd;
use super::snapshot::{Checkpoints, SnapshotBuilder, SnapshotView};
use super::types::{
    LeaderId, LogId, Member, Payload, Reply, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::machine::{Checkpointed, Machine};
use crate::storage::{Column, StateBatch, StorageError, keys};

/// A [`Machine`] whose replies are type-erased.
pub(crate) trait AnyMachine: Debug + Send + Sync + 'static {
    /// [`Machine::apply`].
    fn apply(&self, index: u64, command: &[u8]) -> Reply;
    /// [`Machine::checkpoint`].
    fn checkpoint(&self, batch: &mut StateBatch) -> Checkpointed;
    /// [`Machine::checkpoint_done`].
    fn checkpoint_done(&self, checkpointed: Checkpointed);
    /// [`Machine::reload`].
    fn reload(&self) -> Result<(), StorageError>;
}

/// One replica's state.
#[derive(Debug)]
pub(crate) struct StateMachine {
    machine: Arc<dyn AnyMachine>,
    checkpoints: Arc<Checkpoints>,
    applied: Applied,
    applied_end: AppliedEnd,
    /// Tells whoever stops the group that this is gone.
    held: watch::Sender<()>,
}

// === impl AnyMachine ===

impl<M: Machine> AnyMachine for M {
    fn apply(&self, index: u64, command: &[u8]) -> Reply {
        Reply::new(Machine::apply(self, index, command))
    }

    fn checkpoint(&self, batch: &mut StateBatch) -> Checkpointed {
        Machine::checkpoint(self, batch)
    }

    fn checkpoint_done(&self, checkpointed: Checkpointed) {
        Machine::checkpoint_done(self, checkpointed);
    }

    fn reload(&self) -> Result<(), StorageError> {
        Machine::reload(self)
    }
}

// === impl StateMachine ===

impl StateMachine {
    /// The state of `machine`, which was restored from the last of `checkpoints`, covering
    /// `applied`; the log learns through `applied_end` what it has applied since. `held` is dropped
    /// with it and with the checkpoints that it still makes.
    pub(crate) fn new(
        machine: Arc<dyn AnyMachine>,
        checkpoints: Arc<Checkpoints>,
        applied: Applied,
        applied_end: AppliedEnd,
        held: watch::Sender<()>,
    ) -> Self {
        Self { machine, checkpoints, applied, applied_end, held }
    }

    /// Writes a checkpoint as of the last applied entry; it is durable once it is flushed.
    fn write_checkpoint(
        machine: &dyn AnyMachine,
        checkpoints: &Checkpoints,
        applied: &Applied,
    ) -> Result<Checkpointed, StorageError> {
        let mut batch = checkpoints.store.batch();
        let checkpointed = machine.checkpoint(&mut batch);
        let key = keys::applied_key(checkpoints.stid);
        batch.put(Column::Meta, &key, &codec::encode_applied(&key, applied));
        checkpoints.store.write(batch)?;
        Ok(checkpointed)
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotView;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.applied.log_id, self.applied.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let reply = match entry.payload {
                Payload::Normal(command) => self.machine.apply(entry.log_id.index, &command.0),
                Payload::Blank => Reply::none(),
                Payload::Membership(membership) => {
                    self.applied.membership = StoredMembership::new(Some(entry.log_id), membership);
                    Reply::none()
                }
            };
            self.applied.log_id = Some(entry.log_id);
            self.applied_end.set(entry.log_id.index);
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<SnapshotBuilder> {
        Some(self.get_snapshot_builder().await)
    }

    // Encoding a large head takes long enough to be worth a thread of its own; applies wait for it,
    // so that the state store sees every write in log order.
    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        let (machine, checkpoints) = (Arc::clone(&self.machine), Arc::clone(&self.checkpoints));
        let applied = self.applied.clone();
        let write = move || Self::write_checkpoint(&*machine, &checkpoints, &applied);
        let written = tokio::task::spawn_blocking(write).await;
        SnapshotBuilder {
            checkpoints: Arc::clone(&self.checkpoints),
            machine: Arc::clone(&self.machine),
            applied: self.applied.clone(),
            written: written.unwrap_or(Err(StorageError::Closed)),
            held: self.held.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        view: SnapshotView,
    ) -> io::Result<()> {
        let applied =
            Applied { log_id: meta.last_log_id, membership: meta.last_membership.clone() };
        self.checkpoints.install(&view, &applied).map_err(io::Error::other)?;
        self.machine.reload().map_err(io::Error::other)?;
        self.applied = applied;
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<Snapshot<LeaderId, u64, Member, SnapshotView>>> {
        let latest = self.checkpoints.latest();
        Ok(latest.map(|meta| Snapshot { meta, snapshot: self.checkpoints.view() }))
    }
}
