//! A client that acknowledges everything and keeps nothing, so that what a test measures is the
//! gateway's own.

use async_trait::async_trait;
use bytes::Bytes;
use cluster::client::{FamilyMetadata, FragmentStream, SeriesRequest};
use cluster::{AppendAck, FrameView, IngesterClient, PartitionRoute, Routes, RoutesWatch};
use model::{Failure, FailureKind, Labels, PartitionId, SeriesRef, SlotMap, TenantId};
use promql::fragment::Fragment;

#[derive(Debug)]
pub(crate) struct Sink(RoutesWatch);

impl Sink {
    pub(crate) fn new(partitions: u32) -> Self {
        let ids = (0..partitions).map(|id| PartitionRoute { id: PartitionId(id), generation: 1 });
        let slots = SlotMap::even(1, partitions);
        Self(RoutesWatch::new(Routes { slots, partitions: ids.collect() }))
    }
}

#[async_trait]
impl IngesterClient for Sink {
    fn routes(&self) -> RoutesWatch {
        self.0.clone()
    }

    async fn append(&self, _: PartitionId, _: u64, frame: Bytes) -> Result<AppendAck, Failure> {
        // As long as a disk takes: the requests of a test shall be in flight together.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let frame = FrameView::parse(&frame).expect("the gateway sends frames");
        let refs = 0..u32::try_from(frame.new_series()).expect("few series");
        Ok(AppendAck { new_refs: refs.map(SeriesRef).collect(), ..AppendAck::default() })
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
