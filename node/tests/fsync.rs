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
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shim/slow_fdatasync.c");
    let library = folder.join("slow_fdatasync.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg(source)
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

#[test]
fn no_ack_is_faster_than_the_disk() {
    let folder = tempfile::tempdir().expect("there is room");
    let gate = folder.path().join("gate");
    let mut node = Varve::new(folder.path())
        .with_variable("LD_PRELOAD", &shim(folder.path()).display().to_string())
        .with_variable("VARVE_TEST_GATE", &gate.display().to_string());
    node.start();
    let delay_ms = DELAY.as_secs_f64() * 1000.0;
    write(&node, 0);
    let quick = write(&node, 1).latency_ms;
    assert!(quick.p50 < delay_ms, "acks are slow without the delay already: {quick:?}");

    std::fs::write(&gate, "").expect("the folder is writable");
    for tick in 2..7 {
        let report = write(&node, tick);
        assert!(report.latency_ms.min >= delay_ms, "an ack did not wait: {report:?}");
    }
    std::fs::remove_file(&gate).expect("it is there");
    assert!(write(&node, 8).latency_ms.p50 < delay_ms, "the delay was the shim's");
    load::assert_all_there(&node.url(), &node.folder.join("ledger-8"));
}
