//! The unit file is valid and keeps the service in its place, by systemd's own judgement.
//!
//! Needs `systemd-analyze`; `cargo xtask test` installs it. A machine without it fails the test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The exposure that `systemd-analyze security` may find, in tenths, 0 (none) to 100.
const EXPOSURE_MAX: u32 = 15;

/// The unit with the program that was just built, since the real one is not installed here.
fn unit(dir: &Path) -> PathBuf {
    let text =
        std::fs::read_to_string("../deploy/systemd/varve.service").expect("the unit file is there");
    let installed = "ExecStart=/usr/bin/varve ";
    assert!(text.contains(installed), "the unit starts the installed program");
    let path = dir.join("varve.service");
    let built = std::env::var_os("CARGO_BIN_EXE_varve").expect("cargo says where the program is");
    let text = text.replace(installed, &format!("ExecStart={} ", built.display()));
    std::fs::write(&path, text).expect("the folder is writable");
    path
}

fn analyze(args: &[&str]) {
    let dir = tempfile::tempdir().expect("there is room for a file");
    let output = Command::new("systemd-analyze")
        .args(args)
        .arg(unit(dir.path()))
        .output()
        .expect("systemd-analyze is installed (package systemd)");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn systemd_accepts_the_unit() {
    analyze(&["verify", "--man=no"]);
}

#[test]
fn the_service_is_locked_in() {
    analyze(&["security", "--offline=true", &format!("--threshold={EXPOSURE_MAX}")]);
}
