//! What every role stands on: configuration, serving, telemetry, tasks and drain.
//!
//! ```text
//!  node ── Context { clock, metrics, tasks } ──► each role builds itself from Config + Context
//!    │
//!    ├── telemetry   one log line an event, logfmt or JSON
//!    ├── server      one listener: /-/healthy /-/ready /metrics at once, the roles' routes when ready
//!    ├── readiness   starting (what, how far) → ready → stopping
//!    └── drain       stop accepting, finish requests, stop tasks; each step has a deadline
//! ```
//!
//! The chassis knows no role. [`status`] is the only place that turns a [`model::FailureKind`] into
//! an HTTP status; [`clock::SystemClock`] is the only one that reads the wall clock; [`task`] is the
//! only one that spawns.

pub mod clock;
pub mod config;
pub mod context;
pub mod process;
pub mod readiness;
pub mod server;
pub mod status;
pub mod task;
pub mod telemetry;

pub use clock::SystemClock;
pub use context::Context;
pub use readiness::Readiness;
pub use task::Tasks;
