//! Whose a change is: of who asked for it and of nobody else, whatever else is committed with it.

use std::thread;

use serde_json::{Value, json};

use super::{ALL, LOG, World, change};
use crate::support::{Client, eventually, people::Person, program::Program, server::TestServer};

#[test]
fn what_is_replayed_or_refused_is_not_told() {
    let world = World::new();
    let client = &world.account.client;
    let count = || world.all("").len();
    client.post_once("/v1/projects", "k", &json!({"name": "p"})).expect(201);
    let before = count();
    client.post_once("/v1/projects", "k", &json!({"name": "p"})).expect(201);
    client.post("/v1/projects", &json!({"name": "p"})).expect(409);
    client.post("/v1/projects", &json!({"name": ""})).expect(400);
    client.delete("/v1/functions/none").expect(404);
    client.patch("/v1/end-users/u", &json!({})).expect(200);
    world.server.client().post("/v1/projects", &json!({"name": "q"})).expect(401);
    assert_eq!(count(), before);
}

/// Many changes of two keys at once, of which some fail within their transaction and have the others run again.
#[test]
fn changes_that_share_a_commit_do_not_share_who_made_them() {
    let world = World::new();
    let other = world.server.key(&world.account.id, &json!(["*"]), &json!({"name": "other"}));
    let other = world.server.client().with_key(&other);
    let id = |client: &Client| client.get("/v1/me").expect(200).json()["key"]["id"].clone();
    let keys =
        [(world.account.client.clone(), id(&world.account.client)), (other.clone(), id(&other))];
    thread::scope(|scope| {
        for round in 0..8 {
            for (whose, (client, _)) in keys.iter().enumerate() {
                let client = client.clone();
                scope.spawn(move || {
                    for n in 0..10 {
                        let name = format!("{whose}-{round}-{n}");
                        let headers = [("X-Request-Id", &*name)];
                        let body = json!({"name": name});
                        client.send_json("POST", "/v1/projects", &headers, &body).expect(201);
                        client.send_json("POST", "/v1/projects", &headers, &body).expect(409);
                    }
                });
            }
        }
    });
    let (mut told, mut cursor) = (0, String::new());
    loop {
        let path = format!("{LOG}?limit=50&action=project.created{cursor}");
        let page = world.account.client.get(&path).expect(200).json();
        for entry in page["data"].as_array().unwrap() {
            let Some((whose, _)) = entry["target"]["name"].as_str().unwrap().split_once('-') else {
                continue;
            };
            let whose: usize = whose.parse().unwrap();
            assert_eq!(entry["actor"]["id"], keys[whose].1, "{entry}");
            assert_eq!(entry["actor"]["name"], ["test", "other"][whose]);
            assert_eq!(entry["request_id"], entry["target"]["name"]);
            told += 1;
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(told, 160);
}

#[test]
fn commands_are_the_operators() {
    let program = Program::new();
    let account = program.account("5");
    let server = program.serve();
    let list = server.client(&account.key).get(&format!("{LOG}?limit=100")).expect(200).json();
    let entries = list["data"].as_array().unwrap();
    let actions: Vec<_> =
        entries.iter().rev().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["account.created", "project.created", "api_key.created", "credits.granted"]
    );
    for entry in entries {
        assert_eq!(entry["actor"], json!({"kind": "operator", "id": null, "name": null}));
        assert_eq!((&entry["address"], &entry["request_id"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn what_the_server_does_by_itself_is_the_systems() {
    let server = TestServer::builder().config(|config| {
        config.stripe.webhook_secrets = crate::stripe::secrets();
    });
    let world = World::of(server.start());
    let prices = world.all("&action=price.created");
    assert!(!prices.is_empty());
    assert!(prices.iter().all(|entry| entry["actor"]["kind"] == "system"), "{prices:?}");
    let m = prices.iter().find(|entry| entry["target"]["name"] == "m").unwrap();
    assert_eq!((&m["after"]["version"], &m["after"]["free"]), (&json!(1), &json!(false)));
    assert_eq!(m["after"]["input_per_million"], 1_000_000);

    let paid = crate::stripe::paid(&world.account.id);
    crate::stripe::tell(&world.server.client(), &paid);
    let granted = eventually("the payment is granted", || {
        let entries = world.all("&action=credits.granted");
        entries.into_iter().find(|entry| entry["actor"]["kind"] == "system")
    });
    assert_eq!(granted["account_id"], json!(world.account.id));
    assert_eq!((&granted["address"], &granted["request_id"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_duty_with_another_schedule_is_told_of() {
    let server = TestServer::start();
    let server = server.restart_with(|config| {
        config.maintenance.prune = Some("5 5 * * *".parse().unwrap());
    });
    let list = server.operator().get(&format!("{ALL}?target=duty")).expect(200).json();
    let entries = list["data"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{list}");
    assert_eq!(entries[0]["target"], json!({"object": "duty", "id": null, "name": "prune"}));
    assert_eq!(
        change(&entries[0]),
        (&json!({"cron": "30 3 * * *"}), &json!({"cron": "5 5 * * *"}))
    );
}

/// The first person joins the oldest account, and is an operator in all others.
#[test]
fn an_operator_is_a_user_at_home_and_the_operator_elsewhere() {
    let world = World::new();
    let theirs = world.server.account();
    let token = skai_server::app::sign_in::new_setup_link(&world.server.app()).unwrap().unwrap();
    let body = json!({"email": "op@example.com"});
    let person = Person::accept(&world.server, token.expose(), &body);
    let project = theirs.client.get("/v1/me").expect(200).json()["project"]["id"].clone();
    let client = person.client(&world.server);
    let there = client.with_header("Skai-Project", project.as_str().unwrap());
    let (home, away) = (json!({"name": "home"}), json!({"name": "away"}));
    client.post("/v1/projects", &home).expect(201);
    there.post("/v1/projects", &away).expect(201);
    let (id, email) = (&person.session["user"]["id"], "op@example.com");
    let told = |list: Vec<Value>, name: &str| {
        let entry = list.into_iter().find(|it| it["target"]["name"] == name).unwrap();
        (entry["actor"].clone(), entry["address"].clone())
    };
    let at_home = world.account.list(&format!("{LOG}?action=project.created"));
    let user = json!({"kind": "user", "id": id, "name": email});
    assert_eq!(told(at_home, "home"), (user, json!("127.0.0.1")));
    // Who it is, and from where, is not the account's to know.
    let in_theirs = theirs.list(&format!("{LOG}?action=project.created"));
    let hidden = json!({"kind": "operator", "id": null, "name": null});
    assert_eq!(told(in_theirs, "away"), (hidden, Value::Null));
    let by_id = format!("actor={}", id.as_str().unwrap());
    assert!(theirs.list(&format!("{LOG}?{by_id}")).is_empty());
    let operator = json!({"kind": "operator", "id": id, "name": email});
    let all = world.all(&format!("&action=project.created&{by_id}"));
    assert_eq!(told(all, "away"), (operator, json!("127.0.0.1")));
}

/// Keys that ended are removed some time later.
#[test]
fn a_key_that_is_removed_stays_named() {
    let world = World::new();
    let gone = world.server.key(&world.account.id, &json!(["*"]), &json!({"name": "gone"}));
    let client = world.server.client().with_key(&gone);
    client.patch("/v1/end-users/ann", &json!({"daily_token_cap": 5})).expect(200);
    world.server.outside().execute_batch("delete from api_key where name = 'gone'").unwrap();
    for list in [
        world.account.list(&format!("{LOG}?action=end_user.updated")),
        world.all("&action=end_user.updated"),
    ] {
        assert_eq!(list[0]["actor"]["name"], "gone", "{list:?}");
    }
}

#[test]
fn who_is_forgotten_stays_named() {
    let world = World::new();
    let person = Person::member(&world.server, &world.account, "admin");
    let client = person.client(&world.server);
    client.patch("/v1/end-users/ann", &json!({"daily_token_cap": 5})).expect(200);
    let path = format!("/v1/users/{}", person.session["user"]["id"].as_str().unwrap());
    world.account.client.delete(&path).expect(204);
    for list in [
        world.account.list(&format!("{LOG}?action=end_user.updated")),
        world.all("&action=end_user.updated"),
    ] {
        assert_eq!(list[0]["actor"]["name"], json!(person.email), "{list:?}");
    }
}
