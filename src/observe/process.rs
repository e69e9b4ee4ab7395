//! What this process takes of the machine, by `/proc` of Linux. Where that is missing, it says nothing.

use std::{fs, sync::Mutex, time::Duration};

use crate::ambient::lock;

/// A sample is good for so long.
const FRESH: Duration = Duration::from_secs(1);
/// Parts of a second in which Linux counts the time of processes for programs, on every machine (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// The machine's name, and what the process takes of it.
pub struct Process {
    host: String,
    last: Mutex<Last>,
}

/// What the process takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Of one core, in thousandths: more than 1000 where it keeps several busy.
    pub cpu_permille: u32,
    /// Memory that it holds, in bytes.
    pub memory_bytes: u64,
}

/// The newest sample: when it was taken, and the ticks until then.
struct Last {
    at: Duration,
    ticks: u64,
    load: Load,
}

impl Process {
    /// Begins to look, at this monotonic time.
    pub fn watch(now: Duration) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let load = Load { cpu_permille: 0, memory_bytes: memory() };
        let last = Mutex::new(Last { at: now, ticks: ticks(), load });
        Self { host: host.trim().to_owned(), last }
    }

    /// The machine's name; empty where it has none.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What the process takes, on average since the sample before. A new one is taken once a second at most.
    pub fn load(&self, now: Duration) -> Load {
        let mut last = lock(&self.last);
        let past = now.saturating_sub(last.at);
        if past >= FRESH {
            let ticks = ticks();
            let cpu_permille = permille(ticks.saturating_sub(last.ticks), past);
            *last = Last { at: now, ticks, load: Load { cpu_permille, memory_bytes: memory() } };
        }
        last.load
    }
}

fn permille(ticks: u64, past: Duration) -> u32 {
    let busy_ms = u128::from(ticks) * 1_000 / u128::from(TICKS_PER_SECOND);
    let permille = busy_ms * 1_000 / past.as_millis().max(1);
    u32::try_from(permille).unwrap_or(u32::MAX)
}

fn ticks() -> u64 {
    fs::read_to_string("/proc/self/stat").ok().and_then(|stat| ticks_of(&stat)).unwrap_or_default()
}

/// Time in user and kernel mode, of `/proc/self/stat`. The program's name is in parentheses and may hold anything.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    // What follows the name is field 3; these are 14 and 15 (proc_pid_stat(5)).
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()?.saturating_add(times.next()?.ok()?))
}

fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").ok();
    status.and_then(|status| memory_of(&status)).unwrap_or_default()
}

/// The resident set of `/proc/self/status`, which unlike `statm` says it in a unit.
fn memory_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 3 4 20 0 9 0 17 5000 600";
        assert_eq!(ticks_of(stat), Some(300));
        for bad in ["", "7 (a", "7 (a) S 1", "7 (a) S 1 7 7 0 -1 4194304 100 0 0 0 x 50"] {
            assert_eq!(ticks_of(bad), None, "{bad}");
        }
        assert_eq!(memory_of("Name:\tx\nVmRSS:\t   5120 kB\nThreads: 1"), Some(5 << 20));
        assert_eq!(memory_of("VmRSS: 5120"), None);
        assert_eq!(memory_of(""), None);
    }

    #[test]
    fn time_of_several_cores_is_more_than_of_one() {
        assert_eq!(permille(300, Duration::from_secs(2)), 1_500);
        assert_eq!(permille(1, Duration::from_secs(10)), 1);
        assert_eq!(permille(u64::MAX, Duration::ZERO), u32::MAX);
    }

    #[test]
    fn a_sample_is_good_for_a_second() {
        let at = Duration::from_secs(5);
        let process = Process::watch(at);
        assert!(!process.host().is_empty() && process.load(at).memory_bytes > 1 << 20);
        lock(&process.last).load = Load { cpu_permille: 7, memory_bytes: 7 };
        assert_eq!(process.load(at + FRESH / 2).memory_bytes, 7);
        assert!(process.load(at + FRESH).memory_bytes > 1 << 20);
        // The clock of a test that stands still, or a sample that another thread took meanwhile.
        assert!(process.load(Duration::ZERO).memory_bytes > 1 << 20);
    }
}
