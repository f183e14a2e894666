//! Who this node is: written to its own disk before anything else, and never changed.
//!
//! The cluster's id is there too, so that a folder of one cluster is never taken for another's.

use uuid::Uuid;

use crate::raft::codec::{self, CodecError, Reader};
use crate::storage::StorageError;
use crate::storage::keys::mark_key;
use crate::storage::log::{GroupId, LogOp, LogStore, Mark};

/// The first node of a cluster.
const FIRST_NODE: u64 = 1;
const VERSION: u8 = 1;

/// This node, in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The cluster.
    pub(crate) cluster: Uuid,
    /// The node.
    pub(crate) node: u64,
}

// === impl Identity ===

impl Identity {
    /// The identity that the log has; a new one, of a new cluster, if the log is empty.
    ///
    /// # Errors
    /// When it cannot be read or written, or is gone although the node has groups.
    pub(crate) fn load_or_create(log: &dyn LogStore) -> Result<Self, StorageError> {
        let key = mark_key(GroupId::NODE, Mark::Node);
        if let Some(value) = log.mark(GroupId::NODE, Mark::Node)? {
            return Self::decode(&key, &value).map_err(|error| damaged(error.to_string()));
        }
        if !log.groups()?.is_empty() {
            return Err(damaged("it is gone, but the node has replicas".to_owned()));
        }
        let identity = Self { cluster: Uuid::new_v4(), node: FIRST_NODE };
        let value = identity.encode(&key);
        log.write(&[LogOp::Put { group: GroupId::NODE, mark: Mark::Node, value }])?;
        log.sync()?;
        Ok(identity)
    }

    fn encode(self, key: &[u8]) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(self.cluster.as_bytes());
        out.extend_from_slice(&self.node.to_le_bytes());
        codec::seal(key, out)
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, CodecError> {
        let mut fields: Reader<'_> = codec::unseal(key, value)?;
        Ok(Self { cluster: Uuid::from_bytes(fields.take()?), node: fields.u64()? })
    }
}

fn damaged(reason: String) -> StorageError {
    StorageError::Damaged { what: "the node record".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::memory::MemoryLog;

    #[test]
    fn a_node_keeps_its_identity() {
        let log = MemoryLog::default();
        let identity = Identity::load_or_create(&log).unwrap();
        log.crash();
        assert_eq!(Identity::load_or_create(&log).unwrap(), identity);
        let other = Identity::load_or_create(&MemoryLog::default()).unwrap();
        assert_ne!(other.cluster, identity.cluster);
    }

    #[test]
    fn a_lost_identity_is_not_replaced() {
        let log = MemoryLog::default();
        let group = GroupId { partition: 0, replica: 2 };
        log.write(&[LogOp::Put { group, mark: Mark::Vote, value: vec![1] }]).unwrap();
        let text = Identity::load_or_create(&log).unwrap_err().to_string();
        assert!(text.starts_with("the node record is damaged: it is gone"), "{text}");
    }
}
