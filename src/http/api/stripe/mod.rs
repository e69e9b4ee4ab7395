//! Stripe: the webhook that it calls, and the operator's view of what it told.

mod body;

use std::net::IpAddr;

use hyper::{HeaderMap, StatusCode};
use serde::Serialize;

use self::body::{CustomerBody, EventBody, EventDetailBody};
use crate::{
    app::{
        App,
        stripe::{self, CustomerRequest, ProcessRequest, SIGNATURE},
    },
    domain::{AccountId, ErrorKind, Page, Result, stripe::EventStatus},
    http::{
        reply::Reply,
        request::{AN_ID, Request, only_header},
        routes::{Access, BodyLimit, Route, handler},
    },
    store::stripe::events::EventFilter,
};

/// Where Stripe sends its events.
pub(super) const WEBHOOK: &str = "/internal/stripe/webhook";
/// The longest body of an event. Stripe's are some KiB; an invoice of many lines takes more.
const EVENT_MAX: usize = 1 << 20;

/// The webhook that Stripe calls.
pub(super) fn webhook() -> [Route; 1] {
    [Route::post(WEBHOOK, "receiveStripeEvent", handler!(receive))
        .summary(
            "Takes an event of Stripe's, whose header `Stripe-Signature` proves it. 404 where no \
             signing secret is configured.",
        )
        .takes_raw()
        .body_limit(BodyLimit::Bytes(EVENT_MAX))
        .gate(admit)
        .reads::<String>(SIGNATURE, "`t=<unix time>,v1=<signature>`, as Stripe sends it.")
        .answers::<ReceivedBody>(StatusCode::OK)
        .errors(&[ErrorKind::InvalidJson, ErrorKind::NotFound, ErrorKind::RateLimit])]
}

/// The operator's view of what Stripe told.
pub(super) fn operator() -> [Route; 6] {
    const CUSTOMERS: &str = "/admin/v1/stripe/customers";
    [
        Route::post(CUSTOMERS, "addStripeCustomer", handler!(add_customer))
            .summary(
                "Makes a Stripe customer's payments those of an account, and processes its events \
                 that waited for that. The same again changes nothing.",
            )
            .takes::<CustomerRequest>()
            .answers::<CustomerBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::NotFound, ErrorKind::Conflict]),
        Route::get(CUSTOMERS, "listStripeCustomers", handler!(list_customers))
            .summary("Lists the Stripe customers whose account is known, newest first.")
            .paged()
            .query::<AccountId>("account_id", "Only those of this account.")
            .answers::<Page<CustomerBody<'_>>>(StatusCode::OK),
        Route::delete(
            "/admin/v1/stripe/customers/{stripe_customer_id}",
            "removeStripeCustomer",
            handler!(remove_customer),
        )
        .summary("Forgets whose a Stripe customer's payments are. What was granted stays.")
        .answers_nothing(),
        Route::get("/admin/v1/stripe/events", "listStripeEvents", handler!(list_events))
            .summary(
                "Lists the events of Stripe's that are about credits, newest first. A page by type or \
                 account may have fewer events than there are.",
            )
            .paged()
            .query::<EventStatus>("status", "Only events that stand there.")
            .query::<String>("type", "Only events of this type, such as `invoice.paid`.")
            .query::<AccountId>("account_id", "Only events for this account.")
            .answers::<Page<EventBody<'_>>>(StatusCode::OK),
        Route::get("/admin/v1/stripe/events/{event_id}", "getStripeEvent", handler!(get_event))
            .summary("Shows an event of Stripe's as it came.")
            .answers::<EventDetailBody<'_>>(StatusCode::OK),
        Route::post(
            "/admin/v1/stripe/events/{event_id}/process",
            "processStripeEvent",
            handler!(process),
        )
        .summary(
            "Processes an event that is linked, unmatched, ignored or failed, for the account that is \
             named: it grants its payment if none did.",
        )
        .may_take::<ProcessRequest>()
        .answers::<EventBody<'_>>(StatusCode::ACCEPTED)
        .errors(&[ErrorKind::Conflict]),
    ]
    .map(|route| route.access(Access::Operator))
}

/// An event was taken.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "StripeReceipt")]
struct ReceivedBody {
    /// Always true.
    #[schemars(extend("const" = true))]
    received: bool,
}

/// What is no signature of now is refused before its body is read.
fn admit(app: &App, headers: &HeaderMap, client: IpAddr) -> Result<()> {
    stripe::admit(app, only_header(headers, SIGNATURE), client)
}

/// `POST /internal/stripe/webhook`
async fn receive(request: Request) -> Result<Reply> {
    let signature = request.only_header(SIGNATURE).map(str::to_owned);
    let (client, body) = (request.client, request.body.clone());
    let read = request.blocking(move |app| stripe::read(app, signature.as_deref(), &body, client));
    if let Some(event) = read.await? {
        stripe::receive(&request.app, event).await?;
    }
    Reply::ok(&ReceivedBody { received: true })
}

/// `POST /admin/v1/stripe/customers`
async fn add_customer(request: Request) -> Result<Reply> {
    let customer = stripe::add_customer(&request.app, request.json()?).await?;
    Reply::created(&CustomerBody::of(&customer))
}

/// `GET /admin/v1/stripe/customers`
async fn list_customers(request: Request) -> Result<Reply> {
    let (account, page) = (request.query("account_id", AN_ID)?, request.page()?);
    let page = request.blocking(move |app| stripe::customers(app, account, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(CustomerBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `DELETE /admin/v1/stripe/customers/{stripe_customer_id}`
async fn remove_customer(request: Request) -> Result<Reply> {
    let id = request.segment("stripe_customer_id")?.to_owned();
    stripe::remove_customer(&request.app, id).await?;
    Ok(Reply::no_content())
}

/// `GET /admin/v1/stripe/events`
async fn list_events(request: Request) -> Result<Reply> {
    let status = request.choice("status", EventStatus::ALL, EventStatus::as_str)?;
    let (kind, account) =
        (request.query_text("type").map(str::to_owned), request.query("account_id", AN_ID)?);
    let (filter, page) = (EventFilter { status, kind, account }, request.page()?);
    let page = request.blocking(move |app| stripe::events(app, &filter, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(EventBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /admin/v1/stripe/events/{event_id}`
async fn get_event(request: Request) -> Result<Reply> {
    let id = request.segment("event_id")?.to_owned();
    let (event, payload) = request.blocking(move |app| stripe::event(app, &id)).await?;
    Reply::ok(&EventDetailBody::of(&event, payload.as_deref())?)
}

/// `POST /admin/v1/stripe/events/{event_id}/process`
async fn process(request: Request) -> Result<Reply> {
    let (id, body) = (request.segment("event_id")?.to_owned(), request.json::<ProcessRequest>()?);
    let event = stripe::process(&request.app, id, body).await?;
    Reply::json(StatusCode::ACCEPTED, &EventBody::of(&event))
}
