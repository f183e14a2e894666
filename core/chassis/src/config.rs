//! The configuration file: a stock `prometheus.yml` is accepted as it is.
//!
//! Settings of a node are flags and `VARVE_…` variables; the file holds what is a document by nature
//! (what to scrape, which rules to run). A key that this version does not act on yet is accepted with
//! a warning that names it and says what to do instead; a key that nobody knows is an error that
//! shows the line, because it is a typing mistake.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Prometheus' configuration schema, of which this version reads the outline.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    global: Option<Global>,
    runtime: Option<IgnoredAny>,
    scrape_configs: Option<IgnoredAny>,
    scrape_config_files: Option<IgnoredAny>,
    rule_files: Option<IgnoredAny>,
    alerting: Option<IgnoredAny>,
    remote_write: Option<IgnoredAny>,
    remote_read: Option<IgnoredAny>,
    storage: Option<IgnoredAny>,
    tracing: Option<IgnoredAny>,
    otlp: Option<IgnoredAny>,
}

/// Prometheus' `global` section. All of it concerns scraping and rules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the check of its keys; nothing scrapes or evaluates yet")]
struct Global {
    scrape_interval: Option<IgnoredAny>,
    scrape_timeout: Option<IgnoredAny>,
    scrape_protocols: Option<IgnoredAny>,
    scrape_classic_histograms: Option<IgnoredAny>,
    scrape_native_histograms: Option<IgnoredAny>,
    always_scrape_classic_histograms: Option<IgnoredAny>,
    convert_classic_histograms_to_nhcb: Option<IgnoredAny>,
    scrape_failure_log_file: Option<IgnoredAny>,
    extra_scrape_metrics: Option<IgnoredAny>,
    evaluation_interval: Option<IgnoredAny>,
    rule_query_offset: Option<IgnoredAny>,
    external_labels: Option<IgnoredAny>,
    query_log_file: Option<IgnoredAny>,
    body_size_limit: Option<IgnoredAny>,
    sample_limit: Option<IgnoredAny>,
    target_limit: Option<IgnoredAny>,
    label_limit: Option<IgnoredAny>,
    label_name_length_limit: Option<IgnoredAny>,
    label_value_length_limit: Option<IgnoredAny>,
    keep_dropped_targets: Option<IgnoredAny>,
    metric_name_validation_scheme: Option<IgnoredAny>,
    metric_name_escaping_scheme: Option<IgnoredAny>,
}

/// Why a configuration file was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there or may not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not YAML, or holds a key or value that has no place in it.
    #[error("{} is not a valid configuration:\n{snippet}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The place and the reason.
        snippet: String,
    },
}

// === impl ConfigFile ===

impl ConfigFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read or is not valid; the text shows the place.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let name = path.display().to_string();
        Self::parse(&name, &text)
            .map_err(|snippet| Error::Invalid { path: path.to_owned(), snippet })
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        // A file of nothing but comments is YAML's null.
        let parsed = serde_saphyr::from_str::<Option<Self>>(text);
        parsed.map(Option::unwrap_or_default).map_err(|error| {
            let shown = error.render_with_options(serde_saphyr::render_options! {
                formatter: &serde_saphyr::UserMessageFormatter,
                source_name: Some(name),
            });
            // The snippet repeats the message beside its line; without one there is only the message.
            shown
                .split_once('\n')
                .map_or(shown.clone(), |(_, snippet)| snippet.trim_end().to_owned())
        })
    }

    /// One line for each key that is there and has no effect in this version.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let scraping =
            "nothing is scraped yet; let a Prometheus scrape and remote_write to /api/v1/write";
        let rules =
            "rules are not evaluated yet; let a Prometheus that reads from here evaluate them";
        let keys = [
            (
                "global",
                self.global.is_some(),
                "it concerns scraping and rules, which are not there yet",
            ),
            ("runtime", self.runtime.is_some(), "it concerns Go's runtime"),
            ("scrape_configs", self.scrape_configs.is_some(), scraping),
            ("scrape_config_files", self.scrape_config_files.is_some(), scraping),
            ("rule_files", self.rule_files.is_some(), rules),
            ("alerting", self.alerting.is_some(), rules),
            ("remote_write", self.remote_write.is_some(), "samples are not forwarded yet"),
            ("remote_read", self.remote_read.is_some(), "queries read this node only"),
            ("storage", self.storage.is_some(), "use the --storage.* flags"),
            ("tracing", self.tracing.is_some(), "no traces are exported yet"),
            ("otlp", self.otlp.is_some(), "OTLP is not taken yet"),
        ];
        let present = keys.into_iter().filter(|(_, is_present, _)| *is_present);
        present.map(|(key, _, why)| format!("{key} has no effect: {why}")).collect()
    }
}

/// Reads `5m` or `1h30m` for a flag.
///
/// # Errors
/// When it is not a duration in Prometheus' notation.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let ms = model::time::parse_duration_ms(text).map_err(|error| error.to_string())?;
    u64::try_from(ms).map(Duration::from_millis).map_err(|_| format!("{text} is negative"))
}

#[cfg(test)]
mod tests;
