//! The typed client of the ingesters; the ingester role implements it for its own process.

use std::fmt::Debug;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use model::{Failure, Labels, Matcher, PartitionId, SeriesRef, TenantId, TimeRange};
use promql::fragment::Fragment;
use promql::roster::SharedRoster;

use crate::routes::RoutesWatch;

/// Speaks to whichever nodes hold the partitions.
#[async_trait]
pub trait IngesterClient: Debug + Send + Sync + 'static {
    /// Who owns what, always current.
    fn routes(&self) -> RoutesWatch;

    /// Appends one frame to its partition. `Ok` means: committed, fsynced by a majority, and
    /// visible to every read that starts afterwards; the ack tells what became of each sample.
    ///
    /// `generation` is the partition's from the routes by which the frame's refs were learned.
    ///
    /// # Errors
    /// Retryable failures (no leader, overload, gates, stale routes) leave the outcome unknown.
    async fn append(
        &self,
        partition: PartitionId,
        generation: u64,
        frame: Bytes,
    ) -> Result<AppendAck, Failure>;

    /// Runs one fragment on every partition of the tenant. Each partition sends its roster first,
    /// then tiles, then its end.
    ///
    /// # Errors
    /// When a partition cannot be read at the default (strong) consistency.
    async fn run(&self, fragment: Fragment) -> Result<FragmentStream, Failure>;

    /// Labels of the series that satisfy any of the matcher sets and have samples in `range`.
    /// Sorted, each once, at most `limit` (0 for no limit).
    ///
    /// # Errors
    /// As [`IngesterClient::run`].
    async fn series(&self, request: SeriesRequest) -> Result<Vec<Labels>, Failure>;

    /// Label names of such series; an empty list of matcher sets stands for all series.
    ///
    /// # Errors
    /// As [`IngesterClient::run`].
    async fn label_names(&self, request: SeriesRequest) -> Result<Vec<String>, Failure>;

    /// Values of one label of such series.
    ///
    /// # Errors
    /// As [`IngesterClient::run`].
    async fn label_values(
        &self,
        name: &str,
        request: SeriesRequest,
    ) -> Result<Vec<String>, Failure>;

    /// Metadata of metric families, by family name; all of them when `family` is `None`.
    ///
    /// # Errors
    /// As [`IngesterClient::run`].
    async fn metadata(
        &self,
        tenant: &TenantId,
        family: Option<&str>,
    ) -> Result<Vec<FamilyMetadata>, Failure>;
}

/// The messages of all partitions, interleaved; one stream per node.
pub type FragmentStream = BoxStream<'static, Result<FragmentMessage, Failure>>;

/// One message of a running fragment.
#[derive(Debug, Clone)]
pub enum FragmentMessage {
    /// The series (or groups) that the partition's tiles will number. Comes first, once.
    Roster {
        /// Which partition speaks.
        partition: PartitionId,
        /// Its series.
        roster: SharedRoster,
    },
    /// One tile; columns as in [`promql::fragment`].
    Tile {
        /// Which partition speaks.
        partition: PartitionId,
        /// The rows.
        tile: RecordBatch,
    },
    /// The partition has said everything.
    End {
        /// Which partition speaks.
        partition: PartitionId,
        /// Samples that were read for it.
        samples_read: u64,
    },
}

/// Which series a label question is about.
#[derive(Debug, Clone)]
pub struct SeriesRequest {
    /// Whose series.
    pub tenant: TenantId,
    /// A series counts when it satisfies all matchers of any set; no set means every series.
    pub matcher_sets: Vec<Vec<Matcher>>,
    /// Only series with samples in this range.
    pub range: TimeRange,
    /// The most entries wanted; 0 for no limit.
    pub limit: usize,
}

/// Type, help and unit of one metric family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FamilyMetadata {
    /// The family's name.
    pub family: String,
    /// `counter`, `gauge`, `histogram`, `gaugehistogram`, `summary`, `info`, `stateset` or
    /// `unknown`.
    pub kind: &'static str,
    /// The help text.
    pub help: String,
    /// The unit; often empty.
    pub unit: String,
}

/// What became of the samples of one frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppendAck {
    /// Samples stored by this append.
    pub accepted: u32,
    /// Samples that were stored already with the same bits; they count as written.
    pub duplicates: u32,
    /// Samples refused, by reason; only reasons that occurred.
    pub rejected: Vec<(RejectReason, u32)>,
    /// The text for the first refused sample of the frame, e.g.
    /// `out of order sample for series {a="1"}, timestamp 5`.
    pub first_rejection: Option<String>,
    /// Refs of the frame's new series, in the frame's order. A ref is permanent within the
    /// partition's generation.
    pub new_refs: Vec<SeriesRef>,
}

/// Why a sample was refused; retrying cannot help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// Same timestamp, other bits.
    DuplicateTimestamp,
    /// Older than the out-of-order window.
    TooOld,
    /// More than ten minutes ahead of the leader's clock.
    TooFarInFuture,
    /// The tenant has as many series as it may.
    SeriesLimit,
    /// The ref is not known to the partition: the sender's cache is of another generation.
    UnknownRef,
}

// === impl RejectReason ===

impl RejectReason {
    /// The immutable id, as in `docs/errors.md`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::DuplicateTimestamp => "err-varve-duplicate-timestamp",
            Self::TooOld => "err-varve-sample-too-old",
            Self::TooFarInFuture => "err-varve-sample-too-far-in-future",
            Self::SeriesLimit => "err-varve-series-limit",
            Self::UnknownRef => "err-varve-unknown-series-ref",
        }
    }
}
