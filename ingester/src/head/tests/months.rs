//! Weeks of churn in seconds: memory and disk follow what is kept, not what ever was.

use super::*;

const DAY_MS: i64 = 86_400_000;
const TICK_MS: i64 = 600_000;
const LIVE: i64 = 200;
const KEPT_DAYS: i64 = 15;

/// Instance `i` of the fleet on `day`: a tenth of them is replaced every day.
fn instance(i: i64, day: i64) -> Labels {
    let generation = if i % 10 == day % 10 { day } else { day - (day - i).rem_euclid(10) };
    labels(&[
        ("__name__", "requests_total"),
        ("instance", &format!("host-{i}-{generation}")),
        ("job", "api"),
    ])
}

#[test]
fn thirty_days_of_churn_leave_memory_and_disk_flat() {
    let mut rig = Rig::new();
    let mut figures = Vec::new();
    for tick in 0..45 * DAY_MS / TICK_MS {
        let t = BASE_MS + tick * TICK_MS;
        let day = tick * TICK_MS / DAY_MS;
        let samples: Vec<Write> =
            (0..LIVE).map(|i| (instance(i, day), t, (tick as f64 + i as f64).to_bits())).collect();
        let applied = rig.write_known(&samples);
        assert_eq!(i64::from(applied.accepted), LIVE);
        if tick % 12 == 11 {
            rig.apply(encode_retention(t - KEPT_DAYS * DAY_MS));
            rig.checkpoint();
            rig.refs.retain(|labels, _| (0..LIVE).any(|i| instance(i, day) == *labels));
        }
        if tick % (5 * DAY_MS / TICK_MS) == 0 {
            let disk = [Column::Chunks, Column::Series, Column::Symbols, Column::Pages]
                .map(|column| rig.store.size_bytes(column));
            let stats = rig.head.stats();
            figures.push((stats.series, rig.head.heap_bytes() as u64, disk.iter().sum::<u64>()));
        }
    }
    let settled = figures[5];
    for later in &figures[6..] {
        for (name, before, now) in [
            ("series", settled.0, later.0),
            ("bytes in memory", settled.1, later.1),
            ("bytes on disk", settled.2, later.2),
        ] {
            assert!(now * 10 <= before * 11, "{name}: {before} → {now} ({figures:?})");
        }
    }
    let newest_ms = rig.head.stats().newest_ms;
    let content = rig.read(&[], TimeRange::new(newest_ms - KEPT_DAYS * DAY_MS + DAY_MS, newest_ms));
    let samples: usize = content.values().map(BTreeMap::len).sum();
    let ticks = (KEPT_DAYS - 1) * DAY_MS / TICK_MS + 1;
    assert_eq!(samples as i64, ticks * LIVE);
    rig.crash();
    assert_eq!(
        rig.read(&[], TimeRange::ALL).values().map(BTreeMap::len).sum::<usize>() as i64 % LIVE,
        0
    );
}
