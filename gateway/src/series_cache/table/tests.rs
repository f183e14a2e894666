//! The table against a map, and what it keeps when it is full.

use std::collections::HashMap;

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

fn place(position: u16, series: u32) -> Place {
    Place { position, series: SeriesRef(series) }
}

/// A key as xxh3 would make it.
fn key(i: u32) -> Key {
    let hash = xxhash_rust::xxh3::xxh3_128(&i.to_le_bytes()).to_le_bytes();
    [0, 1, 2].map(|word| u32::from_le_bytes(hash.as_chunks::<4>().0[word]))
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u32, u16, u32),
    Find(u32),
    Forget(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..400_u32, 0..4_u16, any::<u32>()).prop_map(|(k, p, s)| Step::Insert(k, p, s)),
        6 => (0..400_u32).prop_map(Step::Find),
        1 => (0..4_u16).prop_map(Step::Forget),
    ]
}

proptest! {
    #[test]
    fn a_table_with_room_is_a_map(steps in prop::collection::vec(step(), 0..600)) {
        let (mut table, mut model) = (Table::new(1_000), HashMap::new());
        for step in steps {
            match step {
                Step::Insert(k, p, s) => {
                    prop_assert_eq!(table.insert(key(k), place(p, s)), 0);
                    model.insert(k, place(p, s));
                }
                Step::Find(k) => prop_assert_eq!(table.find(key(k)), model.get(&k).copied()),
                Step::Forget(position) => {
                    table.retain(|p| p != position);
                    model.retain(|_, place| place.position != position);
                }
            }
            prop_assert_eq!(table.size().entries, model.len());
        }
    }

    #[test]
    fn a_full_table_never_lies_and_never_grows(
        steps in prop::collection::vec(step(), 0..600),
        max in 1..100_usize,
    ) {
        let (mut table, mut model) = (Table::new(max), HashMap::new());
        for step in steps {
            if let Step::Insert(k, p, s) = step {
                let before = table.size().entries;
                let evicted = table.insert(key(k), place(p, s));
                prop_assert!(table.size().entries + evicted <= before + 1);
                model.insert(k, place(p, s));
                prop_assert_eq!(table.find(key(k)), Some(place(p, s)));
            }
            prop_assert!(table.size().entries <= max);
        }
        for (k, expected) in model {
            prop_assert!(table.find(key(k)).is_none_or(|found| found == expected));
        }
    }
}

#[test]
fn an_entry_costs_at_most_32_bytes_at_every_size() {
    let mut table = Table::new(1 << 20);
    for i in 0..50_000 {
        table.insert(key(i), place(0, i));
        let CacheSize { entries, bytes } = table.size();
        if entries > 1_000 {
            assert!(bytes <= entries * 32, "{bytes} bytes for {entries} entries");
        }
    }
}

#[test]
fn what_is_hit_survives_and_what_is_not_makes_room() {
    let mut table = Table::new(1_000);
    let hot = 0..500;
    for i in 0..1_000 {
        table.insert(key(i), place(0, i));
    }
    for i in hot.clone() {
        table.find(key(i));
    }
    for i in 1_000..20_000 {
        for hot in hot.clone().filter(|hot| hot % 8 == i % 8) {
            table.find(key(hot));
        }
        table.insert(key(i), place(0, i));
    }
    let kept = hot.filter(|i| table.find(key(*i)).is_some()).count();
    assert!(kept > 480, "{kept} of 500 series in use were kept");
}
