//! What somebody writes on the page: numbers stay as they are, nothing is done twice, nothing is lost unasked.

use serde_json::json;

use super::{browser::Browser, words, world::World};

/// More digits than a number of the browser has.
const NUMBER: &str = "12345678901234567890";
const AGENT: &str = "/dashboard/agents/clerk";
const LOST: &str = "The server does not answer";

fn clerk(world: &World) {
    let message = json!({"role": "user", "content": "Find {{ input.order }}"});
    let agent = json!({"name": "clerk", "model": "m", "messages": [message], "output_schema": {"type": "object"}});
    world.account.client.post("/v1/agents", &agent).expect(201);
}

#[test]
fn a_run_is_as_it_was_written_and_runs_once() {
    let world = World::with_owner();
    clerk(&world);
    world.provider.say(&format!("{{\"order\": {NUMBER}}}"));
    let browser = world.owner();
    browser.open(&format!("{AGENT}?tab=try"));
    browser.fill(words::INPUT, &format!("{{\"order\": {NUMBER}}}"));
    browser.click("Format Input");
    let written = format!("{{\n  \"order\": {NUMBER}\n}}");
    assert_eq!(browser.value(words::INPUT), written);
    browser.network(false);
    browser.click(words::RUN);
    browser.see(LOST);
    assert_eq!(browser.focused(), words::RUN, "who tries again is where they were");
    browser.network(true);
    browser.console_errors();
    let hold = "const field = usable('field', given[0]);
        for (const repeat of [false, false, true]) {
            field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ctrlKey: true, repeat, bubbles: true }));
        }";
    browser.js(hold, &[json!(words::INPUT)]);
    browser.see(&format!("\"order\": {NUMBER}"));
    browser.js("navigator.clipboard.writeText = async (text) => { window.copied = text; }", &[]);
    browser.click("Copy Output");
    browser.settle("window.copied === given[0]", &[json!(written)]);
    let jobs = world.account.list("/v1/jobs");
    assert_eq!(jobs.len(), 1, "{jobs:#?}");
    let asked = world.account.look(&jobs[0]);
    assert_eq!(asked["messages"][0]["content"], format!("Find {NUMBER}"));
    refuses_what_it_cannot_keep(&browser);
}

/// As in a browser that does not say how a number was written.
fn refuses_what_it_cannot_keep(browser: &Browser) {
    browser.open(&format!("{AGENT}?tab=try"));
    browser.js("delete JSON.rawJSON", &[]);
    browser.fill(words::INPUT, &format!("[\"{NUMBER}\", {NUMBER}1]"));
    browser.see(&format!("This browser cannot keep {NUMBER}1 exactly"));
}

#[test]
fn a_version_that_is_written_is_a_page_that_keeps_it() {
    let world = World::with_owner();
    clerk(&world);
    let browser = world.owner();
    browser.open(&format!("{AGENT}?tab=versions"));
    browser.click("New version");
    browser.see("New version, from version 1");
    browser.settle("document.activeElement.id === 'main'", &[]);
    browser.fill("Message 1", "Half written");
    // Another agent is made, and this one cannot be asked for.
    let refuse = "const ask = window.fetch;
        window.fetch = (path, ...more) => (path === given[0] ? Promise.reject(new TypeError('lost')) : ask(path, ...more));
        window.confirm = () => { window.asked = true; return false; };";
    browser.js(refuse, &[json!("/v1/agents/clerk")]);
    let other =
        json!({"name": "other", "model": "m", "messages": [{"role": "user", "content": "x"}]});
    world.account.client.post("/v1/agents", &other).expect(201);
    browser.see(LOST);
    assert_eq!(browser.value("Message 1"), "Half written");
    browser.follow("Jobs");
    browser.settle("window.asked", &[]);
    assert_eq!(browser.place(), format!("{AGENT}?tab=versions&new=1"), "it asked before it left");
    browser.back();
    browser.see("Edit as new");
    assert_eq!(browser.place(), format!("{AGENT}?tab=versions"));
}
