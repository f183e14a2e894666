//! Both state stores against a naive model: whatever is done, all three read the same. A crash
//! leaves what the last flush left, or, where the store may have flushed unasked, what one of the
//! whole batches after it left: all columns of one instant, never half a batch.

use std::collections::BTreeMap;
use std::ops::Range;

use proptest::prelude::*;
use rocksdb::{CompactOptions, WaitForCompactOptions};
use tempfile::TempDir;

use super::*;
use crate::storage::memory::MemoryState;

/// What the columns hold, as plainly as it can be kept.
type Model = BTreeMap<(Column, Vec<u8>), Value>;

/// A byte, and how often it is repeated: a large value that prints small.
type Value = (u8, usize);

#[derive(Debug, Clone)]
enum Change {
    Put(Column, Vec<u8>, Value),
    Delete(Column, Vec<u8>),
    DeleteRange(Column, Range<Vec<u8>>),
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<Change>),
    DeleteRange(Column, Range<Vec<u8>>),
    /// Visits this many keys, then breaks.
    Scan(Column, Range<Vec<u8>>, usize),
    Flush,
    /// A flush, after which the files lie where whole ones can be unlinked.
    Settle,
    Crash,
}

/// A store under test, and how it loses power.
trait Subject {
    /// Whether nothing is durable before a flush is asked for.
    const FLUSHES_ONLY_WHEN_ASKED: bool;

    fn store(&self) -> &dyn StateStore;
    fn settle(&self);
    fn crash(self) -> Self;
}

struct Rocks {
    // Before its folder: a close flushes into it.
    store: RocksState,
    folder: TempDir,
}

/// One for each way in which a column is compressed.
const COLUMNS: [Column; 3] = [Column::Meta, Column::Series, Column::Chunks];
/// Three of these fill the write buffers.
const LARGE_BYTES: usize = 3 << 20;

impl Subject for MemoryState {
    const FLUSHES_ONLY_WHEN_ASKED: bool = true;

    fn store(&self) -> &dyn StateStore {
        self
    }

    fn settle(&self) {
        self.flush().unwrap();
    }

    fn crash(self) -> Self {
        Self::crash(&self);
        self
    }
}

impl Rocks {
    fn open(folder: TempDir) -> Self {
        let store = RocksState::open(&folder.path().join("db"), &BlockCache::new());
        Self { store: store.unwrap(), folder }
    }
}

impl Subject for Rocks {
    const FLUSHES_ONLY_WHEN_ASKED: bool = false;

    fn store(&self) -> &dyn StateStore {
        &self.store
    }

    fn settle(&self) {
        self.store.flush().unwrap();
        for name in COLUMNS {
            let handle = column(&self.store.database, name.name());
            let options = CompactOptions::default();
            let all = None::<&[u8]>;
            self.store.database.compact_range_cf_opt(handle, all, all, &options);
        }
    }

    /// The files as they are on disk at this moment, without what a close would still write.
    fn crash(self) -> Self {
        // Nothing in the background may replace files while they are copied.
        self.store.database.wait_for_compact(&WaitForCompactOptions::default()).unwrap();
        let copy = tempfile::tempdir().unwrap();
        let target = copy.path().join("db");
        std::fs::create_dir(&target).unwrap();
        for file in std::fs::read_dir(self.folder.path().join("db")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), target.join(file.file_name())).unwrap();
        }
        Self::open(copy)
    }
}

/// Few enough that changes meet: every string of one or two of three bytes.
fn keys() -> Vec<Vec<u8>> {
    let bytes = [0, 1, 255];
    let pairs = bytes.into_iter().flat_map(|a| bytes.map(|b| vec![a, b]));
    bytes.into_iter().map(|a| vec![a]).chain(pairs).collect()
}

fn ranges() -> impl Strategy<Value = Range<Vec<u8>>> {
    let key = || proptest::sample::select(keys());
    (key(), key()).prop_map(|(a, b)| if a <= b { a..b } else { b..a })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let column = || proptest::sample::select(&COLUMNS[..]);
    let key = || proptest::sample::select(keys());
    let value = prop_oneof![
        1 => Just((0, 0)),
        60 => (any::<u8>(), 1..40_usize),
        3 => (any::<u8>(), Just(LARGE_BYTES)),
    ];
    let change = prop_oneof![
        6 => (column(), key(), value).prop_map(|(name, key, value)| Change::Put(name, key, value)),
        2 => (column(), key()).prop_map(|(name, key)| Change::Delete(name, key)),
        1 => (column(), ranges()).prop_map(|(name, range)| Change::DeleteRange(name, range)),
    ];
    let step = prop_oneof![
        8 => proptest::collection::vec(change, 0..6).prop_map(Step::Write),
        2 => (column(), ranges()).prop_map(|(name, range)| Step::DeleteRange(name, range)),
        3 => (column(), ranges(), 1..6_usize)
            .prop_map(|(name, range, most)| Step::Scan(name, range, most)),
        2 => Just(Step::Flush),
        1 => Just(Step::Settle),
        2 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..40)
}

fn write(store: &dyn StateStore, changes: &[Change]) {
    let mut batch = store.batch();
    for change in changes {
        match change {
            Change::Put(name, key, (byte, count)) => batch.put(*name, key, &vec![*byte; *count]),
            Change::Delete(name, key) => batch.delete(*name, key),
            Change::DeleteRange(name, range) => {
                batch.delete_range(*name, &range.start, &range.end);
            }
        }
    }
    store.write(batch).unwrap();
}

fn apply(model: &mut Model, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put(name, key, value) => {
                model.insert((*name, key.clone()), *value);
            }
            Change::Delete(name, key) => {
                model.remove(&(*name, key.clone()));
            }
            Change::DeleteRange(name, range) => {
                model.retain(|(of, key), _| of != name || !range.contains(key));
            }
        }
    }
}

fn is_large(change: &Change) -> bool {
    matches!(change, Change::Put(_, _, (_, LARGE_BYTES)))
}

fn value_of(bytes: &[u8]) -> Value {
    let byte = bytes.first().copied().unwrap_or(0);
    assert!(bytes.iter().all(|other| *other == byte), "a value is mixed from several");
    (byte, bytes.len())
}

/// At most `most` keys of a range.
fn scan(
    store: &dyn StateStore,
    name: Column,
    range: &Range<Vec<u8>>,
    most: usize,
) -> Vec<(Vec<u8>, Value)> {
    let mut found = Vec::new();
    store
        .scan(name, &range.start, &range.end, &mut |key, value| {
            assert!(found.len() < most, "visited after a break");
            found.push((key.to_vec(), value_of(value)));
            if found.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    found
}

/// Everything, read by scans and then key by key.
fn observe(store: &dyn StateStore) -> Model {
    let mut model = Model::new();
    for name in Column::ALL {
        let found = scan(store, name, &(vec![]..vec![255; 3]), usize::MAX);
        assert!(found.is_sorted_by(|(a, _), (b, _)| a < b), "a scan is out of order: {found:?}");
        model.extend(found.into_iter().map(|(key, value)| ((name, key), value)));
        for key in keys() {
            let value = store.get(name, &key).unwrap().map(|bytes| value_of(&bytes));
            assert_eq!(value, model.get(&(name, key)).copied());
        }
    }
    model
}

fn check<S: Subject>(mut subject: S, steps: &[Step]) {
    // The state after each write since the last flush; the first one is durable.
    let mut history = vec![Model::new()];
    let mut may_have_flushed = false;
    for step in steps {
        let now = history.last().unwrap().clone();
        match step {
            Step::Write(changes) => {
                write(subject.store(), changes);
                history.push(now);
                apply(history.last_mut().unwrap(), changes);
                may_have_flushed |= changes.iter().any(is_large);
            }
            Step::DeleteRange(name, range) => {
                subject.store().delete_range(*name, &range.start, &range.end).unwrap();
                history.push(now);
                let change = Change::DeleteRange(*name, range.clone());
                apply(history.last_mut().unwrap(), &[change]);
                may_have_flushed = true;
            }
            Step::Scan(name, range, most) => {
                let of_column = now.into_iter().filter(|((of, _), _)| of == name);
                let pairs = of_column.map(|((_, key), value)| (key, value));
                let expected = pairs.filter(|(key, _)| range.contains(key)).take(*most);
                let expected: Vec<_> = expected.collect();
                assert_eq!(scan(subject.store(), *name, range, *most), expected);
            }
            Step::Flush | Step::Settle => {
                if matches!(step, Step::Flush) {
                    subject.store().flush().unwrap();
                } else {
                    subject.settle();
                }
                (history, may_have_flushed) = (vec![now], false);
            }
            Step::Crash => {
                subject = subject.crash();
                let found = observe(subject.store());
                let is_exact = S::FLUSHES_ONLY_WHEN_ASKED || !may_have_flushed;
                let promised = if is_exact { &history[..1] } else { &history[..] };
                assert!(promised.contains(&found), "{found:?} is not one of {promised:?}");
                (history, may_have_flushed) = (vec![found], false);
            }
        }
        assert_eq!(&observe(subject.store()), history.last().unwrap(), "after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn both_stores_are_the_model(steps in steps()) {
        check(MemoryState::default(), &steps);
        check(Rocks::open(tempfile::tempdir().unwrap()), &steps);
    }
}

/// RocksDB unlinks a file whose last key is the limit that it is given.
#[test]
fn a_deleted_range_ends_before_its_limit() {
    let put = |key: &[u8]| Change::Put(Column::Chunks, key.to_vec(), (7, 1));
    let delete = |range: Range<&[u8]>| {
        Step::DeleteRange(Column::Chunks, range.start.to_vec()..range.end.to_vec())
    };
    let steps = [
        Step::Write(vec![put(&[0]), put(&[1, 0]), put(&[1, 1])]),
        Step::Settle,
        delete(&[0]..&[1, 1]),
        Step::Write(vec![put(&[1])]),
        Step::Settle,
        delete(&[1]..&[1]),
        delete(&[1]..&[1, 1]),
        delete(&[]..&[]),
    ];
    check(Rocks::open(tempfile::tempdir().unwrap()), &steps);
}

/// Unlinking is durable at once; what was written before it was not.
#[test]
fn a_deleted_range_is_not_ahead_of_what_was_written_before() {
    let put = |name| Change::Put(name, vec![0], (7, 1));
    let steps = [
        Step::Write(vec![put(Column::Chunks)]),
        Step::Settle,
        Step::Write(vec![put(Column::Meta)]),
        Step::DeleteRange(Column::Chunks, vec![0]..vec![1]),
        Step::Crash,
    ];
    check(Rocks::open(tempfile::tempdir().unwrap()), &steps);
}
