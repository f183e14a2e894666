//! The simulated fleet: which series exist and what their labels are.
//!
//! A series id `s` is `host × series_per_host + slot`. The slot decides the metric, so each host has
//! the same page of metrics, shaped like a node_exporter's: per-CPU counters, a latency histogram, a
//! broad catalogue of `node_metric_NNN`, a few values that floats make awkward. Labels and id are a
//! bijection: the checker finds `s` again from the labels alone.

use serde::{Deserialize, Serialize};

use crate::identity::Lane;

/// Upper bounds of the simulated histogram, in seconds.
const BUCKET_BOUNDS: [&str; 10] =
    ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"];
const CPU_MODES: [&str; 8] =
    ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];
const ZONES: [&str; 3] = ["a", "b", "c"];
const RACK_COUNT: u32 = 12;

/// The most series a fleet may have, so that identity values stay below 2^53.
pub const SERIES_MAX: u32 = 1 << 21;

/// The shape of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// Number of hosts.
    pub hosts: u32,
    /// Number of series each host exposes.
    pub series_per_host: u32,
    /// Value of the `run` label: another run makes other series.
    pub run: String,
}

/// What a slot on a host's page measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Cpu(u32),
    Bucket(u32),
    Awkward(u32),
    Load(u32),
    Metric(u32),
}

/// Labels of a series, sorted by name.
pub type LabelPairs = Vec<(&'static str, String)>;

// === impl Fleet ===

impl Fleet {
    /// Number of series of the whole fleet.
    #[must_use]
    pub const fn n_series(&self) -> u32 {
        self.hosts * self.series_per_host
    }

    /// The host that exposes series `s`.
    #[must_use]
    pub const fn host_of(&self, s: u32) -> u32 {
        s / self.series_per_host
    }

    /// The `instance` label of `host`.
    #[must_use]
    pub fn instance(host: u32) -> String {
        format!("host-{host:05}.example.net:9100")
    }

    /// How the values of series `s` run.
    #[must_use]
    pub fn lane(&self, s: u32) -> Lane {
        match self.slot(s) {
            Slot::Cpu(_) => Lane::Centiseconds,
            Slot::Bucket(i) => {
                Lane::Bucket { i: i % bucket_count(), histogram: s - i % bucket_count() }
            }
            Slot::Awkward(_) => Lane::Awkward,
            Slot::Load(_) => Lane::Gauge,
            Slot::Metric(i) => match i % 4 {
                0 => Lane::Identity,
                1 => Lane::Gauge,
                2 => Lane::Constant,
                _ => Lane::Counter,
            },
        }
    }

    /// Labels of series `s`: ten pairs, sorted by name.
    #[must_use]
    pub fn labels(&self, s: u32) -> LabelPairs {
        let host = self.host_of(s);
        let zone = ZONES[(host % 3) as usize];
        let mut pairs = vec![
            ("cluster", "prod-eu-1".to_owned()),
            ("environment", "production".to_owned()),
            ("instance", Self::instance(host)),
            ("job", "node".to_owned()),
            ("rack", format!("r{:02}", host % RACK_COUNT)),
            ("run", self.run.clone()),
            ("zone", format!("eu-west-1{zone}")),
        ];
        match self.slot(s) {
            Slot::Cpu(i) => {
                pairs.push(("__name__", "node_cpu_seconds_total".to_owned()));
                pairs.push(("cpu", (i / mode_count()).to_string()));
                pairs.push(("mode", CPU_MODES[(i % mode_count()) as usize].to_owned()));
            }
            Slot::Bucket(i) => {
                pairs.push(("__name__", "http_request_duration_seconds_bucket".to_owned()));
                pairs.push(("handler", format!("/api/v1/handler-{:02}", i / bucket_count())));
                pairs.push(("le", BUCKET_BOUNDS[(i % bucket_count()) as usize].to_owned()));
            }
            Slot::Awkward(i) => {
                pairs.push(("__name__", "node_sensor_reading".to_owned()));
                pairs.push(("chip", "pci0000:00_0000:00:18_3".to_owned()));
                pairs.push(("sensor", format!("temp{i}")));
            }
            Slot::Load(i) => {
                pairs.push(("__name__", "node_pressure_ratio".to_owned()));
                pairs.push(("resource", "memory".to_owned()));
                pairs.push(("window", format!("{}m", i + 1)));
            }
            Slot::Metric(i) => {
                pairs.push(("__name__", format!("node_metric_{i:04}")));
                pairs.push(("device", format!("nvme{}n1", i % 4)));
                pairs.push(("fstype", "ext4".to_owned()));
            }
        }
        pairs.sort_by_key(|(name, _)| *name);
        pairs
    }

    /// Of 1,000 slots, 87 are CPU counters, 200 histogram buckets, 3 awkward, 10 gauges, the rest a catalogue.
    const fn slot(&self, s: u32) -> Slot {
        let n = self.series_per_host;
        let slot = s % n;
        let cpu_end = n * 87 / 1000;
        let bucket_end = cpu_end + n * 200 / 1000 / bucket_count() * bucket_count();
        let awkward_end = bucket_end + (n * 3).div_ceil(1000);
        let load_end = awkward_end + n * 10 / 1000;
        if slot < cpu_end {
            Slot::Cpu(slot)
        } else if slot < bucket_end {
            Slot::Bucket(slot - cpu_end)
        } else if slot < awkward_end {
            Slot::Awkward(slot - bucket_end)
        } else if slot < load_end {
            Slot::Load(slot - awkward_end)
        } else {
            Slot::Metric(slot - load_end)
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "an array of ten")]
const fn bucket_count() -> u32 {
    BUCKET_BOUNDS.len() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "an array of eight")]
const fn mode_count() -> u32 {
    CPU_MODES.len() as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Fleet;

    #[test]
    fn labels_are_sorted_and_unique_to_a_series() {
        let fleet = Fleet { hosts: 3, series_per_host: 1000, run: "a".to_owned() };
        let mut seen = HashSet::new();
        for s in 0..fleet.n_series() {
            let labels = fleet.labels(s);
            assert_eq!(labels.len(), 10);
            assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "{labels:?}");
            assert!(seen.insert(labels));
        }
    }

    #[test]
    fn a_host_of_a_thousand_series_has_the_shape_of_the_query_table() {
        let fleet = Fleet { hosts: 1, series_per_host: 1000, run: "a".to_owned() };
        let count =
            |name: &str| (0..1000).filter(|s| fleet.labels(*s)[0].1.starts_with(name)).count();
        assert_eq!(count("node_cpu_seconds_total"), 87);
        assert_eq!(count("http_request_duration_seconds_bucket"), 200);
        assert_eq!(count("node_metric_"), 700);
    }
}
