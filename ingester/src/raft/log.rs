//! A group's log, as openraft asks for it.
//!
//! Entries are readable as soon as `append` has returned: from the [`cache`], until they are durable
//! and applied, and for as long after that as it has room. Everything else that is asked often (vote,
//! last and purged id) is kept in memory.
//!
//! Invariant: an entry leaves the cache only once the store has it, and reads are bounded by the
//! ids in memory, so changes that are still queued for the store are never visible the wrong way.

mod cache;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, ControlFlow, Range, RangeBounds};
use std::sync::Arc;

use futures::Stream;
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::codec;
use super::types::{Entry, LogId, TypeConfig, Vote};
use crate::log_writer::{Done, LogWriter};
use crate::storage::StorageError;
use crate::storage::keys::mark_key;
use crate::storage::log::{GroupId, LogOp, LogRecord, LogStore, Mark};

pub(crate) use cache::{AppliedEnd, CacheBudget};
use cache::{EntryCache, entry_bytes};

/// What one step of a longer read holds in memory.
const READ_BYTES: usize = 1 << 20;

/// The log of one group; clones are the same log.
#[derive(Debug, Clone)]
pub(crate) struct GroupLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    group: GroupId,
    writer: LogWriter,
    applied: AppliedEnd,
    inner: Mutex<Inner>,
    /// Tells whoever stops the group that this is gone.
    _held: watch::Sender<()>,
}

#[derive(Debug)]
struct Inner {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    /// The index of the first entry. A log that was never purged begins where its first append
    /// began, which openraft puts at 0; every entry from here to `last` has to be there.
    first: u64,
    last: Option<LogId>,
    cache: EntryCache,
}

// === impl GroupLog ===

impl GroupLog {
    /// The log of `group` as the writer's store has it; `held` is dropped with the last clone.
    ///
    /// # Errors
    /// When a mark or the last entry cannot be read.
    pub(crate) fn open(
        group: GroupId,
        writer: LogWriter,
        budget: Arc<CacheBudget>,
        held: watch::Sender<()>,
    ) -> Result<Self, StorageError> {
        let store = Arc::clone(writer.store());
        let vote = store.mark(group, Mark::Vote)?;
        let vote = vote
            .map(|value| codec::decode_vote(&mark_key(group, Mark::Vote), &value))
            .transpose()
            .map_err(|error| damaged(format!("the vote of {group}"), &error))?;
        let purged = store.mark(group, Mark::Purged)?;
        let purged = purged
            .map(|value| codec::decode_log_id(&mark_key(group, Mark::Purged), &value))
            .transpose()
            .map_err(|error| damaged(format!("the purge mark of {group}"), &error))?;
        let first = match purged {
            Some(purged) => purged.index + 1,
            None => first_index(&*store, group)?.unwrap_or(0),
        };
        let mut last = purged;
        if let Some(index) = store.last_index(group)?
            && purged.is_none_or(|purged| index > purged.index)
        {
            let mut found = Err(missing(group, index));
            store.read(group, index..index.saturating_add(1), &mut |index, value| {
                found = decode(group, index, value);
                ControlFlow::Break(())
            })?;
            last = Some(found?.log_id);
        }
        let applied = AppliedEnd::default();
        let cache = EntryCache::new(budget, applied.clone());
        let inner = Mutex::new(Inner { vote, committed: None, purged, first, last, cache });
        let shared = Shared { group, writer, applied, inner, _held: held };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The last entry's id, or the purged one's when there is no entry.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.shared.inner.lock().last
    }

    /// Where whoever applies the entries notes how far it is.
    pub(crate) fn applied_end(&self) -> AppliedEnd {
        self.shared.applied.clone()
    }

    /// The vote, as last saved.
    pub(crate) fn vote(&self) -> Option<Vote> {
        self.shared.inner.lock().vote
    }

    /// The entries of `range` that the log contains, but at least one and no more than fit `bytes`.
    fn read(&self, range: Range<u64>, bytes: usize) -> Result<Vec<Entry>, StorageError> {
        let (stored, cached) = self.split(range);
        let mut entries = Vec::new();
        let mut taken = 0;
        let mut room = |entry: &Entry| {
            let fits = taken < bytes;
            taken += entry_bytes(entry);
            fits
        };
        if !stored.is_empty() {
            let complete = self.read_stored(stored.clone(), &mut room, &mut entries)?;
            let read = entries.len() as u64;
            if !complete {
                return Ok(entries);
            }
            if read != stored.end - stored.start {
                return Err(missing(self.shared.group, stored.start + read));
            }
        }
        entries.extend(cached.into_iter().take_while(|entry| room(entry)));
        Ok(entries)
    }

    /// What of `range` has to come from the store, and what the cache has.
    fn split(&self, range: Range<u64>) -> (Range<u64>, Vec<Entry>) {
        let inner = self.shared.inner.lock();
        let start = range.start.max(inner.first);
        let end = range.end.min(inner.last.map_or(0, |last| last.index + 1));
        if start >= end {
            return (0..0, Vec::new());
        }
        let cached_from = inner.cache.first().unwrap_or(end);
        (start..cached_from.clamp(start, end), inner.cache.range(start..end))
    }

    /// Whether `range` was read to its end or to where the log begins to lack entries.
    fn read_stored(
        &self,
        range: Range<u64>,
        room: &mut dyn FnMut(&Entry) -> bool,
        entries: &mut Vec<Entry>,
    ) -> Result<bool, StorageError> {
        let group = self.shared.group;
        let mut next = range.start;
        let mut outcome = Ok(true);
        self.shared.writer.store().read(group, range, &mut |index, value| {
            if index != next {
                outcome = Err(missing(group, next));
                return ControlFlow::Break(());
            }
            match decode(group, index, value) {
                Ok(entry) if room(&entry) => {
                    entries.push(entry);
                    next = index + 1;
                    ControlFlow::Continue(())
                }
                Ok(_) => {
                    outcome = Ok(false);
                    ControlFlow::Break(())
                }
                Err(failure) => {
                    outcome = Err(failure);
                    ControlFlow::Break(())
                }
            }
        })?;
        outcome
    }

    async fn submit(&self, ops: Vec<LogOp>, done: Option<Done>) -> io::Result<()> {
        self.shared.writer.submit(ops, done).await.map_err(io::Error::other)
    }
}

impl RaftLogReader<TypeConfig> for GroupLog {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.read(half_open(&range), usize::MAX).map_err(io::Error::other)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start..end, READ_BYTES).map_err(io::Error::other)
    }

    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let range = half_open(&range);
        let steps = futures::stream::try_unfold((self.clone(), range), async |(log, range)| {
            let entries = log.read(range.clone(), READ_BYTES).map_err(io::Error::other)?;
            let Some(last) = entries.last() else { return Ok(None) };
            let rest = last.log_id.index + 1..range.end;
            let step = futures::stream::iter(entries.into_iter().map(io::Result::Ok));
            Ok::<_, io::Error>(Some((step, (log, rest))))
        });
        futures::TryStreamExt::try_flatten(steps)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.vote())
    }
}

impl RaftLogStorage<TypeConfig> for GroupLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let inner = self.shared.inner.lock();
        Ok(LogState { last_purged_log_id: inner.purged, last_log_id: inner.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let group = self.shared.group;
        let value = codec::encode_vote(&mark_key(group, Mark::Vote), vote);
        let ops = vec![LogOp::Put { group, mark: Mark::Vote, value }];
        self.shared.writer.submit_durable(ops).await.map_err(io::Error::other)?;
        self.shared.inner.lock().vote = Some(*vote);
        Ok(())
    }

    // Kept in memory only: a group serves nothing before it has applied its whole log, so there is
    // nothing that a stored commit index would make safer, and it would cost a record per commit.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.shared.inner.lock().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.shared.inner.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let group = self.shared.group;
        let entries: Vec<Entry> = entries.into_iter().collect();
        let records: Vec<LogRecord> =
            entries.iter().map(|entry| codec::encode_entry(group, entry)).collect();
        let append = self.shared.inner.lock().push(entries);
        let shared = Arc::clone(&self.shared);
        let done: Done = Box::new(move |outcome| {
            if outcome.is_ok() {
                shared.inner.lock().cache.mark_durable(append);
            }
            callback.io_completed(outcome.map_err(io::Error::other));
        });
        self.submit(vec![LogOp::Append { group, records }], Some(done)).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let group = self.shared.group;
        let from = last.map_or(0, |last| last.index + 1);
        {
            let mut inner = self.shared.inner.lock();
            if inner.last.is_none_or(|last| last.index < from) {
                return Ok(());
            }
            inner.cache.truncate(from);
            inner.last = last.max(inner.purged);
        }
        self.submit(vec![LogOp::Remove { group, range: from..u64::MAX }], None).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let group = self.shared.group;
        {
            let mut inner = self.shared.inner.lock();
            if inner.purged >= Some(upto) {
                return Ok(());
            }
            inner.cache.forget_before(upto.index + 1);
            inner.purged = Some(upto);
            inner.first = upto.index + 1;
            inner.last = inner.last.max(Some(upto));
        }
        let value = codec::encode_log_id(&mark_key(group, Mark::Purged), &upto);
        let ops = vec![
            LogOp::Put { group, mark: Mark::Purged, value },
            LogOp::Remove { group, range: 0..upto.index + 1 },
        ];
        self.submit(ops, None).await
    }
}

// === impl Inner ===

impl Inner {
    /// Caches `entries` and returns the number of this append.
    fn push(&mut self, entries: Vec<Entry>) -> u64 {
        let append = self.cache.begin_append();
        for entry in entries {
            if self.last.is_none() {
                self.first = entry.log_id.index;
            }
            self.last = Some(entry.log_id);
            self.cache.push(entry);
        }
        append
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

/// The index of the first stored entry.
fn first_index(store: &dyn LogStore, group: GroupId) -> Result<Option<u64>, StorageError> {
    let mut first = None;
    store.read(group, 0..u64::MAX, &mut |index, _| {
        first = Some(index);
        ControlFlow::Break(())
    })?;
    Ok(first)
}

fn decode(group: GroupId, index: u64, value: &[u8]) -> Result<Entry, StorageError> {
    codec::decode_entry(group, index, value)
        .map_err(|error| damaged(format!("log entry {index} of {group}"), &error))
}

fn damaged(what: String, error: &codec::CodecError) -> StorageError {
    StorageError::Damaged { what, reason: error.to_string() }
}

fn missing(group: GroupId, index: u64) -> StorageError {
    StorageError::Damaged {
        what: format!("log entry {index} of {group}"),
        reason: "it is missing although later ones are there".to_owned(),
    }
}
