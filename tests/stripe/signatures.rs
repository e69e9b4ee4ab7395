//! Only what Stripe signed, and not long ago, is taken.

use std::time::Duration;

use serde_json::json;

use super::{Rig, SECRETS, WEBHOOK, event, now, sign};
use crate::support::{client::Connection, server::TestServer};

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
    rig.server.client().send("POST", WEBHOOK, &twice, body).expect(400);
    assert_eq!((rig.look("evt_1").status, rig.available()), (404, 0.0));
    // The very same body with its own signature is fine.
    rig.send(&good, Some(&valid)).expect(200);
    rig.settled("evt_1");
    assert!((rig.available() - 2000.0).abs() < f64::EPSILON);
}

/// Announces a body of this length and says whether the server begins to read it.
fn announce(rig: &Rig, signature: &str, length: usize) -> (bool, Connection) {
    let mut connection = rig.server.client().connect();
    let head = format!(
        "POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\n{signature}Content-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    connection.write(head.as_bytes()).unwrap();
    (connection.may_continue(), connection)
}

#[test]
fn what_cannot_be_stripe_s_is_refused_before_its_body_is_read() {
    let rig = Rig::new();
    let own = |time: i64| format!("Stripe-Signature: t={time},v1=00\r\n");
    let (good, old) = (own(now()), own(now() - 6 * MINUTE));
    for (signature, length) in [
        ("", 10),
        ("Stripe-Signature: nonsense\r\n", 10),
        (&*format!("{good}{good}"), 10),
        (&*old, 10),
        (&*good, (1 << 20) + 1),
    ] {
        assert!(!announce(&rig, signature, length).0, "{signature}");
    }
    assert!(announce(&rig, &good, 1 << 20).0);
}

#[test]
fn too_many_false_signatures_keep_their_address_out() {
    let rig = Rig::with(|config| config.auth.failed_attempts.limit = 3);
    let event = rig.named("checkout_session_completed", "evt_1", &json!({})).to_string();
    let bad = sign(&event, "whsec_other", now());
    for _ in 0..3 {
        rig.send(&event, Some(&bad)).expect(400);
    }
    let refused = rig.send(&event, Some(&bad)).expect(429);
    assert!(refused.header("retry-after").is_some());
    rig.send(&event, Some(&sign(&event, SECRETS[0], now()))).expect(429);
}

#[test]
fn bodies_that_do_not_come_count_too_and_those_announced_as_too_long_do_not() {
    let rig = Rig::with(|config| {
        config.auth.failed_attempts.limit = 3;
        config.http.body_timeout = Duration::from_millis(100);
    });
    let signature = format!("t={},v1=00", now());
    let large = "x".repeat((1 << 20) + 1);
    for _ in 0..4 {
        rig.send(&large, Some(&signature)).expect(413);
    }
    for _ in 0..3 {
        let (is_read, mut body) = announce(&rig, &format!("Stripe-Signature: {signature}\r\n"), 1);
        assert!(is_read);
        body.read_reply(true).unwrap().expect(400);
    }
    rig.send("x", Some(&signature)).expect(429);
}

#[test]
fn without_a_secret_there_is_no_such_path() {
    let server = TestServer::start();
    let client = server.client();
    let body = event("checkout_session_completed", "evt_1", &json!({})).to_string();
    let header = sign(&body, SECRETS[0], now());
    let (signed, large) = (("Stripe-Signature", &*header), "x".repeat(2 << 20));
    for (method, more, body) in
        [("POST", "", &body), ("POST", "?a=1", &body), ("POST", "", &large), ("GET", "", &body)]
    {
        let ask = |path: &str| {
            let path = format!("{path}{more}");
            client.send(method, &path, &[signed], Some(body.as_bytes())).expect(404).json()
        };
        let (reply, unknown) = (ask(WEBHOOK), ask("/no/such/path"));
        for field in ["type", "code", "message", "param"] {
            assert_eq!(reply["error"][field], unknown["error"][field]);
        }
    }
}
