//! How entries, votes and marks stand on disk; described byte by byte in
//! `docs/formats/raft_log.md`.
//!
//! Each record starts with a version and carries a crc32c that also covers its key, so that a record
//! which was damaged, or which stands in another's place, is found out wherever it is read.

use std::collections::{BTreeMap, BTreeSet};

use super::types::{
    Command, Entry, LeaderId, LogId, Member, Membership, Payload, StoredMembership, Vote,
};
use crate::storage::keys;
use crate::storage::log::{ENTRY_HEADER_BYTES, GroupId, LogRecord};
use bytes::Bytes;

const VERSION: u8 = 1;
const KIND_BLANK: u8 = 0;
const KIND_COMMAND: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;
/// Bytes of a checksum at the end of a small record.
const CRC_BYTES: usize = 4;

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    /// Written by a newer version.
    #[error("its version is {0}, this build reads version {VERSION}")]
    Version(u8),
    /// Fewer bytes than the record needs.
    #[error("it is cut short")]
    Cut,
    /// The bytes are not those that were written.
    #[error("its checksum is {found:08x}, the bytes make {computed:08x}")]
    Checksum {
        /// As stored.
        found: u32,
        /// As computed.
        computed: u32,
    },
    /// An unknown kind of entry.
    #[error("its kind {0} is unknown")]
    Kind(u8),
}

/// What a checkpoint covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The last applied entry.
    pub(crate) log_id: Option<LogId>,
    /// The members as of that entry.
    pub(crate) membership: StoredMembership,
}

/// The header and payload of `entry` in `group`.
pub(crate) fn encode_entry(group: GroupId, entry: &Entry) -> LogRecord {
    let (kind, payload) = match &entry.payload {
        Payload::Blank => (KIND_BLANK, Bytes::new()),
        Payload::Normal(command) => (KIND_COMMAND, command.0.clone()),
        Payload::Membership(membership) => {
            let mut out = Vec::new();
            put_membership(&mut out, membership);
            (KIND_MEMBERSHIP, out.into())
        }
    };
    let index = entry.log_id.index;
    let mut header = [0; ENTRY_HEADER_BYTES];
    header[..2].copy_from_slice(&[VERSION, kind]);
    header[8..16].copy_from_slice(&entry.log_id.leader_id.term.to_le_bytes());
    header[16..].copy_from_slice(&entry.log_id.leader_id.node_id.to_le_bytes());
    let checksum = entry_checksum(group, index, &header, &payload);
    header[4..8].copy_from_slice(&checksum.to_le_bytes());
    LogRecord { index, header, payload }
}

/// The entry that was stored as `value` at `index` of `group`.
pub(crate) fn decode_entry(group: GroupId, index: u64, value: &[u8]) -> Result<Entry, CodecError> {
    let (log_id, kind, payload) = open_entry(group, index, value)?;
    let payload = match kind {
        KIND_BLANK => Payload::Blank,
        KIND_COMMAND => Payload::Normal(Command(Bytes::copy_from_slice(payload))),
        KIND_MEMBERSHIP => Payload::Membership(take_membership(&mut Reader(payload))?),
        other => return Err(CodecError::Kind(other)),
    };
    Ok(Entry { log_id, payload })
}

/// As [`decode_entry`], but only checks the entry and tells its id.
pub(crate) fn check_entry(group: GroupId, index: u64, value: &[u8]) -> Result<LogId, CodecError> {
    open_entry(group, index, value).map(|(log_id, _, _)| log_id)
}

/// Id, kind and payload of a stored entry whose checksum is right.
fn open_entry(group: GroupId, index: u64, value: &[u8]) -> Result<(LogId, u8, &[u8]), CodecError> {
    let (header, payload) =
        value.split_first_chunk::<ENTRY_HEADER_BYTES>().ok_or(CodecError::Cut)?;
    if header[0] != VERSION {
        return Err(CodecError::Version(header[0]));
    }
    let mut fields = Reader(&header[4..]);
    let found = u32::from_le_bytes(fields.take()?);
    let computed = entry_checksum(group, index, header, payload);
    if found != computed {
        return Err(CodecError::Checksum { found, computed });
    }
    let leader_id = LeaderId { term: fields.u64()?, node_id: fields.u64()? };
    Ok((LogId { leader_id, index }, header[1], payload))
}

/// The checksum covers the key and everything of the value but itself.
fn entry_checksum(
    group: GroupId,
    index: u64,
    header: &[u8; ENTRY_HEADER_BYTES],
    payload: &[u8],
) -> u32 {
    let crc = crc32c::crc32c(&keys::entry_key(group, index));
    let crc = crc32c::crc32c_append(crc, &header[..4]);
    let crc = crc32c::crc32c_append(crc, &header[8..]);
    crc32c::crc32c_append(crc, payload)
}

/// A vote, as the mark at `key`.
pub(crate) fn encode_vote(key: &[u8], vote: &Vote) -> Vec<u8> {
    let mut out = vec![VERSION, u8::from(vote.committed)];
    out.extend_from_slice(&vote.leader_id.term.to_le_bytes());
    out.extend_from_slice(&vote.leader_id.node_id.to_le_bytes());
    seal(key, out)
}

/// Reads a vote back.
pub(crate) fn decode_vote(key: &[u8], value: &[u8]) -> Result<Vote, CodecError> {
    let mut fields = unseal(key, value)?;
    let [committed] = fields.take()?;
    let leader_id = LeaderId { term: fields.u64()?, node_id: fields.u64()? };
    Ok(Vote { leader_id, committed: committed != 0 })
}

/// A log id, as the mark at `key`.
pub(crate) fn encode_log_id(key: &[u8], log_id: &LogId) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_log_id(&mut out, log_id);
    seal(key, out)
}

/// Reads a log id back.
pub(crate) fn decode_log_id(key: &[u8], value: &[u8]) -> Result<LogId, CodecError> {
    take_log_id(&mut unseal(key, value)?)
}

/// A number, as the mark at `key`.
pub(crate) fn encode_number(key: &[u8], number: u64) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&number.to_le_bytes());
    seal(key, out)
}

/// Reads a number back.
pub(crate) fn decode_number(key: &[u8], value: &[u8]) -> Result<u64, CodecError> {
    unseal(key, value)?.u64()
}

/// What a checkpoint covers, as the record at `key`.
pub(crate) fn encode_applied(key: &[u8], applied: &Applied) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_optional_log_id(&mut out, applied.log_id.as_ref());
    put_optional_log_id(&mut out, applied.membership.log_id().as_ref());
    put_membership(&mut out, applied.membership.membership());
    seal(key, out)
}

/// Reads what a checkpoint covers.
pub(crate) fn decode_applied(key: &[u8], value: &[u8]) -> Result<Applied, CodecError> {
    let mut fields = unseal(key, value)?;
    let log_id = take_optional_log_id(&mut fields)?;
    let membership_id = take_optional_log_id(&mut fields)?;
    let membership = take_membership(&mut fields)?;
    Ok(Applied { log_id, membership: StoredMembership::new(membership_id, membership) })
}

/// Adds the checksum of key and record.
pub(crate) fn seal(key: &[u8], mut record: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &record);
    record.extend_from_slice(&crc.to_le_bytes());
    record
}

/// Checks version and checksum; the fields after the version are left to read.
pub(crate) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Result<Reader<'a>, CodecError> {
    let (record, crc) = value.split_last_chunk::<CRC_BYTES>().ok_or(CodecError::Cut)?;
    let (version, fields) = record.split_first().ok_or(CodecError::Cut)?;
    if *version != VERSION {
        return Err(CodecError::Version(*version));
    }
    let found = u32::from_le_bytes(*crc);
    let computed = crc32c::crc32c_append(crc32c::crc32c(key), record);
    if found != computed {
        return Err(CodecError::Checksum { found, computed });
    }
    Ok(Reader(fields))
}

fn put_log_id(out: &mut Vec<u8>, log_id: &LogId) {
    out.extend_from_slice(&log_id.leader_id.term.to_le_bytes());
    out.extend_from_slice(&log_id.leader_id.node_id.to_le_bytes());
    out.extend_from_slice(&log_id.index.to_le_bytes());
}

fn take_log_id(fields: &mut Reader<'_>) -> Result<LogId, CodecError> {
    let leader_id = LeaderId { term: fields.u64()?, node_id: fields.u64()? };
    Ok(LogId { leader_id, index: fields.u64()? })
}

fn put_optional_log_id(out: &mut Vec<u8>, log_id: Option<&LogId>) {
    out.push(u8::from(log_id.is_some()));
    if let Some(log_id) = log_id {
        put_log_id(out, log_id);
    }
}

fn take_optional_log_id(fields: &mut Reader<'_>) -> Result<Option<LogId>, CodecError> {
    match fields.take()? {
        [0] => Ok(None),
        [_] => take_log_id(fields).map(Some),
    }
}

fn put_membership(out: &mut Vec<u8>, membership: &Membership) {
    let count = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes();
    let configs = membership.get_joint_config();
    out.extend_from_slice(&count(configs.len()));
    for voters in configs {
        out.extend_from_slice(&count(voters.len()));
        for voter in voters {
            out.extend_from_slice(&voter.to_le_bytes());
        }
    }
    out.extend_from_slice(&count(membership.nodes().count()));
    for (replica, member) in membership.nodes() {
        out.extend_from_slice(&replica.to_le_bytes());
        out.extend_from_slice(&member.node.to_le_bytes());
    }
}

fn take_membership(fields: &mut Reader<'_>) -> Result<Membership, CodecError> {
    let mut configs = Vec::new();
    for _ in 0..fields.u16()? {
        let voters =
            (0..fields.u16()?).map(|_| fields.u64()).collect::<Result<BTreeSet<_>, _>>()?;
        configs.push(voters);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..fields.u16()? {
        let replica = fields.u64()?;
        nodes.insert(replica, Member { node: fields.u64()? });
    }
    if configs.is_empty() {
        return Ok(Membership::default());
    }
    // A voter without a node cannot have been written; the checksum makes it a bug to meet one.
    Membership::new(configs, nodes).map_err(|_| CodecError::Cut)
}

/// Takes fields from the front.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

// === impl Reader ===

impl Reader<'_> {
    /// The next `N` bytes.
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(CodecError::Cut)?;
        self.0 = rest;
        Ok(*field)
    }

    /// A `u64`.
    pub(crate) fn u64(&mut self) -> Result<u64, CodecError> {
        self.take().map(u64::from_le_bytes)
    }

    /// A `u32`.
    pub(crate) fn u32(&mut self) -> Result<u32, CodecError> {
        self.take().map(u32::from_le_bytes)
    }

    /// A `u16`.
    pub(crate) fn u16(&mut self) -> Result<u16, CodecError> {
        self.take().map(u16::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
