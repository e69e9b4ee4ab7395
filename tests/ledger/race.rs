//! Many who spend the same credits at once.

use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use crate::support::{
    Client,
    server::{TestServer, job},
};

const SUBMITS: usize = 1_000;
const PAID_FOR: usize = 100;
/// A thread that sends one request needs little.
const STACK: usize = 256 * 1024;

#[test]
fn of_a_thousand_jobs_at_once_as_many_are_accepted_as_the_balance_pays_for() {
    let server = TestServer::start();
    // Nothing comes back meanwhile.
    server.set_paused("generation.create", true);
    let cost = server.account().post_job(&json!({}))["credits"]["reserved"].as_u64().unwrap();
    let credits = cost * PAID_FOR as u64;
    let account = server.account_with(&json!(credits));
    let (accepted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (start, body) = (Barrier::new(SUBMITS), job(&json!({})));
    // All connections are there before any of them is used. One that fails here leaves nobody at the barrier.
    let clients: Vec<Client> = (0..SUBMITS).map(|_| account.client.clone()).collect();
    for client in &clients {
        client.get("/healthz").expect(200);
    }
    std::thread::scope(|threads| {
        for client in clients {
            let (start, body, accepted, refused) = (&start, &body, &accepted, &refused);
            let submit = move || {
                start.wait();
                let reply = client.post("/v1/jobs/generations", body);
                let count = match reply.status {
                    202 => accepted,
                    402 => refused,
                    other => panic!("{other}: {}", reply.text()),
                };
                count.fetch_add(1, Ordering::Relaxed);
            };
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(threads, submit).unwrap();
        }
    });
    let counts = (accepted.into_inner(), refused.into_inner());
    assert_eq!(counts, (PAID_FOR, SUBMITS - PAID_FOR));
    assert_eq!(account.balance(), (json!(0), json!(credits)));
    let entries = account.list("/v1/credits/ledger?limit=100&kind=reserve");
    let after: Vec<u64> =
        entries.iter().rev().map(|it| it["balance_after"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (0..PAID_FOR as u64).rev().map(|left| left * cost).collect();
    assert_eq!(after, expected);
}
