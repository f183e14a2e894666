//! Loads of the size that a test needs.

use std::path::Path;
use std::time::Duration;

use loadtest::blast::{Blast, Pace};
use loadtest::fleet::Fleet;
use loadtest::identity::Cadence;
use loadtest::ledger::Load;
use loadtest::template::Compression;
use loadtest::verify::{Verdict, verify};

use crate::varve::this_second_ms;

/// A load of `hosts` × 1,000 series, one sample a second each, whose last sample is `ticks` after the
/// first, which is an hour ago.
pub(crate) fn blast(url: &str, hosts: u32, ticks: u32, ledger: &Path) -> Blast {
    Blast {
        url: url.to_owned(),
        path: "/api/v1/write".to_owned(),
        load: Load {
            fleet: Fleet { hosts, series_per_host: 1000, run: "a".to_owned() },
            cadence: Cadence { start_ms: this_second_ms() - 3_600_000, step_ms: 1000 },
            samples_per_request: 500,
        },
        ticks,
        pace: Pace {
            connections: 4,
            rate: None,
            compression: Compression::Patched,
            resend_percent: 5,
            patience: Duration::from_secs(120),
        },
        ledger: Some(ledger.to_owned()),
        server_pid: None,
    }
}

/// Reads everything back; fails on the first broken rule.
pub(crate) fn assert_all_there(url: &str, ledger: &Path) -> Verdict {
    let verdict = verify(url, ledger).expect("the node answers queries");
    assert!(verdict.is_clean(), "{verdict:#?}");
    verdict
}
