//! The ledger: what was sent and what the server said, outside the server's reach.
//!
//! A text file that is only appended to. Its first line describes the load as JSON; then one line a
//! request when it is sent, and one when its outcome is known:
//!
//! ```text
//! send <request> <first series> <end series> <first q> <end q> <sent at, ms>
//! acked <request> <at, ms>
//! rejected <request> <at, ms> <status>
//! unknown <request> <at, ms>
//! ```
//!
//! A line is handed to the kernel before the request is, so it survives the sender's death; it is
//! fsynced at intervals. A `send` without an outcome counts as unknown.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::clock::{Stopwatch, now_ms};
use crate::fleet::Fleet;
use crate::identity::Cadence;

/// The longest an acknowledged line stays unsynced while lines arrive.
const FSYNC_EVERY_S: f64 = 1.0;

/// What the load is made of: the first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// The series.
    pub fleet: Fleet,
    /// Their timestamps.
    pub cadence: Cadence,
    /// Series (and samples) a request carries.
    pub samples_per_request: u32,
}

/// Which samples a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First series.
    pub series_from: u32,
    /// End of the series, exclusive.
    pub series_to: u32,
    /// The sample of each series.
    pub q: u32,
}

/// What became of a request, or of a sample after all its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Refused whole: nothing of it may be stored.
    Refused,
    /// No answer, an answer that asks for a retry, or a partial refusal: stored or not.
    Unknown,
    /// 2xx: stored, for good.
    Acked,
}

/// The writing end. Shared by the sender's threads.
#[derive(Debug)]
pub struct LedgerWriter(Mutex<LedgerFile>);

#[derive(Debug)]
struct LedgerFile {
    file: File,
    next_request: u64,
    synced: Stopwatch,
}

/// A ledger as it was read back.
#[derive(Debug)]
pub struct Ledger {
    /// The load it tells of.
    pub load: Load,
    /// The best outcome of each (group of series, q). A group is `series / samples_per_request`.
    pub outcomes: HashMap<(u32, u32), Outcome>,
    /// Requests sent.
    pub n_requests: u64,
}

// === impl LedgerWriter ===

impl LedgerWriter {
    /// Creates the file and writes the first line.
    ///
    /// # Errors
    /// The file exists already, or cannot be written.
    pub fn create(path: &Path, load: &Load) -> anyhow::Result<Self> {
        let mut file = File::options()
            .append(true)
            .create_new(true)
            .open(path)
            .with_context(|| format!("create ledger {}", path.display()))?;
        writeln!(file, "{}", serde_json::to_string(load)?)?;
        file.sync_all()?;
        Ok(Self(Mutex::new(LedgerFile { file, next_request: 0, synced: Stopwatch::start() })))
    }

    /// Notes that `span` is about to be sent.
    ///
    /// # Errors
    /// The disk refuses; the request must not be sent then.
    pub fn send(&self, span: Span) -> anyhow::Result<u64> {
        let Span { series_from, series_to, q } = span;
        let mut ledger = self.lock()?;
        let request = ledger.next_request;
        ledger.next_request += 1;
        let line = format!("send {request} {series_from} {series_to} {q} {} {}\n", q + 1, now_ms());
        ledger.append(&line)?;
        Ok(request)
    }

    /// Notes what the server said; `status` is none if it said nothing.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn settle(&self, request: u64, status: Option<u16>) -> anyhow::Result<()> {
        let now_ms = now_ms();
        let line = match status.map(|status| (outcome_of(status), status)) {
            Some((Outcome::Acked, _)) => format!("acked {request} {now_ms}\n"),
            Some((Outcome::Refused | Outcome::Unknown, status)) => {
                format!("rejected {request} {now_ms} {status}\n")
            }
            None => format!("unknown {request} {now_ms}\n"),
        };
        self.lock()?.append(&line)
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(&self) -> anyhow::Result<()> {
        Ok(self.lock()?.file.sync_data()?)
    }

    fn lock(&self) -> anyhow::Result<std::sync::MutexGuard<'_, LedgerFile>> {
        self.0.lock().map_err(|_| anyhow::anyhow!("a sender thread died while writing the ledger"))
    }
}

// === impl LedgerFile ===

impl LedgerFile {
    fn append(&mut self, line: &str) -> anyhow::Result<()> {
        self.file.write_all(line.as_bytes())?;
        if self.synced.seconds() > FSYNC_EVERY_S {
            self.file.sync_data()?;
            self.synced = Stopwatch::start();
        }
        Ok(())
    }
}

/// What a status says about the samples of a request that has no invalid ones.
#[must_use]
pub const fn outcome_of(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Acked,
        // A 400 may follow a partial write; after 429 and 5xx anything may be stored.
        400 | 429 | 500..=599 => Outcome::Unknown,
        _ => Outcome::Refused,
    }
}

// === impl Ledger ===

impl Ledger {
    /// Reads a ledger, whose last line may be torn.
    ///
    /// # Errors
    /// The file is missing or is no ledger.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("read ledger {}", path.display()))?;
        let (whole, _torn) = text.rsplit_once('\n').context("the ledger has no first line")?;
        let mut lines = whole.lines();
        let first = lines.next().context("the ledger is empty")?;
        let load: Load = serde_json::from_str(first).context("first line of the ledger")?;
        let mut ledger = Self { load, outcomes: HashMap::new(), n_requests: 0 };
        let mut open: HashMap<u64, (u32, u32)> = HashMap::new();
        for line in lines {
            ledger.take(line, &mut open)?;
        }
        for key in open.into_values() {
            ledger.note(key, Outcome::Unknown);
        }
        Ok(ledger)
    }

    fn take(&mut self, line: &str, open: &mut HashMap<u64, (u32, u32)>) -> anyhow::Result<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let outcome = match words[..] {
            ["send", request, series_from, _, q, _, _] => {
                let group = series_from.parse::<u32>()? / self.load.samples_per_request;
                open.insert(request.parse()?, (group, q.parse()?));
                self.n_requests += 1;
                return Ok(());
            }
            ["acked", _, _] => Outcome::Acked,
            ["unknown", _, _] => Outcome::Unknown,
            ["rejected", _, _, status] => outcome_of(status.parse()?),
            _ => bail!("not a line of a ledger: {line:?}"),
        };
        let key = open.remove(&words[1].parse()?);
        let key = key.with_context(|| format!("an outcome of an unsent request: {line:?}"))?;
        self.note(key, outcome);
        Ok(())
    }

    fn note(&mut self, key: (u32, u32), outcome: Outcome) {
        let known = self.outcomes.entry(key).or_insert(outcome);
        *known = (*known).max(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::{Ledger, LedgerWriter, Load, Outcome, Span};
    use crate::fleet::Fleet;
    use crate::identity::Cadence;

    #[test]
    fn the_best_outcome_of_a_span_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let load = Load {
            fleet: Fleet { hosts: 1, series_per_host: 100, run: "a".to_owned() },
            cadence: Cadence { start_ms: 1_700_000_000_000, step_ms: 1000 },
            samples_per_request: 10,
        };
        let writer = LedgerWriter::create(&path, &load).unwrap();
        let send = |series_from, q| {
            writer.send(Span { series_from, series_to: series_from + 10, q }).unwrap()
        };
        let lost = send(0, 0);
        writer.settle(lost, None).unwrap();
        let again = send(0, 0);
        writer.settle(again, Some(204)).unwrap();
        let busy = send(10, 0);
        writer.settle(busy, Some(503)).unwrap();
        send(20, 0);
        let refused = send(30, 0);
        writer.settle(refused, Some(415)).unwrap();
        writer.sync().unwrap();

        let ledger = Ledger::read(&path).unwrap();
        assert_eq!(ledger.load, load);
        assert_eq!(ledger.n_requests, 5);
        assert_eq!(ledger.outcomes[&(0, 0)], Outcome::Acked);
        assert_eq!(ledger.outcomes[&(1, 0)], Outcome::Unknown);
        assert_eq!(ledger.outcomes[&(2, 0)], Outcome::Unknown, "no answer in the ledger");
        assert_eq!(ledger.outcomes[&(3, 0)], Outcome::Refused);
        assert!(LedgerWriter::create(&path, &load).is_err(), "a ledger is never overwritten");
    }
}
