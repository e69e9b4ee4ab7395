//! What happens at once, and what goes on after its maker left.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    app::sign_in::{self, PasswordChange},
    domain::{ErrorKind, Secret, Timestamp},
};

use super::{SIGN_IN, USERS, text};
use crate::{
    api::conventions::refused,
    support::{
        Client, LIMIT, Provider, eventually,
        people::{PASSWORD, Person, page, token},
        server::TestServer,
    },
};

fn of(person: &Person) -> String {
    format!("{USERS}/{}", text(&person.session["user"], "id"))
}

#[test]
fn of_two_owners_who_remove_each_other_one_stays() {
    let server = TestServer::start();
    for _ in 0..5 {
        let account = server.account();
        let [a, b] = [(); 2].map(|()| Person::owner(&server, &account));
        let deeds = [(a.client(&server), of(&b)), (b.client(&server), of(&a))];
        let statuses = std::thread::scope(|scope| {
            let both = deeds.map(|(client, path)| scope.spawn(move || client.delete(&path).status));
            let mut statuses = both.map(|one| one.join().unwrap());
            statuses.sort_unstable();
            statuses
        });
        assert!(statuses[0] == 204 && [401, 404, 409].contains(&statuses[1]), "{statuses:?}");
        assert_eq!(account.list(USERS).len(), 1);
    }
}

#[test]
fn nobody_comes_in_by_the_password_of_before() {
    let server = TestServer::start();
    let account = server.account();
    for _ in 0..5 {
        let person = Person::owner(&server, &account);
        let (client, stranger) = (person.client(&server), page(&server));
        let body = &json!({"current_password": PASSWORD, "new_password": "another horse"});
        let old = &json!({"email": person.email, "password": PASSWORD});
        let begun = std::thread::scope(|scope| {
            let change = scope.spawn(move || client.post("/dashboard/api/password", body));
            let sign_in = scope.spawn(move || stranger.post(SIGN_IN, old));
            change.join().unwrap().expect(204);
            sign_in.join().unwrap()
        });
        assert!([201, 401, 409].contains(&begun.status), "{}", begun.text());
        if begun.status == 201 {
            // It came before the change, which ended it.
            refused(&Person::of(&begun).client(&server).get("/v1/jobs"), 401, "UNAUTHENTICATED");
        }
        refused(&page(&server).post(SIGN_IN, old), 401, "UNAUTHENTICATED");
    }
}

/// A request whose sender was let in, and whose body is still to come.
struct Held(TcpStream);

const PROJECT: &str = r#"{"name": "kept"}"#;

impl Held {
    fn begin(server: &TestServer, header: &str) -> Self {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let length = PROJECT.len();
        let head = format!(
            "POST /v1/projects HTTP/1.1\r\nHost: h\r\n{header}\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\
             Expect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut said = [0; 25];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self(stream)
    }

    /// Sends it; gives the status.
    fn end(mut self) -> u16 {
        self.0.write_all(PROJECT.as_bytes()).unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn whoever_is_out_before_their_body_is_there_is_refused() {
    let server = TestServer::start();
    let (account, other) = (server.account(), server.account());
    let cases = ["removed", "elsewhere", "demoted", "raised", "signed out", "stays"];
    let people = cases.map(|what| {
        let person = Person::member(&server, &account, "admin");
        if what == "elsewhere" {
            let body = json!({"email": person.email, "role": "admin"});
            let invited = other.client.post(USERS, &body).expect(201).json();
            Person::accept(&server, &token(&invited["invite_url"]), &json!({}));
        }
        let held = Held::begin(&server, &format!("Cookie: {}", person.cookie));
        (what, person, held)
    });
    let scopes = json!(["keys:write", "jobs:read"]);
    let made = json!({"name": "made", "scopes": scopes});
    let made = account.client.post("/v1/api-keys", &made).expect(201).json();
    let bearer = format!("Authorization: Bearer {}", text(&made, "key"));
    let by_key = Held::begin(&server, &bearer);
    account.client.delete(&format!("/v1/api-keys/{}", text(&made, "id"))).expect(204);
    assert_eq!(by_key.end(), 401);
    for (what, person, held) in people {
        let expected = match what {
            "removed" => {
                account.client.delete(&of(&person)).expect(204);
                401
            }
            "demoted" => {
                let body = json!({"role": "developer"});
                account.client.patch(&of(&person), &body).expect(200);
                403
            }
            // They may still, in an account that they did not mean.
            "elsewhere" => {
                account.client.delete(&of(&person)).expect(204);
                503
            }
            "raised" => {
                let body = json!({"role": "owner"});
                account.client.patch(&of(&person), &body).expect(200);
                503
            }
            "signed out" => {
                person.client(&server).post("/dashboard/api/sign-out", &json!({})).expect(204);
                401
            }
            _ => 201,
        };
        assert_eq!(held.end(), expected, "{what}");
    }
    let kept = account.list("/v1/projects").into_iter().filter(|one| one["name"] == "kept");
    assert_eq!(kept.count(), 1);
    assert_eq!(other.list("/v1/projects").len(), 1);
}

#[test]
fn nobody_is_looked_up_twice_where_nothing_changed() {
    let server = TestServer::start();
    let account = server.account();
    account.client.get("/v1/jobs").expect(200);
    let app = server.app();
    let before = app.auth.uses();
    for _ in 0..10 {
        account.client.post("/v1/api-keys", &json!({})).expect(400);
    }
    let bearer = format!("Authorization: {}", account.client.authorization());
    assert_eq!(Held::begin(&server, &bearer).end(), 201);
    let after = app.auth.uses();
    assert_eq!((after.hits - before.hits, after.misses - before.misses), (11, 0));
}

#[test]
fn a_session_that_was_ended_changes_no_password() {
    let server = TestServer::start();
    let person = Person::owner(&server, &server.account());
    let app = server.app();
    let token = person.cookie.split_once('=').unwrap().1;
    let user = app.auth.open_session(token, None).unwrap().user.clone().unwrap();
    sign_in::end_session(&app, &user, user.session).wait().unwrap();
    let [current_password, new_password] =
        [PASSWORD, "another horse"].map(|password| Secret::new(password.to_owned()));
    let change = PasswordChange { current_password, new_password };
    let refusal = sign_in::change_password(&app, &user, &change).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Unauthenticated);
    person.sign_in(&server);
}

#[test]
fn a_form_of_another_site_is_no_request() {
    let server = TestServer::start();
    let person = Person::owner(&server, &server.account());
    let body = br#"{"name": "theirs", "scopes": ["*"]}"#;
    let plain = ("Content-Type", "text/plain");
    let with = |client: &Client, more: &[(&str, &str)]| {
        let headers: Vec<_> = more.iter().copied().chain([plain]).collect();
        client.send("POST", "/v1/api-keys", &headers, Some(body))
    };
    let client = server.client().with_header("Cookie", &person.cookie);
    refused(&with(&client, &[]), 403, "INSUFFICIENT_SCOPE");
    let own = [("Sec-Fetch-Site", "same-origin")];
    refused(&with(&client, &own), 415, "UNSUPPORTED_MEDIA_TYPE");
}

#[test]
fn a_schedule_goes_on_after_its_maker_and_the_project_pays() {
    let ambient = Ambient::manual(Timestamp::from_millis(1_700_000_000_000), 7);
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).clock(&ambient).start();
    let account = server.account();
    let maker = Person::member(&server, &account, "developer");
    let client = maker.client(&server);
    let message = json!({"role": "user", "content": "Hello"});
    let agent = json!({"name": "greeter", "model": "m", "max_tokens": 20, "messages": [message]});
    client.post("/v1/agents", &agent).expect(201);
    let function = json!({"kind": "agent", "agent": "greeter"});
    client.put("/v1/functions/f", &function).expect(200);
    let schedule = json!({"name": "hourly", "cron": "0 * * * *", "function_name": "f"});
    client.post("/v1/schedules", &schedule).expect(201);
    account.client.delete(&of(&maker)).expect(204);
    refused(&client.get("/v1/jobs"), 401, "UNAUTHENTICATED");
    ambient.advance(Duration::from_hours(1));
    let job = eventually("the schedule ran", || {
        account.list("/v1/jobs").into_iter().find(|job| job["status"] == "succeeded")
    });
    let me: Value = account.client.get("/v1/me").expect(200).json();
    assert_eq!(me["limits"]["project_credits"]["spent"], job["credits"]["charged"]);
}
