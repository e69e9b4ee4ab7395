//! The events that Stripe sent, each once.

use rusqlite::Row;

use crate::{
    domain::{
        AccountId, GrantId, Result, Rows, Timestamp,
        stripe::{EventStatus, StripeEvent},
    },
    store::{AccountSeq, Snapshot, SystemScope, Tx, row::named},
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
    /// The body as it came.
    pub payload: String,
    /// Where it stands.
    pub status: EventStatus,
    /// More about that, in words.
    pub reason: Option<String>,
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
        payload: row.get("payload")?,
        status: named(row, "status", EventStatus::parse)?,
        reason: row.get("reason")?,
        created_at: row.get("created_at")?,
        processed_at: row.get("processed_at")?,
    })
}

/// Columns for [`event`].
macro_rules! select_event {
    ($rest:literal) => {
        concat!(
            "select e.*, a.id as account_id, p.grant_id from main.stripe_event e \
             left join main.account a on a.seq = e.owner \
             left join main.stripe_payment p on p.seq = e.payment ",
            $rest
        )
    };
}

/// Keeps an event that was not known; gives its number. `None` where it is.
pub fn insert(
    tx: &Tx<'_, SystemScope>,
    event: &StripeEvent,
    payment: i64,
    payload: &str,
) -> Result<Option<i64>> {
    tx.one(
        "insert into main.stripe_event (id, type, customer, payment, payload, status, created_at)
         values (?1, ?2, ?3, ?4, ?5, 'pending', ?6)
         on conflict (id) do nothing returning seq",
        (&event.id, &event.kind, &event.customer, payment, payload, tx.now()),
        |row| row.get(0),
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

/// Events before that number, newest first, of one status or all: up to `limit`, fewer where they are large.
pub fn list(
    snapshot: &Snapshot<'_, SystemScope>,
    status: Option<EventStatus>,
    before: i64,
    limit: usize,
) -> Result<Rows<StoredEvent>> {
    let rows = limit.saturating_add(1);
    let Some(status) = status else {
        return snapshot.page(LISTS[0], (before, rows), limit, event);
    };
    snapshot.page(LISTS[1], (status.as_str(), before, rows), limit, event)
}

/// All events, those of a status, and the unmatched ones of a customer.
pub(in crate::store) const LISTS: [&str; 3] = [
    select_event!("where e.seq < ?1 order by e.seq desc limit ?2"),
    select_event!("where e.status = ?1 and e.seq < ?2 order by e.seq desc limit ?3"),
    "select seq from main.stripe_event where status = 'unmatched' and customer = ?1
     order by seq limit ?2",
];

/// Lets an event wait in the queue of an account.
pub fn assign(tx: &Tx<'_, SystemScope>, seq: i64, owner: AccountSeq) -> Result<()> {
    tx.execute(
        "update main.stripe_event set owner = ?2, status = 'pending', reason = null,
           processed_at = null where seq = ?1",
        (seq, owner),
    )?;
    Ok(())
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

/// Ends the events of a payment that waited for its account, where another event granted it.
pub fn settle_unmatched(tx: &Tx<'_, SystemScope>, payment: i64, reason: &str) -> Result<()> {
    tx.execute(
        "update main.stripe_event set status = 'duplicate', reason = ?2, processed_at = ?3
         where payment = ?1 and status = 'unmatched' and exists (select 1 from main.stripe_payment p
           where p.seq = ?1 and p.grant_id is not null)",
        (payment, reason, tx.now()),
    )?;
    Ok(())
}

/// Numbers of events of that customer that are unmatched, oldest first.
pub fn unmatched_of(
    snapshot: &Snapshot<'_, SystemScope>,
    customer: &str,
    limit: u32,
) -> Result<Vec<i64>> {
    snapshot.all(LISTS[2], (customer, limit), |row| row.get(0))
}
