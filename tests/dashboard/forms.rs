//! What is asked for and changed in dialogs.

use serde_json::json;

use super::{pages::look, world::World};

#[test]
fn a_save_undoes_nothing_that_somebody_else_changed_meanwhile() {
    let world = World::with_owner();
    let endpoint = world.account.endpoint(&world.receiver, "/hook", &json!({}));
    let path = format!("/v1/webhooks/endpoints/{}", endpoint.id);
    let browser = world.owner();
    browser.open(&format!("/dashboard/webhooks/endpoints/{}", endpoint.id));
    browser.click("Edit");
    browser.choose("Retry policy", "Extended: three days");
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

#[test]
fn an_operator_decides_for_one_account_on_the_page() {
    let world = World::with_owner();
    let path = format!("/admin/v1/accounts/{}", world.account.id);
    let operator = world.server.operator();
    let name = operator.get(&path).expect(200).json()["name"].as_str().unwrap().to_owned();
    let browser = world.owner();
    browser.open("/dashboard/system?tab=accounts");
    browser.click_in(&name, "Edit");
    browser.fill("Time zone", "Nowhere/Land");
    browser.fill("Tokens a day", "5000");
    browser.fill("Credits are low below", "12.5");
    browser.choose("Record invocations", "No");
    browser.click("Save");
    browser.see("is no time zone");
    browser.fill("Time zone", "Europe/Berlin");
    assert_eq!(look(&browser, "system-account"), [""; 0]);
    browser.confirm("Save");
    let saved = operator.get(&path).expect(200).json();
    let told = [
        "name",
        "timezone",
        "daily_token_caps",
        "daily_token_cap",
        "credits_low_mark",
        "record_invocations",
    ];
    assert_eq!(
        told.map(|field| saved[field].clone()),
        [json!(name), json!("Europe/Berlin"), json!(null), json!(5000), json!(12.5), json!(false)]
    );
    world.server.client().get("/v1/logs").expect(401);
    browser.tab("Requests");
    browser.fill("Route", "/v1/logs");
    browser.see_row(&["/v1/logs", "401", "UNAUTHENTICATED"]);
    assert_eq!(look(&browser, "system-requests"), [""; 0]);
    browser.click_in("UNAUTHENTICATED", "Details");
    browser.see("Body read");
}

#[test]
fn a_batch_is_sent_as_json_lines() {
    let world = World::with_owner();
    let browser = world.owner();
    let messages = json!([{"role": "user", "content": "Hello"}]);
    let request = |name: &str| json!({"custom_id": name, "model": "m", "messages": messages});
    browser.open("/dashboard/batches");
    browser.click("Create batch");
    browser.fill("JSON lines", &format!("{}\n\n{{\"custom_id\": }}", request("one")));
    browser.click("Create batch");
    browser.see("Line 3, column 15: A value is missing here.");
    assert_eq!(look(&browser, "batch-create"), [""; 0]);
    browser.fill("JSON lines", &format!("{}\n\n{{\"custom_id\": \"two\"}}", request("one")));
    browser.click("Create batch");
    browser.see("Line 3: ");
    browser.fill("Metadata", "{\"order\": 17}");
    // As somebody who chooses a file does.
    let lines = format!("{}\r\n{}\r\n", request("one"), request("two"));
    let script = "const files = new DataTransfer();
        files.items.add(new File([given[0]], 'lines.jsonl'));
        const [field] = named('field', 'Or a file of them');
        field.files = files.files;
        field.dispatchEvent(new Event('input', { bubbles: true }));";
    browser.js(script, &[json!(lines)]);
    browser.click("Create batch");
    browser.see("Results");
    let batch = world.account.list("/v1/batches").remove(0);
    assert_eq!((&batch["counts"]["total"], &batch["metadata"]), (&json!(2), &json!({"order": 17})));
    browser.arrive(&format!("/dashboard/batches/{}", batch["id"].as_str().unwrap()));
}

#[test]
fn a_function_is_replaced_only_where_somebody_says_so() {
    let world = World::with_owner();
    let client = &world.account.client;
    let function = json!({"kind": "http", "url": "https://example.com/one"});
    client.put("/v1/functions/warm", &function).expect(200);
    let url = || client.get("/v1/functions/warm").expect(200).json()["url"].clone();
    let browser = world.owner();
    browser.open("/dashboard/schedules?tab=functions");
    browser.click("Create function");
    browser.fill("Name", "warm");
    browser.fill("URL", "https://example.com/two");
    browser.click("Create function");
    browser.see("There is a function warm.");
    assert_eq!(url(), "https://example.com/one");
    browser.tick("Replace the function of this name");
    browser.confirm("Create function");
    assert_eq!(url(), "https://example.com/two");
}
