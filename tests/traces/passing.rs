use serde_json::{Value, json};

use super::{CLIENTS, TRACE, World, given};
use crate::support::server::job;

/// What the provider and the endpoint were told of a job that was posted with these headers.
fn passed_on(world: &World, headers: &[(&str, &str)]) -> (Option<String>, Option<String>) {
    let before = (world.provider.received().len(), world.receiver.received().len());
    let body = job(&json!({})).to_string();
    let headers = [headers, &[("content-type", "application/json")]].concat();
    let client = &world.account.client;
    client.send("POST", "/v1/jobs/generations", &headers, Some(body.as_bytes())).expect(202);
    let delivered = world.receiver.wait_for_deliveries(before.1 + 1);
    let told =
        |received: &crate::support::Received| received.header("traceparent").map(str::to_owned);
    (told(&world.provider.received()[before.0]), told(&delivered[before.1]))
}

fn silent() -> World {
    World::with(|config| config.traces.endpoint.clear())
}

#[test]
fn a_given_trace_is_passed_on_where_nothing_is_exported() {
    let world = silent();
    for flags in ["00", "01", "03"] {
        let given = format!("00-{TRACE}-{CLIENTS}-{flags}");
        let told = passed_on(&world, &[("traceparent", &given)]);
        assert_eq!(told, (Some(given.clone()), Some(given)));
    }
    let later = format!("42-{TRACE}-{CLIENTS}-01-more");
    let told = passed_on(&world, &[("TraceParent", &later), ("tracestate", "a=b")]);
    assert_eq!(told, (Some(given()), Some(given())));
    assert!(world.provider.received().iter().all(|call| call.header("tracestate").is_none()));
    assert_eq!(passed_on(&world, &[]), (None, None));
    assert!(world.collector.received().is_empty());
    let metrics = world.server.operator().get("/metrics").expect(200);
    assert!(!metrics.text().contains("skai_traces"));
}

#[test]
fn a_hostile_trace_changes_nothing() {
    for world in [silent(), World::new()] {
        let long = "0".repeat(4_000);
        let upper = given().to_uppercase();
        let nameless = format!("00-{}-{CLIENTS}-01", "0".repeat(32));
        let given = given();
        for hostile in [
            &[("traceparent", long.as_str())][..],
            &[("traceparent", &upper)],
            &[("traceparent", &nameless)],
            &[("traceparent", "")],
            &[("traceparent", "00-x-y-z\t{{}}'--")],
            &[("traceparent", &given), ("traceparent", &given)],
        ] {
            assert_eq!(passed_on(&world, hostile), (None, None), "{hostile:?}");
        }
    }
}

#[test]
fn a_trace_that_is_not_recorded_is_passed_on_as_it_is() {
    let world = World::new();
    let unrecorded = format!("00-{TRACE}-{CLIENTS}-00");
    let told = passed_on(&world, &[("traceparent", &unrecorded)]);
    assert_eq!(told, (Some(unrecorded.clone()), Some(unrecorded)));
    assert!(world.collector.received().is_empty());
}

#[test]
fn a_job_that_is_retried_or_canceled_keeps_its_trace() {
    let world = silent();
    world.server.set_paused("generation.create", true);
    let posted = world.post_job(&json!({}));
    world.account.deed(&posted, "cancel").expect(200);
    let canceled = world.receiver.wait_for_deliveries(1).remove(0);
    assert_eq!(canceled.header("traceparent"), Some(given().as_str()));
    world.account.deed(&posted, "retry").expect(202);
    world.server.set_paused("generation.create", false);
    let completed = world.receiver.wait_for_deliveries(2).remove(1);
    assert_eq!(completed.json()["type"], "job.completed");
    assert_eq!(completed.header("traceparent"), Some(given().as_str()));
}

#[test]
fn a_function_may_send_a_trace_of_its_own() {
    let world = World::with(|config| config.traces.sample_ratio = 1.0);
    let own = format!("00-{}-{CLIENTS}-01", "ab".repeat(16));
    let function: Value =
        json!({"kind": "http", "url": world.receiver.url("/f"), "headers": {"Traceparent": own}});
    world.account.client.put("/v1/functions/f", &function).expect(200);
    world.account.client.post("/v1/scheduled-tasks", &json!({"function_name": "f"})).expect(201);
    let asked = world.receiver.wait_for_one(|request| request.path == "/f");
    let told: Vec<_> = asked.headers.get_all("traceparent").iter().collect();
    assert_eq!(told, [own.as_str()]);
}
