//! From a checkout to a running node, and the other ways of running what was built.

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::build::{Cargo, succeed};
use crate::machine::{self, BUILD, PEERS};

/// Brings one node up.
#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// Folder for all that is stored.
    #[arg(long = "storage.path", default_value = "./data", value_name = "DIR")]
    storage_path: PathBuf,

    /// Address on which to serve.
    #[arg(long = "web.listen-address", default_value = "127.0.0.1:9009", value_name = "ADDRESS")]
    listen_address: String,

    /// Further arguments for `varve run`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

// === impl Up ===

impl Up {
    /// Returns only if something goes wrong: the node takes over this process, so that Ctrl-C, and
    /// whoever started this, reach the node itself and see it drain.
    pub(crate) fn run(&self, cargo: &Cargo) -> Result<()> {
        let address = reachable(&self.listen_address);
        // Known before the build rather than after it.
        ensure!(
            TcpStream::connect(&address).is_err(),
            "something answers on {address} already; stop it, or choose another \
             --web.listen-address"
        );
        machine::provide(&[BUILD])?;
        println!("building; the first time takes about half an hour on two cores");
        let varve = cargo.build("varve")?;
        let mut greet = Command::new(std::env::current_exe().context("cannot find myself")?);
        greet.args(["greet", "--address", &address]);
        greet.args(["--pid", &std::process::id().to_string()]);
        greet.spawn().context("cannot start the greeting")?;
        let mut node = Command::new(varve);
        node.arg("run").arg("--storage.path").arg(&self.storage_path);
        node.args(["--web.listen-address", &self.listen_address]).args(&self.args);
        Err(node.exec()).context("cannot start the node")
    }
}

/// Where a node that listens on `address` answers on this machine.
fn reachable(address: &str) -> String {
    let port = address.rsplit_once(':').map_or("", |(_, port)| port);
    match address.strip_suffix(port) {
        Some(":" | "0.0.0.0:" | "[::]:") => format!("127.0.0.1:{port}"),
        _ => address.to_owned(),
    }
}

/// Runs a node with its log on the terminal.
///
/// # Errors
/// When it does not compile or start.
pub(crate) fn dev(cargo: &Cargo, args: &[String]) -> Result<()> {
    machine::provide(&[BUILD])?;
    let varve = cargo.build("varve")?;
    Err(Command::new(varve).arg("run").args(args).exec()).context("cannot start the node")
}

/// Runs the same load and queries against Varve and its peers.
///
/// # Errors
/// When something does not compile, or a measurement fails.
pub(crate) fn bench(cargo: &Cargo, args: &[String]) -> Result<()> {
    machine::provide(&[BUILD, PEERS])?;
    let varve = cargo.build("varve")?;
    let loadtest = cargo.build("varve-loadtest")?;
    succeed(Command::new(loadtest).arg("peers").arg("--varve").arg(varve).args(args))
}

/// Runs Prometheus' test scripts for PromQL.
///
/// # Errors
/// When the program does not compile, or a statement fails.
pub(crate) fn promqltest(cargo: &Cargo, folder: &Path, args: &[String]) -> Result<()> {
    machine::provide(&[BUILD])?;
    let loadtest = cargo.build("varve-loadtest")?;
    succeed(Command::new(loadtest).arg("promqltest").arg(folder).args(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_on_all_addresses_is_reached_on_the_local_one() {
        for (listen, reach) in [
            ("127.0.0.1:9009", "127.0.0.1:9009"),
            (":9009", "127.0.0.1:9009"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "127.0.0.1:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(reachable(listen), reach);
        }
    }
}
