//! From names of roles to a running node.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chassis::server::Server;
use chassis::task::DrainTimeout;
use chassis::{Context, Readiness, process};
use cluster::IngesterClient;
use gateway::Gateway;
use ingester::Ingester;
use querier::Querier;

use crate::config::Config;

/// Longest wait for requests that are running when a node is told to stop; the longest query and the
/// slowest sender are cut off after it.
const REQUESTS_DEADLINE: Duration = Duration::from_secs(30);

/// Longest wait for background tasks after the last checkpoint; nothing depends on them any more.
const TASKS_DEADLINE: Duration = Duration::from_secs(10);

/// The names that `--target` knows.
const ROLES: [&str; 5] = ["gateway", "ingester", "querier", "compactor", "ruler"];

/// Which roles a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Every role in one process: a cluster of one.
    All,
}

/// A running node. Dropped without [`Node::stop`] it leaves what a crash would leave: everything that
/// was acknowledged is in the log.
#[derive(Debug)]
pub struct Node {
    context: Context,
    readiness: Readiness,
    server: Server,
    ingester: Arc<Ingester>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(transparent)]
    Server(#[from] chassis::server::Error),
    /// The configuration file is not there or not valid.
    #[error(transparent)]
    ConfigFile(#[from] chassis::config::Error),
    /// The storage cannot be opened, or is in use.
    #[error(transparent)]
    Ingester(#[from] ingester::Error),
    /// A setting of the gateway is out of its range.
    #[error(transparent)]
    Gateway(#[from] gateway::Error),
    /// A setting of the querier is out of its range.
    #[error(transparent)]
    Querier(#[from] querier::Error),
}

/// What was left undone when a node stopped. Nothing acknowledged is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The last checkpoint failed; the next start replays the log instead.
    #[error(transparent)]
    Ingester(#[from] ingester::Error),
    /// Background tasks did not end.
    #[error(transparent)]
    Tasks(#[from] DrainTimeout),
}

// === impl Target ===

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const REMEDY: &str = "this version cannot form a cluster yet; leave the flag out, or say \
                              --target=all";
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        let strange = names.iter().find(|name| **name != "all" && !ROLES.contains(name));
        if let Some(name) = strange {
            let roles = ROLES.join(", ");
            return Err(format!(
                "--target={text}: there is no role {name:?}, only all or some of {roles}, and \
                 {REMEDY}"
            ));
        }
        let lacking: Vec<&str> =
            ROLES.iter().copied().filter(|role| !names.contains(role)).collect();
        if names.contains(&"all") || lacking.is_empty() {
            return Ok(Self::All);
        }
        let lacking = lacking.join(", ");
        Err(format!("--target={text} needs other nodes for {lacking}, and {REMEDY}"))
    }
}

// === impl Node ===

impl Node {
    /// Listens, then builds the roles one on the other; returns when the node is ready.
    ///
    /// # Errors
    /// When an address, a folder or a setting cannot be used; nothing is left running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let context = Context::system();
        let readiness = Readiness::new();
        Self::start_with(config, context, readiness).await
    }

    /// As [`Node::start`], on a clock, metrics and readiness that the caller keeps.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_with(
        config: Config,
        context: Context,
        readiness: Readiness,
    ) -> Result<Self, StartError> {
        let Config { target: Target::All, config_file, storage, web, .. } = config;
        let is_tenanted = config.tenancy_enabled;
        let gateway_config = gateway::Config { tenancy_enabled: is_tenanted, ..config.gateway };
        let querier_config = querier::Config { tenancy_enabled: is_tenanted, ..config.querier };
        // A wrong flag costs no start of a store; each role checks its own once more.
        gateway_config.validate().map_err(gateway::Error::from)?;
        querier_config.validate().map_err(querier::Error::from)?;
        config.ingester.validate().map_err(ingester::Error::from)?;
        if let Some(path) = config_file {
            for warning in chassis::config::ConfigFile::load(&path)?.warnings() {
                tracing::warn!(file = %path.display(), "{warning}");
            }
        }
        process::register(&mut context.metrics.lock());
        let server = Server::bind(&web, &context, &readiness).await?;
        let progress = readiness.clone();
        let ingester =
            Ingester::start(config.ingester, &context, &storage.storage_path, progress).await?;
        let client: Arc<dyn IngesterClient> = Arc::<Ingester>::clone(&ingester);
        let gateway = Gateway::new(gateway_config, &context, Arc::clone(&client))?;
        let querier = Querier::new(querier_config, &context, client)?;
        server.install(gateway.router().merge(querier.router()).merge(ingester.router()));
        readiness.ready();
        Ok(Self { context, readiness, server, ingester })
    }

    /// The address that HTTP is served on, with the real port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.local_address()
    }

    /// Finishes what was begun, takes the last checkpoint, and ends every task.
    ///
    /// # Errors
    /// When something was left undone; the next start takes longer, and loses nothing.
    pub async fn stop(self) -> Result<(), StopError> {
        self.readiness.stopping();
        if let Err(error) = self.server.drain(REQUESTS_DEADLINE).await {
            tracing::warn!(%error, "stopping all the same");
        }
        self.ingester.drain().await?;
        self.context.tasks.drain(TASKS_DEADLINE).await?;
        Ok(())
    }
}
