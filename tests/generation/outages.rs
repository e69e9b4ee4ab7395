//! Providers that are down: jobs go elsewhere, or wait for their next attempt, and cost nothing.

use std::time::Duration;

use serde_json::json;
use skai_server::{
    domain::JobStatus,
    providers::{BreakerState, ProviderLimits},
};

use super::Bench;
use crate::support::provider::error;

const PAUSE: Duration = Duration::from_mins(1);

fn bench() -> Bench {
    let limits =
        ProviderLimits { breaker_failures: 2, breaker_pause: PAUSE, ..ProviderLimits::default() };
    Bench::limited(limits, |_| ())
}

fn states(bench: &Bench) -> Vec<BreakerState> {
    bench.deeds.app.providers.breakers().map(|(_, state)| state).collect()
}

#[test]
fn while_all_are_down_jobs_wait_and_nobody_is_called() {
    let mut bench = bench();
    bench.provider.always(error(503, "down"));
    bench.spare.always(error(503, "down"));
    let job = bench.submit(&json!({"fallback_models": ["s"]}));
    for attempt in 1..=2 {
        assert_eq!(bench.attempt(&job).status, JobStatus::Queued, "attempt {attempt}");
        let tried = bench.last_event(&job).1["tried"].clone();
        assert_eq!(
            (&tried[0]["provider"], &tried[1]["provider"]),
            (&json!("test"), &json!("spare"))
        );
        // The second pause is of 15 s at most and a fifth.
        bench.deeds.ambient.advance(Duration::from_secs(20));
    }
    assert_eq!(states(&bench), [BreakerState::Open; 2]);
    assert_eq!(bench.attempt(&job).status, JobStatus::Queued);
    let data = bench.last_event(&job).1;
    let message = data["error"]["message"].as_str().unwrap();
    assert!(message.contains("left alone"), "{message}");
    assert_eq!((data["tried"].as_array().unwrap().len(), &data["attempt"]), (2, &json!(3)));
    let calls = bench.provider.received().len() + bench.spare.received().len();
    assert_eq!(calls, 4, "who is left alone is not called");
    assert_eq!(bench.last_event(&job).0, "retrying");

    // The breakers let a call through before the job is due again.
    bench.deeds.ambient.advance(Duration::from_secs(39));
    assert!(bench.deeds.claim(job.seq, 99).is_none(), "the job waits as long as the breaker says");
    bench.deeds.ambient.advance(Duration::from_secs(20));
    assert_eq!(states(&bench), [BreakerState::HalfOpen; 2]);
    bench.spare.say("I am back.");
    let done = bench.attempt(&job);
    assert_eq!((done.status, done.attempts), (JobStatus::Succeeded, 4));
    assert_eq!(bench.available(), 1_000 - 25, "only the answer is charged");
    assert_eq!(states(&bench), [BreakerState::Closed, BreakerState::Open]);
}

#[test]
fn a_fallback_answers_at_once_and_the_story_says_why() {
    let mut bench = bench();
    bench.provider.always(error(503, "down"));
    for _ in 0..2 {
        assert_eq!(bench.run(&json!({})).status, JobStatus::Queued);
    }
    let done = bench.run(&json!({"fallback_models": ["s"]}));
    assert_eq!((done.status, done.attempts), (JobStatus::Succeeded, 1));
    let data = bench.last_event(&done).1;
    assert_eq!((&data["model"], &data["provider"]), (&json!("s"), &json!("spare")));
    let tried = &data["tried"][0];
    assert_eq!((&tried["model"], &tried["code"]), (&json!("m"), &json!("SERVER_ERROR")));
    assert!(tried["message"].as_str().unwrap().contains("left alone"), "{tried}");
    assert_eq!(bench.provider.received().len(), 2);
}
