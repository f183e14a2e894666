//! Requests as a real sender makes them: a scrape of many hosts, ten labels a series, one sample
//! each, 2,000 series a request.

use super::request::{TimeSeries, WriteRequest, series};

pub(crate) const SAMPLES_PER_REQUEST: usize = 2_000;
const HOSTS: usize = 100;
const SERIES_PER_HOST: usize = 1_000;
const MODES: [&str; 4] = ["idle", "iowait", "system", "user"];

/// The requests of one scrape of all hosts.
pub(crate) fn scrape(timestamp_ms: i64) -> Vec<WriteRequest> {
    let all: Vec<_> = (0..HOSTS * SERIES_PER_HOST).map(|i| one(i, timestamp_ms)).collect();
    let requests = all.chunks(SAMPLES_PER_REQUEST);
    requests.map(|some| WriteRequest { timeseries: some.to_vec(), metadata: vec![] }).collect()
}

fn one(i: usize, timestamp_ms: i64) -> TimeSeries {
    let (host, metric) = (i / SERIES_PER_HOST, i % SERIES_PER_HOST);
    let name = format!("node_metric_{:03}_seconds_total", metric / 8);
    let labels = [
        ("__name__", name.as_str()),
        ("cluster", "prod-eu-1"),
        ("cpu", &(metric % 8 / 4).to_string()),
        ("device", &format!("nvme{}n1", metric % 8)),
        ("environment", "production"),
        ("instance", &format!("host-{host:05}.example.net:9100")),
        ("job", "node"),
        ("mode", MODES[metric % 4]),
        ("rack", &format!("r{:02}", host % 12)),
        ("zone", &format!("eu-west-1{}", ["a", "b", "c"][host % 3])),
    ];
    // Values with some entropy, as counters have.
    let value = (i as f64).mul_add(1.37, timestamp_ms as f64 * 1e-6);
    series(&labels, &[(timestamp_ms, value)])
}
