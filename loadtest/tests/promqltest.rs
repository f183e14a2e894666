//! Prometheus' own test scripts, through the reference evaluator.
//!
//! The scripts lie beside the repository, in `../shared/promqltest`, and are never copied into it. A
//! clone without them says so on standard error; CI, which has them, fails without them.

use std::io::Write as _;
use std::path::Path;

use loadtest::promqltest::Engine;
use loadtest::promqltest::suite::{complaints, run_file, run_mutated};
use loadtest::reference::{NameRemoval, Reference};

const FOLDER: &str = "../../shared/promqltest";

/// The scripts that pass, with their numbers of statements; the list can only grow.
const COMPLETE: &[(&str, usize)] = &[
    ("aggregators", 65),
    ("at_modifier", 63),
    ("collision", 2),
    ("duration_expression", 30),
    ("extended_vectors", 60),
    ("fill-modifier", 21),
    ("functions", 378),
    ("histograms", 179),
    ("info", 49),
    ("limit", 37),
    ("literals", 25),
    ("name_label_dropping", 8),
    ("native_histograms", 404),
    ("operators", 103),
    ("range_queries", 7),
    ("selectors", 31),
    ("staleness", 17),
    ("start_timestamps", 20),
    ("subquery", 32),
    ("type_and_unit", 58),
];

/// The folder, if it is there.
fn folder() -> Option<&'static Path> {
    let folder = Path::new(FOLDER);
    if folder.is_dir() {
        return Some(folder);
    }
    #[expect(clippy::disallowed_methods, reason = "a test asks its surroundings, once")]
    let is_ci = std::env::var("CI").is_ok();
    assert!(!is_ci, "{FOLDER} is missing: CI must run Prometheus' test scripts");
    _ = writeln!(std::io::stderr(), "NOT PROVED: Prometheus' test scripts are not in {FOLDER}");
    None
}

fn engine() -> Box<dyn Engine> {
    Box::new(Reference::new(NameRemoval::Delayed))
}

#[test]
fn every_statement_of_the_complete_scripts_passes() {
    let Some(folder) = folder() else { return };
    let mut text = String::new();
    for (name, evals) in COMPLETE {
        let path = folder.join(name).with_extension("test");
        let report = run_file(&path, engine().as_mut()).expect("the script runs");
        assert!(report.evals >= *evals, "{name} has only {} of {evals} statements", report.evals);
        text += &complaints(name, &report);
    }
    assert!(text.is_empty(), "{text}");
}

#[test]
fn each_of_them_fails_with_a_changed_expectation() {
    let Some(folder) = folder() else { return };
    for (name, _) in COMPLETE {
        let path = folder.join(name).with_extension("test");
        run_mutated(&path, engine().as_mut()).expect("the script fails");
    }
}
