//! Keeps recent series: Raft log, head, checkpoints.

mod machine;
mod storage;
