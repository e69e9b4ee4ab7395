//! Whatever is signed is answered: nothing makes the server fail, and nothing malformed moves a credit.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Rig, SECRETS, event, now, rename, sign};

#[test]
fn what_is_no_event_is_refused() {
    let rig = Rig::new();
    let deep = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"id\":\"evt_1\"}",
        "{\"id\":\"evt_1\",\"type\":\"invoice.paid\"}",
        "{\"id\":\"evt_1\",\"type\":\"invoice.paid\",\"data\":{\"object\":[]}}",
        "{\"id\":7,\"type\":\"invoice.paid\",\"data\":{\"object\":{}}}",
        "{\"id\":\"evt 1\",\"type\":\"invoice.paid\",\"data\":{\"object\":{}}}",
        "{\"id\":\"evt_1\",\"id\":\"evt_2\",\"type\":\"invoice.paid\",\"data\":{\"object\":{}}}",
        "{\"id\":",
        &deep,
        &format!(
            "{{\"id\":\"{}\",\"type\":\"invoice.paid\",\"data\":{{\"object\":{{}}}}}}",
            "e".repeat(256)
        ),
    ] {
        let reply = rig.send(body, Some(&sign(body, SECRETS[0], now()))).expect(400).json();
        assert_eq!(reply["error"]["code"], "INVALID_JSON", "{body}");
    }
    let large = format!("{{\"id\":\"{}\"}}", "e".repeat(1 << 20));
    rig.send(&large, Some(&sign(&large, SECRETS[0], now()))).expect(413);
}

#[test]
fn odd_values_are_kept_for_the_operator() {
    let rig = Rig::new();
    let huge = json!(i64::MAX);
    let beyond: Value = serde_json::from_str("92233720368547758070").unwrap();
    let mut n = 0;
    let mut kept = |fixture: &str, changes: &Value| {
        n += 1;
        let mut own = json!({"id": format!("x_{n}"), "payment_intent": null, "latest_charge": null,
            "charge": null});
        own.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let event = rig.named(fixture, &format!("evt_{n}"), &own);
        rig.done(&event)["status"].as_str().unwrap().to_owned()
    };
    for amount in [huge.clone(), beyond.clone(), json!("2000"), json!(1.5), json!(null), json!([1])]
    {
        for (fixture, field) in [
            ("checkout_session_completed", "amount_total"),
            ("payment_intent_succeeded", "amount_received"),
            ("invoice_paid_basil", "amount_paid"),
        ] {
            let changes = json!({field: amount, "lines": {"data": []}});
            assert_eq!(kept(fixture, &changes), "ignored", "{field} {amount}");
        }
    }
    for changes in [
        json!({"currency": 7}),
        json!({"currency": null}),
        json!({"currency": "x".repeat(100_000)}),
        json!({"id": null}),
        json!({"id": "x".repeat(256)}),
        json!({"payment_status": 7}),
    ] {
        assert_eq!(kept("checkout_session_completed", &changes), "ignored", "{changes:.200}");
    }
    let line = json!({"amount": huge, "quantity": huge, "price": {"id": "price_credits"}});
    // More than anybody may buy, and pieces below zero, which let the amount that was paid count.
    let below = json!({"quantity": -1, "price": {"id": "price_credits"}, "amount": 0});
    for (lines, status) in [(json!([line, line]), "ignored"), (json!([below]), "processed")] {
        assert_eq!(
            kept("invoice_paid_basil", &json!({"lines": {"data": lines}})),
            status,
            "{lines}"
        );
    }
    for (fixture, field) in
        [("charge_refunded", "amount_refunded"), ("charge_dispute_created", "amount")]
    {
        for amount in [json!(-1), json!("1"), beyond.clone(), Value::Null] {
            assert_eq!(
                kept(fixture, &json!({field: amount, "charge": "x"})),
                "ignored",
                "{amount}"
            );
        }
        assert_eq!(kept(fixture, &json!({field: huge, "charge": "x"})), "processed");
    }
    assert_eq!(rig.entries(), [("grant".to_owned(), 2000.0)]);
}

/// The fixture with ids of its own, but for the customer.
fn own(fixture: &str, n: usize) -> Value {
    let mut event = event(fixture, &format!("evt_{fixture}"), &json!({}));
    rename(&mut event, &["evt_", "cs_", "pi_", "in_", "ch_", "du_"], n);
    event
}

/// What six events with odd values in a field move together, where that is not what they usually do. A currency of an
/// invoice need only be a text where its lines have prices, and lines that cannot be read let the amount count.
const UNUSUAL: [(&str, &str, f64); 16] = [
    ("charge_dispute_created", "amount", 0.0),
    ("charge_dispute_created", "id", 0.0),
    ("charge_refunded", "amount_refunded", 0.0),
    ("charge_refunded", "id", 0.0),
    ("checkout_session_completed", "amount_total", 0.0),
    ("checkout_session_completed", "currency", 0.0),
    ("checkout_session_completed", "customer", 0.0),
    ("checkout_session_completed", "payment_status", 0.0),
    ("invoice_paid_basil", "amount_paid", 0.0),
    ("invoice_paid_basil", "currency", 3000.0),
    ("invoice_paid_basil", "customer", 0.0),
    ("invoice_paid_basil", "id", 0.0),
    ("invoice_paid_basil", "lines", 12_000.0),
    ("payment_intent_succeeded", "amount_received", 0.0),
    ("payment_intent_succeeded", "currency", 0.0),
    ("payment_intent_succeeded", "customer", 0.0),
];

type Moved = BTreeMap<(&'static str, String), f64>;

#[test]
fn no_other_type_of_any_field_makes_it_fail() {
    let rig = Rig::new();
    let body = json!({"account_id": rig.account.id, "stripe_customer_id": "cus_1"});
    rig.server.operator().post("/admin/v1/stripe/customers", &body).expect(201);
    let odd = [json!(null), json!(-1), json!({}), json!([[]]), json!(true), json!("\u{0}é")];
    // What an event gives, after the payment that it is about was granted.
    let fixtures = [
        ("checkout_session_completed", 2000.0, false),
        ("invoice_paid_basil", 3000.0, false),
        ("payment_intent_succeeded", 2000.0, false),
        ("charge_refunded", -500.0, true),
        ("charge_dispute_created", -2000.0, true),
        ("invoice_payment_paid", 0.0, true),
    ];
    let (mut n, mut unusual) = (0, Moved::new());
    for (fixture, usual, is_of_granted) in fixtures {
        let fields = own(fixture, 0)["data"]["object"].as_object().unwrap().clone();
        for field in fields.keys() {
            let mut moved = 0.0;
            for odd in &odd {
                n += 1;
                if is_of_granted {
                    rig.done(&own("payment_intent_succeeded", n));
                }
                let before = rig.available();
                let mut event = own(fixture, n);
                event["data"]["object"][field] = odd.clone();
                let done = rig.done(&event);
                assert_ne!(done["status"], "failed", "{done}");
                moved += rig.available() - before;
            }
            if (moved - usual * 6.0).abs() > 0.5 {
                unusual.insert((fixture, field.clone()), moved);
            }
        }
    }
    assert!(n > 300, "only {n} were told");
    assert_eq!(
        unusual,
        Moved::from(UNUSUAL.map(|(event, field, moved)| ((event, field.to_owned()), moved)))
    );
}
