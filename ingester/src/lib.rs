//! Keeps recent series: Raft log, head, checkpoints.

mod append;
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
