//! All scripts of a folder, with a line for each and a verdict at the end.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::engine::Engine;
use super::run::{Report, run};
use super::{mutate, script};
use crate::reference::{NameRemoval, Reference};

/// Arguments of `promqltest`.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    /// The folder whose `*.test` files are run.
    folder: PathBuf,
    /// What evaluates the queries.
    #[arg(long, value_enum, default_value = "reference")]
    engine: EngineName,
    /// Instead change one expectation of each file, and demand that the file fails.
    #[arg(long)]
    mutate: bool,
    /// Run only the files whose names contain this text.
    #[arg(long, default_value = "")]
    only: String,
}

/// The engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// The naive evaluator of this crate.
    Reference,
}

// === impl SuiteArgs ===

impl SuiteArgs {
    /// Runs the scripts.
    ///
    /// # Errors
    /// When there are none, or one cannot be read.
    pub fn run(&self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let (mut passed, mut failed, mut executions) = (0, 0, 0);
        for path in scripts(&self.folder)? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !name.contains(&self.only) {
                continue;
            }
            let mut engine = self.engine.start();
            if self.mutate {
                let line = run_mutated(&path, engine.as_mut())?;
                writeln!(out, "{name}: fails as it must with line {line} changed")?;
                continue;
            }
            let report = run_file(&path, engine.as_mut())?;
            let not_passed = report.evals - report.passed;
            writeln!(out, "{name}: {}/{not_passed}", report.passed)?;
            write!(out, "{}", complaints(&name, &report))?;
            (passed, failed) = (passed + report.passed, failed + not_passed);
            executions += report.executions;
        }
        if !self.mutate {
            writeln!(out, "{executions} queries")?;
            writeln!(out, "{passed} passed, {failed} failed")?;
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

// === impl EngineName ===

impl EngineName {
    fn start(self) -> Box<dyn Engine> {
        match self {
            Self::Reference => Box::new(Reference::new(NameRemoval::Delayed)),
        }
    }
}

/// The scripts of a folder, sorted by name.
///
/// # Errors
/// When the folder cannot be listed or has none.
pub fn scripts(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "test") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        bail!("{} has no *.test files", folder.display());
    }
    Ok(paths)
}

/// Runs one script.
///
/// # Errors
/// When it cannot be read or is not of the language.
pub fn run_file(path: &Path, engine: &mut dyn Engine) -> anyhow::Result<Report> {
    run(&read(path)?, engine).map_err(anyhow::Error::msg)
}

/// Runs one script with a changed expectation, and returns the line of the change.
///
/// # Errors
/// When the script passes all the same.
pub fn run_mutated(path: &Path, engine: &mut dyn Engine) -> anyhow::Result<usize> {
    let mut script = read(path)?;
    mutate::must_fail(&mut script, engine)
        .map_err(anyhow::Error::msg)
        .with_context(|| path.display().to_string())
}

fn read(path: &Path) -> anyhow::Result<script::Script> {
    let place = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(place)?;
    script::parse(&text).with_context(place)
}

/// One line a failed statement.
#[must_use]
pub fn complaints(name: &str, report: &Report) -> String {
    let mut text = String::new();
    for (line, reason) in &report.failures {
        // Writing to a string cannot fail.
        _ = writeln!(text, "  {name}:{line}: {reason}");
    }
    let ran = report.passed + report.failures.len();
    if ran != report.evals {
        _ = writeln!(text, "  {name}: only {ran} of {} statements ran", report.evals);
    }
    text
}
