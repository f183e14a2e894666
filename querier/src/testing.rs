//! For tests: ingesters in memory, partition by partition, that run fragments as real ones do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use cluster::client::{FamilyMetadata, FragmentStream, SeriesRequest};
use cluster::routes::PartitionRoute;
use cluster::{AppendAck, FragmentMessage, IngesterClient, Routes, RoutesWatch};
use futures::stream::StreamExt;
use model::shard::slot_of;
use model::{Failure, FailureKind, Labels, Matcher, PartitionId, SlotMap, TenantId, TimestampMs};
use promql::fragment::Fragment;
use promql::op::{OpError, OpRt};
use promql::roster::{Roster, SharedRoster};
use promql::run::{FragmentSink, run_fragment};
use promql::source::{SampleBlock, SampleScan, SampleSource, Selection};

/// One series.
pub(crate) type Series = (Labels, Vec<(TimestampMs, f64)>);

/// Ingesters of one node.
#[derive(Debug)]
pub(crate) struct MemoryIngesters {
    routes: RoutesWatch,
    partitions: Vec<Partition>,
    metadata: Vec<FamilyMetadata>,
    /// Rows of tiles that were sent.
    pub(crate) rows_sent: AtomicUsize,
    /// Streams of fragments that are alive.
    pub(crate) streams: Arc<AtomicUsize>,
    after_rosters: AfterRosters,
}

/// What fragments send after their rosters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterRosters {
    /// Everything.
    Tiles,
    /// Nothing, for ever.
    Silence,
    /// A failure.
    Failure,
}

#[derive(Debug, Default)]
struct Partition(Vec<Series>);

struct MemoryScan {
    roster: SharedRoster,
    series: Vec<Series>,
    next: usize,
}

/// A query without limits.
struct Unlimited;

/// What one partition sends.
#[derive(Debug)]
struct Outbox {
    partition: PartitionId,
    messages: Vec<FragmentMessage>,
}

/// Counts a stream for as long as it lives.
struct Alive(Arc<AtomicUsize>);

/// Labels from pairs.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

// === impl MemoryIngesters ===

impl MemoryIngesters {
    /// Spreads `series` over so many partitions.
    pub(crate) fn new(n: u32, series: impl IntoIterator<Item = Series>) -> Self {
        let slots = SlotMap::even(1, n);
        let mut partitions: Vec<Partition> = (0..n).map(|_| Partition::default()).collect();
        for series in series {
            let owner = slots.owner(slot_of(&TenantId::anonymous(), series.0.iter()));
            partitions[owner.0 as usize].0.push(series);
        }
        let ids = (0..n).map(|id| PartitionRoute { id: PartitionId(id), generation: 1 });
        Self {
            routes: RoutesWatch::new(Routes { slots, partitions: ids.collect() }),
            partitions,
            metadata: vec![],
            rows_sent: AtomicUsize::new(0),
            streams: Arc::default(),
            after_rosters: AfterRosters::Tiles,
        }
    }

    pub(crate) fn with_metadata(mut self, metadata: Vec<FamilyMetadata>) -> Self {
        self.metadata = metadata;
        self
    }

    pub(crate) fn with(mut self, after_rosters: AfterRosters) -> Self {
        self.after_rosters = after_rosters;
        self
    }

    fn matching(&self, request: &SeriesRequest) -> BTreeSet<Labels> {
        let all = self.partitions.iter().flat_map(|partition| &partition.0);
        let wanted = all.filter(|(labels, samples)| {
            let sets = &request.matcher_sets;
            samples.iter().any(|(t, _)| request.range.contains(*t))
                && (sets.is_empty() || sets.iter().any(|set| satisfies(labels, set)))
        });
        wanted.map(|(labels, _)| labels.clone()).collect()
    }
}

fn satisfies(labels: &Labels, matchers: &[Matcher]) -> bool {
    let value = |name| labels.get(name).unwrap_or_default();
    matchers.iter().all(|matcher| matcher.matches(value(matcher.name())))
}

fn limited<T>(entries: BTreeSet<T>, limit: usize) -> Vec<T> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    entries.into_iter().take(limit).collect()
}

#[async_trait]
impl IngesterClient for MemoryIngesters {
    fn routes(&self) -> RoutesWatch {
        self.routes.clone()
    }

    async fn append(
        &self,
        _partition: PartitionId,
        _generation: u64,
        _frame: Bytes,
    ) -> Result<AppendAck, Failure> {
        Err(Failure::new(FailureKind::Unavailable, "err-varve-test", "read only"))
    }

    async fn run(&self, fragment: Fragment) -> Result<FragmentStream, Failure> {
        let mut rosters = vec![];
        let mut rest = vec![];
        // Rosters of all but the first partition come last, and the last partition's tiles first.
        for (at, partition) in self.partitions.iter().enumerate().rev() {
            let id = u32::try_from(at).unwrap();
            let mut outbox = Outbox { partition: PartitionId(id), messages: vec![] };
            let end = run_fragment(&fragment, partition, &Unlimited, &mut outbox);
            let end = end.map_err(|error| error.failure)?;
            for message in outbox.messages {
                if let FragmentMessage::Tile { tile, .. } = &message {
                    self.rows_sent.fetch_add(tile.num_rows(), Ordering::SeqCst);
                }
                let is_roster = matches!(message, FragmentMessage::Roster { .. });
                if is_roster { &mut rosters } else { &mut rest }.push(Ok(message));
            }
            let (partition, samples_read) = (PartitionId(id), end.samples_read);
            rest.push(Ok(FragmentMessage::End { partition, samples_read }));
        }
        if self.after_rosters != AfterRosters::Tiles {
            rest.clear();
        }
        if self.after_rosters == AfterRosters::Failure {
            let text = "partition 0 has no leader";
            rest.push(Err(Failure::new(FailureKind::Unavailable, "err-varve-test", text)));
        }
        self.streams.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(Arc::clone(&self.streams));
        let messages = futures::stream::iter(rosters.into_iter().chain(rest));
        let messages = if self.after_rosters == AfterRosters::Silence {
            messages.chain(futures::stream::pending()).boxed()
        } else {
            messages.boxed()
        };
        let messages = messages.map(move |message| {
            let _alive = &alive;
            message
        });
        Ok(messages.boxed())
    }

    async fn series(&self, request: SeriesRequest) -> Result<Vec<Labels>, Failure> {
        Ok(limited(self.matching(&request), request.limit))
    }

    async fn label_names(&self, request: SeriesRequest) -> Result<Vec<String>, Failure> {
        let series = self.matching(&request);
        let names = series.iter().flat_map(|labels| labels.iter().map(|(n, _)| n.to_owned()));
        Ok(limited(names.collect(), request.limit))
    }

    async fn label_values(
        &self,
        name: &str,
        request: SeriesRequest,
    ) -> Result<Vec<String>, Failure> {
        let series = self.matching(&request);
        let values = series.iter().filter_map(|labels| labels.get(name).map(str::to_owned));
        Ok(limited(values.collect(), request.limit))
    }

    async fn metadata(
        &self,
        _tenant: &TenantId,
        family: Option<&str>,
    ) -> Result<Vec<FamilyMetadata>, Failure> {
        let wanted = |record: &&FamilyMetadata| family.is_none_or(|name| name == record.family);
        Ok(self.metadata.iter().filter(wanted).cloned().collect())
    }
}

// === impl Partition ===

impl SampleSource for Partition {
    fn select(&self, selection: &Selection<'_>) -> Result<Box<dyn SampleScan + '_>, OpError> {
        let series: Vec<Series> = self
            .0
            .iter()
            .filter(|(labels, _)| satisfies(labels, selection.matchers))
            .map(|(labels, samples)| {
                let inside = samples.iter().filter(|(t, _)| selection.range.contains(*t));
                (labels.clone(), inside.copied().collect())
            })
            .collect();
        let roster = Roster::shared(series.iter().map(|(labels, _)| labels.clone()).collect());
        Ok(Box::new(MemoryScan { roster, series, next: 0 }))
    }
}

impl SampleScan for MemoryScan {
    fn roster(&self) -> SharedRoster {
        SharedRoster::clone(&self.roster)
    }

    fn next(&mut self, _samples_hint: usize, block: &mut SampleBlock) -> Result<bool, OpError> {
        block.clear();
        let Some((_, samples)) = self.series.get(self.next) else { return Ok(false) };
        for (t, v) in samples {
            block.timestamps_ms.push(*t);
            block.values.push(*v);
        }
        block.close_series(u32::try_from(self.next).unwrap());
        self.next += 1;
        Ok(true)
    }
}

impl FragmentSink for Outbox {
    fn roster(&mut self, roster: SharedRoster) -> Result<(), OpError> {
        self.messages.push(FragmentMessage::Roster { partition: self.partition, roster });
        Ok(())
    }

    fn tile(&mut self, tile: RecordBatch) -> Result<(), OpError> {
        self.messages.push(FragmentMessage::Tile { partition: self.partition, tile });
        Ok(())
    }
}

impl OpRt for Unlimited {
    fn reserve(&self, _bytes: usize) -> Result<(), OpError> {
        Ok(())
    }

    fn release(&self, _bytes: usize) {}

    fn check(&self) -> Result<(), OpError> {
        Ok(())
    }

    fn count_samples(&self, _samples: usize) -> Result<(), OpError> {
        Ok(())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
