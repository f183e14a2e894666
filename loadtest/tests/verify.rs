//! The checker, checked: each planted fault must be found and called by its name, and an honest server
//! must pass. A checker that has never found anything proves nothing.

#[path = "support/liar.rs"]
mod liar;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use liar::{Liar, Store, Treatment};
use loadtest::blast::{Blast, Pace, Report};
use loadtest::fleet::Fleet;
use loadtest::identity::Cadence;
use loadtest::ledger::Load;
use loadtest::template::Compression;
use loadtest::verify::{Verdict, Violation, verify};

const START_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 1_000;
const TICKS: u32 = 20;

/// A server that has taken a load of 2 hosts × 100 series × 20 ticks, and the ledger of it.
struct Bench {
    liar: Liar,
    ledger: PathBuf,
    report: anyhow::Result<Report>,
    _folder: tempfile::TempDir,
}

// === impl Bench ===

impl Bench {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(treatment: &[Treatment]) -> Self {
        let liar = Liar::start();
        liar.store().treatment = treatment.to_vec();
        let folder = tempfile::tempdir().expect("there is room");
        let ledger = folder.path().join("ledger");
        let report = blast(&liar.url, &ledger).run(&AtomicBool::new(false));
        Self { liar, ledger, report, _folder: folder }
    }

    fn verdict(&self) -> Verdict {
        verify(&self.liar.url, &self.ledger).expect("the checker can read")
    }
}

fn blast(url: &str, ledger: &Path) -> Blast {
    Blast {
        url: url.to_owned(),
        path: "/api/v1/write".to_owned(),
        load: Load {
            fleet: Fleet { hosts: 2, series_per_host: 100, run: "a".to_owned() },
            cadence: Cadence { start_ms: START_MS, step_ms: STEP_MS },
            samples_per_request: 50,
        },
        ticks: TICKS,
        pace: Pace {
            // One, so that it is always the same request that comes first.
            connections: 1,
            rate: None,
            compression: Compression::Patched,
            resend_percent: 10,
            patience: Duration::from_secs(20),
        },
        ledger: Some(ledger.to_owned()),
        server_pid: None,
    }
}

#[test]
fn an_honest_server_passes() {
    let bench = Bench::new();
    let report = bench.report.as_ref().unwrap();
    assert_eq!(report.samples_acked, 4_000);
    assert!(report.requests > 80, "some were sent twice: {}", report.requests);
    let verdict = bench.verdict();
    assert!(verdict.is_clean(), "{verdict:?}");
    // One awkward value in sixteen is a stale marker, which no query shows.
    let hidden = 2 * u64::from(TICKS) / 16;
    assert!((4_000 - 2 * hidden..=4_000 - hidden).contains(&verdict.acked), "{verdict:?}");
    assert_eq!(verdict.found, verdict.acked);
}

/// A fault, and every violation that it must be called.
type Plant = (&'static str, fn(&mut Store), &'static [Violation]);

const PLANTS: [Plant; 12] = [
    ("a lost sample", |store| drop(store.series("node_metric", 3).pop_last()), &[Violation::Lost]),
    (
        "a lost first sample",
        |store| drop(store.series("node_cpu", 0).pop_first()),
        &[Violation::Lost],
    ),
    ("a lost series", |store| store.series("http_request", 7).clear(), &[Violation::Lost]),
    (
        "a lost request",
        |store| {
            for samples in store.samples.values_mut().take(50) {
                samples.remove(&(START_MS + 5 * STEP_MS));
            }
        },
        &[Violation::Lost],
    ),
    ("one bit", |store| *bits(store, "node_metric", 4) ^= 1, &[Violation::Corrupt]),
    (
        "a sign",
        |store| {
            let samples = store.series("node_sensor", 0).values_mut();
            let zero = samples.flatten().find(|bits| **bits == (-0.0_f64).to_bits());
            *zero.expect("one value in sixteen is minus zero") = 0;
        },
        &[Violation::Corrupt],
    ),
    (
        "a series under another's labels",
        |store| {
            let other = store.series("node_metric", 9).clone();
            *store.series("node_metric", 13) = other;
        },
        &[Violation::Corrupt],
    ),
    (
        "a timestamp a millisecond late",
        |store| {
            let samples = store.series("node_metric", 2);
            let (at, copies) = samples.pop_last().expect("it has samples");
            samples.insert(at + 1, copies);
        },
        &[Violation::Lost, Violation::Phantom],
    ),
    (
        "a second copy",
        |store| {
            let copy = *bits(store, "node_metric", 5);
            let (_, copies) = store.series("node_metric", 5).pop_first().expect("it has samples");
            store.series("node_metric", 5).insert(START_MS, [copies, vec![copy]].concat());
        },
        &[Violation::Duplicate],
    ),
    ("copies that only a count sees", |store| store.hidden_copies = 1, &[Violation::Duplicate]),
    (
        "a sample that was never sent",
        |store| {
            let at = START_MS + i64::from(TICKS) * STEP_MS;
            store.series("node_metric", 6).insert(at, vec![0]);
        },
        &[Violation::Corrupt, Violation::Phantom],
    ),
    (
        "a series that was never sent",
        |store| {
            let (labels, samples) = store.samples.pop_last().expect("it has series");
            let mut other = labels.clone();
            other.insert("zone".to_owned(), "elsewhere".to_owned());
            store.samples.insert(other, samples.clone());
            store.samples.insert(labels, samples);
        },
        &[Violation::Phantom],
    ),
];

fn bits<'s>(store: &'s mut Store, name: &str, n: usize) -> &'s mut u64 {
    store.series(name, n).values_mut().flatten().next().expect("it has samples")
}

#[test]
fn each_planted_fault_is_found_and_called_by_its_name() {
    let mut wrong = Vec::new();
    for (name, plant, expected) in PLANTS {
        let bench = Bench::new();
        plant(&mut bench.liar.store());
        let found: Vec<_> = bench.verdict().violations.into_keys().collect();
        let expected: BTreeSet<_> = expected.iter().copied().collect();
        if found != expected.iter().copied().collect::<Vec<_>>() {
            wrong.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_ack_that_stored_nothing_is_found() {
    let bench = Bench::with(&[Treatment { status: 204, is_stored: false }]);
    // The resent tenth of the requests may repair it; the first request is not among them.
    let verdict = bench.verdict();
    assert_eq!(verdict.violations.get(&Violation::Lost), Some(&50), "{verdict:?}");
}

#[test]
fn what_was_refused_must_not_be_there() {
    let bench = Bench::with(&[Treatment { status: 415, is_stored: true }]);
    let error = bench.report.as_ref().unwrap_err().to_string();
    assert!(error.contains("the server answered 415"), "{error}");
    let verdict = bench.verdict();
    assert_eq!(verdict.violations.get(&Violation::Resurrected), Some(&50), "{verdict:?}");
}

#[test]
fn what_nobody_acked_may_be_there_or_not_and_is_sent_until_it_is() {
    let unsettled = [true, false].map(|is_stored| Treatment { status: 503, is_stored });
    let bench = Bench::with(&unsettled);
    assert_eq!(bench.report.as_ref().unwrap().unacked[&503], 2);
    let verdict = bench.verdict();
    assert!(verdict.is_clean(), "{verdict:?}");
}

#[test]
fn a_run_in_which_nothing_was_acked_proves_nothing() {
    let refused = vec![Treatment { status: 415, is_stored: false }; 2];
    let verdict = Bench::with(&refused).verdict();
    assert!(verdict.violations.is_empty(), "{verdict:?}");
    assert!(!verdict.is_clean(), "{verdict:?}");
}

#[test]
fn the_command_says_what_it_found_and_fails() {
    let program = std::env::var_os("CARGO_BIN_EXE_varve-loadtest").expect("cargo says where it is");
    let check = |bench: &Bench| {
        let command = Command::new(&program)
            .args(["verify", "--url", &bench.liar.url, "--ledger"])
            .arg(&bench.ledger)
            .output()
            .unwrap();
        (command.status.code(), String::from_utf8(command.stdout).unwrap())
    };
    let bench = Bench::new();
    let (code, text) = check(&bench);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("every acked sample is there once\n"), "{text}");
    bench.liar.store().series("node_metric", 0).pop_first();
    let (code, text) = check(&bench);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("1 × Lost") && text.ends_with("VIOLATED\n"), "{text}");
}
