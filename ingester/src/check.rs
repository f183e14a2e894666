//! What has to hold of a replica on disk before it may start.
//!
//! A Raft log that forgot something it acknowledged must not vote, and a head whose log has a gap
//! must not serve. RocksDB's own checks do not prove that nothing synced is gone: the live WAL is
//! not tracked, and a zeroed block at its end looks like a torn write. So each start verifies every
//! replica by itself, from its first entry to its last.

use std::fmt;
use std::ops::ControlFlow;

use crate::raft::codec::{self, Applied};
use crate::raft::snapshot::read_applied;
use crate::raft::types::{LogId, Vote};
use crate::storage::keys::mark_key;
use crate::storage::log::{GroupId, LogStore, Mark};
use crate::storage::{Column, StateStore, StorageError};

/// What was found of one replica.
#[derive(Debug)]
pub(crate) struct Health {
    /// Which replica.
    pub(crate) group: GroupId,
    /// Its state id; 0 when it has none yet.
    pub(crate) stid: u64,
    /// What its checkpoint covers.
    pub(crate) applied: Applied,
    /// The last purged entry.
    pub(crate) purged: Option<LogId>,
    /// The last entry that can be reached from the first without a gap.
    pub(crate) last: Option<LogId>,
    /// The first thing that is wrong.
    pub(crate) damage: Option<Damage>,
}

/// What is wrong with a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Damage {
    /// A small record cannot be read.
    Mark {
        /// Which; [`Mark::Replica`] also stands for the checkpoint that it points to.
        mark: Mark,
        /// What is wrong with it.
        reason: String,
    },
    /// The checkpoint cannot be read.
    Checkpoint {
        /// What is wrong with it.
        reason: String,
    },
    /// An entry is missing or is not what was written.
    Entry {
        /// Its index.
        index: u64,
        /// The last index that the log has.
        last: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The log ends before what the checkpoint covers.
    EndsEarly {
        /// The last entry; `None` when there is none.
        last: Option<u64>,
        /// What the checkpoint covers.
        applied: u64,
    },
    /// The log begins after what the checkpoint covers.
    BeginsLate {
        /// The last purged entry.
        purged: u64,
        /// What the checkpoint covers; `None` when there is no checkpoint.
        applied: Option<u64>,
    },
    /// The vote is older than the log.
    VoteBehind {
        /// The vote's term; `None` when there is no vote.
        term: Option<u64>,
        /// The term of the last entry.
        last_term: u64,
    },
}

/// The state ids that checkpoints in `state` belong to, ascending.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn state_ids(state: &dyn StateStore) -> Result<Vec<u64>, StorageError> {
    let mut ids = Vec::new();
    state.scan(Column::Meta, &[], &[u8::MAX; 9], &mut |key, _| {
        ids.extend(key.first_chunk().map(|stid| u64::from_be_bytes(*stid)));
        ControlFlow::Continue(())
    })?;
    ids.dedup();
    Ok(ids)
}

/// Whether the raft log knows no replica although the state store has checkpoints of some: then the
/// log's folder was emptied or replaced, and with it whatever was acknowledged since.
///
/// # Errors
/// When one of the stores cannot be read.
pub(crate) fn log_is_lost(
    log: &dyn LogStore,
    state: &dyn StateStore,
) -> Result<bool, StorageError> {
    Ok(log.groups()?.is_empty() && !state_ids(state)?.is_empty())
}

/// Looks at one replica. Only reads.
///
/// # Errors
/// When the disk fails in a way that no cut can mend.
pub(crate) fn inspect(
    log: &dyn LogStore,
    state: &dyn StateStore,
    group: GroupId,
) -> Result<Health, StorageError> {
    let mut health = Health {
        group,
        stid: 0,
        applied: Applied::default(),
        purged: None,
        last: None,
        damage: None,
    };
    let damage = health.fill(log, state)?;
    health.damage = damage;
    Ok(health)
}

// === impl Health ===

impl Health {
    fn fill(
        &mut self,
        log: &dyn LogStore,
        state: &dyn StateStore,
    ) -> Result<Option<Damage>, StorageError> {
        let group = self.group;
        match read_mark(log, group, Mark::Replica, codec::decode_number)? {
            Ok(stid) => self.stid = stid.unwrap_or(0),
            Err(damage) => return Ok(Some(damage)),
        }
        match read_applied(state, self.stid) {
            Ok(applied) => self.applied = applied,
            Err(error) => return Ok(Some(Damage::Checkpoint { reason: error.to_string() })),
        }
        match read_mark(log, group, Mark::Purged, codec::decode_log_id)? {
            Ok(purged) => self.purged = purged,
            Err(damage) => return Ok(Some(damage)),
        }
        let damage = self.follow_entries(log);
        if damage.is_some() {
            return Ok(damage);
        }
        let vote = match read_mark(log, group, Mark::Vote, codec::decode_vote)? {
            Ok(vote) => vote,
            Err(damage) => return Ok(Some(damage)),
        };
        Ok(self.compare_ends().or_else(|| self.compare_vote(vote)))
    }

    /// Follows the entries as far as they are whole and contiguous.
    fn follow_entries(&mut self, log: &dyn LogStore) -> Option<Damage> {
        let group = self.group;
        let mut next = self.purged.map_or(0, |purged| purged.index + 1);
        self.last = self.purged;
        let mut broken = None;
        let read = log.read(group, 0..u64::MAX, &mut |index, value| {
            let found = if index == next {
                codec::check_entry(group, index, value).map_err(|error| error.to_string())
            } else {
                Err(format!("it is missing, {index} follows"))
            };
            match found {
                Ok(log_id) => {
                    self.last = Some(log_id);
                    next += 1;
                    ControlFlow::Continue(())
                }
                Err(reason) => {
                    broken = Some(reason);
                    ControlFlow::Break(())
                }
            }
        });
        let reason = read.err().map(|error| error.to_string()).or(broken)?;
        let last = log.last_index(group).ok().flatten().unwrap_or(next).max(next);
        Some(Damage::Entry { index: next, last, reason })
    }

    fn compare_ends(&self) -> Option<Damage> {
        let index = |log_id: LogId| log_id.index;
        let (applied, purged, last) =
            (self.applied.log_id.map(index), self.purged.map(index), self.last.map(index));
        if let Some(purged) = purged
            && Some(purged) > applied
        {
            return Some(Damage::BeginsLate { purged, applied });
        }
        let applied = applied?;
        (last < Some(applied)).then_some(Damage::EndsEarly { last, applied })
    }

    fn compare_vote(&self, vote: Option<Vote>) -> Option<Damage> {
        let last_term = self.last?.leader_id.term;
        // The entry that founds a group is of term 0 and older than its first vote.
        let term = vote.map(|vote| vote.leader_id.term);
        (term.unwrap_or(0) < last_term).then_some(Damage::VoteBehind { term, last_term })
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |log_id: Option<LogId>| {
            log_id.map_or_else(|| "-".to_owned(), |id| id.index.to_string())
        };
        write!(
            f,
            "{}: log after {} up to {}, checkpoint at {}",
            self.group,
            show(self.purged),
            show(self.last),
            show(self.applied.log_id)
        )?;
        match &self.damage {
            Some(damage) => write!(f, "; {damage}"),
            None => Ok(()),
        }
    }
}

// === impl Damage ===

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark { mark, reason } => {
                let name = match mark {
                    Mark::Vote => "vote",
                    Mark::Purged => "purge mark",
                    Mark::Replica => "replica record",
                    Mark::Cut => "cut mark",
                    Mark::Node => "node record",
                };
                write!(f, "its {name} is damaged: {reason}")
            }
            Self::Checkpoint { reason } => write!(f, "its checkpoint is damaged: {reason}"),
            Self::Entry { index, last, reason } => {
                write!(f, "entry {index} of {index}..={last} is damaged: {reason}")
            }
            Self::EndsEarly { last, applied } => {
                let last =
                    last.map_or_else(|| "is empty".to_owned(), |last| format!("ends at {last}"));
                write!(
                    f,
                    "its log {last} although the checkpoint covers {applied}: synced entries are gone"
                )
            }
            Self::BeginsLate { purged, applied: Some(applied) } => write!(
                f,
                "its checkpoint covers {applied} only, but the log begins after {purged}: \
                 {}..={purged} are gone",
                applied + 1
            ),
            Self::BeginsLate { purged, applied: None } => {
                write!(f, "its checkpoint is gone, and the log begins after {purged}")
            }
            Self::VoteBehind { term, last_term } => {
                let term =
                    term.map_or_else(|| "is gone".to_owned(), |term| format!("is of term {term}"));
                write!(f, "its vote {term} although the log reaches term {last_term}")
            }
        }
    }
}

type Marked<T> = Result<Option<T>, Damage>;

fn read_mark<T>(
    log: &dyn LogStore,
    group: GroupId,
    mark: Mark,
    decode: impl Fn(&[u8], &[u8]) -> Result<T, codec::CodecError>,
) -> Result<Marked<T>, StorageError> {
    let Some(value) = log.mark(group, mark)? else { return Ok(Ok(None)) };
    let read = decode(&mark_key(group, mark), &value);
    Ok(read.map(Some).map_err(|error| Damage::Mark { mark, reason: error.to_string() }))
}

#[cfg(test)]
mod tests;
