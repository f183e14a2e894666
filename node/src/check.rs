//! `varve check …`: answers a question with the exit code, and says why on standard error.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use chassis::config::ConfigFile;
use clap::{Args, Subcommand};

use crate::cli::print;

/// A probe that has not been answered by then has failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The most of an answer that is shown.
const ANSWER_BYTES_MAX: u64 = 4096;

/// What to check.
#[derive(Debug, Subcommand)]
pub(crate) enum Check {
    /// Are these configuration files valid?
    Config {
        /// Files in Prometheus' format.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Does a node serve reads and writes?
    Ready(Probe),
    /// Is a node alive?
    Healthy(Probe),
}

/// Which node to ask.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// The node's address.
    #[arg(long, default_value = "http://127.0.0.1:9009", value_name = "URL")]
    url: String,
}

// === impl Check ===

impl Check {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Config { files } => check_files(&files),
            Self::Ready(probe) => probe.ask("/-/ready"),
            Self::Healthy(probe) => probe.ask("/-/healthy"),
        }
    }
}

/// Checks every file, so that one mistake does not hide the next file's.
fn check_files(files: &[PathBuf]) -> anyhow::Result<()> {
    let mut errors = Vec::new();
    for path in files {
        let name = path.display();
        match ConfigFile::load(path) {
            Ok(file) => {
                let mut text = format!("{name} is valid");
                for warning in file.warnings() {
                    write!(text, "\n  warning: {warning}").context("a String takes any text")?;
                }
                print(&text)?;
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    if errors.is_empty() { Ok(()) } else { bail!(errors.join("\n")) }
}

// === impl Probe ===

impl Probe {
    fn ask(&self, path: &str) -> anyhow::Result<()> {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PROBE_TIMEOUT))
            .http_status_as_error(false)
            .build()
            .into();
        let mut response = agent
            .get(&url)
            .call()
            .with_context(|| format!("no answer from {url}; does a node run there (--url)?"))?;
        let status = response.status();
        let answer = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()
            .with_context(|| format!("{url} answered {status} and then broke off"))?;
        let answer = answer.trim_end();
        if status.is_success() { print(answer) } else { bail!("{url} answered {status}: {answer}") }
    }
}
