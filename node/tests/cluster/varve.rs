//! A real `varve` process on a folder of its own: started, killed, stopped, asked.
//!
//! Waiting is polling with a deadline. A process that does not do what is expected of it fails the
//! test with its whole log.

#![expect(dead_code, reason = "each test program uses a part of it")]
#![expect(
    clippy::panic,
    clippy::print_stderr,
    reason = "called by tests only; a node that misbehaves fails the test, with its log"
)]

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use loadtest::clock::{Stopwatch, now_ms, pause};
use loadtest::query::QueryClient;

/// Longest wait for a process to start or to stop.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL_PAUSE: Duration = Duration::from_millis(10);

/// A node and where it keeps its data.
#[derive(Debug)]
pub(crate) struct Varve {
    /// Where its logs are; its data is below it.
    pub(crate) folder: PathBuf,
    /// Where it stores.
    pub(crate) data: PathBuf,
    /// `127.0.0.1:<port>`: the same after every start, so that senders find it again.
    pub(crate) address: String,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    starts: u32,
}

/// How a process ended, and what it had said.
#[derive(Debug)]
pub(crate) struct Exit {
    /// Its status.
    pub(crate) status: ExitStatus,
    /// Standard output and standard error.
    pub(crate) log: String,
}

// === impl Varve ===

impl Varve {
    /// A node on `folder` that does not run yet.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            data: folder.join("data"),
            address: free_address(),
            environment: Vec::new(),
            child: None,
            starts: 0,
        }
    }

    /// Sets a variable of its environment.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client for its queries.
    pub(crate) fn client(&self) -> QueryClient {
        QueryClient::new(&self.url())
    }

    /// Starts it and waits until it says that it is ready.
    pub(crate) fn start(&mut self) {
        if let Err(exit) = self.try_start() {
            panic!("the node ended instead of becoming ready: {}\n{}", exit.status, exit.log);
        }
    }

    /// Starts it and waits until it is ready, or has ended.
    pub(crate) fn try_start(&mut self) -> Result<(), Exit> {
        self.spawn(&[]);
        let outcome = await_for("the node to be ready", PATIENCE, || {
            if let Some(status) = self.child_mut().try_wait().expect("the child is ours") {
                self.child = None;
                return Some(Err(Exit { status, log: self.log() }));
            }
            let is_ready = self.log().lines().any(|line| line.contains("msg=ready"));
            is_ready.then_some(Ok(()))
        });
        outcome.unwrap_or_else(|| panic!("the node is not ready:\n{}", self.log()))
    }

    /// The same folder as another node's.
    pub(crate) fn on_data_of(mut self, other: &Self) -> Self {
        self.data = other.data.clone();
        self
    }

    /// Starts it and expects that it ends by itself.
    pub(crate) fn start_in_vain(&mut self, arguments: &[&str]) -> Exit {
        self.spawn(arguments);
        self.await_exit()
    }

    fn spawn(&mut self, arguments: &[&str]) {
        assert!(self.child.is_none(), "it runs already");
        self.starts += 1;
        let log = File::create(self.log_path()).expect("the folder is writable");
        let program = std::env::var_os("CARGO_BIN_EXE_varve").expect("cargo says where it is");
        let child = Command::new(program)
            .arg("run")
            .arg(format!("--storage.path={}", self.data.display()))
            .arg(format!("--web.listen-address={}", self.address))
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the binary was built"));
    }

    /// Kills it with SIGKILL: nothing is flushed, nothing is said.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
    }

    /// Stops it with SIGTERM and waits until it has drained.
    pub(crate) fn stop(&mut self) -> Exit {
        terminate(self.child_mut());
        let exit = self.await_exit();
        assert!(exit.status.success(), "{}\n{}", exit.status, exit.log);
        exit
    }

    fn await_exit(&mut self) -> Exit {
        let mut child = self.child.take().expect("it runs");
        let status =
            await_for("the node to end", PATIENCE, || child.try_wait().expect("the child is ours"));
        let log = self.log();
        let Some(status) = status else {
            child.kill().expect("the child is ours");
            panic!("the node did not end:\n{log}");
        };
        Exit { status, log }
    }

    /// What it has said since its last start.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join(format!("log-{}", self.starts))
    }

    fn child_mut(&mut self) -> &mut Child {
        self.child.as_mut().expect("it runs")
    }
}

impl Drop for Varve {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
        }
    }
}

/// Sends SIGTERM.
pub(crate) fn terminate(child: &Child) {
    let sent = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
    assert!(sent.expect("kill is part of every system").success());
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").to_string()
}

/// Polls until `look` sees something. None after `patience`.
pub(crate) fn await_for<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    let watch = Stopwatch::start();
    while watch.elapsed() < patience {
        let seen = look();
        if seen.is_some() {
            return seen;
        }
        pause(POLL_PAUSE);
    }
    eprintln!("waited {patience:?} in vain for {what}");
    None
}

/// The present, cut to whole seconds.
pub(crate) fn this_second_ms() -> i64 {
    now_ms() / 1000 * 1000
}
