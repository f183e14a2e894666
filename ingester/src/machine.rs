//! The seam between replication and what is replicated.
//!
//! A Raft group replicates one [`Machine`]: a partition's head, or the meta table. The group owns
//! log, votes and the order of applies; the machine owns its state in memory and says what of it a
//! checkpoint has to write. Neither knows the other's formats.
//!
//! Invariant: a machine is a function of the checkpoint it was restored from and of the commands
//! applied since. It reads no clock, no configuration and no random source, so that every replica,
//! and every replay, arrives at the same state.

use std::fmt::Debug;

use crate::storage::{StateBatch, StorageError};

/// What a Raft group replicates.
///
/// `apply` and `checkpoint` are called by one task a group, in log order. `checkpoint_done` comes
/// from another task once the flush is over, possibly beside an `apply`, and readers run beside all
/// of them; so the machine brings its own lock. The calls may block on the state store for a moment
/// and must not wait for anything else.
pub(crate) trait Machine: Debug + Send + Sync + 'static {
    /// What the proposer of a command gets back.
    type Reply: Clone + Debug + Default + Send + Sync + 'static;

    /// Applies a committed command. `index` grows with each call but is not contiguous: Raft's own
    /// entries are not shown to the machine.
    ///
    /// May write immutable facts (sealed chunks) to the state store at once: they stay invisible to
    /// a restart until a checkpoint covers them, and a replay writes the same bytes to the same
    /// keys.
    fn apply(&self, index: u64, command: &[u8]) -> Self::Reply;

    /// Puts every key that changed since the last completed checkpoint, as of the last applied
    /// command. The caller adds the `applied` mark to the same batch and writes it before the next
    /// apply; the flush follows while applies go on.
    fn checkpoint(&self, batch: &mut StateBatch) -> Checkpointed;

    /// The batch of `checkpointed` is on disk: what it holds may leave memory, and what has not
    /// changed since need not be written again. Not called when the flush failed; the next
    /// checkpoint then has to contain these changes again.
    fn checkpoint_done(&self, checkpointed: Checkpointed);

    /// Another replica's checkpoint has taken the place of this one's in the state store: forget
    /// everything and read it again.
    ///
    /// # Errors
    /// Always, unless the machine can do that; a group of one replica never asks for it.
    fn reload(&self) -> Result<(), StorageError> {
        Err(StorageError::Closed)
    }
}

/// Names one checkpoint to the machine that made it, e.g. by a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Checkpointed(pub(crate) u64);
