//! `varve run`: a node from its first log line to its exit code.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chassis::readiness::Phase;
use chassis::{Context, Readiness};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::roles::Node;
use crate::version::VERSION;

/// Libraries whose `info` is of use to their authors only. openraft also warns of what is usual when
/// a leader is elected.
const QUIET: [&str; 3] = ["openraft=error", "datafusion=warn", "hyper=warn"];

/// Stack of a worker thread. Parsing and planning recurse on expressions up to the depth the parser
/// allows; the memory is reserved, and used only by a thread that goes that deep.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Runs a node until it is told to stop.
pub(crate) fn run(config: Config) -> anyhow::Result<()> {
    chassis::telemetry::init(&config.log, &QUIET)?;
    chassis::process::give_memory_back_soon();
    raise_fd_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("varve-worker")
        .thread_stack_size(STACK_BYTES)
        .build()
        .context("cannot start the runtime's threads")?;
    runtime.block_on(live(config))
}

async fn live(config: Config) -> anyhow::Result<()> {
    let storage_path = absolute(&config.storage.storage_path);
    info!(version = VERSION, storage = %storage_path.display(), "starting");
    let (context, readiness) = (Context::system(), Readiness::new());
    context.tasks.spawn("report-phase", report_phase(readiness.clone(), context.tasks.stopping()));
    // Asked for before anything is opened, so that no signal meets a half-started node unprepared.
    let mut stop = Stop::listen()?;
    let started = tokio::select! {
        started = Node::start_with(config, context, readiness) => started,
        name = stop.asked() => {
            info!(signal = name, "told to stop while starting; nothing was begun");
            return Ok(());
        }
    };
    let node = started?;
    let url = format!("http://{}", node.address());
    info!(url, write = format!("{url}/api/v1/write"), "ready");
    let name = stop.asked().await;
    info!(signal = name, "stopping: finishing requests, then the last checkpoint");
    tokio::select! {
        stopped = node.stop() => stopped?,
        name = stop.asked() => {
            anyhow::bail!("stopped at once by a second {name}; the next start replays the log");
        }
    }
    info!("stopped");
    Ok(())
}

/// The two signals by which people and service managers ask a process to stop.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

// === impl Stop ===

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Completes with the signal's name.
    async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Logs each step of the start, and tells the service manager, if there is one.
async fn report_phase(readiness: Readiness, stopping: impl Future<Output = ()>) {
    let mut phases = readiness.subscribe();
    tokio::pin!(stopping);
    loop {
        let phase = phases.borrow_and_update().clone();
        let text = phase.text();
        match phase {
            Phase::Starting { .. } => {
                debug!("{text}");
                notify(&[NotifyState::Status(&text)]);
            }
            Phase::Ready => notify(&[NotifyState::Ready, NotifyState::Status(&text)]),
            Phase::Stopping => notify(&[NotifyState::Stopping, NotifyState::Status(&text)]),
        }
        tokio::select! {
            changed = phases.changed() => if changed.is_err() { return },
            () = &mut stopping => return,
        }
    }
}

/// Does nothing where no service manager listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot tell the service manager");
    }
}

/// RocksDB keeps every file open; the soft limit of a login shell is too low for weeks of data.
fn raise_fd_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => debug!(limit, "raised the limit of open files"),
        Err(error) => warn!(%error, "cannot raise the limit of open files"),
    }
}

/// As the operator can find it again from anywhere; as given where the system does not tell.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
