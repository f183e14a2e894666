//! The types that openraft is instantiated with, once for every kind of group.
//!
//! Commands are opaque bytes and replies are type-erased on their way through the library, so that
//! it is compiled once although partitions and the meta group reply differently.

use std::any::Any;
use std::fmt;

use bytes::Bytes;
use openraft::impls::{
    BoxedErrorSource, InlineBatch, OneshotResponder, TokioRuntime, Vote as RaftVote, leader_id_adv,
};
use openraft::vote::RaftLeaderId;
use openraft::{OptionalSend, RaftTypeConfig};

/// openraft's parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeConfig;

/// What a log entry carries: bytes that only the group's machine understands.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) Bytes);

/// What a machine replied, to be taken by whoever knows its type.
pub(crate) struct Reply(Option<Box<dyn Any + Send + Sync>>);

/// Where a replica lives. Addresses are looked up elsewhere, so that they may change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Member {
    /// The node.
    pub(crate) node: u64,
}

/// Who leads: a term and a replica.
pub(crate) type LeaderId = leader_id_adv::LeaderId<u64, u64>;
/// A vote.
pub(crate) type Vote = RaftVote<LeaderId>;
/// The id of an entry.
pub(crate) type LogId = openraft::LogId<LeaderId>;
/// An entry's content.
pub(crate) type Payload = openraft::EntryPayload<Command, u64, Member>;
/// An entry.
pub(crate) type Entry = openraft::Entry<LeaderId, Payload>;
/// The members of a group.
pub(crate) type Membership = openraft::Membership<u64, Member>;
/// The members of a group, and the entry that made them so.
pub(crate) type StoredMembership = openraft::StoredMembership<LeaderId, u64, Member>;
/// What a snapshot covers.
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<LeaderId, u64, Member>;

// === impl TypeConfig ===

impl RaftTypeConfig for TypeConfig {
    type D = Command;
    type R = Reply;
    type NodeId = u64;
    type Node = Member;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote;
    type Payload = Payload;
    type Entry = openraft::Entry<<LeaderId as RaftLeaderId>::Committed, Payload>;
    type AsyncRuntime = TokioRuntime;
    type Responder<T>
        = OneshotResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

// === impl Command ===

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The length only: the library formats entries into its log lines.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} bytes", self.0.len())
    }
}

// === impl Reply ===

impl Reply {
    /// The reply to an entry that no machine saw.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// A machine's reply.
    pub(crate) fn new<T: Any + Send + Sync>(reply: T) -> Self {
        Self(Some(Box::new(reply)))
    }

    /// The reply, if it is a `T`.
    pub(crate) fn take<T: Any>(self) -> Option<T> {
        self.0?.downcast().ok().map(|reply| *reply)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Reply(machine's)" } else { "Reply(none)" })
    }
}
