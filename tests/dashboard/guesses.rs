//! Guessing at passwords and tokens, what it costs others, and what a password is stored as.

use serde_json::json;
use skai_server::domain::{ApiKey, Environment};

use super::{OPEN, SESSION, SESSIONS, SIGN_IN};
use crate::{
    api::conventions::refused,
    support::{
        Client,
        client::Reply,
        people::{PASSWORD, Person, cookie, page},
        server::TestServer,
    },
};

const PROXIED: &str = "X-Forwarded-For";

fn server() -> TestServer {
    TestServer::builder()
        .config(|config| {
            config.auth.failed_attempts = "3,24h".parse().unwrap();
            config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .start()
}

fn attempt(client: &Client, email: &str, password: &str) -> Reply {
    client.post(SIGN_IN, &json!({"email": email, "password": password}))
}

fn change(client: &Client, current: &str, new: &str) -> Reply {
    let body = json!({"current_password": current, "new_password": new});
    client.post("/dashboard/api/password", &body)
}

#[test]
fn who_guesses_keeps_nobody_else_out() {
    let server = server();
    let account = server.account();
    let (victim, neighbour) = (Person::owner(&server, &account), Person::owner(&server, &account));
    let guesser = page(&server).with_header(PROXIED, "203.0.113.7");
    for _ in 0..3 {
        refused(&attempt(&guesser, &victim.email, "wrong password"), 401, "UNAUTHENTICATED");
    }
    refused(&attempt(&guesser, &victim.email, PASSWORD), 429, "RATE_LIMIT");
    attempt(&guesser, &neighbour.email, PASSWORD).expect(201);
    attempt(&page(&server), &victim.email, PASSWORD).expect(201);
    // Who is in proves their password whatever others failed at, and guesses at it no more often.
    let client = victim.client(&server).with_header(PROXIED, "203.0.113.7");
    for _ in 0..3 {
        refused(&change(&client, "wrong password", PASSWORD), 400, "INVALID_REQUEST");
    }
    refused(&change(&client, PASSWORD, PASSWORD), 429, "RATE_LIMIT");
    let elsewhere = victim.sign_in(&server);
    change(&elsewhere, PASSWORD, PASSWORD).expect(204);
}

#[test]
fn right_passwords_are_limited_too() {
    let server = server();
    let account = server.account();
    let (viewer, neighbour) =
        (Person::member(&server, &account, "viewer"), Person::owner(&server, &account));
    for _ in 0..3 {
        attempt(&page(&server), &viewer.email, PASSWORD).expect(201);
    }
    refused(&attempt(&page(&server), &viewer.email, PASSWORD), 429, "RATE_LIMIT");
    attempt(&page(&server), &neighbour.email, PASSWORD).expect(201);
    // Who changes their password is who they were: their session is.
    let mut client = neighbour.client(&server);
    for _ in 0..3 {
        let changed = change(&client, PASSWORD, PASSWORD).expect(204);
        client = page(&server).with_header("Cookie", &cookie(&changed));
    }
    refused(&change(&client, PASSWORD, PASSWORD), 429, "RATE_LIMIT");
}

#[test]
fn an_address_and_an_e_mail_have_a_cap_of_their_own() {
    let server = server();
    let person = Person::owner(&server, &server.account());
    let from = |number: usize| page(&server).with_header(PROXIED, &format!("203.0.113.{number}"));
    for number in 0..30 {
        let email = format!("{number}@x");
        refused(&attempt(&from(200), &email, PASSWORD), 401, "UNAUTHENTICATED");
        refused(&attempt(&from(number), &person.email, "wrong"), 401, "UNAUTHENTICATED");
    }
    refused(&attempt(&from(200), "more@x", PASSWORD), 429, "RATE_LIMIT");
    refused(&attempt(&from(201), &person.email, PASSWORD), 429, "RATE_LIMIT");
    attempt(&from(201), "more@x", PASSWORD).expect(401);
}

#[test]
fn nobody_keeps_a_person_out_of_where_they_were_in() {
    let server = server();
    let person = Person::owner(&server, &server.account());
    let from = |address: &str| page(&server).with_header(PROXIED, address);
    let home = from("2001:db8:1:2::1");
    attempt(&home, &person.email, PASSWORD).expect(201);
    // One who has a /48 is one.
    for number in 0..3 {
        let guesser = from(&format!("2001:db8:2:{number}::1"));
        refused(&attempt(&guesser, &person.email, "wrong"), 401, "UNAUTHENTICATED");
    }
    refused(&attempt(&from("2001:db8:2:9::1"), &person.email, PASSWORD), 429, "RATE_LIMIT");
    for number in 0..27 {
        let guesser = from(&format!("203.0.113.{number}"));
        refused(&attempt(&guesser, &person.email, "wrong"), 401, "UNAUTHENTICATED");
    }
    refused(&attempt(&from("2001:db8:3::1"), &person.email, PASSWORD), 429, "RATE_LIMIT");
    attempt(&home, &person.email, PASSWORD).expect(201);
}

#[test]
fn cookies_that_are_nobodys_keep_nobody_out() {
    let server = server();
    let person = Person::owner(&server, &server.account());
    let with = |cookie: &str| page(&server).with_header("Cookie", cookie);
    let guess = |number: usize| with(&format!("skai_session=ss_{number:043}"));
    for number in 0..4 {
        refused(&guess(number).get("/v1/jobs"), 401, "UNAUTHENTICATED");
    }
    // A key that is none any more may come from the same office, again and again.
    let revoked = ApiKey::generate(Environment::Live, &[1; 32]);
    let script = server.client().with_key(revoked.text().expose());
    for status in [401, 401, 401, 429] {
        script.get("/v1/jobs").expect(status);
    }
    let stale = guess(5).get(SESSION).expect(200);
    assert_eq!(stale.json()["signed_in"], false);
    assert!(stale.header("set-cookie").is_some(), "it is taken away");
    refused(&with("skai_session=x").get("/v1/jobs"), 401, "UNAUTHENTICATED");
    person.client(&server).get("/v1/jobs").expect(200);
}

#[test]
fn what_a_person_may_not_counts_as_their_requests() {
    let limited = || {
        TestServer::builder()
            .config(|config| config.dashboard.rate_limit = "3,24h".parse().unwrap())
            .start()
    };
    let server = limited();
    let (mine, theirs) = (server.account(), server.account());
    let foreign = theirs.client.get("/v1/me").expect(200).json()["project"]["id"].clone();
    let stranger = Person::owner(&server, &mine).client(&server);
    let stranger = stranger.with_header("Skai-Project", foreign.as_str().unwrap());
    for _ in 0..3 {
        refused(&stranger.get("/v1/jobs"), 404, "NOT_FOUND");
    }
    refused(&stranger.get("/v1/jobs"), 429, "RATE_LIMIT");
    let tenant = Person::owner(&server, &mine).client(&server);
    for _ in 0..3 {
        refused(&tenant.get("/admin/v1/accounts"), 403, "INSUFFICIENT_SCOPE");
    }
    refused(&tenant.get("/admin/v1/accounts"), 429, "RATE_LIMIT");
    let looker = Person::owner(&server, &mine).client(&server);
    for _ in 0..3 {
        looker.get(SESSION).expect(200);
    }
    let refusal = looker.get(SESSION);
    refused(&refusal, 429, "RATE_LIMIT");
    assert!(refusal.header("retry-after").is_some());
    // One request is one, also where it is answered for another project than they asked for.
    let elsewhere = Person::owner(&server, &mine).client(&server);
    let elsewhere = elsewhere.with_header("Skai-Project", foreign.as_str().unwrap());
    for _ in 0..3 {
        elsewhere.get(SESSION).expect(200);
    }
    refused(&elsewhere.get(SESSION), 429, "RATE_LIMIT");
    // Nobody is nobody's limit.
    for _ in 0..4 {
        page(&server).get(SESSION).expect(200);
        page(&server).post(OPEN, &json!({"token": "sl_"})).expect(404);
    }
}

#[test]
fn a_password_that_was_cheap_to_hash_is_hashed_anew_at_the_next_sign_in() {
    let server = TestServer::start();
    let person = Person::owner(&server, &server.account());
    let stored = |server: &TestServer| -> (String, i64) {
        let sql = "select password_hash, (select count(*) from audit_entry where action = 'user.password_changed')
                   from person";
        server.outside().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let (before, told) = stored(&server);
    assert!(before.contains("m=8,t=1,p=1"), "{before}");
    person.sign_in(&server);
    assert_eq!(stored(&server).0, before);
    let server = server.restart_with(|config| config.dashboard.argon2_passes = 2);
    person.sign_in(&server);
    let (after, told_after) = stored(&server);
    assert!(after.contains("m=8,t=2,p=1"), "{after}");
    assert_eq!(told_after, told, "it is the same password");
    // Nor does it end a session.
    person.client(&server).get("/v1/jobs").expect(200);
    person.sign_in(&server);
    assert_eq!(stored(&server).0, after);
}

#[test]
fn a_cookie_is_replaced_where_it_was_and_goes_by_https_where_people_do() {
    let server = TestServer::builder()
        .config(|config| config.dashboard.public_url = "https://ai.example.com".to_owned())
        .start();
    let person = Person::owner(&server, &server.account());
    let first = person.client(&server);
    let begun = attempt(&first, &person.email, PASSWORD).expect(201);
    assert!(begun.header("set-cookie").unwrap().ends_with("; SameSite=Strict; Secure"));
    refused(&first.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    let second = Person::of(&begun).client(&server);
    let sessions = second.get(SESSIONS).expect(200).json();
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
    // A new password comes with a new token.
    let changed = change(&second, PASSWORD, PASSWORD).expect(204);
    refused(&second.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    let third = page(&server).with_header("Cookie", &cookie(&changed));
    let session = third.get(SESSION).expect(200).json();
    assert_eq!(session["id"], begun.json()["id"]);
}
