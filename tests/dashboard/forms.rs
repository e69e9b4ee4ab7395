//! What is asked for and changed in dialogs.

use serde_json::json;

use super::world::World;

#[test]
fn a_save_undoes_nothing_that_somebody_else_changed_meanwhile() {
    let world = World::with_owner();
    let endpoint = world.account.endpoint(&world.receiver, "/hook", &json!({}));
    let path = format!("/v1/webhooks/endpoints/{}", endpoint.id);
    let browser = world.owner();
    browser.open(&format!("/dashboard/webhooks/endpoints/{}", endpoint.id));
    browser.click("Edit");
    browser.choose("Retry policy", "Extended: nine retries over three days");
    world.account.client.patch(&path, &json!({"description": "Of the shop"})).expect(200);
    // The page behind the dialog hears of it.
    browser.see("Of the shop");
    browser.confirm("Save");
    let saved = world.account.client.get(&path).expect(200).json();
    assert_eq!(
        (&saved["description"], &saved["retry_policy"]),
        (&json!("Of the shop"), &json!("extended"))
    );
}
