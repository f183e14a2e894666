//! The same load and the same queries for Varve and its peers, one after the other, in one run.
//!
//! Absolute figures belong to a machine; ratios travel. Each server starts on an empty folder, takes
//! the load, is killed, starts again, and answers the queries. CPU is what the server used from the
//! first request to the last ack; work it put off until later is in nobody's figure.

pub mod queries;
pub mod table;
pub mod writes;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use crate::peers::queries::QueryFigure;
use crate::peers::writes::{WriteFigure, WriteLoad};
use crate::server::{Product, Server};

/// What to run.
#[derive(Debug, clap::Args)]
pub struct PeersArgs {
    /// The varve binary; without it only the peers are measured.
    #[arg(long)]
    varve: Option<PathBuf>,
    /// The Prometheus binary (Debian package `prometheus`).
    #[arg(long, default_value = "/usr/bin/prometheus")]
    prometheus: PathBuf,
    /// The VictoriaMetrics binary (Debian package `victoria-metrics`).
    #[arg(long, default_value = "/usr/bin/victoria-metrics")]
    victoria_metrics: PathBuf,
    /// Only these servers.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Product>,
    /// Loads to write.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "new,steady,million")]
    loads: Vec<WriteLoad>,
    /// Skip the query table (it needs the load `new`).
    #[arg(long)]
    no_queries: bool,
    /// Repetitions of each query.
    #[arg(long, default_value_t = 20)]
    repetitions: usize,
    /// Folder for the servers' data; a new folder below it is made and removed.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where to write all figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Everything measured in one run.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    /// Write loads.
    pub writes: Vec<WriteFigure>,
    /// Queries.
    pub queries: Vec<QueryFigure>,
}

// === impl PeersArgs ===

impl PeersArgs {
    /// Measures, prints the table, writes the JSON.
    ///
    /// # Errors
    /// A server does not start, or refuses the load.
    pub fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let base = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        let folder = base.join(format!("varve-peers-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let measured = self.measure(&folder);
        fs::remove_dir_all(&folder)?;
        let figures = measured?;
        table::print(&figures, out)?;
        if let Some(path) = &self.json {
            fs::write(path, serde_json::to_string_pretty(&figures)?)?;
        }
        Ok(())
    }

    fn measure(&self, folder: &std::path::Path) -> anyhow::Result<Figures> {
        let mut figures = Figures::default();
        for load in &self.loads {
            for (product, binary) in self.products() {
                progress(&format!("{product} takes the load {load}"))?;
                let data = folder.join(format!("{product}-{load}"));
                let mut server = Server::new(product, binary, data)?;
                server.start()?;
                figures.writes.push(load.run(&mut server)?);
                if *load == WriteLoad::New && !self.no_queries {
                    progress(&format!("{product} answers queries"))?;
                    let end_ms = writes::lengthen(&server)?;
                    figures.queries.extend(queries::run(&server, end_ms, self.repetitions)?);
                }
                server.kill()?;
                server.remove()?;
            }
        }
        Ok(figures)
    }

    fn products(&self) -> Vec<(Product, PathBuf)> {
        let all = [
            (Product::Prometheus, Some(self.prometheus.clone())),
            (Product::VictoriaMetrics, Some(self.victoria_metrics.clone())),
            (Product::Varve, self.varve.clone()),
        ];
        let wanted = |product| self.only.is_empty() || self.only.contains(&product);
        all.into_iter()
            .filter(|(product, _)| wanted(*product))
            .filter_map(|(product, binary)| Some((product, binary?)))
            .collect()
    }
}

/// Progress goes to standard error, the table to standard output.
fn progress(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "{text}")?)
}
