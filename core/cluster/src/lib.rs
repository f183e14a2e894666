//! Who owns which series, and how to reach them.
//!
//! ```text
//!  gateway ── routes (slot → partition, generation) ── frame ─► client.append ─► ingester
//!  querier ── routes ───────────────────────────────── fragment ► client.run ──► ingester
//! ```
//!
//! In one process the client is the ingester itself and nothing is serialised; between processes
//! the same trait is spoken over gRPC. `node` decides which.

pub mod client;
pub mod frame;
pub mod ring;
pub mod routes;

pub use client::{AppendAck, FragmentMessage, IngesterClient, RejectReason};
pub use frame::{FrameBuilder, FrameError, FrameRef, FrameView};
pub use routes::{PartitionRoute, Routes, RoutesWatch};
