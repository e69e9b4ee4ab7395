//! `/v1/credits`: the balance, the ledger and the grants.

use std::sync::Arc;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::models::Pricing;
use crate::{
    app::credits::{self, EntryFilter},
    domain::{
        Bucket, Credits, EntryKind, Error, GrantId, JobId, LedgerEntryId, Page, PageRequest,
        Result, Scope, Timestamp,
    },
    http::{
        csv::{self, Csv},
        reply::Reply,
        request::{A_TIME, AN_ID, Request},
        routes::{Route, handler},
    },
    store::{
        ledger::Balance,
        ledger_entries::{Grant, LedgerEntry},
    },
};

/// What the account can spend, and where it came from and went.
pub(super) fn routes() -> [Route; 3] {
    [
        Route::get("/v1/credits/balance", "getBalance", handler!(balance))
            .summary("Shows what the account can spend.")
            .scope(Scope::CreditsRead)
            .answers::<BalanceBody>(StatusCode::OK),
        Route::get("/v1/credits/ledger", "listLedgerEntries", handler!(ledger))
            .summary(
                "Lists the ledger, newest first. A page ends before its limit where few entries match among \
                 many: then it may be empty and `next_cursor` still leads on. As CSV, up to 10,000 rows \
                 where no limit is given; the header `Link` then says where it goes on.",
            )
            .scope(Scope::CreditsRead)
            .paged()
            .query::<EntryKind>("kind", "Only entries of this kind.")
            .query::<JobId>("job_id", "Only entries of this job.")
            .query::<Timestamp>("created_after", "Only entries made at this time or later.")
            .query::<Timestamp>("created_before", "Only entries made before this time.")
            .media_types(&["text/csv"])
            .headers(&["Link", "Content-Disposition"])
            .answers::<Page<EntryBody<'_>>>(StatusCode::OK),
        Route::get("/v1/credits/grants", "listGrants", handler!(grants))
            .summary("Lists credits that were given or bought, newest first.")
            .scope(Scope::CreditsRead)
            .paged()
            .answers::<Page<GrantBody<'_>>>(StatusCode::OK),
    ]
}

/// What an account can spend.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Balance")]
pub(super) struct BalanceBody {
    #[schemars(extend("const" = "balance"))]
    object: &'static str,
    /// What can be spent: free and paid together.
    pub(super) available: Credits,
    /// What jobs that have not ended hold.
    reserved: Credits,
    /// The part of `available` that was given.
    free: Credits,
    /// The part of `available` that was bought.
    paid: Credits,
}

impl BalanceBody {
    pub(super) fn of(balance: &Balance) -> Result<Self> {
        let beyond = || Error::internal("a balance is too large to be shown");
        Ok(Self {
            object: "balance",
            available: balance.available.total().ok_or_else(beyond)?,
            reserved: balance.reserved.total().ok_or_else(beyond)?,
            free: balance.available.free,
            paid: balance.available.paid,
        })
    }
}

/// One line of the ledger.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LedgerEntry")]
pub(super) struct EntryBody<'a> {
    id: LedgerEntryId,
    #[schemars(extend("const" = "ledger_entry"))]
    object: &'static str,
    kind: EntryKind,
    /// The bucket that changed.
    bucket: Bucket,
    /// By how much.
    delta: Credits,
    /// What could be spent afterwards, both buckets together.
    balance_after: Credits,
    /// Why, where a person or a rule said so.
    reason: Option<&'a str>,
    /// The job's model, for entries of jobs; for charges the one that answered.
    product_name: Option<&'a str>,
    job_id: Option<JobId>,
    grant_id: Option<GrantId>,
    /// The event of Stripe's that gave these credits, or took them back.
    stripe_event_id: Option<&'a str>,
    request_id: Option<&'a str>,
    created_at: Timestamp,
    /// What it is for, in words.
    description: String,
    /// The price that a charge was made with.
    price: Option<Pricing>,
}

impl<'a> EntryBody<'a> {
    fn of(entry: &'a LedgerEntry) -> Self {
        Self {
            id: entry.id,
            object: "ledger_entry",
            kind: entry.kind,
            bucket: entry.bucket,
            delta: entry.delta,
            balance_after: entry.balance_after,
            reason: entry.reason.as_deref(),
            product_name: entry.product_name.as_deref(),
            job_id: entry.job_id,
            grant_id: entry.grant_id,
            stripe_event_id: entry.stripe_event_id.as_deref(),
            request_id: entry.request_id.as_deref(),
            created_at: entry.created_at,
            description: entry.description(),
            price: entry.price.map(Pricing::of),
        }
    }
}

/// Credits given at one time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreditGrant")]
pub(super) struct GrantBody<'a> {
    id: GrantId,
    #[schemars(extend("const" = "credit_grant"))]
    object: &'static str,
    amount: Credits,
    /// How many are left.
    remaining: Credits,
    bucket: Bucket,
    reason: &'a str,
    /// When what is left expires.
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl<'a> GrantBody<'a> {
    pub(super) fn of(grant: &'a Grant) -> Self {
        Self {
            id: grant.id,
            object: "credit_grant",
            amount: grant.amount,
            remaining: grant.remaining,
            bucket: grant.bucket,
            reason: &grant.reason,
            expires_at: grant.expires_at,
            created_at: grant.created_at,
        }
    }
}

/// `GET /v1/credits/balance`
pub(super) async fn balance(request: Request) -> Result<Reply> {
    let scope = request.session()?.scope;
    let balance = request.blocking(move |app| credits::balance(app, scope)).await?;
    Reply::ok(&BalanceBody::of(&balance)?)
}

/// `GET /v1/credits/ledger`
pub(super) async fn ledger(request: Request) -> Result<Reply> {
    let scope = request.session()?.scope;
    let (filter, (page, is_csv)) = (entry_filter(&request)?, csv::page(&request)?);
    let list = move |app: &Arc<_>| credits::entries(app, scope, filter, &page);
    if is_csv {
        return csv::reply(&request, "ledger.csv", list, file).await;
    }
    let page = request.blocking(list).await?;
    let bodies: Vec<_> = page.data.iter().map(EntryBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

fn entry_filter(request: &Request) -> Result<EntryFilter> {
    Ok(EntryFilter {
        kind: request.choice("kind", EntryKind::ALL, EntryKind::as_str)?,
        job: request.query("job_id", AN_ID)?,
        created_after: request.query("created_after", A_TIME)?,
        created_before: request.query("created_before", A_TIME)?,
    })
}

/// The names of the JSON fields as the first row, but of a price the version alone.
fn file(entries: &[LedgerEntry]) -> Result<Csv> {
    let mut csv = Csv::of(&[
        "id",
        "kind",
        "bucket",
        "delta",
        "balance_after",
        "reason",
        "product_name",
        "job_id",
        "grant_id",
        "stripe_event_id",
        "request_id",
        "created_at",
        "description",
        "price_version",
    ])?;
    let text = |text: &Option<String>| csv::text(text.as_deref().unwrap_or_default());
    for entry in entries {
        csv.row([
            entry.id.to_string(),
            entry.kind.as_str().to_owned(),
            entry.bucket.as_str().to_owned(),
            entry.delta.to_string(),
            entry.balance_after.to_string(),
            text(&entry.reason),
            text(&entry.product_name),
            csv::some(entry.job_id),
            csv::some(entry.grant_id),
            text(&entry.stripe_event_id),
            text(&entry.request_id),
            entry.created_at.to_string(),
            csv::text(&entry.description()),
            csv::some(entry.price.map(|price| price.record.version)),
        ])?;
    }
    Ok(csv)
}

/// `GET /v1/credits/grants`
pub(super) async fn grants(request: Request) -> Result<Reply> {
    let (page, scope): (PageRequest, _) = (request.page()?, request.session()?.scope);
    let page = request.blocking(move |app| credits::grants(app, scope, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(GrantBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_ledger_is_written_as_rfc_4180_says() {
        let entry = LedgerEntry {
            n: 1,
            id: LedgerEntryId::from_uuid(Uuid::from_u128(7)),
            kind: EntryKind::Grant,
            bucket: Bucket::Paid,
            delta: Credits::from_micros(-1_500_000),
            balance_after: Credits::from_micros(1),
            reason: Some("a \"gift\", twice\nor more".to_owned()),
            product_name: Some("=1+1".to_owned()),
            price: None,
            usage: None,
            job_id: None,
            grant_id: Some(GrantId::from_uuid(Uuid::from_u128(8))),
            stripe_event_id: None,
            request_id: None,
            created_at: Timestamp::from_millis(0),
        };
        let text = String::from_utf8(file(&[entry]).unwrap().bytes().unwrap()).unwrap();
        let (head, row) = text.split_once("\r\n").unwrap();
        assert_eq!(head.split(',').count(), 14);
        let expected = "00000000-0000-0000-0000-000000000007,grant,paid,-1.5,0.000001,\
            \"a \"\"gift\"\", twice\nor more\",'=1+1,,00000000-0000-0000-0000-000000000008,,,\
            1970-01-01T00:00:00.000Z,\"a \"\"gift\"\", twice\nor more\",\r\n";
        assert_eq!(row, expected);
    }
}
