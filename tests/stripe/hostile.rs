//! Whatever is signed is answered: nothing makes the server fail, and nothing malformed moves a credit.

use serde_json::{Value, json};

use super::{Rig, SECRETS, event, now, sign};

#[test]
fn what_is_no_event_is_refused() {
    let rig = Rig::new();
    let deep = format!("{}{}", "{\"a\":".repeat(65), "1".to_owned() + &"}".repeat(65));
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
    for lines in [
        json!([line, line]),
        json!([{"quantity": -1, "price": {"id": "price_credits"}, "amount": 0}]),
    ] {
        let status = kept("invoice_paid_basil", &json!({"lines": {"data": lines}}));
        assert!(["ignored", "processed"].contains(&&*status), "{lines}");
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
}

#[test]
fn no_other_type_of_any_field_makes_it_fail() {
    let rig = Rig::new();
    let odd = [json!(null), json!(-1), json!({}), json!([[]]), json!(true), json!("\u{0}é")];
    let fixtures = [
        "checkout_session_completed",
        "invoice_paid_basil",
        "payment_intent_succeeded",
        "charge_refunded",
        "charge_dispute_created",
        "invoice_payment_paid",
    ];
    let mut n = 0;
    for fixture in fixtures {
        let fields: Vec<String> = event(fixture, "e", &json!({}))["data"]["object"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        for (field, value) in
            fields.iter().flat_map(|field| odd.iter().map(move |odd| (field, odd)))
        {
            n += 1;
            let event = event(fixture, &format!("evt_{n}"), &json!({field: value}));
            rig.tell(&event);
        }
    }
    assert_eq!((n > 300, rig.entries()), (true, vec![]));
}
