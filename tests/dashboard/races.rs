//! What happens at once, and what goes on after its maker left.

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{ambient::Ambient, domain::Timestamp};

use super::{SIGN_IN, USERS, text};
use crate::{
    api::conventions::refused,
    support::{
        Client, Provider, eventually,
        people::{PASSWORD, Person, page},
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
