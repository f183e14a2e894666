//! Bytes of log records: laws, and a picture of those that later versions must still read.

use proptest::prelude::*;

use super::*;
use crate::storage::keys::mark_key;
use crate::storage::log::Mark;

const GROUP: GroupId = GroupId { partition: 2, replica: 5 };

fn log_id(term: u64, node_id: u64, index: u64) -> LogId {
    LogId { leader_id: LeaderId { term, node_id }, index }
}

fn membership(voters: &[u64]) -> Membership {
    Membership::new_with_defaults(vec![voters.iter().copied().collect()], [])
}

fn stored(entry: &Entry) -> Vec<u8> {
    let record = encode_entry(GROUP, entry);
    [&record.header[..], &record.payload[..]].concat()
}

proptest! {
    #[test]
    fn entries_survive_and_every_flipped_bit_is_found(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        term: u64, node: u64, index: u64, kind in 0..3_u8, flip: prop::sample::Index,
    ) {
        let payload = match kind {
            0 => Payload::Blank,
            1 => Payload::Normal(Command(payload.into())),
            _ => Payload::Membership(membership(&[node, term])),
        };
        let entry = Entry { log_id: log_id(term, node, index), payload };
        let value = stored(&entry);
        prop_assert_eq!(decode_entry(GROUP, index, &value), Ok(entry));
        let bit = flip.index(value.len() * 8);
        let mut damaged = value.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decode_entry(GROUP, index, &damaged).is_err(), "bit {} went unseen", bit);
        prop_assert!(decode_entry(GROUP, index.wrapping_add(1), &value).is_err());
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(value in proptest::collection::vec(any::<u8>(), 0..120)) {
        decode_entry(GROUP, 1, &value).ok();
        decode_applied(b"key", &value).ok();
        decode_applied(b"key", &seal(b"key", value)).ok();
    }
}

#[test]
fn small_records_survive_and_belong_to_their_key() {
    let (vote_key, purged_key) = (mark_key(GROUP, Mark::Vote), mark_key(GROUP, Mark::Purged));
    let vote = Vote { leader_id: LeaderId { term: 3, node_id: 5 }, committed: true };
    let value = encode_vote(&vote_key, &vote);
    assert_eq!(decode_vote(&vote_key, &value), Ok(vote));
    assert!(matches!(decode_vote(&purged_key, &value), Err(CodecError::Checksum { .. })));
    let id = log_id(1, 2, 3);
    assert_eq!(decode_log_id(&purged_key, &encode_log_id(&purged_key, &id)), Ok(id));
    let applied = Applied {
        log_id: Some(id),
        membership: StoredMembership::new(Some(log_id(1, 2, 0)), membership(&[2])),
    };
    for applied in [applied, Applied::default()] {
        assert_eq!(decode_applied(b"k", &encode_applied(b"k", &applied)), Ok(applied));
    }
}

#[test]
fn entries_are_a_disk_contract() {
    let entry = Entry {
        log_id: log_id(1, 2, 3),
        payload: Payload::Normal(Command(Bytes::from_static(b"xyz"))),
    };
    let value = stored(&entry);
    assert_eq!(value[..4], [1, 1, 0, 0], "version, kind, reserved");
    assert_eq!(value[8..24], [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0], "term, leader");
    assert_eq!(&value[24..], b"xyz");
    let newer = [&[2_u8][..], &value[1..]].concat();
    assert_eq!(decode_entry(GROUP, 3, &newer), Err(CodecError::Version(2)));
}

/// Each record of the golden file, as this code writes it.
fn golden_records() -> Vec<(&'static str, Vec<u8>)> {
    let entry = |payload| stored(&Entry { log_id: log_id(1, 2, 3), payload });
    let key = |mark| mark_key(GROUP, mark);
    let vote = Vote { leader_id: LeaderId { term: 3, node_id: 5 }, committed: true };
    let applied = Applied {
        log_id: Some(log_id(1, 2, 3)),
        membership: StoredMembership::new(Some(log_id(1, 2, 0)), membership(&[2, 7])),
    };
    vec![
        ("blank", entry(Payload::Blank)),
        ("command", entry(Payload::Normal(Command(Bytes::from_static(b"xyz"))))),
        ("membership", entry(Payload::Membership(membership(&[2, 7])))),
        ("vote", encode_vote(&key(Mark::Vote), &vote)),
        ("purged", encode_log_id(&key(Mark::Purged), &log_id(1, 2, 3))),
        ("replica", encode_number(&key(Mark::Replica), 9)),
        ("applied", encode_applied(&keys::applied_key(9), &applied)),
    ]
}

/// The golden file was made from `docs/formats` by other code, and later versions must read it.
#[test]
fn records_are_the_golden_bytes() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines = golden_records().into_iter().map(|(name, bytes)| format!("{name} {}", hex(&bytes)));
    let written: Vec<String> = lines.collect();
    let golden: Vec<&str> = include_str!("golden_v1.txt").lines().collect();
    assert_eq!(written, golden);
}
