//! The layout of every key, and of the small records that storage itself reads.
//!
//! ```text
//!  raft log, column `log`    partition u32 BE │ replica u64 BE │ index u64 BE       → entry
//!  raft log, column `marks`  partition u32 BE │ replica u64 BE │ tag u8             → mark
//!  state, every column       stid u64 BE      │ the machine's own key               → its value
//!  state, column `meta`      stid u64 BE      │ 01                                  → applied
//!                            stid u64 BE      │ 10…FF                               the machine's
//! ```
//!
//! Big-endian numbers make the byte order of keys the order of their numbers. The formats are
//! described byte by byte in `docs/formats/raft_log.md` and `docs/formats/rocksdb_keys.md`.

use super::log::{GroupId, Mark};

/// Bytes of an entry's key.
pub(crate) const ENTRY_KEY_BYTES: usize = 20;
/// Bytes of a mark's key.
pub(crate) const MARK_KEY_BYTES: usize = 13;
/// Bytes of a group's prefix in both columns of the raft log.
pub(crate) const GROUP_BYTES: usize = 12;
/// The last byte of the key under which a replica's `applied` record stands.
const APPLIED_TAG: u8 = 0x01;

/// The prefix of a group's keys.
pub(crate) fn group_prefix(group: GroupId) -> [u8; GROUP_BYTES] {
    let mut key = [0; GROUP_BYTES];
    key[..4].copy_from_slice(&group.partition.to_be_bytes());
    key[4..].copy_from_slice(&group.replica.to_be_bytes());
    key
}

/// The key of an entry.
pub(crate) fn entry_key(group: GroupId, index: u64) -> [u8; ENTRY_KEY_BYTES] {
    let mut key = [0; ENTRY_KEY_BYTES];
    key[..GROUP_BYTES].copy_from_slice(&group_prefix(group));
    key[GROUP_BYTES..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The index in an entry's key; `None` unless the key has an entry key's length.
pub(crate) fn entry_index(key: &[u8]) -> Option<u64> {
    let key: &[u8; ENTRY_KEY_BYTES] = key.try_into().ok()?;
    key.last_chunk::<8>().copied().map(u64::from_be_bytes)
}

/// The key of a mark.
pub(crate) fn mark_key(group: GroupId, mark: Mark) -> [u8; MARK_KEY_BYTES] {
    let mut key = [0; MARK_KEY_BYTES];
    key[..GROUP_BYTES].copy_from_slice(&group_prefix(group));
    key[GROUP_BYTES] = mark.tag();
    key
}

/// The group in a mark's key; `None` unless the key has a mark key's length.
pub(crate) fn mark_group(key: &[u8]) -> Option<GroupId> {
    let key: &[u8; MARK_KEY_BYTES] = key.try_into().ok()?;
    let (partition, rest) = key.split_first_chunk::<4>()?;
    let (replica, _) = rest.split_first_chunk::<8>()?;
    Some(GroupId {
        partition: u32::from_be_bytes(*partition),
        replica: u64::from_be_bytes(*replica),
    })
}

/// The key of a replica's `applied` record, in the state store's `meta` column.
pub(crate) fn applied_key(stid: u64) -> [u8; 9] {
    let mut key = [APPLIED_TAG; 9];
    key[..8].copy_from_slice(&stid.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_sort_as_their_numbers(a: (u32, u64, u64), b: (u32, u64, u64)) {
            let key = |(partition, replica, index)| {
                entry_key(GroupId { partition, replica }, index)
            };
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(entry_index(&key(a)), Some(a.2));
        }
    }

    #[test]
    fn layouts_are_disk_contracts() {
        let group = GroupId { partition: 0x0102, replica: 0x0304 };
        assert_eq!(
            entry_key(group, 5),
            [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 5]
        );
        assert_eq!(mark_key(group, Mark::Purged), [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 2]);
        assert_eq!(mark_group(&mark_key(group, Mark::Cut)), Some(group));
        assert_eq!(applied_key(7), [0, 0, 0, 0, 0, 0, 0, 7, 1]);
    }
}
