//! Settings of the gateway.

use serde::Deserialize;

const MIB: usize = 1 << 20;

/// Settings of the gateway. Sizes are in bytes, times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args, Deserialize)]
#[group(id = "gateway")]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Largest body of a write request as it comes over the network; larger ones get 413.
    #[arg(long = "gateway.request-bytes-max", default_value_t = 32 * MIB)]
    pub request_bytes_max: usize,

    /// Largest body of a write request after decompression; larger ones get 400.
    #[arg(long = "gateway.decoded-bytes-max", default_value_t = 32 * MIB)]
    pub decoded_bytes_max: usize,

    /// Most samples in one write request; more get 400.
    #[arg(long = "gateway.request-samples-max", default_value_t = 2_000_000)]
    pub request_samples_max: usize,

    /// Bytes of all write requests that are being worked on; beyond, requests get 503.
    #[arg(long = "gateway.in-flight-bytes-max", default_value_t = 128 * MIB)]
    pub in_flight_bytes_max: usize,

    /// How long a request's body may take to arrive; slower ones get 408.
    #[arg(long = "gateway.body-timeout-ms", default_value_t = 30_000)]
    pub body_timeout_ms: u64,

    /// How long a write may take; slower ones get 503. Below a sender's own 30 s, so that it hears
    /// of it.
    #[arg(
        id = "gateway_write_timeout_ms",
        long = "gateway.write-timeout-ms",
        default_value_t = 10_000
    )]
    pub write_timeout_ms: u64,

    /// Most series in the cache of known series, at about 32 bytes each. The cache grows as needed.
    #[arg(long = "gateway.series-cache-entries-max", default_value_t = 4_000_000)]
    pub series_cache_entries_max: usize,

    /// Most labels of a series, its name included.
    #[arg(long = "limits.label-names-per-series-max", default_value_t = 64)]
    pub label_names_per_series_max: usize,

    /// Longest label name, in bytes.
    #[arg(long = "limits.label-name-bytes-max", default_value_t = 1_024)]
    pub label_name_bytes_max: usize,

    /// Longest label value, in bytes.
    #[arg(long = "limits.label-value-bytes-max", default_value_t = 2_048)]
    pub label_value_bytes_max: usize,

    /// Whether requests name their tenant in `X-Scope-OrgID`. Without it all is one tenant's,
    /// `anonymous`. Set by the node from `--tenancy.enabled`, which all roles share.
    #[arg(skip)]
    #[serde(skip)]
    pub tenancy_enabled: bool,
}

/// A setting that the gateway cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Zero, or more than the code can count.
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
}

// === impl Config ===

impl Config {
    /// Checks that the settings can work.
    ///
    /// # Errors
    /// Names the first flag that cannot.
    pub fn validate(&self) -> Result<(), ConfigError> {
        // Offsets into a body are 32 bits; a label's text has 24 bits of length.
        let body_max = 1 << 30;
        let text_max = model::labels::LABEL_BYTES_MAX;
        for (flag, value, min, max) in [
            ("gateway.request-bytes-max", self.request_bytes_max, 1, body_max),
            ("gateway.decoded-bytes-max", self.decoded_bytes_max, 1, body_max),
            ("gateway.request-samples-max", self.request_samples_max, 1, body_max),
            ("gateway.in-flight-bytes-max", self.in_flight_bytes_max, 1, 1 << 40),
            ("gateway.series-cache-entries-max", self.series_cache_entries_max, 1, 1 << 31),
            ("limits.label-names-per-series-max", self.label_names_per_series_max, 1, 1 << 16),
            ("limits.label-name-bytes-max", self.label_name_bytes_max, 8, text_max),
            ("limits.label-value-bytes-max", self.label_value_bytes_max, 1, text_max),
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
            request_bytes_max: 32 * MIB,
            decoded_bytes_max: 32 * MIB,
            request_samples_max: 2_000_000,
            in_flight_bytes_max: 128 * MIB,
            body_timeout_ms: 30_000,
            write_timeout_ms: 10_000,
            series_cache_entries_max: 4_000_000,
            label_names_per_series_max: 64,
            label_name_bytes_max: 1_024,
            label_value_bytes_max: 2_048,
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
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let config = Config { decoded_bytes_max: 1 << 32, ..Config::default() };
        assert_eq!(
            config.validate().unwrap_err().to_string(),
            "--gateway.decoded-bytes-max is 4294967296, it must be between 1 and 1073741824"
        );
    }
}
