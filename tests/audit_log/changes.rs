//! Each route that changes something, and what is told of it. A new one has to be here or among the exceptions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{By, World, change, operator, people, text, work};
use crate::support::server::TestServer;

/// What of it is told is found elsewhere: events of jobs, runs, deliveries and duties, the log of requests. Looking at
/// a link changes nothing.
const NOT_TOLD: [&str; 21] = [
    "cancelBatch",
    "cancelJob",
    "cancelScheduledTask",
    "createBatch",
    "createChatCompletion",
    "createEvalRun",
    "createGeneration",
    "createRun",
    "createScheduledTask",
    "openSignInLink",
    "processScheduledTasks",
    "receiveStripeEvent",
    "redriveDeadLetter",
    "redriveDelivery",
    "redriveWebhookEndpoint",
    "retryJob",
    "retryScheduledTask",
    "runDuty",
    "runSchedule",
    "testWebhookEndpoint",
    "validateSchema",
];

/// A secret that a test gives away; the log must not have it.
pub(super) const CANARY: &str = "canary-7f3a";

#[test]
fn each_change_is_told_once_and_no_route_is_forgotten() {
    let mut world = World::new();
    let mut secrets = vec![CANARY.to_owned()];
    projects_and_keys(&mut world, &mut secrets);
    agents(&mut world);
    work::endpoints(&mut world, &mut secrets);
    work::functions_and_schedules(&mut world, &mut secrets);
    operator::accounts(&mut world);
    operator::the_server(&mut world);
    people::members(&mut world, &mut secrets);
    people::browsers(&mut world, &mut secrets);
    let changing = changing(&world.server);
    let exceptions: BTreeSet<_> = NOT_TOLD.map(str::to_owned).into();
    let done: BTreeSet<_> = world.done.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(
        changing.difference(&(&done | &exceptions)).collect::<Vec<_>>(),
        [""; 0],
        "not tested"
    );
    assert_eq!(exceptions.difference(&changing).collect::<Vec<_>>(), [""; 0], "no such route");
    assert_eq!(exceptions.intersection(&done).collect::<Vec<_>>(), [""; 0]);
    let outside = world.server.outside();
    let sql = "select group_concat(concat_ws('|', action, object, target, name, before, after)) from audit_entry";
    let all: String = outside.query_row(sql, [], |row| row.get(0)).unwrap();
    for secret in secrets {
        assert!(!all.contains(&secret), "the log has {secret}");
    }
    assert!(!all.contains("whsec_") && !all.contains("argon2"), "{all}");
}

/// All operations that are no GET.
fn changing(server: &TestServer) -> BTreeSet<String> {
    let document = server.client().get("/openapi.json").expect(200).json();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap());
    let changing = operations
        .filter(|(method, _)| ["post", "put", "patch", "delete"].contains(&method.as_str()));
    changing.map(|(_, it)| it["operationId"].as_str().unwrap().to_owned()).collect()
}

fn projects_and_keys(world: &mut World, secrets: &mut Vec<String>) {
    let body = json!({"name": "p", "monthly_credit_limit": 12.5});
    let (made, told) = world.step(
        By::Key,
        "createProject",
        ("POST", "/v1/projects"),
        Some(body),
        &["project.created"],
    );
    let after = json!({"name": "p", "environment": "live", "monthly_credit_limit": 12.5, "record_invocations": null});
    assert_eq!(change(&told[0]), (&Value::Null, &after));
    assert_eq!(told[0]["target"], json!({"object": "project", "id": made["id"], "name": "p"}));
    assert_eq!(
        (&told[0]["actor"]["name"], &told[0]["account_id"]),
        (&json!("test"), &json!(world.account.id))
    );

    let (path, body) =
        (format!("/v1/projects/{}", text(&made["id"])), json!({"monthly_credit_limit": 7}));
    let (_, told) = world.step(
        By::Key,
        "updateProject",
        ("PATCH", &path),
        Some(body.clone()),
        &["project.updated"],
    );
    assert_eq!(
        change(&told[0]),
        (&json!({"monthly_credit_limit": 12.5}), &json!({"monthly_credit_limit": 7}))
    );
    world.step(By::Key, "updateProject", ("PATCH", &path), Some(body), &[]);

    let body = json!({"name": "k", "scopes": ["jobs:read"], "allowed_cidrs": ["10.0.0.0/8"], "rate_limit": "60,1m"});
    let (key, told) = world.step(
        By::Key,
        "createApiKey",
        ("POST", "/v1/api-keys"),
        Some(body),
        &["api_key.created"],
    );
    let after = &told[0]["after"];
    assert_eq!(
        (&after["scopes"], &after["allowed_cidrs"]),
        (&json!(["jobs:read"]), &json!(["10.0.0.0/8"]))
    );
    assert_eq!((&after["prefix"], &after["project_id"]), (&key["prefix"], &key["project_id"]));
    secrets.push(text(&key["key"]));

    let path = format!("/v1/api-keys/{}", text(&key["id"]));
    let rotate = format!("{path}/rotate");
    let (new, told) = world.step(
        By::Key,
        "rotateApiKey",
        ("POST", &rotate),
        Some(json!({})),
        &["api_key.created", "api_key.rotated"],
    );
    secrets.push(text(&new["key"]));
    assert_eq!((&told[0]["target"]["id"], &told[1]["target"]["id"]), (&new["id"], &key["id"]));
    let ends = world.account.client.get(&path).expect(200).json()["expires_at"].clone();
    assert_eq!(change(&told[1]), (&json!({"expires_at": null}), &json!({"expires_at": ends})));
    let (_, told) =
        world.step(By::Key, "revokeApiKey", ("DELETE", &path), None, &["api_key.revoked"]);
    let gone = world.account.client.get(&path).expect(200).json()["revoked_at"].clone();
    assert_eq!(change(&told[0]), (&json!({"revoked_at": null}), &json!({"revoked_at": gone})));

    let (path, body) = ("/v1/end-users/u%201", json!({"daily_token_cap": 5}));
    let (_, told) =
        world.step(By::Key, "updateEndUser", ("PATCH", path), Some(body), &["end_user.updated"]);
    assert_eq!(
        change(&told[0]),
        (&json!({"daily_token_cap": null}), &json!({"daily_token_cap": 5}))
    );
    assert_eq!(told[0]["target"]["name"], "u 1");
}

fn agents(world: &mut World) {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let body = json!({"name": "greeter", "model": "m", "messages": messages});
    let (made, told) =
        world.step(By::Key, "createAgent", ("POST", "/v1/agents"), Some(body), &["agent.created"]);
    assert_eq!(told[0]["target"], json!({"object": "agent", "id": made["id"], "name": "greeter"}));
    assert_eq!(change(&told[0]), (&Value::Null, &json!({"version": 1, "model": "m"})));
    let (path, body) = (
        "/v1/agents/greeter/versions",
        json!({"model": "free", "messages": messages, "activate": false}),
    );
    let (_, told) = world.step(
        By::Key,
        "createAgentVersion",
        ("POST", path),
        Some(body),
        &["agent.version_created"],
    );
    assert_eq!(change(&told[0]), (&Value::Null, &json!({"version": 2, "model": "free"})));
    let (path, body) = ("/v1/agents/greeter/activate", json!({"version": 2}));
    let (_, told) = world.step(
        By::Key,
        "activateAgentVersion",
        ("POST", path),
        Some(body),
        &["agent.version_activated"],
    );
    assert_eq!(change(&told[0]), (&json!({"version": 1}), &json!({"version": 2})));
    let body = json!({"name": "e", "cases": [{"input": {}, "expect": {"contains": ""}}]});
    let path = "/v1/agents/greeter/evals";
    let (_, told) =
        world.step(By::Key, "createEval", ("POST", path), Some(body), &["eval.created"]);
    assert_eq!(told[0]["after"], json!({"agent": "greeter", "name": "e"}));
    let path = "/v1/agents/greeter";
    let (_, told) =
        world.step(By::Key, "archiveAgent", ("DELETE", path), None, &["agent.archived"]);
    assert_eq!(told[0]["before"], json!({"archived_at": null}));
}
