//! What tenants and strangers write is shown and never run.

use serde_json::{Value, json};

use super::{browser::Browser, world::World};
use crate::support::{Answer, eventually};

/// Each would set `window.__ran`, were it taken for more than text.
const EVIL: &str = concat!(
    r#"<img src=x onerror="window.__ran=1"><script>window.__ran=1</script>"#,
    r#"<a href="javascript:window.__ran=1">x</a>"#,
    "{{constructor.constructor('window.__ran=1')()}}${window.__ran=1}"
);

#[test]
fn markup_from_others_is_text_on_every_page() {
    let world = World::with_owner();
    let mut pages = world.furnish();
    pages.extend(plant(&world));
    let browser = world.owner();
    for (name, path) in &pages {
        browser.open(path);
        harmless(&browser, name);
    }
    let shows = |path: &str| {
        browser.open(path);
        browser.see("<script>window.__ran=1</script>");
    };
    ["/dashboard/keys", "/dashboard/end-users"].into_iter().for_each(shows);
    pages.iter().filter(|(name, _)| name.starts_with("evil")).for_each(|(_, path)| shows(path));
}

/// Writes it wherever the API lets somebody; gives pages that must show it.
fn plant(world: &World) -> Vec<(&'static str, String)> {
    let client = &world.account.client;
    world.provider.say(EVIL);
    let messages = json!([{"role": "user", "content": EVIL}]);
    let more = json!({"user": EVIL, "metadata": {"note": EVIL}, "messages": messages});
    let job = world.account.run_job(&more);
    // Its messages are templates, which this is none of.
    let messages = json!([{"role": "user", "content": "hi"}]);
    let agent = json!({"name": "evil", "description": EVIL, "model": "m", "messages": messages});
    client.post("/v1/agents", &agent).expect(201);
    client.post("/v1/api-keys", &json!({"name": EVIL, "scopes": ["jobs:read"]})).expect(201);
    client.post("/v1/projects", &json!({"name": "<img src=x onerror=window.__ran=1>"})).expect(201);
    let schedule = json!({"name": EVIL, "function_name": "greet", "cron": "0 9 * * *"});
    client.post("/v1/schedules", &schedule).expect(201);
    let mail = json!({"email": "<img/src=x/onerror=window.__ran=1>@example.com", "role": "viewer"});
    client.post("/v1/users", &mail).expect(201);
    let delivery = evil_answer(world);
    let one = |path: &str, object: &Value| {
        format!("/dashboard/{path}/{}", object["id"].as_str().unwrap())
    };
    vec![
        ("evil job", one("jobs", &job)),
        ("evil agent", "/dashboard/agents/evil".to_owned()),
        ("evil answer", one("webhooks/deliveries", &delivery)),
    ]
}

/// A delivery whose receiver answers with it.
fn evil_answer(world: &World) -> Value {
    let endpoint = world.account.endpoint(&world.receiver, "/evil", &json!({"description": EVIL}));
    world.receiver.answer_with(|request| {
        let evil = request.path == "/evil";
        Answer::new(if evil { 400 } else { 200 }, if evil { EVIL } else { "" })
    });
    world.account.client.send("POST", &endpoint.path("/test"), &[], None);
    let list = format!("/v1/webhooks/deliveries?endpoint_id={}", endpoint.id);
    eventually("it was answered", || {
        world.account.list(&list).into_iter().find(|delivery| delivery["status"] == "failed")
    })
}

#[track_caller]
fn harmless(browser: &Browser, name: &str) {
    let traces = browser.js(
        "const kinds = 'img[src=x], script:not([src]), [href^=\"javascript:\" i], [onerror]';
        return [window.__ran ?? null, document.querySelectorAll(kinds).length]",
        &[],
    );
    assert_eq!(traces, json!([null, 0]), "{name}");
    assert_eq!(browser.violations(), [""; 0], "{name}: its policy had to help");
}
