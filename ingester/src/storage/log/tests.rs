//! Both log stores against a naive model: whatever is done, and wherever it crashes, what is read
//! back is everything synced and then a prefix of what was written since.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::storage::memory::MemoryLog;
use crate::storage::rocks::{BlockCache, RocksLog, Tolerance};

/// A group's entries and marks, as plainly as they can be kept.
type Model = BTreeMap<GroupId, (BTreeMap<u64, Vec<u8>>, BTreeMap<Mark, Vec<u8>>)>;

#[derive(Debug, Clone)]
enum Step {
    Append { group: usize, payload: Vec<u8> },
    Truncate { group: usize, keep: u64 },
    Purge { group: usize, upto: u64 },
    Vote { group: usize, value: Vec<u8> },
    Sync,
    Crash { kept: usize },
    Reopen,
}

/// A store under test, and how it loses power.
trait Subject {
    fn store(&self) -> &dyn LogStore;
    /// `kept` changes since the last sync may have reached the disk anyway.
    fn crash(self, kept: usize) -> Self;
    fn reopen(self) -> Self;
}

struct Rocks {
    folder: TempDir,
    store: RocksLog,
}

const GROUPS: [GroupId; 2] =
    [GroupId { partition: 1, replica: 9 }, GroupId { partition: 2, replica: 4 }];

impl Subject for Arc<MemoryLog> {
    fn store(&self) -> &dyn LogStore {
        &**self
    }

    fn crash(self, kept: usize) -> Self {
        self.crash_keeping(kept);
        self
    }

    fn reopen(self) -> Self {
        self.sync().unwrap();
        self
    }
}

impl Rocks {
    fn open(folder: TempDir) -> Self {
        let store =
            RocksLog::open(&folder.path().join("db"), &BlockCache::new(), Tolerance::TornTail);
        Self { store: store.unwrap(), folder }
    }
}

impl Subject for Rocks {
    fn store(&self) -> &dyn LogStore {
        &self.store
    }

    /// The files as they are on disk at this moment, without what a close would still write.
    fn crash(self, _kept: usize) -> Self {
        let copy = tempfile::tempdir().unwrap();
        let target: PathBuf = copy.path().join("db");
        std::fs::create_dir(&target).unwrap();
        for file in std::fs::read_dir(self.folder.path().join("db")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), target.join(file.file_name())).unwrap();
        }
        Self::open(copy)
    }

    fn reopen(self) -> Self {
        self.store.flush().unwrap();
        let Self { folder, store } = self;
        drop(store);
        Self::open(folder)
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let step = prop_oneof![
        6 => (0..2_usize, bytes()).prop_map(|(group, payload)| Step::Append { group, payload }),
        1 => (0..2_usize, 0..8_u64).prop_map(|(group, keep)| Step::Truncate { group, keep }),
        1 => (0..2_usize, 0..8_u64).prop_map(|(group, upto)| Step::Purge { group, upto }),
        1 => (0..2_usize, bytes()).prop_map(|(group, value)| Step::Vote { group, value }),
        2 => Just(Step::Sync),
        1 => (0..4_usize).prop_map(|kept| Step::Crash { kept }),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..40)
}

fn ops_of(step: &Step, model: &Model) -> Vec<LogOp> {
    let entries = |group: usize| model.get(&GROUPS[group]).map(|(entries, _)| entries);
    match step {
        Step::Append { group, payload } => {
            let last = entries(*group).and_then(|entries| entries.keys().next_back().copied());
            let record = LogRecord {
                index: last.map_or(0, |last| last + 1),
                header: [7; ENTRY_HEADER_BYTES],
                payload: payload.clone().into(),
            };
            vec![LogOp::Append { group: GROUPS[*group], records: vec![record] }]
        }
        Step::Truncate { group, keep } => {
            vec![LogOp::Remove { group: GROUPS[*group], range: *keep..u64::MAX }]
        }
        Step::Purge { group, upto } => vec![
            LogOp::Put { group: GROUPS[*group], mark: Mark::Purged, value: vec![1] },
            LogOp::Remove { group: GROUPS[*group], range: 0..*upto },
        ],
        Step::Vote { group, value } => {
            vec![LogOp::Put { group: GROUPS[*group], mark: Mark::Vote, value: value.clone() }]
        }
        Step::Sync | Step::Crash { .. } | Step::Reopen => Vec::new(),
    }
}

fn apply(model: &mut Model, ops: &[LogOp]) {
    for op in ops {
        match op {
            LogOp::Append { group, records } => {
                for record in records {
                    let value = [&record.header[..], &record.payload[..]].concat();
                    model.entry(*group).or_default().0.insert(record.index, value);
                }
            }
            LogOp::Put { group, mark, value } => {
                model.entry(*group).or_default().1.insert(*mark, value.clone());
            }
            LogOp::Clear { group, mark } => {
                model.entry(*group).or_default().1.remove(mark);
            }
            LogOp::Remove { group, range } => {
                model.entry(*group).or_default().0.retain(|index, _| !range.contains(index));
            }
        }
    }
    model.retain(|_, (entries, marks)| !entries.is_empty() || !marks.is_empty());
}

fn observe(store: &dyn LogStore) -> Model {
    let mut model = Model::new();
    for group in GROUPS {
        let mut entries = BTreeMap::new();
        store
            .read(group, 0..u64::MAX, &mut |index, value| {
                entries.insert(index, value.to_vec());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(store.last_index(group).unwrap(), entries.keys().next_back().copied());
        let marks = [Mark::Vote, Mark::Purged]
            .into_iter()
            .filter_map(|mark| Some((mark, store.mark(group, mark).unwrap()?)))
            .collect::<BTreeMap<_, _>>();
        if !entries.is_empty() || !marks.is_empty() {
            model.insert(group, (entries, marks));
        }
    }
    model
}

fn check<S: Subject>(mut subject: S, steps: &[Step]) {
    // The state after each write since the last sync; the first one is durable.
    let mut history = vec![Model::new()];
    for step in steps {
        let now = history.last().unwrap().clone();
        match step {
            Step::Sync => {
                subject.store().sync().unwrap();
                history = vec![now];
            }
            Step::Crash { kept } => {
                subject = subject.crash(*kept);
                let found = observe(subject.store());
                assert!(history.contains(&found), "{found:?} is not one of {history:?}");
                history = vec![found];
            }
            Step::Reopen => {
                subject = subject.reopen();
                assert_eq!(observe(subject.store()), now);
                history = vec![now];
            }
            change => {
                let ops = ops_of(change, &now);
                subject.store().write(&ops).unwrap();
                for op in &ops {
                    let mut next = history.last().unwrap().clone();
                    apply(&mut next, std::slice::from_ref(op));
                    history.push(next);
                }
                assert_eq!(&observe(subject.store()), history.last().unwrap());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn memory_is_the_model(steps in steps()) {
        check(Arc::new(MemoryLog::default()), &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn rocks_is_the_model(steps in steps()) {
        check(Rocks::open(tempfile::tempdir().unwrap()), &steps);
    }
}
