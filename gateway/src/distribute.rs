//! Distributes one request over the partitions: frames out, acks back, one verdict.
//!
//! ```text
//!  body ─ walk ─► batch ─ probe ─► scatter ─► one frame a partition ─► append to all at once
//!                                                                          │
//!                        learn the new refs ◄── merge the acks ◄───────────┘
//! ```
//!
//! A partition that does not know a ref gets its share of the request once more, with all labels;
//! samples are idempotent, so what it has stored already does no harm.
//!
//! The verdict (reliability contract C3): one retryable failure makes the whole request retryable,
//! because only the sender can resend it; else what was refused is told; else all is stored.

pub(crate) mod frames;

use std::sync::Arc;

use cluster::{AppendAck, IngesterClient, RejectReason, Routes};
use futures::future::join_all;
use model::{Failure, FailureKind, SeriesRef, TenantId};
use tokio::time::Instant;

use crate::metrics::GatewayMetrics;
use crate::remote_write::DecodeError;
use crate::remote_write::labels::LabelLimits;
use crate::remote_write::refusal::{Reason, Refusals};
use crate::remote_write::wire::WireError;
use crate::series_cache::{CacheSize, SeriesCache};
use frames::{Frame, Frames, Reserve, Scatter, Share};

/// Distributes requests; one for the whole gateway.
#[derive(Debug)]
pub(crate) struct Distributor {
    client: Arc<dyn IngesterClient>,
    cache: SeriesCache,
    label_limits: LabelLimits,
    samples_max: usize,
    metrics: Arc<GatewayMetrics>,
}

/// What became of a request that could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Samples and histograms that the request had.
    pub(crate) samples: u64,
    /// What was not stored, and why. The rest is stored.
    pub(crate) refusals: Refusals,
}

/// Why a request is to be answered with an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    /// It could not be read; nothing is stored.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The routes are in the middle of a change.
    #[error("slot {slot} belongs to partition {partition}, which these routes do not have")]
    NoOwner { slot: u16, partition: u32 },
    /// There is no memory for its frames; nothing is stored.
    #[error(transparent)]
    NoMemory(Failure),
    /// A partition failed; some of it may be stored.
    #[error(transparent)]
    Append(Failure),
}

/// What one partition has said about its frames.
#[derive(Debug, Default)]
struct Answer {
    rejected: Vec<(RejectReason, u32)>,
    first_rejection: Option<String>,
}

// === impl Distributor ===

impl Distributor {
    pub(crate) fn new(
        client: Arc<dyn IngesterClient>,
        cache_entries_max: usize,
        label_limits: LabelLimits,
        samples_max: usize,
        metrics: Arc<GatewayMetrics>,
    ) -> Self {
        let cache = SeriesCache::new(cache_entries_max, client.routes().current());
        Self { client, cache, label_limits, samples_max, metrics }
    }

    /// Stores what a decompressed body holds; `reserve` sets memory aside for its frames.
    ///
    /// # Errors
    /// When the body cannot be read, there is no memory for it, or a partition fails.
    pub(crate) async fn write(
        &self,
        tenant: &TenantId,
        body: &[u8],
        frames: &mut Frames,
        reserve: Reserve<'_>,
    ) -> Result<Verdict, WriteError> {
        let routes = self.client.routes().current();
        self.cache.follow(&routes);
        let scatter = self.scatter(tenant, &routes);
        let mut verdict = scatter.run(body, Share::All, frames, reserve).await?;
        self.metrics.count_probes(frames.cache_hits, frames.cache_misses);
        let answers = self.append_all(&routes, frames.take()).await?;
        for (position, mut answer) in answers {
            if answer.is_unknown_ref() {
                self.cache.forget(position);
                scatter.run(body, Share::Of(position), frames, reserve).await?;
                answer = self.append_again(&routes, position, frames.take()).await?;
            }
            answer.add_to(&mut verdict.refusals);
        }
        Ok(verdict)
    }

    /// The size of the series cache.
    pub(crate) fn cache_size(&self) -> CacheSize {
        self.cache.size()
    }

    fn scatter<'a>(&'a self, tenant: &'a TenantId, routes: &'a Arc<Routes>) -> Scatter<'a> {
        Scatter {
            tenant,
            routes,
            cache: &self.cache,
            label_limits: &self.label_limits,
            samples_max: self.samples_max,
        }
    }

    /// Appends to all partitions at once and waits for each: when one fails, the others' new refs
    /// are still worth learning.
    async fn append_all(
        &self,
        routes: &Arc<Routes>,
        by_position: Vec<(u16, Vec<Frame>)>,
    ) -> Result<Vec<(u16, Answer)>, WriteError> {
        let appends = by_position.into_iter().map(|(position, frames)| async move {
            (position, self.append_in_order(routes, position, frames).await)
        });
        let (mut answers, mut failure) = (Vec::new(), None::<Failure>);
        for (position, answer) in join_all(appends).await {
            match answer {
                Ok(answer) => answers.push((position, answer)),
                Err(new)
                    if failure
                        .as_ref()
                        .is_none_or(|old| new.is_retryable() && !old.is_retryable()) =>
                {
                    failure = Some(new);
                }
                Err(_) => {}
            }
        }
        match failure {
            Some(failure) => Err(WriteError::Append(failure)),
            None => Ok(answers),
        }
    }

    async fn append_again(
        &self,
        routes: &Arc<Routes>,
        position: u16,
        frames: Vec<(u16, Vec<Frame>)>,
    ) -> Result<Answer, WriteError> {
        let answers = self.append_all(routes, frames).await?;
        let answer = answers.into_iter().next().map(|(_, answer)| answer).unwrap_or_default();
        if answer.is_unknown_ref() {
            let text = format!(
                "partition {position} does not know a series whose labels were sent with the \
                 sample; please retry, and report it if it stays"
            );
            let id = "err-varve-unknown-series-ref";
            return Err(WriteError::Append(Failure::new(FailureKind::Unavailable, id, text)));
        }
        Ok(answer)
    }

    /// Appends the frames of one partition one after the other, so that samples of a series stay
    /// in the request's order.
    async fn append_in_order(
        &self,
        routes: &Arc<Routes>,
        position: u16,
        frames: Vec<Frame>,
    ) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        let Some(partition) = routes.partitions.get(usize::from(position)) else {
            return Ok(answer); // Frames are made for the partitions of these routes only.
        };
        for Frame { bytes, new } in frames {
            let start = Instant::now();
            let appended = self.client.append(partition.id, partition.generation, bytes).await;
            self.metrics.observe_append(start.elapsed());
            let ack = appended?;
            // A series that the partition refused has no ref.
            let known = ack.new_refs.iter().filter(|known| known.0 < SeriesRef::LIMIT);
            if ack.new_refs.len() == new.len() && known.count() > 0 {
                let learned = new.into_iter().zip(ack.new_refs.iter().copied());
                let learned = learned.filter(|(_, known)| known.0 < SeriesRef::LIMIT);
                let evicted = self.cache.learn(routes, position, learned);
                self.metrics.count_evictions(evicted);
            }
            answer.merge(ack);
        }
        Ok(answer)
    }
}

// === impl WriteError ===

impl WriteError {
    /// The failure to answer with.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Decode(error) => error.failure(),
            Self::NoOwner { .. } => {
                Failure::new(FailureKind::Unavailable, "err-varve-no-owner", self.to_string())
            }
            Self::NoMemory(failure) | Self::Append(failure) => failure.clone(),
        }
    }
}

impl From<WireError> for WriteError {
    fn from(error: WireError) -> Self {
        Self::Decode(error.into())
    }
}

// === impl Answer ===

impl Answer {
    fn merge(&mut self, ack: AppendAck) {
        self.rejected.extend(ack.rejected);
        if self.first_rejection.is_none() {
            self.first_rejection = ack.first_rejection;
        }
    }

    fn is_unknown_ref(&self) -> bool {
        self.rejected.iter().any(|(reason, n)| *reason == RejectReason::UnknownRef && *n > 0)
    }

    fn add_to(self, refusals: &mut Refusals) {
        let mut text = self.first_rejection;
        for (reason, n) in self.rejected {
            let text = || text.take().unwrap_or_else(|| reason.id().to_owned());
            refusals.add(Reason::Ingester(reason), u64::from(n), text);
        }
    }
}

#[cfg(test)]
mod tests;
