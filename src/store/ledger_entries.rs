//! Reading credits: the lines of the ledger, and the grants.

use rusqlite::{Row, ToSql};

use super::{
    listing::{self, ListSql, Listing, Looked, between, last_looked_at},
    prices::{self, RecordedPrice},
    row::{derived_uuid, named, usage},
    scope::AccountScope,
    tx::Snapshot,
};
use crate::domain::{
    Bucket, Credits, EntryKind, GrantId, JobId, LedgerEntryId, PriceVersion, Result, Timestamp,
    Usage,
};

/// One line of the ledger.
#[derive(Clone, Debug)]
pub struct LedgerEntry {
    /// Its place in the account's ledger, without gaps from 1.
    pub n: i64,
    /// Public id.
    pub id: LedgerEntryId,
    /// What it records.
    pub kind: EntryKind,
    /// The bucket that changed.
    pub bucket: Bucket,
    /// By how much.
    pub delta: Credits,
    /// What could be spent afterwards, both buckets together.
    pub balance_after: Credits,
    /// Why, where a person or a rule said so.
    pub reason: Option<String>,
    /// The job's model, for entries of jobs; for charges the one that answered.
    pub product_name: Option<String>,
    /// The price that a charge was made with.
    pub price: Option<RecordedPrice>,
    /// The tokens that are charged.
    pub usage: Option<Usage>,
    /// The job it belongs to.
    pub job_id: Option<JobId>,
    /// The grant it belongs to.
    pub grant_id: Option<GrantId>,
    /// The event of Stripe's that gave or took back.
    pub stripe_event_id: Option<String>,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

fn entry(row: &Row<'_>) -> rusqlite::Result<LedgerEntry> {
    let (account, n, created_at) = (row.get("account")?, row.get("n")?, row.get("created_at")?);
    Ok(LedgerEntry {
        n,
        id: LedgerEntryId::from_uuid(derived_uuid(account, n, created_at)),
        kind: named(row, "kind", EntryKind::parse)?,
        bucket: named(row, "bucket", Bucket::parse)?,
        delta: row.get("delta")?,
        balance_after: row.get("balance_after")?,
        reason: row.get("reason")?,
        product_name: row.get("product")?,
        price: price(row)?,
        usage: usage(row)?,
        job_id: row.get("job_id")?,
        grant_id: row.get("grant_id")?,
        stripe_event_id: row.get("stripe_event")?,
        request_id: row.get("request")?,
        created_at,
    })
}

fn price(row: &Row<'_>) -> rusqlite::Result<Option<RecordedPrice>> {
    let Some(version) = row.get("version")? else { return Ok(None) };
    let record = PriceVersion { row: row.get("price")?, version };
    Ok(Some(RecordedPrice { record, tariff: prices::tariff(row)? }))
}

impl LedgerEntry {
    /// What it is for, in words.
    pub fn description(&self) -> String {
        let model = self.product_name.as_deref().unwrap_or("a model");
        let or = |text: &str| self.reason.clone().unwrap_or_else(|| text.to_owned());
        match self.kind {
            EntryKind::Reserve => format!("set aside for a job of {model}"),
            EntryKind::Release => format!("given back at the end of a job of {model}"),
            EntryKind::Charge => self.charged(model),
            EntryKind::Expire => "left of a grant when it expired".to_owned(),
            EntryKind::Grant => or("credits that were given"),
            EntryKind::Adjust => or("a correction"),
        }
    }

    fn charged(&self, model: &str) -> String {
        let Usage { prompt_tokens, completion_tokens, cached_tokens, .. } =
            self.usage.unwrap_or_default();
        let tokens = |count: u64, kind: &str| {
            format!("{count} {kind} token{}", if count == 1 { "" } else { "s" })
        };
        let read = tokens(prompt_tokens, "prompt");
        let kept =
            if cached_tokens > 0 { format!(" ({cached_tokens} cached)") } else { String::new() };
        let written = tokens(completion_tokens, "completion");
        let price = self.price.map(|price| format!(", price version {}", price.record.version));
        format!("{read}{kept} and {written} of {model}{}", price.unwrap_or_default())
    }
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct LedgerFilter {
    /// Only this kind.
    pub kind: Option<EntryKind>,
    /// Only this job's.
    pub job: Option<JobId>,
    /// Only made at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only made before this time.
    pub created_before: Option<Timestamp>,
    /// Only entries with a lower number.
    pub before: Option<i64>,
}

/// What [`entry`] reads beside the ledger and the job's id.
macro_rules! entry_columns {
    () => {
        concat!(
            "coalesce(r.model, j.model) as product, coalesce(l.request_id, j.request_id) as request, \
             r.prompt_tokens, r.completion_tokens, r.cached_tokens, ",
            prices::price_columns!()
        )
    };
}

/// The tables beside `ledger l` and `job j` that it is read from. Of a job's entries only the charge is about what
/// came of it.
macro_rules! entry_tables {
    () => {
        "left join job_result r on r.job = l.job and l.kind = 'charge' \
         left join price p on p.seq = l.price"
    };
}

/// Selects entries by what follows: first how they are found, then how they are filtered and sorted.
macro_rules! select_entries {
    ($found:literal) => {
        concat!(
            "select l.*, coalesce(j.id, d.id) as job_id, ",
            entry_columns!(),
            " from ledger l left join job j on j.seq = l.job \
              left join removed_job d on d.seq = l.job ",
            entry_tables!(),
            " where ",
            $found,
            " and l.n < ?2 and (?3 is null or l.kind = ?3) and (?4 is null or l.created_at >= ?4) \
             and (?5 is null or l.created_at < ?5) order by "
        )
    };
}

const LIST: ListSql = ListSql {
    // The numbers of an account's entries rise with those of the rows.
    unlisted: concat!(select_entries!("l.seq > ?1"), "l.seq desc limit ?6"),
    listed: concat!(select_entries!("l.listed = 1 and l.n > ?1"), "l.n desc limit ?6"),
};
const LAST: &str =
    "select n from ledger where listed = 1 and n < ?1 order by n desc limit 1 offset ?2 - 1";
const NEWEST_LISTED: &str =
    "select n, created_at from ledger where listed = 1 and n <= ?1 order by n desc limit 1";

/// The account's entries, newest first: up to `limit`, fewer where they are hard to find.
pub fn entries(
    snapshot: &Snapshot<'_, AccountScope>,
    filter: &LedgerFilter,
    limit: usize,
) -> Result<Looked<LedgerEntry, i64>> {
    let LedgerFilter { kind, created_after, created_before, .. } = *filter;
    let before = filter.before.unwrap_or(i64::MAX);
    let (name, rows) = (kind.map(EntryKind::as_str), limit.saturating_add(1));
    if let Some(job) = filter.job {
        let params = (job, before, name, created_after, created_before, rows);
        let mut found = snapshot.page(ENTRIES_OF_JOB, params, limit, entry)?;
        if found.rows.is_empty() {
            found = snapshot.page(ENTRIES_OF_REMOVED, params, limit, entry)?;
        }
        return Ok(Looked::of(found, None, |entry| entry.n));
    }
    let (above, below) = between(snapshot, NEWEST_LISTED, created_after, created_before)?;
    let below = below.min(before);
    let is_filtered = kind.is_some() || created_after.or(created_before).is_some();
    let last = if is_filtered { last_looked_at(snapshot, LAST, below)? } else { None };
    let last = last.filter(|last| *last > above + 1);
    let above = last.map_or(above, |last| last - 1);
    let params: [&dyn ToSql; 5] = [&below, &name, &created_after, &created_before, &rows];
    let found = listing::read(snapshot, Listing::Ledger, LIST, above, &params, limit, entry)?;
    Ok(Looked::of(found, last, |entry| entry.n))
}

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 4] = [LIST.unlisted, LIST.listed, LAST, NEWEST_LISTED];

/// Selects the entries of one job, which `$jobs` has with the rounds `$rounds`.
macro_rules! select_entries_of {
    ($jobs:literal, $rounds:literal) => {
        concat!(
            "select l.*, d.id as job_id, ",
            entry_columns!(),
            " from ",
            $jobs,
            " join ledger l on l.job = d.seq and l.round >= 1 and ",
            $rounds,
            " left join job j on j.seq = d.seq ",
            entry_tables!(),
            " where d.id = ?1 and l.n < ?2 and (?3 is null or l.kind = ?3) \
               and (?4 is null or l.created_at >= ?4) and (?5 is null or l.created_at < ?5) \
             order by l.n desc limit ?6"
        )
    };
}

/// The bounds of `round`, which hold always, make the planner prefer the index `ledger_by_job` to
/// the account's whole ledger.
pub(in crate::store) const ENTRIES_OF_JOB: &str = select_entries_of!("job d", "l.round <= d.round");
/// The same of a job that was removed.
pub(in crate::store) const ENTRIES_OF_REMOVED: &str =
    select_entries_of!("removed_job d", "l.round < 9223372036854775807");

/// Credits given at one time and what is left of them.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Public id.
    pub id: GrantId,
    /// Where they went.
    pub bucket: Bucket,
    /// How many they were.
    pub amount: Credits,
    /// How many are left.
    pub remaining: Credits,
    /// Why they were given.
    pub reason: String,
    /// When what is left expires.
    pub expires_at: Option<Timestamp>,
    /// When they were given.
    pub created_at: Timestamp,
}

fn read_grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant {
        id: row.get("id")?,
        bucket: named(row, "bucket", Bucket::parse)?,
        amount: row.get("amount")?,
        remaining: row.get("remaining")?,
        reason: row.get("reason")?,
        expires_at: row.get("expires_at")?,
        created_at: row.get("created_at")?,
    })
}

/// The account's grant of that id.
pub fn grant(snapshot: &Snapshot<'_, AccountScope>, id: GrantId) -> Result<Option<Grant>> {
    snapshot.one("select * from credit_grant where id = ?1", [id], read_grant)
}

pub(in crate::store) const GRANTS: &str =
    "select * from credit_grant where id < ?1 order by id desc limit ?2";

/// The account's grants older than `before`, newest first.
pub fn grants(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<GrantId>,
    limit: u32,
) -> Result<Vec<Grant>> {
    snapshot.all(GRANTS, (before.unwrap_or(GrantId::MAX), limit), read_grant)
}
