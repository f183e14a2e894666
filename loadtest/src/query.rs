//! Asks a server over the Prometheus HTTP API.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const TIMEOUT: Duration = Duration::from_secs(120);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// A client of one server.
#[derive(Debug, Clone)]
pub struct QueryClient {
    agent: ureq::Agent,
    url: String,
}

/// Labels of a series, by name.
pub type LabelMap = BTreeMap<String, String>;

/// One series of a matrix, as it was sent: seconds, and values as text.
#[derive(Debug, Deserialize)]
pub struct MatrixSeries {
    /// The labels.
    pub metric: LabelMap,
    /// Timestamps in seconds and values.
    pub values: Vec<(f64, String)>,
}

/// One series of a vector.
#[derive(Debug, Deserialize)]
pub struct VectorSample {
    /// The labels.
    pub metric: LabelMap,
    /// Timestamp in seconds and value.
    pub value: (f64, String),
}

#[derive(Debug, Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    #[serde(default)]
    error: String,
}

#[derive(Debug, Deserialize)]
struct QueryAnswer<T> {
    result: Vec<T>,
}

// === impl QueryClient ===

impl QueryClient {
    /// A client of the server at the base URL `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder();
        let config = config.http_status_as_error(false).timeout_global(Some(TIMEOUT)).build();
        Self { agent: config.into(), url: url.trim_end_matches('/').to_owned() }
    }

    /// GETs `path` with `params`: status and body.
    ///
    /// # Errors
    /// No answer.
    pub fn get(&self, path: &str, params: &[(&str, &str)]) -> anyhow::Result<(u16, String)> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        for (name, value) in params {
            request = request.query(*name, *value);
        }
        let mut response = request.call().with_context(|| format!("GET {}{path}", self.url))?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
        Ok((response.status().as_u16(), body))
    }

    /// A range vector's raw points: `selector[range_ms]` at `time_ms`.
    ///
    /// # Errors
    /// No answer, or an error as answer.
    pub fn matrix(&self, query: &str, time_ms: i64) -> anyhow::Result<Vec<MatrixSeries>> {
        let time = seconds(time_ms);
        self.result("/api/v1/query", &[("query", query), ("time", &time)])
    }

    /// An instant vector at `time_ms`.
    ///
    /// # Errors
    /// No answer, or an error as answer.
    pub fn vector(&self, query: &str, time_ms: i64) -> anyhow::Result<Vec<VectorSample>> {
        let time = seconds(time_ms);
        self.result("/api/v1/query", &[("query", query), ("time", &time)])
    }

    fn result<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &[(&str, &str)],
    ) -> anyhow::Result<Vec<T>> {
        let (status, body) = self.get(path, params)?;
        let head = || body.chars().take(300).collect::<String>();
        let answer: Envelope<QueryAnswer<T>> = serde_json::from_str(&body)
            .with_context(|| format!("{status} {params:?}: {}", head()))?;
        match answer.data {
            Some(data) if status == 200 => Ok(data.result),
            Some(_) | None => bail!("{status} {params:?}: {}", answer.error),
        }
    }
}

/// Milliseconds as the API's seconds with three decimals.
#[must_use]
pub fn seconds(time_ms: i64) -> String {
    format!("{}.{:03}", time_ms.div_euclid(1000), time_ms.rem_euclid(1000))
}

/// The API's seconds as milliseconds.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "timestamps are far below 2^53 ms")]
pub fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, seconds};

    #[test]
    fn milliseconds_survive_the_way_through_seconds() {
        for ms in [0, 1, 999, 1_700_000_000_123] {
            assert_eq!(milliseconds(seconds(ms).parse().unwrap()), ms);
        }
    }
}
