//! `varve recover`: says what of a folder is damaged, and cuts it off when told to.
//!
//! A cut loses what it says and nothing else. Refs that the partition gave out after the cut are
//! void, so the next start raises the partition's generation before it takes a write.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use model::PartitionId;

use crate::check::{Damage, Health, inspect, log_is_lost};
use crate::head::Head;
use crate::raft::codec;
use crate::raft::types::{LeaderId, Vote};
use crate::role::{Error, LOG_FOLDER, STATE_FOLDER};
use crate::storage::keys::mark_key;
use crate::storage::log::{GroupId, LogOp, LogStore, Mark};
use crate::storage::rocks::{BlockCache, RocksLog, RocksState, Tolerance};
use crate::storage::{Column, StateStore, StorageError};

/// Cuts of one replica before giving up; each mends one damage, and there are few kinds.
const CUTS_MAX: usize = 8;

/// What was found, and what was done about it.
#[derive(Debug)]
pub struct Recovery {
    lines: Vec<String>,
    damaged: usize,
    cut: bool,
    /// Something is damaged that no cut mends.
    is_beyond: bool,
}

/// Looks through the folder of a node that is not running. Changes something only if `apply`.
///
/// # Errors
/// When the folder is in use or cannot be read at all.
pub fn recover(storage_path: &Path, apply: bool) -> Result<Recovery, Error> {
    let cache = BlockCache::new();
    let mut lines = Vec::new();
    let log_path = storage_path.join(LOG_FOLDER);
    if !log_path.exists() {
        return Err(Error::NoStorage { path: storage_path.to_owned() });
    }
    let mut damaged = 0;
    let log = match RocksLog::open(&log_path, &cache, Tolerance::TornTail) {
        Err(StorageError::Open { reason, .. }) => {
            lines.push(format!("the raft log cannot be read to its end: {reason}"));
            damaged = 1;
            let lost = lost_behind_damage(&log_path, &cache)?;
            lines.extend(lost.iter().map(|lost| format!("  {}: {lost}", will_cut(apply))));
            if !apply {
                return Ok(Recovery { lines, damaged, cut: false, is_beyond: false });
            }
            let log = RocksLog::open(&log_path, &cache, Tolerance::Anything)?;
            log.write(&lost.iter().filter_map(|lost| cut_mark(lost.group)).collect::<Vec<_>>())?;
            log.sync()?;
            log
        }
        other => other?,
    };
    lines.extend(log.dropped_tail().iter().map(|what| format!("dropped at open: {what}")));
    let state = Arc::new(RocksState::open(&storage_path.join(STATE_FOLDER), &cache)?);
    let mut recovery = Recovery { lines, damaged, cut: apply, is_beyond: false };
    if log_is_lost(&log, &*state)? {
        recovery.damaged += 1;
        recovery.is_beyond = true;
        recovery.lines.push(
            "the raft log knows no replica, although the state store has checkpoints: nothing can \
             be cut there, restore the folder from a copy"
                .to_owned(),
        );
        return Ok(recovery);
    }
    for group in log.groups()? {
        if group != GroupId::NODE {
            recovery.look(&log, &state, group)?;
        }
    }
    if apply {
        log.flush()?;
    }
    Ok(recovery)
}

// === impl Recovery ===

impl Recovery {
    fn look(
        &mut self,
        log: &RocksLog,
        state: &Arc<RocksState>,
        group: GroupId,
    ) -> Result<(), Error> {
        for _ in 0..CUTS_MAX {
            let mut health = inspect(log, &**state, group)?;
            if health.damage.is_none() && group.partition != GroupId::META_PARTITION {
                health.damage = restore_fault(&health, state);
            }
            self.lines.push(health.to_string());
            let Some(damage) = health.damage.clone() else { return Ok(()) };
            self.damaged += 1;
            let cut = Cut::of(&health, &damage);
            if cut.is_reset && group.partition == GroupId::META_PARTITION {
                let what = "  the meta group cannot be cut there: restore the folder from a copy";
                self.lines.push(what.to_owned());
                self.is_beyond = true;
                return Ok(());
            }
            self.lines.push(format!("  {}: {}", will_cut(self.cut), cut.lost));
            if !self.cut {
                return Ok(());
            }
            cut.make(&health, log, &**state)?;
        }
        Ok(())
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        if self.is_beyond {
            return write!(f, "the node cannot be started from this folder");
        }
        match (self.damaged, self.cut) {
            (0, _) => write!(f, "nothing is damaged"),
            (_, true) => write!(f, "the damage is cut off; the node can be started"),
            (_, false) => write!(f, "nothing was changed; --apply cuts the damage off"),
        }
    }
}

/// Entries of one group that stand behind a damage of the log they share.
#[derive(Debug)]
struct Lost {
    group: GroupId,
    /// The last entry before the damage.
    kept: Option<u64>,
    /// The last entry that can be seen behind it. Those inside the damaged bytes cannot be.
    seen: Option<u64>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.kept.map_or(0, |kept| kept + 1);
        match self.seen {
            Some(seen) if seen >= first => {
                write!(f, "entries {first}..={seen} of {} are lost, and any after them", self.group)
            }
            _ => {
                write!(f, "entries of {} from {first} on, if there were any, are lost", self.group)
            }
        }
    }
}

/// What cutting the log where its damage begins loses, for each group.
fn lost_behind_damage(log_path: &Path, cache: &BlockCache) -> Result<Vec<Lost>, StorageError> {
    let before = RocksLog::peek(log_path, cache, Tolerance::Anything)?;
    let all = RocksLog::peek(log_path, cache, Tolerance::Holes)?;
    let groups = all.groups()?.into_iter().filter(|group| *group != GroupId::NODE);
    groups
        .map(|group| {
            Ok(Lost { group, kept: before.last_index(group)?, seen: all.last_index(group)? })
        })
        .collect()
}

const fn will_cut(apply: bool) -> &'static str {
    if apply { "cut" } else { "--apply would cut" }
}

/// Tells the next start that refs given out after the cut are void. The meta group gives out none.
fn cut_mark(group: GroupId) -> Option<LogOp> {
    (group.partition != GroupId::META_PARTITION).then(|| LogOp::Put {
        group,
        mark: Mark::Cut,
        value: codec::encode_number(&mark_key(group, Mark::Cut), 1),
    })
}

/// Whether the head can be read back, beyond what the checkpoint's own record says.
fn restore_fault(health: &Health, state: &Arc<RocksState>) -> Option<Damage> {
    let store: Arc<dyn StateStore> = Arc::<RocksState>::clone(state);
    let head = Head::restore(PartitionId(health.group.partition), health.stid, store);
    head.err().map(|error| Damage::Checkpoint { reason: error.to_string() })
}

/// What mends one damage, and what is lost by it.
#[derive(Debug)]
struct Cut {
    ops: Vec<LogOp>,
    lost: String,
    /// The replica's checkpoint goes too.
    is_reset: bool,
}

// === impl Cut ===

impl Cut {
    fn of(health: &Health, damage: &Damage) -> Self {
        let group = health.group;
        let applied = health.applied.log_id.map(|applied| applied.index);
        let all = LogOp::Remove { group, range: 0..u64::MAX };
        match damage {
            Damage::Entry { index, last, .. } if Some(*index) > applied => Self {
                ops: vec![LogOp::Remove { group, range: *index..u64::MAX }],
                lost: format!("entries {index}..={last} of {group} are lost"),
                is_reset: false,
            },
            Damage::Entry { .. } | Damage::Mark { mark: Mark::Purged, .. } => {
                let upto = applied.map_or(0, |applied| applied + 1);
                let mut ops = vec![LogOp::Remove { group, range: 0..upto }];
                ops.extend(purge_to_checkpoint(health));
                Self {
                    ops,
                    lost: format!("nothing; {group} has those entries in its checkpoint"),
                    is_reset: false,
                }
            }
            Damage::EndsEarly { applied, .. } => Self {
                ops: std::iter::once(all).chain(purge_to_checkpoint(health)).collect(),
                lost: format!("whatever {group} logged after {applied}"),
                is_reset: false,
            },
            Damage::BeginsLate { applied: Some(applied), .. } => Self {
                ops: std::iter::once(all).chain(purge_to_checkpoint(health)).collect(),
                lost: format!("everything that {group} logged after {applied}"),
                is_reset: false,
            },
            Damage::VoteBehind { .. } | Damage::Mark { mark: Mark::Vote, .. } => Self {
                ops: vec![vote_like_log(health)],
                lost: "nothing".to_owned(),
                is_reset: false,
            },
            Damage::Mark { .. } | Damage::Checkpoint { .. } | Damage::BeginsLate { .. } => {
                let clear = |mark| LogOp::Clear { group, mark };
                let ops = [Mark::Purged, Mark::Vote, Mark::Replica].map(clear);
                let ops = std::iter::once(all).chain(ops).collect();
                Self { ops, lost: format!("all of {group}"), is_reset: true }
            }
        }
    }

    fn make(
        mut self,
        health: &Health,
        log: &dyn LogStore,
        state: &dyn StateStore,
    ) -> Result<(), StorageError> {
        let group = health.group;
        self.ops.extend(cut_mark(group));
        if self.is_reset {
            let (from, to) = (health.stid.to_be_bytes(), (health.stid + 1).to_be_bytes());
            for column in Column::ALL {
                state.delete_range(column, &from, &to)?;
            }
            state.flush()?;
        }
        log.write(&self.ops)?;
        log.sync()
    }
}

/// The log goes on right after the checkpoint.
fn purge_to_checkpoint(health: &Health) -> Option<LogOp> {
    let group = health.group;
    let applied = health.applied.log_id?;
    let value = codec::encode_log_id(&mark_key(group, Mark::Purged), &applied);
    Some(LogOp::Put { group, mark: Mark::Purged, value })
}

/// The least vote that fits the log. A group of one voter elects itself again with the next term.
fn vote_like_log(health: &Health) -> LogOp {
    let group = health.group;
    let term = health.last.map_or(0, |last| last.leader_id.term);
    let leader_id = LeaderId { term, node_id: group.replica };
    let vote = Vote { leader_id, committed: false };
    let value = codec::encode_vote(&mark_key(group, Mark::Vote), &vote);
    LogOp::Put { group, mark: Mark::Vote, value }
}
