//! Looking at the log: whose it is, its filters and pages.

use serde_json::{Value, json};

use super::{ALL, LOG, World};
use crate::api::conventions::refused;

fn actions(list: &[Value]) -> Vec<&str> {
    list.iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[test]
fn an_account_sees_its_own_changes_and_a_test_key_those_of_its_twin() {
    let world = World::new();
    let (ours, theirs) = (&world.account, world.server.account());
    ours.client.post("/v1/projects", &json!({"name": "ours"})).expect(201);
    let twin = ours.twin(&world.server);
    twin.client
        .put("/v1/functions/f", &json!({"kind": "http", "url": "https://example.com"}))
        .expect(200);
    let names = |list: &[Value]| -> Vec<Value> {
        list.iter().map(|it| it["target"]["name"].clone()).collect()
    };
    let own = ours.list(&format!("{LOG}?limit=100"));
    assert!(names(&own).contains(&json!("ours")) && !names(&own).contains(&json!("f")), "{own:?}");
    let other = theirs.list(&format!("{LOG}?limit=100"));
    assert_eq!(
        actions(&other),
        ["api_key.created", "credits.granted", "project.created", "account.created"]
    );
    let of_tests = twin.list(&format!("{LOG}?action=function.created"));
    assert_eq!(names(&of_tests), ["f"]);
    // The key is a row of the live account, and yet it is named.
    assert_eq!(of_tests[0]["actor"]["name"], "test");

    let all = world.all("&action=function.created");
    assert_eq!((&all[0]["environment"], &all[0]["account_id"]), (&json!("test"), &json!(ours.id)));
    assert_eq!(all[0]["actor"]["name"], "test");
    let of = |query: &str| actions(&world.all(&format!("&account_id={}{query}", ours.id))).len();
    assert_eq!(of(""), own.len());
    assert_eq!(of("&environment=test&target=function"), 1);
    let operator = world.server.operator();
    let nobody = format!("{ALL}?account_id=01939b2a-7c1e-7000-8000-000000000000");
    refused(&operator.get(&nobody), 404, "NOT_FOUND");
    refused(&ours.client.get(ALL), 401, "UNAUTHENTICATED");
    let key = world.server.key(&ours.id, &json!(["jobs:read"]), &json!({}));
    refused(&world.server.client().with_key(&key).get(LOG), 403, "INSUFFICIENT_SCOPE");
}

#[test]
fn filters_and_pages_hold_what_they_promise() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.account.client.post("/v1/projects", &json!({"name": name})).expect(201);
    }
    let list = |query: &str| world.account.list(&format!("{LOG}?limit=100{query}"));
    let all = list("");
    assert_eq!(actions(&list("&target=project")), ["project.created"; 4]);
    assert_eq!(actions(&list("&action=api_key.created")), ["api_key.created"]);
    assert_eq!(list(&format!("&actor={}", world.key)).len(), 3);
    assert!(list("&action=none").is_empty());
    let middle = all[1]["created_at"].as_str().unwrap();
    let later = list(&format!("&created_after={middle}"));
    let earlier = list(&format!("&created_before={middle}"));
    assert_eq!(later.len() + earlier.len(), all.len());
    assert!(later.iter().all(|entry| entry["created_at"].as_str().unwrap() >= middle));

    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.account.client.get(&format!("{LOG}?limit=2{cursor}")).expect(200).json();
        pages.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, all);
    for query in ["actor=x", "created_after=x", "cursor=x", "limit=0", "other=1"] {
        let reply = world.account.client.get(&format!("{LOG}?{query}"));
        assert_eq!(reply.status, 400, "{query}");
    }
    for query in ["environment=x", "environment=test"] {
        let reply = world.server.operator().get(&format!("{ALL}?{query}"));
        assert_eq!(refused(&reply, 400, "INVALID_REQUEST")["param"], "environment");
    }
}
