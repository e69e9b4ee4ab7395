//! Live and test: two universes of one account.

use serde_json::{Value, json};

use super::{KEYS, PROJECTS, Rig, TEST_CREDITS, id, make};
use crate::{
    api::conventions::refused,
    support::{
        Receiver,
        server::{CREDITS, TestServer},
    },
};

#[test]
fn a_test_key_looks_like_one_and_says_where_it_works() {
    let rig = Rig::start();
    assert!(rig.test.client.authorization().starts_with("Bearer sk_test_"));
    assert!(rig.live.client.authorization().starts_with("Bearer sk_live_"));
    let me = rig.test.client.get("/v1/me").expect(200).json();
    assert_eq!(me["account"]["id"], rig.live.id);
    assert_eq!(me["project"], rig.project);
    assert_eq!(me["balance"]["available"], TEST_CREDITS);
    assert_eq!(me["balance"]["free"], TEST_CREDITS);
    let me = rig.live.client.get("/v1/me").expect(200).json();
    assert_eq!(me["balance"]["available"], CREDITS);
    assert_eq!(me["project"]["environment"], "live");
}

#[test]
fn test_credits_come_once_for_all_test_projects() {
    let rig = Rig::start();
    let second = make(&rig.live, &json!({"name": "more tests", "environment": "test"}));
    let other = rig.live.in_project(&rig.server, &second);
    assert_eq!(other.balance(), (json!(TEST_CREDITS), json!(0)));
    let grants = other.list("/v1/credits/grants");
    assert_eq!(grants.len(), 1);
    assert_eq!(
        (&grants[0]["reason"], &grants[0]["bucket"]),
        (&json!("test credits"), &json!("free"))
    );
    // All test keys see the same.
    let job = rig.test.run_job(&json!({}));
    assert_eq!(other.look(&job)["status"], "succeeded");
    assert_ne!(other.balance().0, json!(TEST_CREDITS));
    assert_eq!(rig.live.list("/v1/credits/grants").len(), 1);
}

#[test]
fn no_test_credits_where_the_operator_gives_none() {
    let server = TestServer::builder()
        .config(|config| config.credits.test_credits = "0".parse().unwrap())
        .start();
    let live = server.account();
    let test = live.twin(&server);
    assert_eq!(test.balance(), (json!(0), json!(0)));
    refused(
        &test.client.post("/v1/jobs/generations", &super::work::job("m")),
        402,
        "INSUFFICIENT_CREDITS",
    );
    test.run_job(&json!({"model": "free"}));
}

#[test]
fn a_test_key_sees_nothing_that_is_live() {
    let rig = Rig::start();
    let receiver = Receiver::start();
    let live_job = rig.live.run_job(&json!({}));
    rig.live.endpoint(&receiver, "/live", &json!({}));
    let agent = json!({"name": "a", "model": "m", "messages": [{"role": "user", "content": "hi"}]});
    rig.live.client.post("/v1/agents", &agent).expect(201);
    let batch = crate::batches::batch(1, &json!({}));
    let batch = rig.live.client.post(crate::batches::BATCHES, &batch).expect(202).json();
    for list in ["/v1/jobs", "/v1/batches", "/v1/agents", "/v1/webhooks/endpoints", "/v1/dlq"] {
        assert_eq!(rig.test.list(list), Vec::<Value>::new(), "{list}");
    }
    let job = format!("/v1/jobs/{}", id(&live_job));
    refused(&rig.test.client.get(&job), 404, "NOT_FOUND");
    refused(&rig.test.client.get(&format!("{job}/events")), 404, "NOT_FOUND");
    for deed in ["cancel", "retry"] {
        refused(&rig.test.deed(&live_job, deed), 404, "NOT_FOUND");
    }
    refused(&rig.test.client.get(&format!("/v1/batches/{}", id(&batch))), 404, "NOT_FOUND");
    refused(&rig.test.client.get("/v1/agents/a"), 404, "NOT_FOUND");
    let run = rig.test.client.post("/v1/agents/a/runs", &json!({"input": {}}));
    refused(&run, 404, "NOT_FOUND");
    // Nor the other way round; names may be the same.
    rig.test.client.post("/v1/agents", &agent).expect(201);
    let test_job = rig.test.run_job(&json!({}));
    refused(&rig.live.client.get(&format!("/v1/jobs/{}", id(&test_job))), 404, "NOT_FOUND");
    refused(&rig.live.deed(&test_job, "retry"), 404, "NOT_FOUND");
}

#[test]
fn each_universe_has_idempotency_keys_of_its_own() {
    let rig = Rig::start();
    let body = super::work::job("free");
    let post = |account: &crate::support::server::Account| {
        let reply = account.client.post_once("/v1/jobs/generations", "key", &body).expect(202);
        (reply.header("idempotent-replayed").is_some(), reply.json()["id"].clone())
    };
    let (live, test) = (post(&rig.live), post(&rig.test));
    assert!(!live.0 && !test.0);
    assert_ne!(live.1, test.1);
    assert_eq!(post(&rig.test), (true, test.1));
}

#[test]
fn a_test_key_manages_neither_projects_nor_keys() {
    let rig = Rig::start();
    let project = format!("{PROJECTS}/{}", id(&rig.project));
    let own = rig.test.client.get("/v1/me").expect(200).json()["key"]["id"].clone();
    let key = format!("{KEYS}/{}", own.as_str().unwrap());
    let test = &rig.test.client;
    for reply in [
        test.get(PROJECTS),
        test.get(&project),
        test.post(PROJECTS, &json!({"name": "p"})),
        test.patch(&project, &json!({"name": "p"})),
        test.get(KEYS),
        test.get(&key),
        test.post(KEYS, &json!({"name": "k", "scopes": ["jobs:read"]})),
        test.post(&format!("{key}/rotate"), &json!({})),
        test.delete(&key),
    ] {
        let error = refused(&reply, 403, "INSUFFICIENT_SCOPE");
        assert!(error["message"].as_str().unwrap().contains("use a live key"), "{error}");
    }
    // The live key does it for it, and both environments are in its lists.
    let keys = rig.live.list(KEYS);
    let theirs = keys.iter().find(|key| key["id"] == own).unwrap();
    assert_eq!(theirs["project_id"], rig.project["id"]);
    let rotated = rig.live.client.post(&format!("{key}/rotate"), &json!({"overlap_seconds": 0}));
    let secret = rotated.expect(201).json()["key"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("sk_test_"));
    refused(&test.get("/v1/me"), 401, "UNAUTHENTICATED");
    let renewed = rig.server.client().with_key(&secret);
    assert_eq!(renewed.get("/v1/jobs").expect(200).json()["data"], json!([]));
    let revoked = renewed.get("/v1/me").expect(200).json()["key"]["id"].clone();
    rig.live.client.delete(&format!("{KEYS}/{}", revoked.as_str().unwrap())).expect(204);
    refused(&renewed.get("/v1/me"), 401, "UNAUTHENTICATED");
}

#[test]
fn a_test_key_is_remembered_when_it_was_used() {
    let rig = Rig::start();
    let own = rig.test.client.get("/v1/me").expect(200).json()["key"]["id"].clone();
    let path = format!("{KEYS}/{}", own.as_str().unwrap());
    crate::support::eventually("the key's use is written down", || {
        let key = rig.live.client.get(&path).expect(200).json();
        (!key["last_used_at"].is_null()).then_some(())
    });
}

#[test]
fn a_suspended_account_is_so_in_both_environments() {
    let rig = Rig::start();
    let path = format!("/admin/v1/accounts/{}", rig.live.id);
    let set = |suspended: bool| {
        rig.server.operator().patch(&path, &json!({"suspended": suspended})).expect(200);
    };
    rig.test.client.get("/v1/me").expect(200);
    set(true);
    refused(&rig.test.client.get("/v1/me"), 403, "ACCOUNT_SUSPENDED");
    refused(&rig.live.client.get("/v1/me"), 403, "ACCOUNT_SUSPENDED");
    set(false);
    rig.test.client.get("/v1/me").expect(200);
}

#[test]
fn webhooks_of_tests_go_to_endpoints_of_tests_and_say_so() {
    let rig = Rig::start();
    let receiver = Receiver::start();
    rig.live.endpoint(&receiver, "/live", &json!({}));
    let hook = rig.test.endpoint(&receiver, "/test", &json!({}));
    let job = rig.test.run_job(&json!({}));
    let [delivery] = &receiver.wait_for_deliveries(1)[..] else { panic!("one delivery") };
    assert_eq!(delivery.path, "/test");
    let event = delivery.json();
    assert_eq!(event["type"], "job.completed");
    let data = &event["data"];
    assert_eq!(
        (&data["environment"], &data["account_id"], &data["job_id"], &data["credits_charged"]),
        (&json!("test"), &json!(rig.live.id), &job["id"], &job["credits"]["charged"])
    );
    rig.test.client.send("POST", &hook.path("/test"), &[], None).expect(202);
    let ping = receiver.wait_for_deliveries(2)[1].json();
    assert_eq!((&ping["type"], &ping["data"]["environment"]), (&json!("ping"), &json!("test")));
    rig.live.run_job(&json!({}));
    let live = receiver.wait_for_deliveries(3)[2].clone();
    assert_eq!(live.path, "/live");
    assert!(!live.json()["data"].as_object().unwrap().contains_key("environment"));
}
