//! Batches and the admission of jobs, over sockets, against the whole server; and their counts, deed by deed.

mod acceptance;
mod admission;
mod agents;
mod cancellation;
mod counts;
mod life;
mod results;

use serde_json::{Value, json};

use crate::support::server::{Account, job};

pub(crate) const BATCHES: &str = "/v1/batches";

/// The `n`th request of a batch: the smallest, with `more` in it.
pub(crate) fn request(n: usize, more: &Value) -> Value {
    let mut request = job(more);
    request["custom_id"] = json!(format!("request {n}"));
    request
}

/// A batch of so many requests that are alike.
pub(crate) fn batch(requests: usize, more: &Value) -> Value {
    let requests: Vec<_> = (0..requests).map(|n| request(n, more)).collect();
    json!({ "requests": requests })
}

/// Posts a batch, which must be accepted.
#[track_caller]
fn post(account: &Account, body: &Value) -> Value {
    account.client.post(BATCHES, body).expect(202).json()
}

fn path(batch: &Value, rest: &str) -> String {
    format!("{BATCHES}/{}{rest}", batch["id"].as_str().unwrap())
}

fn look(account: &Account, batch: &Value) -> Value {
    account.client.get(&path(batch, "")).expect(200).json()
}

/// The batch once all of its jobs have ended.
#[track_caller]
fn wait(account: &Account, batch: &Value) -> Value {
    let batch = account.client.get(&path(batch, "?wait=30")).expect(200).json();
    assert!(!batch["finished_at"].is_null(), "the batch did not end: {batch}");
    batch
}

fn cancel(account: &Account, batch: &Value) -> crate::support::client::Reply {
    account.client.send("POST", &path(batch, "/cancel"), &[], None)
}

/// What the counts are but those that are given: nothing.
fn counts(total: u64, given: &Value) -> Value {
    let mut counts = json!({"total": total, "queued": 0, "running": 0, "succeeded": 0, "failed": 0,
        "canceled": 0, "expired": 0});
    for (name, count) in given.as_object().unwrap() {
        counts[name] = count.clone();
    }
    counts
}
