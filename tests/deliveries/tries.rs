use std::{sync::Arc, time::Duration};

use skai_server::{
    app::{
        deliveries::{self, DeliveryTask},
        webhooks::{self, EndpointPatch, EndpointRequest},
    },
    domain::{DeliveryStatus, ErrorKind, RetryPolicy},
    queue::{Kind, QueueSettings, Runner, Stop},
    store::deliveries::DeliveryFilter,
    webhooks::{
        guard::Guard,
        send::{Limits, Sender},
    },
    workers::deliver_webhook::DeliverWebhook,
};

use super::rig::{DAY, Rig, SECOND, START, refusal, show_delivery};
use crate::support::{Answer, receiver::verify_at_any_time};

#[test]
fn a_delivery_arrives_signed_and_is_recorded() {
    let rig = Rig::new();
    let (id, secret) = rig.endpoint(rig.request("/hook"));
    rig.listener("/other");
    rig.receiver.always(Answer::new(201, "thanks"));
    let delivery = rig.ping(id);
    assert_eq!(rig.work(), 1);
    let received = rig.receiver.wait_for_deliveries(1);
    assert_eq!(received.len(), 1);
    let request = &received[0];
    verify_at_any_time(request, &secret).unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    for name in ["x-delivery-id", "x-delivery-key", "webhook-id"] {
        assert_eq!(request.header(name), Some(delivery.to_string().as_str()));
    }
    let log = rig.log(delivery);
    let event = request.json();
    assert_eq!(event["id"], log.delivery.event_id.to_string());
    assert_eq!((&event["type"], &event["created_at"]), (&"ping".into(), &START.to_string().into()));
    assert_eq!(event["data"]["endpoint_id"], id.to_string());
    assert_eq!(event["data"]["request_id"], "req-1");
    assert_eq!((log.delivery.status, log.delivery.attempts), (DeliveryStatus::Delivered, 1));
    assert_eq!(log.delivery.finished_at, Some(START));
    let [attempt] = &log.attempts[..] else { panic!("{log:?}") };
    assert_eq!((attempt.n, attempt.status_code, &attempt.error), (1, Some(201), &None));
    assert_eq!(attempt.response.as_deref(), Some("thanks"));
    assert_eq!(rig.next_due(), None);
}

#[test]
fn a_failure_is_tried_again_with_the_same_body() {
    let rig = Rig::new();
    let (id, _) = rig.listener("/");
    rig.receiver.queue(Answer::new(500, "oops"));
    rig.receiver.queue(Answer::close());
    rig.receiver.queue(Answer::new(429, "").header("retry-after", "100"));
    let delivery = rig.ping(id);
    assert_eq!(rig.log(delivery).due_at, Some(rig.app.ambient.now()));
    rig.work();
    assert_eq!(rig.log(delivery).due_at, rig.next_due());
    let pauses = rig.work_off();
    for (pause, seconds) in pauses.iter().zip([5, 15]) {
        let planned = SECOND * seconds;
        assert!(planned.mul_f64(0.8) <= *pause && *pause <= planned.mul_f64(1.2), "{pauses:?}");
    }
    assert!((100..=120).contains(&pauses[2].as_secs()), "{pauses:?}");
    let received = rig.receiver.wait_for_deliveries(4);
    assert!(received.iter().all(|request| request.body == received[0].body));
    let ids: Vec<_> = received.iter().map(|request| request.header("webhook-id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    let log = rig.log(delivery);
    assert_eq!((log.delivery.status, log.attempts.len()), (DeliveryStatus::Delivered, 4));
    assert_eq!(log.due_at, None);
    let codes: Vec<_> = log.attempts.iter().map(|attempt| attempt.status_code).collect();
    assert_eq!(codes, [Some(500), None, Some(429), Some(200)]);
    assert_eq!(log.attempts[0].response.as_deref(), Some("oops"));
    assert!(log.attempts[1].error.is_some());
    let endpoint = webhooks::get(&rig.app, &rig.caller, id).unwrap();
    assert_eq!(endpoint.failing_since, None);
}

#[test]
fn the_extended_policy_goes_on_for_three_days() {
    let rig = Rig::new();
    let retry_policy = RetryPolicy::Extended;
    let (id, _) = rig.endpoint(EndpointRequest { retry_policy, ..rig.request("/") });
    rig.receiver.always(Answer::new(500, ""));
    let delivery = rig.ping(id);
    let pauses = rig.work_off();
    assert_eq!(pauses.len(), 6);
    assert!(pauses.iter().sum::<Duration>() > 2 * DAY);
    let log = rig.log(delivery);
    assert_eq!((log.delivery.status, log.attempts.len()), (DeliveryStatus::Failed, 7));
    assert!(log.attempts.iter().all(|attempt| attempt.status_code == Some(500)));
}

#[test]
fn gone_disables_the_endpoint_and_tells_the_others() {
    let rig = Rig::new();
    let (id, _) = rig.listener("/gone");
    rig.listener("/other");
    rig.receiver
        .answer_with(|request| Answer::new(if request.path == "/gone" { 410 } else { 200 }, ""));
    let deliveries = [rig.ping(id), rig.ping(id)];
    assert_eq!(rig.work(), 3);
    let endpoint = webhooks::get(&rig.app, &rig.caller, id).unwrap();
    assert!(!endpoint.active);
    assert_eq!(endpoint.disabled_reason.as_deref(), Some("the endpoint answered 410 Gone"));
    let received = rig.receiver.wait_for_deliveries(2);
    assert_eq!(received.len(), 2, "the second delivery to the gone endpoint is not sent");
    let told = received[1].json();
    assert_eq!(received[1].path, "/other");
    assert_eq!(told["type"], "webhook.endpoint.disabled");
    assert_eq!(told["data"]["endpoint_id"], id.to_string());
    assert_eq!(told["data"]["reason"], "the endpoint answered 410 Gone");
    let [first, second] = deliveries.map(|delivery| rig.log(delivery));
    assert_eq!(first.attempts[0].status_code, Some(410));
    let reason = second.attempts[0].error.as_deref();
    assert_eq!(reason, Some("not sent: the endpoint is not active"));
    for log in [first, second] {
        assert_eq!((log.delivery.status, log.attempts.len()), (DeliveryStatus::Failed, 1));
        let redrive =
            deliveries::redrive(&rig.app, &rig.caller, log.delivery.id, None, show_delivery);
        assert_eq!(refusal(redrive).0, ErrorKind::Conflict);
    }
}

#[test]
fn an_endpoint_that_keeps_failing_is_disabled() {
    let rig = Rig::new();
    let (id, _) = rig.listener("/");
    rig.listener("/other");
    rig.receiver
        .answer_with(|request| Answer::new(if request.path == "/" { 503 } else { 200 }, ""));
    let state = || webhooks::get(&rig.app, &rig.caller, id).unwrap();
    rig.ping(id);
    rig.work_off();
    assert_eq!((state().active, state().failing_since), (true, Some(START)));
    rig.app.ambient.advance(5 * DAY);
    rig.ping(id);
    rig.work();
    assert!(state().active, "one more failure could still be mended by a retry");
    rig.work_off();
    assert!(!state().active);
    let reason = state().disabled_reason.unwrap();
    assert_eq!(reason, format!("every try since {START} failed"));
    let told = rig.receiver.wait_for_one(|request| request.path == "/other").json();
    assert_eq!(told["type"], "webhook.endpoint.disabled");

    let patch = EndpointPatch { active: Some(true), ..EndpointPatch::default() };
    let revived = webhooks::update(&rig.app, &rig.caller, id, patch).wait().unwrap();
    assert_eq!((revived.disabled_reason, revived.failing_since), (None, None));
}

#[test]
fn what_is_on_its_way_to_a_deleted_endpoint_fails() {
    let rig = Rig::new();
    let (id, _) = rig.listener("/");
    let delivery = rig.ping(id);
    webhooks::delete(&rig.app, &rig.caller, id).wait().unwrap();
    assert_eq!(rig.work(), 1);
    assert_eq!(rig.next_due(), None);
    assert!(rig.receiver.received().is_empty());
    let log = rig.log(delivery);
    assert_eq!(log.delivery.status, DeliveryStatus::Failed);
    let reason = log.attempts[0].error.as_deref();
    assert_eq!(reason, Some("not sent: the endpoint was deleted"));
    let redrive = deliveries::redrive(&rig.app, &rig.caller, delivery, None, show_delivery);
    assert_eq!(refusal(redrive).0, ErrorKind::Conflict);
}

#[test]
fn a_redrive_starts_the_retries_again_and_goes_on_counting() {
    let rig = Rig::new();
    let (id, _) = rig.listener("/");
    rig.receiver.always(Answer::new(500, ""));
    let delivery = rig.ping(id);
    let redrive = || deliveries::redrive(&rig.app, &rig.caller, delivery, None, show_delivery);
    assert_eq!(refusal(redrive()).0, ErrorKind::Conflict);
    rig.work_off();
    redrive().wait().unwrap();
    assert_eq!(rig.log(delivery).delivery.status, DeliveryStatus::Pending);
    assert_eq!(rig.work_off().len(), 5);
    let log = rig.log(delivery);
    assert_eq!((log.delivery.status, log.delivery.attempts), (DeliveryStatus::Failed, 12));
    let numbers: Vec<_> = log.attempts.iter().map(|attempt| attempt.n).collect();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    rig.receiver.always(Answer::new(200, ""));
    redrive().wait().unwrap();
    rig.work();
    assert_eq!(rig.log(delivery).delivery.status, DeliveryStatus::Delivered);
    assert_eq!(refusal(redrive()).0, ErrorKind::Conflict);
}

#[test]
fn a_late_outcome_is_discarded() {
    let rig = Rig::new();
    let (id, _) = rig.listener("/");
    let delivery = rig.ping(id);
    let claimed = rig.claim().unwrap();
    let task = DeliveryTask {
        delivery: rig.log(delivery).delivery,
        endpoint: webhooks::get(&rig.app, &rig.caller, id).unwrap(),
    };
    let lost = skai_server::store::queue::Lease { token: 99, ..claimed.lease };
    let late = skai_server::store::queue::Claimed { lease: lost, ..claimed.clone() };
    rig.worker.run(&late, task.clone(), &Stop::default()).unwrap();
    assert_eq!(rig.log(delivery).delivery.status, DeliveryStatus::Pending);
    assert!(rig.log(delivery).attempts.is_empty());
    rig.worker.run(&claimed, task, &Stop::default()).unwrap();
    assert_eq!(rig.log(delivery).delivery.status, DeliveryStatus::Delivered);
    assert_eq!(rig.receiver.wait_for_deliveries(2).len(), 2);
}

#[test]
fn an_address_that_is_not_allowed_any_more_is_not_asked() {
    let rig = Rig::new();
    let (id, _) = rig.listener("/");
    let delivery = rig.ping(id);
    let claimed = rig.claim().unwrap();
    let sender = Sender::new(Guard::default(), &rig.app.ambient, Limits::default());
    let strict = DeliverWebhook::new(Arc::clone(&rig.app), sender);
    let task = DeliveryTask {
        delivery: rig.log(delivery).delivery,
        endpoint: webhooks::get(&rig.app, &rig.caller, id).unwrap(),
    };
    strict.run(&claimed, task, &Stop::default()).unwrap();
    assert!(rig.receiver.received().is_empty());
    let error = rig.log(delivery).attempts.remove(0).error.unwrap();
    assert!(error.starts_with("not sent: the URL leads to an address"), "{error}");
}

#[test]
fn the_runner_delivers_and_a_hanging_endpoint_delays_only_itself() {
    let rig = Rig::new();
    let (slow, _) = rig.listener("/slow");
    let (quick, _) = rig.listener("/quick");
    rig.receiver.answer_with(|request| {
        let answer = Answer::new(200, "");
        if request.path == "/slow" { answer.held() } else { answer }
    });
    for _ in 0..6 {
        rig.ping(slow);
    }
    let guard = rig.app.guard.clone();
    let sender = Sender::new(guard, &rig.app.ambient, Limits::default());
    let settings = QueueSettings {
        concurrency: 3,
        lane_limit: 2,
        slow_after: None,
        max_runtime: DAY,
        max_crashes: 3,
        paused: false,
    };
    let worker = DeliverWebhook::new(Arc::clone(&rig.app), sender);
    let (store, ambient) = (&rig.app.store, &rig.app.ambient);
    let runner = Runner::start(worker, store, ambient, settings, 1).unwrap();
    rig.receiver.wait_for_in_flight(2);
    for _ in 0..5 {
        rig.ping(quick);
    }
    rig.receiver.wait_for_deliveries(7);
    rig.receiver.always(Answer::new(200, ""));
    rig.receiver.release();
    rig.receiver.wait_for_deliveries(11);
    runner.drain(crate::support::LIMIT);
    let delivered =
        DeliveryFilter { status: Some(DeliveryStatus::Delivered), ..DeliveryFilter::default() };
    assert_eq!(rig.deliveries(&delivered).len(), 11);
    assert_eq!(rig.receiver.received().len(), 11);
}
