//! Events on their way to endpoints, and each try to bring one there.

use rusqlite::{Row, ToSql};

use super::{
    listing::{self, ListSql, Listing, Looked, PlaceSql, between, last_looked_at, place},
    row::unknown,
    scope::AccountScope,
    signal::Signal,
    tx::{Snapshot, Tx},
    usage_tail,
};
use crate::domain::{
    DeliveryId, DeliveryStatus, EndpointId, EventId, Result, Timestamp, TraceContext,
};

/// A status as the table keeps it.
const fn number(status: DeliveryStatus) -> i64 {
    match status {
        DeliveryStatus::Pending => 2,
        DeliveryStatus::Delivered => 3,
        DeliveryStatus::Failed => 4,
    }
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: DeliveryId,
    /// Internal number and public id of its endpoint.
    pub endpoint: (i64, EndpointId),
    /// The event, the same for all endpoints.
    pub event_id: EventId,
    /// The event's name.
    pub event_type: String,
    /// The body, exactly as it is sent and signed.
    pub payload: String,
    /// The step of a trace that led to it, where there was one.
    pub trace: Option<TraceContext>,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Tries made.
    pub attempts: u32,
    /// When the event happened.
    pub created_at: Timestamp,
    /// When it was delivered or given up.
    pub finished_at: Option<Timestamp>,
}

/// What a new delivery is made of.
#[derive(Clone, Debug)]
pub struct NewDelivery<'a> {
    /// Public id.
    pub id: DeliveryId,
    /// Internal number of its endpoint.
    pub endpoint: i64,
    /// The event.
    pub event_id: EventId,
    /// The event's name.
    pub event_type: &'a str,
    /// The body.
    pub payload: &'a str,
    /// The step of a trace that led to it, where there was one.
    pub trace: Option<TraceContext>,
}

/// One try to bring a delivery to its endpoint.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its number, from 1.
    pub n: i64,
    /// The status of the answer, where there was one.
    pub status_code: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub response: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// When it ended.
    pub created_at: Timestamp,
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let status = match row.get("status")? {
        2 => DeliveryStatus::Pending,
        3 => DeliveryStatus::Delivered,
        4 => DeliveryStatus::Failed,
        _ => return Err(unknown("status")),
    };
    let finished_at: Timestamp = row.get("finished_at")?;
    Ok(Delivery {
        seq: row.get("seq")?,
        id: row.get("id")?,
        endpoint: (row.get("endpoint")?, row.get("endpoint_id")?),
        event_id: row.get("event_id")?,
        event_type: row.get("event_type")?,
        payload: row.get("payload")?,
        trace: row.get("trace")?,
        status,
        attempts: row.get("attempts")?,
        created_at: row.get("created_at")?,
        finished_at: (status != DeliveryStatus::Pending).then_some(finished_at),
    })
}

/// Columns for [`delivery`].
macro_rules! select_delivery {
    ($($rest:expr),+) => {
        concat!(
            "select d.*, e.id as endpoint_id from webhook_delivery d \
             join webhook_endpoint e on e.seq = d.endpoint where ",
            $($rest),+
        )
    };
}

/// The conditions of [`DeliveryFilter`] and the order of [`list`].
macro_rules! listed_deliveries {
    () => {
        " and d.seq < ?2 and (?3 is null or d.status = ?3) and (?4 is null or e.id = ?4) \
         and (?5 is null or d.event_type = ?5) and (?6 is null or d.created_at >= ?6) \
         and (?7 is null or d.created_at < ?7) order by d.seq desc limit ?8"
    };
}

const LIST: ListSql = ListSql {
    unlisted: select_delivery!("d.seq > ?1", listed_deliveries!()),
    listed: select_delivery!("d.listed = 1 and d.seq > ?1", listed_deliveries!()),
};
const LAST: &str = "select seq from webhook_delivery where listed = 1 and seq < ?1
    order by seq desc limit 1 offset ?2 - 1";
const NEWEST_LISTED: &str =
    "select seq, created_at from webhook_delivery where listed = 1 and seq <= ?1
    order by seq desc limit 1";

/// Adds a pending delivery; gives its internal number.
pub fn insert(tx: &Tx<'_, AccountScope>, new: &NewDelivery<'_>) -> Result<i64> {
    tx.insert(
        "insert into main.webhook_delivery (account, id, endpoint, event_id, event_type, payload,
           status, attempts, created_at, finished_at, trace)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, 2, 0, ?6, ?6, ?7)",
        (new.id, new.endpoint, new.event_id, new.event_type, new.payload, tx.now(), new.trace),
    )
}

/// The account's delivery of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: DeliveryId) -> Result<Option<Delivery>> {
    snapshot.one(select_delivery!("d.id = ?1"), [id], delivery)
}

/// The account's delivery of that internal number.
pub fn by_seq(snapshot: &Snapshot<'_, AccountScope>, seq: i64) -> Result<Option<Delivery>> {
    snapshot.one(select_delivery!("d.seq = ?1"), [seq], delivery)
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Only where it stands like this.
    pub status: Option<DeliveryStatus>,
    /// Only to this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Only of this event's name.
    pub event_type: Option<String>,
    /// Only of events that happened at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only of events that happened before this time.
    pub created_before: Option<Timestamp>,
    /// Only older than this delivery.
    pub before: Option<DeliveryId>,
}

impl DeliveryFilter {
    /// Whether deliveries can fail it, so that many may be looked at for one that is shown.
    fn is_filtered(&self) -> bool {
        let by_time = self.created_after.or(self.created_before).is_some();
        by_time || self.status.is_some() || self.endpoint.is_some() || self.event_type.is_some()
    }
}

/// The account's deliveries, newest first: up to `limit`, fewer where they are large or hard to find.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    filter: &DeliveryFilter,
    limit: usize,
) -> Result<Looked<Delivery, DeliveryId>> {
    let (above, below) = bounds(snapshot, filter)?;
    let last = if filter.is_filtered() { last_looked_at(snapshot, LAST, below)? } else { None };
    let last = last.filter(|last| *last > above + 1);
    let above = last.map_or(above, |last| last - 1);
    let (status, rows) = (filter.status.map(number), limit.saturating_add(1));
    let DeliveryFilter { endpoint, event_type, created_after, created_before, .. } = filter;
    let params: [&dyn ToSql; 7] =
        [&below, &status, endpoint, event_type, created_after, created_before, &rows];
    let found =
        listing::read(snapshot, Listing::Deliveries, LIST, above, &params, limit, delivery)?;
    let last = last.map(|last| id_of(snapshot, last)).transpose()?.flatten();
    Ok(Looked::of(found, last, |delivery| delivery.id))
}

/// The numbers that all deliveries are between that the filter's page and times leave, both exclusive.
fn bounds(snapshot: &Snapshot<'_, AccountScope>, filter: &DeliveryFilter) -> Result<(i64, i64)> {
    let DeliveryFilter { created_after, created_before, before, .. } = *filter;
    let place = |id| place(snapshot, Listing::Deliveries, PLACE, &id);
    let before = before.map_or(Ok(i64::MAX), place)?;
    let (above, below) = between(snapshot, NEWEST_LISTED, created_after, created_before)?;
    Ok((above, below.min(before)))
}

/// The delivery of that number.
fn id_of(snapshot: &Snapshot<'_, AccountScope>, seq: i64) -> Result<Option<DeliveryId>> {
    snapshot.one("select id from webhook_delivery where seq = ?1", [seq], |row| row.get(0))
}

/// Finds the delivery that a page ended with.
const PLACE: PlaceSql = PlaceSql {
    of_id: "select seq from webhook_delivery where id = ?1",
    newest: "select iif(id > ?2, seq, null) from webhook_delivery where listed = 1 and seq <= ?1
        order by seq desc limit 1",
    unlisted: "select seq from webhook_delivery where seq > ?1 and id > ?2 order by seq limit 1",
};

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 6] =
    [LIST.unlisted, LIST.listed, LAST, NEWEST_LISTED, PLACE.newest, PLACE.unlisted];

/// Failed deliveries to an endpoint since a time, oldest first.
pub fn failed_since(
    snapshot: &Snapshot<'_, AccountScope>,
    endpoint: i64,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Delivery>> {
    snapshot.all(
        select_delivery!(
            "d.endpoint = ?1 and d.status = 4 and d.created_at >= ?2 order by d.seq limit ?3"
        ),
        (endpoint, since, limit),
        delivery,
    )
}

/// Writes down a try.
pub fn attempted(tx: &Tx<'_, AccountScope>, delivery: i64, attempt: &Attempt) -> Result<()> {
    tx.execute(
        "insert into main.webhook_attempt
           (account, delivery, n, status_code, error, response, duration_ms, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            delivery,
            attempt.n,
            attempt.status_code,
            &attempt.error,
            &attempt.response,
            attempt.duration_ms,
            attempt.created_at,
        ),
    )?;
    Ok(())
}

/// Sets where a delivery stands and how often it was tried. One that ended counts for the day.
pub fn set_status(
    tx: &Tx<'_, AccountScope>,
    delivery: i64,
    status: DeliveryStatus,
    attempts: u32,
) -> Result<()> {
    let changed = tx.execute(
        "update main.webhook_delivery set status = ?2, attempts = ?3, finished_at = ?4
         where account = current_account() and seq = ?1",
        (delivery, number(status), attempts, tx.now()),
    )?;
    if status != DeliveryStatus::Pending && changed > 0 {
        tx.signal(Signal::DeliveryEnded(status));
    }
    match status {
        DeliveryStatus::Delivered if changed > 0 => usage_tail::delivery(tx, true),
        DeliveryStatus::Failed if changed > 0 => usage_tail::delivery(tx, false),
        _ => Ok(()),
    }
}

/// When the next try of a delivery is due; `None` where it is over.
pub fn due_at(snapshot: &Snapshot<'_, AccountScope>, delivery: i64) -> Result<Option<Timestamp>> {
    snapshot.one(DUE_AT, [delivery], |row| row.get(0))
}

pub(in crate::store) const DUE_AT: &str =
    "select run_at from queue where queue = 3 and subject = ?1";

/// All tries of a delivery, oldest first.
pub fn attempts(snapshot: &Snapshot<'_, AccountScope>, delivery: i64) -> Result<Vec<Attempt>> {
    snapshot.all(
        "select * from webhook_attempt where delivery = ?1 order by n limit 1000",
        [delivery],
        |row| {
            Ok(Attempt {
                n: row.get("n")?,
                status_code: row.get("status_code")?,
                error: row.get("error")?,
                response: row.get("response")?,
                duration_ms: row.get("duration_ms")?,
                created_at: row.get("created_at")?,
            })
        },
    )
}
