//! What only the RocksDB stores do: locks, files in the way, flushes that are whole or nothing.

use super::*;
use crate::storage::log::LogStore as _;
use crate::storage::{Column, StateStore as _};

#[test]
fn a_folder_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cache = BlockCache::new();
    let _held = RocksLog::open(folder.path(), &cache, Tolerance::TornTail).unwrap();
    let refused = RocksLog::open(folder.path(), &cache, Tolerance::TornTail).unwrap_err();
    let StorageError::InUse { path } = &refused else { panic!("{refused}") };
    assert_eq!(path, folder.path());
    assert!(refused.to_string().contains("is in use by another process"), "{refused}");
}

#[test]
fn a_file_in_the_way_is_an_error_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("CURRENT"), b"nonsense").unwrap();
    let refused = RocksLog::open(folder.path(), &BlockCache::new(), Tolerance::TornTail);
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("varve recover"), "{text}");
}

#[test]
fn an_undamaged_log_drops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cache = BlockCache::new();
    drop(RocksLog::open(folder.path(), &cache, Tolerance::TornTail).unwrap());
    let log = RocksLog::open(folder.path(), &cache, Tolerance::TornTail).unwrap();
    assert!(log.dropped_tail().is_empty());
    assert_eq!(log.groups().unwrap(), []);
}

#[test]
fn state_survives_only_whole_flushes() {
    let folder = tempfile::tempdir().unwrap();
    let cache = BlockCache::new();
    let state = RocksState::open(folder.path(), &cache).unwrap();
    let mut batch = state.batch();
    batch.put(Column::Meta, b"a", b"1");
    batch.put(Column::Chunks, b"b", b"2");
    state.write(batch).unwrap();
    state.flush().unwrap();
    state.delete_range(Column::Chunks, b"a", b"c").unwrap();
    assert_eq!(state.get(Column::Chunks, b"b").unwrap(), None);
    assert_eq!(state.get(Column::Meta, b"a").unwrap().as_deref(), Some(&b"1"[..]));
}
