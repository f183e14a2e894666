//! Everything the project does to itself: `cargo xtask <command>`.
//!
//! Two commands are all that a newcomer needs: `up` brings a node up, `test` tests everything. Both
//! find out what they need from the system and get it. `verify` only looks and `fix` only changes;
//! the two are never mixed.

#![expect(clippy::print_stdout, reason = "a command-line tool answers on standard output")]

mod build;
mod greeting;
mod machine;
mod suite;
mod tidy;
mod up;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use build::Cargo;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Where cargo puts what it builds; as for cargo itself.
    #[arg(long, env = "CARGO_TARGET_DIR", global = true, hide = true)]
    target_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build, start one node with every role, wait until it is ready, show how to use it.
    Up(up::Up),
    /// Run every test; installs the programs that the tests drive.
    Test,
    /// Check everything and change nothing: format, lints, tests, documentation, house rules.
    Verify,
    /// Change what can be changed mechanically: format, lints, generated documents.
    Fix,
    /// Measure Varve beside its peers; arguments go to `varve-loadtest peers`.
    Bench {
        /// Arguments for the measuring program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run Prometheus' test scripts for PromQL through an engine.
    Promqltest {
        /// The folder whose `*.test` files are run.
        folder: PathBuf,
        /// More arguments for `varve-loadtest promqltest`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build and run one node with its log on the terminal; arguments go to `varve run`.
    Dev {
        /// Arguments for `varve run`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Check the house rules that no compiler knows.
    Tidy,
    #[command(hide = true)]
    Greet(greeting::Greet),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // The causes in one line: a backtrace would be of this tool, not of what went wrong.
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(Cli { command, target_dir }: Cli) -> Result<()> {
    let cargo = Cargo::new(target_dir);
    match command {
        Command::Up(up) => up.run(&cargo),
        Command::Test => suite::run(&cargo),
        Command::Verify => verify::verify(&cargo),
        Command::Fix => verify::fix(&cargo),
        Command::Bench { args } => up::bench(&cargo, &args),
        Command::Promqltest { folder, args } => up::promqltest(&cargo, &folder, &args),
        Command::Dev { args } => up::dev(&cargo, &args),
        Command::Tidy => tidy::run(&build::root()),
        Command::Greet(greet) => greet.run(),
    }
}
