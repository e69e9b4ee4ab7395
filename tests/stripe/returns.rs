//! Money that goes back takes its part of the credits with it, and no more than they were.

use serde_json::{Value, json};

use super::{Rig, event};

fn refund(id: &str, amount: i64) -> Value {
    event("charge_refunded", id, &json!({"amount_refunded": amount}))
}

fn dispute(id: &str, changes: &Value) -> Value {
    event("charge_dispute_created", id, changes)
}

fn closed(id: &str, status: &str) -> Value {
    let mut closed = dispute(id, &json!({"status": status}));
    closed["type"] = json!("charge.dispute.closed");
    closed
}

#[track_caller]
fn has(rig: &Rig, credits: f64) {
    let available = rig.available();
    assert!((available - credits).abs() < 1e-9, "{available}, not {credits}");
}

#[test]
fn refunds_take_back_their_part() {
    let rig = Rig::new();
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
    let event = rig.done(&refund("evt_r1", 500));
    assert_eq!(
        (&event["status"], &event["account_id"]),
        (&"processed".into(), &json!(rig.account.id))
    );
    has(&rig, 1500.0);
    // Amounts are those so far, so an older event changes nothing.
    rig.done(&refund("evt_r3", 1999));
    rig.done(&refund("evt_r2", 1000));
    has(&rig, 1.0);
    rig.done(&refund("evt_r4", 2000));
    has(&rig, 0.0);
    let entries = rig.account.list("/v1/credits/ledger");
    let back = entries.iter().find(|entry| entry["stripe_event_id"] == "evt_r3").unwrap();
    assert_eq!((&back["kind"], &back["delta"]), (&"adjust".into(), &json!(-1499)));
    assert_eq!(entries.len(), 4);
}

#[test]
fn a_refund_may_come_before_its_payment() {
    let rig = Rig::new();
    let early = rig.done(&refund("evt_r", 500));
    assert_eq!(early["status"], "processed");
    rig.done(&dispute("evt_d", &json!({"amount": 300})));
    rig.done(&rig.named("checkout_session_completed", "evt_1", &json!({})));
    assert_eq!(rig.entries(), [("grant".to_owned(), 2000.0), ("adjust".to_owned(), -800.0)]);
}

#[test]
fn a_refund_finds_its_payment_by_the_charge_alone() {
    let rig = Rig::new();
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
    rig.done(&event("charge_refunded", "evt_r", &json!({"payment_intent": null})));
    has(&rig, 1500.0);
}

#[test]
fn a_part_is_rounded_down_to_a_microcredit() {
    let rig = Rig::with(|config| {
        let price = super::ExactCredits("0.000001".parse().unwrap());
        config.stripe.credits_per_unit.insert("usd".to_owned(), price);
    });
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({"amount_received": 3})));
    rig.done(&refund("evt_r", 1));
    has(&rig, 0.000_002);
    rig.done(&refund("evt_r2", 3));
    has(&rig, 0.0);
}

#[test]
fn refund_and_dispute_take_back_no_more_than_there_was() {
    let rig = Rig::new();
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
    rig.done(&refund("evt_r", 1500));
    rig.done(&dispute("evt_d", &json!({})));
    rig.done(&dispute("evt_d2", &json!({"id": "du_2", "amount": 7_000_000_000_000_i64})));
    has(&rig, 0.0);
    // What was spent meanwhile is owed.
    let rig = Rig::new();
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
    let path = format!("/admin/v1/accounts/{}/credits/adjust", rig.account.id);
    rig.server.operator().post(&path, &json!({"amount": -1800})).expect(201);
    rig.done(&dispute("evt_d", &json!({})));
    has(&rig, -1800.0);
    let later = json!({"id": "pi_2", "latest_charge": "ch_2"});
    rig.done(&rig.named("payment_intent_succeeded", "evt_2", &later));
    has(&rig, 200.0);
}

#[test]
fn a_dispute_that_is_won_gives_back() {
    for order in [["created", "won"], ["won", "created"]] {
        let rig = Rig::new();
        rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
        for step in order {
            rig.done(&if step == "won" {
                closed("evt_c", "won")
            } else {
                dispute("evt_d", &json!({}))
            });
        }
        has(&rig, 2000.0);
    }
}

#[test]
fn a_dispute_that_ends_otherwise_does_not() {
    for status in ["lost", "prevented"] {
        let rig = Rig::new();
        rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
        rig.done(&dispute("evt_d", &json!({})));
        rig.done(&closed("evt_c", status));
        has(&rig, 0.0);
    }
    // An inquiry takes back at once, and gives back where it ends without a dispute.
    let rig = Rig::new();
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
    rig.done(&dispute("evt_d", &json!({"status": "warning_needs_response"})));
    has(&rig, 0.0);
    rig.done(&closed("evt_c", "warning_closed"));
    has(&rig, 2000.0);
}

#[test]
fn money_in_another_currency_is_a_part_of_its_own_charge() {
    let rig = Rig::new();
    rig.done(&rig.named("checkout_session_completed", "evt_1", &json!({})));
    let in_yen = |refunded| {
        json!({"currency": "jpy", "amount": 3000, "amount_captured": 3000,
            "amount_refunded": refunded})
    };
    rig.done(&event("charge_refunded", "evt_r1", &in_yen(1000)));
    has(&rig, 1_333.333_334);
    rig.done(&event("charge_refunded", "evt_r2", &in_yen(1500)));
    has(&rig, 1000.0);
    rig.done(&dispute("evt_d", &json!({"currency": "jpy", "amount": 1})));
    has(&rig, 0.0);
}

/// Where nothing tells in time that two objects are one payment, the later grant goes back as soon as something does.
#[test]
fn what_was_granted_twice_is_taken_back_once_that_is_known() {
    let rig = Rig::new();
    let plain = json!({"lines": {"data": []}});
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
    rig.done(&rig.named("invoice_paid_basil", "evt_2", &plain));
    has(&rig, 4000.0);
    rig.done(&event("invoice_payment_paid", "evt_3", &json!({})));
    has(&rig, 2000.0);
    rig.done(&refund("evt_r", 1000));
    has(&rig, 1000.0);
}
