//! One Raft group of this node: opened, led, proposed to, checkpointed and stopped here.
//!
//! A group with one voter leads itself: it is elected at once when it starts, and stays. Reads need
//! no round of messages then, only the flag that it leads and has applied what it found in its log
//! ([`Group::may_read`]).

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chassis::Tasks;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, InitializeError, RaftError};
use openraft::impls::OneshotResponder;
use openraft::raft::ClientWriteResult;
use openraft::{Config, Raft, SnapshotPolicy};
use tokio::sync::{oneshot, watch};
use tracing::warn;

use super::codec::Applied;
use super::log::{CacheBudget, GroupLog};
use super::network::Alone;
use super::snapshot::Checkpoints;
use super::state_machine::StateMachine;
use super::types::{Command, Member, TypeConfig};
use crate::log_writer::{LogWriter, Proposed};
use crate::machine::Machine;
use crate::storage::StorageError;
use crate::storage::log::GroupId;

/// Between a leader's signs of life.
const HEARTBEAT_MS: u64 = 100;
/// The least time without one before a replica stands for election; also the longest in which two
/// replicas choose the same moment.
const ELECTION_MS: std::ops::Range<u64> = 400..600;
/// Proposals that may wait for a group's core; the batcher keeps far fewer in flight.
const PROPOSALS_MAX: u64 = 256;
/// How long a stop waits for openraft's last tasks, which end a moment after it says so.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a group is opened with.
#[derive(Debug)]
pub(crate) struct GroupParts<M> {
    /// Which replica of which group.
    pub(crate) id: GroupId,
    /// This node.
    pub(crate) node: u64,
    /// The node's log writer.
    pub(crate) writer: LogWriter,
    /// The node's budget for cached entries.
    pub(crate) budget: Arc<CacheBudget>,
    /// The replica's checkpoints.
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// What the last of them covers.
    pub(crate) applied: Applied,
    /// The machine, restored from it.
    pub(crate) machine: Arc<M>,
}

/// A running group.
pub(crate) struct Group<M> {
    id: GroupId,
    raft: Raft<TypeConfig, StateMachine>,
    checkpoints: Arc<Checkpoints>,
    leads: Arc<AtomicBool>,
    machine: Arc<M>,
    proposed: Proposed,
    /// Closed once none of openraft's tasks holds the storage any more.
    storage_use: watch::Receiver<()>,
}

/// A proposal on its way.
#[derive(Debug)]
pub(crate) struct Pending<R> {
    answer: oneshot::Receiver<ClientWriteResult<TypeConfig>>,
    reply: PhantomData<fn() -> R>,
}

/// Why a group cannot do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum GroupError {
    /// Storage failed; nothing is acknowledged any more.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// openraft gave up on the group.
    #[error("{group} has stopped: {reason}")]
    Stopped {
        /// Which group.
        group: GroupId,
        /// openraft's words.
        reason: String,
    },
    /// Another replica leads, or none does. Whether a proposal took effect is unknown.
    #[error("{group} has no leader here")]
    NotLeader {
        /// Which group.
        group: GroupId,
    },
}

// === impl Group ===

impl<M: Machine> Group<M> {
    /// Opens the group, has it lead, and waits until everything in its log is applied. A group
    /// whose log and vote are empty becomes a new one with this replica as its only voter.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub(crate) async fn start(parts: GroupParts<M>, tasks: &Tasks) -> Result<Self, GroupError> {
        let GroupParts { id, node, writer, budget, checkpoints, applied, machine } = parts;
        let (held, storage_use) = watch::channel(());
        let proposed = writer.proposed();
        let log = GroupLog::open(id, writer, budget, held.clone())?;
        let is_new = log.vote().is_none() && log.last().is_none();
        let state = StateMachine::new(
            Arc::clone(&machine) as Arc<_>,
            Arc::clone(&checkpoints),
            applied,
            log.applied_end(),
            held,
        );
        let stopped = |reason: String| GroupError::Stopped { group: id, reason };
        let config = Arc::new(config().validate().map_err(|error| stopped(error.to_string()))?);
        let raft = Raft::new(id.replica, config, Alone, log, state)
            .await
            .map_err(|fatal| stopped(fatal.to_string()))?;
        let leads = Arc::new(AtomicBool::new(false));
        let group = Self { id, raft, checkpoints, leads, machine, proposed, storage_use };
        if is_new {
            group.initialize(node).await?;
        } else {
            // Nobody else can win, so there is no reason to wait for the election timeout.
            group.raft.trigger().elect(false).await.map_err(|fatal| group.stopped(&fatal))?;
        }
        group.wait_until_caught_up().await?;
        group.leads.store(true, Ordering::Release);
        group.follow_leadership(tasks);
        Ok(group)
    }

    async fn initialize(&self, node: u64) -> Result<(), GroupError> {
        let members = BTreeMap::from([(self.id.replica, Member { node })]);
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(GroupError::Stopped { group: self.id, reason: error.to_string() }),
        }
    }

    async fn wait_until_caught_up(&self) -> Result<(), GroupError> {
        let mut metrics = self.raft.metrics();
        loop {
            {
                let now = metrics.borrow_watched();
                if let Err(fatal) = &now.running_state {
                    return Err(self.stopped(fatal));
                }
                let applied = now.last_applied.map(|applied| applied.index);
                if now.state.is_leader() && applied.is_some() && applied == now.last_log_index {
                    return Ok(());
                }
            }
            if metrics.changed().await.is_err() {
                return Err(self.stopped(&Fatal::Stopped));
            }
        }
    }

    /// Takes the flag away as soon as the group stops leading.
    fn follow_leadership(&self, tasks: &Tasks) {
        let mut server = self.raft.server_metrics();
        let leads = Arc::clone(&self.leads);
        let stopping = tasks.stopping();
        tasks.spawn("raft-leadership", async move {
            let follow = async {
                while server.borrow_watched().state.is_leader() && server.changed().await.is_ok() {}
                leads.store(false, Ordering::Release);
            };
            futures::future::select(std::pin::pin!(follow), std::pin::pin!(stopping)).await;
        });
    }

    /// The machine; what it shows is current while [`Group::may_read`] holds.
    pub(crate) const fn machine(&self) -> &Arc<M> {
        &self.machine
    }

    /// Which replica this is.
    pub(crate) const fn id(&self) -> GroupId {
        self.id
    }

    /// Whether a read that starts now sees every write that was acknowledged before.
    pub(crate) fn may_read(&self) -> bool {
        self.leads.load(Ordering::Acquire)
    }

    /// Proposes `command`. Proposals of one caller are applied in the order of its calls.
    ///
    /// # Errors
    /// When the group has stopped.
    pub(crate) async fn propose(&self, command: Bytes) -> Result<Pending<M::Reply>, GroupError> {
        let (responder, answer) = OneshotResponder::new_pair();
        self.proposed.add();
        self.raft
            .client_write_ff(Command(command), Some(responder))
            .await
            .map_err(|fatal| self.stopped(&fatal))?;
        Ok(Pending { answer, reply: PhantomData })
    }

    /// Proposes `command` and waits for the machine's reply.
    ///
    /// # Errors
    /// When it is unknown whether the command took effect.
    pub(crate) async fn execute(&self, command: Bytes) -> Result<M::Reply, GroupError> {
        self.propose(command).await?.reply(self.id).await
    }

    /// Writes and flushes a checkpoint of everything that is applied now, and waits until openraft
    /// has purged the log behind it. The purge is not synced on its own account: a crash may undo
    /// it, and the next checkpoint purges again.
    ///
    /// # Errors
    /// When it did not reach the disk; the group has stopped then.
    pub(crate) async fn checkpoint(&self) -> Result<(), GroupError> {
        let applied = self.applied_index();
        let mut ended = self.checkpoints.ended();
        loop {
            let before = ended.borrow_and_update().0;
            self.raft.trigger().snapshot().await.map_err(|fatal| self.stopped(&fatal))?;
            let end = ended.wait_for(|(count, _)| *count > before).await;
            end.map_err(|_| self.stopped(&Fatal::Stopped))?.1.clone()?;
            // One that was under way already may have begun before the last entries were applied.
            let covered = self.checkpoints.latest().and_then(|meta| meta.last_log_id);
            let covered = covered.map(|covered| covered.index);
            if covered >= applied {
                return self.wait_until_purged(covered).await;
            }
        }
    }

    async fn wait_until_purged(&self, upto: Option<u64>) -> Result<(), GroupError> {
        let mut metrics = self.raft.metrics();
        loop {
            {
                let now = metrics.borrow_watched();
                if let Err(fatal) = &now.running_state {
                    return Err(self.stopped(fatal));
                }
                if now.purged.map(|purged| purged.index) >= upto {
                    return Ok(());
                }
            }
            if metrics.changed().await.is_err() {
                return Err(self.stopped(&Fatal::Stopped));
            }
        }
    }

    /// The last applied index, for checks and metrics.
    pub(crate) fn applied_index(&self) -> Option<u64> {
        self.raft.metrics().borrow_watched().last_applied.map(|applied| applied.index)
    }

    /// Stops the group; what it acknowledged is on disk, and nothing of it holds the storage.
    pub(crate) async fn stop(&self) {
        self.leads.store(false, Ordering::Release);
        // The only error is that the core's task has ended already.
        self.raft.shutdown().await.ok();
        let mut storage_use = self.storage_use.clone();
        let released = async { while storage_use.changed().await.is_ok() {} };
        if tokio::time::timeout(RELEASE_TIMEOUT, released).await.is_err() {
            warn!(group = %self.id, "the group has stopped, but something still holds its storage");
        }
    }

    fn stopped(&self, fatal: &Fatal<TypeConfig>) -> GroupError {
        GroupError::Stopped { group: self.id, reason: fatal.to_string() }
    }
}

impl<M> fmt::Debug for Group<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("id", &self.id)
            .field("leads", &self.leads)
            .finish_non_exhaustive()
    }
}

// === impl Pending ===

impl<R: Default + 'static> Pending<R> {
    /// The machine's reply, once the command is committed and applied.
    ///
    /// # Errors
    /// When it is unknown whether the command took effect: even an error that openraft reports does
    /// not prove that the entry will never be applied.
    pub(crate) async fn reply(self, group: GroupId) -> Result<R, GroupError> {
        match self.answer.await {
            Ok(Ok(response)) => Ok(response.data.take().unwrap_or_default()),
            Ok(Err(ClientWriteError::ForwardToLeader(_))) | Err(_) => {
                Err(GroupError::NotLeader { group })
            }
            Ok(Err(error)) => Err(GroupError::Stopped { group, reason: error.to_string() }),
        }
    }
}

fn config() -> Config {
    Config {
        cluster_name: "varve".to_owned(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MS.start,
        election_timeout_max: ELECTION_MS.end,
        enable_pre_vote: Some(true),
        // A leader that restarts is elected again: only so does it learn what is committed.
        enable_leader_restore: Some(false),
        // Checkpoints are triggered by time and log size, and the log is cut right behind them.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        purge_batch_size: 1,
        max_payload_entries: 64,
        max_append_entries: Some(64),
        api_channel_size: Some(PROPOSALS_MAX),
        api_batch_capacity: 64,
        state_machine_channel_size: Some(64),
        allow_log_reversion: Some(false),
        ..Config::default()
    }
}

#[cfg(test)]
mod tests;
