//! Crashes, pauses and queues that give up: no payment is lost, and none is granted twice.

use serde_json::{Value, json};

use super::{Rig, SECRETS, WEBHOOK, event, now, sign};
use crate::support::{Client, program::Program};

fn session(account: &str, n: usize) -> String {
    let changes = json!({"id": format!("cs_{n}"), "payment_intent": format!("pi_{n}"),
        "metadata": {"account_id": account}});
    event("checkout_session_completed", &format!("evt_{n}"), &changes).to_string()
}

fn tell(client: &Client, body: &str) {
    let header = sign(body, SECRETS[0], now());
    let headers = [("Stripe-Signature", header.as_str())];
    client.send("POST", WEBHOOK, &headers, Some(body.as_bytes())).expect(200);
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
    let bodies: Vec<String> = (0..8).map(|n| session(&account.id, n)).collect();
    for (n, body) in bodies.iter().enumerate() {
        let server = serve(n % 2 == 0);
        tell(&server.client(""), body);
        server.kill();
    }
    let server = serve(false);
    for body in &bodies {
        tell(&server.client(""), body);
    }
    let client = server.client(&account.key);
    let deadline = std::time::Instant::now() + crate::support::LIMIT;
    loop {
        let balance = client.get("/v1/credits/balance").expect(200).json();
        if balance["available"] == 16_000 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{balance}");
        std::thread::yield_now();
    }
    let grants = client.get("/v1/credits/grants").expect(200).json();
    assert_eq!(grants["data"].as_array().unwrap().len(), bodies.len());
    server.kill();
    let report = program.json(&["ledger", "verify", "--json"]);
    assert_eq!(report["ok"], true, "{report}");
}

#[test]
fn a_paused_queue_holds_payments_until_it_is_resumed() {
    let rig = Rig::new();
    rig.server.set_paused("billing.credit_grant", true);
    for n in 0..3 {
        tell(&rig.server.client(), &session(&rig.account.id, n));
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

#[test]
fn what_the_queue_gave_up_is_redriven() {
    let rig = Rig::with(|config| {
        config.queues.billing_credit_grant.ttl = std::time::Duration::from_millis(100);
        config.queues.billing_credit_grant.paused = true;
    });
    (0..2).for_each(|n| tell(&rig.server.client(), &session(&rig.account.id, n)));
    for n in 0..2 {
        assert_eq!(rig.settled(&format!("evt_{n}"))["status"], "failed");
    }
    let path = "/v1/dlq?queue=billing.credit_grant.dlq";
    let letters = rig.account.list(path);
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0]["reason"], "EXPIRED");
    assert!(letters[0]["message"].as_str().unwrap().contains("evt_"), "{}", letters[0]);
    let server = rig.server.restart_with(|config| {
        config.queues.billing_credit_grant.ttl = std::time::Duration::from_mins(1);
        config.queues.billing_credit_grant.paused = false;
    });
    let rig = Rig { account: rig.account.at(&server), server };
    let of = |n: usize| -> &Value {
        let event = format!("evt_{n} ");
        letters.iter().find(|it| it["message"].as_str().unwrap().contains(&event)).unwrap()
    };
    // By the tenant from the dead letters, and by the operator from the events: either way once.
    let redrive = format!("/v1/dlq/{}/redrive", of(0)["id"].as_str().unwrap());
    rig.account.client.send("POST", &redrive, &[], None).expect(202);
    rig.account.client.send("POST", &redrive, &[], None).expect(409);
    let process = "/admin/v1/stripe/events/evt_1/process";
    rig.server.operator().send("POST", process, &[], None).expect(202);
    let redrive = format!("/v1/dlq/{}/redrive", of(1)["id"].as_str().unwrap());
    rig.account.client.send("POST", &redrive, &[], None).expect(409);
    for n in 0..2 {
        let deadline = std::time::Instant::now() + crate::support::LIMIT;
        while rig.settled(&format!("evt_{n}"))["status"] != "processed" {
            assert!(std::time::Instant::now() < deadline, "evt_{n} is not processed");
        }
    }
    assert_eq!(rig.entries().len(), 2);
    assert!(rig.account.list(path).is_empty());
}
