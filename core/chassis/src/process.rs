//! What the kernel and the allocator say about this process, under the names every Prometheus client
//! library uses, read at each scrape.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tikv_jemalloc_ctl::{Access, AsName};

/// Clock ticks a second in `/proc`. The kernel's internal rate varies; what it shows to programs is
/// scaled to 100 on every architecture we build for.
const TICKS_PER_S: f64 = 100.0;

/// How long the allocator keeps freed pages for reuse, in milliseconds. With jemalloc's own 10 s what
/// a checkpoint freed is resident until the next one is encoded (1 M new series: 736 MB for 430); with
/// a quarter of a second a steady load frees and faults in the same pages all the time, a twentieth
/// of its CPU.
const DIRTY_DECAY_MS: isize = 5000;

/// Has the allocator give freed pages back soon. Comes first in a process: it holds for the threads'
/// arenas that are made later. Does nothing where another allocator is linked.
pub fn give_memory_back_soon() {
    for name in [b"arenas.dirty_decay_ms\0".as_slice(), b"arena.0.dirty_decay_ms\0"] {
        if let Err(error) = name.name().write(DIRTY_DECAY_MS) {
            tracing::debug!(%error, "the allocator keeps freed pages as long as it likes");
        }
    }
}

/// Registers the `process_*` metrics and the allocator's `varve_memory_*`.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process));
}

/// Bytes the allocator has handed out, `None` where its counters cannot be read.
#[must_use]
pub fn allocated_bytes() -> Option<u64> {
    // The counters are snapshots; a new epoch takes one.
    tikv_jemalloc_ctl::epoch::advance().ok()?;
    let bytes = tikv_jemalloc_ctl::stats::allocated::read().ok()?;
    u64::try_from(bytes).ok()
}

/// Bytes of this process that are in physical memory, `None` without a `/proc`.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    field_kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

#[derive(Debug)]
struct Process;

/// One reading; `None` for what this system does not tell.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    cpu_s: Option<f64>,
    start_s: Option<f64>,
    threads: Option<u64>,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    open_fds: Option<u64>,
    max_fds: Option<u64>,
    allocated_bytes: Option<u64>,
}

// === impl Process ===

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = Reading::take();
        let seconds = Unit::Seconds;
        let bytes = Unit::Bytes;
        counter(&mut encoder, "process_cpu", "User and system CPU time", &seconds, now.cpu_s)?;
        let help = "Start time since the Unix epoch";
        gauge(&mut encoder, "process_start_time", help, Some(&seconds), now.start_s)?;
        gauge(&mut encoder, "process_threads", "Threads", None, now.threads)?;
        let help = "Memory in physical RAM";
        gauge(&mut encoder, "process_resident_memory", help, Some(&bytes), now.resident_bytes)?;
        let help = "Virtual memory";
        gauge(&mut encoder, "process_virtual_memory", help, Some(&bytes), now.virtual_bytes)?;
        gauge(&mut encoder, "process_open_fds", "Open file descriptors", None, now.open_fds)?;
        let help = "Most file descriptors allowed";
        gauge(&mut encoder, "process_max_fds", help, None, now.max_fds)?;
        let help = "Memory the allocator has handed out";
        gauge(&mut encoder, "varve_memory_allocated", help, Some(&bytes), now.allocated_bytes)
    }
}

// === impl Reading ===

impl Reading {
    fn take() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let now = Self::parse(
            &text("/proc/self/stat"),
            &text("/proc/stat"),
            &text("/proc/self/status"),
            &text("/proc/self/limits"),
        );
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64);
        Self { open_fds, allocated_bytes: allocated_bytes(), ..now }
    }

    /// Fields as in proc(5); numbered from 3 after the command's name, which may hold spaces.
    fn parse(stat: &str, system: &str, status: &str, limits: &str) -> Self {
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |n: usize| fields.get(n - 3).and_then(|field| field.parse::<f64>().ok());
        let boot_s = system
            .lines()
            .find_map(|line| line.strip_prefix("btime "))
            .and_then(|seconds| seconds.trim().parse::<f64>().ok());
        Self {
            cpu_s: ticks(14).zip(ticks(15)).map(|(user, system)| (user + system) / TICKS_PER_S),
            start_s: boot_s.zip(ticks(22)).map(|(boot_s, start)| boot_s + start / TICKS_PER_S),
            threads: fields.get(20 - 3).and_then(|field| field.parse().ok()),
            resident_bytes: field_kib(status, "VmRSS:"),
            virtual_bytes: field_kib(status, "VmSize:"),
            open_fds: None,
            max_fds: limits
                .lines()
                .find_map(|line| line.strip_prefix("Max open files"))
                .and_then(|rest| rest.split_whitespace().next())
                .and_then(|soft| soft.parse().ok()),
            allocated_bytes: None,
        }
    }
}

/// `VmRSS:    1234 kB` in bytes.
fn field_kib(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: &Unit,
    value: Option<f64>,
) -> Result<(), fmt::Error> {
    let Some(value) = value else { return Ok(()) };
    let metric = ConstCounter::new(value);
    metric.encode(encoder.encode_descriptor(name, help, Some(unit), metric.metric_type())?)
}

fn gauge<N>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: Option<N>,
) -> Result<(), fmt::Error>
where
    ConstGauge<N>: EncodeMetric,
{
    let Some(value) = value else { return Ok(()) };
    let metric = ConstGauge::new(value);
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_by_field() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1000 5 6 7";
        let reading = Reading::parse(
            stat,
            "cpu 1 2\nbtime 1700000000\n",
            "VmSize:\t 2048 kB\nVmRSS:\t 1024 kB\n",
            "Limit Soft Hard\nMax open files            1024                 4096      files\n",
        );
        let expected = Reading {
            cpu_s: Some(2.0),
            start_s: Some(1_700_000_010.0),
            threads: Some(9),
            resident_bytes: Some(1 << 20),
            virtual_bytes: Some(2 << 20),
            open_fds: None,
            max_fds: Some(1024),
            allocated_bytes: None,
        };
        assert_eq!(reading, expected);
        assert_eq!(Reading::parse("", "", "", ""), Reading::default());
    }

    #[test]
    fn names_are_those_every_dashboard_knows() {
        let mut registry = Registry::default();
        register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for name in [
            "process_cpu_seconds_total ",
            "process_start_time_seconds ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_max_fds ",
            "varve_memory_allocated_bytes ",
        ] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} in {text}");
        }
    }
}
