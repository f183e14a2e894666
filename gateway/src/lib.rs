//! The gateway: takes writes, decodes them, and brings every sample to the partition that owns its
//! series.
//!
//! ```text
//!  POST /api/v1/write
//!    │ http            method, media type, encoding, tenant; size and time limits; bytes in flight
//!    ▼
//!  remote_write        snappy; walk over the protobuf in place; labels of new series
//!    │                 ┌──────────────┐
//!    ├── probe ───────►│ series_cache │  raw label bytes → partition, ref
//!    ▼                 └──────▲───────┘
//!  distribute ── frames ──► partitions, all at once
//!    │                        │ refs of new series
//!    ▼                        │
//!  204, 400 or 503 ◄── acks ──┘
//! ```
//!
//! Guarantees: a 204 means that every sample is committed, on disk and visible to queries that start
//! later. A request that is refused whole (405, 408, 413, 415, or not decodable) stores nothing. A
//! 400 with a count means that the rest is stored. A 503 means that some of it may be stored, and
//! that sending all of it again is harmless.
//!
//! Limits: the body before and after decompression, samples a request, labels a series, and bytes of
//! all requests at once (see [`Config`]). The cache of known series holds about 32 bytes a series.
//!
//! The gateway keeps nothing that cannot be lost: its cache is refilled by the acks.

#[cfg(feature = "bench")]
pub mod bench;
mod config;
mod distribute;
mod grpc;
mod http;
mod metrics;
mod remote_write;
mod role;
mod series_cache;

#[cfg(test)]
#[path = "../tests/support/partitions.rs"]
mod partitions;
#[cfg(test)]
#[path = "../tests/support/request.rs"]
#[expect(dead_code, reason = "the integration tests use the rest")]
mod request;

pub use config::Config;
pub use role::{Error, Gateway};
