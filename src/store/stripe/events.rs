//! The events that Stripe sent, each once.

use rusqlite::Row;

use crate::{
    domain::{
        AccountId, GrantId, Result, Timestamp,
        stripe::{EventStatus, StripeEvent},
    },
    store::{
        AccountSeq, Snapshot, SystemScope, Tx,
        listing::{Looked, last_looked_at},
        row::named,
    },
};

/// An event as it is kept.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Internal number; the subject of its work.
    pub seq: i64,
    /// Stripe's id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// The account that it is for, where that is known.
    pub account_id: Option<AccountId>,
    /// The same by its internal number.
    pub owner: Option<AccountSeq>,
    /// Stripe's customer, where it names one.
    pub customer: Option<String>,
    /// The payment that it is about.
    pub payment: i64,
    /// What that payment gave.
    pub grant_id: Option<GrantId>,
    /// Where it stands.
    pub status: EventStatus,
    /// More about that, in words.
    pub reason: Option<String>,
    /// It waits, or was processed, because the operator said so.
    pub by_operator: bool,
    /// When it came.
    pub created_at: Timestamp,
    /// When it had its effect.
    pub processed_at: Option<Timestamp>,
}

fn event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        seq: row.get("seq")?,
        id: row.get("id")?,
        kind: row.get("type")?,
        account_id: row.get("account_id")?,
        owner: row.get("owner")?,
        customer: row.get("customer")?,
        payment: row.get("payment")?,
        grant_id: row.get("grant_id")?,
        status: named(row, "status", EventStatus::parse)?,
        reason: row.get("reason")?,
        by_operator: row.get("by_operator")?,
        created_at: row.get("created_at")?,
        processed_at: row.get("processed_at")?,
    })
}

/// Columns for [`event`].
macro_rules! select_event {
    ($rest:literal) => {
        concat!(
            "select e.seq, e.id, e.type, e.owner, e.customer, e.payment, e.status, e.reason, e.by_operator, \
             e.created_at, e.processed_at, a.id as account_id, p.grant_id from main.stripe_event e \
             left join main.account a on a.seq = e.owner \
             left join main.stripe_payment p on p.seq = e.payment ",
            $rest
        )
    };
}

/// Keeps an event that is not known, with the account that it is for, where that is known; gives its number.
pub fn insert(
    tx: &Tx<'_, SystemScope>,
    event: &StripeEvent,
    owner: Option<AccountSeq>,
    payment: i64,
    payload: &str,
) -> Result<i64> {
    tx.insert(
        "insert into main.stripe_event (id, type, owner, customer, payment, payload, status, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, 'pending', ?7)",
        (&event.id, &event.kind, owner, &event.customer, payment, payload, tx.now()),
    )
}

/// Whether the event came before.
pub fn is_known(snapshot: &Snapshot<'_, SystemScope>, id: &str) -> Result<bool> {
    let found = snapshot.one("select 1 from main.stripe_event where id = ?1", [id], |_| Ok(()))?;
    Ok(found.is_some())
}

/// The event of that id.
pub fn find(snapshot: &Snapshot<'_, SystemScope>, id: &str) -> Result<Option<StoredEvent>> {
    snapshot.one(select_event!("where e.id = ?1"), [id], event)
}

/// The event of that internal number.
pub fn by_seq(snapshot: &Snapshot<'_, SystemScope>, seq: i64) -> Result<Option<StoredEvent>> {
    snapshot.one(select_event!("where e.seq = ?1"), [seq], event)
}

/// The body of the event as it came; empty where it was forgotten.
pub fn payload(snapshot: &Snapshot<'_, SystemScope>, seq: i64) -> Result<Option<String>> {
    let sql = "select payload from main.stripe_event where seq = ?1";
    snapshot.one(sql, [seq], |row| row.get(0))
}

/// Which events to list.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only with this status.
    pub status: Option<EventStatus>,
    /// Only of this type.
    pub kind: Option<String>,
    /// Only for this account.
    pub account: Option<AccountId>,
}

/// Events before that number, newest first: up to `limit`, fewer where they are hard to find. Neither type nor
/// account has an index.
pub fn list(
    snapshot: &Snapshot<'_, SystemScope>,
    filter: &EventFilter,
    before: i64,
    limit: usize,
) -> Result<Looked<StoredEvent, i64>> {
    let more = limit.saturating_add(1);
    let status = filter.status.map(EventStatus::as_str);
    let mut last = None;
    let found = match (filter, status) {
        (EventFilter { kind: None, account: None, .. }, None) => {
            snapshot.page(LISTS[0], (before, more), limit, event)?
        }
        (EventFilter { kind: None, account: None, .. }, Some(status)) => {
            snapshot.page(LISTS[1], (status, before, more), limit, event)?
        }
        (EventFilter { kind, account, .. }, status) => {
            last = last_looked_at(snapshot, LAST, before)?;
            let params = (before, last.unwrap_or(0), status, kind, account, more);
            snapshot.page(LISTS[2], params, limit, event)?
        }
    };
    Ok(Looked::of(found, last, |event| event.seq))
}

const LAST: &str =
    "select seq from main.stripe_event where seq < ?1 order by seq desc limit 1 offset ?2 - 1";

/// All events, those of a status, some, and the unmatched ones of a customer.
pub(in crate::store) const LISTS: [&str; 4] = [
    select_event!("where e.seq < ?1 order by e.seq desc limit ?2"),
    select_event!("where e.status = ?1 and e.seq < ?2 order by e.seq desc limit ?3"),
    select_event!(
        "where e.seq < ?1 and e.seq >= ?2 and (?3 is null or e.status = ?3)
           and (?4 is null or e.type = ?4) and (?5 is null or a.id = ?5)
         order by e.seq desc limit ?6"
    ),
    "select seq from main.stripe_event where status = 'unmatched' and customer = ?1
     order by seq limit ?2",
];

/// In the words of [`EventStatus::TROUBLED`], so that the index of all statuses gives them.
pub(in crate::store) const TROUBLED: &str = "select status, count(*) from main.stripe_event
     where status in ('pending', 'linked', 'unmatched', 'ignored', 'failed') group by status";

/// How many events have each status that is not an end.
pub fn counts(snapshot: &Snapshot<'_, SystemScope>) -> Result<Vec<(EventStatus, u64)>> {
    snapshot.all(TROUBLED, [], |row| Ok((named(row, "status", EventStatus::parse)?, row.get(1)?)))
}

/// Lets an event wait in the queue of an account.
pub fn assign(
    tx: &Tx<'_, SystemScope>,
    seq: i64,
    owner: AccountSeq,
    by_operator: bool,
) -> Result<()> {
    tx.execute(
        "update main.stripe_event set owner = ?2, by_operator = ?3, status = 'pending', reason = null,
           processed_at = null where seq = ?1",
        (seq, owner, by_operator),
    )?;
    Ok(())
}

/// Says which payment an event is about.
pub fn set_payment(tx: &Tx<'_, SystemScope>, seq: i64, payment: i64) -> Result<()> {
    let sql = "update main.stripe_event set payment = ?2 where seq = ?1";
    tx.execute(sql, (seq, payment)).map(drop)
}

/// Says where an event stands now.
pub fn set_status(
    tx: &Tx<'_, SystemScope>,
    seq: i64,
    status: EventStatus,
    reason: Option<&str>,
) -> Result<()> {
    let is_done = matches!(status, EventStatus::Processed | EventStatus::Duplicate);
    tx.execute(
        "update main.stripe_event set status = ?2, reason = ?3, processed_at = ?4 where seq = ?1",
        (seq, status.as_str(), reason, is_done.then(|| tx.now())),
    )?;
    Ok(())
}

/// Ends the events of a payment that waited for its account, for the operator or for the event that grants it, where
/// one granted it to theirs; and lets all its events without an account be that account's. What told of money that went back still
/// needs the operator.
pub fn settle_granted(tx: &Tx<'_, SystemScope>, payment: i64, reason: &str) -> Result<()> {
    tx.execute(
        "update main.stripe_event as e set status = 'duplicate', reason = ?2, processed_at = ?3
         from main.stripe_payment p where p.seq = ?1 and p.grant_id is not null and e.payment = ?1
           and e.status in ('unmatched', 'ignored', 'linked')
           and coalesce(e.owner, p.owner) = p.owner
           and e.type not glob 'charge.*'",
        (payment, reason, tx.now()),
    )?;
    tx.execute(
        "update main.stripe_event as e set owner = p.owner from main.stripe_payment p
         where p.seq = ?1 and p.owner is not null and e.payment = ?1 and e.owner is null",
        [payment],
    )?;
    Ok(())
}

/// The account that is known for the events of a payment, by the first for which one is.
pub fn owner_of_payment(
    snapshot: &Snapshot<'_, SystemScope>,
    payment: i64,
) -> Result<Option<(AccountSeq, AccountId)>> {
    snapshot.one(
        "select a.seq, a.id from main.stripe_event e join main.account a on a.seq = e.owner
         where e.payment = ?1 order by e.seq limit 1",
        [payment],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Numbers of events of that payment that are unmatched, oldest first.
pub fn unmatched_of_payment(
    snapshot: &Snapshot<'_, SystemScope>,
    payment: i64,
    limit: u32,
) -> Result<Vec<i64>> {
    snapshot.all(
        "select seq from main.stripe_event where payment = ?1 and status = 'unmatched'
         order by seq limit ?2",
        (payment, limit),
        |row| row.get(0),
    )
}

/// Numbers of events of that customer that are unmatched, oldest first.
pub fn unmatched_of(
    snapshot: &Snapshot<'_, SystemScope>,
    customer: &str,
    limit: u32,
) -> Result<Vec<i64>> {
    snapshot.all(LISTS[3], (customer, limit), |row| row.get(0))
}
