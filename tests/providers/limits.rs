//! Breakers and places: who is called, who waits, and who is refused at once.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use skai_server::{
    ambient::Ambient,
    domain::{JobErrorCode, Secret, Timestamp},
    observe::traces::Traces,
    providers::{
        BreakerState, Call, Completion, Observer, Provider, ProviderError, ProviderLimits,
        ProviderSettings, Providers, RemoteSettings,
    },
    wire::Line,
};

use super::with_call;
use crate::support::{
    self, Answer, LIMIT, Piece,
    provider::{TEXT, completion, error},
};

const PAUSE: Duration = Duration::from_secs(30);

/// One provider with limits, on a clock that the test sets.
struct Bench {
    server: support::Provider,
    providers: Arc<Providers>,
    ambient: Ambient,
    /// What the observer was told: the outcomes, and whether the calls were made.
    told: Arc<Mutex<Vec<(&'static str, bool)>>>,
}

impl Bench {
    /// Calls usually have all the time of a test.
    fn new(limits: ProviderLimits) -> Self {
        Self::with(limits, LIMIT)
    }

    fn with(limits: ProviderLimits, usual: Duration) -> Self {
        let server = support::Provider::start();
        let ambient = Ambient::manual(Timestamp::default(), 1);
        let settings = ProviderSettings::OpenAi(RemoteSettings {
            base_url: server.base_url(),
            api_key: Secret::default(),
            timeout: usual,
            allow_media_urls: false,
        });
        let told = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&told);
        let observer: Observer = Arc::new(move |provider: &str, outcome, took| {
            assert_eq!(provider, "p");
            noted.lock().unwrap().push((outcome, took.is_some()));
        });
        let settings = [("p".to_owned(), settings, limits)];
        let providers =
            Arc::new(Providers::limited(&ambient, settings, &observer, &Traces::default()));
        Self { server, providers, ambient, told }
    }

    fn breaker(failures: u32) -> Self {
        Self::new(breaker(failures))
    }

    fn places(most: u32) -> Self {
        Self::new(ProviderLimits { max_concurrency: most, ..ProviderLimits::default() })
    }

    fn provider(&self) -> Arc<dyn Provider> {
        self.providers.get("p").unwrap()
    }

    fn ask(&self) -> Result<Completion, ProviderError> {
        self.ask_with(|_| ())
    }

    fn ask_with(&self, change: impl FnOnce(&mut Call<'_>)) -> Result<Completion, ProviderError> {
        with_call(change, |call| self.provider().complete(call))
    }

    fn ask_in_thread(
        &self,
        timeout: Duration,
    ) -> thread::JoinHandle<Result<Completion, ProviderError>> {
        let provider = self.provider();
        thread::spawn(move || {
            with_call(|call| call.timeout = Some(timeout), |call| provider.complete(call))
        })
    }

    fn state(&self) -> BreakerState {
        self.providers.breakers().next().unwrap().1
    }

    fn told(&self) -> Vec<(&'static str, bool)> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

fn breaker(failures: u32) -> ProviderLimits {
    ProviderLimits { breaker_failures: failures, breaker_pause: PAUSE, ..ProviderLimits::default() }
}

#[test]
fn a_provider_that_keeps_failing_is_left_alone() {
    let bench = Bench::breaker(3);
    bench.server.always(error(503, "down"));
    (0..3).for_each(|_| assert_eq!(bench.ask().unwrap_err().status, Some(503)));
    assert_eq!(bench.state(), BreakerState::Open);
    bench.ambient.advance(Duration::from_secs(18));
    let refused = bench.ask().unwrap_err();
    assert_eq!((refused.code, refused.status), (JobErrorCode::ServerError, None));
    assert!(refused.retryable && refused.message.contains("left alone"), "{refused}");
    assert_eq!(refused.retry_after, Some(Duration::from_secs(12)));
    assert_eq!(bench.server.received().len(), 3, "it was not called");
    let expected = [("SERVER_ERROR", true); 3].into_iter().chain([("breaker_open", false)]);
    assert_eq!(bench.told(), expected.collect::<Vec<_>>());

    bench.ambient.advance(Duration::from_secs(12));
    assert_eq!(bench.state(), BreakerState::HalfOpen);
    assert_eq!(bench.ask().unwrap_err().status, Some(503));
    assert_eq!(bench.ask().unwrap_err().retry_after, Some(PAUSE));
    bench.ambient.advance(PAUSE);
    bench.server.say(TEXT);
    bench.ask().unwrap();
    assert_eq!(bench.state(), BreakerState::Closed);
}

#[test]
fn only_one_probe_is_let_through() {
    let bench = Bench::breaker(1);
    bench.server.queue(error(503, "down"));
    bench.ask().unwrap_err();
    bench.ambient.advance(PAUSE);
    bench.server.always(completion(TEXT).held());
    let probe = bench.ask_in_thread(LIMIT);
    bench.server.wait_for_in_flight(1);
    let refused = bench.ask().unwrap_err();
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
    bench.server.release();
    probe.join().unwrap().unwrap();
    assert_eq!(bench.state(), BreakerState::Closed);
}

#[test]
fn a_stream_that_begins_closes_the_breaker() {
    let bench = Bench::breaker(1);
    bench.server.queue(error(503, "down"));
    bench.ask().unwrap_err();
    bench.ambient.advance(PAUSE);
    let chunk = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let silent = Answer::streamed([Piece::text(format!("data: {chunk}\n\n")), Piece::Hold]);
    bench.server.queue(silent.header("content-type", "text/event-stream"));
    let state = with_call(
        |_| (),
        |call| {
            let mut state = None;
            let mut sink = |_| {
                state = Some(bench.state());
                bench.ask().unwrap();
                ControlFlow::Break(())
            };
            bench.provider().stream(call, &mut sink).unwrap();
            state
        },
    );
    assert_eq!(state, Some(BreakerState::Closed));
}

#[test]
fn what_tells_nothing_of_the_provider_opens_nothing() {
    let bench = Bench::with(breaker(1), Duration::from_millis(200));
    for (status, code) in [
        (429, JobErrorCode::RateLimit),
        (400, JobErrorCode::BadRequest),
        (401, JobErrorCode::BadRequest),
    ] {
        bench.server.queue(error(status, "no"));
        let refusal = bench.ask_with(|call| call.timeout = Some(LIMIT)).unwrap_err();
        assert_eq!(refusal.code, code);
    }
    bench.server.queue(completion(&"x".repeat(5 << 20)));
    let large = bench.ask_with(|call| call.timeout = Some(LIMIT)).unwrap_err();
    assert_eq!((large.code, large.provoked), (JobErrorCode::ServerError, true));
    bench.server.always(completion(TEXT).held());
    let short = bench.ask_with(|call| call.timeout = Some(Duration::from_millis(1)));
    assert_eq!(short.unwrap_err().code, JobErrorCode::Timeout);
    let little = bench.ask_with(|call| call.at_most = Duration::from_millis(100));
    assert_eq!(little.unwrap_err().code, JobErrorCode::Timeout);
    let line = Line::default();
    let provider = bench.provider();
    thread::scope(|threads| {
        let call = threads.spawn(|| {
            line.during(|| {
                with_call(|call| call.timeout = Some(LIMIT), |call| provider.complete(call))
            })
        });
        bench.server.wait_for_in_flight(1);
        line.cut();
        call.join().unwrap().unwrap_err();
    });
    assert_eq!(bench.told().pop(), Some(("canceled", true)));
    assert_eq!(bench.state(), BreakerState::Closed);
    assert_eq!(bench.ask().unwrap_err().code, JobErrorCode::Timeout);
    assert_eq!(bench.state(), BreakerState::Open, "it had the time that calls usually have");
}

#[test]
fn a_probe_that_is_cut_makes_room_for_the_next() {
    let bench = Bench::breaker(1);
    bench.server.queue(error(503, "down"));
    bench.ask().unwrap_err();
    bench.ambient.advance(PAUSE);
    bench.server.queue(completion(TEXT).held());
    let (line, provider) = (Line::default(), bench.provider());
    thread::scope(|threads| {
        let probe = threads.spawn(|| {
            line.during(|| {
                with_call(|call| call.timeout = Some(LIMIT), |call| provider.complete(call))
            })
        });
        bench.server.wait_for_in_flight(1);
        line.cut();
        probe.join().unwrap().unwrap_err();
    });
    assert_eq!(bench.state(), BreakerState::HalfOpen);
    bench.server.queue(error(429, "slow down"));
    bench.ask().unwrap_err();
    assert_eq!(bench.state(), BreakerState::HalfOpen, "a refusal for its number closes nothing");
    bench.ask().unwrap();
    assert_eq!(bench.state(), BreakerState::Closed);
}

#[test]
fn streams_count_too() {
    let bench = Bench::breaker(1);
    let stream = |sink: ControlFlow<()>| {
        with_call(|_| (), |call| bench.provider().stream(call, &mut |_| sink))
    };
    let chunk = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let broken = Answer::streamed([Piece::text(format!("data: {chunk}\n\n"))]);
    bench.server.always(broken.header("content-type", "text/event-stream"));
    stream(ControlFlow::Break(())).unwrap();
    assert_eq!(
        (bench.told().pop(), bench.state()),
        (Some(("canceled", true)), BreakerState::Closed)
    );
    stream(ControlFlow::Continue(())).unwrap_err();
    assert_eq!(bench.state(), BreakerState::Open);
    assert_eq!(stream(ControlFlow::Continue(())).unwrap_err().retry_after, Some(PAUSE));
}

#[test]
fn more_calls_than_places_wait_for_their_turn() {
    let bench = Bench::places(2);
    bench.server.always(completion(TEXT).held());
    let calls: Vec<_> = (0..6).map(|_| bench.ask_in_thread(LIMIT)).collect();
    bench.server.wait_for_in_flight(2);
    bench.server.say(TEXT);
    bench.server.release();
    assert!(calls.into_iter().all(|call| call.join().unwrap().is_ok()));
    assert_eq!((bench.server.peak_in_flight(), bench.server.received().len()), (2, 6));
}

#[test]
fn a_call_waits_no_longer_than_its_time_and_not_after_a_cut() {
    let bench = Bench::places(1);
    bench.server.always(completion(TEXT).held());
    let first = bench.ask_in_thread(LIMIT);
    bench.server.wait_for_in_flight(1);
    let busy = bench.ask_with(|call| call.timeout = Some(Duration::from_millis(20))).unwrap_err();
    assert_eq!((busy.code, busy.retryable), (JobErrorCode::RateLimit, true));
    assert!(busy.message.contains("1 calls") && busy.message.contains("20ms"), "{busy}");
    assert_eq!(bench.told(), [("busy", false)]);

    let (line, provider) = (Line::default(), bench.provider());
    thread::scope(|threads| {
        let waits = threads.spawn(|| {
            line.during(|| {
                with_call(|call| call.timeout = Some(LIMIT), |call| provider.complete(call))
            })
        });
        line.cut();
        waits.join().unwrap().unwrap_err();
    });
    assert_eq!(bench.told(), [("canceled", false)]);
    bench.server.release();
    first.join().unwrap().unwrap();
    assert_eq!(bench.server.received().len(), 1, "who waited in vain called nobody");
}

#[test]
fn calls_of_test_mode_are_told_of_by_a_name_of_their_own() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let observer: Observer = Arc::new(move |provider: &str, outcome, _| {
        noted.lock().unwrap().push((provider.to_owned(), outcome));
    });
    let settings = [("sandbox".to_owned(), ProviderSettings::Sandbox, ProviderLimits::default())];
    let providers = Providers::limited(&Ambient::system(), settings, &observer, &Traces::default());
    for provider in [providers.get("sandbox").unwrap(), providers.sandbox()] {
        with_call(|_| (), |call| provider.complete(call)).unwrap();
    }
    let expected = ["sandbox", "sandbox (test)"].map(|name| (name.to_owned(), "ok"));
    assert_eq!(*told.lock().unwrap(), expected);
}
