//! What no change of a row tells: what queues hold, and which requests were recorded.

use serde_json::json;

use super::{hear, key, listen, next, setup_operator};
use crate::support::{Provider, provider::completion, server::TestServer};

#[test]
fn an_operator_hears_of_what_queues_hold() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let mut live = listen(&setup_operator(&server).client(&server));
    // At first always: nobody knows what the page saw before.
    hear(&mut live, &["load"]);
    provider.queue(completion("held").held());
    account.post_job(&json!({}));
    provider.wait_for_in_flight(1);
    hear(&mut live, &["load"]);
    provider.release();
}

/// Looks at the log are in it too; if they were heard, a page that shows it would never stop to load it.
#[test]
fn requests_are_heard_but_for_looks_at_their_log() {
    const LOG: &str = "/v1/logs";
    let server = TestServer::start();
    let account = server.account();
    let reader = key(&server, &account, &json!(["logs:read"]));
    // What was asked before is written then.
    reader.get(LOG).expect(200);
    let mut live = listen(&reader);
    account.client.get("/v1/me").expect(200);
    assert_eq!(next(&mut live), ["logs".to_owned()].into());
    for _ in 0..2 {
        reader.get(LOG).expect(200);
    }
    let path = format!("/admin/v1/accounts/{}", account.id);
    server.operator().patch(&path, &json!({"name": "another"})).expect(200);
    assert_eq!(next(&mut live), ["audit".to_owned()].into());
}
