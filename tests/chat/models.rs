//! `/v1/models`.

use serde_json::json;

use super::rig::{Rig, error_of};

#[test]
fn the_models_that_have_a_price_are_listed_and_found() {
    let rig = Rig::start();
    let list = rig.account.client.get("/v1/models").expect(200).json();
    assert_eq!(list["object"], "list");
    let models = list["data"].as_array().unwrap();
    let names: Vec<_> = models.iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.contains(&"m") && names.contains(&"free"), "{names:?}");
    assert!(!names.contains(&"unpriced"), "{names:?}");
    for model in models {
        let found =
            rig.account.client.get(&format!("/v1/models/{}", model["id"].as_str().unwrap()));
        assert_eq!(&found.expect(200).json(), model);
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    let m = models.iter().find(|model| model["id"] == "m").unwrap();
    assert_eq!(m["owned_by"], "test");
}

#[test]
fn any_key_may_list_them_and_nobody_else() {
    let rig = Rig::start();
    let key = rig.server.key(&rig.account.id, &json!(["usage:read"]), &json!({}));
    let reply = rig.server.client().with_key(&key).get("/v1/models").expect(200);
    assert!(reply.header("x-ratelimit-limit-requests").is_some());
    let refused = rig.server.client().get("/v1/models").expect(401);
    error_of(&refused.json(), "invalid_api_key");
}

#[test]
fn a_model_that_is_not_there_or_cannot_be_asked_is_none() {
    let rig = Rig::start();
    for name in ["nothing", "unpriced", "%F0%9F%A6%86", "a%2Fb"] {
        let reply = rig.account.client.get(&format!("/v1/models/{name}")).expect(404);
        assert_eq!(reply.header("x-should-retry"), Some("false"));
        error_of(&reply.json(), "model_not_found");
    }
}
