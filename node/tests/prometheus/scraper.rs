//! The real programs beside the node: an exporter and the Prometheus that scrapes it.

#![expect(clippy::panic, reason = "called by tests only; a missing package fails the test")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loadtest::query::QueryClient;

use crate::varve::{await_for, free_address, terminate};

const PATIENCE: Duration = Duration::from_secs(60);
const INSTALL: &str = "apt-get install -y prometheus prometheus-node-exporter";

/// A `prometheus-node-exporter`.
#[derive(Debug)]
pub(crate) struct Exporter {
    /// Where it is scraped.
    pub(crate) address: String,
    child: Child,
}

/// A `prometheus` that scrapes the exporter and itself every second.
#[derive(Debug)]
pub(crate) struct Prometheus {
    folder: PathBuf,
    address: String,
    exporter: String,
    varve: String,
    child: Child,
}

// === impl Exporter ===

impl Exporter {
    pub(crate) fn start() -> Self {
        let address = free_address();
        let child = Self::spawn(&address);
        Self { address, child }
    }

    /// Killed and started again: its counters of its own start at zero.
    pub(crate) fn restart(&mut self) {
        end(&mut self.child);
        self.child = Self::spawn(&self.address);
    }

    fn spawn(address: &str) -> Child {
        let child = Command::new("/usr/bin/prometheus-node-exporter")
            .arg(format!("--web.listen-address={address}"))
            // What these collectors show differs between machines, or takes longer than a scrape.
            .args(["--no-collector.systemd", "--no-collector.textfile"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; install the package: {INSTALL}"));
        let client = QueryClient::new(&format!("http://{address}"));
        await_ok(&client, "/metrics");
        child
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

// === impl Prometheus ===

impl Prometheus {
    pub(crate) fn start(folder: &Path, exporter: &str, varve: &str) -> Self {
        let address = free_address();
        fs::write(folder.join("prometheus.yml"), config(&address, exporter, varve, true))
            .expect("the folder is writable");
        let child = Self::spawn(folder, &address);
        Self {
            folder: folder.to_owned(),
            address,
            exporter: exporter.to_owned(),
            varve: varve.to_owned(),
            child,
        }
    }

    pub(crate) fn client(&self) -> QueryClient {
        QueryClient::new(&format!("http://{}", self.address))
    }

    /// Takes its targets away; their series end with stale markers.
    pub(crate) fn drop_targets(&self) {
        self.configure(false);
        let reloaded = Command::new("kill").arg("-HUP").arg(self.child.id().to_string()).status();
        assert!(reloaded.expect("kill is part of every system").success());
    }

    /// Stopped and started again, with its targets.
    pub(crate) fn restart(&mut self) {
        self.configure(true);
        terminate(&self.child);
        let child = &mut self.child;
        let ended = await_for("Prometheus to end", PATIENCE, || {
            child.try_wait().expect("the child is ours")
        });
        assert!(ended.expect("Prometheus ends").success());
        self.child = Self::spawn(&self.folder, &self.address);
    }

    fn configure(&self, has_targets: bool) {
        let text = config(&self.address, &self.exporter, &self.varve, has_targets);
        fs::write(self.folder.join("prometheus.yml"), text).expect("the folder is writable");
    }

    fn spawn(folder: &Path, address: &str) -> Child {
        let log = File::options().append(true).create(true).open(folder.join("prometheus.log"));
        let log = log.expect("the folder is writable");
        let child = Command::new("/usr/bin/prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; install the package: {INSTALL}"));
        await_ok(&QueryClient::new(&format!("http://{address}")), "/-/ready");
        child
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn config(prometheus: &str, exporter: &str, varve: &str, has_targets: bool) -> String {
    // A job that is taken away whole leaves no stale markers; one that lost its targets does.
    let target = |address: &str| if has_targets { format!("'{address}'") } else { String::new() };
    let (exporter, prometheus) = (target(exporter), target(prometheus));
    // One shard keeps the order of the scrapes; the short deadline sends each scrape at once.
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
remote_write:
  - url: {varve}/api/v1/write
    queue_config: {{max_shards: 1, batch_send_deadline: 100ms, max_backoff: 500ms}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: [{exporter}]}}]
  - job_name: prometheus
    static_configs: [{{targets: [{prometheus}]}}]
"
    )
}

fn await_ok(client: &QueryClient, path: &str) {
    let answered = await_for(path, PATIENCE, || {
        client.get(path, &[]).is_ok_and(|(status, _)| status == 200).then_some(())
    });
    answered.expect("the program answers");
}

fn end(child: &mut Child) {
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");
}
