//! What is told of people: who lets them in, what they may do, how they come; and that they are named by their address.

use std::sync::Arc;

use serde_json::{Value, json};
use skai_server::{
    app::members::{self, MemberRequest},
    domain::MemberRole,
    observe::origin::{self, Origin},
};

use super::{ALL, By, LOG, World, change, changes::CANARY, text};
use crate::support::{
    Client,
    people::{Person, cookie, page, token},
    server::Account,
};

const USERS: &str = "/v1/users";
const ANN: &str = "Ann@Example.com";
const ACCEPT: (&str, &str) = ("POST", "/dashboard/api/links/accept");
const SIGN_IN: (&str, &str) = ("POST", "/dashboard/api/sign-in");

/// A password that the log must not have.
fn password(n: u8) -> String {
    format!("{CANARY} {n} is long")
}

/// Who did it, where that is the person of this id and address.
fn by(id: &Value, email: &str) -> Value {
    json!({"kind": "user", "id": id, "name": email})
}

fn one(id: &Value) -> String {
    format!("{USERS}/{}", text(id))
}

/// Invites Ann by the account's key, again by a new link, and gives her another role.
pub(super) fn members(world: &mut World, secrets: &mut Vec<String>) {
    let body = json!({"email": ANN, "role": "developer"});
    let (ann, told) =
        world.step(By::Key, "createUser", ("POST", USERS), Some(body.clone()), &["user.invited"]);
    assert_eq!(change(&told[0]), (&Value::Null, &body));
    assert_eq!(told[0]["target"], json!({"object": "user", "id": ann["id"], "name": ANN}));
    assert_eq!(told[0]["account_id"], json!(world.account.id));
    secrets.push(token(&ann["invite_url"]));

    let (path, body) = (one(&ann["id"]), json!({"role": "admin"}));
    let of = ("PATCH", &*path);
    let (_, told) =
        world.step(By::Key, "updateUser", of, Some(body.clone()), &["user.role_changed"]);
    assert_eq!(change(&told[0]), (&json!({"role": "developer"}), &body));
    world.step(By::Key, "updateUser", of, Some(body), &[]);

    // Another role made the first link void.
    let invite = format!("{}/invite", one(&ann["id"]));
    let of = ("POST", &*invite);
    let (link, told) = world.step(By::Key, "inviteUser", of, Some(json!({})), &["user.link_made"]);
    assert_eq!(change(&told[0]), (&Value::Null, &json!({"purpose": "invite"})));
    assert_eq!(told[0]["target"], json!({"object": "user", "id": ann["id"], "name": ANN}));
    assert_eq!(told[0]["account_id"], json!(world.account.id));
    secrets.push(token(&link["invite_url"]));
}

/// Ann comes by the last link, acts, forgets her password, and leaves.
pub(super) fn browsers(world: &mut World, secrets: &mut Vec<String>) {
    let browser = page(&world.server).with_header("User-Agent", "Mosaic");
    let link = json!({"token": secrets.last().unwrap()});
    let open = ("POST", "/dashboard/api/links/open");
    world.ask(&browser, "openSignInLink", open, Some(&link), &[]);
    let body = json!({"token": link["token"], "password": password(1)});
    let actions = ["user.password_changed", "user.joined", "user.signed_in"];
    // The key by which the account pays for what she does is made now, and is not told.
    let ann = comes(world, secrets, ("acceptSignInLink", ACCEPT), (&body, &actions));
    let body = json!({"email": ANN, "password": password(1)});
    let second = comes(world, secrets, ("signIn", SIGN_IN), (&body, &["user.signed_in"]));
    acts(world, &ann);

    // Somebody else makes her a link: that is the account's to know.
    let invite = format!("{}/invite", one(&ann.session["user"]["id"]));
    let of = ("POST", &*invite);
    let (link, told) = world.step(By::Key, "inviteUser", of, Some(json!({})), &["user.link_made"]);
    assert_eq!(told[0]["after"], json!({"purpose": "reset"}));
    assert_eq!(told[0]["account_id"], json!(world.account.id));
    secrets.push(token(&link["invite_url"]));
    let body = json!({"token": secrets.last().unwrap(), "password": password(2)});
    let actions =
        ["user.session_ended", "user.session_ended", "user.password_changed", "user.signed_in"];
    let third = comes(world, secrets, ("acceptSignInLink", ACCEPT), (&body, &actions));
    second.client(&world.server).get("/v1/jobs").expect(401);

    let body = json!({"current_password": password(2), "new_password": password(3)});
    let (client, of) = (third.client(&world.server), ("POST", "/dashboard/api/password"));
    let (reply, told) =
        world.ask(&client, "changePassword", of, Some(&body), &["user.password_changed"]);
    world.done.insert("changePassword");
    assert_eq!(told[0]["actor"], by(&third.session["user"]["id"], ANN));
    assert_eq!(told[0]["account_id"], json!(world.account.id));
    assert_eq!(change(&told[0]), (&Value::Null, &Value::Null));
    let third = Person { cookie: cookie(&reply), ..third };
    leaves(world, secrets, &third.client(&world.server));
    sees_it(world, &third.session["user"]["id"]);
}

/// Ann comes with a new browser: all of it is told as hers.
fn comes(
    world: &mut World,
    secrets: &mut Vec<String>,
    (operation, of): (&'static str, (&str, &str)),
    (body, actions): (&Value, &[&str]),
) -> Person {
    let browser = page(&world.server).with_header("User-Agent", "Mosaic");
    let (reply, told) = world.ask(&browser, operation, of, Some(body), actions);
    world.done.insert(operation);
    let ann = Person::of(&reply);
    let id = &ann.session["user"]["id"];
    for entry in &told {
        assert_eq!(entry["actor"], by(id, ANN), "{entry}");
        assert_eq!(entry["target"], json!({"object": "user", "id": id, "name": ANN}));
        let (what, of) = match entry["action"].as_str().unwrap() {
            "user.joined" => (
                (json!({"status": "invited"}), json!({"status": "active"})),
                json!(world.account.id),
            ),
            "user.signed_in" => {
                ((Value::Null, json!({"user_agent": "Mosaic"})), json!(world.account.id))
            }
            "user.session_ended" => {
                ((json!({"user_agent": "Mosaic"}), Value::Null), json!(world.account.id))
            }
            // With the first password she is not yet a member.
            _ => {
                let is_first = actions.contains(&"user.joined");
                let account = if is_first { Value::Null } else { json!(world.account.id) };
                ((Value::Null, Value::Null), account)
            }
        };
        assert_eq!((change(entry), &entry["account_id"]), ((&what.0, &what.1), &of), "{entry}");
    }
    secrets.push(cookie(&reply).strip_prefix("skai_session=").unwrap().to_owned());
    ann
}

/// What Ann does for the account is hers, by whatever route.
fn acts(world: &mut World, ann: &Person) {
    let (client, id) = (ann.client(&world.server), &ann.session["user"]["id"]);
    let body = json!({"name": "anns"});
    let of = ("POST", "/v1/projects");
    let (_, told) = world.ask(&client, "createProject", of, Some(&body), &["project.created"]);
    assert_eq!(told[0]["actor"], by(id, ANN));
    let body = json!({"email": "bob@example.com", "role": "viewer"});
    let of = ("POST", USERS);
    let (bob, told) = world.ask(&client, "createUser", of, Some(&body), &["user.invited"]);
    assert_eq!(told[0]["actor"], by(id, ANN));
    let path = one(&bob.json()["id"]);
    let actions = ["user.removed", "user.forgotten"];
    let (_, told) = world.ask(&client, "removeUser", ("DELETE", &path), None, &actions);
    world.done.insert("removeUser");
    assert_eq!(change(&told[0]), (&body, &Value::Null));
    for entry in &told {
        assert_eq!(entry["target"]["name"], "bob@example.com");
        assert_eq!(entry["actor"], by(id, ANN));
    }
    assert_eq!(told[1]["account_id"], Value::Null);
}

/// A refused try is in no log but that of requests; a session that she ends and one that she leaves are in this.
fn leaves(world: &mut World, secrets: &mut Vec<String>, client: &Client) {
    let before = world.all("").len();
    let wrong = json!({"email": ANN, "password": password(1)});
    page(&world.server).post(SIGN_IN.1, &wrong).expect(401);
    assert_eq!(world.all("").len(), before);
    let body = json!({"email": ANN, "password": password(3)});
    let other = comes(world, secrets, ("signIn", SIGN_IN), (&body, &["user.signed_in"]));
    let path = format!("/dashboard/api/sessions/{}", text(&other.session["id"]));
    for (operation, of) in [
        ("endDashboardSession", ("DELETE", &*path)),
        ("signOut", ("POST", "/dashboard/api/sign-out")),
    ] {
        let (_, told) = world.ask(client, operation, of, None, &["user.session_ended"]);
        world.done.insert(operation);
        assert_eq!(told[0]["actor"], by(&other.session["user"]["id"], ANN));
        assert_eq!(change(&told[0]), (&json!({"user_agent": "Mosaic"}), &Value::Null));
        assert_eq!(told[0]["account_id"], json!(world.account.id));
    }
}

/// The account sees all that its member does but what came before she was one, or is the server's.
fn sees_it(world: &World, ann: &Value) {
    let own = world.account.list(&format!("{LOG}?limit=100&actor={}", text(ann)));
    let told: Vec<_> = own.iter().map(|entry| text(&entry["action"])).collect();
    let [came, ended, changed] = ["user.signed_in", "user.session_ended", "user.password_changed"];
    let left = [ended, ended, came, changed, came, changed, ended, ended];
    let acted = ["user.removed", "user.invited", "project.created", came, came, "user.joined"];
    assert_eq!(told, [&left[..], &acted].concat());
    assert!(own.iter().all(|entry| entry["actor"] == by(ann, ANN)), "{own:?}");
    let all = world.all(&format!("&actor={}", text(ann)));
    assert!(all.len() > own.len() && all.iter().all(|entry| entry["actor"] == by(ann, ANN)));
    let keys = world.all("&target=api_key");
    assert!(keys.iter().all(|entry| entry["target"]["name"] != "Dashboard"), "{keys:?}");
}

#[test]
fn the_first_person_is_told_of_and_then_named_as_the_operator() {
    let mut world = World::new();
    let link = skai_server::app::sign_in::new_setup_link(&world.server.app()).unwrap().unwrap();
    let body = json!({"token": link.expose(), "password": password(1), "email": ANN});
    let actions = [
        "user.invited",
        "user.operator_changed",
        "user.password_changed",
        "user.joined",
        "user.signed_in",
    ];
    let browser = page(&world.server);
    let (reply, told) = world.ask(&browser, "acceptSignInLink", ACCEPT, Some(&body), &actions);
    let ann = Person::of(&reply);
    let id = &ann.session["user"]["id"];
    assert_eq!(change(&told[1]), (&json!({"is_operator": false}), &json!({"is_operator": true})));
    assert!(told.iter().all(|entry| entry["actor"] == by(id, ANN)), "{told:?}");

    let path = format!("/admin/v1/accounts/{}", world.account.id);
    let (client, body) = (ann.client(&world.server), json!({"name": "renamed"}));
    let of = ("PATCH", &*path);
    let (_, told) = world.ask(&client, "updateAccount", of, Some(&body), &["account.updated"]);
    let operator = json!({"kind": "operator", "id": id, "name": ANN});
    assert_eq!(told[0]["actor"], operator);
    let own = world.account.list(&format!("{LOG}?action=account.updated"));
    let hidden = json!({"kind": "operator", "id": null, "name": null});
    assert_eq!((&own[0]["actor"], &own[0]["address"]), (&hidden, &Value::Null));
    // As whom she looks makes no difference.
    let all = client.get(&format!("{ALL}?limit=1")).expect(200).json();
    assert_eq!(all["data"][0]["actor"], operator);
}

/// Whoever runs the command is known by nothing but that; no account is told.
#[test]
fn a_link_that_makes_an_operator_is_told_of() {
    let world = World::new();
    let (app, account) = (world.server.app(), world.account.id.parse().unwrap());
    let new = MemberRequest { email: ANN.to_owned(), role: MemberRole::Viewer };
    let commands: [&dyn Fn(); 2] = [
        &|| drop(members::create_by_operator(&app, account, new.clone(), true, "").unwrap()),
        &|| drop(members::promote(&app, ANN, "").unwrap()),
    ];
    let path = format!("{LOG}?action=user.operator_link_made");
    for (n, command) in commands.into_iter().enumerate() {
        origin::within(Some(Arc::new(Origin::operator())), command);
        let told = world.all("&action=user.operator_link_made");
        assert_eq!(told.len(), n + 1);
        assert_eq!(told[0]["actor"]["kind"], "operator");
        assert_eq!(told[0]["target"]["name"], ANN);
        assert_eq!(change(&told[0]), (&Value::Null, &json!({"purpose": "invite"})));
        assert!(world.account.list(&path).is_empty());
    }
}

/// Each account sees what concerns its member, once.
#[test]
fn a_member_of_two_accounts_is_told_of_to_both() {
    let world = World::new();
    let other = world.server.account();
    let body = json!({"email": ANN, "role": "viewer"});
    let [first, second] = [&world.account, &other].map(|account| {
        let invited = account.client.post(USERS, &body).expect(201).json();
        token(&invited["invite_url"])
    });
    let browser = page(&world.server);
    for link in [first, second] {
        let body = json!({"token": link, "password": password(1)});
        browser.post(ACCEPT.1, &body).expect(201);
    }
    let body = json!({"email": ANN, "password": password(1)});
    let ann = Person::of(&browser.post(SIGN_IN.1, &body).expect(201));
    let body = json!({"current_password": password(1), "new_password": password(2)});
    let changed = ann.client(&world.server).post("/dashboard/api/password", &body).expect(204);
    let ann = Person { cookie: cookie(&changed), ..ann };
    ann.client(&world.server).post("/dashboard/api/sign-out", &json!({})).expect(204);
    let count = |account: &Account, action: &str| {
        account.list(&format!("{LOG}?action={action}&limit=100")).len()
    };
    let told = ["user.signed_in", "user.password_changed", "user.session_ended"];
    // The first account saw her come before the second had her.
    assert_eq!(told.map(|action| count(&world.account, action)), [3, 1, 3]);
    assert_eq!(told.map(|action| count(&other, action)), [2, 1, 3]);
    // The first password was set before she was a member of any.
    let all = world.all("&action=user.password_changed");
    let nobodys = all.iter().filter(|entry| entry["account_id"].is_null()).count();
    assert_eq!((all.len(), nobodys), (3, 1));
}

/// A person whom this account and another have, and the link that lets them in was made by who may act here alone.
#[test]
fn an_account_is_not_told_of_a_stranger_who_made_a_link() {
    let world = World::new();
    let other = world.server.account();
    let link = skai_server::app::sign_in::new_setup_link(&world.server.app()).unwrap().unwrap();
    let body = json!({"email": "op@example.com"});
    let operator = Person::accept(&world.server, link.expose(), &body);
    let ann = in_both(&world, &other);
    let id = &ann.session["user"]["id"];
    let path = format!("{}/invite", one(id));
    operator.client(&world.server).post(&path, &json!({})).expect(201);
    let told = |entry: &Value| (entry["actor"].clone(), entry["address"].clone());
    let made = |account: &Account| told(&account.list(&format!("{LOG}?action=user.link_made"))[0]);
    let operator_id = &operator.session["user"]["id"];
    assert_eq!(made(&world.account), (by(operator_id, "op@example.com"), json!("127.0.0.1")));
    let hidden = json!({"kind": "operator", "id": null, "name": null});
    assert_eq!(made(&other), (hidden, Value::Null));
    // The operators' own log has who it was.
    let all = world.all(&format!("&action=user.link_made&account_id={}", other.id));
    let who = json!({"kind": "operator", "id": operator_id, "name": "op@example.com"});
    assert_eq!(told(&all[0]), (who, json!("127.0.0.1")));
}

/// Whoever takes a link in a browser where somebody else was in ends their session.
#[test]
fn an_account_is_not_told_of_a_stranger_who_took_a_members_browser() {
    let world = World::new();
    let other = world.server.account();
    let before = Person::member(&world.server, &other, "viewer");
    let body = json!({"email": ANN, "role": "viewer"});
    let invited = world.account.client.post(USERS, &body).expect(201).json();
    let body = json!({"token": token(&invited["invite_url"]), "password": password(1)});
    before.client(&world.server).post(ACCEPT.1, &body).expect(201);
    let ended = other.list(&format!("{LOG}?action=user.session_ended"));
    let nobody = json!({"kind": "system", "id": null, "name": null});
    assert_eq!((&ended[0]["actor"], &ended[0]["address"]), (&nobody, &Value::Null));
    assert_eq!((ended.len(), &ended[0]["target"]["name"]), (1, &json!(before.email)));
}

/// A member of the world's account and of another.
fn in_both(world: &World, other: &Account) -> Person {
    let person = Person::member(&world.server, &world.account, "viewer");
    let body = json!({"email": person.email, "role": "viewer"});
    let invited = other.client.post(USERS, &body).expect(201).json();
    Person::accept(&world.server, &token(&invited["invite_url"]), &json!({}))
}
