//! The checks at start, on logs and states that lack what a healthy replica has.

use bytes::Bytes;

use super::*;
use crate::raft::types::{Command, Entry, LeaderId, Payload, StoredMembership};
use crate::storage::log::LogOp;
use crate::storage::memory::{MemoryLog, MemoryState};
use crate::storage::{Column, keys};

const GROUP: GroupId = GroupId { partition: 0, replica: 2 };
const STID: u64 = 1;

fn log_id(index: u64) -> LogId {
    LogId { leader_id: LeaderId { term: 1, node_id: 2 }, index }
}

/// A replica with entries 0 to 9 and a checkpoint at 4.
fn replica() -> (MemoryLog, MemoryState) {
    let (log, state) = (MemoryLog::default(), MemoryState::default());
    let key = |mark| mark_key(GROUP, mark);
    let vote = Vote { leader_id: LeaderId { term: 1, node_id: 2 }, committed: true };
    let put = |mark, value| LogOp::Put { group: GROUP, mark, value };
    let records = (0..10).map(|index| {
        let payload = Payload::Normal(Command(Bytes::from(vec![1; 10])));
        codec::encode_entry(GROUP, &Entry { log_id: log_id(index), payload })
    });
    let ops = [
        put(Mark::Replica, codec::encode_number(&key(Mark::Replica), STID)),
        put(Mark::Vote, codec::encode_vote(&key(Mark::Vote), &vote)),
        LogOp::Append { group: GROUP, records: records.collect() },
    ];
    log.write(&ops).unwrap();
    let applied = Applied { log_id: Some(log_id(4)), membership: StoredMembership::default() };
    let mut batch = state.batch();
    let applied_key = keys::applied_key(STID);
    batch.put(Column::Meta, &applied_key, &codec::encode_applied(&applied_key, &applied));
    state.write(batch).unwrap();
    (log, state)
}

fn found(damage: impl FnOnce(&MemoryLog, &MemoryState)) -> Option<Damage> {
    let (log, state) = replica();
    damage(&log, &state);
    inspect(&log, &state, GROUP).unwrap().damage
}

fn put_raw(log: &MemoryLog, mark: Mark, value: &[u8]) {
    log.write(&[LogOp::Put { group: GROUP, mark, value: value.to_vec() }]).unwrap();
}

fn remove(log: &MemoryLog, range: std::ops::Range<u64>) {
    log.write(&[LogOp::Remove { group: GROUP, range }]).unwrap();
}

#[test]
fn a_whole_replica_is_healthy() {
    assert_eq!(found(|_, _| {}), None);
    let (log, state) = replica();
    let health = inspect(&log, &state, GROUP).unwrap();
    assert_eq!(health.to_string(), "partition 0 (replica 2): log after - up to 9, checkpoint at 4");
}

#[test]
fn a_replica_that_never_was_is_healthy() {
    let health = inspect(&MemoryLog::default(), &MemoryState::default(), GROUP).unwrap();
    assert_eq!((health.damage, health.stid), (None, 0));
}

#[test]
fn a_log_cut_behind_its_checkpoint_is_healthy() {
    let purged = |log: &MemoryLog, index| {
        let value = codec::encode_log_id(&mark_key(GROUP, Mark::Purged), &log_id(index));
        put_raw(log, Mark::Purged, &value);
        remove(log, 0..index + 1);
    };
    assert_eq!(found(|log, _| purged(log, 4)), None);
    let late = Damage::BeginsLate { purged: 6, applied: Some(4) };
    assert_eq!(found(|log, _| purged(log, 6)), Some(late));
}

#[test]
fn lost_entries_are_told_from_an_end() {
    assert_eq!(found(|log, _| remove(log, 7..u64::MAX)), None, "no reader can tell a torn tail");
    let early = Damage::EndsEarly { last: Some(2), applied: 4 };
    assert_eq!(found(|log, _| remove(log, 3..u64::MAX)), Some(early));
    let gap = found(|log, _| remove(log, 6..8));
    assert!(matches!(gap, Some(Damage::Entry { index: 6, last: 9, .. })), "{gap:?}");
    let start = found(|log, _| remove(log, 0..2));
    assert!(matches!(start, Some(Damage::Entry { index: 0, last: 9, .. })), "{start:?}");
}

#[test]
fn a_flipped_bit_is_found_where_it_is() {
    let flipped = found(|log, _| {
        let payload = Payload::Normal(Command(Bytes::from(vec![1; 10])));
        let entry = Entry { log_id: log_id(8), payload };
        let mut record = codec::encode_entry(GROUP, &entry);
        record.payload = Bytes::from(vec![2; 10]);
        log.write(&[LogOp::Append { group: GROUP, records: vec![record] }]).unwrap();
    });
    assert!(matches!(flipped, Some(Damage::Entry { index: 8, last: 9, .. })), "{flipped:?}");
}

#[test]
fn votes_and_marks_are_checked() {
    let vote = found(|log, _| put_raw(log, Mark::Vote, b"nonsense"));
    assert!(matches!(vote, Some(Damage::Mark { mark: Mark::Vote, .. })), "{vote:?}");
    let gone = found(|log, _| {
        log.write(&[LogOp::Clear { group: GROUP, mark: Mark::Vote }]).unwrap();
    });
    assert_eq!(gone, Some(Damage::VoteBehind { term: None, last_term: 1 }));
    let checkpoint = found(|_, state| {
        let mut batch = state.batch();
        batch.put(Column::Meta, &keys::applied_key(STID), b"nonsense");
        state.write(batch).unwrap();
    });
    assert!(matches!(checkpoint, Some(Damage::Checkpoint { .. })), "{checkpoint:?}");
}
