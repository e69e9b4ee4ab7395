//! The events of one payment, as each version of Stripe's API links them, are one grant in every order.

use serde_json::{Value, json};

use super::{Rig, event};

/// The objects of one payment.
struct Payment {
    session: String,
    intent: String,
    invoice: String,
    name: String,
    account: Value,
}

impl Payment {
    fn of(account: &str, name: &str) -> Self {
        // Stripe's ids end in at least fourteen letters and digits.
        let id = |kind: &str| format!("{kind}_{name:x<14}");
        let account = json!({"account_id": account});
        Self {
            session: id("cs"),
            intent: id("pi"),
            invoice: id("in"),
            name: name.to_owned(),
            account,
        }
    }

    fn event(&self, fixture: &str, own: &Value, links: &Value) -> Value {
        let mut changes = own.clone();
        changes.as_object_mut().unwrap().extend(links.as_object().unwrap().clone());
        event(fixture, &format!("evt_{fixture}_{}", self.name), &changes)
    }

    fn session(&self, links: &Value) -> Value {
        let own = json!({"id": self.session, "payment_intent": null, "metadata": self.account});
        self.event("checkout_session_completed", &own, links)
    }

    fn intent(&self, links: &Value) -> Value {
        let own = json!({"id": self.intent, "latest_charge": null});
        self.event("payment_intent_succeeded", &own, links)
    }

    fn invoice(&self, version: &str, links: &Value) -> Value {
        let own = json!({"id": self.invoice, "payment_intent": null, "charge": null,
            "metadata": self.account});
        self.event(&format!("invoice_paid_{version}"), &own, links)
    }

    /// Until 2025 all name each other.
    fn old(&self) -> Vec<Value> {
        let Self { intent, invoice, account, .. } = self;
        vec![
            self.session(&json!({"payment_intent": intent, "invoice": invoice})),
            self.intent(&json!({"invoice": invoice, "metadata": account})),
            self.invoice("acacia", &json!({"payment_intent": intent})),
        ]
    }

    /// A payment with an invoice for the record: the `PaymentIntent` names its session.
    fn recorded(&self) -> Vec<Value> {
        let Self { session, intent, invoice, account, .. } = self;
        let order = json!({"order_reference": session});
        vec![
            self.session(&json!({"payment_intent": intent, "invoice": invoice})),
            self.intent(&json!({"payment_details": order, "metadata": account})),
            self.invoice("basil", &json!({})),
        ]
    }

    /// A subscription's first invoice, whose `PaymentIntent` names the session too.
    fn subscription(&self) -> Vec<Value> {
        let Self { session, invoice, account, .. } = self;
        let order = json!({"order_reference": session});
        let parent = json!({"subscription_details": {"metadata": account}});
        vec![
            self.session(&json!({"invoice": invoice, "mode": "subscription"})),
            self.intent(&json!({"payment_details": order, "description": "Subscription creation"})),
            self.invoice("basil", &json!({"metadata": {}, "parent": parent})),
        ]
    }

    /// The first versions of 2025 do not say which invoice a `PaymentIntent` pays, but in words.
    fn mute(&self) -> Vec<Value> {
        let Self { intent, invoice, .. } = self;
        let mut silent = self.intent(&json!({"description": "Subscription update"}));
        silent["data"]["object"].as_object_mut().unwrap().remove("payment_details");
        let link = json!({"invoice": invoice, "payment": {"payment_intent": intent}});
        let linked = self.event("invoice_payment_paid", &json!({}), &link);
        vec![silent, self.invoice("basil", &json!({})), linked]
    }
}

type Shape = fn(&Payment) -> Vec<Value>;

/// The orders that things can be in.
fn orders(things: &[Value]) -> Vec<Vec<Value>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    let first = |at: usize| {
        let mut rest = things.to_vec();
        let first = rest.remove(at);
        orders(&rest).into_iter().map(move |order| [vec![first.clone()], order].concat())
    };
    (0..things.len()).flat_map(first).collect()
}

#[test]
fn events_of_one_payment_are_one_grant_in_every_order() {
    // No prices, so that each of them could grant.
    let rig = Rig::with(|config| config.stripe.prices.clear());
    let shapes: [(&str, Shape); 4] = [
        ("old", Payment::old),
        ("rec", Payment::recorded),
        ("sub", Payment::subscription),
        ("mute", Payment::mute),
    ];
    let mut payments: u32 = 0;
    for (shape, events) in shapes {
        for n in 0..6 {
            // Each order is a payment of its own.
            let name = format!("{shape}{n}");
            let order = orders(&events(&Payment::of(&rig.account.id, &name))).remove(n);
            for event in &order {
                rig.done(event);
            }
            payments += 1;
            let (balance, expected) = (rig.available(), 2000.0 * f64::from(payments));
            assert!((balance - expected).abs() < f64::EPSILON, "{balance} after {order:#?}");
        }
    }
    assert_eq!(rig.entries().len(), 24);
}

/// The `PaymentIntent` of a session, by its reference.
fn intent_of_session(id: &str, changes: &Value) -> Value {
    let order = json!({"order_reference": "cs_test_a1MPUwrfTJDnVr"});
    let mut intent = event("payment_intent_succeeded", id, changes);
    intent["data"]["object"]["payment_details"] = order;
    intent
}

/// It is told as not done only until the event that it was left to has come.
#[test]
fn what_is_left_to_another_event_is_done_with_it() {
    let rig = Rig::new();
    assert_eq!(rig.done(&intent_of_session("evt_i", &json!({})))["status"], "linked");
    rig.counts("linked", 1);
    let session = json!({"id": "cs_test_a1MPUwrfTJDnVr"});
    rig.done(&rig.named("checkout_session_completed", "evt_s", &session));
    assert_eq!(rig.settled("evt_s")["status"], "processed");
    assert_eq!(rig.settled("evt_i")["status"], "duplicate");
    rig.counts("linked", 0);
}

#[test]
fn a_payment_that_is_left_to_another_event_can_be_granted_by_the_operator() {
    let rig = Rig::new();
    let intent = rig.done(&intent_of_session("evt_i", &json!({})));
    assert_eq!(intent["status"], "linked");
    assert!(intent["reason"].as_str().unwrap().contains("checkout.session.completed"), "{intent}");
    rig.process("evt_i", &rig.account.id).expect(202);
    assert_eq!(rig.settled("evt_i")["status"], "processed");
    assert_eq!(rig.entries(), [("grant".to_owned(), 2000.0)]);
    let session = json!({"id": "cs_test_a1MPUwrfTJDnVr"});
    let session = rig.done(&rig.named("checkout_session_completed", "evt_s", &session));
    assert_eq!(session["status"], "duplicate");
    // Nor does it grant what was granted.
    let other = json!({"id": "pi_2", "latest_charge": "ch_2"});
    assert_eq!(rig.done(&intent_of_session("evt_i2", &other))["status"], "duplicate");
    rig.process("evt_i2", &rig.account.id).expect(409);
    assert_eq!(rig.entries().len(), 1);
}

/// Stripe tells nothing of the session after its money is captured.
#[test]
fn a_payment_that_is_captured_by_hand_grants_itself() {
    for first in ["session", "intent"] {
        let rig = Rig::new();
        let session = json!({"id": "cs_test_a1MPUwrfTJDnVr", "payment_status": "unpaid",
            "customer": null});
        let session = rig.named("checkout_session_completed", "evt_s", &session);
        let intent = json!({"capture_method": "manual", "customer": null});
        let intent = intent_of_session("evt_i", &intent);
        let both = if first == "session" { [&session, &intent] } else { [&intent, &session] };
        for event in both {
            rig.done(event);
        }
        let intent = rig.settled("evt_i");
        assert_eq!(
            (&intent["status"], &intent["account_id"]),
            (&json!("processed"), &json!(rig.account.id))
        );
        assert_eq!(rig.entries(), [("grant".to_owned(), 2000.0)]);
    }
}

#[test]
fn references_of_the_seller_s_own_are_no_links() {
    let rig = Rig::new();
    for (n, reference) in ["in_store", "in_store", "cs_1", "in_store_number_14"].iter().enumerate()
    {
        let changes = json!({"id": format!("pi_{n}"), "latest_charge": format!("ch_{n}"),
            "payment_details": {"order_reference": reference}});
        rig.done(&rig.named("payment_intent_succeeded", &format!("evt_{n}"), &changes));
    }
    assert_eq!(rig.entries(), vec![("grant".to_owned(), 2000.0); 4]);
}
