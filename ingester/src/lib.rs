//! The ingester: keeps recent series, replicated through Raft, on this node's disk.
//!
//! ```text
//!  cluster::IngesterClient
//!   append ─► append (gate, admission, batches) ─► raft group ─► log_writer ─► storage: raft log
//!                                                     │            one fdatasync for all groups
//!   ack ◄── reply of apply ◄── head (memory) ◄────────┘ committed
//!                               │  ▲
//!   run, series, … ─► select ───┘  └─ checkpoint (upkeep) ─► storage: state store
//! ```
//!
//! **Duty.** Each partition is a Raft group whose machine is a head: series, index and open chunks in
//! memory, sealed chunks in the state store. The meta group, a Raft group too, says which partitions
//! there are and who owns which slot. `opening` starts them; `check` keeps a damaged one from
//! starting; `recover` cuts what is damaged, on a person's word.
//!
//! **Guarantees.** An ack means: committed, synced, applied, and visible to every read that starts
//! later. A frame is applied whole or not at all. After a crash the node is in the state that its log
//! says, to the bit. What cannot be proven to be complete is not served.
//!
//! **Limits.** Groups have one voter: there is no transport between nodes yet. Queues, caches and
//! buffers are bounded (`--ingester.*`); beyond, and when disk or memory run short, writes get a 503
//! that a retry cures.

mod append;
#[cfg(feature = "bench")]
pub mod bench;
mod check;
mod config;
mod gate;
mod grpc;
mod head;
mod http;
mod identity;
mod log_writer;
mod machine;
mod meta;
mod metrics;
mod opening;
mod raft;
mod recover;
mod retention;
mod role;
mod select;
mod storage;
mod upkeep;

pub use config::Config;
pub use recover::{Recovery, recover};
pub use role::{Error, Ingester};
