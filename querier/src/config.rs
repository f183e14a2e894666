//! Settings of the querier. Flags that Prometheus has, too, have Prometheus' names and defaults.

use model::time::parse_duration_ms;
use serde::Deserialize;

const MIB: usize = 1 << 20;

/// The longest time that a setting may name: a year. Sums of a few of them cannot overflow.
const DURATION_MS_MAX: i64 = 366 * 86_400_000;

/// Settings of the querier. Sizes are in bytes, times in milliseconds (flags take `2m`, `30s`).
#[derive(Debug, Clone, PartialEq, Eq, clap::Args, Deserialize)]
#[group(id = "querier")]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a query may take, waiting included; slower ones get 503. A request's `timeout` may
    /// shorten it.
    #[arg(long = "query.timeout", value_parser = parse_duration_ms, default_value = "2m")]
    pub timeout_ms: i64,

    /// Most samples that a query may have in the querier's memory; beyond, it gets 422.
    #[arg(long = "query.max-samples", default_value_t = 50_000_000)]
    pub samples_max: usize,

    /// Queries that are evaluated at the same time; more wait for their turn.
    #[arg(long = "query.max-concurrency", default_value_t = 20)]
    pub concurrency_max: usize,

    /// Queries that wait for their turn; beyond, they get 503.
    #[arg(long = "query.max-queued", default_value_t = 200)]
    pub queued_max: usize,

    /// How far back an instant vector looks for its newest sample. A request's `lookback_delta`
    /// replaces it.
    #[arg(long = "query.lookback-delta", value_parser = parse_duration_ms, default_value = "5m")]
    pub lookback_ms: i64,

    /// Memory of one query; beyond, it gets 422.
    #[arg(long = "query.memory-bytes-max", default_value_t = 512 * MIB)]
    pub query_memory_bytes_max: usize,

    /// Memory of all queries together; the query that would exceed it gets 503.
    #[arg(long = "query.total-memory-bytes-max", default_value_t = 2_048 * MIB)]
    pub total_memory_bytes_max: usize,

    /// Whether requests name their tenant in `X-Scope-OrgID`. Without it all is one tenant's,
    /// `anonymous`. Set by the node from `--tenancy.enabled`, which all roles share.
    #[arg(skip)]
    #[serde(skip)]
    pub tenancy_enabled: bool,
}

/// A setting that the querier cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number outside its range.
    #[error("--{flag} is {value}, it must be between {min} and {max}")]
    OutOfRange {
        /// The flag.
        flag: &'static str,
        /// What was given.
        value: usize,
        /// The least that is allowed.
        min: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// A duration outside its range.
    #[error("--{flag} is {}, it must be between 1ms and 1y1d", model::time::format_duration(*value_ms))]
    Duration {
        /// The flag.
        flag: &'static str,
        /// What was given, in milliseconds.
        value_ms: i64,
    },
}

// === impl Config ===

impl Config {
    /// Checks that the settings can work.
    ///
    /// # Errors
    /// Names the first flag that cannot.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (flag, value_ms) in
            [("query.timeout", self.timeout_ms), ("query.lookback-delta", self.lookback_ms)]
        {
            if !(1..=DURATION_MS_MAX).contains(&value_ms) {
                return Err(ConfigError::Duration { flag, value_ms });
            }
        }
        for (flag, value, min, max) in [
            ("query.max-samples", self.samples_max, 1, 1 << 40),
            ("query.max-concurrency", self.concurrency_max, 1, 1 << 16),
            ("query.max-queued", self.queued_max, 0, 1 << 16),
            ("query.memory-bytes-max", self.query_memory_bytes_max, MIB, 1 << 44),
            ("query.total-memory-bytes-max", self.total_memory_bytes_max, MIB, 1 << 44),
        ] {
            if !(min..=max).contains(&value) {
                return Err(ConfigError::OutOfRange { flag, value, min, max });
            }
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout_ms: 120_000,
            samples_max: 50_000_000,
            concurrency_max: 20,
            queued_max: 200,
            lookback_ms: 300_000,
            query_memory_bytes_max: 512 * MIB,
            total_memory_bytes_max: 2_048 * MIB,
            tenancy_enabled: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn flags_and_defaults_agree() {
        let config = Flags::parse_from(["varve"]).config;
        assert_eq!(config, Config::default());
        assert_eq!(config.validate(), Ok(()));
        let config = Flags::parse_from(["varve", "--query.timeout=90s"]).config;
        assert_eq!(config.timeout_ms, 90_000);
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let text = |config: Config| config.validate().unwrap_err().to_string();
        assert_eq!(
            text(Config { concurrency_max: 0, ..Config::default() }),
            "--query.max-concurrency is 0, it must be between 1 and 65536"
        );
        assert_eq!(
            text(Config { timeout_ms: 0, ..Config::default() }),
            "--query.timeout is 0s, it must be between 1ms and 1y1d"
        );
    }
}
