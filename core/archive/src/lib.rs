//! Blocks and tiers on object storage: what the files hold, and which files exist.
//!
//! ```text
//!  bucket/<prefix>/<tenant>/<table>/_delta_log/N.json   which files exist: one commit a number
//!                                  /p=<day>/…parquet    what they hold; never changed once named
//!  table: raw, 5m, 1h, 1d
//!
//!  ingester  ── raw windows ──►┐                       ┌──► querier   snapshot, prune, scan
//!                              ├─ write ─► commit N+1 ─┤
//!  compactor ── merged, tiers ►┘                       └──► compactor snapshot, plan
//! ```
//!
//! **Not built yet.** This crate holds its place in the house and the design that it will follow.
//! `parquet` and `object_store` will be named here and nowhere else.
//!
//! # What a file holds
//! A row is one series over one slice of time: its labels as columns, its samples as native lists, so
//! that any reader of Parquet can use them without us. Values that are decimal numbers are kept as
//! integers with a scale that restores them bit for bit; others as doubles. A missing element is a
//! staleness marker. Rows are sorted by metric, slice and labels, and a file holds a range of metrics.
//! Checksums of ours cover each column of each row group, and are checked when read.
//!
//! # Which files exist
//! Each table is a Delta Lake log that other engines open by its path. A commit creates the object
//! with the next number, which the store grants once; nothing is ever overwritten. A writer that does
//! not hear back looks for its own transaction before it tries again. A commit is valid only if every
//! file it removes is still there and its predecessor is the one it was planned on.
//!
//! # Guarantees
//! - What the catalog names is there, whole and immutable; deletion takes a file out of the catalog
//!   first, and out of the store after a grace.
//! - A flush of an ingester is stored once, however often it is tried; its watermark stands in the
//!   same commit, so that ingester and archive together are complete and disjoint at every instant.
//! - A local folder is as good as a bucket: files and folders are synced before a commit names them.
//!
//! # Limits
//! Label columns a table, size of files, rows a group and pages are bounded constants of the format;
//! caches and requests at a time are settings.
