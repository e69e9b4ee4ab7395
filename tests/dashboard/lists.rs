//! Lists of the page: read again, as far as they were read, and filtered.

use serde_json::json;

use super::world::World;

/// Rows of a page of a list.
const PAGE: usize = 50;

#[test]
fn a_list_is_read_again_as_far_as_it_was_read() {
    let world = World::with_owner();
    let make = |name: &str| {
        let body = json!({"name": name, "scopes": ["jobs:read"]});
        world.account.client.post("/v1/api-keys", &body).expect(201);
    };
    (0..=PAGE).for_each(|_| make("early"));
    let browser = world.owner();
    browser.open("/dashboard/keys");
    browser.click("Show more");
    browser.settle("rowsOf().length > given[0]", &[json!(PAGE)]);
    // More than a page is new at once.
    browser.network(false);
    (0..=PAGE).for_each(|_| make("late"));
    browser.network(true);
    make("last");
    browser.see_row(&["last"]);
    assert!(browser.rows().len() >= 2 * PAGE, "{} rows are left", browser.rows().len());
    browser.console_errors();
}

#[test]
fn a_list_that_was_not_reached_is_tried_again_with_all_its_filters() {
    let world = World::with_owner();
    let browser = world.owner();
    browser.open("/dashboard/usage?tab=requests");
    browser.network(false);
    browser.click("Refresh");
    browser.see("The server does not answer");
    browser.network(true);
    browser.click("Try again");
    browser.see_no("The server does not answer");
    browser.settle("!document.querySelector('.problem')", &[]);
    browser.console_errors();
    // Both hold a moment after they were typed, which is the same moment.
    let type_both = "for (const [name, text] of [['Route', '/v1/me '], ['Status', '200']]) {
        const field = usable('field', name);
        field.value = text;
        field.dispatchEvent(new Event('input', { bubbles: true }));
    }";
    browser.js(type_both, &[]);
    let both = "['route', 'status'].map((name) => new URLSearchParams(location.search).get(name))
        .join(' ') === '/v1/me 200'";
    browser.settle(both, &[]);
    assert_eq!(browser.value("Route"), "/v1/me ", "nothing is taken away under the cursor");
}
