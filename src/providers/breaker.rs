//! A circuit breaker: a provider that keeps failing is left alone for a while, so that calls to it fail at
//! once instead of one timeout after the other, and it is not drowned while it recovers.
//!
//! Closed, it counts failures in a row. With the last that is allowed it opens: for `pause` every call is
//! refused. After that it is half open: one call, the probe, is let through, and decides. Its success
//! closes, its failure opens again. Where it takes longer than calls usually do one more is let through, and
//! whichever ends first decides. A probe that tells neither (its caller left, or the provider only said
//! that it is asked too often) leaves the decision to the next call.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::ambient::{Ambient, lock};

/// What those are told to wait that come while a probe is under way.
const WAIT_FOR_PROBE: Duration = Duration::from_secs(1);

/// Whether calls are let through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakerState {
    /// All are.
    Closed,
    /// One is, to see whether the provider has recovered.
    HalfOpen,
    /// None is.
    Open,
}

impl BreakerState {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// What a call tells of its provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It works.
    Works,
    /// It is there, but refuses to work so much: no failure, and no proof that it has recovered.
    Limits,
    /// It fails.
    Fails,
    /// Nothing: the call was given up, or had too little time.
    Nothing,
}

#[derive(Clone)]
pub(super) struct Breaker {
    /// Failures in a row that open it; 0: none do.
    failures: u32,
    pause: Duration,
    /// How long a probe may take before there is another.
    patience: Duration,
    ambient: Ambient,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Counts changes, so that a call that began before one does not count after it.
    epoch: u64,
    now: Now,
}

enum Now {
    Closed { failures: u32 },
    Open { until: Duration },
    Probing { until: Duration },
}

impl State {
    fn turn(&mut self, now: Now) {
        self.epoch += 1;
        self.now = now;
    }
}

impl Breaker {
    pub(super) fn new(
        failures: u32,
        pause: Duration,
        patience: Duration,
        ambient: &Ambient,
    ) -> Self {
        let state = State { epoch: 0, now: Now::Closed { failures: 0 } };
        let state = Arc::new(Mutex::new(state));
        Self { failures, pause, patience, ambient: ambient.clone(), state }
    }

    pub(super) fn state(&self) -> BreakerState {
        match lock(&self.state).now {
            Now::Closed { .. } => BreakerState::Closed,
            Now::Open { until } if until > self.ambient.monotonic() => BreakerState::Open,
            Now::Open { .. } | Now::Probing { .. } => BreakerState::HalfOpen,
        }
    }

    /// How long a call has to wait, if it would be refused now.
    pub(super) fn refuses(&self) -> Option<Duration> {
        self.refuses_in(&lock(&self.state))
    }

    fn refuses_in(&self, state: &State) -> Option<Duration> {
        match state.now {
            Now::Closed { .. } => None,
            Now::Open { until } => {
                let left = until.saturating_sub(self.ambient.monotonic());
                (!left.is_zero()).then_some(left)
            }
            Now::Probing { until } => (until > self.ambient.monotonic()).then_some(WAIT_FOR_PROBE),
        }
    }

    /// Lets a call through, or says how long it has to wait.
    pub(super) fn admit(&self) -> Result<Permit, Duration> {
        let mut state = lock(&self.state);
        if let Some(left) = self.refuses_in(&state) {
            return Err(left);
        }
        let until = self.ambient.monotonic().saturating_add(self.patience);
        match &mut state.now {
            Now::Closed { .. } => {}
            Now::Open { .. } => state.turn(Now::Probing { until }),
            // No turn: the probe before it may still decide.
            Now::Probing { until: earlier } => *earlier = until,
        }
        Ok(Permit { breaker: self.clone(), epoch: state.epoch, verdict: Verdict::Nothing })
    }

    /// Closes it for a probe, and gives the epoch in which the rest of the call counts.
    fn recovered(&self, epoch: u64) -> u64 {
        let mut state = lock(&self.state);
        if state.epoch == epoch && matches!(state.now, Now::Probing { .. }) {
            state.turn(Now::Closed { failures: 0 });
            return state.epoch;
        }
        epoch
    }

    fn settle(&self, epoch: u64, verdict: Verdict) {
        let mut state = lock(&self.state);
        if state.epoch != epoch {
            return;
        }
        let now = self.ambient.monotonic();
        match (&mut state.now, verdict) {
            (Now::Closed { failures }, Verdict::Works | Verdict::Limits) => *failures = 0,
            (Now::Closed { failures }, Verdict::Fails) if self.failures > 0 => {
                *failures += 1;
                if *failures >= self.failures {
                    state.turn(Now::Open { until: now.saturating_add(self.pause) });
                }
            }
            (Now::Probing { .. }, Verdict::Works) => state.turn(Now::Closed { failures: 0 }),
            (Now::Probing { .. }, Verdict::Fails) => {
                state.turn(Now::Open { until: now.saturating_add(self.pause) });
            }
            (Now::Probing { .. }, Verdict::Limits | Verdict::Nothing) => {
                state.turn(Now::Open { until: now });
            }
            (Now::Closed { .. } | Now::Open { .. }, _) => {}
        }
    }
}

/// A call that was let through. It tells nothing where it is dropped without a verdict, as by a panic.
pub(super) struct Permit {
    breaker: Breaker,
    epoch: u64,
    verdict: Verdict,
}

impl Permit {
    /// The answer has begun: a probe need not wait for its end, which may take long.
    pub(super) fn begun(&mut self) {
        self.epoch = self.breaker.recovered(self.epoch);
    }

    /// Ends the call.
    pub(super) fn settle(mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.breaker.settle(self.epoch, self.verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    const PAUSE: Duration = Duration::from_secs(30);
    const PATIENCE: Duration = Duration::from_secs(20);

    fn breaker() -> (Breaker, Ambient) {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        (Breaker::new(3, PAUSE, PATIENCE, &ambient), ambient)
    }

    fn call(breaker: &Breaker, verdict: Verdict) {
        breaker.admit().unwrap().settle(verdict);
    }

    fn opened() -> (Breaker, Ambient) {
        let (breaker, ambient) = breaker();
        (0..3).for_each(|_| call(&breaker, Verdict::Fails));
        assert_eq!(breaker.state(), BreakerState::Open);
        (breaker, ambient)
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let (breaker, ambient) = breaker();
        for between in [Verdict::Works, Verdict::Limits] {
            call(&breaker, Verdict::Fails);
            call(&breaker, Verdict::Fails);
            call(&breaker, Verdict::Nothing);
            call(&breaker, between);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        (0..3).for_each(|_| call(&breaker, Verdict::Fails));
        assert_eq!(breaker.state(), BreakerState::Open);
        ambient.advance(Duration::from_secs(18));
        assert_eq!(breaker.admit().err(), Some(Duration::from_secs(12)));
    }

    #[test]
    fn one_probe_decides() {
        let (breaker, ambient) = opened();
        ambient.advance(PAUSE);
        assert_eq!((breaker.state(), breaker.refuses()), (BreakerState::HalfOpen, None));
        let probe = breaker.admit().unwrap();
        assert_eq!(breaker.admit().err(), Some(WAIT_FOR_PROBE), "the others wait for it");
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        probe.settle(Verdict::Fails);
        assert_eq!(breaker.admit().err(), Some(PAUSE));
        ambient.advance(PAUSE);
        call(&breaker, Verdict::Works);
        assert_eq!(breaker.state(), BreakerState::Closed);
        call(&breaker, Verdict::Fails);
        assert_eq!(breaker.state(), BreakerState::Closed, "it counts from the beginning");
    }

    #[test]
    fn a_probe_whose_answer_has_begun_closes_it() {
        let (breaker, ambient) = opened();
        ambient.advance(PAUSE);
        let mut probe = breaker.admit().unwrap();
        probe.begun();
        assert_eq!(breaker.state(), BreakerState::Closed);
        call(&breaker, Verdict::Fails);
        call(&breaker, Verdict::Fails);
        probe.begun();
        probe.settle(Verdict::Fails);
        assert_eq!(breaker.state(), BreakerState::Open, "where it breaks off that counts");
    }

    #[test]
    fn a_probe_that_takes_long_is_not_the_only_one() {
        let (breaker, ambient) = opened();
        ambient.advance(PAUSE);
        let [first, second] = [(); 2].map(|()| {
            let probe = breaker.admit().unwrap();
            assert_eq!(breaker.admit().err(), Some(WAIT_FOR_PROBE));
            ambient.advance(PATIENCE);
            probe
        });
        first.settle(Verdict::Works);
        assert_eq!(breaker.state(), BreakerState::Closed);
        second.settle(Verdict::Fails);
        assert_eq!(breaker.state(), BreakerState::Closed, "it is too late");
    }

    #[test]
    fn a_probe_that_tells_nothing_makes_room_for_the_next() {
        let (breaker, ambient) = opened();
        ambient.advance(PAUSE);
        call(&breaker, Verdict::Limits);
        call(&breaker, Verdict::Nothing);
        drop(breaker.admit().unwrap());
        let panics = breaker.clone();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _probe = panics.admit();
            panic!("in the call");
        }));
        assert!(panicked.is_err());
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        call(&breaker, Verdict::Works);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn calls_that_began_before_a_change_do_not_count_after_it() {
        let (breaker, ambient) = breaker();
        let late: Vec<_> = (0..4).map(|_| breaker.admit().unwrap()).collect();
        (0..3).for_each(|_| call(&breaker, Verdict::Fails));
        ambient.advance(Duration::from_secs(10));
        late.into_iter()
            .zip([Verdict::Works, Verdict::Fails])
            .for_each(|(call, verdict)| call.settle(verdict));
        assert_eq!(breaker.refuses(), Some(Duration::from_secs(20)));
    }

    #[test]
    fn it_can_be_turned_off() {
        let breaker = Breaker::new(0, PAUSE, PATIENCE, &Ambient::system());
        (0..100).for_each(|_| call(&breaker, Verdict::Fails));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
