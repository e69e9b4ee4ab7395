//! How the server is while it answers: the machine's name, and what the process takes of it.

use std::{fs, sync::Mutex, time::Duration};

use crate::{
    ambient::lock,
    observe::process::{self, Usage},
};

/// A sample is good for so long.
const FRESH: Duration = Duration::from_secs(1);

/// The machine, as this process sees it.
pub struct Machine {
    host: String,
    last: Mutex<Sample>,
}

/// What the process takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Of one core, in thousandths: more than 1000 where it keeps several busy.
    pub cpu_permille: u32,
    /// Memory that it has in use, in bytes.
    pub memory_bytes: u64,
}

/// The newest sample.
struct Sample {
    at: Duration,
    /// Processor time until then.
    cpu: Duration,
    load: Load,
}

impl Machine {
    /// Begins to look, at this monotonic time.
    pub fn watch(now: Duration) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let sample = Sample::of(now, process::usage(), None);
        Self { host: host.trim().to_owned(), last: Mutex::new(sample) }
    }

    /// Its name; empty where the system does not say.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What the process takes, on average since the sample before. A new one is taken once a second at most.
    pub fn load(&self, now: Duration) -> Load {
        let mut last = lock(&self.last);
        if now.saturating_sub(last.at) >= FRESH {
            *last = Sample::of(now, process::usage(), Some(&*last));
        }
        last.load
    }
}

impl Sample {
    fn of(at: Duration, usage: Option<Usage>, before: Option<&Self>) -> Self {
        let (cpu, memory_bytes) =
            usage.map_or((Duration::ZERO, 0), |usage| (usage.cpu, usage.resident_bytes));
        let cpu_permille = before.map_or(0, |before| {
            permille(cpu.saturating_sub(before.cpu), at.saturating_sub(before.at))
        });
        Self { at, cpu, load: Load { cpu_permille, memory_bytes } }
    }
}

fn permille(busy: Duration, past: Duration) -> u32 {
    let permille = busy.as_micros() * 1_000 / past.as_micros().max(1);
    u32::try_from(permille).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_several_cores_is_more_than_of_one() {
        assert_eq!(permille(Duration::from_secs(3), Duration::from_secs(2)), 1_500);
        assert_eq!(permille(Duration::from_millis(10), Duration::from_secs(10)), 1);
        assert_eq!(permille(Duration::MAX, Duration::ZERO), u32::MAX);
    }

    #[test]
    fn a_sample_is_good_for_a_second() {
        let at = Duration::from_secs(5);
        let machine = Machine::watch(at);
        assert!(machine.load(at).memory_bytes > 1 << 20);
        lock(&machine.last).load.memory_bytes = 7;
        assert_eq!(machine.load(at + FRESH / 2).memory_bytes, 7);
        assert!(machine.load(at + FRESH).memory_bytes > 1 << 20);
        // A request that was reported before the newest sample.
        assert!(machine.load(Duration::ZERO).memory_bytes > 1 << 20);
    }
}
