//! Reads everything back and judges it against the ledger.
//!
//! | rule | violation |
//! |---|---|
//! | acked ⇒ present | [`Violation::Lost`] |
//! | present ⇒ the bits that (s, q) stands for | [`Violation::Corrupt`] |
//! | once per series and timestamp, timestamps rising, and `count_over_time` agrees | [`Violation::Duplicate`] |
//! | refused whole ⇒ absent | [`Violation::Resurrected`] |
//! | present ⇒ some request carried it | [`Violation::Phantom`] |
//!
//! What was neither acked nor refused may be there or not. JSON shows one NaN and hides stale
//! markers, so those two are checked as far as they can be seen.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;

use crate::fleet::Fleet;
use crate::identity::{is_visible, shows_as, value_bits};
use crate::ledger::{Ledger, Outcome};
use crate::query::{LabelMap, MatrixSeries, QueryClient, milliseconds};

/// Points asked for in one query, at most.
const POINTS_MAX: u32 = 200_000;
/// Violations shown of each kind.
const EXAMPLES_MAX: usize = 5;

/// Names whose series cannot be told apart without the name.
const CATALOGUE: &str = "node_metric_.+";

/// What is wrong with a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Violation {
    /// Acked, and not there.
    Lost,
    /// There, with other bits.
    Corrupt,
    /// There more than once, or out of order.
    Duplicate,
    /// Refused whole, and there.
    Resurrected,
    /// Never sent, and there.
    Phantom,
}

/// What the checker found.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    /// Requests in the ledger.
    pub requests: u64,
    /// Samples acked that a query can show.
    pub acked: u64,
    /// Samples found.
    pub found: u64,
    /// Samples found though their ack was never seen.
    pub found_unacked: u64,
    /// How often each rule was broken.
    pub violations: BTreeMap<Violation, u64>,
    /// The first of each.
    pub examples: Vec<String>,
}

/// One host and the window of sequence numbers that is looked at.
struct Page<'a> {
    ledger: &'a Ledger,
    host: u32,
    q_from: u32,
    q_to: u32,
    /// For each slot and q: how often it was seen.
    seen: Vec<u8>,
    /// Samples shown.
    found: u64,
    /// Samples shown of the metrics that `count_over_time` is asked about.
    countable: u64,
}

/// Reads back everything that the ledger at `path` tells of.
///
/// # Errors
/// The ledger cannot be read or a query fails; a violation is a verdict, not an error.
pub fn verify(url: &str, path: &Path) -> anyhow::Result<Verdict> {
    let ledger = Ledger::read(path)?;
    let client = QueryClient::new(url);
    let mut verdict = Verdict { requests: ledger.n_requests, ..Verdict::default() };
    let Some(q_last) = ledger.outcomes.keys().map(|(_, q)| *q).max() else { return Ok(verdict) };
    let width = (POINTS_MAX / ledger.load.fleet.series_per_host).max(1);
    for host in 0..ledger.load.fleet.hosts {
        let slots = slots_by_labels(&ledger.load.fleet, host);
        // One window more than was sent: nothing may be there.
        for q_from in (0..=q_last + 1).step_by(width as usize) {
            let page = Page::new(&ledger, host, q_from, q_from + width);
            page.judge(&client, &slots, &mut verdict)?;
        }
    }
    Ok(verdict)
}

// === impl Verdict ===

impl Verdict {
    /// Whether nothing is wrong and there was something to be wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.acked > 0
    }

    fn blame(&mut self, violation: Violation, count: u64, example: impl FnOnce() -> String) {
        let total = self.violations.entry(violation).or_default();
        *total += count;
        let shown = self.examples.iter().filter(|text| text.starts_with(violation.word())).count();
        if shown < EXAMPLES_MAX {
            self.examples.push(format!("{}: {}", violation.word(), example()));
        }
    }
}

// === impl Violation ===

impl Violation {
    const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Corrupt => "corrupt",
            Self::Duplicate => "duplicate",
            Self::Resurrected => "resurrected",
            Self::Phantom => "phantom",
        }
    }
}

// === impl Page ===

impl<'a> Page<'a> {
    fn new(ledger: &'a Ledger, host: u32, q_from: u32, q_to: u32) -> Self {
        let n = ledger.load.fleet.series_per_host * (q_to - q_from);
        Self { ledger, host, q_from, q_to, seen: vec![0; n as usize], found: 0, countable: 0 }
    }

    fn judge(
        mut self,
        client: &QueryClient,
        slots: &HashMap<LabelMap, u32>,
        verdict: &mut Verdict,
    ) -> anyhow::Result<()> {
        let load = &self.ledger.load;
        // The window ends between two samples, so that it does not matter which of its edges is open.
        let half_ms = load.cadence.step_ms / 2;
        let time_ms = load.cadence.at(self.q_to - 1) + half_ms;
        let range_ms = i64::from(self.q_to - self.q_from) * load.cadence.step_ms;
        let instance = Fleet::instance(self.host);
        let run = &load.fleet.run;
        let matchers = format!("instance={instance:?},run={run:?}");
        for series in client.matrix(&format!("{{{matchers}}}[{range_ms}ms]"), time_ms)? {
            self.judge_series(&series, slots, verdict);
        }
        self.judge_absences(verdict);
        // The catalogue's series differ in nothing but the name, which a function takes away.
        let counted = format!("{{{matchers},__name__!~{CATALOGUE:?}}}[{range_ms}ms]");
        let counted = client.vector(&format!("sum(count_over_time({counted}))"), time_ms)?;
        let counted: f64 = counted.first().map_or(Ok(0.0), |sample| sample.value.1.parse())?;
        if counted != self.countable as f64 {
            verdict.blame(Violation::Duplicate, 1, || {
                let shown = self.countable;
                format!("{{{matchers}}} at {time_ms} shows {shown} samples and counts {counted}")
            });
        }
        verdict.found += self.found;
        Ok(())
    }

    fn judge_series(
        &mut self,
        series: &MatrixSeries,
        slots: &HashMap<LabelMap, u32>,
        verdict: &mut Verdict,
    ) {
        self.found += series.values.len() as u64;
        if !series.metric.get("__name__").is_some_and(|name| name.starts_with("node_metric_")) {
            self.countable += series.values.len() as u64;
        }
        let Some(slot) = slots.get(&series.metric) else {
            let n = series.values.len() as u64;
            verdict.blame(Violation::Phantom, n, || format!("series {:?}", series.metric));
            return;
        };
        let mut before_ms = i64::MIN;
        for (at, shown) in &series.values {
            let at_ms = milliseconds(*at);
            if at_ms <= before_ms {
                let text = || format!("{:?} at {at_ms} after {before_ms}", series.metric);
                verdict.blame(Violation::Duplicate, 1, text);
            }
            before_ms = at_ms;
            self.judge_sample(*slot, at_ms, shown, verdict);
        }
    }

    fn judge_sample(&mut self, slot: u32, at_ms: i64, shown: &str, verdict: &mut Verdict) {
        let s = self.host * self.ledger.load.fleet.series_per_host + slot;
        let name = |q: u32| format!("series {s} sample {q} at {at_ms} ms, value {shown}");
        let q =
            self.ledger.load.cadence.q_of(at_ms).filter(|q| (self.q_from..self.q_to).contains(q));
        let Some(q) = q else {
            verdict.blame(Violation::Phantom, 1, || format!("series {s} at {at_ms} ms: {shown}"));
            return;
        };
        match self.outcome(s, q) {
            None => verdict.blame(Violation::Phantom, 1, || name(q)),
            Some(Outcome::Refused) => verdict.blame(Violation::Resurrected, 1, || name(q)),
            Some(Outcome::Unknown) => verdict.found_unacked += 1,
            Some(Outcome::Acked) => {}
        }
        let bits = value_bits(self.ledger.load.fleet.lane(s), s, q);
        if !shown.parse().is_ok_and(|shown| is_visible(bits) && shows_as(bits, shown)) {
            let expected = f64::from_bits(bits);
            verdict.blame(Violation::Corrupt, 1, || format!("{}, not {expected:?}", name(q)));
        }
        let i = self.index(slot, q);
        self.seen[i] = self.seen[i].saturating_add(1);
    }

    /// Looks for acked samples that were not seen.
    fn judge_absences(&self, verdict: &mut Verdict) {
        let fleet = &self.ledger.load.fleet;
        for slot in 0..fleet.series_per_host {
            let s = self.host * fleet.series_per_host + slot;
            for q in self.q_from..self.q_to {
                let is_acked = self.outcome(s, q) == Some(Outcome::Acked);
                if !is_acked || !is_visible(value_bits(fleet.lane(s), s, q)) {
                    continue;
                }
                verdict.acked += 1;
                if self.seen[self.index(slot, q)] == 0 {
                    let at_ms = self.ledger.load.cadence.at(q);
                    let text = || format!("series {s} sample {q} at {at_ms} ms");
                    verdict.blame(Violation::Lost, 1, text);
                }
            }
        }
    }

    fn outcome(&self, s: u32, q: u32) -> Option<Outcome> {
        self.ledger.outcomes.get(&(s / self.ledger.load.samples_per_request, q)).copied()
    }

    const fn index(&self, slot: u32, q: u32) -> usize {
        (slot * (self.q_to - self.q_from) + q - self.q_from) as usize
    }
}

/// The labels of every series of `host`.
fn slots_by_labels(fleet: &Fleet, host: u32) -> HashMap<LabelMap, u32> {
    let label_map = |slot: u32| -> LabelMap {
        let labels = fleet.labels(host * fleet.series_per_host + slot);
        labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    (0..fleet.series_per_host).map(|slot| (label_map(slot), slot)).collect()
}
