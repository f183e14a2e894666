//! The vocabulary: what a series, a sample, a matcher, a chunk and a partition are.
//!
//! Every word here is Prometheus' word for the same thing. This floor neither awaits, nor does
//! IO, nor reads a clock; everything above it depends on it and it depends on nothing of ours.
//!
//! ```text
//!  labels ──► series (key) ──► shard (slot, partition)
//!  sample, histogram ──► chunk (xor)     time, clock     matcher     failure
//! ```

pub mod chunk;
pub mod clock;
pub mod failure;
pub mod histogram;
pub mod labels;
pub mod matcher;
pub mod sample;
pub mod series;
pub mod shard;
pub mod tenant;
pub mod tier;
pub mod time;

pub use clock::Clock;
pub use failure::{Failure, FailureKind};
pub use histogram::Histogram;
pub use labels::{Labels, LabelsBuilder};
pub use matcher::{MatchOp, Matcher};
pub use sample::Sample;
pub use series::{SeriesKey, SeriesRef};
pub use shard::{PartitionId, Slot, SlotMap};
pub use tenant::TenantId;
pub use tier::Tier;
pub use time::{TimeRange, TimestampMs};
