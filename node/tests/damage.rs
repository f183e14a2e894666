//! Damaged files: a node refuses to start and says how to go on, or nothing was lost, or the query
//! that meets the damage fails. Never a wrong number, never a silent gap.

#![expect(clippy::print_stdout, reason = "each blow and its end belong into the test's output")]

#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/varve.rs"]
mod varve;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use loadtest::verify::verify;
use varve::Varve;

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Blow {
    FlipStart,
    FlipMiddle,
    Halve,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The node does not start.
    Refused,
    /// Everything is there.
    Harmless,
    /// The node starts, and a query that needs the damaged bytes fails.
    Reported,
}

// === impl Blow ===

impl Blow {
    fn strike(self, path: &Path) {
        let mut bytes = fs::read(path).expect("the file is readable");
        let middle = bytes.len() / 2;
        match self {
            Self::FlipStart => bytes[..16.min(middle)].iter_mut().for_each(|byte| *byte ^= 0x55),
            Self::FlipMiddle => bytes[middle] ^= 0x40,
            Self::Halve => bytes.truncate(middle),
        }
        fs::write(path, bytes).expect("the file is writable");
    }
}

/// A node's folder with a minute of two hosts in it, and the ledger of it.
fn written(folder: &Path) -> (Varve, PathBuf) {
    let ledger = folder.join("ledger");
    let mut node = Varve::new(folder);
    node.start();
    let report = load::blast(&node.url(), 2, 60, &ledger).run(&AtomicBool::new(false));
    assert_eq!(report.expect("the node takes the load").samples_acked, 120_000);
    (node, ledger)
}

/// The files of `folder` and below that hold data; not locks and what RocksDB writes for people.
fn data_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(data_files(&path));
        } else if !["LOCK", "LOG", "OPTIONS", "IDENTITY"].iter().any(|it| name.starts_with(it))
            && fs::metadata(&path).expect("it is there").len() > 1
        {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("there is room");
    for entry in fs::read_dir(from).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("there is room");
        }
    }
}

/// Damages a copy of `data`, starts a node on it, and looks.
fn end_of(data: &Path, file: &Path, blow: Blow, ledger: &Path) -> End {
    let folder = tempfile::tempdir().expect("there is room");
    let mut node = Varve::new(folder.path());
    copy(data, &node.data);
    blow.strike(&node.data.join(file.strip_prefix(data).expect("it is one of its files")));
    let what = format!("{blow:?} {}", file.display());
    if let Err(exit) = node.try_start() {
        assert_eq!(exit.status.code(), Some(1), "{what}: {}", exit.log);
        assert!(exit.log.contains("varve recover"), "{what}: no remedy: {}", exit.log);
        let place = node.data.display().to_string();
        assert!(exit.log.contains(&place), "{what}: no place: {}", exit.log);
        return End::Refused;
    }
    match verify(&node.url(), ledger) {
        Ok(verdict) => {
            assert!(verdict.is_clean(), "{what}: {verdict:#?}\n{}", node.log());
            End::Harmless
        }
        Err(_) => End::Reported,
    }
}

#[test]
fn damage_after_a_clean_stop_is_detected_or_harmless() {
    let folder = tempfile::tempdir().expect("there is room");
    let (mut node, ledger) = written(folder.path());
    node.stop();
    let mut ends = Vec::new();
    for file in data_files(&node.data) {
        for blow in [Blow::FlipStart, Blow::FlipMiddle, Blow::Halve] {
            let end = end_of(&node.data, &file, blow, &ledger);
            println!("{end:?}: {blow:?} {}", file.display());
            ends.push(end);
        }
    }
    assert!(ends.len() >= 12, "a node has more files than that: {ends:?}");
    assert!(ends.contains(&End::Refused), "no blow did any harm: {ends:?}");
}

#[test]
fn a_flipped_byte_inside_a_log_that_is_needed_is_refused() {
    let folder = tempfile::tempdir().expect("there is room");
    let (mut node, ledger) = written(folder.path());
    node.kill();
    let files = data_files(&node.data);
    let size = |path: &&PathBuf| fs::metadata(path).expect("it is there").len();
    let is_log = |path: &&PathBuf| path.extension().is_some_and(|it| it == "log");
    let wal = files.iter().filter(is_log).max_by_key(size).expect("the raft log has a WAL");
    assert_eq!(end_of(&node.data, wal, Blow::FlipMiddle, &ledger), End::Refused);
}

#[test]
fn a_tail_that_was_never_acked_may_be_torn() {
    let folder = tempfile::tempdir().expect("there is room");
    let (mut node, ledger) = written(folder.path());
    node.stop();
    for file in data_files(&node.data) {
        if file.extension().is_some_and(|it| it == "log") {
            let mut bytes = fs::read(&file).expect("the file is readable");
            bytes.extend(b"half a record of a write that was never answered");
            fs::write(&file, bytes).expect("the file is writable");
        }
    }
    node.start();
    load::assert_all_there(&node.url(), &ledger);
}
