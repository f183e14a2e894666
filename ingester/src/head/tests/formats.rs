//! Bytes on disk are a contract: `docs/formats/head.md` and `docs/formats/chunk.md`.

use std::fmt::Write as _;

use super::*;

const GOLDEN: &str = include_str!("golden_v1.txt");
const COLUMNS: [(&str, Column); 6] = [
    ("meta", Column::Meta),
    ("symbols", Column::Symbols),
    ("series", Column::Series),
    ("chunks", Column::Chunks),
    ("pages", Column::Pages),
    ("metadata", Column::Metadata),
];

/// A head with at least one of everything.
fn example() -> Rig {
    let mut rig = Rig::new();
    let up = |job: &str| labels(&[("__name__", "up"), ("job", job)]);
    for i in 0..125 {
        let t = BASE_MS + i * 15_000;
        rig.write_known(&[(up("a"), t, (i as f64).to_bits()), (up("b"), t, 0x7ff0_0000_0000_0002)]);
    }
    rig.write_known(&[(up("a"), BASE_MS + 1, 1), (up("c"), -5, 2)]);
    rig.apply(metadata_frame(&MetadataRecord { kind: 2, family: "up", help: "1?", unit: "" }));
    rig.checkpoint();
    rig
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

#[test]
fn what_is_written_are_the_golden_bytes() {
    let rig = example();
    let mut dump = String::new();
    for (name, column) in COLUMNS {
        let (from, to) = (STID.to_be_bytes(), (STID + 1).to_be_bytes());
        rig.store
            .scan(column, &from, &to, &mut |key, value| {
                _ = writeln!(dump, "{name} {} {}", hex(&key[8..]), hex(value));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    expect_test::expect_file!["golden_v1.txt"].assert_eq(&dump);
}

#[test]
fn golden_bytes_are_read() {
    let store = Arc::new(MemoryState::default());
    let mut batch = store.batch();
    for line in GOLDEN.lines() {
        let [name, key, value] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let column = COLUMNS.iter().find(|(n, _)| *n == name).unwrap().1;
        let key = [&STID.to_be_bytes()[..], &unhex(key)].concat();
        batch.put(column, &key, &unhex(value));
    }
    store.write(batch).unwrap();
    let (head, example) = (restore(&store), example());
    assert_eq!(head.digest(), example.head.digest());
    assert_eq!(read(&head, &[], TimeRange::ALL), example.read(&[], TimeRange::ALL));
}

#[test]
fn a_missing_record_of_series_is_noticed() {
    let rig = example();
    for column in [Column::Symbols, Column::Series, Column::Pages] {
        let (from, to) = (STID.to_be_bytes(), (STID + 1).to_be_bytes());
        let mut records = Vec::new();
        rig.store
            .scan(column, &from, &to, &mut |key, value| {
                records.push((key.to_vec(), value.to_vec()));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        assert!(!records.is_empty());
        for (key, value) in records {
            let store: Arc<dyn StateStore> = Arc::<MemoryState>::clone(&rig.store);
            let mut batch = store.batch();
            batch.delete(column, &key);
            store.write(batch).unwrap();
            let restored = Head::restore(PartitionId(3), STID, Arc::clone(&store));
            assert!(restored.is_err(), "{column:?} {key:?}");
            let mut batch = store.batch();
            batch.put(column, &key, &value);
            store.write(batch).unwrap();
        }
    }
}

#[test]
fn every_flipped_byte_of_a_checkpoint_is_noticed() {
    let rig = example();
    for (name, column) in COLUMNS.into_iter().filter(|(name, _)| *name != "chunks") {
        let mut records = Vec::new();
        let (from, to) = (STID.to_be_bytes(), (STID + 1).to_be_bytes());
        rig.store
            .scan(column, &from, &to, &mut |key, value| {
                records.push((key.to_vec(), value.to_vec()));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        assert!(!records.is_empty(), "{name}");
        for (key, value) in records {
            for at in 0..value.len() {
                let mut damaged = value.clone();
                damaged[at] ^= 0x10;
                let store: Arc<dyn StateStore> = Arc::<MemoryState>::clone(&rig.store);
                let mut batch = store.batch();
                batch.put(column, &key, &damaged);
                store.write(batch).unwrap();
                let restored = Head::restore(PartitionId(3), STID, store);
                assert!(restored.is_err(), "{name}, byte {at}");
            }
            let mut batch = rig.store.batch();
            batch.put(column, &key, &value);
            rig.store.write(batch).unwrap();
        }
    }
}
