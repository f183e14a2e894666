//! Calls cargo the one way in which nothing heavy is built twice.
//!
//! Everything is built with the release profile: `up`, the tests and the benches share their objects.
//! `.cargo/config.toml` keeps these outside the checkout, so that a second clone finds them; whoever
//! sets `CARGO_TARGET_DIR` decides for the objects too.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Cargo, with the place where it builds.
#[derive(Debug, Clone)]
pub(crate) struct Cargo {
    target_dir: Option<PathBuf>,
}

// === impl Cargo ===

impl Cargo {
    pub(crate) const fn new(target_dir: Option<PathBuf>) -> Self {
        Self { target_dir }
    }

    /// A cargo command, to be run at the root of the checkout.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(root()).args(args);
        if let Some(dir) = &self.target_dir {
            command.env("CARGO_BUILD_BUILD_DIR", dir);
        }
        command
    }

    /// Runs cargo with its output on the terminal.
    ///
    /// # Errors
    /// When it cannot be run or does not succeed.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<()> {
        succeed(&mut self.command(args))
    }

    /// Builds a program of ours and tells where it is. The whole workspace is selected, so that
    /// dependencies have the features that they have in the tests, and are not compiled a second time.
    ///
    /// # Errors
    /// When it does not compile.
    pub(crate) fn build(&self, program: &str) -> Result<PathBuf> {
        self.run(["build", "--release", "--workspace", "--bin", program])?;
        let dir = self.target_dir.clone().unwrap_or_else(|| root().join("target"));
        let path = root().join(dir).join("release").join(program);
        if path.is_file() { Ok(path) } else { bail!("cargo built no {}", path.display()) }
    }
}

/// The root of the checkout that `cargo xtask` was called in. Checkouts share what is built, so this
/// program may come from another one; cargo tells where it runs it.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR");
    let xtask = xtask.map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    xtask.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be run or does not succeed; the text is the command as a person would type it.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", typed(command)))?;
    if status.success() { Ok(()) } else { bail!("{} failed ({status})", typed(command)) }
}

/// The command as a person would type it.
pub(crate) fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
