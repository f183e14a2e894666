//! Settings of the ingester.

use std::time::Duration;

use model::time::format_duration;
use serde::Deserialize;

/// Written as a duration; every other setting is a number.
const RETENTION_TIME: &str = "storage.retention.time";

/// Longer than anybody keeps raw samples, and far from where times overflow.
const RETENTION_MS_MAX: u64 = 100 * 365 * 24 * 3_600_000;

const MIB: u64 = 1 << 20;

/// Settings of the ingester. Sizes are in bytes, times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args, Deserialize)]
#[group(id = "ingester")]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Partitions of a new cluster; 0 for twice the machine's cores, rounded up to a power of two
    /// and at least 4. A cluster that exists keeps what it has.
    #[arg(long = "ingester.partitions", default_value_t = 0)]
    pub partitions: u32,

    /// Time between two checkpoints of a partition; a restart replays at most the log since then.
    #[arg(long = "ingester.checkpoint-interval-ms", default_value_t = 60_000)]
    pub checkpoint_interval_ms: u64,

    /// A partition is checkpointed early once this much was written to its log.
    #[arg(long = "ingester.checkpoint-log-bytes", default_value_t = 48 * MIB)]
    pub checkpoint_log_bytes: u64,

    /// Frames that may wait for one partition's log; beyond, writes get 503.
    #[arg(long = "ingester.queue-bytes-max", default_value_t = 8 * MIB)]
    pub queue_bytes_max: u64,

    /// How long a write may take; then it gets 503 and its outcome is unknown.
    #[arg(long = "ingester.write-timeout-ms", default_value_t = 10_000)]
    pub write_timeout_ms: u64,

    /// Resident memory beyond which writes get 503; 0 for 85 % of what the process may use.
    #[arg(long = "ingester.memory-limit", default_value_t = 0)]
    pub memory_limit: u64,

    /// How long samples are kept.
    #[arg(long = "storage.retention.time", default_value = "15d", value_parser = retention)]
    #[serde(deserialize_with = "retention_field")]
    pub retention_time: Duration,

    /// Size of the stored chunks beyond which the oldest samples go early; 0 for no limit.
    #[arg(long = "storage.retention.size", default_value_t = 0)]
    pub retention_size: u64,

    /// Samples that one fragment of a query may read; beyond, the query fails.
    #[arg(long = "ingester.query-samples-max", default_value_t = 2_000_000_000)]
    pub query_samples_max: u64,

    /// Memory that one fragment of a query may hold at a time; beyond, the query fails.
    #[arg(long = "ingester.query-bytes-max", default_value_t = 512 * MIB)]
    pub query_bytes_max: u64,

    /// How long one fragment of a query may run.
    #[arg(long = "ingester.query-timeout-ms", default_value_t = 120_000)]
    pub query_timeout_ms: u64,
}

/// A setting that the ingester cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--{flag} is {value}, it must be between {min} and {max}")]
pub struct ConfigError {
    /// The flag.
    pub flag: &'static str,
    /// What was given, as the flag is written.
    pub value: String,
    /// The least that is allowed.
    pub min: String,
    /// The most that is allowed.
    pub max: String,
}

// === impl Config ===

impl Config {
    /// Checks that the settings can work.
    ///
    /// # Errors
    /// Names the first flag that cannot.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let retention_ms = u64::try_from(self.retention_time.as_millis()).unwrap_or(u64::MAX);
        for (flag, value, min, max) in [
            ("ingester.partitions", u64::from(self.partitions), 0, 4_096),
            ("ingester.checkpoint-interval-ms", self.checkpoint_interval_ms, 1_000, 3_600_000),
            ("ingester.checkpoint-log-bytes", self.checkpoint_log_bytes, MIB, 1 << 40),
            ("ingester.queue-bytes-max", self.queue_bytes_max, MIB, 1 << 31),
            ("ingester.write-timeout-ms", self.write_timeout_ms, 1, 3_600_000),
            ("ingester.query-samples-max", self.query_samples_max, 1, u64::MAX),
            ("ingester.query-bytes-max", self.query_bytes_max, MIB, 1 << 40),
            ("ingester.query-timeout-ms", self.query_timeout_ms, 1, 3_600_000),
            // Below the window for late samples nothing could be kept at all.
            (RETENTION_TIME, retention_ms, 2 * 3_600_000, RETENTION_MS_MAX),
        ] {
            if !(min..=max).contains(&value) {
                let written = |value: u64| match i64::try_from(value) {
                    Ok(ms) if flag == RETENTION_TIME => format_duration(ms),
                    _ => value.to_string(),
                };
                let (value, min, max) = (written(value), written(min), written(max));
                return Err(ConfigError { flag, value, min, max });
            }
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            partitions: 0,
            checkpoint_interval_ms: 60_000,
            checkpoint_log_bytes: 48 * MIB,
            queue_bytes_max: 8 * MIB,
            write_timeout_ms: 10_000,
            memory_limit: 0,
            retention_time: Duration::from_secs(15 * 24 * 3_600),
            retention_size: 0,
            query_samples_max: 2_000_000_000,
            query_bytes_max: 512 * MIB,
            query_timeout_ms: 120_000,
        }
    }
}

fn retention(text: &str) -> Result<Duration, String> {
    chassis::config::parse_duration(text)
}

fn retention_field<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    retention(&text).map_err(serde::de::Error::custom)
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
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let flags = Flags::parse_from(["varve", "--storage.retention.time=1h"]);
        assert_eq!(
            flags.config.validate().unwrap_err().to_string(),
            "--storage.retention.time is 1h, it must be between 2h and 100y"
        );
    }
}
