//! Canceling a batch: none of its jobs begins any more, and all end.

use serde_json::json;

use super::{batch, cancel, counts, look, path, post, wait};
use crate::{
    api::conventions::refused,
    support::{
        Provider, Receiver,
        provider::completion,
        server::{CREDITS, TestServer},
    },
};

#[test]
fn all_jobs_that_are_not_over_are_canceled() {
    const BATCH: usize = 450;
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let server = TestServer::builder()
        .provider(&provider)
        .config(|config| config.queues.generation_create.concurrency = 2)
        .start();
    let account = server.account();
    account.endpoint(&receiver, "/", &json!({"events": ["batch.completed"]}));
    provider.queue(completion("done"));
    provider.always(completion("late").held());
    let made = post(&account, &batch(BATCH, &json!({"model": "exact"})));
    // One is over, two are running.
    provider.wait_for(3, crate::support::LIMIT);
    provider.wait_for_in_flight(2);
    let done = cancel(&account, &made).expect(200).json();
    assert_eq!(done["status"], "canceled");
    let expected = counts(BATCH as u64, &json!({"succeeded": 1, "canceled": BATCH - 1}));
    assert_eq!(done["counts"], expected);
    let told = receiver.wait_for_one(|call| call.json()["type"] == "batch.completed").json();
    assert_eq!((&told["data"]["status"], &told["data"]["counts"]), (&json!("canceled"), &expected));
    // What was abandoned changes nothing when it answers.
    provider.release();
    assert_eq!(account.balance().1, json!(0));
    assert_eq!(look(&account, &made), done);
    assert_eq!(provider.received().len(), 3, "none began after that");
    let job = account.list("/v1/jobs?status=canceled&limit=1").remove(0);
    assert_eq!(job["error"]["code"], "CANCELED");
    // Once more does no harm.
    assert_eq!(cancel(&account, &made).expect(200).json(), done);
}

#[test]
fn a_batch_that_ended_by_itself_cannot_be_canceled() {
    let server = TestServer::start();
    let account = server.account();
    let made = post(&account, &batch(2, &json!({"model": "sandbox"})));
    wait(&account, &made);
    refused(&cancel(&account, &made), 409, "CONFLICT");
    let nobody = json!({"id": "01939b2a-7c1e-7000-8000-000000000000"});
    refused(&cancel(&account, &nobody), 404, "NOT_FOUND");
}

#[test]
fn a_job_of_a_canceled_batch_may_be_retried() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let made = post(&account, &batch(2, &json!({"model": "sandbox"})));
    assert_eq!(cancel(&account, &made).expect(200).json()["status"], "canceled");
    let job = account.list("/v1/jobs").remove(0);
    account.deed(&job, "retry").expect(202);
    let again = look(&account, &made);
    assert_eq!(again["counts"], counts(2, &json!({"queued": 1, "canceled": 1})));
    server.set_paused("generation.create", false);
    let ended = wait(&account, &made);
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["counts"], counts(2, &json!({"succeeded": 1, "canceled": 1})));
    assert_eq!(account.balance(), (json!(CREDITS), json!(0)));
}

#[test]
fn a_cancellation_that_is_sent_twice_answers_the_same() {
    let server = TestServer::start();
    server.set_paused("generation.create", true);
    let account = server.account();
    let made = post(&account, &batch(2, &json!({})));
    let send = || {
        let headers = [("Idempotency-Key", "k")];
        account.client.send("POST", &path(&made, "/cancel"), &headers, None).expect(200)
    };
    let first = send();
    let job = account.list("/v1/jobs").remove(0);
    account.deed(&job, "retry").expect(202);
    let again = send();
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &first.body));
    assert_eq!(look(&account, &made)["counts"]["queued"], 1, "it did nothing");
}
