//! A server under measurement: one process of ours on a free port and a folder of its own.

use std::fmt;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Serialize;

use crate::clock::{Stopwatch, pause};
use crate::query::QueryClient;

/// Longest wait for a server to become ready.
const START_DEADLINE: Duration = Duration::from_secs(180);
const POLL_PAUSE: Duration = Duration::from_millis(5);

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
pub enum Product {
    /// Debian's Prometheus, as a remote-write receiver.
    Prometheus,
    /// Debian's single-node `VictoriaMetrics`.
    VictoriaMetrics,
    /// This project.
    Varve,
}

/// One server.
#[derive(Debug)]
pub struct Server {
    /// Whose it is.
    pub product: Product,
    /// Its base URL: the same after every start, so that senders find it again.
    pub url: String,
    address: String,
    binary: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
}

// === impl Product ===

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prometheus => "Prometheus",
            Self::VictoriaMetrics => "VictoriaMetrics",
            Self::Varve => "Varve",
        })
    }
}

impl Product {
    const fn ready_path(self) -> &'static str {
        match self {
            Self::Prometheus | Self::Varve => "/-/ready",
            Self::VictoriaMetrics => "/health",
        }
    }

    fn arguments(self, folder: &Path, address: &str) -> Vec<String> {
        let data = folder.join("data");
        let data = data.display();
        match self {
            Self::Prometheus => vec![
                format!("--config.file={}", folder.join("prometheus.yml").display()),
                format!("--storage.tsdb.path={data}"),
                format!("--web.listen-address={address}"),
                "--web.enable-remote-write-receiver".to_owned(),
                "--log.level=warn".to_owned(),
            ],
            // Without the offset the newest samples are hidden for half a minute.
            Self::VictoriaMetrics => vec![
                format!("-storageDataPath={data}"),
                format!("-httpListenAddr={address}"),
                "-retentionPeriod=1".to_owned(),
                "-search.latencyOffset=0".to_owned(),
            ],
            Self::Varve => vec![
                "run".to_owned(),
                format!("--storage.path={data}"),
                format!("--web.listen-address={address}"),
            ],
        }
    }
}

// === impl Server ===

impl Server {
    /// A server that does not run yet, on a port that was free a moment ago.
    ///
    /// # Errors
    /// No port is free.
    pub fn new(product: Product, binary: PathBuf, folder: PathBuf) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        Ok(Self { product, url: format!("http://{address}"), address, binary, folder, child: None })
    }

    /// Starts it; returns how long it took until it was ready.
    ///
    /// # Errors
    /// It is not installed, or not ready in time.
    pub fn start(&mut self) -> anyhow::Result<Duration> {
        fs::create_dir_all(&self.folder)?;
        fs::write(self.folder.join("prometheus.yml"), "global: {}\n")?;
        let log = File::options().append(true).create(true).open(self.log_path())?;
        let watch = Stopwatch::start();
        let child = Command::new(&self.binary)
            .args(self.product.arguments(&self.folder, &self.address))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| {
                format!(
                    "start {}; the peers are Debian packages: apt-get install prometheus victoria-metrics",
                    self.binary.display()
                )
            })?;
        self.child = Some(child);
        self.await_ready(watch)
    }

    fn await_ready(&mut self, watch: Stopwatch) -> anyhow::Result<Duration> {
        let client = QueryClient::new(&self.url);
        while watch.elapsed() < START_DEADLINE {
            if client.get(self.product.ready_path(), &[]).is_ok_and(|(status, _)| status == 200) {
                return Ok(watch.elapsed());
            }
            let exited = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(status) = exited {
                let log = fs::read_to_string(self.log_path()).unwrap_or_default();
                bail!("{} ended with {status} instead of becoming ready:\n{log}", self.product);
            }
            pause(POLL_PAUSE);
        }
        bail!("{} was not ready within {START_DEADLINE:?}", self.product)
    }

    /// The process id.
    ///
    /// # Errors
    /// It does not run.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.as_ref().map(Child::id).with_context(|| format!("{} runs", self.product))
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().with_context(|| format!("{} runs", self.product))?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Bytes allocated on disk for its data.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn disk_bytes(&self) -> anyhow::Result<u64> {
        allocated_bytes(&self.folder.join("data"))
    }

    /// Removes what it stored.
    ///
    /// # Errors
    /// It runs, or the folder cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        ensure!(self.child.is_none(), "{} still runs", self.product);
        Ok(fs::remove_dir_all(&self.folder)?)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing is left to do about a process that cannot be killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn allocated_bytes(path: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // A server may delete a file between the listing and the look.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() {
            allocated_bytes(&entry.path())?
        } else {
            // Linux counts blocks of 512 bytes, whatever the file system's are (stat(2)).
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}
