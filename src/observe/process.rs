//! What the system says of this process. Read from `/proc`; where there is none, nothing is said.

use std::{fs, time::Duration};

/// What the process takes of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Memory that it has in use.
    pub resident_bytes: u64,
    /// Processor time of all its threads since its start.
    pub cpu: Duration,
}

/// Files that the process holds, connections counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenFiles {
    /// How many it holds.
    pub open: u64,
    /// How many it may; `None` where any.
    pub most: Option<u64>,
}

/// What the process takes now: one small file is read.
pub fn usage() -> Option<Usage> {
    let ticks = rustix::param::clock_ticks_per_second();
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    parse_stat(&fs::read_to_string("/proc/self/stat").ok()?, ticks, page)
}

/// How many files the process holds: takes the longer the more they are, some milliseconds for ten thousand.
pub fn open_files() -> Option<OpenFiles> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    // The list itself is open while it is read.
    let open = u64::try_from(listed).ok()?.saturating_sub(1);
    Some(OpenFiles { open, most: parse_limit(&limits) })
}

/// Reads the fields after the name of the program, which may hold anything.
fn parse_stat(stat: &str, ticks: u64, page: u64) -> Option<Usage> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // The first of them is number 3 of proc(5); 14 and 15 are times, 24 is memory.
    let number = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
    let cpu = number(14)?.saturating_add(number(15)?);
    let millis = cpu.saturating_mul(1_000).checked_div(ticks)?;
    let resident_bytes = number(24)?.saturating_mul(page);
    Some(Usage { resident_bytes, cpu: Duration::from_millis(millis) })
}

fn parse_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 90 0 0 0 150 50 0 0 20 0 9 0 876 1000 25 184";
        let usage = parse_stat(stat, 100, 4096).unwrap();
        assert_eq!(usage, Usage { resident_bytes: 102_400, cpu: Duration::from_secs(2) });
        for cut in ["", "7 (a", "7 (a) S 1 2"] {
            assert_eq!(parse_stat(cut, 100, 4096), None);
        }
    }

    #[test]
    fn the_limit_of_files_is_the_soft_one() {
        let limits =
            "Max stack size  8388608  unlimited  bytes\nMax open files   1024    524288   files\n";
        assert_eq!(parse_limit(limits), Some(1_024));
        assert_eq!(parse_limit("Max open files  unlimited  unlimited  files"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_takes_something() {
        assert!(usage().unwrap().resident_bytes > 1 << 20);
        let files = open_files().unwrap();
        assert!(files.open >= 3 && files.most.is_none_or(|most| files.open <= most), "{files:?}");
    }
}
