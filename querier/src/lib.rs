//! The querier: answers PromQL and the questions about labels, with Prometheus' API.
//!
//! ```text
//!  GET, POST /api/v1/query…
//!    │ http        form, tenant, times and limits ─► Question
//!    ▼
//!  engine          promql parses and checks; a turn among the running queries; deadline, budget
//!    │ plan        Expr ─► fragments (pushed to the partitions) + final stage (computed here)
//!    ▼
//!  exec            bind: every partition's roster first; then one DataFusion plan of two kinds
//!    │               PromqlExec            the whole final stage: promql's kernels over tiles
//!    │                 └ RemoteFragmentExec  the tiles of one fragment, a partition a node
//!    ▼
//!  value           the answer: rows in label order
//!    ▼ encode      JSON, chunk by chunk
//! ```
//!
//! DataFusion owns the fan-in, memory and cancellation: plans are built by hand, there is no SQL, no
//! logical plan and no optimizer on this path (`docs/decisions/0003-promql-exec.md`).
//!
//! Guarantees: results are those of Prometheus 3.14 to the bit, except for sums across series that
//! were merged from several partitions. What cannot be executed is refused with its place in the text.
//! Dropping a response at any point stops its query and frees its memory. The rows that cross from a
//! partition for an aggregation are its groups, never its series.
//!
//! Limits: time, samples, memory and the number of running and of waiting queries (see [`Config`]).
//! The querier keeps nothing between queries.

mod config;
mod encode;
mod engine;
mod exec;
mod grpc;
mod http;
mod metrics;
mod plan;
mod role;
#[cfg(test)]
mod testing;
mod value;

pub use config::Config;
pub use role::{Error, Querier};
