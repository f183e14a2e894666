//! All settings of a node: each role's own, and what only the node itself needs.

use std::path::PathBuf;

use crate::cli::Storage;
use crate::roles::Target;

/// What `varve run` can be told. Every flag has a default and a `VARVE_…` variable.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "node")]
pub struct Config {
    /// Roles to play; only `all` until there is a cluster.
    #[arg(long = "target", default_value = "all", value_name = "ROLES")]
    pub target: Target,

    /// A prometheus.yml. What this version does not act on is reported.
    #[arg(long = "config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// Whether requests name their tenant in `X-Scope-OrgID`; without it everything is the tenant
    /// `anonymous`.
    #[arg(long = "tenancy.enabled")]
    pub tenancy_enabled: bool,

    #[command(flatten)]
    pub(crate) storage: Storage,

    /// Where and how HTTP is served.
    #[command(flatten)]
    pub web: chassis::server::Config,

    /// How the node logs.
    #[command(flatten)]
    pub log: chassis::telemetry::Config,

    /// The gateway's settings.
    #[command(flatten)]
    pub gateway: gateway::Config,

    /// The ingester's settings.
    #[command(flatten)]
    pub ingester: ingester::Config,

    /// The querier's settings.
    #[command(flatten)]
    pub querier: querier::Config,
}

// === impl Config ===

impl Config {
    /// The settings that `varve run` would have with these arguments.
    ///
    /// # Errors
    /// When an argument is not known or its value not valid.
    pub fn from_args<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Self, clap::Error> {
        let command = <Self as clap::Args>::augment_args(clap::Command::new("varve run"));
        let args = std::iter::once("varve run").chain(args);
        let matches = command.try_get_matches_from(args)?;
        <Self as clap::FromArgMatches>::from_arg_matches(&matches)
    }
}
