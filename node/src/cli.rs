//! The command line. Each command lives in a file of its own; here is only who is called.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Config;
use crate::{check, recover, run, version};

mod reference;

/// A Prometheus-compatible metrics store: remote write in, PromQL out, one binary.
#[derive(Debug, Parser)]
#[command(name = "varve", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node. Needs no configuration: samples are stored below ./data.
    Run(Box<Config>),

    /// Check a configuration file or a running node. Exits with 0 if all is well, with 1 if not.
    #[command(subcommand)]
    Check(check::Check),

    /// Show what is damaged in a storage folder that a node refuses to open, and cut it off.
    Recover(recover::Recover),

    /// Print the version.
    Version {
        /// Print it as a JSON object.
        #[arg(long)]
        json: bool,
    },
}

// === impl Cli ===

impl Cli {
    /// What this process was called with; prints help or a mistake, and ends the process, like
    /// [`Parser::parse`].
    #[must_use]
    pub fn from_process() -> Self {
        let mut command = Self::command_with_variables();
        let matches = command.get_matches_mut();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }

    /// All commands and flags as a page of Markdown, for `docs/reference/flags.md`.
    #[must_use]
    pub fn reference() -> String {
        let mut command = Self::command_with_variables();
        command.build();
        reference::page(&command)
    }

    /// Each setting `--web.listen-address` can also be given as the variable
    /// `VARVE_WEB_LISTEN_ADDRESS`. Derived here, for all roles alike, so that no flag can lack its
    /// variable or have one of another name; its heading and the name of its value, too.
    fn command_with_variables() -> clap::Command {
        Self::command().mut_subcommands(with_variables)
    }

    /// Does what was asked: 0 when it worked, 1 with the reason on standard error when it did not.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Run(config) => run::run(*config),
            Command::Check(check) => check.run(),
            Command::Recover(recover) => recover.run(),
            Command::Version { json } => print(&version::text(json)),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Nobody is left to tell when standard error is closed.
                let _ = writeln!(io::stderr(), "varve: {}", explained(&error));
                ExitCode::FAILURE
            }
        }
    }
}

/// The error and its causes in one line. Many of our texts quote their cause already, because they are
/// also logged and answered on their own; such a cause is not said twice.
fn explained(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn with_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| match arg.get_long().map(str::to_owned) {
        Some(long) if is_setting(&arg) => {
            with_heading(with_value_name(arg, &long), &long).env(variable(&long))
        }
        _ => arg,
    });
    command.mut_subcommands(with_variables)
}

/// Flags stand together by the part before the dot.
fn with_heading(arg: clap::Arg, long: &str) -> clap::Arg {
    let heading = match long.split_once('.').map(|(part, _)| part) {
        Some("gateway" | "limits") => "Writing",
        Some("query") => "Asking",
        Some("ingester" | "storage") => "Storage",
        Some("web") => "Web",
        Some("log") => "Logging",
        Some(_) | None => return arg,
    };
    arg.help_heading(heading)
}

/// The unit, where the flag's name ends in one and the flag says nothing better.
fn with_value_name(arg: clap::Arg, long: &str) -> clap::Arg {
    let derived = arg.get_id().as_str().to_uppercase();
    let names = arg.get_value_names().unwrap_or_default();
    if names.first().is_some_and(|name| name.to_uppercase() != derived) {
        return arg;
    }
    let long = long.trim_end_matches("-max");
    let unit = match long.rsplit(['-', '.']).next() {
        Some("bytes" | "limit" | "size") => "BYTES",
        Some("ms") => "MILLISECONDS",
        Some("time" | "timeout" | "delta") => "DURATION",
        _ => "COUNT",
    };
    arg.value_name(unit)
}

/// Whether a flag describes a node. One that says what to do now, like `--apply`, must be said now.
fn is_setting(arg: &clap::Arg) -> bool {
    let takes_value = arg.get_action().takes_values();
    takes_value || arg.get_long().is_some_and(|long| long.contains('.'))
}

fn variable(flag: &str) -> String {
    format!("VARVE_{}", flag.to_uppercase().replace(['.', '-'], "_"))
}

/// Writes one answer to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}

/// `./data` unless told otherwise; the same flag for each command that needs the folder.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Storage {
    /// Folder for all that is stored; made if it is not there.
    #[arg(long = "storage.path", default_value = "./data", value_name = "DIR")]
    pub(crate) storage_path: PathBuf,
}

#[cfg(test)]
mod tests;
