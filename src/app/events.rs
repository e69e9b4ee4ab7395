//! Telling endpoints what happened: a delivery for each endpoint that wants it, in the transaction
//! of what happened.

use serde::Serialize;

use super::App;
use crate::{
    domain::{
        DeliveryId, Environment, Error, EventFilter, EventId, EventType, QueueName, Result,
        RetryPolicy, Timestamp, TraceContext,
    },
    store::{
        AccountScope, Tx,
        deliveries::{self, NewDelivery},
        queue::{self, Waiting, WorkId},
        webhooks::{self, Listening},
    },
};

/// The body of a webhook.
#[derive(Serialize)]
struct Event<'a, T> {
    id: EventId,
    #[serde(rename = "type")]
    kind: &'a str,
    created_at: Timestamp,
    data: T,
}

/// The data of an event that is no real one.
#[derive(Serialize)]
struct OfTests<'a, T> {
    #[serde(flatten)]
    data: &'a T,
    environment: Environment,
}

impl App {
    /// Adds a delivery for each active endpoint of the account that wants to hear of it.
    pub(super) fn emit(
        &self,
        tx: &Tx<'_, AccountScope>,
        kind: EventType,
        data: &impl Serialize,
    ) -> Result<()> {
        self.emit_within(tx, None, kind, data)
    }

    /// The same for what a step of a trace led to.
    pub(super) fn emit_within(
        &self,
        tx: &Tx<'_, AccountScope>,
        trace: Option<TraceContext>,
        kind: EventType,
        data: &impl Serialize,
    ) -> Result<()> {
        let mut listening = webhooks::active(tx)?;
        listening.retain(|endpoint| wants(&endpoint.events, kind));
        if listening.is_empty() {
            return Ok(());
        }
        let (event, payload) = self.event(tx, kind, data)?;
        for endpoint in &listening {
            self.deliver(tx, endpoint, (event, kind), &payload, trace)?;
        }
        Ok(())
    }

    /// An event's id and body, as of now. That of a twin for tests says so.
    pub(super) fn event(
        &self,
        tx: &Tx<'_, AccountScope>,
        kind: EventType,
        data: &impl Serialize,
    ) -> Result<(EventId, String)> {
        let id = EventId::from_uuid(self.ambient.uuid());
        let (kind, created_at) = (kind.as_str(), tx.now());
        let environment = tx.scope().environment();
        let payload = match environment {
            Environment::Live => serde_json::to_string(&Event { id, kind, created_at, data }),
            Environment::Test => {
                let data = OfTests { data, environment };
                serde_json::to_string(&Event { id, kind, created_at, data })
            }
        };
        Ok((id, payload.map_err(Error::internal)?))
    }

    /// Adds one delivery and its work.
    pub(super) fn deliver(
        &self,
        tx: &Tx<'_, AccountScope>,
        endpoint: &Listening,
        (event_id, kind): (EventId, EventType),
        payload: &str,
        trace: Option<TraceContext>,
    ) -> Result<DeliveryId> {
        let id = DeliveryId::from_uuid(self.ambient.uuid());
        let (seq, event_type) = (endpoint.seq, kind.as_str());
        let new = NewDelivery { id, endpoint: seq, event_id, event_type, payload, trace };
        let subject = deliveries::insert(tx, &new)?;
        self.queue_delivery(tx, subject, seq, &endpoint.retry_policy)?;
        Ok(id)
    }

    /// Lets a delivery wait for its next try. Deliveries to one endpoint share a lane.
    pub(super) fn queue_delivery(
        &self,
        tx: &Tx<'_, AccountScope>,
        subject: i64,
        endpoint: i64,
        retry_policy: &str,
    ) -> Result<()> {
        let id = WorkId { queue: QueueName::WebhookDelivery, subject };
        let work = Waiting { id, lane: endpoint, priority: 0, run_at: tx.now() };
        let ttl = self.settings.time_to_live(policy(retry_policy)?);
        queue::push(tx, work, tx.now().plus(ttl))
    }
}

/// A stored retry policy.
pub(super) fn policy(name: &str) -> Result<RetryPolicy> {
    RetryPolicy::parse(name).ok_or_else(|| Error::internal("an unknown retry policy was stored"))
}

/// Whether a stored list of event names, separated by spaces, has this one.
fn wants(events: &str, kind: EventType) -> bool {
    EventFilter::parse(events.split(' ')).is_ok_and(|filter| filter.matches(kind))
}
