//! Brings events to endpoints: signs, sends, and records what came of it.

use std::sync::Arc;

use super::{record, until_stopped};
use crate::{
    app::{
        App,
        deliveries::{self, DeliveryTask},
    },
    domain::{EndpointUrl, QueueName, Result, TraceContext},
    observe::traces::{Record, SpanKind},
    queue::{GiveUp, Kind, Stop},
    store::{SystemScope, Tx, queue::Claimed},
    webhooks::{
        send::{self, Attempt, Sender},
        sign,
    },
};

/// The id of the delivery.
const DELIVERY_ID: &str = "x-delivery-id";
/// What a receiver knows a delivery by that it got before. The same as the id: neither changes
/// over the attempts of a delivery, nor when it is redriven.
const DELIVERY_KEY: &str = "x-delivery-key";

/// The kind of work that `webhook.delivery` holds.
pub struct DeliverWebhook {
    app: Arc<App>,
    sender: Sender,
}

impl DeliverWebhook {
    /// Sends with `sender`, whose guard decides at every attempt where it may go.
    pub fn new(app: Arc<App>, sender: Sender) -> Self {
        Self { app, sender }
    }

    /// The stored text is what is signed and sent, so that both are the same bytes at every attempt.
    fn send(&self, task: &DeliveryTask) -> Result<Attempt> {
        let (traces, name) = (&self.app.traces, Self::QUEUE.as_str());
        let mut span = traces.within(task.delivery.trace, SpanKind::Client, name);
        span.describe(|record| describe(record, task));
        let sent = self.send_within(task, span.context());
        span.describe(|record| match &sent {
            Ok(attempt) => attempt.outcome.describe(record),
            Err(_) => record.fail("INTERNAL"),
        });
        sent
    }

    fn send_within(&self, task: &DeliveryTask, trace: Option<TraceContext>) -> Result<Attempt> {
        let url = EndpointUrl::parse(&task.endpoint.url)?;
        let secrets = deliveries::secrets(&self.app, &task.endpoint)?;
        let body = task.delivery.payload.as_bytes();
        let id = task.delivery.id.to_string();
        let signed = sign::sign(&secrets, &id, self.app.ambient.now(), body);
        let own = [(DELIVERY_ID, id.as_str()), (DELIVERY_KEY, id.as_str())];
        let trace = trace.map(|trace| trace.to_string());
        let trace = trace.as_ref().map(|trace| (send::TRACE_PARENT, trace.as_str()));
        let headers = [&signed.headers()[..], &own, trace.as_slice()].concat();
        Ok(self.sender.post(&url, &headers, body))
    }
}

/// What is told of a try: neither what was sent nor where.
fn describe(record: &mut Record, task: &DeliveryTask) {
    let delivery = &task.delivery;
    record.text("http.request.method", "POST");
    record.text("skai.delivery.id", delivery.id.to_string());
    record.text("skai.event.type", delivery.event_type.clone());
    record.whole("skai.attempt", delivery.attempts.saturating_add(1));
}

impl Kind for DeliverWebhook {
    type Task = DeliveryTask;

    const QUEUE: QueueName = QueueName::WebhookDelivery;

    fn begin(&self, tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<DeliveryTask>> {
        deliveries::begin(tx, claimed)
    }

    fn run(&self, claimed: &Claimed, task: DeliveryTask, stop: &Stop) -> Result<()> {
        if stop.is_set() {
            return Ok(());
        }
        let attempt = until_stopped(stop, || self.send(&task))?;
        if stop.is_set() && !attempt.outcome.is_success() {
            // The stop may be what ended it, so nothing is known of the endpoint.
            return Ok(());
        }
        let recorded =
            record(stop, || deliveries::record(&self.app, claimed, task.clone(), attempt.clone()))?;
        if recorded != Some(true) {
            tracing::debug!("a late outcome of a delivery was discarded");
        }
        Ok(())
    }

    fn give_up(&self, claimed: &Claimed, why: GiveUp) -> Result<()> {
        deliveries::give_up(&self.app, claimed, why.code()).wait().map(drop)
    }
}
