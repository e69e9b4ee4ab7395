//! What is shown of end users, and how accounts are set up for them.

use serde_json::{Value, json};
use skai_server::domain::Credits;

use super::{USED, at_noon, look, set, set_cap};
use crate::{
    api::conventions::refused,
    support::{
        Provider,
        server::{Account, TestServer},
    },
};

const USERS: &str = "/v1/end-users";

fn set_up() -> (TestServer, Account, Provider) {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).config(|config| _ = at_noon(config));
    let server = server.start();
    let account = server.account();
    (server, account, provider)
}

/// The text as one part of a path.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[test]
fn an_end_user_is_known_from_its_first_job_on() {
    let (_server, account, _provider) = set_up();
    refused(&account.client.get("/v1/end-users/alice"), 404, "NOT_FOUND");
    account.run_job(&json!({"user": "alice"}));
    let job = account.run_job(&json!({"user": "alice"}));
    let mut user = look(&account, "alice");
    let credits: Credits = user["credits"].to_string().parse().unwrap();
    let charged: Credits = job["credits"]["charged"].to_string().parse().unwrap();
    assert_eq!(Some(credits), charged.checked_add(charged));
    let today = job["finished_at"].as_str().unwrap()[..10].to_owned();
    let members = user.as_object_mut().unwrap();
    for volatile in ["id", "created_at", "resets_at", "credits"] {
        assert!(!members.remove(volatile).unwrap().is_null());
    }
    assert_eq!(
        user,
        json!({
            "object": "end_user", "external_id": "alice", "tokens_today": 2 * USED, "tokens_in_flight": 0,
            "daily_token_cap": null, "own_daily_token_cap": null, "tokens": 2 * USED, "jobs": 2,
            "streak_count": 0, "last_active_on": today,
        })
    );
}

#[test]
fn names_may_hold_whatever_a_job_may_say() {
    let (_server, account, _provider) = set_up();
    let long = "ü".repeat(128);
    let names = [
        "a/b",
        "/",
        "..",
        "%2F",
        "100%",
        "a b+c?d=e&f#g",
        "Grüße",
        "👩‍👩‍👧",
        "tab\there",
        "nul\0",
        "=1+1",
        "00000000-0000-0000-0000-000000000001",
        "{\"a\":1}",
        long.as_str(),
    ];
    for name in names {
        account.run_job(&json!({"user": name}));
        let path = format!("{USERS}/{}", encoded(name));
        let seen = account.client.get(&path).expect(200).json();
        assert_eq!([&seen["external_id"], &seen["jobs"]], [&json!(name), &json!(1)]);
        let patched =
            account.client.patch(&path, &json!({"daily_token_cap": 7})).expect(200).json();
        let same = [&patched["id"], &patched["external_id"], &patched["daily_token_cap"]];
        assert_eq!(same, [&seen["id"], &json!(name), &json!(7)]);
    }
    assert_eq!(account.list(&format!("{USERS}?limit=100")).len(), names.len());
    // What no job may say names nobody, and is not made.
    let longer = format!("{USERS}/{}", encoded(&("ü".repeat(128) + "x")));
    refused(&account.client.get(&longer), 404, "NOT_FOUND");
    let reply = account.client.patch(&longer, &json!({"daily_token_cap": 7}));
    refused(&reply, 400, "INVALID_REQUEST");
    assert_eq!(reply.json()["error"]["param"], "external_id");
    refused(&account.client.get("/v1/end-users/%FF"), 404, "NOT_FOUND");
    refused(&account.client.get("/v1/end-users/"), 404, "NOT_FOUND");
}

#[test]
fn a_cap_can_be_set_before_the_first_job_and_taken_again() {
    let (_server, account, _provider) = set_up();
    let made = set_cap(&account, "u", &json!(1_000_000_000_000_u64));
    let caps = [&made["daily_token_cap"], &made["own_daily_token_cap"], &made["jobs"]];
    assert_eq!(caps, [&json!(1_000_000_000_000_u64), &json!(1_000_000_000_000_u64), &json!(0)]);
    assert_eq!(look(&account, "u"), made);
    let same = account.client.patch("/v1/end-users/u", &json!({})).expect(200).json();
    assert_eq!(same, made);
    assert_eq!(set_cap(&account, "u", &Value::Null)["own_daily_token_cap"], Value::Null);
    for bad in [json!(-1), json!(1.5), json!("1"), json!(1_000_000_000_001_u64), json!(true)] {
        let reply = account.client.patch("/v1/end-users/u", &json!({"daily_token_cap": bad}));
        refused(&reply, 400, "INVALID_REQUEST");
        assert_eq!(reply.json()["error"]["param"], "daily_token_cap", "{bad}");
    }
    let reply = account.client.patch("/v1/end-users/u", &json!({"streak_count": 5}));
    refused(&reply, 400, "INVALID_REQUEST");
}

#[test]
fn end_users_are_listed_newest_first_in_pages_and_as_csv() {
    let (_server, account, _provider) = set_up();
    for n in 0..5 {
        set_cap(&account, &format!("user-{n}"), &json!(n));
    }
    account.run_job(&json!({"user": "=cmd(\"x\"),\n"}));
    let mut names = Vec::new();
    let mut path = format!("{USERS}?limit=4");
    loop {
        let page = account.client.get(&path).expect(200).json();
        let rows = page["data"].as_array().unwrap();
        names.extend(rows.iter().map(|user| user["external_id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{USERS}?limit=4&cursor={cursor}");
    }
    let expected = ["=cmd(\"x\"),\n", "user-4", "user-3", "user-2", "user-1", "user-0"];
    assert_eq!(names, expected);

    let accept = [("Accept", "text/csv")];
    let file = account.client.send("GET", USERS, &accept, None).expect(200);
    assert_eq!(file.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"end-users.csv\""));
    assert!(file.header("link").is_none());
    let mut lines = file.text().split("\r\n");
    assert_eq!(
        lines.next(),
        Some(
            "id,external_id,tokens_today,tokens_in_flight,daily_token_cap,own_daily_token_cap,resets_at,tokens,\
             credits,jobs,streak_count,last_active_on,created_at"
        )
    );
    let first = lines.next().unwrap();
    let marked = format!(",\"'=cmd(\"\"x\"\"),\n\",{USED},0,,,");
    assert!(first.contains(&marked), "{first}");
    assert!(lines.next().unwrap().contains(",user-4,0,0,4,4,"));
    let part = account.client.send("GET", &format!("{USERS}?limit=2"), &accept, None).expect(200);
    let link = part.header("link").unwrap();
    let next = link.strip_prefix('<').unwrap().split_once('>').unwrap().0;
    let rest = account.client.send("GET", next, &accept, None).expect(200);
    assert!(rest.text().contains(",user-3,") && !rest.text().contains(",user-4,"));
}

#[test]
fn the_operator_sets_time_zones_and_caps_of_accounts() {
    let (server, account, _provider) = set_up();
    let path = format!("/admin/v1/accounts/{}", account.id);
    let settings = |shown: &Value| {
        ["timezone", "daily_token_caps", "daily_token_cap"].map(|name| shown[name].clone())
    };
    let shown = server.operator().get(&path).expect(200).json();
    assert_eq!(settings(&shown), [Value::Null, Value::Null, Value::Null]);
    let all = json!({"timezone": "europe/berlin", "daily_token_caps": true, "daily_token_cap": 10});
    let expected = [json!("Europe/Berlin"), json!(true), json!(10)];
    assert_eq!(settings(&set(&server, &account, &all)), expected);
    // What is left out stays, in all that shows accounts.
    set(&server, &account, &json!({"name": "another"}));
    set(&server, &account, &json!({}));
    assert_eq!(settings(&server.operator().get(&path).expect(200).json()), expected);
    let listed = server.operator().get("/admin/v1/accounts").expect(200).json();
    assert_eq!(settings(&listed["data"][0]), expected);
    let shown = set(&server, &account, &json!({"daily_token_caps": null, "daily_token_cap": null}));
    assert_eq!(settings(&shown), [json!("Europe/Berlin"), Value::Null, Value::Null]);
    for (change, param) in [
        (json!({"timezone": "Mars/Olympus"}), "timezone"),
        (json!({"timezone": ""}), "timezone"),
        (json!({"timezone": "+01:00"}), "timezone"),
        (json!({"timezone": 1}), "timezone"),
        (json!({"daily_token_caps": "yes"}), "daily_token_caps"),
        (json!({"daily_token_cap": -1}), "daily_token_cap"),
        (json!({"name": "x", "daily_token_cap": 1_000_000_000_001_u64}), "daily_token_cap"),
    ] {
        let reply = server.operator().patch(&path, &change);
        refused(&reply, 400, "INVALID_REQUEST");
        assert_eq!(reply.json()["error"]["param"], param, "{change}");
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            change["timezone"] != "Mars/Olympus" || message.contains("`Mars/Olympus`"),
            "{message}"
        );
    }
    assert_eq!(server.operator().get(&path).expect(200).json()["name"], "another");
}
