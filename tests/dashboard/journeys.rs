//! What people come to the dashboard for, from the first link on.

use serde_json::{Value, json};

use super::{
    browser::{Browser, WIDE},
    words,
    world::{OWNER, SECRET, World, sign_in_as},
};
use crate::support::{Answer, eventually};

#[test]
fn from_the_setup_link_to_the_first_webhook() {
    let world = World::new();
    world.account.endpoint(&world.receiver, "/hook", &json!({}));
    let browser = world.browser();
    set_up(&world, &browser);
    let key = create_key(&browser, "ci");
    world.server.client().with_key(&key).get("/v1/me").expect(200);
    create_agent(&browser);
    let job = try_out(&world, &browser);
    see_job(&world, &browser, &job);
}

fn set_up(world: &World, browser: &Browser) {
    browser.open(&format!("/dashboard/welcome#{}", world.setup_token()));
    browser.fill(words::EMAIL, OWNER);
    browser.fill(words::PASSWORD, SECRET);
    browser.click(words::SET_UP);
    browser.see("Overview");
    browser.arrive("/dashboard");
    assert!(!browser.place().contains('#'), "the token is gone from the address");
    let cookies = browser.cookies();
    let [cookie] = &cookies[..] else { panic!("one cookie: {cookies:?}") };
    assert_eq!(cookie.http_only, Some(true));
    assert!(browser.js("return document.cookie", &[]) == "", "no script can read it");
}

/// Gives the key, which is shown once.
fn create_key(browser: &Browser, name: &str) -> String {
    browser.open("/dashboard/keys");
    browser.click(words::CREATE_KEY);
    browser.dialog();
    browser.fill(words::NAME, name);
    browser.click(words::CREATE_KEY);
    browser.see("sk_live_");
    assert!(browser.buttons().contains(&words::COPY_KEY.to_owned()), "{:?}", browser.buttons());
    let shown = browser.dialog();
    let key = shown.split(' ').find(|word| word.starts_with("sk_live_")).unwrap().to_owned();
    browser.confirm(words::DONE);
    browser.see_row(&[name]);
    browser.open("/dashboard/keys");
    browser.see_row(&[name]);
    assert!(!browser.text().contains(&key), "it is shown once");
    key
}

fn create_agent(browser: &Browser) {
    browser.open("/dashboard/agents");
    browser.click(words::CREATE_AGENT);
    browser.fill(words::NAME, "greeter");
    browser.choose(words::MODEL, "m");
    // The form begins with an example that runs.
    browser.fill("Message 2", "Greet {{ input.who }} kindly");
    browser.fill("Input schema", "{\"type\": \"obj\"}");
    browser.see("not a valid JSON Schema");
    browser
        .fill("Input schema", r#"{"type": "object", "properties": {"who": {"type": "string"}}}"#);
    browser.fill("Output schema", "");
    browser.click(words::CREATE_AGENT);
    browser.arrive("/dashboard/agents/greeter");
    browser.tab("Overview");
    browser.see("Greet {{ input.who }} kindly");
    browser.tab("Try it out");
}

/// Gives the job.
fn try_out(world: &World, browser: &Browser) -> Value {
    world.provider.say("Good morning, Ann");
    browser.fill(words::INPUT, r#"{"who": "Ann"}"#);
    browser.click(words::RUN);
    browser.see("Good morning, Ann");
    let job = world.account.list("/v1/jobs").remove(0);
    assert_eq!((&job["status"], &job["agent"]["name"]), (&json!("succeeded"), &json!("greeter")));
    job
}

fn see_job(world: &World, browser: &Browser, job: &Value) {
    let id = job["id"].as_str().unwrap();
    browser.open("/dashboard/jobs");
    browser.see_row(&["greeter", "succeeded"]);
    browser.open(&format!("/dashboard/jobs/{id}"));
    for text in ["Queued", "Attempt 1 began", "Succeeded", "Good morning, Ann"] {
        browser.see(text);
    }
    browser.open("/dashboard/credits");
    for kind in ["reserve", "release", "charge"] {
        browser.see_row(&[kind]);
    }
    let delivered = world.receiver.wait_for_deliveries(1).remove(0);
    assert_eq!(delivered.json()["data"]["job_id"], id);
    browser.open("/dashboard/webhooks");
    browser.tab(words::DELIVERIES);
    browser.see_row(&["job.completed", "delivered"]);
}

#[test]
fn who_is_invited_joins_with_a_password_of_their_own() {
    let world = World::with_owner();
    let token = world.invite("dev@example.com", "developer");
    let browser = world.browser();
    browser.open(&format!("/dashboard/welcome#{token}"));
    browser.fill(words::PASSWORD, SECRET);
    browser.click(words::JOIN);
    browser.see("Overview");
    browser.arrive("/dashboard");
    assert_eq!(browser.fetch("GET", "/v1/jobs", &Value::Null).0, 200);
    assert_eq!(
        browser.fetch("POST", "/v1/api-keys", &json!({"name": "k", "scopes": ["*"]})).0,
        403
    );
    browser.open("/dashboard/agents");
    browser.settle("usable('button', given[0])", &[json!(words::CREATE_AGENT)]);
    let (_, session) = browser.fetch("GET", "/dashboard/api/session", &Value::Null);
    let path = format!("/v1/users/{}", session["user"]["id"].as_str().unwrap());
    world.account.client.patch(&path, &json!({"role": "viewer"})).expect(200);
    // The page hears of it: nobody loads it again.
    browser.settle("!named('button', given[0]).length", &[json!(words::CREATE_AGENT)]);
    let again = browser.beside(world.server.address());
    again.open(&format!("/dashboard/welcome#{token}"));
    assert!(!again.buttons().contains(&words::JOIN.to_owned()), "a link is good for one");
}

#[test]
fn what_was_given_up_is_sent_again_from_the_page() {
    let world = World::with_owner();
    let letter = world.fail_a_delivery();
    let browser = world.owner();
    browser.open("/dashboard/webhooks");
    browser.tab(words::DEAD_LETTERS);
    browser.see_row(&[letter["reason"].as_str().unwrap()]);
    let before = world.receiver.received().len();
    world.receiver.always(Answer::new(200, ""));
    browser.click_in(letter["reason"].as_str().unwrap(), words::REDRIVE);
    let all = world.receiver.wait_for_deliveries(before + 1);
    assert_eq!(all[before].path, "/down");
    browser.see_no(letter["reason"].as_str().unwrap());
    at_the_page(&browser);
    browser.tab(words::DELIVERIES);
    // The page hears of it: nobody loads it again.
    browser.see_row(&["delivered"]);
}

#[test]
fn a_revoked_key_is_refused_at_once() {
    let world = World::with_owner();
    let browser = world.owner();
    let key = create_key(&browser, "old one");
    let client = world.server.client().with_key(&key);
    client.get("/v1/me").expect(200);
    let key = rotate_at_once(&browser, "old one");
    client.get("/v1/me").expect(401);
    let client = world.server.client().with_key(&key);
    browser.click_in("old one", words::REVOKE);
    let asked = browser.dialog();
    assert!(asked.contains("old one") || asked.contains(&key[..12]), "it says which: {asked}");
    browser.click("Cancel");
    browser.no_dialog();
    client.get("/v1/me").expect(200);
    browser.click_in("old one", words::REVOKE);
    browser.confirm(words::REVOKE);
    client.get("/v1/me").expect(401);
    browser.see_row(&["old one", "revoked"]);
    at_the_page(&browser);
}

/// The button that had the focus is gone: a keyboard goes on where the page begins.
fn at_the_page(browser: &Browser) {
    browser.settle("document.activeElement.id === 'main'", &[]);
}

/// Gives the new key, which is shown until somebody has it, also once the row of the old one offers nothing any more.
fn rotate_at_once(browser: &Browser, name: &str) -> String {
    browser.click_in(name, words::ROTATE);
    browser.choose("The old key works", "No longer: it ends at once");
    browser.click(words::ROTATE);
    browser.see("The old key has ended.");
    let ended = "[...document.querySelectorAll('tr')].some(({ textContent: text }) =>
        text.includes(given[0]) && text.includes('ended'))";
    browser.settle(ended, &[json!(name)]);
    let shown = browser.dialog();
    let key = shown.split(' ').find(|word| word.starts_with("sk_live_"));
    let key = key.unwrap_or_else(|| panic!("no key: {shown}")).to_owned();
    browser.confirm(words::DONE);
    at_the_page(browser);
    key
}

#[test]
fn a_viewer_sees_everything_and_changes_nothing() {
    let world = World::with_owner();
    let pages = world.furnish();
    world.member("viewer@example.com", "viewer");
    let browser = world.browser();
    sign_in_as(&browser, "viewer@example.com");
    for (name, path) in pages.iter().filter(|(name, _)| *name != "system") {
        browser.open(path);
        let usable = browser.buttons();
        // Buttons of rows go on with what their row is of.
        let is = |one: &str, write: &str| {
            one.strip_prefix(write).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let writes: Vec<_> =
            words::WRITES.iter().filter(|write| usable.iter().any(|one| is(one, write))).collect();
        assert!(writes.is_empty(), "{name} lets a viewer do {writes:?}");
    }
    refuse_writes(&browser);
    assert_eq!(browser.fetch("GET", "/admin/v1/accounts", &Value::Null).0, 403);
    // Refusals by the operator's routes are written to the console too.
    browser.console_errors();
}

/// Keys as drivers write them.
const TAB: &str = "\u{e004}";
const ESCAPE: &str = "\u{e00c}";

/// Where there is little room: Escape closes it, and leads back to its button.
fn leave_the_menu(browser: &Browser) {
    browser.width(390);
    browser.click("Menu");
    browser.keys(TAB);
    browser.settle("nameOf(document.activeElement) !== 'Menu'", &[]);
    browser.keys(ESCAPE);
    browser.settle("nameOf(document.activeElement) === 'Menu'", &[]);
    browser.settle("!named('link', 'Agents').length", &[]);
    browser.width(WIDE);
}

fn refuse_writes(browser: &Browser) {
    let job = crate::support::server::job(&json!({}));
    for (method, path, body) in [
        ("POST", "/v1/jobs/generations", job),
        ("POST", "/v1/api-keys", json!({"name": "mine", "scopes": ["*"]})),
        ("POST", "/v1/projects", json!({"name": "mine"})),
        (
            "POST",
            "/v1/agents",
            json!({"name": "mine", "model": "m", "messages": [{"role": "user", "content": "x"}]}),
        ),
        ("DELETE", "/v1/agents/greeter", Value::Null),
        ("POST", "/v1/users", json!({"email": "friend@example.com", "role": "owner"})),
    ] {
        let (status, body) = browser.fetch(method, path, &body);
        assert_eq!(
            (status, &body["error"]["code"]),
            (403, &json!("INSUFFICIENT_SCOPE")),
            "{method} {path}: {body}"
        );
    }
    assert_eq!(browser.fetch("GET", "/v1/jobs", &Value::Null).0, 200);
}

#[test]
fn who_signs_out_is_out_and_the_page_lives_on_events() {
    let world = World::with_owner();
    let browser = world.owner();
    browser.open("/dashboard/jobs");
    let job = world.account.run_job(&json!({"user": "someone new"}));
    browser.see_row(&["someone new", "succeeded"]);
    browser.network(false);
    browser.network(true);
    let other = world.account.run_job(&json!({"user": "someone else"}));
    browser.see_row(&["someone else"]);
    assert_ne!(job["id"], other["id"]);
    browser.console_errors();
    leave_the_menu(&browser);
    browser.click(words::SIGN_OUT);
    browser.see(words::SIGN_IN);
    eventually("the session is over", || {
        (browser.fetch("GET", "/v1/jobs", &Value::Null).0 == 401).then_some(())
    });
    browser.open("/dashboard/jobs");
    browser.see(words::SIGN_IN);
}
