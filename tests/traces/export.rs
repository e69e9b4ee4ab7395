use serde_json::json;

use super::{CLIENTS, TRACE, World, given};
use crate::support::{
    Answer, Piece, eventually,
    provider::{DONE, USAGE, ends, error, events, says, streamed},
    server::job,
};

#[test]
fn one_trace_leads_from_a_request_to_its_webhook() {
    let world = World::new();
    let client = world.client().with_header("X-Request-Id", "of-the-test");
    let posted = client.post("/v1/jobs/generations", &job(&json!({}))).expect(202).json();
    let request = world.span("POST /v1/jobs/generations");
    let wait = world.span("queue.wait");
    let attempt = world.span("generation.create");
    let call = world.span("chat upstream-m");
    let webhook = world.span("webhook.delivery");
    for (span, parent, kind) in [
        (&request, CLIENTS, 2),
        (&wait, &request.id, 1),
        (&attempt, &request.id, 5),
        (&call, &attempt.id, 3),
        (&webhook, &attempt.id, 3),
    ] {
        assert_eq!((span.trace.as_str(), span.parent.as_str()), (TRACE, parent), "{span:?}");
        assert!(span.kind == kind && span.start <= span.end && !span.has_failed, "{span:?}");
    }
    assert!(request.start <= attempt.start && attempt.start <= call.start);
    assert!(call.end <= attempt.end);
    let told = &request.attributes;
    assert_eq!(told["http.request.method"], "POST");
    assert_eq!(told["http.route"], "/v1/jobs/generations");
    assert_eq!(told["http.response.status_code"], "202");
    assert_eq!(told["client.address"], "127.0.0.1");
    assert_eq!(told["skai.request_id"], "of-the-test");
    assert_eq!(told["skai.account.id"], json!(world.account.id));
    assert_eq!(attempt.attributes["skai.job.id"], posted["id"]);
    assert_eq!(attempt.attributes["skai.attempt"], "1");
    assert_eq!(attempt.attributes["skai.outcome"], "answered");
    assert_eq!(call.attributes["gen_ai.provider.name"], "test");
    assert_eq!(call.attributes["gen_ai.request.model"], "upstream-m");
    assert_eq!(call.attributes["gen_ai.usage.input_tokens"], USAGE.0.to_string());
    assert_eq!(call.attributes["gen_ai.usage.output_tokens"], USAGE.1.to_string());
    assert_eq!(webhook.attributes["http.response.status_code"], "200");
    assert_eq!(webhook.attributes["skai.event.type"], "job.completed");
    let asked = world.provider.received().remove(0);
    assert_eq!(asked.header("traceparent"), Some(call.traceparent().as_str()));
    let delivered = world.receiver.wait_for_deliveries(1).remove(0);
    assert_eq!(delivered.header("traceparent"), Some(webhook.traceparent().as_str()));
    let sent = world.collector.received().remove(0);
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/v1/traces"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    eventually("they are counted", || {
        (world.counter("skai_traces_exported_total") >= 5).then_some(())
    });
    assert_eq!(world.counter("skai_traces_dropped_total"), 0);
}

#[test]
fn what_fails_is_told_and_each_attempt_is_a_step() {
    let world = World::new();
    world.provider.queue(error(503, "busy"));
    world.receiver.queue(Answer::new(500, ""));
    let posted = world.post_job(&json!({}));
    world.account.wait_job(&posted);
    world.receiver.wait_for_deliveries(2);
    let attempts = |name: &str| {
        eventually(&format!("there are two spans {name}"), || {
            let mut spans = world.spans();
            spans.retain(|span| span.name == name);
            spans.sort_by_key(|span| span.start);
            (spans.len() == 2).then_some(spans)
        })
    };
    let tried = attempts("generation.create");
    assert!(tried[0].has_failed && !tried[1].has_failed);
    assert_eq!(tried[0].attributes["error.type"], "SERVER_ERROR");
    assert_eq!(tried[1].attributes["skai.attempt"], "2");
    let calls = attempts("chat upstream-m");
    assert_eq!(calls[0].attributes["http.response.status_code"], "503");
    assert_eq!(calls[0].attributes["error.type"], "SERVER_ERROR");
    assert_eq!((&calls[0].parent, &calls[1].parent), (&tried[0].id, &tried[1].id));
    let sent = attempts("webhook.delivery");
    assert_eq!((&sent[0].attributes["error.type"], sent[1].has_failed), (&json!("500"), false));
    assert!(sent.iter().all(|span| span.parent == tried[1].id));
}

#[test]
fn a_webhook_that_cannot_be_sent_is_told_too() {
    let world = World::new();
    world.server.outside().execute("update webhook_endpoint set url = 'nowhere'", []).unwrap();
    world.post_job(&json!({}));
    let webhook = world.span("webhook.delivery");
    assert!(webhook.has_failed, "{webhook:?}");
    assert_eq!(webhook.attributes["error.type"], "INTERNAL");
    assert_eq!(webhook.attributes["skai.event.type"], "job.completed");
    assert!(webhook.attributes["skai.delivery.id"].is_string());
}

#[test]
fn a_call_that_a_client_waits_for_is_part_of_its_request() {
    let world = World::new();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    world.post("/v1/chat/completions", &body, 200);
    let request = world.span("POST /v1/chat/completions");
    let attempt = world.span("generation.create");
    let call = world.span("chat upstream-m");
    assert_eq!((&attempt.parent, &call.parent), (&request.id, &attempt.id));
    assert!(request.start <= attempt.start && attempt.end <= request.end);
    assert_eq!(request.trace, TRACE);
    let webhook = world.span("webhook.delivery");
    assert_eq!((&webhook.parent, webhook.trace.as_str()), (&attempt.id, TRACE));
}

#[test]
fn a_stranger_has_nothing_recorded() {
    let world = World::new();
    let stranger = world.server.client().with_header("traceparent", &given());
    stranger.get("/healthz").expect(200);
    stranger.get("/v1/me").expect(401);
    stranger.get("/v1/nothing").expect(404);
    stranger.with_key("sk_live_none").get("/v1/me").expect(401);
    world.server.operator().with_header("traceparent", &given()).get("/admin/v1/stats").expect(200);
    world.client().get("/v1/me").expect(200);
    world.span("GET /v1/me");
    let mut names: Vec<_> = world.spans().into_iter().map(|span| span.name).collect();
    names.sort();
    assert_eq!(names, ["GET /admin/v1/stats", "GET /v1/me"]);
}

#[test]
fn the_request_for_a_stream_ends_with_it() {
    let world = World::new();
    let (first, last) = (events([&says("Hello")]), events([&ends("stop")]));
    let pieces = [Piece::text(first), Piece::Hold, Piece::text(last), Piece::text(DONE)];
    world.provider.always(streamed(pieces));
    let messages = json!([{"role": "user", "content": "hi"}]);
    let body = json!({"model": "m", "messages": messages, "stream": true});
    let mut stream = world.client().post_stream("/v1/chat/completions", &body);
    stream.read_until("Hello");
    world.provider.release();
    stream.read_until("[DONE]");
    assert!(stream.next().is_none());
    let call = world.span("chat upstream-m");
    let request = world.span("POST /v1/chat/completions");
    assert!(request.start <= call.start && call.end <= request.end, "{request:?} {call:?}");
}

#[test]
fn jobs_of_a_batch_are_part_of_its_request() {
    let world = World::new();
    world.post("/v1/batches", &crate::batches::batch(2, &json!({})), 202);
    let attempts = eventually("both jobs were run", || {
        let attempts = world.spans().into_iter().filter(|span| span.name == "generation.create");
        Some(attempts.collect::<Vec<_>>()).filter(|attempts| attempts.len() == 2)
    });
    let request = world.span("POST /v1/batches");
    assert!(attempts.iter().all(|attempt| attempt.parent == request.id));
}

#[test]
fn a_task_begins_a_trace_which_its_run_is_part_of() {
    let world = World::with(|config| config.traces.sample_ratio = 1.0);
    let agent = json!({"name": "a", "model": "m", "messages": [{"role": "user", "content": "hi"}]});
    world.account.client.post("/v1/agents", &agent).expect(201);
    let runs = json!({"kind": "agent", "agent": "a"});
    let asks = json!({"kind": "http", "url": world.receiver.url("/f")});
    for (name, function) in [("runs", &runs), ("asks", &asks)] {
        world.account.client.put(&format!("/v1/functions/{name}"), function).expect(200);
    }
    let task = json!({"function_name": "runs"});
    world.account.client.post("/v1/scheduled-tasks", &task).expect(201);
    let run = world.span("task.run");
    assert_eq!((run.parent.as_str(), run.kind), ("", 5));
    assert_eq!(run.attributes["skai.outcome"], "accepted");
    let attempt = world.span("generation.create");
    assert_eq!((&attempt.trace, &attempt.parent), (&run.trace, &run.id));
    let task = json!({"function_name": "asks"});
    world.account.client.post("/v1/scheduled-tasks", &task).expect(201);
    let asked = world.receiver.wait_for_one(|request| request.path == "/f");
    let parent = asked.header("traceparent").unwrap().to_owned();
    eventually("the task is told", || {
        world
            .spans()
            .into_iter()
            .find(|span| span.traceparent() == parent && span.name == "task.run")
    });
}

#[test]
fn nothing_that_was_said_and_no_secret_is_exported() {
    // All that begins here is recorded, also of strangers.
    let world = World::with(|config| config.traces.sample_ratio = 1.0);
    let secret = "hush-5f2a";
    world.provider.say(&format!("said {secret}"));
    let client =
        world.account.client.with_header("User-Agent", secret).with_header("X-Api-Key", secret);
    let body = json!({
        "model": "m", "user": secret, "metadata": {"a": secret},
        "messages": [{"role": "user", "content": secret}],
    });
    client.post("/v1/jobs/generations", &body).expect(202);
    client.get(&format!("/v1/{secret}?q={secret}")).expect(404);
    client.send(&secret.to_uppercase(), "/v1/jobs", &[], None).expect(405);
    world.server.client().with_key(secret).get("/v1/me").expect(401);
    world.span("webhook.delivery");
    for (name, status) in [("GET", "404"), ("HTTP", "405"), ("GET /v1/me", "401")] {
        let span = world.span(name);
        assert_eq!(
            (&span.attributes["http.response.status_code"], span.has_failed),
            (&json!(status), false)
        );
    }
    for sent in world.collector.received() {
        let body = String::from_utf8_lossy(&sent.body).to_lowercase();
        assert!(!body.contains(secret), "{body}");
    }
}
