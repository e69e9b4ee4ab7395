use std::time::{Duration, Instant};

use serde_json::json;
use skai_server::domain::Secret;

use super::World;
use crate::support::{Answer, eventually};

/// What a stop may take at most: two seconds for the collector, one for a call that was cut, and the rest.
const STOP: Duration = Duration::from_secs(8);

/// Runs some jobs, all of which must succeed.
fn run_jobs(world: &World) {
    for _ in 0..3 {
        let job = world.post_job(&json!({}));
        assert_eq!(world.account.wait_job(&job)["status"], "succeeded");
    }
}

fn stops_quickly(world: World) {
    let World { server, account, receiver, provider, collector } = world;
    let began = Instant::now();
    drop(server);
    assert!(began.elapsed() < STOP, "{:?}", began.elapsed());
    drop((account, receiver, provider, collector));
}

#[test]
fn a_collector_that_refuses_costs_its_spans_and_no_more() {
    let world = World::new();
    world.collector.always(Answer::new(400, "no"));
    run_jobs(&world);
    eventually("they are counted", || {
        (world.counter("skai_traces_dropped_total") >= 12).then_some(())
    });
    assert_eq!(world.counter("skai_traces_exported_total"), 0);
    world.collector.always(Answer::json(200, &json!({"partialSuccess": {"rejectedSpans": "1"}})));
    let lost = world.counter("skai_traces_dropped_total");
    run_jobs(&world);
    eventually("some are taken", || {
        (world.counter("skai_traces_exported_total") > 0).then_some(())
    });
    assert!(world.counter("skai_traces_dropped_total") > lost);
    stops_quickly(world);
}

#[test]
fn a_busy_collector_is_asked_again() {
    let world = World::new();
    world.collector.queue(Answer::new(429, "").header("retry-after", "0"));
    world.collector.queue(Answer::new(503, "").header("retry-after", "0"));
    run_jobs(&world);
    eventually("they are taken", || {
        (world.counter("skai_traces_exported_total") >= 12).then_some(())
    });
    assert_eq!(world.counter("skai_traces_dropped_total"), 0);
    let sent = world.collector.received();
    assert!(sent[0].body == sent[1].body && sent[1].body == sent[2].body);
}

#[test]
fn nobody_waits_for_a_collector_that_hangs() {
    let world = World::new();
    world.collector.always(Answer::new(200, "").held());
    run_jobs(&world);
    world.collector.wait_for_in_flight(1);
    run_jobs(&world);
    stops_quickly(world);
}

#[test]
fn nobody_waits_for_a_collector_that_is_not_there() {
    let world =
        World::with(|config| config.traces.endpoint = "http://127.0.0.1:9/v1/traces".to_owned());
    run_jobs(&world);
    stops_quickly(world);
}

#[test]
fn a_stop_sends_what_is_left() {
    let world =
        World::with(|config| config.traces.headers = Secret::new("x-token=of%20us".to_owned()));
    let job = world.post_job(&json!({}));
    world.account.wait_job(&job);
    world.receiver.wait_for_deliveries(1);
    let World { server, collector, .. } = world;
    drop(server);
    let names: Vec<_> =
        collector.received().into_iter().flat_map(|it| super::spans(&it.json())).collect();
    assert!(names.iter().any(|span| span.name == "webhook.delivery"), "{names:?}");
    let sent = collector.received();
    assert!(sent.iter().all(|request| request.header("x-token") == Some("of us")));
}
