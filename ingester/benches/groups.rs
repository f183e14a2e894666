//! One-voter groups by themselves: the log writer, openraft, and a machine that does nothing.
//!
//! Prints CPU and wall time per entry for 4 and 16 groups, at a load that is paced and at one that
//! is not, the cost of standing idle, of asking whether a read may be answered, and of a replay.
//! The decision that they bear on: `docs/decisions/0001-one-voter-groups.md`.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use ingester::bench::Groups;
use tokio::time::Instant;

/// An entry under full load: 2,000 samples of a node that takes a million a second.
const ENTRY_BYTES: usize = 32 << 10;
const RUN: Duration = Duration::from_secs(5);
const READS: u32 = 10_000_000;

/// CPU time of this process so far, by the kernel's own count.
fn cpu() -> Duration {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        total += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    Duration::from_nanos(total)
}

fn micros_each(total: Duration, count: u64) -> f64 {
    total.as_secs_f64() * 1e6 / count.max(1) as f64
}

async fn measure(count: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let groups = Groups::open(folder.path(), count).await;
    let before = cpu();
    tokio::time::sleep(RUN).await;
    let idle = (cpu() - before).as_secs_f64() / RUN.as_secs_f64() * 100.0;
    println!("{count} groups, idle: {idle:.2} % of a core");
    let payload = Bytes::from(vec![7; ENTRY_BYTES]);
    for (name, pace) in [
        ("500 entries/s", Duration::from_micros(2_000) * count),
        ("as fast as it goes", Duration::ZERO),
    ] {
        let before = cpu();
        let load = groups.load(&payload, pace, RUN).await;
        println!(
            "{count} groups, {name}: {:.0} entries/s, {:.1} µs of CPU each, {:.2} ms to commit",
            load.entries as f64 / RUN.as_secs_f64(),
            micros_each(cpu() - before, load.entries),
            micros_each(load.waited, load.entries) / 1e3,
        );
    }
    let started = Instant::now();
    for _ in 0..READS {
        black_box(black_box(&groups).may_read());
    }
    let read_ns = started.elapsed().as_secs_f64() * 1e9 / f64::from(READS);
    println!("{count} groups, may all be read: {read_ns:.1} ns");
    let entries = groups.applied();
    groups.close().await;
    let (started, before) = (Instant::now(), cpu());
    let groups = Groups::open(folder.path(), count).await;
    println!(
        "{count} groups, replay of {entries} entries: {:.2} s, {:.1} µs of CPU each",
        started.elapsed().as_secs_f64(),
        micros_each(cpu() - before, entries),
    );
    groups.close().await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    for count in [4, 16] {
        runtime.block_on(measure(count));
    }
}
