//! The compactor: turns what ingesters flush into large sorted files, builds the tiers from them, and
//! deletes what has outlived its retention.
//!
//! ```text
//!              ┌───────────── when ─────────────┐ ┌────────────── how ───────────────┐
//!  catalog ──► plan (pure: files, clock → jobs) ──► claim ──► job: read, merge, write ──► commit
//!     ▲                                                       │ raw ─► 5m ─► 1h ─► 1d      │
//!     └────────────────── a new version of the table, or nothing at all ◄──────────────────┘
//! ```
//!
//! **Not built yet.** This crate holds its place in the house and the design that it will follow; a
//! node runs without it, and keeps raw samples for their retention in the ingester.
//!
//! # Duty
//! - Merge the two-hour files of all partitions into files sorted by metric, slice and labels, each
//!   holding a range of metrics, so that a query opens few of them.
//! - Build all tiers in the same pass, while the samples are in hand. A tier's row carries what a
//!   range function needs (count, sum, minimum, maximum, first, last, corrections for resets,
//!   changes), and two adjacent rows merge into the row of both: 1h from 5m is the same as from raw.
//! - Expire: a file goes only when the next tier has been built from its last version.
//!
//! # Guarantees
//! - A job's outcome is visible as a whole or not at all: one commit names the files it adds and the
//!   files it replaces.
//! - Two compactors may do the same job; the first commit wins, and the other's files become orphans
//!   that a later pass removes. Claims only save work.
//! - Damaged input puts one file aside, with a metric and a reason. The other jobs go on.
//! - A deleted file stays readable for longer than the longest query runs.
//!
//! # Limits
//! Memory is bounded by a job's budget, not by the size of its input. Planning is a function of
//! catalog and clock without IO, and is tested with pictures of files on a time line.
//!
//! Resolutions and retentions are those of [`model::tier`].

mod config;
mod grpc;
mod http;
mod metrics;
mod role;
