//! Reads a request's body: not more than is allowed, not longer than is allowed, and not more of all
//! requests together than fits in memory.

use std::error::Error;
use std::io;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use futures::StreamExt;
use model::{Failure, FailureKind};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Refused;

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    pub(super) bytes_max: usize,
    pub(super) timeout: Duration,
}

/// The bytes that one request holds of those that all requests share; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    all: &'a Semaphore,
    all_bytes: usize,
    held: Option<SemaphorePermit<'a>>,
}

// === impl Lease ===

impl<'a> Lease<'a> {
    /// Nothing yet, of `all_bytes`.
    pub(super) const fn new(all: &'a Semaphore, all_bytes: usize) -> Self {
        Self { all, all_bytes, held: None }
    }

    /// Takes `bytes` more. One request alone can always have what it needs, so that a small limit
    /// makes requests wait for each other instead of refusing a large one for ever.
    pub(super) fn extend(&mut self, bytes: usize) -> Result<(), Failure> {
        let held = self.held.as_ref().map_or(0, SemaphorePermit::num_permits);
        let bytes = bytes.min(self.all_bytes.saturating_sub(held));
        let taken = u32::try_from(bytes).ok().and_then(|n| self.all.try_acquire_many(n).ok());
        let Some(taken) = taken else { return Err(self.overloaded()) };
        match &mut self.held {
            Some(held) => held.merge(taken),
            None => self.held = Some(taken),
        }
        Ok(())
    }

    fn overloaded(&self) -> Failure {
        let text = format!(
            "write requests in flight already hold their {} bytes \
             (--gateway.in-flight-bytes-max); please retry",
            self.all_bytes
        );
        Failure::new(FailureKind::Unavailable, "err-varve-too-many-bytes-in-flight", text)
    }
}

/// Reads the body into `out`.
pub(super) async fn read(
    request: Request,
    limits: BodyLimits,
    lease: &mut Lease<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    out.clear();
    // A body that declares itself too large is refused before it is read.
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limits.bytes_max as u64) {
        return Err(too_large(limits).into());
    }
    let read = collect(request, limits, lease, out);
    match tokio::time::timeout(limits.timeout, read).await {
        Ok(result) => Ok(result?),
        Err(_) => {
            let text = format!(
                "request body did not arrive within {} ms (--gateway.body-timeout-ms)",
                limits.timeout.as_millis()
            );
            Err(Refused::Plain(StatusCode::REQUEST_TIMEOUT, text))
        }
    }
}

async fn collect(
    request: Request,
    limits: BodyLimits,
    lease: &mut Lease<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let mut chunks = request.into_body().into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        if out.len() + chunk.len() > limits.bytes_max {
            return Err(too_large(limits));
        }
        lease.extend(chunk.len())?;
        out.extend_from_slice(&chunk);
    }
    Ok(())
}

/// A sender that went away hears nothing, one that wrote chunks which are none does.
fn broken(error: &axum::Error) -> Failure {
    let (mut cause, mut kind) = (Some(error as &(dyn Error + 'static)), None);
    while let (Some(error), None) = (cause, kind) {
        kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        cause = error.source();
    }
    if let Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) = kind {
        let text = format!("request body is malformed: {error}");
        return Failure::new(FailureKind::Invalid, "err-varve-body-malformed", text);
    }
    let text = format!("request body ended early: {error}");
    Failure::new(FailureKind::Canceled, "err-varve-body-cut", text)
}

fn too_large(limits: BodyLimits) -> Failure {
    let text = format!("request body exceeds the {} bytes limit", limits.bytes_max);
    Failure::new(FailureKind::TooLarge, "err-varve-body-too-large", text)
}
