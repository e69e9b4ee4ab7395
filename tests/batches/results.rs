//! What has become of a batch's requests: page by page, or all as JSON Lines.

use serde_json::{Value, json};

use super::{batch, path, post, request, wait};
use crate::{
    api::conventions::refused,
    support::{
        Provider,
        provider::{completion, error},
        server::{COST, TestServer},
    },
};

#[test]
fn results_are_in_the_order_of_the_requests() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    provider.answer_with(|call| match call.json()["user"].as_str().unwrap() {
        "1" => error(400, "no"),
        user => completion(&format!("{{\"n\":{user}}}")),
    });
    let of = |n: usize| {
        // The last goes first.
        request(
            n,
            &json!({"user": n.to_string(), "priority": n, "output_schema": {"type": "object"}}),
        )
    };
    let made = post(&account, &json!({"requests": (0..5).map(of).collect::<Vec<_>>()}));
    wait(&account, &made);
    let mut rows = Vec::new();
    let mut next = path(&made, "/results?limit=2");
    loop {
        let page = account.client.get(&next).expect(200).json();
        rows.extend(page["data"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = path(&made, &format!("/results?limit=2&cursor={cursor}"));
    }
    let ids: Vec<_> = rows.iter().map(|row| row["custom_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["request 0", "request 1", "request 2", "request 3", "request 4"]);
    assert_eq!(rows[0]["output"], json!({"n": 0}));
    assert_eq!(rows[0]["output_text"], "{\"n\":0}");
    assert_eq!(rows[0]["credits"]["charged"], COST);
    assert_eq!(rows[0]["usage"]["total_tokens"], 15);
    assert_eq!(
        (&rows[1]["status"], &rows[1]["error"]["code"]),
        (&json!("failed"), &json!("BAD_REQUEST"))
    );
    assert!(rows[1]["output"].is_null() && rows[1]["usage"].is_null());
    for row in &rows {
        assert_eq!((&row["object"], &row["id"]), (&json!("batch_result"), &row["job_id"]));
        let job = account.client.get(&format!("/v1/jobs/{}", row["job_id"].as_str().unwrap()));
        let job = job.expect(200).json();
        assert_eq!((&job["status"], &job["output"]), (&row["status"], &row["output"]));
    }
    assert_eq!(lines(&server, &made, &account, "application/jsonl"), rows);
}

fn lines(
    server: &TestServer,
    made: &Value,
    account: &crate::support::server::Account,
    media_type: &str,
) -> Vec<Value> {
    let account = account.at(server);
    let client = account.client.with_header("Accept", media_type);
    let reply = client.get(&path(made, "/results")).expect(200);
    assert_eq!(reply.header("content-type"), Some(media_type));
    reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn all_results_come_as_json_lines() {
    const BATCH: usize = 250;
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let made = post(&account, &batch(BATCH, &json!({"model": "sandbox"})));
    let waiting = lines(&server, &made, &account, "application/x-ndjson");
    assert_eq!(waiting.len(), BATCH);
    assert!(waiting.iter().all(|row| row["status"] == "queued" && row["finished_at"].is_null()));
    server.set_paused("generation.create", false);
    wait(&account, &made);
    let rows = lines(&server, &made, &account, "application/jsonl");
    let ids = rows.iter().map(|row| row["custom_id"].as_str().unwrap().to_owned());
    assert!(ids.eq((0..BATCH).map(|n| format!("request {n}"))));
    assert!(rows.iter().all(|row| row["status"] == "succeeded" && row["output_text"].is_string()));
    let client = account.client.with_header("Accept", "application/jsonl, application/json;q=0.5");
    let head = client.send("HEAD", &path(&made, "/results"), &[], None).expect(200);
    assert_eq!((head.header("content-type"), head.body.len()), (Some("application/jsonl"), 0));
    let nobody = json!({"id": "01939b2a-7c1e-7000-8000-000000000000"});
    refused(&client.get(&path(&nobody, "/results")), 404, "NOT_FOUND");
}

/// A reader that takes its time gets all of it: what it does not take yet is not read either.
#[test]
fn a_slow_reader_gets_all_lines() {
    const BATCH: usize = 300;
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account_with(&json!(1_000_000_000));
    provider.say(&"x".repeat(20_000));
    let made = post(&account, &batch(BATCH, &json!({})));
    wait(&account, &made);
    let accept = [("Accept", "application/jsonl")];
    let mut stream = account.client.stream(&path(&made, "/results"), &accept);
    let mut text = Vec::new();
    while let Some(mut chunk) = stream.next() {
        text.append(&mut chunk);
        account.client.get("/healthz").expect(200);
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), BATCH);
    assert!(text.len() > BATCH * 20_000 && text.ends_with('\n'));
}

#[test]
fn long_prompts_make_no_page_shorter() {
    const REQUESTS: usize = 50;
    let server = TestServer::start();
    let account = server.account();
    server.set_paused("generation.create", true);
    // More than a page of results may hold.
    let long = json!([{"role": "user", "content": "x".repeat(100 << 10)}]);
    let asked = |n| request(n, &json!({"model": "sandbox", "messages": long}));
    let made = post(&account, &json!({"requests": (0..REQUESTS).map(asked).collect::<Vec<_>>()}));
    let page = account.client.get(&path(&made, "/results?limit=100")).expect(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), REQUESTS);
}
