//! A cap holds whichever door a job comes by, and over no more than one job.

use std::thread;

use serde_json::{Value, json};

use super::{PROMPT, USED, at_noon, capped, look, set, set_cap};
use crate::{
    batches::{self, BATCHES},
    support::{
        Provider,
        provider::{completion_with_usage, error},
        server::{Account, TestServer, job},
    },
};

const JOBS: &str = "/v1/jobs/generations";
const CHAT: &str = "/v1/chat/completions";
const RUNS: &str = "/v1/agents/greeter/runs";

fn set_up() -> (TestServer, Account, Provider) {
    let provider = Provider::start();
    let server = TestServer::builder()
        .provider(&provider)
        .config(|config| {
            config.queues.generation_create.backoff.clear();
            at_noon(config);
        })
        .start();
    let account = server.account();
    let agent = json!({
        "name": "greeter", "model": "m", "messages": [{"role": "user", "content": "Greet."}],
    });
    account.client.post("/v1/agents", &agent).expect(201);
    (server, account, provider)
}

/// The path and the body by which a job of this end user comes by each door.
fn doors(user: &str) -> Vec<(&'static str, Value)> {
    let user = json!({ "user": user });
    let mut stream = job(&user);
    stream["stream"] = json!(true);
    let mut of_agent = job(&user);
    of_agent["model"] = json!("agent:greeter");
    let mut run = user.clone();
    run["custom_id"] = json!("a run");
    run["agent"] = json!("greeter");
    vec![
        (JOBS, job(&user)),
        (CHAT, job(&user)),
        (CHAT, stream),
        (CHAT, of_agent),
        (RUNS, user.clone()),
        (BATCHES, batches::batch(1, &user)),
        (BATCHES, json!({"requests": [run]})),
    ]
}

#[test]
fn every_door_keeps_a_cap() {
    let (_server, account, provider) = set_up();
    set_cap(&account, "u", &json!(0));
    for (path, body) in doors("u") {
        let reply = account.client.post(path, &body);
        if path == CHAT {
            let reply = reply.expect(429);
            let error = &reply.json()["error"];
            assert_eq!(error["code"], "daily_token_cap", "{error}");
            assert_eq!(error["type"], "rate_limit_error");
            assert_eq!(reply.header("x-should-retry"), Some("false"));
            assert!(reply.header("retry-after").is_some());
        } else {
            let place = if path == BATCHES { "requests/0" } else { "" };
            assert!(capped(reply).starts_with(place));
        }
    }
    assert!(account.list("/v1/jobs").is_empty() && account.list(BATCHES).is_empty());
    assert!(provider.received().is_empty());
    assert_eq!(account.balance().1, json!(0));
    set_cap(&account, "u", &Value::Null);
    for (path, body) in doors("u") {
        let reply = account.client.post(path, &body);
        assert!([200, 202].contains(&reply.status), "{path}: {}", reply.text());
    }
}

#[test]
fn what_doors_let_in_counts_for_all_of_them() {
    let (server, account, _provider) = set_up();
    // A job that waits counts as much as it may use.
    server.set_paused("generation.create", true);
    set_cap(&account, "u", &json!(PROMPT + 101));
    account.post_job(&json!({"user": "u", "max_tokens": 100}));
    assert_eq!(look(&account, "u")["tokens_in_flight"], json!(PROMPT + 100));
    account.client.post(RUNS, &json!({"user": "u"})).expect(202);
    for (path, body) in doors("u") {
        account.client.post(path, &body).expect(429);
    }
    // What it used counts when it is over.
    server.set_paused("generation.create", false);
    for job in account.list("/v1/jobs") {
        account.wait_job(&job);
    }
    account.client.post(CHAT, &job(&json!({"user": "u"}))).expect(200);
    let seen = look(&account, "u");
    let counts = [&seen["tokens_today"], &seen["tokens_in_flight"], &seen["jobs"]];
    assert_eq!(counts, [&json!(3 * USED), &json!(0), &json!(3)]);
}

#[test]
fn of_jobs_that_race_one_at_most_goes_over_the_cap() {
    let (server, account, provider) = set_up();
    server.set_paused("generation.create", true);
    let bound = PROMPT + 100;
    // Room for seven and a bit, so that the eighth goes over it.
    set_cap(&account, "u", &json!(7 * bound + 1));
    let accepted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|n| {
                let client = account.client.clone();
                scope.spawn(move || {
                    let body = job(&json!({"user": "u", "max_tokens": 100, "metadata": {"n": n}}));
                    let reply = client.post(JOBS, &body);
                    if reply.status == 429 {
                        capped(reply);
                        return 0;
                    }
                    reply.expect(202);
                    1
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(accepted, 8);
    let seen = look(&account, "u");
    assert_eq!([&seen["tokens_in_flight"], &seen["tokens_today"]], [&json!(8 * bound), &json!(0)]);
    // As many as they may use: what is over the cap is less than one of them.
    provider.always(completion_with_usage("x", PROMPT, 100));
    server.set_paused("generation.create", false);
    for job in account.list("/v1/jobs") {
        account.wait_job(&job);
    }
    let seen = look(&account, "u");
    assert_eq!([&seen["tokens_in_flight"], &seen["tokens_today"]], [&json!(0), &json!(8 * bound)]);
    capped(account.client.post(JOBS, &job(&json!({"user": "u"}))));
}

#[test]
fn jobs_of_a_batch_count_for_those_after_them_and_come_all_or_none() {
    let (server, account, _provider) = set_up();
    server.set_paused("generation.create", true);
    let bound = PROMPT + 100;
    let batch = |users: &[&str]| {
        let requests = users.iter().enumerate();
        let requests = requests
            .map(|(n, user)| batches::request(n, &json!({"user": user, "max_tokens": 100})));
        json!({"requests": requests.collect::<Vec<_>>()})
    };
    set_cap(&account, "u", &json!(2 * bound));
    let message = capped(account.client.post(BATCHES, &batch(&["v", "u", "u", "w", "u"])));
    assert!(message.starts_with("requests/4: end user `u`"), "{message}");
    assert!(account.list(BATCHES).is_empty());
    // Who was refused with others is not known for it.
    account.client.get("/v1/end-users/v").expect(404);
    account.client.post(BATCHES, &batch(&["v", "u", "u", "w"])).expect(202);
    assert_eq!(look(&account, "u")["tokens_in_flight"], json!(2 * bound));
    assert_eq!(look(&account, "v")["tokens_in_flight"], json!(bound));
    server.set_paused("generation.create", false);
    for job in account.list("/v1/jobs") {
        account.wait_job(&job);
    }
    assert_eq!(look(&account, "u")["tokens_today"], json!(2 * USED));
}

#[test]
fn a_job_without_success_counts_nothing_and_a_retry_is_held_to_the_cap() {
    let (server, account, provider) = set_up();
    set_cap(&account, "u", &json!(1));
    provider.queue(error(500, "oops"));
    let failed = account.run_job(&json!({"user": "u"}));
    assert_eq!(failed["status"], "failed");
    let nothing = |user: &Value| {
        let seen = [
            &user["tokens_today"],
            &user["tokens_in_flight"],
            &user["jobs"],
            &user["last_active_on"],
        ];
        assert_eq!(seen, [&json!(0), &json!(0), &json!(0), &Value::Null], "{user}");
    };
    nothing(&look(&account, "u"));

    // Of a job that is canceled what it might have used comes back.
    server.set_paused("generation.create", true);
    let waits = account.post_job(&json!({"user": "u"}));
    capped(account.deed(&failed, "retry"));
    let letter = account.list("/v1/dlq").remove(0);
    let redrive = format!("/v1/dlq/{}/redrive", letter["id"].as_str().unwrap());
    capped(account.client.send("POST", &redrive, &[], None));
    assert_eq!(account.look(&failed)["status"], "failed");
    account.deed(&waits, "cancel").expect(200);
    nothing(&look(&account, "u"));

    account.client.send("POST", &redrive, &[], None).expect(202);
    capped(account.deed(&waits, "retry"));
    server.set_paused("generation.create", false);
    assert_eq!(account.wait_job(&failed)["status"], "succeeded");
    let seen = look(&account, "u");
    assert_eq!([&seen["tokens_today"], &seen["jobs"]], [&json!(USED), &json!(1)]);
    capped(account.deed(&waits, "retry"));
    set_cap(&account, "u", &json!(1_000));
    account.deed(&waits, "retry").expect(202);
    account.wait_job(&waits);
    assert_eq!(look(&account, "u")["tokens_today"], json!(2 * USED));
}

#[test]
fn caps_are_off_until_somebody_wants_them() {
    let (server, account, provider) = set_up();
    provider.always(completion_with_usage("x", 25_000, 1));
    for _ in 0..2 {
        account.run_job(&json!({"user": "u"}));
    }
    assert_eq!(look(&account, "u")["daily_token_cap"], Value::Null);
    let shown = set(&server, &account, &json!({"daily_token_caps": true}));
    assert_eq!(shown["daily_token_caps"], json!(true));
    assert_eq!(look(&account, "u")["daily_token_cap"], json!(25_000));
    capped(account.client.post(JOBS, &job(&json!({"user": "u"}))));
    account.run_job(&json!({}));
    account.run_job(&json!({"user": "v"}));
    // What is raised lets the next one in at once.
    set(&server, &account, &json!({"daily_token_cap": 60_000}));
    account.run_job(&json!({"user": "u"}));
    capped(account.client.post(JOBS, &job(&json!({"user": "u"}))));
    set_cap(&account, "u", &json!(100_000));
    account.run_job(&json!({"user": "u"}));
    set(&server, &account, &json!({"daily_token_caps": false}));
    capped(account.client.post(JOBS, &job(&json!({"user": "u"}))));
    set_cap(&account, "u", &Value::Null);
    account.run_job(&json!({"user": "u"}));
    // Another account's end user of the same name is somebody else.
    let other = server.account();
    other.client.get("/v1/end-users/u").expect(404);
    let ours = look(&account, "u");
    let theirs = set_cap(&other, "u", &json!(1));
    assert_ne!(theirs["id"], ours["id"]);
    other.run_job(&json!({"user": "u"}));
    capped(other.client.post(JOBS, &job(&json!({"user": "u"}))));
    assert_eq!(look(&other, "u")["tokens_today"], json!(25_001));
    assert_eq!(look(&account, "u"), ours);
}

#[test]
fn the_configuration_says_what_holds_for_accounts_of_which_nothing_is_said() {
    let provider = Provider::start();
    let mut ends_at = 0;
    let server = TestServer::builder()
        .provider(&provider)
        .config(|config| {
            config.end_users.daily_token_caps = true;
            config.end_users.daily_token_cap = 1;
            ends_at = at_noon(config);
        })
        .start();
    let account = server.account();
    account.run_job(&json!({"user": "u"}));
    capped(account.client.post(JOBS, &job(&json!({"user": "u"}))));
    let end = format!("T{ends_at:02}:00:00.000Z");
    assert!(look(&account, "u")["resets_at"].as_str().unwrap().ends_with(&end));
    set(&server, &account, &json!({"daily_token_caps": false}));
    account.run_job(&json!({"user": "u"}));
}

#[test]
fn test_keys_are_held_to_the_same_policy_and_have_end_users_of_their_own() {
    let (server, account, _provider) = set_up();
    set(&server, &account, &json!({"daily_token_caps": true, "daily_token_cap": 1}));
    let test = account.twin(&server);
    // What was set before the account had test keys holds for them, and so does what is set later.
    test.run_job(&json!({"user": "u"}));
    capped(test.client.post(JOBS, &job(&json!({"user": "u"}))));
    account.client.get("/v1/end-users/u").expect(404);
    account.run_job(&json!({"user": "u"}));
    assert_ne!(look(&account, "u")["id"], look(&test, "u")["id"]);
    set(&server, &account, &json!({"daily_token_caps": null, "timezone": "Asia/Tokyo"}));
    test.run_job(&json!({"user": "u"}));
    assert!(look(&test, "u")["resets_at"].as_str().unwrap().ends_with("T15:00:00.000Z"));
}
