//! `varve-loadtest`: sends load (`blast`), proves that it is all there (`verify`), and runs the same
//! load and queries against the peers (`peers`).

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use loadtest::blast::{Blast, Pace, Report, run_for};
use loadtest::clock::now_ms;
use loadtest::fleet::{Fleet, SERIES_MAX};
use loadtest::identity::Cadence;
use loadtest::kill::KillArgs;
use loadtest::ledger::Load;
use loadtest::peers::PeersArgs;
use loadtest::promqltest::suite::SuiteArgs;
use loadtest::template::Compression;
use loadtest::verify::{Verdict, verify};

#[derive(Debug, Parser)]
#[command(name = "varve-loadtest", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send identity-carrying samples as fast as the server takes them.
    Blast(BlastArgs),
    /// Read everything back and judge it against a ledger.
    Verify(VerifyArgs),
    /// Send load to a Varve that is killed with SIGKILL again and again, then verify.
    Kill(KillArgs),
    /// Run the same load and queries against Varve, Prometheus and VictoriaMetrics.
    Peers(PeersArgs),
    /// Run Prometheus' test scripts through an engine.
    Promqltest(SuiteArgs),
}

#[derive(Debug, Args)]
struct BlastArgs {
    /// Base URL of the server.
    #[arg(long, default_value = "http://127.0.0.1:9009")]
    url: String,
    /// Path of the remote-write endpoint.
    #[arg(long, default_value = "/api/v1/write")]
    path: String,
    /// Simulated hosts.
    #[arg(long, default_value_t = 100)]
    hosts: u32,
    /// Series each host exposes.
    #[arg(long, default_value_t = 1000)]
    series_per_host: u32,
    /// Samples a series.
    #[arg(long, default_value_t = 60)]
    ticks: u32,
    /// Milliseconds between two samples of a series.
    #[arg(long, default_value_t = 15_000)]
    step_ms: i64,
    /// Timestamp of the first sample; by default the last sample is at the present.
    #[arg(long)]
    start_ms: Option<i64>,
    /// Value of the `run` label.
    #[arg(long, default_value = "a")]
    run: String,
    /// Series, one sample each, a request carries.
    #[arg(long, default_value_t = 2000)]
    samples_per_request: u32,
    /// Parallel connections.
    #[arg(long, default_value_t = 4)]
    connections: u32,
    /// Samples a second; by default as many as the server takes.
    #[arg(long)]
    rate: Option<f64>,
    /// Who compresses: patched costs the sender nothing, stock is the usual encoder.
    #[arg(long, value_enum, default_value = "patched")]
    compression: Compression,
    /// Of a hundred acked requests, how many are sent a second time.
    #[arg(long, default_value_t = 0)]
    resend_percent: u64,
    /// Seconds a request is tried again before the run fails.
    #[arg(long, default_value_t = 120)]
    patience_s: u64,
    /// Stop after so many seconds even if there are ticks left.
    #[arg(long)]
    duration_s: Option<u64>,
    /// Where to write the ledger, which must not exist.
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// The server's process id, to measure its CPU and memory.
    #[arg(long)]
    server_pid: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Base URL of the server.
    #[arg(long, default_value = "http://127.0.0.1:9009")]
    url: String,
    /// The ledger that `blast` wrote.
    #[arg(long)]
    ledger: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match Cli::parse().command {
        Command::Blast(args) => blast(&args, &mut out),
        Command::Verify(args) => verify_command(&args, &mut out),
        Command::Kill(args) => kill(&args, &mut out),
        Command::Peers(args) => args.run(&mut out).map(|()| ExitCode::SUCCESS),
        Command::Promqltest(args) => args.run(&mut out),
    }
}

fn blast(args: &BlastArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let blast = args.blast()?;
    let report = match args.duration_s {
        Some(seconds) => run_for(&blast, Duration::from_secs(seconds))?,
        None => blast.run(&AtomicBool::new(false))?,
    };
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        print_report(&report, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_report(report: &Report, out: &mut impl Write) -> anyhow::Result<()> {
    let latency = report.latency_ms;
    writeln!(
        out,
        "{} samples acked in {:.2} s: {:.0} samples/s, {} requests",
        report.samples_acked, report.seconds, report.samples_per_second, report.requests
    )?;
    writeln!(
        out,
        "ack latency ms: p50 {:.2}, p90 {:.2}, p99 {:.2}, max {:.2}",
        latency.p50, latency.p90, latency.p99, latency.max
    )?;
    writeln!(out, "sender: {:.3} µs CPU a sample", report.sender_cpu_us_per_sample)?;
    if let Some(cpu) = report.server_cpu_us_per_sample {
        writeln!(out, "server: {cpu:.3} µs CPU a sample")?;
    }
    if let Some(bytes) = report.server_peak_bytes {
        writeln!(out, "server: {:.1} MB at its peak", bytes as f64 / 1e6)?;
    }
    for (status, count) in &report.unacked {
        writeln!(out, "not acked: {count} × {status} (0: no answer)")?;
    }
    Ok(())
}

fn verify_command(args: &VerifyArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let verdict = verify(&args.url, &args.ledger)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&verdict)?)?;
        return Ok(exit_code(&verdict));
    }
    print_verdict(&verdict, out)
}

fn kill(args: &KillArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let (report, verdict) = args.run(out)?;
    print_report(&report, out)?;
    print_verdict(&verdict, out)
}

fn print_verdict(verdict: &Verdict, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    writeln!(
        out,
        "{} requests; of the acked samples a query can show {}; {} found, {} of them without an ack",
        verdict.requests, verdict.acked, verdict.found, verdict.found_unacked
    )?;
    for (violation, count) in &verdict.violations {
        writeln!(out, "{count} × {violation:?}")?;
    }
    for example in &verdict.examples {
        writeln!(out, "  {example}")?;
    }
    let word = if verdict.is_clean() { "every acked sample is there once" } else { "VIOLATED" };
    writeln!(out, "{word}")?;
    Ok(exit_code(verdict))
}

fn exit_code(verdict: &Verdict) -> ExitCode {
    if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

// === impl BlastArgs ===

impl BlastArgs {
    fn blast(&self) -> anyhow::Result<Blast> {
        let n = u64::from(self.hosts) * u64::from(self.series_per_host);
        anyhow::ensure!(
            (1..=u64::from(SERIES_MAX)).contains(&n),
            "--hosts × --series-per-host is {n}, not between 1 and {SERIES_MAX}"
        );
        anyhow::ensure!(
            self.step_ms > 1 && self.samples_per_request > 0 && self.connections > 0,
            "--step-ms must be above 1, --samples-per-request and --connections above 0"
        );
        let last_ms = now_ms() / self.step_ms * self.step_ms;
        let span_ms = i64::from(self.ticks.max(1) - 1) * self.step_ms;
        let start_ms = self.start_ms.unwrap_or(last_ms - span_ms);
        Ok(Blast {
            url: self.url.clone(),
            path: self.path.clone(),
            load: Load {
                fleet: Fleet {
                    hosts: self.hosts,
                    series_per_host: self.series_per_host,
                    run: self.run.clone(),
                },
                cadence: Cadence { start_ms, step_ms: self.step_ms },
                samples_per_request: self.samples_per_request,
            },
            ticks: self.ticks,
            pace: Pace {
                connections: self.connections,
                rate: self.rate,
                compression: self.compression,
                resend_percent: self.resend_percent,
                patience: Duration::from_secs(self.patience_s),
            },
            ledger: self.ledger.clone(),
            server_pid: self.server_pid,
        })
    }
}
