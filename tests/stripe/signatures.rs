//! Only what Stripe signed, and not long ago, is taken.

use serde_json::json;

use super::{Rig, SECRETS, event, now, sign};
use crate::support::server::TestServer;

const MINUTE: i64 = 60;

#[test]
fn what_stripe_signed_is_taken() {
    let rig = Rig::new();
    let body = |id: &str| rig.named("checkout_session_completed", id, &json!({})).to_string();
    let (first, second) = (body("evt_1"), body("evt_2"));
    rig.send(&first, Some(&sign(&first, SECRETS[0], now()))).expect(200);
    // The secret that is being rolled, and both together as Stripe signs then, with a scheme of old.
    rig.send(&second, Some(&sign(&second, SECRETS[1], now() - 4 * MINUTE))).expect(200);
    let third = body("evt_3");
    let (time, other) = (now(), sign(&third, "whsec_other", now()));
    let other = other.split_once(",v1=").unwrap().1.to_owned();
    let own = sign(&third, SECRETS[1], time).split_once(",v1=").unwrap().1.to_owned();
    let header = format!("t={time},v1={other},v1={own},v0={other}");
    rig.send(&third, Some(&header)).expect(200);
    for id in ["evt_1", "evt_2", "evt_3"] {
        rig.settled(id);
    }
    assert_eq!(rig.entries(), [("grant".to_owned(), 2000.0)]);
    let events = rig.server.operator().get("/admin/v1/stripe/events").expect(200).json();
    assert_eq!(events["data"].as_array().unwrap().len(), 3);
}

#[test]
fn nothing_else_is_taken() {
    let rig = Rig::new();
    let good = rig.named("checkout_session_completed", "evt_1", &json!({})).to_string();
    let signed = |secret, minutes| sign(&good, secret, now() + minutes * MINUTE);
    let valid = signed(SECRETS[0], 0);
    let tampered = good.replace("2000", "9000");
    for (body, header, word) in [
        (&tampered, Some(valid.clone()), "fits the body"),
        (&good, Some(signed(SECRETS[0], -6)), "too far"),
        (&good, Some(signed(SECRETS[0], 6)), "too far"),
        (&good, Some(signed("whsec_other", 0)), "fits the body"),
        (&good, Some(valid.replace("v1=", "v0=")), "must be t="),
        (&good, Some("nonsense".to_owned()), "must be t="),
        (&good, Some(String::new()), "must be t="),
        (&good, None, "missing"),
    ] {
        let reply = rig.send(body, header.as_deref()).expect(400).json();
        assert_eq!(reply["error"]["param"], "Stripe-Signature", "{reply}");
        assert_eq!(reply["error"]["code"], "INVALID_REQUEST");
        assert!(reply["error"]["message"].as_str().unwrap().contains(word), "{header:?}: {reply}");
    }
    let twice = [("Stripe-Signature", &*valid), ("Stripe-Signature", &*valid)];
    let body = Some(good.as_bytes());
    rig.server.client().send("POST", super::WEBHOOK, &twice, body).expect(400);
    assert_eq!((rig.look("evt_1").status, rig.available()), (404, 0.0));
    // The very same body with its own signature is fine.
    rig.send(&good, Some(&valid)).expect(200);
    rig.settled("evt_1");
    assert!((rig.available() - 2000.0).abs() < f64::EPSILON);
}

#[test]
fn without_a_secret_there_is_no_such_path() {
    let server = TestServer::start();
    let body = event("checkout_session_completed", "evt_1", &json!({})).to_string();
    let header = sign(&body, SECRETS[0], now());
    for headers in [vec![("Stripe-Signature", &*header)], vec![]] {
        let reply = server.client().send("POST", super::WEBHOOK, &headers, Some(body.as_bytes()));
        let unknown = server.client().get("/no/such/path").expect(404).json();
        let reply = reply.expect(404).json();
        for field in ["type", "code", "message", "param"] {
            assert_eq!(reply["error"][field], unknown["error"][field]);
        }
    }
}
