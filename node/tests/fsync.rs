//! No ack comes before the disk has the sample: with a slow `fdatasync`, acks are slow.

#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/varve.rs"]
mod varve;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use loadtest::blast::Report;
use varve::Varve;

/// What the shim adds to every `fdatasync`.
const DELAY: Duration = Duration::from_millis(300);

/// Compiles the shim; a C compiler is there, since RocksDB needs one.
fn shim(folder: &Path) -> PathBuf {
    let library = folder.join("slow_fdatasync.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg("tests/shim/slow_fdatasync.c")
        .arg("-ldl")
        .status()
        .expect("cc is installed (apt-get install gcc)");
    assert!(built.success(), "the shim does not compile");
    library
}

/// One sample each of a thousand series, in two requests; the ledger's name is its own.
fn write(node: &Varve, tick: i64) -> Report {
    let mut blast = load::blast(&node.url(), 1, 1, &node.folder.join(format!("ledger-{tick}")));
    blast.load.cadence.start_ms += tick * 1000;
    blast.pace.connections = 1;
    blast.pace.resend_percent = 0;
    blast.run(&AtomicBool::new(false)).expect("the node takes the load")
}

/// A node whose disk is slow while the file `gate` of its folder exists.
fn node(folder: &Path) -> Varve {
    Varve::new(folder)
        .with_variable("LD_PRELOAD", &shim(folder).display().to_string())
        .with_variable("VARVE_TEST_GATE", &folder.join("gate").display().to_string())
}

/// The fastest ack of some writes on the slow disk.
fn fastest_ack(node: &Varve) -> Duration {
    std::fs::write(node.folder.join("gate"), "").expect("the folder is writable");
    let fastest_ms = (2..7).map(|tick| write(node, tick).latency_ms.min).fold(f64::MAX, f64::min);
    std::fs::remove_file(node.folder.join("gate")).expect("it is there");
    Duration::from_secs_f64(fastest_ms / 1000.0)
}

#[test]
fn no_ack_is_faster_than_the_disk() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut node = node(folder.path());
    node.start();
    let delay_ms = DELAY.as_secs_f64() * 1000.0;
    write(&node, 0);
    let quick = write(&node, 1).latency_ms;
    assert!(quick.p50 < delay_ms, "acks are slow without the delay already: {quick:?}");
    let fastest = fastest_ack(&node);
    assert!(fastest >= DELAY, "an ack came after {fastest:?} and did not wait for the disk");
    assert!(write(&node, 8).latency_ms.p50 < delay_ms, "the delay was the shim's");
    load::assert_all_there(&node.url(), &node.folder.join("ledger-8"));
}

#[test]
fn an_ack_before_the_disk_has_the_sample_is_found_out() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut node = node(folder.path()).with_variable("VARVE_TEST_LIE", "1");
    node.start();
    let fastest = fastest_ack(&node);
    assert!(fastest < DELAY, "acks without a sync took {fastest:?}: the test above sees nothing");
}
