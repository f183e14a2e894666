//! What a query costs that reads nothing: `vector(1)` through HTTP, parser, plan, DataFusion and
//! encoder. This is the overhead of every query (`docs/decisions/0003-promql-exec.md`).
//!
//! `router` hands the request to the router, as hyper would; `socket` sends it over one kept-alive
//! connection and back, client and kernel included. `scalar` is the same without a plan, so that
//! `vector` less `scalar` is the plan's share.

use std::hint::black_box;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use cluster::client::{FamilyMetadata, FragmentStream, SeriesRequest};
use cluster::{AppendAck, IngesterClient, Routes, RoutesWatch};
use criterion::{Criterion, criterion_group, criterion_main};
use futures::stream::StreamExt;
use model::{Failure, FailureKind, Labels, PartitionId, SlotMap, TenantId};
use promql::fragment::Fragment;
use querier::{Config, Querier};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tower::util::ServiceExt;

/// A cluster without partitions.
#[derive(Debug)]
struct NoIngesters(RoutesWatch);

#[async_trait]
impl IngesterClient for NoIngesters {
    fn routes(&self) -> RoutesWatch {
        self.0.clone()
    }

    async fn append(
        &self,
        _partition: PartitionId,
        _generation: u64,
        _frame: Bytes,
    ) -> Result<AppendAck, Failure> {
        Err(Failure::new(FailureKind::Unavailable, "err-varve-bench", "there is no ingester"))
    }

    async fn run(&self, _fragment: Fragment) -> Result<FragmentStream, Failure> {
        Ok(futures::stream::empty().boxed())
    }

    async fn series(&self, _request: SeriesRequest) -> Result<Vec<Labels>, Failure> {
        Ok(vec![])
    }

    async fn label_names(&self, _request: SeriesRequest) -> Result<Vec<String>, Failure> {
        Ok(vec![])
    }

    async fn label_values(
        &self,
        _name: &str,
        _request: SeriesRequest,
    ) -> Result<Vec<String>, Failure> {
        Ok(vec![])
    }

    async fn metadata(
        &self,
        _tenant: &TenantId,
        _family: Option<&str>,
    ) -> Result<Vec<FamilyMetadata>, Failure> {
        Ok(vec![])
    }
}

fn router() -> axum::Router {
    let routes = Routes { slots: SlotMap::even(1, 1), partitions: vec![] };
    let client = Arc::new(NoIngesters(RoutesWatch::new(routes)));
    let context = chassis::Context::system();
    Querier::new(Config::default(), &context, client).expect("the defaults are valid").router()
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime can be made")
}

async fn ask(router: &axum::Router, uri: &str) -> Bytes {
    let request = Request::builder().uri(uri).body(Body::empty()).expect("the path is valid");
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    body.expect("the body is in memory")
}

async fn serve(router: axum::Router) -> std::io::Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    #[expect(clippy::disallowed_methods, reason = "a bench has no tasks to supervise")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn round_trip(stream: &mut TcpStream, uri: &str) -> std::io::Result<usize> {
    let request = format!("GET {uri} HTTP/1.1\r\nHost: varve\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // The answer is small: it comes in one piece.
    let mut answer = [0; 4096];
    stream.read(&mut answer).await
}

fn queries(c: &mut Criterion) {
    let router = router();
    let runtime = runtime();
    for (name, query) in [("vector", "vector(1)"), ("scalar", "1")] {
        let uri = format!("/api/v1/query?query={query}&time=1767225600");
        let answer = runtime.block_on(ask(&router, &uri));
        assert!(answer.starts_with(br#"{"status":"success""#), "{answer:?}");
        c.bench_function(&format!("router/{name}"), |b| {
            b.iter(|| runtime.block_on(async { black_box(ask(&router, &uri).await) }));
        });
        let mut stream =
            runtime.block_on(serve(router.clone())).expect("the loopback can be listened on");
        c.bench_function(&format!("socket/{name}"), |b| {
            b.iter(|| {
                let trip = runtime.block_on(round_trip(&mut stream, &uri));
                black_box(trip.expect("the server answers"))
            });
        });
    }
}

criterion_group!(benches, queries);
criterion_main!(benches);
