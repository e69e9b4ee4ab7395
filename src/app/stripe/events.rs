//! The operator's deeds with Stripe's events: look at them, and process what could not be.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    super::{App, accounts, page_of},
    look, scope_of, work, write,
};
use crate::{
    domain::{
        AccountId, Cursor, Environment, Error, ErrorKind, Page, PageRequest, Result,
        stripe::EventStatus,
    },
    store::{
        AccountScope, Commit, SystemScope, Tx, dead_letters, queue,
        stripe::{
            customers,
            events::{self, EventFilter, StoredEvent},
        },
    },
};

/// For whom an event is to be processed.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StripeProcessRequest")]
pub struct ProcessRequest {
    /// The account; where it is left out, the one that is known for the event.
    pub account_id: Option<AccountId>,
}

/// Events that are about credits, newest first. Blocks while it reads.
pub fn events(app: &App, filter: &EventFilter, page: &PageRequest) -> Result<Page<StoredEvent>> {
    let before = page.after.as_ref().map(Cursor::number).transpose()?.unwrap_or(i64::MAX);
    let found = look(app, |snapshot| events::list(snapshot, filter, before, page.limit))?;
    Ok(page_of(found, |seq| Cursor::from_number(*seq)))
}

/// The event of that id of Stripe's, and its body as it came, unless it was forgotten. Blocks while it reads.
pub fn event(app: &App, id: &str) -> Result<(StoredEvent, Option<String>)> {
    look(app, |snapshot| {
        let event = events::find(snapshot, id)?.ok_or_else(none)?;
        let payload = events::payload(snapshot, event.seq)?.ok_or_else(none)?;
        Ok((event, Some(payload).filter(|payload| !payload.is_empty())))
    })
}

/// How many events have each status that is not an end, all of these included. Blocks while it reads.
pub fn troubled(app: &App) -> Result<Vec<(EventStatus, u64)>> {
    let counts = look(app, events::counts)?;
    let of = |status| {
        let found = counts.iter().find(|(known, _)| *known == status);
        (status, found.map_or(0, |(_, count)| *count))
    };
    Ok(EventStatus::TROUBLED.into_iter().map(of).collect())
}

/// Puts an event into the queue that is linked, unmatched, ignored or failed, so that it grants its payment if none
/// did. [`ErrorKind::Conflict`] where it had its effect or waits in the queue.
pub fn process(app: &Arc<App>, id: String, request: ProcessRequest) -> Commit<StoredEvent> {
    let this = Arc::clone(app);
    write(app, move |tx| {
        let event = events::find(tx, &id)?.ok_or_else(none)?;
        check_may_be_processed(tx, &event)?;
        let scope = recipient(tx, &event, request.account_id)?;
        // Whose it was may have a dead letter of it, with which he could take it back.
        let owner = event.owner.zip(event.account_id).map(|owner| scope_of(tx, owner));
        for scope in owner.into_iter().chain([scope]) {
            tx.within(scope, |tx| dead_letters::redriven(tx, work(event.seq)))?;
        }
        this.queue_event(tx, event.seq, scope, true)?;
        events::find(tx, &id)?.ok_or_else(none)
    })
}

fn check_may_be_processed(tx: &Tx<'_, SystemScope>, event: &StoredEvent) -> Result<()> {
    let conflict = |message: String| Err(Error::new(ErrorKind::Conflict, message));
    if queue::holds(tx, work(event.seq))? {
        return conflict("the event waits in the queue billing.credit_grant".to_owned());
    }
    match event.status {
        EventStatus::Linked
        | EventStatus::Unmatched
        | EventStatus::Ignored
        | EventStatus::Failed => Ok(()),
        done => conflict(format!(
            "the event is {}; only one that is linked, unmatched, ignored or failed can be processed",
            done.as_str()
        )),
    }
}

/// Whom an event is for: as the operator says, or as is known by now.
fn recipient(
    tx: &Tx<'_, SystemScope>,
    event: &StoredEvent,
    said: Option<AccountId>,
) -> Result<AccountScope> {
    if let Some(said) = said {
        return accounts::find_scope(tx, said, Environment::Live);
    }
    let customer = event.customer.as_deref().map(|id| customers::find(tx, id)).transpose()?;
    let of_customer = customer.flatten().map(|known| (known.owner, known.account_id));
    let known = event.owner.zip(event.account_id).or(of_customer).ok_or_else(|| {
        Error::invalid("account_id", "no account is known for the event; name it in account_id")
    })?;
    Ok(scope_of(tx, known))
}

fn none() -> Error {
    Error::none_on_server("Stripe event")
}
