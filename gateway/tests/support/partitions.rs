//! Partitions in memory: they keep what they are sent, give out refs as a real partition does, and
//! fail or reject on demand.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cluster::client::{FamilyMetadata, FragmentStream, SeriesRequest};
use cluster::{
    AppendAck, FrameRef, FrameView, IngesterClient, PartitionRoute, RejectReason, Routes,
    RoutesWatch,
};
use model::{Failure, FailureKind, Labels, PartitionId, SeriesRef, SlotMap, TenantId};
use parking_lot::Mutex;
use promql::fragment::Fragment;

/// A stored sample: tenant and labels, timestamp, bits of the value.
pub(crate) type Stored = (String, i64, u64);

#[derive(Debug)]
pub(crate) struct Partitions {
    routes: RoutesWatch,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    heads: HashMap<PartitionId, Head>,
    metadata: BTreeMap<String, FamilyMetadata>,
    failures: HashMap<PartitionId, Failure>,
    appends: usize,
    new_series_sent: usize,
}

#[derive(Debug, Default)]
struct Head {
    refs: HashMap<String, u32>,
    series: Vec<String>,
    samples: BTreeMap<(String, i64), u64>,
}

impl Partitions {
    pub(crate) fn new(partitions: u32) -> Arc<Self> {
        let routes = RoutesWatch::new(Self::routes_of(1, 1, partitions));
        Arc::new(Self { routes, state: Mutex::default() })
    }

    fn routes_of(epoch: u64, generation: u64, partitions: u32) -> Routes {
        let ids = (0..partitions).map(|id| PartitionRoute { id: PartitionId(id), generation });
        Routes { slots: SlotMap::even(epoch, partitions), partitions: ids.collect() }
    }

    /// Moves all slots, as if the cluster had grown to `partitions`.
    pub(crate) fn reroute(&self, epoch: u64, partitions: u32) {
        self.routes.publish(Self::routes_of(epoch, 1, partitions));
    }

    /// Forgets which refs were given out, without telling anybody.
    pub(crate) fn lose_refs(&self) {
        for head in self.state.lock().heads.values_mut() {
            head.refs.clear();
            head.series.clear();
        }
    }

    /// Lets a partition fail all appends from now on.
    pub(crate) fn fail(&self, partition: u32, kind: FailureKind, text: &'static str) {
        let failure = Failure::new(kind, "err-varve-test", text);
        self.state.lock().failures.insert(PartitionId(partition), failure);
    }

    /// Everything that is stored, sorted.
    pub(crate) fn stored(&self) -> Vec<Stored> {
        let state = self.state.lock();
        let samples = state.heads.values().flat_map(|head| &head.samples);
        let mut all: Vec<_> =
            samples.map(|((series, t), bits)| (series.clone(), *t, *bits)).collect();
        all.sort();
        all
    }

    /// The metadata that is stored.
    pub(crate) fn stored_metadata(&self) -> Vec<FamilyMetadata> {
        self.state.lock().metadata.values().cloned().collect()
    }

    /// How many frames came, and how many series came with labels.
    pub(crate) fn traffic(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.appends, state.new_series_sent)
    }
}

impl Head {
    fn apply(&mut self, frame: FrameView<'_>) -> AppendAck {
        let mut ack = AppendAck::default();
        for labels in frame.series() {
            let labels = Labels::from_encoded(labels).expect("labels are sorted UTF-8");
            let series = format!("{} {labels}", frame.tenant());
            let next = u32::try_from(self.series.len()).expect("few series");
            let known = *self.refs.entry(series.clone()).or_insert(next);
            if known == next {
                self.series.push(series);
            }
            ack.new_refs.push(SeriesRef(known));
        }
        let times = frame.runs().flat_map(|(t, n)| std::iter::repeat_n(t, n as usize));
        for ((raw, t), value) in frame.refs().zip(times).zip(frame.values()) {
            let known = match FrameRef::decode(raw) {
                FrameRef::Known(known) => known,
                FrameRef::New(i) => ack.new_refs[i as usize],
            };
            let Some(series) = self.series.get(known.index()).cloned() else {
                ack.rejected.push((RejectReason::UnknownRef, 1));
                continue;
            };
            let bits = *self.samples.entry((series.clone(), t)).or_insert(value.to_bits());
            if bits != value.to_bits() {
                let text = format!("duplicate sample for timestamp for series {series}");
                ack.first_rejection.get_or_insert(text);
                ack.rejected.push((RejectReason::DuplicateTimestamp, 1));
            } else {
                ack.accepted += 1;
            }
        }
        ack
    }
}

#[async_trait]
impl IngesterClient for Partitions {
    fn routes(&self) -> RoutesWatch {
        self.routes.clone()
    }

    async fn append(
        &self,
        partition: PartitionId,
        _generation: u64,
        frame: Bytes,
    ) -> Result<AppendAck, Failure> {
        tokio::task::yield_now().await;
        let mut state = self.state.lock();
        if let Some(failure) = state.failures.get(&partition) {
            return Err(failure.clone());
        }
        let frame = FrameView::parse(&frame).expect("the gateway sends frames");
        state.appends += 1;
        state.new_series_sent += frame.new_series();
        for record in frame.metadata() {
            let metadata = FamilyMetadata {
                family: record.family.to_owned(),
                kind: ["unknown", "counter", "gauge"].get(usize::from(record.kind)).unwrap_or(&"?"),
                help: record.help.to_owned(),
                unit: record.unit.to_owned(),
            };
            state.metadata.insert(metadata.family.clone(), metadata);
        }
        Ok(state.heads.entry(partition).or_default().apply(frame))
    }

    async fn run(&self, _: Fragment) -> Result<FragmentStream, Failure> {
        Err(not_asked())
    }

    async fn series(&self, _: SeriesRequest) -> Result<Vec<Labels>, Failure> {
        Err(not_asked())
    }

    async fn label_names(&self, _: SeriesRequest) -> Result<Vec<String>, Failure> {
        Err(not_asked())
    }

    async fn label_values(&self, _: &str, _: SeriesRequest) -> Result<Vec<String>, Failure> {
        Err(not_asked())
    }

    async fn metadata(
        &self,
        _: &TenantId,
        _: Option<&str>,
    ) -> Result<Vec<FamilyMetadata>, Failure> {
        Err(not_asked())
    }
}

fn not_asked() -> Failure {
    Failure::new(FailureKind::Internal, "err-varve-test", "the gateway asks nothing")
}
