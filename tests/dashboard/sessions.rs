//! Sessions: listed, ended, idle for too long, and what they leave in logs.

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{ambient::Ambient, domain::Timestamp};

use super::{SESSION, SESSIONS, SIGN_IN, text};
use crate::{
    api::conventions::refused,
    support::{
        Client, eventually,
        people::{PASSWORD, Person, cookie, page},
        server::TestServer,
    },
};

fn list(client: &Client) -> Vec<Value> {
    client.get(SESSIONS).expect(200).json()["data"].as_array().unwrap().clone()
}

#[test]
fn sessions_are_listed_and_ended_at_once() {
    let server = TestServer::start();
    let person = Person::owner(&server, &server.account());
    let first = person.client(&server).with_header("User-Agent", "Mosaic");
    let body = json!({"email": person.email, "password": PASSWORD});
    let named = page(&server).with_header("User-Agent", &format!("Browser {}", "x".repeat(300)));
    let second = Person::of(&named.post(SIGN_IN, &body).expect(201)).client(&server);
    let sessions = list(&second);
    assert_eq!(sessions.len(), 2);
    let current: Vec<_> = sessions.iter().map(|session| &session["current"]).collect();
    assert_eq!(current, [&json!(true), &json!(false)]);
    assert_eq!(
        (text(&sessions[0], "address"), text(&sessions[0], "user_agent").len()),
        ("127.0.0.1", 200)
    );
    first.get("/v1/jobs").expect(200);
    let path = |session: &Value| format!("{SESSIONS}/{}", text(session, "id"));
    second.delete(&path(&sessions[1])).expect(204);
    refused(&first.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    refused(&second.delete(&path(&sessions[1])), 404, "NOT_FOUND");
    // Nobody ends another's.
    let stranger = Person::owner(&server, &server.account()).client(&server);
    refused(&stranger.delete(&path(&sessions[0])), 404, "NOT_FOUND");
    second.delete(&path(&sessions[0])).expect(204);
    refused(&second.get(SESSIONS), 401, "UNAUTHENTICATED");
}

#[test]
fn a_person_has_so_many_sessions() {
    let server = TestServer::start();
    let person = Person::owner(&server, &server.account());
    let mut newest = person.client(&server);
    for _ in 0..20 {
        newest = person.sign_in(&server);
    }
    assert_eq!(list(&newest).len(), 20);
    refused(&person.client(&server).get(SESSIONS), 401, "UNAUTHENTICATED");
}

#[test]
fn a_session_ends_when_it_is_idle_and_in_any_case() {
    let ambient = Ambient::manual(Timestamp::from_millis(1_700_000_000_000), 7);
    let server = TestServer::builder()
        .clock(&ambient)
        .config(|config| {
            config.dashboard.session_ttl = Duration::from_hours(2);
            config.dashboard.session_max = Duration::from_hours(5);
        })
        .start();
    let person = Person::owner(&server, &server.account());
    let client = person.client(&server);
    let seen = || text(&list(&client)[0], "last_seen_at").to_owned();
    for hours in 1..5 {
        ambient.advance(Duration::from_hours(1));
        assert_eq!(client.get(SESSION).expect(200).json()["signed_in"], true, "{hours}");
        let now = ambient.now().to_string();
        eventually("it is noted that it is used", || Some(()).filter(|()| seen() == now));
    }
    ambient.advance(Duration::from_hours(1));
    refused(&client.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    let client = person.sign_in(&server);
    ambient.advance(Duration::from_hours(2));
    refused(&client.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    // Maintenance removes what is over.
    eventually("what is over is removed", || {
        let sql = "select count(*) from dashboard_session";
        let left: i64 = server.outside().query_row(sql, [], |row| row.get(0)).unwrap();
        Some(()).filter(|()| left == 0)
    });
}

#[test]
fn a_new_password_ends_the_other_sessions() {
    let server = TestServer::start();
    let person = Person::owner(&server, &server.account());
    let (first, second) = (person.client(&server), person.sign_in(&server));
    let change = |client: &Client, current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        client.post("/dashboard/api/password", &body)
    };
    let wrong = change(&first, "wrong password", "another horse");
    assert_eq!(refused(&wrong, 400, "INVALID_REQUEST")["param"], "current_password");
    let short = change(&first, PASSWORD, "short");
    assert_eq!(refused(&short, 400, "INVALID_REQUEST")["param"], "new_password");
    second.get("/v1/jobs").expect(200);
    let changed = change(&first, PASSWORD, "another horse").expect(204);
    refused(&second.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    refused(&first.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    let first = page(&server).with_header("Cookie", &cookie(&changed));
    first.get("/v1/jobs").expect(200);
    let body = json!({"email": person.email, "password": PASSWORD});
    refused(&page(&server).post(SIGN_IN, &body), 401, "UNAUTHENTICATED");
}

#[test]
fn each_person_has_a_limit_of_requests() {
    let server = TestServer::builder()
        .config(|config| config.dashboard.rate_limit = "3,24h".parse().unwrap())
        .start();
    let account = server.account();
    let person = Person::owner(&server, &account);
    // Two browsers of one person share it.
    for client in [person.client(&server), person.sign_in(&server), person.client(&server)] {
        client.get("/v1/jobs").expect(200);
    }
    let refusal = person.client(&server).get("/v1/jobs");
    refused(&refusal, 429, "RATE_LIMIT");
    assert_eq!(refusal.header("ratelimit-limit"), Some("3"));
    Person::owner(&server, &account).client(&server).get("/v1/jobs").expect(200);
}

#[test]
fn the_log_of_requests_shows_no_token() {
    let server = TestServer::start();
    let account = server.account();
    let person = Person::owner(&server, &account);
    let secret = person.cookie.strip_prefix("skai_session=").unwrap();
    let client = person.client(&server).with_header("User-Agent", &format!("me {secret}"));
    refused(&client.get(&format!("/v1/jobs/{secret}")), 404, "NOT_FOUND");
    let logged = eventually("the request is in the log", || {
        let log = client.get("/v1/logs?limit=100").expect(200).text().to_owned();
        Some(log).filter(|log| log.contains("/v1/jobs/"))
    });
    assert!(!logged.contains(&secret[3..]) && logged.contains("dashboard-"), "{logged}");
}
