//! What crosses from the partitions to the querier for an aggregation: groups, never series.
//!
//! A real ingester on a real folder, the querier over it, and between them a client that counts the
//! rows of all tiles and rosters. Without pushdown each case would count its series.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use chassis::{Context, Readiness};
use cluster::client::{FamilyMetadata, FragmentStream, SeriesRequest};
use cluster::{AppendAck, FragmentMessage, FrameBuilder, FrameRef, IngesterClient, RoutesWatch};
use futures::StreamExt;
use ingester::Ingester;
use model::clock::ManualClock;
use model::shard::slot_of;
use model::{Failure, Labels, PartitionId, TenantId};
use promql::fragment::Fragment;
use querier::Querier;
use tower::util::ServiceExt;

/// 1 January 2026, in milliseconds.
const T0_MS: i64 = 1_767_225_600_000;
const HOSTS: usize = 60;
const DEADLINE: Duration = Duration::from_secs(30);

/// Passes everything on and counts.
#[derive(Debug)]
struct Counting {
    ingester: Arc<Ingester>,
    tile_rows: Arc<AtomicUsize>,
    roster_rows: Arc<AtomicUsize>,
}

#[async_trait]
impl IngesterClient for Counting {
    fn routes(&self) -> RoutesWatch {
        self.ingester.routes()
    }

    async fn append(
        &self,
        partition: PartitionId,
        generation: u64,
        frame: Bytes,
    ) -> Result<AppendAck, Failure> {
        self.ingester.append(partition, generation, frame).await
    }

    async fn run(&self, fragment: Fragment) -> Result<FragmentStream, Failure> {
        let (tiles, rosters) = (Arc::clone(&self.tile_rows), Arc::clone(&self.roster_rows));
        let messages = self.ingester.run(fragment).await?.inspect(move |message| match message {
            Ok(FragmentMessage::Tile { tile, .. }) => {
                tiles.fetch_add(tile.num_rows(), Ordering::SeqCst);
            }
            Ok(FragmentMessage::Roster { roster, .. }) => {
                rosters.fetch_add(roster.len(), Ordering::SeqCst);
            }
            Ok(FragmentMessage::End { .. }) | Err(_) => {}
        });
        Ok(messages.boxed())
    }

    async fn series(&self, request: SeriesRequest) -> Result<Vec<Labels>, Failure> {
        self.ingester.series(request).await
    }

    async fn label_names(&self, request: SeriesRequest) -> Result<Vec<String>, Failure> {
        self.ingester.label_names(request).await
    }

    async fn label_values(
        &self,
        name: &str,
        request: SeriesRequest,
    ) -> Result<Vec<String>, Failure> {
        self.ingester.label_values(name, request).await
    }

    async fn metadata(
        &self,
        tenant: &TenantId,
        family: Option<&str>,
    ) -> Result<Vec<FamilyMetadata>, Failure> {
        self.ingester.metadata(tenant, family).await
    }
}

/// Four series a host: two modes on two cores; a sample every 15 s for two minutes.
async fn fill(ingester: &Ingester) {
    let routes = ingester.routes().current();
    for host in 0..HOSTS {
        for (cpu, mode) in [("0", "user"), ("0", "idle"), ("1", "user"), ("1", "idle")] {
            let host = format!("host-{host:02}");
            let labels = Labels::from_pairs([
                ("__name__", "cpu_total"),
                ("cpu", cpu),
                ("instance", &*host),
                ("mode", mode),
            ]);
            let owner = routes.slots.owner(slot_of(&TenantId::anonymous(), labels.iter()));
            let mut frame = FrameBuilder::default();
            frame.start(&TenantId::anonymous());
            let new = frame.add_series(labels.encoded());
            for i in 0..9_i32 {
                let at_ms = T0_MS + i64::from(i) * 15_000;
                frame.push(FrameRef::New(new), at_ms, f64::from(i) * 3.0);
            }
            let generation = routes.partitions[owner.0 as usize].generation;
            let ack = ingester.append(owner, generation, frame.finish()).await;
            assert_eq!(ack.expect("the partition takes it").accepted, 9);
        }
    }
}

async fn answer(querier: &Querier, query: &str) -> serde_json::Value {
    let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let (start, end) = (T0_MS / 1000, T0_MS / 1000 + 120);
    let uri = format!("/api/v1/query_range?query={query}&start={start}&end={end}&step=15");
    let request = Request::builder().uri(uri).body(Body::empty()).expect("a request");
    let response = querier.router().oneshot(request).await.expect("an answer");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    serde_json::from_slice(&body).expect("JSON")
}

async fn start(folder: &Path) -> (Arc<Ingester>, Context) {
    let context = Context::new(Arc::new(ManualClock::new(T0_MS + 120_000)));
    let config = ingester::Config::default();
    let ingester = Ingester::start(config, &context, folder, Readiness::new()).await;
    (ingester.expect("the folder is empty"), context)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregation_moves_at_most_groups_times_partitions() {
    let folder = tempfile::tempdir().expect("there is room");
    let (ingester, context) = start(folder.path()).await;
    fill(&ingester).await;
    let partitions = ingester.routes().current().partitions.len();
    assert!(partitions >= 2, "one partition would prove nothing");
    let (tile_rows, roster_rows) = (Arc::default(), Arc::default());
    let counting = Counting {
        ingester: Arc::clone(&ingester),
        tile_rows: Arc::clone(&tile_rows),
        roster_rows: Arc::clone(&roster_rows),
    };
    let config = querier::Config::default();
    let querier = Querier::new(config, &context, Arc::new(counting)).expect("it starts");
    let series = 4 * HOSTS;
    for (query, groups, rows_max) in [
        ("sum(rate(cpu_total[1m]))", 1, partitions),
        ("avg by (mode) (cpu_total)", 2, 2 * partitions),
        ("count without (instance) (cpu_total) / 2", 4, 4 * partitions),
        ("max by (cpu) (increase(cpu_total[1m]) > 0)", 2, 2 * partitions),
        ("stddev by (mode, cpu) (cpu_total offset 15s)", 4, 4 * partitions),
        ("sum by (mode) (cpu_total) - max by (mode) (cpu_total)", 2, 2 * 2 * partitions),
        // Not an aggregation: what the counters count without pushdown.
        ("cpu_total", series, series),
    ] {
        tile_rows.store(0, Ordering::SeqCst);
        roster_rows.store(0, Ordering::SeqCst);
        let body = answer(&querier, query).await;
        let result = body["data"]["result"].as_array().expect("a matrix");
        assert_eq!(result.len(), groups, "{query}: {body}");
        for rows in [&tile_rows, &roster_rows] {
            let rows = rows.load(Ordering::SeqCst);
            assert!((groups..=rows_max).contains(&rows), "{query}: {rows} rows crossed");
        }
    }
    ingester.drain().await.expect("a last checkpoint");
    context.tasks.drain(DEADLINE).await.expect("all tasks end");
}
