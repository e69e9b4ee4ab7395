//! The only reader of the clock and of randomness, with a manual twin for tests.

#![expect(clippy::disallowed_methods, reason = "this is the place that the bans point to")]

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use uuid::Uuid;

use crate::domain::Timestamp;

/// How nice threads in the background are, from 0 to 19.
const BACKGROUND: i32 = 10;

/// Clock, ids and randomness. Clones share one source.
#[derive(Clone)]
pub struct Ambient(Arc<Inner>);

struct Inner {
    source: Source,
    ids: Mutex<LastId>,
}

enum Source {
    System { start: Instant },
    Manual(Mutex<Manual>),
}

/// What the manual twin shows and how often it was asked for randomness.
struct Manual {
    wall: Timestamp,
    monotonic: Duration,
    random: u64,
    listeners: Vec<Arc<dyn Fn() + Send + Sync>>,
}

/// Time and counter of the newest id, so that ids only rise, whatever the clock does.
#[derive(Default)]
struct LastId {
    millis: u64,
    counter: u16,
}

impl Ambient {
    /// The real clock and the operating system's randomness.
    pub fn system() -> Self {
        Self::with(Source::System { start: Instant::now() })
    }

    /// A clock that stands still until it is set, and repeatable, insecure randomness. For tests.
    pub fn manual(wall: Timestamp, seed: u64) -> Self {
        let manual =
            Manual { wall, monotonic: Duration::ZERO, random: seed, listeners: Vec::new() };
        Self::with(Source::Manual(Mutex::new(manual)))
    }

    fn with(source: Source) -> Self {
        Self(Arc::new(Inner { source, ids: Mutex::default() }))
    }

    /// The wall-clock time. It may jump in either direction.
    pub fn now(&self) -> Timestamp {
        match &self.0.source {
            Source::System { .. } => Timestamp::default().plus(self.since_epoch()),
            Source::Manual(manual) => lock(manual).wall,
        }
    }

    /// The wall-clock time since 1970, as fine as the system tells it. For times that others hold against their own.
    pub fn since_epoch(&self) -> Duration {
        match &self.0.source {
            Source::System { .. } => {
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
            }
            Source::Manual(_) => self.now().since(Timestamp::default()),
        }
    }

    /// Time since some fixed point in this process. It never goes back.
    pub fn monotonic(&self) -> Duration {
        match &self.0.source {
            Source::System { start } => start.elapsed(),
            Source::Manual(manual) => lock(manual).monotonic,
        }
    }

    /// A new UUIDv7, larger than every one that this source gave before: within a millisecond
    /// the twelve bits after the version count up (RFC 9562 §6.2, method 1).
    pub fn uuid(&self) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let now = u64::try_from(self.now().millis()).unwrap_or_default();
        let (millis, counter) = {
            let mut last = lock(&self.0.ids);
            last.advance(now);
            (last.millis, last.counter)
        };
        [random[0], random[1]] = counter.to_be_bytes();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// Fills `buffer` with randomness that is fit for secrets (but for the manual twin's).
    ///
    /// # Panics
    /// Where the operating system has no randomness to give, since nothing secret can be made then.
    pub fn fill(&self, buffer: &mut [u8]) {
        match &self.0.source {
            Source::System { .. } => {
                assert!(
                    getrandom::fill(buffer).is_ok(),
                    "the operating system gives no randomness"
                );
            }
            Source::Manual(manual) => {
                let mut manual = lock(manual);
                for chunk in buffer.chunks_mut(8) {
                    let word = split_mix(&mut manual.random).to_le_bytes();
                    chunk.copy_from_slice(&word[..chunk.len()]);
                }
            }
        }
    }

    /// Random bytes, as by [`Ambient::fill`].
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number drawn evenly from 0 (included) to 1 (excluded), for jitter.
    pub fn fraction(&self) -> f64 {
        let bits = u32::from_le_bytes(self.random());
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// Calls `listener` whenever the manual clock was moved; with the real clock never.
    /// Whoever sleeps until a time of this clock registers its own wake-up here.
    pub fn on_set(&self, listener: impl Fn() + Send + Sync + 'static) {
        if let Source::Manual(manual) = &self.0.source {
            lock(manual).listeners.push(Arc::new(listener));
        }
    }

    /// Moves both clocks of the manual twin forward. No effect on the real clock.
    pub fn advance(&self, by: Duration) {
        self.set(|manual| {
            manual.wall = manual.wall.plus(by);
            manual.monotonic = manual.monotonic.saturating_add(by);
        });
    }

    /// Lets the manual wall clock jump to `wall`, back or forth; monotonic time stands still.
    pub fn jump(&self, wall: Timestamp) {
        self.set(|manual| manual.wall = wall);
    }

    fn set(&self, change: impl FnOnce(&mut Manual)) {
        if let Source::Manual(manual) = &self.0.source {
            let listeners = {
                let mut manual = lock(manual);
                change(&mut manual);
                manual.listeners.clone()
            };
            for listener in listeners {
                listener();
            }
        }
    }
}

impl LastId {
    /// Steps to `now`, or by one count where `now` is not later.
    fn advance(&mut self, now: u64) {
        const COUNTER_MAX: u16 = 0x0FFF;
        if now > self.millis {
            *self = Self { millis: now, counter: 0 };
        } else if self.counter < COUNTER_MAX {
            self.counter += 1;
        } else {
            *self = Self { millis: self.millis + 1, counter: 0 };
        }
    }
}

/// `SplitMix64` (Steele, Lea and Flood, 2014): short, seedable, and good enough for tests.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Starts a thread that carries its name in logs and debuggers.
pub fn thread<T: Send + 'static>(
    name: impl Into<String>,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(run)
}

/// The same for work that nobody waits for: whoever else wants the processor goes first.
pub fn thread_in_background<T: Send + 'static>(
    name: impl Into<String>,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread(name, move || {
        let own = Some(rustix::thread::gettid());
        // On Linux a thread has a priority of its own. Where it cannot be lowered, the work is done all the same.
        let _lowered = rustix::process::setpriority_process(own, BACKGROUND);
        run()
    })
}

/// Locks, also where a holder panicked: what we keep under locks is whole at every step.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_even_when_the_clock_goes_back() {
        let ambient = Ambient::manual(Timestamp::from_millis(1_000), 1);
        let mut last = ambient.uuid();
        for step in 0..10_000 {
            if step == 5_000 {
                ambient.jump(Timestamp::from_millis(10));
            }
            let next = ambient.uuid();
            assert!(next > last && next.get_version_num() == 7);
            last = next;
        }
    }

    #[test]
    fn the_manual_twin_repeats_itself() {
        let draw = |seed| Ambient::manual(Timestamp::default(), seed).random::<32>();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn advancing_wakes_who_listens() {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        let (sender, receiver) = std::sync::mpsc::channel();
        ambient.on_set(move || sender.send(()).unwrap());
        ambient.advance(Duration::from_secs(3));
        receiver.try_recv().unwrap();
        assert_eq!(ambient.monotonic(), Duration::from_secs(3));
        assert_eq!(ambient.now().millis(), 3_000);
    }
}
