//! Runs the tests and adds up what they say, so that the last lines tell whether all is well.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::build::Cargo;
use crate::machine::{self, BUILD, TESTS};

/// What proptest draws its random cases from. Fixed here, so that whether a change passes never
/// depends on luck; looking for new cases is for those who look: `PROPTEST_RNG_SEED=… cargo xtask
/// test`, with `PROPTEST_CASES=…` for more of them.
const SEED_VARIABLE: &str = "PROPTEST_RNG_SEED";
const SEED: &str = "20261123";

/// What cargo's test programs reported, added up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    programs: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
}

/// Runs every test of the workspace.
///
/// # Errors
/// When a test fails, or something does not compile.
pub(crate) fn run(cargo: &Cargo) -> Result<()> {
    machine::provide(&[BUILD, TESTS])?;
    let mut command = cargo.command(["test", "--release", "--workspace", "--no-fail-fast"]);
    if std::env::var_os(SEED_VARIABLE).is_none() {
        command.env(SEED_VARIABLE, SEED);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let stdout = child.stdout.take().context("cargo has no standard output")?;
    let mut totals = Totals::default();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cannot read what cargo says")?;
        println!("{line}");
        totals.read(&line);
    }
    let status = child.wait().context("cannot wait for cargo")?;
    println!("\n{}", totals.summary());
    if status.success() { Ok(()) } else { bail!("the tests did not all pass ({status})") }
}

// === impl Totals ===

impl Totals {
    /// Takes in one line; most say nothing of interest.
    fn read(&mut self, line: &str) {
        if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let count = |what: &str| {
            let words: Vec<&str> = counts.split([' ', ';']).collect();
            let number = words.iter().position(|word| *word == what).and_then(|i| i.checked_sub(1));
            number.and_then(|i| words[i].parse::<u64>().ok()).unwrap_or(0)
        };
        self.programs += 1;
        self.passed += count("passed");
        self.failed += count("failed");
        self.ignored += count("ignored");
    }

    fn summary(&self) -> String {
        let Self { programs, passed, failed, ignored, failures } = self;
        let mut text = format!(
            "varve tests: {passed} passed, {failed} failed, {ignored} ignored, in {programs} programs"
        );
        for name in failures {
            text += "\n  failed: ";
            text += name;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_programs_are_added_up() {
        let mut totals = Totals::default();
        for line in [
            "test a::b ... ok",
            "test c::d ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            "test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out",
        ] {
            totals.read(line);
        }
        let expected = "varve tests: 41 passed, 1 failed, 2 ignored, in 2 programs\n  failed: c::d";
        assert_eq!(totals.summary(), expected);
    }
}
