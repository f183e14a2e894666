//! Everything that names openraft: one Raft group, from its log to its snapshots.
//!
//! ```text
//!  propose ─► Group ─► openraft ─► GroupLog ─► LogWriter ─► LogStore      one fdatasync a node
//!                          │
//!                          └─ committed ─► StateMachine ─► Machine::apply  memory only
//!                                              └─ checkpoint ─► StateStore   is the snapshot
//! ```
//!
//! What is on disk is in formats of our own ([`codec`]), so that a new version of the library reads
//! an old log. The library's own types stay inside this module.

pub(crate) mod codec;
pub(crate) mod group;
pub(crate) mod log;
pub(crate) mod network;
pub(crate) mod snapshot;
pub(crate) mod state_machine;
pub(crate) mod types;

#[cfg(test)]
mod suite;
