//! Budgets over the socket: set, refused, shown and reported.

use serde_json::{Value, json};

use crate::support::{
    Provider, Receiver,
    server::{COST, TestServer, job},
};

/// A server where what is reserved stays reserved, an account with credits for everything, and what its smallest
/// job may cost.
fn paused() -> (TestServer, crate::support::server::Account, u64) {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let cost = server.account().post_job(&json!({}))["credits"]["reserved"].as_u64().unwrap();
    let account = server.account();
    (server, account, cost)
}

#[test]
fn a_key_and_a_project_spend_no_more_than_their_limits() {
    let (server, account, cost) = paused();
    let limit = json!({"name": "shop", "monthly_credit_limit": 3 * cost});
    let project = account.client.post("/v1/projects", &limit).expect(201).json();
    let key = |limit: Value| {
        let body = json!({
            "name": "k", "scopes": ["*"], "project_id": project["id"], "monthly_credit_limit": limit,
        });
        let made = account.client.post("/v1/api-keys", &body).expect(201).json();
        (made["id"].clone(), server.client().with_key(made["key"].as_str().unwrap()))
    };
    let (tight_id, tight) = key(json!(2 * cost));
    let (free_id, free) = key(Value::Null);
    let submit =
        |client: &crate::support::Client| client.post("/v1/jobs/generations", &job(&json!({})));
    submit(&tight).expect(202);
    submit(&tight).expect(202);
    let refused = submit(&tight).expect(402).json()["error"].take();
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("insufficient_credits"), &json!("BUDGET_EXCEEDED"))
    );
    let details = &refused["details"];
    assert_eq!((&details["required"], &details["available"]), (&json!(cost), &json!(0)));
    assert_eq!((&details["budget"], &details["limit"]), (&json!("api_key"), &json!(2 * cost)));
    submit(&free).expect(202);
    let refused = submit(&free).expect(402).json()["error"].take();
    assert_eq!(refused["details"]["budget"], "project");
    // The account itself has credits, and other projects go on.
    account.client.post("/v1/jobs/generations", &job(&json!({}))).expect(202);

    let limits = tight.get("/v1/me").expect(200).json()["limits"].take();
    let month = |limits: &Value| {
        ["spent", "reserved", "limit", "remaining"].map(|name| limits[name].clone())
    };
    assert_eq!(month(&limits["key_credits"]), [0, 2 * cost, 2 * cost, 0].map(|it| json!(it)));
    assert_eq!(month(&limits["project_credits"]), [0, 3 * cost, 3 * cost, 0].map(|it| json!(it)));
    let unlimited = free.get("/v1/me").expect(200).json()["limits"]["key_credits"].take();
    assert_eq!(month(&unlimited), [json!(0), json!(cost), Value::Null, Value::Null]);

    // A limit that is raised holds at once, and a key that replaces another has its budget.
    let path = format!("/v1/projects/{}", project["id"].as_str().unwrap());
    account.client.patch(&path, &json!({"monthly_credit_limit": null})).expect(200);
    submit(&free).expect(202);
    let rotate = format!("/v1/api-keys/{}/rotate", tight_id.as_str().unwrap());
    let rotated = account.client.post(&rotate, &json!({})).expect(201).json();
    let rotated = server.client().with_key(rotated["key"].as_str().unwrap());
    assert_eq!(submit(&rotated).expect(402).json()["error"]["details"]["budget"], "api_key");

    let page = account.list("/v1/usage/spending");
    let row = |key: &Value| page.iter().find(|row| row["api_key_id"] == *key).unwrap();
    assert_eq!(page.len(), 3);
    assert_eq!(
        (&row(&tight_id)["reserved"], &row(&free_id)["reserved"]),
        (&json!(2 * cost), &json!(2 * cost))
    );
    assert_eq!(row(&tight_id)["project_id"], project["id"]);
}

#[test]
fn spending_is_reported_by_month_as_json_and_csv() {
    let server = TestServer::start();
    let account = server.account();
    let empty = account.client.get("/v1/usage/spending?month=2026-01").expect(200).json();
    assert_eq!((&empty["data"], &empty["has_more"]), (&json!([]), &json!(false)));
    for bad in ["2026-13", "2026", "november", ""] {
        let path = format!("/v1/usage/spending?month={bad}");
        let refused = account.client.get(&path).expect(400).json()["error"].take();
        assert_eq!(refused["param"], "month", "{bad}");
    }
    server.set_paused("generation.create", true);
    account.post_job(&json!({}));
    let row = account.list("/v1/usage/spending").remove(0);
    assert_eq!((row.get("object"), &row["spent"]), (None, &json!(0)));
    let accept = [("Accept", "text/csv")];
    let reply = account.client.send("GET", "/v1/usage/spending", &accept, None).expect(200);
    let lines: Vec<&str> = reply.text().lines().collect();
    assert_eq!(lines[0], "month,project_id,api_key_id,spent,reserved");
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let expected = format!(
        "{},{},{},0,{}",
        text("month"),
        text("project_id"),
        text("api_key_id"),
        row["reserved"]
    );
    assert_eq!(lines[1..], [expected.as_str()]);

    // Newest first, page by page.
    let later = server.key(&account.id, &json!(["*"]), &json!({}));
    server.client().with_key(&later).post("/v1/jobs/generations", &job(&json!({}))).expect(202);
    let page = |query: &str| {
        account.client.get(&format!("/v1/usage/spending?limit=1{query}")).expect(200).json()
    };
    let first = page("");
    assert_ne!(first["data"][0]["api_key_id"], row["api_key_id"]);
    let second = page(&format!("&cursor={}", first["next_cursor"].as_str().unwrap()));
    assert_eq!((&second["data"], &second["has_more"]), (&json!([row]), &json!(false)));
}

/// The parts of a budget that endpoints were told of, in the order in which they came.
fn told(receiver: &Receiver, count: usize) -> Vec<(Value, Value)> {
    let deliveries = receiver.wait_for_deliveries(count);
    let data = |it: &crate::support::Received| it.json()["data"].take();
    let mut told: Vec<_> = deliveries.iter().map(data).collect();
    told.sort_by_key(|it| it["threshold"].as_u64());
    told.into_iter().map(|it| (it["limit"].clone(), it["threshold"].clone())).collect()
}

#[test]
fn a_limit_that_changes_while_jobs_are_open_is_the_one_that_is_told_of() {
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    account.endpoint(&receiver, "/budgets", &json!({"events": ["budget.threshold"]}));
    server.set_paused("generation.create", true);
    let open = account.post_job(&json!({}));
    let project = account.client.get("/v1/me").expect(200).json()["project"]["id"].take();
    let path = format!("/v1/projects/{}", project.as_str().unwrap());
    let limit = |limit: u64| {
        account.client.patch(&path, &json!({"monthly_credit_limit": limit})).expect(200);
    };
    // There was no limit when it was accepted: what it costs is half of the one that there is now.
    limit(2 * COST);
    server.set_paused("generation.create", false);
    account.wait_job(&open);
    assert_eq!(told(&receiver, 1), [(json!(2 * COST), json!(50))]);
    // A lower limit is spent at once.
    limit(COST);
    let lower = json!(COST);
    let expected = [80, 95, 100].map(|part| (lower.clone(), json!(part)));
    assert_eq!(told(&receiver, 4)[1..], expected);
}

#[test]
fn an_account_has_a_bounded_number_of_keys_that_work() {
    let server = TestServer::start();
    let account = server.account();
    let outside = server.outside();
    outside
        .execute_batch(
            "with recursive n (n) as (select 2 union all select n + 1 from n where n < 1000)
             insert into api_key (account, project, id, name, prefix, hash, scopes, created_at)
             select account, project, randomblob(16), 'k', hex(randomblob(8)), hash, scopes, created_at
             from api_key, n",
        )
        .unwrap();
    let body = json!({"name": "one more", "scopes": ["jobs:read"]});
    let refused = account.client.post("/v1/api-keys", &body).expect(409).json();
    assert_eq!(refused["error"]["code"], "CONFLICT");
    outside.execute("update api_key set revoked_at = 1 where seq = 2", []).unwrap();
    account.client.post("/v1/api-keys", &body).expect(201);
}
