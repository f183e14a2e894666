//! The write loads, and what is measured while a server takes them.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use crate::blast::{Blast, Pace};
use crate::clock::now_ms;
use crate::fleet::Fleet;
use crate::identity::Cadence;
use crate::ledger::Load;
use crate::process;
use crate::server::{Product, Server};
use crate::template::Compression;

const STEP_MS: i64 = 15_000;
/// Ticks of the load `new` that are measured.
const NEW_TICKS: u32 = 60;
/// Ticks behind the queries: an hour, the rate's five minutes before it, and one for good measure.
const QUERY_TICKS: u32 = 261;

/// A load of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
pub enum WriteLoad {
    /// 100 k new series, then 60 ticks.
    New,
    /// 20 k series, 1,440 ticks.
    Steady,
    /// 1 M new series, 8 ticks.
    Million,
}

/// What one server did with one load.
#[derive(Debug, Serialize)]
pub struct WriteFigure {
    /// Whose server.
    pub product: Product,
    /// The load.
    pub load: WriteLoad,
    /// Samples acked.
    pub samples: u64,
    /// Server CPU in microseconds a sample.
    pub cpu_us_per_sample: f64,
    /// Acked samples a second, the sender on the same cores.
    pub samples_per_second: f64,
    /// 99th percentile of the time to an ack, milliseconds.
    pub ack_p99_ms: f64,
    /// Largest resident size, bytes.
    pub peak_bytes: u64,
    /// Bytes on disk a sample right after the load.
    pub disk_bytes_per_sample: f64,
    /// Seconds from the start after SIGKILL until it was ready.
    pub ready_after_kill_s: f64,
}

// === impl WriteLoad ===

impl fmt::Display for WriteLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "100 k new series × 60 ticks",
            Self::Steady => "20 k series × 1,440 ticks",
            Self::Million => "1 M new series × 8 ticks",
        })
    }
}

impl WriteLoad {
    /// Sends the load, kills the server, starts it again.
    ///
    /// # Errors
    /// The server refuses the load or does not come back.
    pub fn run(self, server: &mut Server) -> anyhow::Result<WriteFigure> {
        let (hosts, ticks, span) = match self {
            Self::New => (100, NEW_TICKS, QUERY_TICKS),
            Self::Steady => (20, 1440, 1440),
            Self::Million => (1000, 8, 8),
        };
        let start_ms = now_ms() / STEP_MS * STEP_MS - i64::from(span) * STEP_MS;
        let blast = blast(server, hosts, ticks, start_ms)?;
        let report = blast.run(&AtomicBool::new(false))?;
        let pid = server.pid()?;
        let peak_bytes = process::peak_memory_bytes(pid)?;
        let disk_bytes = server.disk_bytes()?;
        server.kill()?;
        let ready = server.start()?;
        Ok(WriteFigure {
            product: server.product,
            load: self,
            samples: report.samples_acked,
            cpu_us_per_sample: report.server_cpu_us_per_sample.unwrap_or(f64::NAN),
            samples_per_second: report.samples_per_second,
            ack_p99_ms: report.latency_ms.p99,
            peak_bytes,
            disk_bytes_per_sample: disk_bytes as f64 / report.samples_acked as f64,
            ready_after_kill_s: ready.as_secs_f64(),
        })
    }
}

/// Continues the load `new` up to the present, so that the queries have their hour. Returns the time
/// of the last sample.
///
/// # Errors
/// The server refuses the load.
pub fn lengthen(server: &Server) -> anyhow::Result<i64> {
    let ticks = QUERY_TICKS - NEW_TICKS;
    // The measured ticks began `QUERY_TICKS` before the time they were sent at, some minutes ago at
    // most; the hour that is queried lies in what is sent now in any case.
    let start_ms = now_ms() / STEP_MS * STEP_MS - i64::from(ticks) * STEP_MS;
    blast(server, 100, ticks, start_ms)?.run(&AtomicBool::new(false))?;
    Ok(start_ms + i64::from(ticks - 1) * STEP_MS)
}

fn blast(server: &Server, hosts: u32, ticks: u32, start_ms: i64) -> anyhow::Result<Blast> {
    Ok(Blast {
        url: server.url.clone(),
        path: "/api/v1/write".to_owned(),
        load: Load {
            fleet: Fleet { hosts, series_per_host: 1000, run: "a".to_owned() },
            cadence: Cadence { start_ms, step_ms: STEP_MS },
            samples_per_request: 2000,
        },
        ticks,
        pace: Pace {
            connections: 4,
            rate: None,
            compression: Compression::Patched,
            resend_percent: 0,
            patience: Duration::from_secs(120),
        },
        ledger: None,
        server_pid: Some(server.pid()?),
    })
}
