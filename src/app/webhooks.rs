//! What can be done with endpoints, the places that receive webhooks. Their secrets are shown once
//! and kept sealed.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{App, Caller, Reply, Secrecy, deliveries, once, vault::Purpose};
use crate::{
    domain::{
        Cursor, EndpointId, EndpointUrl, Error, ErrorKind, EventFilter, EventType, Idempotency,
        Page, PageRequest, Result, RetryPolicy, Timestamp, WebhookSecret,
    },
    store::{
        AccountScope, Commit, Snapshot,
        deliveries::Delivery,
        webhooks::{self, Endpoint, EndpointChange, Listening, NewEndpoint},
    },
    webhooks::sign::Secrets,
};

/// Endpoints of one account, deleted ones not counted. Every event looks at all of them.
const ENDPOINTS_MAX: u32 = 50;
/// Characters of a description.
const DESCRIPTION_MAX: usize = 500;
/// The longest time that an old secret signs too.
const OVERLAP_MAX: Duration = Duration::from_hours(7 * 24);
/// Deliveries that one redrive puts back, so that its transaction stays short.
const REDRIVE_MAX: u32 = 1000;

/// `POST /v1/webhooks/endpoints`: a place that is to receive webhooks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointRequest {
    /// Where requests go: an `http` or `https` URL.
    #[schemars(url, length(min = 1, max = 2048))]
    pub url: String,
    /// Names of the events that it wants; all where nothing is said.
    #[serde(default = "every_event")]
    pub events: EventFilter,
    /// A note for yourself.
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// Whether it is sent anything.
    #[serde(default = "yes")]
    pub active: bool,
    /// For how long a delivery is tried.
    #[serde(default)]
    pub retry_policy: RetryPolicy,
}

/// `PATCH /v1/webhooks/endpoints/{id}`: what to change; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointPatch {
    /// Where requests go.
    #[schemars(url, length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// Names of the events that it wants.
    pub events: Option<EventFilter>,
    /// A note for yourself; null removes it.
    #[serde(default, deserialize_with = "super::present")]
    #[schemars(with = "Option<String>", length(max = 500))]
    pub description: Option<Option<String>>,
    /// Whether it is sent anything. Activating forgets past failures.
    pub active: Option<bool>,
    /// For how long a delivery is tried.
    pub retry_policy: Option<RetryPolicy>,
}

fn every_event() -> EventFilter {
    EventFilter::All
}

fn yes() -> bool {
    true
}

/// An endpoint and its new secret, which is shown this once.
#[derive(Clone, Debug)]
pub struct EndpointWithSecret {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What signs its deliveries from now on.
    pub secret: WebhookSecret,
}

/// How many deliveries were put back into the queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redriven {
    /// How many.
    pub count: u32,
    /// True where there may be more: the same request again takes the next.
    pub has_more: bool,
}

/// Adds an endpoint with a new secret. [`ErrorKind::Conflict`] where the account has too many.
pub fn create(
    app: &Arc<App>,
    caller: &Caller,
    new: EndpointRequest,
    request: Option<Idempotency>,
    render: once::Render<EndpointWithSecret>,
) -> Commit<Reply> {
    let (new, secret) = match prepare(app, new) {
        Ok(prepared) => prepared,
        Err(error) => return Commit::refused(error),
    };
    once::once(app, caller.scope, request, Secrecy::Secret, render, move |tx| {
        if webhooks::count(tx)? >= ENDPOINTS_MAX {
            let message = format!("the account has {ENDPOINTS_MAX} endpoints; delete one first");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        webhooks::insert(tx, &new)?;
        Ok(EndpointWithSecret { endpoint: must_find(tx, new.id)?, secret: secret.clone() })
    })
}

/// Everything about a new endpoint that needs no database.
fn prepare(app: &App, new: EndpointRequest) -> Result<(NewEndpoint, WebhookSecret)> {
    check_url(app, &new.url)?;
    check_description(new.description.as_deref())?;
    let (secret, sealed) = app.new_secret()?;
    let new = NewEndpoint {
        id: EndpointId::from_uuid(app.ambient.uuid()),
        url: new.url,
        events: new.events.names().join(" "),
        description: new.description,
        active: new.active,
        retry_policy: new.retry_policy.as_str().to_owned(),
        secret: sealed,
    };
    Ok((new, secret))
}

fn check_url(app: &App, url: &str) -> Result<()> {
    app.check_target(&EndpointUrl::parse(url)?)
}

fn check_description(description: Option<&str>) -> Result<()> {
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION_MAX) {
        let message = format!("description must have at most {DESCRIPTION_MAX} characters");
        return Err(Error::invalid("description", message));
    }
    Ok(())
}

impl App {
    /// Refuses a URL whose host is an address that tenants must not reach. Names are judged when they are looked up.
    pub(super) fn check_target(&self, url: &EndpointUrl) -> Result<()> {
        self.guard.check_literal(url).map_err(|refused| Error::invalid("url", refused.to_string()))
    }

    /// A secret that signs, and the same sealed.
    pub(super) fn new_secret(&self) -> Result<(WebhookSecret, Vec<u8>)> {
        let secret = WebhookSecret::generate(self.ambient.random());
        let sealed = self.vault.seal(Purpose::WebhookSecret, secret.text().as_bytes())?;
        Ok((secret, sealed))
    }

    /// What signs now: the newest secret, and the one before while their overlap lasts.
    pub(super) fn open_secrets(
        &self,
        newest: &[u8],
        previous: Option<&(Vec<u8>, Timestamp)>,
    ) -> Result<Secrets> {
        let open = |sealed: &[u8]| {
            let text = self.vault.open_sealed(Purpose::WebhookSecret, sealed)?;
            let text = String::from_utf8(text).map_err(Error::internal)?;
            WebhookSecret::parse(&text).map_err(Error::internal)
        };
        let now = self.ambient.now();
        let previous = previous.filter(|(_, until)| *until > now);
        Ok(Secrets {
            newest: open(newest)?,
            previous: previous.map(|(sealed, _)| open(sealed)).transpose()?,
        })
    }

    /// For how long the old secret signs too after a rotation, where the request says `asked` or nothing.
    pub(super) fn overlap(&self, asked: Option<Duration>) -> Result<Duration> {
        if asked.is_some_and(|overlap| overlap > OVERLAP_MAX) {
            let message = format!("overlap_seconds must be from 0 to {}", OVERLAP_MAX.as_secs());
            return Err(Error::invalid("overlap_seconds", message));
        }
        Ok(asked.unwrap_or(self.settings.rotation_overlap))
    }
}

/// The endpoint of that id. Blocks while it reads.
pub fn get(app: &App, caller: &Caller, id: EndpointId) -> Result<Endpoint> {
    app.store.read(caller.scope, |snapshot| must_find(snapshot, id))
}

/// The account's endpoints, newest first. Blocks while it reads.
pub fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<Endpoint>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(EndpointId::from_uuid);
    let rows = app
        .store
        .read(caller.scope, |snapshot| webhooks::list(snapshot, before, super::one_more(page)))?;
    Ok(Page::cut(rows, page.limit, |endpoint| Cursor::from_uuid(endpoint.id.uuid())))
}

/// Changes an endpoint.
pub fn update(
    app: &App,
    caller: &Caller,
    id: EndpointId,
    patch: EndpointPatch,
) -> Commit<Endpoint> {
    let change = match change(app, patch) {
        Ok(change) => change,
        Err(error) => return Commit::refused(error),
    };
    app.store.write(caller.scope, move |tx| {
        webhooks::update(tx, id, &change)?;
        must_find(tx, id)
    })
}

fn change(app: &App, patch: EndpointPatch) -> Result<EndpointChange> {
    if let Some(url) = &patch.url {
        check_url(app, url)?;
    }
    check_description(patch.description.as_ref().and_then(Option::as_deref))?;
    Ok(EndpointChange {
        url: patch.url,
        events: patch.events.map(|events| events.names().join(" ")),
        description: patch.description,
        active: patch.active,
        retry_policy: patch.retry_policy.map(|policy| policy.as_str().to_owned()),
    })
}

/// Deletes an endpoint. What is on its way to it fails at its next try.
pub fn delete(app: &App, caller: &Caller, id: EndpointId) -> Commit<()> {
    app.store.write(
        caller.scope,
        move |tx| {
            if webhooks::delete(tx, id)? { Ok(()) } else { Err(not_found()) }
        },
    )
}

/// Gives an endpoint a new secret. The old one signs too for `overlap`, at most 7 days, or as long
/// as the operator decided; zero ends it at once.
pub fn rotate_secret(
    app: &Arc<App>,
    caller: &Caller,
    id: EndpointId,
    overlap: Option<Duration>,
    request: Option<Idempotency>,
    render: once::Render<EndpointWithSecret>,
) -> Commit<Reply> {
    let prepared = app.overlap(overlap).and_then(|overlap| Ok((overlap, app.new_secret()?)));
    let (overlap, (secret, sealed)) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Commit::refused(error),
    };
    once::once(app, caller.scope, request, Secrecy::Secret, render, move |tx| {
        if !webhooks::rotate(tx, id, &sealed, tx.now().plus(overlap))? {
            return Err(not_found());
        }
        Ok(EndpointWithSecret { endpoint: must_find(tx, id)?, secret: secret.clone() })
    })
}

/// Sends a `ping` to this endpoint and no other, whatever events it wants.
pub fn test(
    app: &Arc<App>,
    caller: &Caller,
    id: EndpointId,
    request: Option<Idempotency>,
    render: once::Render<Delivery>,
) -> Commit<Reply> {
    let (this, request_id) = (Arc::clone(app), caller.request_id.clone());
    let trace = caller.trace;
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let endpoint = must_be_active(tx, id)?;
        let account_id = tx.scope().account_id();
        let data = json!({"endpoint_id": id, "account_id": account_id, "request_id": request_id});
        let (event, payload) = this.event(tx, EventType::Ping, &data)?;
        let Endpoint { seq, events, retry_policy, .. } = endpoint;
        let to = Listening { seq, events, retry_policy };
        let delivery = this.deliver(tx, &to, (event, EventType::Ping), &payload, trace)?;
        deliveries::must_find(tx, delivery)
    })
}

/// Puts deliveries back into the queue that were made at `since` or later and failed, the oldest
/// first, up to a thousand.
pub fn redrive(
    app: &Arc<App>,
    caller: &Caller,
    id: EndpointId,
    since: Timestamp,
    request: Option<Idempotency>,
    render: once::Render<Redriven>,
) -> Commit<Reply> {
    let this = Arc::clone(app);
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let endpoint = must_be_active(tx, id)?;
        let count = deliveries::requeue_failed(&this, tx, &endpoint, since, REDRIVE_MAX)?;
        Ok(Redriven { count, has_more: count == REDRIVE_MAX })
    })
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: EndpointId) -> Result<Endpoint> {
    webhooks::find(snapshot, id)?.ok_or_else(not_found)
}

fn must_be_active(snapshot: &Snapshot<'_, AccountScope>, id: EndpointId) -> Result<Endpoint> {
    let endpoint = must_find(snapshot, id)?;
    if endpoint.active { Ok(endpoint) } else { Err(deliveries::inactive()) }
}

fn not_found() -> Error {
    Error::not_found("webhook endpoint")
}
