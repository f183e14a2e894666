//! Sends the load as fast as the server takes it, or at a rate, and keeps the ledger.
//!
//! A few threads with a connection each draw (tick, group) pairs in order. A group's next tick waits
//! for its last one to be settled, so each series' samples arrive in order and no connection runs
//! away from the others. What the server did not settle (no answer, 429, 5xx) is sent again, the same
//! bytes, until it is: receivers must be idempotent, and the checker counts copies.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;

use crate::clock::{Stopwatch, pause};
use crate::http::{Connection, Endpoint};
use crate::ledger::{LedgerWriter, Load, Outcome, Span, outcome_of};
use crate::process;
use crate::template::{Compression, Template};

/// Pause before a request is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// What to send, where, and how fast.
#[derive(Debug, Clone)]
pub struct Blast {
    /// Base URL of the server.
    pub url: String,
    /// Path of its remote-write endpoint.
    pub path: String,
    /// What the samples are.
    pub load: Load,
    /// Samples a series.
    pub ticks: u32,
    /// Pace and shape.
    pub pace: Pace,
    /// Where the ledger goes, if one is kept.
    pub ledger: Option<PathBuf>,
    /// The server's process, to measure it.
    pub server_pid: Option<u32>,
}

/// How the samples are sent.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Parallel connections.
    pub connections: u32,
    /// Samples a second over all connections; none: as fast as the server takes them.
    pub rate: Option<f64>,
    /// Who compresses.
    pub compression: Compression,
    /// Of a hundred acked requests, how many are sent a second time.
    pub resend_percent: u64,
    /// How long a request is tried again before the run fails.
    pub patience: Duration,
}

/// What happened.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Samples of acked requests, without deliberate repetitions.
    pub samples_acked: u64,
    /// Requests sent, all kinds.
    pub requests: u64,
    /// Requests that were not acked, by status; 0: no answer.
    pub unacked: std::collections::BTreeMap<u16, u64>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Acked samples a second.
    pub samples_per_second: f64,
    /// Time from sending a request to its ack, in milliseconds.
    pub latency_ms: Latency,
    /// CPU the sender used, in microseconds a sample.
    pub sender_cpu_us_per_sample: f64,
    /// CPU the server used, in microseconds a sample.
    pub server_cpu_us_per_sample: Option<f64>,
    /// The most memory the server had, in bytes.
    pub server_peak_bytes: Option<u64>,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// Fastest.
    pub min: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Slowest.
    pub max: f64,
}

/// One group of series and the next tick it must send.
#[derive(Debug)]
struct Group {
    state: Mutex<GroupState>,
    turned: Condvar,
}

#[derive(Debug)]
struct GroupState {
    template: Template,
    next_q: u32,
}

/// What the threads share.
struct Run<'a> {
    blast: &'a Blast,
    endpoint: Endpoint,
    groups: Vec<Group>,
    ledger: Option<LedgerWriter>,
    /// Next (tick, group) pair: `tick × groups + group`.
    next: AtomicU64,
    stop: &'a AtomicBool,
    watch: Stopwatch,
}

/// What one thread counted.
#[derive(Debug, Default)]
struct Tally {
    samples_acked: u64,
    requests: u64,
    unacked: std::collections::BTreeMap<u16, u64>,
    latencies_us: Vec<u32>,
}

// === impl Blast ===

impl Blast {
    /// Sends everything, or until `stop` is set.
    ///
    /// # Errors
    /// The server refuses a request for good, a request stays unsettled longer than the patience, or
    /// the ledger cannot be written.
    pub fn run(&self, stop: &AtomicBool) -> anyhow::Result<Report> {
        let run = Run {
            blast: self,
            endpoint: Endpoint::new(&self.url, &self.path)?,
            groups: self.groups(),
            ledger: self
                .ledger
                .as_ref()
                .map(|at| LedgerWriter::create(at, &self.load))
                .transpose()?,
            next: AtomicU64::new(0),
            stop,
            watch: Stopwatch::start(),
        };
        let sender_cpu = process::cpu_seconds(std::process::id())?;
        let server_cpu = self.server_pid.map(process::cpu_seconds).transpose()?;
        let run = Run { watch: Stopwatch::start(), ..run };
        let tally = run.send_all()?;
        let seconds = run.watch.seconds();
        if let Some(ledger) = &run.ledger {
            ledger.sync()?;
        }
        let per_sample = |cpu: f64| cpu * 1e6 / tally.samples_acked.max(1) as f64;
        let sender_cpu = process::cpu_seconds(std::process::id())? - sender_cpu;
        // The server may be gone by now, killed by a test: then it is not measured.
        let server_cpu = self.server_pid.zip(server_cpu).and_then(|(pid, before)| {
            process::cpu_seconds(pid).ok().map(|after| per_sample(after - before))
        });
        Ok(Report {
            samples_acked: tally.samples_acked,
            requests: tally.requests,
            seconds,
            samples_per_second: tally.samples_acked as f64 / seconds,
            latency_ms: Latency::of(tally.latencies_us),
            sender_cpu_us_per_sample: per_sample(sender_cpu),
            server_cpu_us_per_sample: server_cpu,
            server_peak_bytes: self.server_pid.and_then(|pid| process::peak_memory_bytes(pid).ok()),
            unacked: tally.unacked,
        })
    }

    fn groups(&self) -> Vec<Group> {
        let Load { fleet, samples_per_request, .. } = &self.load;
        let n = fleet.n_series();
        let starts = (0..n).step_by(*samples_per_request as usize);
        let group = |from: u32| {
            let series = from..n.min(from + samples_per_request);
            let template = Template::new(fleet, series, self.pace.compression);
            let state = Mutex::new(GroupState { template, next_q: 0 });
            Group { state, turned: Condvar::new() }
        };
        starts.map(group).collect()
    }
}

// === impl Run ===

impl Run<'_> {
    fn send_all(&self) -> anyhow::Result<Tally> {
        let tallies: Vec<anyhow::Result<Tally>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.blast.pace.connections)
                .map(|_| scope.spawn(|| self.send_some().inspect_err(|_| self.halt())))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| bail!("a sender thread died"))
            };
            threads.into_iter().map(join).collect()
        });
        let mut sum = Tally::default();
        for tally in tallies {
            sum.add(tally?);
        }
        Ok(sum)
    }

    fn send_some(&self) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        let mut connection = None;
        let n_groups = self.groups.len() as u64;
        while !self.is_stopped() {
            let i = self.next.fetch_add(1, Ordering::Relaxed);
            let Ok(q) = u32::try_from(i / n_groups) else { break };
            if q >= self.blast.ticks {
                break;
            }
            if let Some(rate) = self.blast.pace.rate {
                let samples = i * u64::from(self.blast.load.samples_per_request);
                self.watch.wait_until(Duration::from_secs_f64(samples as f64 / rate));
            }
            let group = usize::try_from(i % n_groups).map(|i| &self.groups[i])?;
            let Some(mut state) = self.await_turn(group, q)? else { break };
            self.settle(&mut state.template, q, &mut connection, &mut tally)?;
            state.next_q = q + 1;
            group.turned.notify_all();
        }
        Ok(tally)
    }

    /// Waits until `group` has sent everything before `q`; none when the run was stopped meanwhile.
    fn await_turn<'g>(
        &self,
        group: &'g Group,
        q: u32,
    ) -> anyhow::Result<Option<MutexGuard<'g, GroupState>>> {
        let poisoned = |_| anyhow::anyhow!("a sender thread died");
        let mut state = group.state.lock().map_err(poisoned)?;
        while state.next_q != q {
            if self.is_stopped() {
                return Ok(None);
            }
            let waited = group.turned.wait_timeout(state, RETRY_PAUSE);
            state = waited.map_err(|_| anyhow::anyhow!("a sender thread died"))?.0;
        }
        Ok(Some(state))
    }

    /// Sends one request until it is acked.
    fn settle(
        &self,
        template: &mut Template,
        q: u32,
        connection: &mut Option<Connection>,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let span = Span { series_from: template.series.start, series_to: template.series.end, q };
        let body = template.at(self.blast.load.cadence, q)?;
        let watch = Stopwatch::start();
        loop {
            let attempt = self.attempt(span, body, connection, tally);
            let (status, text) = match attempt? {
                Some((200..=299, _)) => break,
                Some((status, text)) => (status, text),
                None => (0, "no answer".to_owned()),
            };
            *tally.unacked.entry(status).or_default() += 1;
            let is_final = status == 400 || (status > 0 && outcome_of(status) == Outcome::Refused);
            if is_final {
                bail!(
                    "the server answered {status} to sample {q} of series {}..{}: {text}",
                    span.series_from,
                    span.series_to
                );
            }
            if self.is_stopped() {
                return Ok(());
            }
            if watch.elapsed() > self.blast.pace.patience {
                bail!("no ack within {:?}; last: {status} {text}", self.blast.pace.patience);
            }
            pause(RETRY_PAUSE);
        }
        tally.samples_acked += u64::from(span.series_to - span.series_from);
        if crate::identity::mix(u64::from(span.series_from) << 32 | u64::from(q)) % 100
            < self.blast.pace.resend_percent
        {
            self.attempt(span, body, connection, tally)?;
        }
        Ok(())
    }

    /// Sends one request once. None: no answer.
    fn attempt(
        &self,
        span: Span,
        body: &[u8],
        connection: &mut Option<Connection>,
        tally: &mut Tally,
    ) -> anyhow::Result<Option<(u16, String)>> {
        // Nothing was sent while nobody listens: that needs no line in the ledger.
        let open = match connection {
            Some(open) => open,
            None => match Connection::open(&self.endpoint) {
                Ok(opened) => connection.insert(opened),
                Err(_) => return Ok(None),
            },
        };
        let request = self.ledger.as_ref().map(|ledger| ledger.send(span)).transpose()?;
        let watch = Stopwatch::start();
        let answer = open.post(&self.endpoint, body).ok();
        tally.requests += 1;
        if let Some((ledger, request)) = self.ledger.as_ref().zip(request) {
            ledger.settle(request, answer.as_ref().map(|answer| answer.status))?;
        }
        if answer.as_ref().is_none_or(|answer| !answer.is_kept) {
            *connection = None;
        }
        if answer.as_ref().is_some_and(|answer| outcome_of(answer.status) == Outcome::Acked) {
            tally.latencies_us.push(u32::try_from(watch.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        Ok(answer.map(|answer| (answer.status, answer.text)))
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn halt(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, other: Self) {
        self.samples_acked += other.samples_acked;
        self.requests += other.requests;
        self.latencies_us.extend(other.latencies_us);
        for (status, count) in other.unacked {
            *self.unacked.entry(status).or_default() += count;
        }
    }
}

// === impl Latency ===

impl Latency {
    fn of(mut latencies_us: Vec<u32>) -> Self {
        latencies_us.sort_unstable();
        let at = |percent: usize| {
            let rank = (latencies_us.len() * percent / 100).min(latencies_us.len().max(1) - 1);
            latencies_us.get(rank).map_or(0.0, |us| f64::from(*us) / 1000.0)
        };
        Self { min: at(0), p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

/// Stops a run after `duration`, from a thread of its own scope.
///
/// # Errors
/// The run failed.
pub fn run_for(blast: &Blast, duration: Duration) -> anyhow::Result<Report> {
    let stop = AtomicBool::new(false);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let watch = Stopwatch::start();
            while watch.elapsed() < duration && !is_done.load(Ordering::Relaxed) {
                pause(RETRY_PAUSE);
            }
            stop.store(true, Ordering::Relaxed);
        });
        let report = blast.run(&stop);
        is_done.store(true, Ordering::Relaxed);
        report.context("send the load")
    })
}
