//! Crashes, pauses and queues that give up: no payment is lost, and none is granted twice.

use serde_json::{Value, json};

use super::{Rig, SECRETS, event, tell};
use crate::support::{LIMIT, Receiver, eventually, program::Program};

fn session(account: &str, n: usize) -> Value {
    let changes = json!({"id": format!("cs_{n}"), "payment_intent": format!("pi_{n}"),
        "metadata": {"account_id": account}});
    event("checkout_session_completed", &format!("evt_{n}"), &changes)
}

#[test]
fn a_kill_between_receipt_and_grant_loses_and_doubles_nothing() {
    let program = Program::new();
    let account = program.account("0");
    let serve = |paused: bool| {
        let mut command = program.command(&[]);
        command.env("STRIPE_WEBHOOK_SECRET", SECRETS.join(","));
        command.env("SKAI_RATE_LIMIT__DEFAULT", "1000000,1m");
        command.env("SKAI_QUEUES__BILLING_CREDIT_GRANT__PAUSED", paused.to_string());
        crate::support::program::Running::start(&mut command)
    };
    // Killed while the grant waits, or somewhere on its way.
    let events: Vec<Value> = (0..8).map(|n| session(&account.id, n)).collect();
    for (n, event) in events.iter().enumerate() {
        let server = serve(n % 2 == 0);
        tell(&server.client(""), event);
        server.kill();
    }
    let server = serve(false);
    for event in &events {
        tell(&server.client(""), event);
    }
    let client = server.client(&account.key);
    eventually("all are granted", || {
        let balance = client.get("/v1/credits/balance").expect(200).json();
        (balance["available"] == 16_000).then_some(())
    });
    let grants = client.get("/v1/credits/grants").expect(200).json();
    assert_eq!(grants["data"].as_array().unwrap().len(), events.len());
    server.kill();
    program.verify();
}

#[test]
fn a_paused_queue_holds_payments_until_it_is_resumed() {
    let rig = Rig::new();
    rig.server.set_paused("billing.credit_grant", true);
    for n in 0..3 {
        rig.tell(&session(&rig.account.id, n));
    }
    let stats = rig.server.operator().get("/admin/v1/stats").expect(200).json();
    let queues = stats["queues"].as_array().unwrap();
    let queue = queues.iter().find(|queue| queue["name"] == "billing.credit_grant").unwrap();
    assert_eq!((&queue["waiting"], &queue["paused"]), (&json!(3), &json!(true)));
    assert_eq!(rig.entries(), []);
    rig.server.set_paused("billing.credit_grant", false);
    (0..3).for_each(|n| drop(rig.settled(&format!("evt_{n}"))));
    assert_eq!(rig.entries().len(), 3);
}

const LETTERS: &str = "/v1/dlq?queue=billing.credit_grant.dlq";

/// A server on which no payment can be granted, and nothing is tried twice.
fn broken() -> Rig {
    let rig = Rig::with(|config| config.queues.billing_credit_grant.backoff = Vec::new());
    break_grants(&rig);
    rig
}

fn break_grants(rig: &Rig) {
    let sql = "create trigger broken before update of grant_id on stripe_payment
         begin select raise(abort, 'broken by a test'); end";
    rig.server.outside().execute_batch(sql).unwrap();
}

fn mend(rig: &Rig) {
    rig.server.outside().execute_batch("drop trigger broken").unwrap();
}

fn redrive(letter: &Value) -> String {
    format!("/v1/dlq/{}/redrive", letter["id"].as_str().unwrap())
}

#[test]
fn what_the_queue_gave_up_is_redriven() {
    let rig = broken();
    (0..2).for_each(|n| rig.tell(&session(&rig.account.id, n)));
    for n in 0..2 {
        assert_eq!(rig.settled(&format!("evt_{n}"))["status"], "failed");
    }
    let letters = rig.account.list(LETTERS);
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0]["reason"], "SERVER_ERROR");
    assert!(letters[0]["message"].as_str().unwrap().contains("evt_"), "{}", letters[0]);
    mend(&rig);
    let receiver = Receiver::start();
    rig.account.endpoint(&receiver, "/", &json!({"events": ["credits.granted"]}));
    let of = |n: usize| -> &Value {
        let event = format!("evt_{n} ");
        letters.iter().find(|it| it["message"].as_str().unwrap().contains(&event)).unwrap()
    };
    // By the tenant from the dead letters, and by the operator from the events: either way once.
    let first = redrive(of(0));
    rig.account.client.send("POST", &first, &[], None).expect(202);
    rig.account.client.send("POST", &first, &[], None).expect(409);
    let process = "/admin/v1/stripe/events/evt_1/process";
    rig.server.operator().send("POST", process, &[], None).expect(202);
    rig.account.client.send("POST", &redrive(of(1)), &[], None).expect(409);
    receiver.wait_for(2, LIMIT);
    for n in 0..2 {
        assert_eq!(rig.settled(&format!("evt_{n}"))["status"], "processed");
    }
    assert_eq!(rig.entries().len(), 2);
    assert!(rig.account.list(LETTERS).is_empty());
}

#[test]
fn an_old_dead_letter_does_not_take_back_what_the_operator_gave_to_another() {
    let rig = broken();
    let other = rig.server.account_with(&json!(0));
    rig.tell(&session(&rig.account.id, 1));
    assert_eq!(rig.settled("evt_1")["status"], "failed");
    let old = redrive(&rig.account.list(LETTERS)[0]);
    rig.server.set_paused("billing.credit_grant", true);
    let process = |account: &str| {
        let body = json!({"account_id": account});
        rig.server.operator().post("/admin/v1/stripe/events/evt_1/process", &body).expect(202);
    };
    process(&other.id);
    rig.account.client.send("POST", &old, &[], None).expect(409);
    assert!(rig.account.list(LETTERS).is_empty());
    rig.server.set_paused("billing.credit_grant", false);
    assert_eq!(rig.settled("evt_1")["status"], "failed");
    rig.account.client.send("POST", &old, &[], None).expect(409);
    mend(&rig);
    let theirs = redrive(&other.list(LETTERS)[0]);
    process(&other.id);
    other.client.send("POST", &theirs, &[], None).expect(409);
    let event = rig.settled("evt_1");
    assert_eq!((&event["status"], &event["account_id"]), (&json!("processed"), &json!(other.id)));
    assert_eq!((rig.available(), other.balance().0), (0.0, json!(2000)));
}

#[test]
fn what_waited_too_long_is_granted_all_the_same() {
    let rig = Rig::with(|config| {
        config.queues.billing_credit_grant.ttl = std::time::Duration::from_millis(100);
        config.queues.billing_credit_grant.paused = true;
    });
    rig.tell(&session(&rig.account.id, 1));
    assert_eq!(rig.settled("evt_1")["status"], "processed");
    assert_eq!(rig.entries(), [("grant".to_owned(), 2000.0)]);
    break_grants(&rig);
    rig.tell(&session(&rig.account.id, 2));
    assert_eq!(rig.settled("evt_2")["status"], "failed");
    assert_eq!(rig.account.list(LETTERS)[0]["reason"], "EXPIRED");
}

#[test]
fn what_is_not_done_is_in_the_metrics() {
    let rig = broken();
    rig.tell(&session(&rig.account.id, 1));
    rig.settled("evt_1");
    rig.done(&super::unmatched("evt_2"));
    for (status, count) in [("pending", 0), ("unmatched", 1), ("ignored", 0), ("failed", 1)] {
        rig.counts(status, count);
    }
}
