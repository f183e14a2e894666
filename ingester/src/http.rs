//! What an ingester tells about itself over HTTP. Samples come in through the gateway.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::role::Ingester;
use crate::storage::Column;

/// `GET /api/v1/status/ingester`.
#[derive(Debug, Serialize)]
struct Status {
    stored_chunk_bytes: u64,
    partitions: Vec<PartitionStatus>,
}

#[derive(Debug, Serialize)]
struct PartitionStatus {
    partition: u32,
    replica: u64,
    leads: bool,
    applied_index: Option<u64>,
    series: u64,
    samples: u64,
    sealed_bytes: u64,
}

/// The ingester's own routes.
pub(crate) fn router(ingester: &Arc<Ingester>) -> Router {
    Router::new().route("/api/v1/status/ingester", get(status)).with_state(Arc::clone(ingester))
}

async fn status(State(ingester): State<Arc<Ingester>>) -> Json<Status> {
    let partitions = ingester.partitions().iter().map(|kept| {
        let stats = kept.group.machine().stats();
        PartitionStatus {
            partition: kept.id.0,
            replica: kept.group.id().replica,
            leads: kept.group.may_read(),
            applied_index: kept.group.applied_index(),
            series: stats.series,
            samples: stats.samples,
            sealed_bytes: stats.sealed_bytes,
        }
    });
    Json(Status {
        stored_chunk_bytes: ingester.state().size_bytes(Column::Chunks),
        partitions: partitions.collect(),
    })
}
