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
    let form = format!("{AGENT}?tab=versions&new=1");
    browser.open(&format!("{AGENT}?tab=versions"));
    browser.click("New version");
    browser.see("New version, from version 1");
    browser.settle("document.activeElement.id === 'main'", &[]);
    browser.fill("Message 1", "Half written");
    // Another agent is made, and this one cannot be asked for.
    let refuse = "const ask = window.fetch;
        const lost = () => Promise.reject(new TypeError('lost'));
        window.fetch = (path, ...more) => (path === given[0] ? lost() : ask(path, ...more));
        window.confirm = () => { window.asked = (window.asked ?? 0) + 1; return false; };";
    browser.js(refuse, &[json!("/v1/agents/clerk")]);
    let other =
        json!({"name": "other", "model": "m", "messages": [{"role": "user", "content": "x"}]});
    world.account.client.post("/v1/agents", &other).expect(201);
    browser.see(LOST);
    assert_eq!(browser.value("Message 1"), "Half written");
    browser.follow("Jobs");
    browser.settle("window.asked === 1", &[]);
    assert_eq!(browser.place(), form, "it asked before it left");
    browser.back();
    browser.settle("window.asked === 2", &[]);
    assert_eq!(browser.place(), form, "and before the browser's own button led away");
    assert_eq!(browser.value("Message 1"), "Half written");
    browser.js("window.confirm = () => true", &[]);
    browser.back();
    browser.see("Edit as new");
    assert_eq!(browser.place(), format!("{AGENT}?tab=versions"));
    makes_a_version(&world, &browser);
}

/// What is wrong is said beside the message that has it, and what is right goes out with every digit.
fn makes_a_version(world: &World, browser: &Browser) {
    browser.open(&format!("{AGENT}?tab=versions&new=1"));
    browser.click("More");
    browser.fill("Seed", "9007199254740993");
    browser.click("Add a message");
    browser.fill("Message 2", "{{ input.");
    browser.click("Create version");
    let marked = "(() => {
        const [first, second] = ['Message 1', 'Message 2'].map((name) => usable('field', name));
        const problem = shown(document.querySelector('.problem'));
        return second === document.activeElement && second.ariaInvalid && !first.ariaInvalid
            && problem.startsWith('messages/1/content, line 1: ');
    })()";
    browser.settle(marked, &[]);
    browser.fill("Message 2", "Thanks");
    browser.fill("Top p", "7");
    browser.click("More");
    browser.click("Create version");
    browser.see("Not saved: see the marked field.");
    assert_eq!(browser.focused(), "Top p", "it is folded away no more");
    browser.fill("Top p", "");
    browser.click("Create version");
    browser.see(words::RUN);
    let made = world.account.client.get("/v1/agents/clerk/versions/2").expect(200).json();
    assert_eq!(made["seed"], 9_007_199_254_740_993_u64);
}
