//! Whose a payment is: as the event says, or as is known of Stripe's customer.

use serde_json::{Value, json};

use super::{Rig, event};

const CUSTOMERS: &str = "/admin/v1/stripe/customers";

fn intent(n: usize) -> Value {
    let changes = json!({"id": format!("pi_{n}"), "latest_charge": format!("ch_{n}")});
    event("payment_intent_succeeded", &format!("evt_{n}"), &changes)
}

#[test]
fn events_for_nobody_known_wait_until_their_customer_is_known() {
    let rig = Rig::new();
    for n in 0..3 {
        let kept = rig.done(&intent(n));
        assert_eq!((&kept["status"], &kept["account_id"]), (&"unmatched".into(), &Value::Null));
        assert_eq!(kept["stripe_customer_id"], "cus_1");
        assert_eq!(kept["payload"]["data"]["object"]["id"], format!("pi_{n}"));
    }
    let operator = rig.server.operator();
    let list = operator.get("/admin/v1/stripe/events?status=unmatched&limit=2").expect(200).json();
    assert_eq!((&list["data"][0]["id"], &list["has_more"]), (&"evt_2".into(), &true.into()));
    let next = list["next_cursor"].as_str().unwrap();
    let rest = operator.get(&format!("/admin/v1/stripe/events?status=unmatched&cursor={next}"));
    assert_eq!(rest.expect(200).json()["data"].as_array().unwrap().len(), 1);
    let body = json!({"account_id": rig.account.id, "stripe_customer_id": "cus_1"});
    let made = operator.post(CUSTOMERS, &body).expect(201).json();
    assert_eq!((&made["id"], &made["account_id"]), (&"cus_1".into(), &json!(rig.account.id)));
    for n in 0..3 {
        assert_eq!(rig.settled(&format!("evt_{n}"))["status"], "processed");
    }
    rig.done(&intent(3));
    assert_eq!(rig.entries(), vec![("grant".to_owned(), 2000.0); 4]);
}

#[test]
fn an_event_that_names_the_account_tells_whose_its_customer_is() {
    let rig = Rig::new();
    rig.done(&intent(1));
    let session =
        json!({"id": "cs_2", "payment_intent": "pi_2", "client_reference_id": rig.account.id});
    rig.done(&event("checkout_session_completed", "evt_2", &session));
    assert_eq!(rig.settled("evt_1")["status"], "processed");
    rig.done(&intent(3));
    assert_eq!(rig.entries().len(), 3);
    let path = format!("{CUSTOMERS}?account_id={}", rig.account.id);
    let known = rig.server.operator().get(&path).expect(200).json();
    assert_eq!(known["data"][0]["stripe_customer_id"], "cus_1");
}

#[test]
fn an_event_of_a_payment_that_was_granted_waits_for_nobody() {
    let rig = Rig::new();
    let unnamed = json!({"customer": null});
    let session = event("checkout_session_completed", "evt_1", &unnamed);
    assert_eq!(rig.done(&session)["status"], "unmatched");
    rig.done(&rig.named("payment_intent_succeeded", "evt_2", &json!({})));
    assert_eq!(rig.settled("evt_1")["status"], "duplicate");
    let later = event("checkout_session_completed", "evt_3", &unnamed);
    let later = rig.done(&later);
    assert_eq!(
        (&later["status"], &later["account_id"]),
        (&"duplicate".into(), &json!(rig.account.id))
    );
    assert_eq!(rig.entries().len(), 1);
}

#[test]
fn what_the_event_names_counts_more_than_the_customer() {
    let rig = Rig::new();
    let other = rig.server.account_with(&json!(0));
    let operator = rig.server.operator();
    let body = json!({"account_id": other.id, "stripe_customer_id": "cus_1"});
    operator.post(CUSTOMERS, &body).expect(201);
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
    assert_eq!((rig.entries().len(), other.balance().0), (1, json!(0)));
    // A reference that is no account's is the seller's own, and says nothing.
    let session = json!({"payment_intent": "pi_2", "client_reference_id": "order 7",
        "metadata": {"account_id": "01939b2a-7c1e-7000-8000-000000000000"}});
    rig.done(&event("checkout_session_completed", "evt_2", &session));
    assert_eq!((rig.entries().len(), other.balance().0), (1, json!(2000)));
}

#[test]
fn a_customer_has_one_account() {
    let rig = Rig::new();
    let other = rig.server.account_with(&json!(0));
    let operator = rig.server.operator();
    let body = json!({"account_id": rig.account.id, "stripe_customer_id": "cus_1"});
    let first = operator.post(CUSTOMERS, &body).expect(201).json();
    assert_eq!(operator.post(CUSTOMERS, &body).expect(201).json(), first);
    let theirs = json!({"account_id": other.id, "stripe_customer_id": "cus_1"});
    let refused = operator.post(CUSTOMERS, &theirs).expect(409).json();
    assert_eq!(refused["error"]["param"], "stripe_customer_id");
    assert_eq!(operator.get(CUSTOMERS).expect(200).json()["data"], json!([first]));
    operator.delete(&format!("{CUSTOMERS}/cus_1")).expect(204);
    operator.delete(&format!("{CUSTOMERS}/cus_1")).expect(404);
    operator.post(CUSTOMERS, &theirs).expect(201);
    let nobody =
        json!({"account_id": "01939b2a-7c1e-7000-8000-000000000000", "stripe_customer_id": "c"});
    operator.post(CUSTOMERS, &nobody).expect(404);
    for id in ["", " ", "cus 1", "cüs", &"c".repeat(256)] {
        let body = json!({"account_id": rig.account.id, "stripe_customer_id": id});
        assert_eq!(
            operator.post(CUSTOMERS, &body).expect(400).json()["error"]["param"],
            "stripe_customer_id"
        );
    }
}

#[test]
fn the_operator_says_whose_an_event_is() {
    let rig = Rig::new();
    rig.done(&intent(1));
    let operator = rig.server.operator();
    let path = "/admin/v1/stripe/events/evt_1/process";
    let refused = operator.send("POST", path, &[], None).expect(400).json();
    assert_eq!(refused["error"]["param"], "account_id");
    let nobody = json!({"account_id": "01939b2a-7c1e-7000-8000-000000000000"});
    operator.post(path, &nobody).expect(404);
    let body = json!({"account_id": rig.account.id});
    rig.server.set_paused("billing.credit_grant", true);
    assert_eq!(operator.post(path, &body).expect(202).json()["status"], "pending");
    operator.post(path, &body).expect(409);
    rig.server.set_paused("billing.credit_grant", false);
    assert_eq!(rig.settled("evt_1")["status"], "processed");
    operator.post(path, &body).expect(409);
    operator.post("/admin/v1/stripe/events/evt_9/process", &body).expect(404);
    operator.get("/admin/v1/stripe/events?status=lost").expect(400);
    assert_eq!(rig.entries().len(), 1);
}

#[test]
fn an_event_for_another_account_than_the_granted_one_needs_the_operator() {
    let rig = Rig::new();
    let other = rig.server.account_with(&json!(0));
    let body = json!({"account_id": other.id, "stripe_customer_id": "cus_1"});
    rig.server.operator().post(CUSTOMERS, &body).expect(201);
    rig.done(&intent(1));
    assert_eq!(other.balance().0, json!(2000));
    let named = rig.named("checkout_session_completed", "evt_s", &json!({}));
    let unpaid =
        rig.named("checkout_session_completed", "evt_u", &json!({"payment_status": "unpaid"}));
    for event in [named, unpaid] {
        let event = rig.done(&event);
        assert_eq!(
            (&event["status"], &event["account_id"]),
            (&json!("ignored"), &json!(rig.account.id))
        );
        let reason = event["reason"].as_str().unwrap();
        assert!(reason.contains(&rig.account.id) && reason.contains(&other.id), "{reason}");
    }
    // What else is told of the payment does not hide that.
    rig.done(&event("charge_refunded", "evt_r", &json!({"amount_refunded": 2000})));
    assert_eq!(rig.look("evt_s").json()["status"], "ignored");
    rig.process("evt_s", &rig.account.id).expect(202);
    assert_eq!(rig.settled("evt_s")["status"], "ignored");
    rig.process("evt_s", &other.id).expect(202);
    assert_eq!(rig.settled("evt_s")["status"], "duplicate");
    assert_eq!((rig.available(), other.balance().0), (0.0, json!(0)));
}

#[test]
fn every_event_says_whose_it_is() {
    let rig = Rig::new();
    let linked =
        json!({"payment_status": "no_payment_required", "id": "cs_2", "payment_intent": null});
    let linked = rig.done(&rig.named("checkout_session_completed", "evt_1", &linked));
    assert_eq!(linked["account_id"], json!(rig.account.id));
    let early = rig.done(&event("charge_refunded", "evt_2", &json!({"customer": null})));
    assert_eq!((&early["status"], &early["account_id"]), (&json!("processed"), &Value::Null));
    rig.done(&rig.named("payment_intent_succeeded", "evt_3", &json!({})));
    assert_eq!(rig.look("evt_2").json()["account_id"], json!(rig.account.id));
}

#[test]
fn events_are_listed_by_type_account_and_status() {
    let rig = Rig::new();
    let other = rig.server.account_with(&json!(0));
    rig.done(&rig.named("payment_intent_succeeded", "evt_1", &json!({})));
    rig.done(&rig.named("checkout_session_completed", "evt_2", &json!({})));
    rig.done(&intent(3));
    let theirs = json!({"metadata": {"account_id": other.id}, "id": "pi_4", "latest_charge": null, "customer": null});
    rig.done(&event("payment_intent_succeeded", "evt_4", &theirs));
    let operator = rig.server.operator();
    let ids = |query: &str| -> Vec<Value> {
        let list = operator.get(&format!("/admin/v1/stripe/events?{query}")).expect(200).json();
        list["data"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect()
    };
    let mine = format!("account_id={}", rig.account.id);
    assert_eq!(ids(&mine), ["evt_3", "evt_2", "evt_1"]);
    assert_eq!(ids(&format!("{mine}&type=payment_intent.succeeded")), ["evt_3", "evt_1"]);
    assert_eq!(ids(&format!("{mine}&status=duplicate")), ["evt_2"]);
    assert_eq!(ids("type=payment_intent.succeeded&limit=2"), ["evt_4", "evt_3"]);
    assert_eq!(ids(&format!("account_id={}", other.id)), ["evt_4"]);
    assert_eq!(ids("type=invoice.paid"), Vec::<Value>::new());
    operator.get("/admin/v1/stripe/events?account_id=x").expect(400);
    let first = operator.get("/admin/v1/stripe/events?type=payment_intent.succeeded&limit=2");
    let next = first.expect(200).json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = ids(&format!("type=payment_intent.succeeded&limit=2&cursor={next}"));
    assert_eq!(rest, ["evt_1"]);
}
