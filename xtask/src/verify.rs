//! `verify` looks and never writes; `fix` writes what can be written mechanically.

use anyhow::{Result, bail};

use crate::build::{self, Cargo, succeed};
use crate::machine::{self, BUILD, TESTS};
use crate::{suite, tidy};

/// Everything that is compiled: tests and benches, and with the features (each is called `bench`) what
/// only benches see.
const LINTED: [&str; 4] = ["--release", "--workspace", "--all-targets", "--all-features"];

/// Runs every check, also after one has failed, and names those that did.
///
/// # Errors
/// When a check fails.
pub(crate) fn verify(cargo: &Cargo) -> Result<()> {
    machine::provide(&[BUILD, TESTS])?;
    let mut failed = Vec::new();
    let mut check = |name: &'static str, outcome: Result<()>| {
        if let Err(error) = outcome {
            println!("{name}: {error:#}");
            failed.push(name);
        }
    };
    check("fmt", cargo.run(["fmt", "--all", "--", "--check"]));
    check("tidy", tidy::run(&build::root()));
    check("clippy", cargo.run([&["clippy"], &LINTED[..], &["--", "-D", "warnings"]].concat()));
    check("doc", doc(cargo));
    check("test", suite::run(cargo));
    if failed.is_empty() {
        println!("verify: all is well");
        return Ok(());
    }
    bail!("verify: {} failed", failed.join(", "))
}

fn doc(cargo: &Cargo) -> Result<()> {
    let args = ["doc", "--release", "--workspace", "--no-deps", "--document-private-items"];
    succeed(cargo.command(args).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Formats, applies what clippy can apply, and writes the generated documents anew.
///
/// # Errors
/// When a tool fails.
pub(crate) fn fix(cargo: &Cargo) -> Result<()> {
    machine::provide(&[BUILD])?;
    cargo.run([&["clippy", "--fix", "--allow-dirty"], &LINTED[..]].concat())?;
    cargo.run(["fmt", "--all"])?;
    let reference = ["test", "--release", "--workspace", "--test", "reference"];
    succeed(cargo.command(reference).env("UPDATE_EXPECT", "1"))
}
