//! `kill -9` under full load, at random moments, again and again: is every acked sample there once?

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::ensure;

use crate::blast::{Blast, Pace, Report};
use crate::clock::{now_ms, pause};
use crate::fleet::Fleet;
use crate::identity::{Cadence, mix};
use crate::ledger::Load;
use crate::server::{Product, Server};
use crate::template::Compression;
use crate::verify::{Verdict, verify};

/// A kill comes between so many milliseconds after the server was ready.
const LIFE_MS: std::ops::Range<u64> = 200..3000;
/// How long the load goes on after the last start.
const AFTERLIFE: Duration = Duration::from_millis(500);
const STEP_MS: i64 = 1000;
/// The load ends with the last kill; there are more ticks than it can send until then.
const TICKS: u32 = 10_000;

/// What to kill and how often.
#[derive(Debug, clap::Args)]
pub struct KillArgs {
    /// The varve binary.
    #[arg(long)]
    pub varve: PathBuf,
    /// An empty or new folder for its data, its log and the ledger; it is left for inspection.
    #[arg(long)]
    pub folder: PathBuf,
    /// How often it is killed.
    #[arg(long, default_value_t = 10)]
    pub kills: u64,
    /// Simulated hosts of a thousand series each.
    #[arg(long, default_value_t = 5)]
    pub hosts: u32,
    /// Decides the moments; by default the present does.
    #[arg(long)]
    pub seed: Option<u64>,
}

// === impl KillArgs ===

impl KillArgs {
    /// Runs the load through all kills and reads everything back.
    ///
    /// # Errors
    /// The server does not come back, or the kills did not hit the load, which would prove nothing.
    pub fn run(&self, out: &mut impl Write) -> anyhow::Result<(Report, Verdict)> {
        let seed = self.seed.unwrap_or_else(|| now_ms().unsigned_abs());
        writeln!(out, "seed {seed}")?;
        let mut server =
            Server::new(Product::Varve, self.varve.clone(), self.folder.join("varve"))?;
        server.start()?;
        let ledger = self.folder.join("ledger");
        let blast = self.blast(&server, &ledger);
        let stop = AtomicBool::new(false);
        let report = thread::scope(|scope| {
            let sender = scope.spawn(|| blast.run(&stop));
            let killed = self.kill_all(seed, &mut server, out);
            pause(AFTERLIFE);
            let ended = sender.is_finished();
            stop.store(true, Ordering::Relaxed);
            let report = sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
            killed?;
            ensure!(!ended, "the load ended before the last kill: {report:?}");
            Ok(report)
        })?;
        let silences = report.unacked.get(&0).copied().unwrap_or(0);
        ensure!(silences >= self.kills, "the kills did not hit the load: {report:?}");
        Ok((report, verify(&server.url, &ledger)?))
    }

    fn kill_all(&self, seed: u64, server: &mut Server, out: &mut impl Write) -> anyhow::Result<()> {
        for kill in 0..self.kills {
            let life_ms = LIFE_MS.start + mix(seed + kill) % (LIFE_MS.end - LIFE_MS.start);
            pause(Duration::from_millis(life_ms));
            server.kill()?;
            let ready = server.start()?;
            writeln!(out, "kill {kill} after {life_ms} ms, ready again in {ready:?}")?;
        }
        Ok(())
    }

    fn blast(&self, server: &Server, ledger: &Path) -> Blast {
        let start_ms = now_ms() / STEP_MS * STEP_MS - i64::from(TICKS) * STEP_MS;
        Blast {
            url: server.url.clone(),
            path: "/api/v1/write".to_owned(),
            load: Load {
                fleet: Fleet { hosts: self.hosts, series_per_host: 1000, run: "kill".to_owned() },
                cadence: Cadence { start_ms, step_ms: STEP_MS },
                samples_per_request: 500,
            },
            ticks: TICKS,
            pace: Pace {
                connections: 4,
                rate: None,
                compression: Compression::Patched,
                resend_percent: 5,
                patience: Duration::from_secs(120),
            },
            ledger: Some(ledger.to_owned()),
            server_pid: None,
        }
    }
}
