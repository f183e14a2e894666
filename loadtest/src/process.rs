//! What the kernel knows about a process: CPU time and memory, from `/proc`.

use std::fs;

use anyhow::Context;

/// Ticks of `/proc/<pid>/stat` a second: Linux' `USER_HZ`, 100 on every architecture we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds (user and system) that `pid` has used since it started.
///
/// # Errors
/// There is no such process.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The second field is the name in brackets and may hold spaces; utime and stime are the 14th and
    // 15th field, so the 12th and 13th after it.
    let (_, rest) = stat.rsplit_once(')').with_context(|| format!("{path}: {stat:?}"))?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || -> anyhow::Result<u64> {
        Ok(fields.next().with_context(|| format!("{path}: {stat:?}"))?.parse()?)
    };
    Ok((next()? + next()?) as f64 / TICKS_PER_SECOND)
}

/// The most memory `pid` ever had resident (`VmHWM`), in bytes.
///
/// # Errors
/// There is no such process.
pub fn peak_memory_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).map(str::parse::<u64>);
    Ok(kib.with_context(|| format!("{path} has no VmHWM"))?? * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_used_memory_and_some_cpu() {
        let pid = std::process::id();
        assert!(super::peak_memory_bytes(pid).unwrap() > 100_000);
        assert!(super::cpu_seconds(pid).unwrap() >= 0.0);
    }
}
