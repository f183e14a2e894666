//! The meta table as a function of its commands, and through a restart.

use super::*;
use crate::storage::memory::MemoryState;

fn bootstrap() -> MetaCommand {
    MetaCommand::Bootstrap { cluster: [7; 16], placement: vec![vec![1]; 4] }
}

fn apply(meta: &Meta, command: &MetaCommand) -> MetaReply {
    meta.apply(1, &command.encode())
}

#[test]
fn a_cluster_is_founded_once() {
    let meta = Meta::restore(1, &MemoryState::default()).unwrap();
    let routes = meta.routes();
    assert_eq!(apply(&meta, &bootstrap()), MetaReply::Changed);
    let table = meta.table();
    assert_eq!(apply(&meta, &bootstrap()), MetaReply::Unchanged);
    assert_eq!(meta.table(), table);
    let replicas: Vec<u64> = table
        .partitions
        .iter()
        .flat_map(|known| &known.replicas)
        .map(|replica| replica.id)
        .collect();
    assert_eq!(replicas, [2, 3, 4, 5]);
    let routes = routes.current();
    assert_eq!(routes.slots.owners(), SlotMap::even(1, 4).owners());
    assert_eq!(routes.partitions.len(), 4);
}

#[test]
fn a_generation_only_grows_and_is_published() {
    let meta = Meta::restore(1, &MemoryState::default()).unwrap();
    apply(&meta, &bootstrap());
    let raise = MetaCommand::RaiseGeneration { partition: PartitionId(2) };
    assert_eq!(apply(&meta, &raise), MetaReply::Changed);
    let generations: Vec<u64> =
        meta.routes().current().partitions.iter().map(|route| route.generation).collect();
    assert_eq!(generations, [1, 1, 2, 1]);
    let nobody = MetaCommand::RaiseGeneration { partition: PartitionId(9) };
    assert_eq!(apply(&meta, &nobody), MetaReply::Unchanged);
    assert_eq!(meta.apply(1, &[1, 99]), MetaReply::Unknown);
}

#[test]
fn what_is_restored_is_what_was_written() {
    let store = MemoryState::default();
    let meta = Meta::restore(1, &store).unwrap();
    apply(&meta, &bootstrap());
    let mut batch = store.batch();
    meta.checkpoint(&mut batch);
    store.write(batch).unwrap();
    let restored = Meta::restore(1, &store).unwrap();
    assert_eq!(restored.table(), meta.table());
    assert_eq!(restored.routes().current(), meta.routes().current());
    assert_eq!(Meta::restore(2, &store).unwrap().table(), Table::default());
}

/// The golden file was made from `docs/formats` by other code, and later versions must read it.
#[test]
fn the_table_is_the_golden_bytes() {
    let store = MemoryState::default();
    let meta = Meta::restore(1, &store).unwrap();
    apply(&meta, &bootstrap());
    apply(&meta, &MetaCommand::RaiseGeneration { partition: PartitionId(2) });
    let key = table_key(1);
    let written = meta.table().encode(&key);
    let hex: String = written.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden_v1.txt").trim_end());
    assert_eq!(Table::decode(&key, &written).unwrap(), meta.table());
}
