//! The bodies of the operator's routes for Stripe.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    domain::{AccountId, Error, GrantId, Result, Timestamp, stripe::EventStatus},
    store::stripe::{customers::StripeCustomer, events::StoredEvent},
};

/// A customer of Stripe's and the account that it pays for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StripeCustomer")]
pub(super) struct CustomerBody<'a> {
    /// Stripe's id.
    id: &'a str,
    #[schemars(extend("const" = "stripe_customer"))]
    object: &'static str,
    /// The same as `id`, by the name that it has in requests.
    stripe_customer_id: &'a str,
    account_id: AccountId,
    created_at: Timestamp,
}

impl<'a> CustomerBody<'a> {
    pub(super) fn of(customer: &'a StripeCustomer) -> Self {
        Self {
            id: &customer.id,
            object: "stripe_customer",
            stripe_customer_id: &customer.id,
            account_id: customer.account_id,
            created_at: customer.created_at,
        }
    }
}

/// An event of Stripe's.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StripeEvent")]
pub(super) struct EventBody<'a> {
    /// Stripe's id.
    id: &'a str,
    #[schemars(extend("const" = "stripe_event"))]
    object: &'static str,
    /// Such as `checkout.session.completed`.
    r#type: &'a str,
    /// The account that it is for, where that is known.
    account_id: Option<AccountId>,
    /// Stripe's customer, where it names one.
    stripe_customer_id: Option<&'a str>,
    /// `pending`: it waits in the queue. `processed`: it had its effect, or has none. `linked`: it leaves the
    /// grant to another event of its payment, which has not come yet. `duplicate`: another event did. `unmatched`: it names no account known here. `ignored`: it
    /// needs you. `failed`: its queue gave it up.
    status: EventStatus,
    /// More about that.
    reason: Option<&'a str>,
    /// What its payment gave.
    grant_id: Option<GrantId>,
    created_at: Timestamp,
    processed_at: Option<Timestamp>,
}

impl<'a> EventBody<'a> {
    pub(super) fn of(event: &'a StoredEvent) -> Self {
        Self {
            id: &event.id,
            object: "stripe_event",
            r#type: &event.kind,
            account_id: event.account_id,
            stripe_customer_id: event.customer.as_deref(),
            status: event.status,
            reason: event.reason.as_deref(),
            grant_id: event.grant_id,
            created_at: event.created_at,
            processed_at: event.processed_at,
        }
    }
}

/// An event of Stripe's as it came.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StripeEventWithPayload")]
pub(super) struct EventDetailBody<'a> {
    #[serde(flatten)]
    event: EventBody<'a>,
    /// The event as it came; null where it was done long ago, and forgotten.
    #[schemars(with = "Option<serde_json::Value>")]
    payload: Option<&'a RawValue>,
}

impl<'a> EventDetailBody<'a> {
    pub(super) fn of(event: &'a StoredEvent, payload: Option<&'a str>) -> Result<Self> {
        let payload = payload.map(serde_json::from_str).transpose().map_err(Error::internal)?;
        Ok(Self { event: EventBody::of(event), payload })
    }
}
