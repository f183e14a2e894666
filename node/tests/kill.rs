//! `kill -9` under full load, at random moments: every acked sample is there once, bit for bit.
//!
//! By hand, and more often: `varve-loadtest kill --varve … --folder … --kills 10`.

use std::io::stderr;
use std::path::PathBuf;

use loadtest::kill::KillArgs;

/// How often the node is killed.
const KILLS: u64 = 3;
/// Acked samples that make a run worth its verdict.
const ACKED_MIN: u64 = 50_000;

#[test]
fn every_acked_sample_survives_being_killed() {
    let folder = tempfile::tempdir().expect("there is room");
    let args = KillArgs {
        varve: PathBuf::from(env!("CARGO_BIN_EXE_varve")),
        folder: folder.path().to_owned(),
        kills: KILLS,
        hosts: 5,
        seed: None,
    };
    let (report, verdict) = args.run(&mut stderr()).expect("the node comes back every time");
    assert!(verdict.is_clean(), "{report:#?}\n{verdict:#?}");
    assert!(verdict.acked > ACKED_MIN, "too little load to prove anything: {verdict:?}");
}
