//! A payment is granted once, whatever tells of it, and however often.

use std::{sync::Barrier, thread};

use serde_json::{Value, json};

use super::{Rig, SECRETS, event, now, sign};
use crate::support::Receiver;

#[test]
fn one_event_a_hundred_times_at_once_is_one_grant() {
    const TIMES: usize = 100;
    let rig = Rig::new();
    let receiver = Receiver::start();
    rig.account.endpoint(&receiver, "/", &json!({"events": ["credits.granted"]}));
    let body = rig.named("checkout_session_completed", "evt_1", &json!({})).to_string();
    let header = sign(&body, SECRETS[0], now());
    let (body, header, start) = (body.as_str(), header.as_str(), &Barrier::new(TIMES));
    thread::scope(|scope| {
        for client in [(); TIMES].map(|()| rig.server.client()) {
            scope.spawn(move || {
                let headers = [("Stripe-Signature", header)];
                start.wait();
                client.send("POST", super::WEBHOOK, &headers, Some(body.as_bytes())).expect(200);
            });
        }
    });
    let event = rig.settled("evt_1");
    assert_eq!(
        (&event["status"], &event["account_id"]),
        (&"processed".into(), &json!(rig.account.id))
    );
    assert_eq!(rig.entries(), [("grant".to_owned(), 2000.0)]);
    let entry = &rig.account.list("/v1/credits/ledger")[0];
    assert_eq!(entry["stripe_event_id"], "evt_1");
    assert_eq!(
        (&entry["bucket"], &entry["reason"]),
        (&"paid".into(), &"Stripe payment pi_1".into())
    );
    assert_eq!(entry["grant_id"], event["grant_id"]);
    let told = receiver.wait_for_deliveries(1)[0].json();
    assert_eq!(rig.account.list("/v1/webhooks/deliveries").len(), 1);
    let data = json!({"amount": 2000, "account_id": rig.account.id, "source": "stripe"});
    assert_eq!((&told["type"], &told["data"]), (&"credits.granted".into(), &data));
}

#[test]
fn only_what_is_paid_is_granted() {
    let rig = Rig::new();
    let session = |id: &str, changes: &Value| rig.named("checkout_session_completed", id, changes);
    for (id, changes, reason) in [
        (
            "evt_free",
            json!({"id": "cs_2", "payment_intent": null, "payment_status": "no_payment_required"}),
            "needs no payment",
        ),
        (
            "evt_setup",
            json!({"id": "cs_3", "payment_intent": null, "payment_status": "no_payment_required",
            "amount_total": null}),
            "needs no payment",
        ),
        (
            "evt_zero",
            json!({"id": "cs_4", "payment_intent": null, "amount_total": 0}),
            "nothing was paid",
        ),
        ("evt_later", json!({"payment_status": "unpaid"}), "async_payment_succeeded"),
    ] {
        let event = rig.done(&session(id, &changes));
        assert_eq!(event["status"], "processed", "{event}");
        assert!(event["reason"].as_str().unwrap().contains(reason), "{event}");
    }
    assert_eq!(rig.entries(), []);
    let mut arrived = session("evt_arrived", &json!({}));
    arrived["type"] = json!("checkout.session.async_payment_succeeded");
    rig.done(&arrived);
    assert_eq!(rig.entries(), [("grant".to_owned(), 2000.0)]);
}

#[test]
fn prices_decide_where_they_are_configured() {
    let rig = Rig::new();
    rig.done(&rig.named("invoice_paid_acacia", "evt_1", &json!({})));
    rig.done(&rig.named("invoice_paid_basil", "evt_2", &json!({"id": "in_2"})));
    let by_metadata = json!({"id": "cs_3", "payment_intent": "pi_3",
        "metadata": {"account_id": rig.account.id, "price_id": "price_credits", "quantity": "3"}});
    rig.done(&event("checkout_session_completed", "evt_3", &by_metadata));
    // One line with a price of its own, one without, one that is a part of a month, and one of a discount.
    let lines = json!({"data": [
        {"amount": 1000, "quantity": 1, "price": {"id": "price_credits"}},
        {"amount": 700, "quantity": 7, "price": {"id": "price_other"}},
        {"amount": 400, "quantity": 1, "price": {"id": "price_credits"}, "proration": true},
        {"amount": -100, "quantity": 1, "price": {"id": "price_credits"}},
    ]});
    rig.done(&rig.named(
        "invoice_paid_acacia",
        "evt_4",
        &json!({"id": "in_4", "payment_intent": "pi_4",
        "charge": "ch_4", "lines": lines}),
    ));
    let entries: Vec<f64> = rig.entries().into_iter().map(|(_, delta)| delta).collect();
    assert_eq!(entries, [3000.0, 3000.0, 4500.0, 2500.0]);
}

/// A renewal has a price that only its invoice tells.
#[test]
fn the_price_of_a_session_with_an_invoice_is_the_invoice_s_in_every_order() {
    let rig = Rig::new();
    for (n, first) in ["session", "invoice"].into_iter().enumerate() {
        let (session, invoice) = (format!("cs_{n}"), format!("in_{n}"));
        let changes = json!({"id": session, "payment_intent": null, "invoice": invoice,
            "mode": "subscription", "client_reference_id": rig.account.id});
        let session = event("checkout_session_completed", &format!("evt_s{n}"), &changes);
        let invoice = event("invoice_paid_basil", &format!("evt_i{n}"), &json!({"id": invoice}));
        let both = if first == "session" { [&session, &invoice] } else { [&invoice, &session] };
        for event in both {
            rig.done(event);
        }
    }
    assert_eq!(rig.entries(), vec![("grant".to_owned(), 3000.0); 2]);
}

#[test]
fn a_currency_that_is_not_sold_waits_for_the_operator() {
    let rig = Rig::new();
    let event =
        rig.done(&rig.named("checkout_session_completed", "evt_1", &json!({"currency": "jpy"})));
    assert_eq!(event["status"], "ignored");
    assert!(event["reason"].as_str().unwrap().contains("stripe.credits_per_unit.jpy"), "{event}");
    assert_eq!(rig.entries(), []);
    let (id, price) = (rig.account.id.clone(), "7.25".parse().unwrap());
    let rig = rig.restart_with(|config| {
        config.stripe.credits_per_unit.insert("jpy".to_owned(), super::ExactCredits(price));
    });
    assert_eq!(rig.account.id, id);
    let path = "/admin/v1/stripe/events/evt_1/process";
    let again = rig.server.operator().send("POST", path, &[], None).expect(202).json();
    assert_eq!(again["status"], "pending");
    assert_eq!(rig.settled("evt_1")["status"], "processed");
    assert_eq!(rig.entries(), [("grant".to_owned(), 14_500.0)]);
}

/// Of prices that only the metadata of one event names.
#[test]
fn an_ignored_event_ends_where_another_grants_its_payment() {
    let rig = Rig::with(|config| config.stripe.credits_per_unit.clear());
    let intent = rig.named("payment_intent_succeeded", "evt_i", &json!({}));
    assert_eq!(rig.done(&intent)["status"], "ignored");
    let session = json!({"metadata": {"account_id": rig.account.id, "price_id": "price_credits"}});
    rig.done(&event("checkout_session_completed", "evt_s", &session));
    assert_eq!(rig.look("evt_i").json()["status"], "duplicate");
    assert_eq!(rig.entries(), [("grant".to_owned(), 1500.0)]);
}

#[test]
fn what_cannot_be_read_stays_ignored() {
    let rig = Rig::new();
    let unreadable = json!({"amount_received": "2000"});
    let ignored = rig.done(&rig.named("payment_intent_succeeded", "evt_1", &unreadable));
    for _ in 0..2 {
        rig.process("evt_1", &rig.account.id).expect(202);
        let event = rig.settled("evt_1");
        assert_eq!((&event["status"], &event["reason"]), (&json!("ignored"), &ignored["reason"]));
    }
    assert_eq!(rig.entries(), []);
}

/// It may still tell that two payments are one.
#[test]
fn what_cannot_be_read_takes_back_what_it_shows_to_be_granted_twice() {
    let rig = Rig::new();
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
    let plain = json!({"lines": {"data": []}});
    rig.done(&rig.named("invoice_paid_basil", "evt_2", &plain));
    let unreadable = json!({"amount_total": "x", "invoice": "in_1"});
    let event = rig.done(&rig.named("checkout_session_completed", "evt_3", &unreadable));
    assert_eq!(event["status"], "ignored", "{event}");
    assert!((rig.available() - 2000.0).abs() < f64::EPSILON, "{}", rig.available());
}

#[test]
fn events_of_others_and_of_test_mode_may_count_for_nothing() {
    let rig = Rig::new();
    let sent = |id: &str, field: &str, value: Value| {
        let mut event = rig.named("payment_intent_succeeded", id, &json!({}));
        event[field] = value;
        event
    };
    let of_test = sent("evt_t", "livemode", json!(false));
    let of_other = sent("evt_o", "account", json!("acct_1"));
    let mut refund = event("charge_refunded", "evt_r", &json!({}));
    refund["account"] = json!("acct_1");
    for event in [&of_other, &refund] {
        let event = rig.done(event);
        assert_eq!(event["status"], "ignored");
        assert!(event["reason"].as_str().unwrap().contains("connected account"), "{event}");
    }
    rig.done(&of_test);
    assert!((rig.available() - 2000.0).abs() < f64::EPSILON);
    let rig = rig.restart_with(|config| config.stripe.accept_test_events = false);
    let new = json!({"id": "pi_2", "latest_charge": "ch_2"});
    let event = rig.done(&rig.named("payment_intent_succeeded", "evt_t2", &new));
    assert_eq!(event["status"], "ignored");
    assert!(event["reason"].as_str().unwrap().contains("accept_test_events"), "{event}");
    // It counts once the operator lets it.
    let rig = rig.restart_with(|config| config.stripe.accept_test_events = true);
    rig.process("evt_t2", &rig.account.id).expect(202);
    assert_eq!(rig.settled("evt_t2")["status"], "processed");
    let twice = rig.named("payment_intent_succeeded", "evt_t3", &new);
    assert_eq!(rig.done(&twice)["status"], "duplicate");
    assert!((rig.available() - 4000.0).abs() < f64::EPSILON);
}

#[test]
fn other_events_are_acknowledged_and_forgotten() {
    let rig = Rig::new();
    for kind in ["customer.created", "invoice.payment_failed", "payment_intent.created", ""] {
        let mut other = event("payment_intent_succeeded", "evt_1", &json!({}));
        other["type"] = json!(kind);
        rig.tell(&other);
    }
    rig.look("evt_1").expect(404);
}
