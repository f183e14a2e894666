//! What a head promises: the semantics of samples, and that no restart changes anything.

mod formats;
mod laws;
mod months;
mod semantics;

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::frame::MetadataRecord;
use cluster::{FrameBuilder, FrameRef};
use model::{Labels, Matcher, PartitionId, SeriesRef, TenantId, TimeRange, TimestampMs};
use promql::source::{SampleBlock, SampleScan, SampleSource, Selection};

use super::*;
use crate::select::HeadSource;
use crate::storage::memory::MemoryState;

/// The state id of every test head.
const STID: u64 = 7;
/// Midnight, at the beginning of a window.
pub(crate) const BASE_MS: TimestampMs = 1_699_920_000_000;

/// A sample to write: labels, timestamp, value's bits.
pub(crate) type Write = (Labels, TimestampMs, u64);

/// Samples by labels and timestamp.
pub(crate) type Content = BTreeMap<Labels, BTreeMap<TimestampMs, u64>>;

/// A head with its log and its store.
pub(crate) struct Rig {
    pub(crate) store: Arc<MemoryState>,
    pub(crate) head: Arc<Head>,
    pub(crate) log: Vec<(u64, Vec<u8>)>,
    pub(crate) refs: BTreeMap<Labels, SeriesRef>,
}

// === impl Rig ===

impl Rig {
    pub(crate) fn new() -> Self {
        let store = Arc::new(MemoryState::default());
        let head = Arc::new(restore(&store));
        Self { store, head, log: Vec::new(), refs: BTreeMap::new() }
    }

    /// Logs and applies one command.
    pub(crate) fn apply(&mut self, command: Vec<u8>) -> Vec<AppliedFrame> {
        let index = self.log.last().map_or(1, |(index, _)| index + 3);
        let reply = self.head.apply(index, &command);
        self.log.push((index, command));
        reply
    }

    /// Writes one frame in which every series is new.
    pub(crate) fn write(&mut self, samples: &[Write]) -> AppliedFrame {
        self.write_as(samples, |_| None)
    }

    /// Writes one frame, with the refs of earlier acknowledgements where there are some.
    pub(crate) fn write_known(&mut self, samples: &[Write]) -> AppliedFrame {
        let refs = self.refs.clone();
        self.write_as(samples, |labels| refs.get(labels).copied())
    }

    fn write_as(
        &mut self,
        samples: &[Write],
        known: impl Fn(&Labels) -> Option<SeriesRef>,
    ) -> AppliedFrame {
        let mut builder = FrameBuilder::default();
        builder.start(&TenantId::anonymous());
        let mut new: Vec<Labels> = Vec::new();
        for (labels, t, bits) in samples {
            let series = known(labels).map(FrameRef::Known).unwrap_or_else(|| {
                let at = new.iter().position(|other| other == labels).unwrap_or_else(|| {
                    builder.add_series(labels.encoded());
                    new.push(labels.clone());
                    new.len() - 1
                });
                FrameRef::New(u32::try_from(at).unwrap())
            });
            builder.push(series, *t, f64::from_bits(*bits));
        }
        let mut applied = self.apply(frames(&[&builder.finish()]));
        let applied = applied.remove(0);
        self.refs.extend(new.into_iter().zip(applied.new_refs.iter().copied()));
        applied
    }

    pub(crate) fn checkpoint(&self) {
        let mut batch = self.store.batch();
        let checkpointed = self.head.checkpoint(&mut batch);
        self.store.write(batch).unwrap();
        self.store.flush().unwrap();
        self.head.checkpoint_done(checkpointed);
    }

    /// Loses what was not flushed, restores, and replays the log behind the checkpoint.
    pub(crate) fn crash(&mut self) {
        self.store.crash();
        self.head = Arc::new(restore(&self.store));
        let applied = self.head.read().counters.applied;
        for (index, command) in self.log.iter().filter(|(index, _)| *index > applied) {
            self.head.apply(*index, command);
        }
    }

    /// All samples of all series in `range`.
    pub(crate) fn read(&self, matchers: &[Matcher], range: TimeRange) -> Content {
        read(&self.head, matchers, range)
    }
}

pub(crate) fn restore(store: &Arc<MemoryState>) -> Head {
    let store = Arc::clone(store);
    Head::restore(PartitionId(3), STID, store).unwrap()
}

pub(crate) fn frames(frames: &[&[u8]]) -> Vec<u8> {
    let mut command = Vec::new();
    encode_frames(frames.iter().copied(), &mut command);
    command
}

pub(crate) fn metadata_frame(record: &MetadataRecord<'_>) -> Vec<u8> {
    let mut builder = FrameBuilder::default();
    builder.start(&TenantId::anonymous());
    builder.push_metadata(record);
    frames(&[&builder.finish()])
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

/// Everything a head has, read as a query reads it.
pub(crate) fn read(head: &Head, matchers: &[Matcher], range: TimeRange) -> Content {
    let tenant = TenantId::anonymous();
    let source = HeadSource(head);
    drain(source.select(&Selection { tenant: &tenant, matchers, range }).unwrap())
}

/// What is left of a scan.
pub(crate) fn drain(mut scan: Box<dyn SampleScan + '_>) -> Content {
    let (roster, mut block, mut content) = (scan.roster(), SampleBlock::default(), Content::new());
    while scan.next(100, &mut block).unwrap() {
        for (i, series) in block.series.iter().enumerate() {
            let (timestamps_ms, values) = block.samples(i);
            assert!(timestamps_ms.is_sorted_by(|a, b| a < b), "{timestamps_ms:?}");
            let samples = timestamps_ms.iter().copied().zip(values.iter().map(|v| v.to_bits()));
            let labels = roster.series[*series as usize].clone();
            let before = content.insert(labels, samples.collect());
            assert_eq!(before, None, "a series comes once");
        }
    }
    content
}
