//! `varve recover`: what is damaged in a folder, and what is lost by going on without it.

use clap::Args;

use crate::cli::{Storage, print};

/// Looks by default; changes nothing until told to.
#[derive(Debug, Args)]
pub(crate) struct Recover {
    #[command(flatten)]
    storage: Storage,

    /// Cut off what is damaged. What it held is gone afterwards; the range is printed.
    #[arg(long)]
    apply: bool,
}

// === impl Recover ===

impl Recover {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let report = ingester::recover(&self.storage.storage_path, self.apply)?;
        print(&report.to_string())
    }
}
