//! What can be done with deliveries, and how the tries to bring one to its endpoint end. A try's
//! line in the log, the delivery's state, its place in the queue and what it says of the endpoint
//! change in one transaction, or not at all.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::{App, Caller, Reply, Secrecy, events, once};
use crate::{
    domain::{
        AccountId, Backoff, Cursor, DeadLetterId, DeliveryId, DeliveryStatus, EndpointId, Error,
        ErrorKind, EventType, Idempotency, JobErrorCode, Page, QueueName, Result, Timestamp,
    },
    store::{
        AccountScope, Commit, Snapshot, SystemScope, Tx, dead_letters,
        deliveries::{self, Attempt, Delivery, DeliveryFilter},
        queue::{self, Claimed, WorkId},
        webhooks::{self, Endpoint},
    },
    webhooks::{
        send::{self, Outcome},
        sign::Secrets,
    },
};

/// A delivery and every try to bring it to its endpoint, oldest first.
#[derive(Clone, Debug)]
pub struct DeliveryLog {
    /// The delivery.
    pub delivery: Delivery,
    /// Its tries.
    pub attempts: Vec<Attempt>,
    /// When the next one is due; `None` where it is over.
    pub due_at: Option<Timestamp>,
}

/// The account's deliveries, newest first: up to `limit`, fewer where they are large or hard to find. Blocks
/// while it reads.
pub fn list(
    app: &App,
    caller: &Caller,
    filter: &DeliveryFilter,
    limit: usize,
) -> Result<Page<Delivery>> {
    let found =
        app.store.read(caller.scope, |snapshot| deliveries::list(snapshot, filter, limit))?;
    Ok(super::page_of(found, |id| Cursor::from_uuid(id.uuid())))
}

/// The delivery of that id and its tries. Blocks while it reads.
pub fn get(app: &App, caller: &Caller, id: DeliveryId) -> Result<DeliveryLog> {
    app.store.read(caller.scope, |snapshot| {
        let delivery = must_find(snapshot, id)?;
        let attempts = deliveries::attempts(snapshot, delivery.seq)?;
        let due_at = deliveries::due_at(snapshot, delivery.seq)?;
        Ok(DeliveryLog { delivery, attempts, due_at })
    })
}

/// Lets a delivery that failed wait for its endpoint again, with all its retries.
pub fn redrive(
    app: &Arc<App>,
    caller: &Caller,
    id: DeliveryId,
    request: Option<Idempotency>,
    render: once::Render<Delivery>,
) -> Commit<Reply> {
    let this = Arc::clone(app);
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        requeue(&this, tx, id)?;
        must_find(tx, id)
    })
}

/// The transaction of [`redrive`], for redriving dead letters too.
pub(super) fn requeue(app: &App, tx: &Tx<'_, AccountScope>, id: DeliveryId) -> Result<()> {
    let delivery = must_find(tx, id)?;
    if delivery.status != DeliveryStatus::Failed {
        let status = delivery.status.as_str();
        let message = format!("the delivery is {status}; only one that failed can be redriven");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let endpoint = webhooks::find(tx, delivery.endpoint.1)?.ok_or_else(|| {
        let message =
            "the endpoint was deleted, so nothing can be sent to it; make one for later events";
        Error::new(ErrorKind::Conflict, message)
    })?;
    if !endpoint.active {
        return Err(inactive());
    }
    put_back(app, tx, &delivery, &endpoint)
}

/// Puts back at most `limit` failed deliveries of an endpoint; gives how many.
pub(super) fn requeue_failed(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    endpoint: &Endpoint,
    since: Timestamp,
    limit: u32,
) -> Result<u32> {
    let mut count = 0;
    for delivery in deliveries::failed_since(tx, endpoint.seq, since, limit)? {
        put_back(app, tx, &delivery, endpoint)?;
        count += 1;
    }
    Ok(count)
}

fn put_back(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    delivery: &Delivery,
    endpoint: &Endpoint,
) -> Result<()> {
    deliveries::set_status(tx, delivery.seq, DeliveryStatus::Pending, delivery.attempts)?;
    dead_letters::redriven(tx, work(delivery))?;
    app.queue_delivery(tx, delivery.seq, endpoint.seq, &endpoint.retry_policy)
}

/// What a try to bring a delivery to its endpoint needs to know. The secrets are sealed.
#[derive(Clone, Debug)]
pub struct DeliveryTask {
    /// The delivery, as it was before this try.
    pub delivery: Delivery,
    /// Where it goes.
    pub endpoint: Endpoint,
}

/// A try begins, in the transaction that leases the delivery. `None` where there is none: the
/// delivery ended meanwhile, or it fails now since its endpoint is not to be sent anything.
pub fn begin(tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<DeliveryTask>> {
    tx.within(claimed.scope, |tx| {
        let Some(delivery) = deliveries::by_seq(tx, claimed.lease.id.subject)? else {
            return Ok(None);
        };
        if delivery.status != DeliveryStatus::Pending {
            return Ok(None);
        }
        let reason = match webhooks::find(tx, delivery.endpoint.1)? {
            Some(endpoint) if endpoint.active => {
                return Ok(Some(DeliveryTask { delivery, endpoint }));
            }
            Some(_) => "not sent: the endpoint is not active",
            None => "not sent: the endpoint was deleted",
        };
        fail_unsent(tx, &delivery, reason)?;
        Ok(None)
    })
}

/// Gives a delivery up without sending anything. The log says why.
fn fail_unsent(tx: &Tx<'_, AccountScope>, delivery: &Delivery, reason: &str) -> Result<u32> {
    let attempts = delivery.attempts.saturating_add(1);
    let line = Attempt {
        n: attempts.into(),
        status_code: None,
        error: Some(reason.to_owned()),
        response: None,
        duration_ms: 0,
        created_at: tx.now(),
    };
    deliveries::attempted(tx, delivery.seq, &line)?;
    deliveries::set_status(tx, delivery.seq, DeliveryStatus::Failed, attempts)?;
    Ok(attempts)
}

/// What signs for the endpoint now.
pub fn secrets(app: &App, endpoint: &Endpoint) -> Result<Secrets> {
    app.open_secrets(&endpoint.secret, endpoint.previous_secret.as_ref())
}

/// What a try means for its delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Delivered,
    /// The next try is due after this time.
    Retry(Duration),
    /// The endpoint wants nothing any more.
    Gone,
    /// That was the last try.
    Exhausted,
}

/// `tries` are those since the delivery was queued or redriven, this one included.
fn verdict(attempt: &send::Attempt, backoff: &Backoff, tries: u32, jitter: f64) -> Verdict {
    if attempt.outcome.is_success() {
        Verdict::Delivered
    } else if attempt.outcome.is_gone() {
        Verdict::Gone
    } else {
        backoff.delay(tries, jitter, attempt.retry_after).map_or(Verdict::Exhausted, Verdict::Retry)
    }
}

/// Records a try, unless its lease is not valid any more: then somebody else has the delivery, and
/// this try did not happen as far as the log is concerned. Gives whether it was recorded.
pub fn record(
    app: &Arc<App>,
    claimed: &Claimed,
    task: DeliveryTask,
    attempt: send::Attempt,
) -> Commit<bool> {
    let (this, lease) = (Arc::clone(app), claimed.lease);
    let verdict = match events::policy(&task.endpoint.retry_policy) {
        Ok(policy) => {
            let backoff = app.settings.backoff(policy);
            verdict(&attempt, backoff, claimed.attempts, app.ambient.fraction())
        }
        Err(error) => return Commit::refused(error),
    };
    app.store.write(claimed.scope, move |tx| {
        let valid = match verdict {
            Verdict::Retry(after) => queue::release(tx, lease, tx.now().plus(after), true)?,
            _ => queue::finish(tx, lease)?,
        };
        if valid {
            conclude(&this, tx, &task, &attempt, verdict)?;
        }
        Ok(valid)
    })
}

fn conclude(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    task: &DeliveryTask,
    attempt: &send::Attempt,
    verdict: Verdict,
) -> Result<()> {
    // Only who holds the lease adds tries, so the number is still free.
    let attempts = task.delivery.attempts.saturating_add(1);
    let status = match verdict {
        Verdict::Delivered => DeliveryStatus::Delivered,
        Verdict::Retry(_) => DeliveryStatus::Pending,
        Verdict::Gone | Verdict::Exhausted => DeliveryStatus::Failed,
    };
    deliveries::attempted(tx, task.delivery.seq, &line(attempts, attempt, tx.now()))?;
    deliveries::set_status(tx, task.delivery.seq, status, attempts)?;
    let endpoint = &task.endpoint;
    match verdict {
        Verdict::Delivered => webhooks::succeeded(tx, endpoint.seq),
        Verdict::Retry(_) => webhooks::failed(tx, endpoint.seq).map(drop),
        // No dead letter: the endpoint itself said that it wants this no more.
        Verdict::Gone => disable(app, tx, endpoint, "the endpoint answered 410 Gone"),
        Verdict::Exhausted => {
            let reason = format!("the last try failed: {}", attempt.outcome.in_words("endpoint"));
            bury(app, tx, &task.delivery, attempt.outcome.code(), &reason, attempts)?;
            let since = webhooks::failed(tx, endpoint.seq)?;
            disable_if_long(app, tx, endpoint, since)
        }
    }
}

/// Disables an endpoint that a delivery was just given up for and that accepted nothing for too
/// long. One failure never does that: a retry could still come through.
fn disable_if_long(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    endpoint: &Endpoint,
    since: Option<Timestamp>,
) -> Result<()> {
    match since {
        Some(since) if tx.now().since(since) >= app.settings.disable_after => {
            let reason = format!("every try since {since} failed");
            disable(app, tx, endpoint, &reason)
        }
        _ => Ok(()),
    }
}

/// The data of `webhook.endpoint.disabled`.
#[derive(Serialize)]
struct Disabled<'a> {
    endpoint_id: EndpointId,
    account_id: AccountId,
    reason: &'a str,
}

/// Sends an endpoint nothing any more and tells the others, once.
fn disable(app: &App, tx: &Tx<'_, AccountScope>, endpoint: &Endpoint, reason: &str) -> Result<()> {
    if !webhooks::disable(tx, endpoint.seq, reason)? {
        return Ok(());
    }
    let account_id = tx.scope().account_id();
    let data = Disabled { endpoint_id: endpoint.id, account_id, reason };
    app.emit(tx, EventType::WebhookEndpointDisabled, &data)
}

/// Ends a delivery that will not be tried again: its time to live is over, or too many tries broke
/// off without an outcome.
pub fn give_up(app: &Arc<App>, claimed: &Claimed, code: JobErrorCode) -> Commit<bool> {
    let (this, claimed) = (Arc::clone(app), claimed.clone());
    app.store.write(claimed.scope, move |tx| {
        if !queue::finish(tx, claimed.lease)? {
            return Ok(false);
        }
        let Some(delivery) = deliveries::by_seq(tx, claimed.lease.id.subject)? else {
            return Ok(false);
        };
        if delivery.status != DeliveryStatus::Pending {
            return Ok(false);
        }
        let reason = match code {
            JobErrorCode::Expired => "not sent: its time to live was over".to_owned(),
            _ => format!("not sent: {} tries broke off without an outcome", claimed.crashes),
        };
        let attempts = fail_unsent(tx, &delivery, &reason)?;
        bury(&this, tx, &delivery, code, &reason, attempts)?;
        Ok(true)
    })
}

fn bury(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    delivery: &Delivery,
    code: JobErrorCode,
    reason: &str,
    attempts: u32,
) -> Result<()> {
    let id = DeadLetterId::from_uuid(app.ambient.uuid());
    dead_letters::insert(tx, id, work(delivery), code.as_str(), reason, attempts)
}

fn work(delivery: &Delivery) -> WorkId {
    WorkId { queue: QueueName::WebhookDelivery, subject: delivery.seq }
}

/// A try as the log keeps it.
fn line(n: u32, attempt: &send::Attempt, created_at: Timestamp) -> Attempt {
    let (status_code, error) = match &attempt.outcome {
        Outcome::Status(status) => (Some(*status), None),
        other => (None, Some(other.in_words("endpoint"))),
    };
    let body = Some(&attempt.response_body);
    let response = body.filter(|body| status_code.is_some() || !body.is_empty()).cloned();
    let duration_ms = i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX);
    Attempt { n: n.into(), status_code, error, response, duration_ms, created_at }
}

/// Nothing can be sent to an endpoint as it is.
pub(super) fn inactive() -> Error {
    let message = "the endpoint is not active; activate it with PATCH {\"active\": true} first";
    Error::new(ErrorKind::Conflict, message)
}

/// The account's delivery of that id.
pub(super) fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: DeliveryId) -> Result<Delivery> {
    deliveries::find(snapshot, id)?.ok_or_else(|| Error::not_found("delivery"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(outcome: Outcome) -> send::Attempt {
        let duration = Duration::from_millis(7);
        send::Attempt { outcome, retry_after: None, duration, response_body: String::new() }
    }

    #[test]
    fn a_verdict_follows_from_answer_and_tries() {
        let backoff = Backoff::new([Duration::from_secs(10)]);
        let of = |outcome, tries| verdict(&attempt(outcome), &backoff, tries, 0.5);
        assert_eq!(of(Outcome::Status(204), 9), Verdict::Delivered);
        assert_eq!(of(Outcome::Status(410), 1), Verdict::Gone);
        for failure in [
            Outcome::Status(302),
            Outcome::Status(404),
            Outcome::Status(503),
            Outcome::Timeout,
            Outcome::Connection("connection refused".to_owned()),
            Outcome::Refused("private".to_owned()),
        ] {
            assert_eq!(of(failure.clone(), 1), Verdict::Retry(Duration::from_secs(10)));
            assert_eq!(of(failure, 2), Verdict::Exhausted);
        }
        let retry_after = Some(Duration::from_mins(1));
        let slow_down = send::Attempt { retry_after, ..attempt(Outcome::Status(429)) };
        let asked = Verdict::Retry(Duration::from_secs(66));
        assert_eq!(verdict(&slow_down, &backoff, 1, 0.5), asked);
    }

    #[test]
    fn the_log_has_an_answer_or_a_reason() {
        let now = Timestamp::from_millis(5);
        let answered = line(3, &attempt(Outcome::Status(500)), now);
        assert_eq!((answered.n, answered.status_code, answered.error), (3, Some(500), None));
        assert_eq!((answered.response, answered.duration_ms), (Some(String::new()), 7));
        let silent = line(1, &attempt(Outcome::Timeout), now);
        assert_eq!((silent.status_code, silent.response), (None, None));
        assert_eq!(silent.error.unwrap(), "the endpoint did not answer in time");
        let response_body = "half".to_owned();
        let dripping = send::Attempt { response_body, ..attempt(Outcome::Timeout) };
        assert_eq!(line(1, &dripping, now).response.unwrap(), "half");
    }
}
