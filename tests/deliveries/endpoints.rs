use std::time::Duration;

use skai_server::{
    app::webhooks::{self, EndpointPatch, EndpointRequest},
    domain::{Cursor, DeliveryStatus, ErrorKind, EventFilter, PageRequest, RetryPolicy},
    store::{deliveries::DeliveryFilter, idempotency},
};

use super::rig::{
    DAY, Rig, SECOND, body, id_and_secret, keyed, refusal, show_count, show_delivery, show_secret,
};
use crate::support::{Answer, receiver::verify_at_any_time};

#[test]
fn an_endpoint_is_made_listed_changed_and_deleted() {
    let rig = Rig::new();
    let (id, secret) = rig.endpoint(rig.request("/a"));
    assert!(secret.starts_with("whsec_"));
    let (app, caller) = (&rig.app, &rig.caller);
    let endpoint = webhooks::get(app, caller, id).unwrap();
    assert_eq!(endpoint.url, rig.receiver.url("/a"));
    assert_eq!((endpoint.events.as_str(), endpoint.active), ("job.completed", true));
    assert!(!endpoint.secret.windows(secret.len()).any(|part| part == secret.as_bytes()));

    let patch = EndpointPatch {
        events: Some(EventFilter::All),
        description: Some(Some("ours".to_owned())),
        active: Some(false),
        retry_policy: Some(RetryPolicy::Extended),
        ..EndpointPatch::default()
    };
    let changed = webhooks::update(app, caller, id, patch).wait().unwrap();
    assert_eq!(changed.events, "*");
    assert_eq!((changed.description.as_deref(), changed.active), (Some("ours"), false));
    assert_eq!((changed.retry_policy.as_str(), changed.url), ("extended", endpoint.url));
    let without = EndpointPatch { description: Some(None), ..EndpointPatch::default() };
    assert_eq!(webhooks::update(app, caller, id, without).wait().unwrap().description, None);

    let (newer, _) = rig.endpoint(rig.request("/b"));
    let page = |limit, after| {
        let page = webhooks::list(app, caller, &PageRequest { limit, after }).unwrap();
        let ids: Vec<_> = page.data.iter().map(|endpoint| endpoint.id).collect();
        (ids, page.next_cursor)
    };
    assert_eq!(page(10, None).0, [newer, id]);
    let (first, next) = page(1, None);
    assert_eq!(first, [newer]);
    assert_eq!(page(10, Some(Cursor::parse(&next.unwrap()).unwrap())), (vec![id], None));

    webhooks::delete(app, caller, id).wait().unwrap();
    assert_eq!(page(10, None).0, [newer]);
    assert_eq!(refusal(webhooks::delete(app, caller, id)).0, ErrorKind::NotFound);
    let patch = EndpointPatch::default();
    assert_eq!(refusal(webhooks::update(app, caller, id, patch)).0, ErrorKind::NotFound);
}

#[test]
fn a_patch_tells_null_from_nothing() {
    let read = |text| serde_json::from_str::<EndpointPatch>(text).unwrap().description;
    assert_eq!(read("{}"), None);
    assert_eq!(read(r#"{"description":null}"#), Some(None));
    assert_eq!(read(r#"{"description":"a"}"#), Some(Some("a".to_owned())));
    let request: EndpointRequest = serde_json::from_str(r#"{"url":"https://a.example/"}"#).unwrap();
    assert_eq!((request.events, request.active), (EventFilter::All, true));
}

#[test]
fn what_an_endpoint_may_not_be_is_refused() {
    let rig = Rig::new();
    let (id, _) = rig.endpoint(rig.request("/"));
    let (app, caller) = (&rig.app, &rig.caller);
    let refused = |request| refusal(webhooks::create(app, caller, request, None, show_secret));
    let invalid = |param: &str| (ErrorKind::InvalidRequest, Some(param.to_owned()));
    for url in
        ["", "ftp://a.example/", "http://10.0.0.1/", "http://[fe80::1]/", "http://u@a.example"]
    {
        let url = url.to_owned();
        assert_eq!(
            refused(EndpointRequest { url: url.clone(), ..rig.request("/") }),
            invalid("url")
        );
        let patch = EndpointPatch { url: Some(url), ..EndpointPatch::default() };
        assert_eq!(refusal(webhooks::update(app, caller, id, patch)), invalid("url"));
    }
    let description = Some("é".repeat(501));
    let long = EndpointRequest { description, ..rig.request("/") };
    assert_eq!(refused(long), invalid("description"));
    for _ in 1..50 {
        rig.endpoint(rig.request("/"));
    }
    assert_eq!(refused(rig.request("/")).0, ErrorKind::Conflict);
    webhooks::delete(app, caller, id).wait().unwrap();
    rig.endpoint(rig.request("/"));
}

#[test]
fn another_account_finds_nothing() {
    let rig = Rig::new();
    let (id, _) = rig.endpoint(rig.request("/"));
    let (app, stranger) = (&rig.app, &rig.stranger());
    assert_eq!(webhooks::get(app, stranger, id).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(webhooks::list(app, stranger, &PageRequest::default()).unwrap().data.is_empty());
    let patch = EndpointPatch { active: Some(false), ..EndpointPatch::default() };
    for refused in [
        refusal(webhooks::update(app, stranger, id, patch)),
        refusal(webhooks::delete(app, stranger, id)),
        refusal(webhooks::rotate_secret(app, stranger, id, None, None, show_secret)),
        refusal(webhooks::test(app, stranger, id, None, show_delivery)),
        refusal(webhooks::redrive(app, stranger, id, super::rig::START, None, show_count)),
    ] {
        assert_eq!(refused.0, ErrorKind::NotFound);
    }
    assert!(webhooks::get(app, &rig.caller, id).unwrap().active);
}

#[test]
fn the_answer_with_the_secret_is_replayed_and_sealed() {
    let rig = Rig::new();
    let (app, caller) = (&rig.app, &rig.caller);
    let create =
        |body| webhooks::create(app, caller, rig.request("/"), keyed("k", body), show_secret);
    let first = create(1).wait().unwrap();
    let again = create(1).wait().unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(again.body, first.body);
    assert_eq!(webhooks::list(app, caller, &PageRequest::default()).unwrap().data.len(), 1);
    assert_eq!(refusal(create(2)).0, ErrorKind::IdempotencyKeyConflict);

    let hash = keyed("k", 1).unwrap().key_hash;
    let saved = app.store.read(caller.scope, |snapshot| idempotency::find(snapshot, &hash));
    let idempotency::Answer::Body(saved) = saved.unwrap().unwrap().answer else { panic!() };
    assert!(!saved.windows(6).any(|part| part == b"whsec_"));
}

#[test]
fn both_secrets_sign_while_a_rotation_overlaps() {
    let rig = Rig::new();
    let (id, old) = rig.endpoint(rig.request("/"));
    let (app, caller) = (&rig.app, &rig.caller);
    let rotate = |overlap| webhooks::rotate_secret(app, caller, id, overlap, None, show_secret);
    let too_long = 7 * DAY + SECOND;
    let refused = (ErrorKind::InvalidRequest, Some("overlap_seconds".to_owned()));
    assert_eq!(refusal(rotate(Some(too_long))), refused);

    let (_, new) = id_and_secret(&rotate(None).wait().unwrap());
    assert_ne!(old, new);
    let signatures = |count: usize| {
        rig.ping(id);
        rig.work();
        let delivery = rig.receiver.wait_for_deliveries(count).pop().unwrap();
        verify_at_any_time(&delivery, &new).unwrap();
        delivery.header("webhook-signature").unwrap().split(' ').count()
    };
    assert_eq!(signatures(1), 2);
    let webhook = standardwebhooks::Webhook::new(&old).unwrap();
    let delivery = rig.receiver.received().pop().unwrap();
    let at = delivery.header("webhook-timestamp").unwrap().parse().unwrap();
    let expected = webhook.sign(delivery.header("webhook-id").unwrap(), at, &delivery.body);
    assert!(delivery.header("webhook-signature").unwrap().ends_with(&expected.unwrap()));

    app.ambient.advance(DAY);
    assert_eq!(signatures(2), 1);
    rotate(Some(Duration::ZERO)).wait().unwrap();
    app.ambient.advance(SECOND);
    rig.ping(id);
    rig.work();
    let last = rig.receiver.wait_for_deliveries(3).pop().unwrap();
    assert_eq!(last.header("webhook-signature").unwrap().split(' ').count(), 1);
    verify_at_any_time(&last, &new).unwrap_err();
}

#[test]
fn all_that_failed_since_a_time_is_redriven() {
    let rig = Rig::new();
    let (id, _) = rig.listener("/");
    let (other, _) = rig.listener("/other");
    let (app, caller) = (&rig.app, &rig.caller);
    rig.receiver.always(Answer::new(500, ""));
    rig.ping(id);
    rig.work_off();
    let since = app.ambient.now();
    let late = [rig.ping(id), rig.ping(id)];
    rig.ping(other);
    rig.work_off();

    rig.receiver.always(Answer::new(200, ""));
    let redrive = |key| {
        let reply = webhooks::redrive(app, caller, id, since, keyed(key, 0), show_count);
        body(&reply.wait().unwrap())
    };
    assert_eq!(redrive("a"), serde_json::json!([2, false]));
    assert_eq!(redrive("a"), serde_json::json!([2, false]));
    assert_eq!(redrive("b"), serde_json::json!([0, false]));
    assert_eq!(rig.work(), 2);
    for id in late {
        let log = rig.log(id);
        assert_eq!((log.delivery.status, log.delivery.attempts), (DeliveryStatus::Delivered, 7));
    }
    let failed =
        DeliveryFilter { status: Some(DeliveryStatus::Failed), ..DeliveryFilter::default() };
    assert_eq!(rig.deliveries(&failed).len(), 2);
}

#[test]
fn nothing_is_sent_to_an_inactive_endpoint() {
    let rig = Rig::new();
    let (id, _) = rig.endpoint(EndpointRequest { active: false, ..rig.request("/") });
    let (app, caller) = (&rig.app, &rig.caller);
    let test = webhooks::test(app, caller, id, None, show_delivery);
    assert_eq!(refusal(test).0, ErrorKind::Conflict);
    let redrive = webhooks::redrive(app, caller, id, super::rig::START, None, show_count);
    assert_eq!(refusal(redrive).0, ErrorKind::Conflict);
    assert_eq!(rig.work(), 0);
}
