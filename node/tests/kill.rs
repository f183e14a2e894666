//! `kill -9` under full load, at random moments: every acked sample is there once, bit for bit.
//!
//! Ten kills by hand: `KILLS` below, or `varve-loadtest blast --ledger` and `verify` around kills of
//! your own.

#![expect(clippy::print_stdout, reason = "seed and figures belong into the test's output")]

#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/varve.rs"]
mod varve;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use loadtest::clock::{now_ms, pause};
use loadtest::identity::mix;
use varve::Varve;

/// How often the node is killed.
const KILLS: u64 = 3;
/// A kill comes between so many milliseconds after the node was ready.
const LIFE_MS: std::ops::Range<u64> = 200..3000;

#[test]
fn every_acked_sample_survives_being_killed() {
    let seed = now_ms().unsigned_abs();
    println!("seed {seed}");
    let folder = tempfile::tempdir().expect("there is room");
    let ledger = folder.path().join("ledger");
    let mut node = Varve::new(folder.path());
    node.start();
    let blast = load::blast(&node.url(), 5, 3600, &ledger);
    let stop = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        let sender = scope.spawn(|| blast.run(&stop));
        for kill in 0..KILLS {
            let life_ms = LIFE_MS.start + mix(seed + kill) % (LIFE_MS.end - LIFE_MS.start);
            println!("kill {kill} after {life_ms} ms");
            pause(Duration::from_millis(life_ms));
            assert!(!sender.is_finished(), "the load ended before the last kill");
            node.kill();
            node.start();
        }
        pause(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
        sender.join().expect("the sender does not panic").expect("the sender is served")
    });
    println!("{report:#?}");
    let silences = report.unacked.get(&0).copied().unwrap_or(0);
    assert!(silences >= KILLS, "the kills did not hit the load: {report:?}");
    let verdict = load::assert_all_there(&node.url(), &ledger);
    println!("{verdict:?}");
    assert!(verdict.acked > 50_000, "too little load to prove anything: {verdict:?}");

    // Killed once more without load: recovery from what recovery left.
    node.kill();
    node.start();
    load::assert_all_there(&node.url(), &ledger);
}
