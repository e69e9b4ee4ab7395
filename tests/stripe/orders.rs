//! The same events in any order, each any number of times, end in the same balance.

use std::sync::Mutex;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use super::{Rig, event, rename};

/// All events of a few payments of one account: checkouts, a renewal, refunds, disputes, one of them won. Their ids
/// end in `run`.
fn story(account: &str, run: usize) -> Vec<Value> {
    let named = json!({"account_id": account});
    let plain = json!({"data": []});
    let dispute = |id: &str, status: &str, kind: &str, n: usize| {
        let changes = json!({"id": format!("du_{n}"), "amount": 900, "status": status,
            "charge": format!("ch_{n}"), "payment_intent": format!("pi_{n}")});
        let mut event = event("charge_dispute_created", id, &changes);
        event["type"] = json!(kind);
        event
    };
    let refund = |id: &str, n: usize, amount: i64| {
        event(
            "charge_refunded",
            id,
            &json!({"id": format!("ch_{n}"), "amount_refunded": amount,
            "payment_intent": format!("pi_{n}")}),
        )
    };
    let story = [
        event("checkout_session_completed", "evt_a", &json!({"id": "cs_1", "metadata": named})),
        event("payment_intent_succeeded", "evt_b", &json!({"metadata": named})),
        refund("evt_c", 1, 300),
        refund("evt_d", 1, 700),
        // A renewal that only the customer links to the account, with the PaymentIntent of its invoice.
        event("invoice_paid_basil", "evt_e", &json!({"id": "in_200000000000000", "lines": plain})),
        event(
            "payment_intent_succeeded",
            "evt_f",
            &json!({"id": "pi_2", "latest_charge": "ch_2",
            "payment_details": {"order_reference": "in_200000000000000"}}),
        ),
        event(
            "invoice_payment_paid",
            "evt_g",
            &json!({"invoice": "in_200000000000000",
            "payment": {"payment_intent": "pi_2"}}),
        ),
        dispute("evt_h", "needs_response", "charge.dispute.created", 2),
        refund("evt_i", 2, 1500),
        // A PaymentIntent of the seller's own, whose dispute is won.
        event(
            "payment_intent_succeeded",
            "evt_j",
            &json!({"id": "pi_3", "latest_charge": "ch_3",
            "metadata": named, "amount_received": 1234}),
        ),
        dispute("evt_k", "needs_response", "charge.dispute.created", 3),
        dispute("evt_l", "won", "charge.dispute.closed", 3),
    ];
    let mut story = story.to_vec();
    let kinds = ["evt_", "cs_", "pi_", "in_", "ch_", "du_", "cus_"];
    for event in &mut story {
        rename(event, &kinds, run);
    }
    story
}

#[test]
fn neither_order_nor_repetition_matters() {
    // 2000 - 700, 2000 - 900 - 1100 (no more than there was), and 1234.
    const EXPECTED: f64 = 1300.0 + 0.0 + 1234.0;
    let rig = Rig::new();
    let runs = Mutex::new(0);
    let mut runner =
        TestRunner::new(Config { cases: 30, failure_persistence: None, ..Config::default() });
    let events = story("", 0).len();
    let order = prop::collection::vec(0..events, 0..2 * events);
    let order = order.prop_flat_map(move |more| {
        Just((0..events).chain(more).collect::<Vec<_>>()).prop_shuffle()
    });
    let outcome = runner.run(&order, |order| {
        let run = {
            let mut runs = runs.lock().unwrap();
            *runs += 1;
            *runs
        };
        let account = rig.server.account_with(&json!(0));
        let story = story(&account.id, run);
        for at in &order {
            rig.tell(&story[*at]);
        }
        for event in &story {
            let event = rig.settled(event["id"].as_str().unwrap());
            prop_assert_ne!(&event["status"], "unmatched", "{}", event);
            prop_assert_ne!(&event["status"], "ignored", "{}", event);
        }
        let available = account.balance().0.as_f64().unwrap();
        prop_assert!((available - EXPECTED).abs() < 1e-9, "{} in the order {:?}", available, order);
        Ok(())
    });
    outcome.unwrap();
}
