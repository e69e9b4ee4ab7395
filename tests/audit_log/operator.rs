//! What is told of the operator's changes.

use serde_json::{Value, json};

use super::{By, LOG, World, change, text};

pub(super) fn accounts(world: &mut World) {
    let all = "/admin/v1/accounts";
    let (made, told) = world.step(
        By::Operator,
        "createAccount",
        ("POST", all),
        Some(json!({"name": "a"})),
        &["account.created", "project.created"],
    );
    assert_eq!(told[0]["target"], json!({"object": "account", "id": made["id"], "name": "a"}));
    let path = format!("{all}/{}", text(&made["id"]));
    for (body, action, before, after) in [
        (json!({"name": "b"}), "account.updated", json!({"name": "a"}), json!({"name": "b"})),
        (
            json!({"suspended": true}),
            "account.suspended",
            json!({"suspended": false}),
            json!({"suspended": true}),
        ),
        (
            json!({"suspended": false}),
            "account.resumed",
            json!({"suspended": true}),
            json!({"suspended": false}),
        ),
    ] {
        let of = ("PATCH", &*path);
        let (_, told) = world.step(By::Operator, "updateAccount", of, Some(body), &[action]);
        assert_eq!(change(&told[0]), (&before, &after));
        assert_eq!(told[0]["account_id"], made["id"]);
    }
    // Its nightly schedules go by its time zone.
    let along = ["account.updated", "schedule.updated", "schedule.updated"];
    for (name, value, actions) in [
        ("timezone", json!("Europe/Berlin"), &along[..]),
        ("daily_token_caps", json!(true), &along[..1]),
        ("daily_token_cap", json!(7), &along[..1]),
        ("record_invocations", json!(false), &along[..1]),
        ("credits_low_mark", json!(1.5), &along[..1]),
    ] {
        let of = ("PATCH", &*path);
        let body = json!({name: value});
        let (_, told) = world.step(By::Operator, "updateAccount", of, Some(body.clone()), actions);
        assert_eq!(change(&told[0]), (&json!({name: null}), &body));
    }
    let (grants, adjust) = (format!("{path}/credits/grants"), format!("{path}/credits/adjust"));
    let (grant, told) = world.step(
        By::Operator,
        "grantCredits",
        ("POST", &grants),
        Some(json!({"amount": "2.5", "reason": "thanks"})),
        &["credits.granted"],
    );
    let after = json!({"bucket": "paid", "amount": 2.5, "reason": "thanks", "expires_at": null});
    assert_eq!(told[0]["after"], after);
    assert_eq!(
        told[0]["target"],
        json!({"object": "credit_grant", "id": grant["id"], "name": null})
    );
    let (_, told) = world.step(
        By::Operator,
        "adjustCredits",
        ("POST", &adjust),
        Some(json!({"amount": -1, "reason": "oops"})),
        &["credits.taken"],
    );
    assert_eq!(told[0]["after"], json!({"bucket": "paid", "amount": 1, "reason": "oops"}));
}

pub(super) fn the_server(world: &mut World) {
    let body = json!({"account_id": world.account.id, "name": "issued", "scopes": ["*"]});
    let (key, told) = world.step(
        By::Operator,
        "issueApiKey",
        ("POST", "/admin/v1/keys"),
        Some(body),
        &["api_key.created"],
    );
    assert_eq!(told[0]["account_id"], json!(world.account.id));
    let path = format!("/admin/v1/keys/{}", text(&key["id"]));
    world.step(By::Operator, "revokeAnyApiKey", ("DELETE", &path), None, &["api_key.revoked"]);
    for (operation, deed, paused) in
        [("pauseQueue", "pause", true), ("resumeQueue", "resume", false)]
    {
        let path = format!("/admin/v1/queues/task.run/{deed}");
        let action = if paused { "queue.paused" } else { "queue.resumed" };
        let (_, told) = world.step(By::Operator, operation, ("POST", &path), None, &[action]);
        assert_eq!(told[0]["target"], json!({"object": "queue", "id": null, "name": "task.run"}));
        assert_eq!(told[0]["after"], json!({"paused": paused}));
        assert_eq!(told[0]["account_id"], Value::Null);
        world.step(By::Operator, operation, ("POST", &path), None, &[]);
    }
    let all = "/admin/v1/stripe/customers";
    let body = json!({"account_id": world.account.id, "stripe_customer_id": "cus_9"});
    let (_, told) = world.step(
        By::Operator,
        "addStripeCustomer",
        ("POST", all),
        Some(body),
        &["stripe_customer.created"],
    );
    assert_eq!(told[0]["after"], json!({"account_id": world.account.id}));
    let path = format!("{all}/cus_9");
    world.step(
        By::Operator,
        "removeStripeCustomer",
        ("DELETE", &path),
        None,
        &["stripe_customer.deleted"],
    );
    crate::stripe::tell(&world.server.client(), &crate::stripe::unmatched("evt_9"));
    let body = json!({"account_id": world.account.id});
    let (_, told) = world.step(
        By::Operator,
        "processStripeEvent",
        ("POST", "/admin/v1/stripe/events/evt_9/process"),
        Some(body.clone()),
        &["stripe_event.processed"],
    );
    assert_eq!(change(&told[0]), (&json!({"account_id": null}), &body));
    assert_eq!(told[0]["target"], json!({"object": "stripe_event", "id": "evt_9", "name": null}));
    let own = world.account.list(&format!("{LOG}?limit=100"));
    let is_stripes = |entry: &Value| text(&entry["target"]["object"]).starts_with("stripe");
    assert!(!own.iter().any(is_stripes));
}
