//! Memory and processor time of a process, as Linux tells them (proc(5)).

use std::{fs, time::Duration};

use crate::report::Metric;

/// Processor time is counted in these (`USER_HZ`, 100 on every platform that we build for).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used until now.
pub(crate) struct Usage {
    /// User and system time, all threads.
    pub(crate) processor: Duration,
    resident_bytes: f64,
    peak_resident_bytes: f64,
}

impl Usage {
    /// None where there is no such process or no `/proc`: the report then lacks these lines.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything; utime and stime are fields 14 and 15.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(Self {
            processor: Duration::from_secs_f64(ticks / TICKS_PER_SECOND),
            resident_bytes: bytes(&status, "VmRSS:")?,
            peak_resident_bytes: bytes(&status, "VmHWM:")?,
        })
    }

    /// Resident memory, in megabytes of 1,000,000 bytes.
    pub(crate) fn memory_metric(&self, name: &'static str) -> Metric {
        Metric::new(name, self.resident_bytes / 1e6)
    }

    /// The most memory that was resident at any time.
    pub(crate) fn peak_memory_metric(&self) -> Metric {
        Metric::new("peak_memory_mb", self.peak_resident_bytes / 1e6)
    }
}

fn bytes(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0)
}
