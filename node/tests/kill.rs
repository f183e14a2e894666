//! `kill -9` under full load, at random moments: every acked sample is there once, bit for bit.
//!
//! By hand, with other moments: `varve-loadtest kill --varve … --folder … --kills 10 --seed …`.

use std::io::stderr;

use loadtest::kill::KillArgs;

/// How often the node is killed.
const KILLS: u64 = 10;
/// Acked samples that make a run worth its verdict.
const ACKED_MIN: u64 = 500_000;

#[test]
fn every_acked_sample_survives_being_killed() {
    let folder = tempfile::tempdir().expect("there is room");
    let args = KillArgs {
        varve: std::env::var_os("CARGO_BIN_EXE_varve").expect("cargo says where it is").into(),
        folder: folder.path().to_owned(),
        kills: KILLS,
        hosts: 5,
        seed: None,
    };
    let (report, verdict) = args.run(&mut stderr()).expect("the node comes back every time");
    assert!(verdict.is_clean(), "{report:#?}\n{verdict:#?}");
    assert!(verdict.acked > ACKED_MIN, "too little load to prove anything: {verdict:?}");
}
